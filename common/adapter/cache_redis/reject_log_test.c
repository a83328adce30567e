/* Traces in a real redis-server: newest first, cut at their bounds, gone after a day, and a server
 * that is away hurts nobody. */
#include "adapter/cache_redis/reject_log_redis.h"
#include "adapter/window_redis/testing/redis_server.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hiredis/hiredis.h>
#include <stdio.h>

static struct redis_server server;

static int begin(void **state)
{
    struct error error;
    (void)state;
    if (!redis_server_begin(&server, NULL, &error))
        fail_msg("%s", error.text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    redis_server_end(&server);
    return 0;
}

static struct reject_log *open_log(void)
{
    struct error error;
    struct reject_log *log = reject_log_redis_open(server.url, 20000, &error);
    assert_non_null(log);
    return log;
}

struct seen {
    unsigned count, most;
    uint32_t first, last;
};

static bool on_trace(void *context, struct span trace)
{
    struct seen *seen = context;
    assert_int_equal(trace.length, 8); /* a NUL among them is no end */
    seen->last = load_le32(trace.data);
    if (seen->count++ == 0)
        seen->first = seen->last;
    return seen->count != seen->most;
}

static struct seen look(struct reject_log *log, uint64_t account, uint64_t worker, unsigned most)
{
    struct seen seen = { .most = most };
    struct error error;
    if (!reject_log_read(log, account, worker, on_trace, &seen, &error))
        fail_msg("%s", error.text);
    return seen;
}

static void put(struct reject_log *log, uint64_t account, uint64_t worker, uint32_t number)
{
    uint8_t bytes[8] = { 0 };
    struct error error;
    store_le32(bytes, number);
    const struct reject_log_entry entry = { account, worker, span_of(bytes, sizeof bytes) };
    if (!reject_log_put(log, &entry, 1, &error))
        fail_msg("%s", error.text);
}

static void the_newest_are_kept_of_each_worker_and_account(void **state)
{
    (void)state;
    struct reject_log *log = open_log();
    for (uint32_t i = 0; i < 300; i++)
        put(log, 1, 10 + i % 2, i);
    put(log, 2, 10, 7000);
    struct seen of_account = look(log, 1, 0, 0), of_worker = look(log, 1, 11, 0);
    assert_int_equal(of_account.count, REJECT_LOG_OF_ACCOUNT_MAX);
    assert_int_equal(of_account.first, 299);
    assert_int_equal(of_account.last, 300 - REJECT_LOG_OF_ACCOUNT_MAX);
    assert_int_equal(of_worker.count, REJECT_LOG_OF_WORKER_MAX);
    assert_int_equal(of_worker.first, 299);
    assert_int_equal(of_worker.last, 299 - 2 * (REJECT_LOG_OF_WORKER_MAX - 1));
    assert_int_equal(look(log, 1, 0, 3).count, 3);
    assert_int_equal(look(log, 2, 10, 0).count, 1);
    assert_int_equal(look(log, 3, 0, 0).count, 0);
    reject_log_close(log);
}

static void they_go_after_a_day(void **state)
{
    (void)state;
    struct reject_log *log = open_log();
    put(log, 5, 6, 1);
    redisContext *redis = redisConnectUnix(server.url + strlen("unix:"));
    assert_true(redis != NULL && redis->err == 0);
    const char *const keys[] = { "adit:rejects:0000000000000005",
                                 "adit:rejects:0000000000000005:0000000000000006" };
    for (size_t i = 0; i < 2; i++) {
        redisReply *reply = redisCommand(redis, "TTL %s", keys[i]);
        assert_non_null(reply);
        assert_in_range(reply->integer, 1, REJECT_LOG_KEEP_S);
        freeReplyObject(reply);
    }
    redisFree(redis);
    reject_log_close(log);
}

static void a_server_that_is_not_there_is_an_error_in_words(void **state)
{
    (void)state;
    struct error error;
    struct reject_log *log = reject_log_redis_open("unix:/nowhere/redis.sock", 100, &error);
    uint8_t bytes[8] = { 0 };
    const struct reject_log_entry entry = { 1, 2, span_of(bytes, sizeof bytes) };
    struct seen seen = { .count = 0 };
    assert_non_null(log);
    assert_false(reject_log_put(log, &entry, 1, &error));
    assert_true(strlen(error.text) > 0);
    assert_false(reject_log_read(log, 1, 2, on_trace, &seen, &error));
    reject_log_close(log);
    assert_null(reject_log_redis_open("nonsense", 100, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_kept_of_each_worker_and_account),
        cmocka_unit_test(they_go_after_a_day),
        cmocka_unit_test(a_server_that_is_not_there_is_an_error_in_words),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
