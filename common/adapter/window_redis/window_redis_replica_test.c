/* The writer where replicas are waited for: two real servers, one the other's replica. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/window_redis/testing/redis_pair.h"
#include "adapter/window_redis/window_redis.h"
#include "loop/testing/until.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* A busy disk may keep a replica from answering for seconds, which is no fault here: only where an
 * absent one is the point is the wait short. */
enum { TIMEOUT_MS = 50000, WAIT_MS = 40000, WAIT_SHORT_MS = 300 };

struct pair {
    struct loop *loop;
    struct redis_pair redis;
    struct window_writer *writer;
    bool ready;
    char text[512];
};

struct answer {
    bool done;
    enum window_outcome outcome;
    uint64_t history;
    char reason[200];
};

static void on_state(void *context, bool ready, const char *text)
{
    struct pair *pair = context;
    pair->ready = ready;
    snprintf(pair->text, sizeof pair->text, "%s", text);
}

static void command(const struct redis_server *server, const char *text)
{
    struct error error;
    if (!redis_server_command(server, &error, text))
        fail_msg("%s", error.text);
}

#define UNTIL(pair, condition) LOOP_UNTIL((pair)->loop, condition, (pair)->text)

static void begin(struct pair *pair, unsigned wait_ms)
{
    struct error error;
    *pair = (struct pair){ .loop = loop_create(&error) };
    if (!redis_pair_begin(&pair->redis, &error))
        fail_msg("%s", error.text);
    const struct window_redis_options options = { .url = pair->redis.url,
                                                  .timeout_ms = TIMEOUT_MS,
                                                  .wait_replicas = 1,
                                                  .wait_ms = wait_ms,
                                                  .on_state = on_state,
                                                  .context = pair };
    pair->writer = window_redis_writer_open(pair->loop, &options, &error);
    assert_non_null(pair->writer);
    UNTIL(pair, pair->ready);
}

static void end(struct pair *pair)
{
    window_writer_close(pair->writer);
    redis_pair_end(&pair->redis);
    loop_destroy(pair->loop);
}

static void take(void *context, const struct window_result *result)
{
    struct answer *answer = context;
    answer->done = true;
    answer->outcome = result->outcome;
    answer->history = result->history;
    snprintf(answer->reason, sizeof answer->reason, "%s", result->reason);
}

static void send(struct pair *pair, uint64_t sequence, struct answer *answer)
{
    const struct window_share share = { .account = 1, .worker = sequence, .work = 1 };
    const struct window_batch batch = { .lease_id = 1,
                                        .sequence = sequence,
                                        .lowest = 1,
                                        .shares = &share,
                                        .share_count = 1,
                                        .verdicts = span_text("v") };
    *answer = (struct answer){ .done = false };
    assert_true(window_append(pair->writer, &batch, take, answer));
}

static struct answer append(struct pair *pair, uint64_t sequence)
{
    struct answer answer;
    send(pair, sequence, &answer);
    UNTIL(pair, answer.done);
    return answer;
}

/* Asked again as long as it is not known or not taken: what comes of it in the end. */
static enum window_outcome settle(struct pair *pair, uint64_t sequence)
{
    enum window_outcome outcome = WINDOW_UNKNOWN;
    UNTIL(pair, (outcome = append(pair, sequence).outcome) != WINDOW_UNKNOWN &&
                    outcome != WINDOW_UNAVAILABLE);
    return outcome;
}

static bool count_shares(void *context, struct window_position first, uint64_t lease_id,
                         uint64_t sequence, const struct window_share *shares, size_t count)
{
    unsigned *seen = context;
    (void)first, (void)lease_id, (void)shares;
    assert_int_equal(count, 1);
    seen[sequence]++;
    return true;
}

/* How often the leader's window has each sequence. */
static void read_all(struct pair *pair, unsigned *seen_r)
{
    struct error error;
    struct window_reader *reader =
        window_redis_reader_open(&(struct window_redis_options){ .url = pair->redis.url }, &error);
    if (reader == NULL || !window_walk_on(reader, NULL, count_shares, seen_r, &error))
        fail_msg("%s", error.text);
    window_reader_close(reader);
}

static void what_no_replica_has_is_unknown_until_one_has_it(void **state)
{
    struct pair pair;
    (void)state;
    begin(&pair, WAIT_SHORT_MS);
    (void)settle(&pair, 1);
    redis_server_stop(&pair.redis.replica);
    struct answer answer = append(&pair, 2);
    assert_int_equal(answer.outcome, WINDOW_UNKNOWN);
    assert_non_null(strstr(answer.reason, "0 of 1 replicas"));
    /* Asked again it waits again, though nothing is written any more. */
    assert_int_equal(append(&pair, 2).outcome, WINDOW_UNKNOWN);
    redis_server_continue(&pair.redis.replica);
    assert_int_equal(settle(&pair, 2), WINDOW_REPEATED);
    (void)settle(&pair, 3);
    end(&pair);
}

static void without_its_replicas_nothing_is_sent(void **state)
{
    struct pair pair;
    struct error error;
    unsigned seen[4] = { 0 };
    (void)state;
    begin(&pair, WAIT_SHORT_MS);
    redis_server_kill(&pair.redis.replica);
    UNTIL(&pair, append(&pair, 1).outcome == WINDOW_UNAVAILABLE);
    struct answer answer = append(&pair, 2);
    assert_int_equal(answer.outcome, WINDOW_UNAVAILABLE);
    assert_non_null(strstr(answer.reason, "0 of the 1 replicas"));
    read_all(&pair, seen);
    assert_int_equal(seen[2], 0);
    assert_true(redis_server_restart(&pair.redis.replica, &error));
    (void)settle(&pair, 2);
    (void)settle(&pair, 3);
    read_all(&pair, seen);
    assert_int_equal(seen[2], 1);
    end(&pair);
}

/* One fsync and one question to the replicas for all appends of a round. */
static void the_appends_of_a_round_wait_together(void **state)
{
    enum { MANY = 100 };
    struct pair pair;
    struct answer answers[MANY];
    (void)state;
    begin(&pair, WAIT_MS);
    command(&pair.redis.primary, "CONFIG RESETSTAT");
    for (uint64_t i = 0; i < MANY; i++)
        send(&pair, i + 1, &answers[i]);
    for (size_t i = 0; i < MANY; i++) {
        UNTIL(&pair, answers[i].done);
        if (answers[i].outcome != WINDOW_APPENDED)
            fail_msg("append %zu: %s", i, answers[i].reason);
    }
    assert_true(redis_server_says(&pair.redis.primary, "commandstats", "cmdstat_wait:calls=1,"));
    end(&pair);
}

/* The primary dies with appends under way, the replica is made to lead: what was answered is there
 * once, what was not can be asked for again, and the history has another name. */
static void what_was_answered_survives_the_primary(void **state)
{
    enum { MANY = 200 };
    struct pair pair;
    static struct answer answers[MANY + 1];
    unsigned seen[MANY + 1] = { 0 };
    struct error error;
    (void)state;
    begin(&pair, WAIT_MS);
    uint64_t history = 0;
    for (uint64_t i = 1; i <= MANY; i++) {
        send(&pair, i, &answers[i]);
        if (i % 20 == 0)
            loop_run_once(pair.loop, 1);
    }
    UNTIL(&pair, answers[20].done);
    redis_server_kill(&pair.redis.primary);
    for (size_t i = 1; i <= MANY; i++)
        UNTIL(&pair, answers[i].done);
    assert_true(redis_pair_promote(&pair.redis, &error));
    /* The new one has no replica: from here on none is waited for. */
    window_writer_close(pair.writer);
    const struct window_redis_options options = {
        .url = pair.redis.url, .timeout_ms = TIMEOUT_MS, .on_state = on_state, .context = &pair
    };
    pair.ready = false;
    pair.writer = window_redis_writer_open(pair.loop, &options, &error);
    UNTIL(&pair, pair.ready);
    unsigned acknowledged = 0;
    for (uint64_t i = 1; i <= MANY; i++) {
        bool was = answers[i].outcome == WINDOW_APPENDED;
        history = was ? answers[i].history : history;
        struct answer again = append(&pair, i);
        acknowledged += was;
        assert_int_not_equal(again.history, history);
        if (was)
            assert_int_equal(again.outcome, WINDOW_REPEATED);
        else
            assert_true(again.outcome == WINDOW_REPEATED || again.outcome == WINDOW_APPENDED);
    }
    assert_true(acknowledged >= 20);
    assert_int_not_equal(history, 0);
    read_all(&pair, seen);
    for (size_t i = 1; i <= MANY; i++)
        assert_int_equal(seen[i], 1);
    end(&pair);
}

/* A server that was made a replica and leads again has another history, though the connection may
 * have stayed. */
static void a_changed_history_is_noticed_on_a_standing_connection(void **state)
{
    struct pair pair;
    (void)state;
    begin(&pair, WAIT_MS);
    uint64_t before = append(&pair, 1).history;
    command(&pair.redis.primary, "DEBUG CHANGE-REPL-ID");
    UNTIL(&pair, append(&pair, 1).history != before);
    end(&pair);
}

static void beyond_the_mark_of_memory_no_share_is_taken(void **state)
{
    struct pair pair;
    struct error error;
    (void)state;
    begin(&pair, WAIT_MS);
    window_writer_close(pair.writer);
    const struct window_redis_options options = {
        .url = pair.redis.url, .memory_percent_max = 80, .on_state = on_state, .context = &pair
    };
    pair.ready = false;
    pair.writer = window_redis_writer_open(pair.loop, &options, &error);
    UNTIL(&pair, pair.ready);
    assert_int_equal(append(&pair, 1).outcome, WINDOW_APPENDED);
    redisContext *redis = redisConnectUnix(pair.redis.primary.url + 5);
    redisReply *info = redisCommand(redis, "INFO memory");
    unsigned long long used = strtoull(strstr(info->str, "used_memory:") + 12, NULL, 10);
    freeReplyObject(info);
    freeReplyObject(redisCommand(redis, "CONFIG SET maxmemory %llu", used + used / 10));
    struct answer answer = { .done = false };
    UNTIL(&pair, (answer = append(&pair, 3)).outcome == WINDOW_UNAVAILABLE);
    assert_non_null(strstr(answer.reason, "beyond 80 %"));
    /* The server itself would have taken it. */
    freeReplyObject(redisCommand(redis, "CONFIG SET maxmemory %llu", used * 4));
    redisFree(redis);
    (void)settle(&pair, 4);
    end(&pair);
}

static void a_host_name_is_looked_up_beside_the_loop(void **state)
{
    struct pair pair;
    struct error error;
    char url[64];
    (void)state;
    begin(&pair, WAIT_MS);
    window_writer_close(pair.writer);
    snprintf(url, sizeof url, "tcp://no-such-host.invalid:%s", pair.redis.port);
    struct window_redis_options options = { .url = url, .on_state = on_state, .context = &pair };
    pair.ready = true;
    pair.writer = window_redis_writer_open(pair.loop, &options, &error);
    assert_non_null(pair.writer);
    UNTIL(&pair, !pair.ready);
    window_writer_close(pair.writer);
    snprintf(url, sizeof url, "tcp://localhost:%s", pair.redis.port);
    pair.writer = window_redis_writer_open(pair.loop, &options, &error);
    UNTIL(&pair, pair.ready);
    assert_int_equal(append(&pair, 1).outcome, WINDOW_APPENDED);
    end(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_replica_has_is_unknown_until_one_has_it),
        cmocka_unit_test(without_its_replicas_nothing_is_sent),
        cmocka_unit_test(the_appends_of_a_round_wait_together),
        cmocka_unit_test(what_was_answered_survives_the_primary),
        cmocka_unit_test(a_changed_history_is_noticed_on_a_standing_connection),
        cmocka_unit_test(beyond_the_mark_of_memory_no_share_is_taken),
        cmocka_unit_test(a_host_name_is_looked_up_beside_the_loop),
    };
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    /* Where nobody answers questions for names, that is soon clear. */
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
    return cmocka_run_group_tests_name("window_redis_replica", tests, NULL, NULL);
}
