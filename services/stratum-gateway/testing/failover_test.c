/* A real redis-server dies with shares that its replica never got, and the replica is made to lead:
 * every share that was answered is in the window once, because the gateway sends again what it
 * keeps. What stands between the two here is as little as a validator can be: it appends whatever
 * comes and answers what the window says. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "adapter/window_redis/testing/redis_pair.h"
#include "adapter/window_redis/window_redis.h"
#include "loop/testing/until.h"
#include "services/stratum-gateway/dispatcher.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHARES = 6000 };

struct pool {
    struct loop *loop;
    struct bus *bus;
    struct bus_server *server;
    struct dispatcher *dispatcher;
    struct window_writer *writer;
    struct redis_pair redis;
    bool ready;
    unsigned added, ended;
    bool answered[SHARES]; /* true */
    unsigned in_window[SHARES];
};

struct asked {
    struct bus_call *call;
    uint64_t lease_id, sequence;
    uint32_t count;
};

static void on_window(void *context, const struct window_result *result)
{
    struct asked *asked = context;
    static struct wire_verdict verdicts[WINDOW_BATCH_SHARES_MAX]; /* accepted, all of them */
    static uint8_t bytes[8192];
    static const enum wire_batch_status statuses[] = {
        [WINDOW_APPENDED] = WIRE_BATCH_JUDGED, [WINDOW_REPEATED] = WIRE_BATCH_JUDGED,
        [WINDOW_REFUSED] = WIRE_BATCH_REFUSED, [WINDOW_UNAVAILABLE] = WIRE_BATCH_NOT_DURABLE,
        [WINDOW_UNKNOWN] = WIRE_BATCH_UNKNOWN,
    };
    const struct wire_verdict_batch reply = {
        .lease_id = asked->lease_id,
        .sequence = asked->sequence,
        .status = (uint8_t)statuses[result->outcome],
        .history = result->history,
        .verdicts = verdicts,
        .verdicts_count = statuses[result->outcome] == WIRE_BATCH_JUDGED ? asked->count : 0,
    };
    size_t length = wire_encode_verdict_batch(&reply, bytes, sizeof bytes);
    (void)bus_reply(asked->call, span_of(bytes, length));
    free(asked);
}

static void on_batch(void *context, struct bus_call *call, struct span message)
{
    struct pool *pool = context;
    static uint8_t memory[1 << 17];
    struct arena arena = arena_over(memory, sizeof memory);
    struct window_share shares[WINDOW_BATCH_SHARES_MAX] = { 0 };
    struct wire_share_batch wire;
    struct error error;
    assert_true(wire_decode_share_batch(message, &arena, &wire, &error));
    struct asked *asked = malloc(sizeof *asked);
    *asked = (struct asked){ call, wire.lease_id, wire.sequence, wire.shares_count };
    for (uint32_t i = 0; i < wire.shares_count; i++)
        shares[i] =
            (struct window_share){ .account = 1, .worker = wire.shares[i].nonce, .work = 1 };
    const struct window_batch batch = { .lease_id = wire.lease_id,
                                        .sequence = wire.sequence,
                                        .lowest = wire.lowest,
                                        .shares = shares,
                                        .share_count = wire.shares_count,
                                        .verdicts = span_text("v") };
    assert_true(window_append(pool->writer, &batch, on_window, asked));
}

static void on_end(void *context, const struct dispatch_origin *origin,
                   const struct wire_share *share, const struct dispatch_result *result)
{
    struct pool *pool = context;
    (void)origin;
    pool->answered[share->nonce] = result->end == DISPATCH_JUDGED;
    pool->ended++;
}

static void on_state(void *context, bool ready, const char *text)
{
    (void)text;
    ((struct pool *)context)->ready = ready;
}

#define UNTIL(pool, condition) LOOP_UNTIL((pool)->loop, condition, "")

static void begin(struct pool *pool)
{
    static const char urls[1][VALIDATORS_URL_BYTES] = { "fake://validator" };
    struct error error;
    *pool = (struct pool){ .loop = loop_create(&error) };
    if (!redis_pair_begin(&pool->redis, &error))
        fail_msg("%s", error.text);
    const struct window_redis_options window = { .url = pool->redis.url,
                                                 .on_state = on_state,
                                                 .context = pool };
    pool->writer = window_redis_writer_open(pool->loop, &window, &error);
    UNTIL(pool, pool->ready);
    pool->bus = bus_fake_create(pool->loop);
    pool->server = bus_serve(pool->bus, urls[0], 64, 1 << 20, on_batch, pool, &error);
    const struct dispatcher_options options = { .loop = pool->loop,
                                                .bus = pool->bus,
                                                .timeout_ms = 2000,
                                                .hold_ms = 60000,
                                                .shares_max = SHARES,
                                                .keep_ms = 120000,
                                                .keep_bytes_max = 32 << 20,
                                                .handler = on_end,
                                                .context = pool };
    pool->dispatcher = dispatcher_create(&options);
    dispatcher_set_lease(pool->dispatcher, 1);
    assert_true(dispatcher_set_validators(pool->dispatcher, urls, 1));
}

static void end(struct pool *pool)
{
    window_writer_close(pool->writer);
    dispatcher_destroy(pool->dispatcher);
    bus_server_close(pool->server);
    bus_destroy(pool->bus);
    redis_pair_end(&pool->redis);
    loop_destroy(pool->loop);
}

static void add(struct pool *pool, unsigned count)
{
    for (; count > 0; count--) {
        const struct wire_share share = { .nonce = pool->added++, .work = 1 };
        assert_true(dispatcher_add(pool->dispatcher, &share, &(struct dispatch_origin){ 0 }));
        if (count % 17 == 0)
            loop_run_once(pool->loop, 0);
    }
}

static bool count_shares(void *context, struct window_position first, uint64_t lease_id,
                         uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct pool *pool = context;
    (void)first, (void)lease_id, (void)sequence;
    for (size_t i = 0; i < count; i++)
        pool->in_window[shares[i].worker]++;
    return true;
}

static unsigned missing(struct pool *pool)
{
    struct error error;
    unsigned lost = 0;
    memset(pool->in_window, 0, sizeof pool->in_window);
    struct window_reader *reader =
        window_redis_reader_open(&(struct window_redis_options){ .url = pool->redis.url }, &error);
    assert_true(window_walk_on(reader, NULL, count_shares, pool, &error));
    window_reader_close(reader);
    for (unsigned i = 0; i < pool->added; i++) {
        assert_true(pool->in_window[i] <= 1);
        lost += pool->answered[i] && pool->in_window[i] == 0;
    }
    return lost;
}

static void every_answered_share_survives_a_failover_once(void **state)
{
    static struct pool pool;
    struct error error;
    (void)state;
    begin(&pool);
    add(&pool, 2000);
    UNTIL(&pool, pool.ended == 2000);
    /* From here on the replica gets nothing; the primary serves on and dies with shares in flight.
     */
    assert_true(redis_server_command(&pool.redis.replica, &error, "REPLICAOF 127.0.0.1 1"));
    add(&pool, 2000);
    UNTIL(&pool, pool.ended >= 3500);
    redis_server_kill(&pool.redis.primary);
    add(&pool, 500);
    assert_true(redis_pair_promote(&pool.redis, &error));
    assert_true(missing(&pool) > 0); /* as much as a failover alone loses */
    add(&pool, 500);
    UNTIL(&pool, pool.ended == pool.added);
    UNTIL(&pool, dispatcher_counts(pool.dispatcher).replay.histories == 1 &&
                     dispatcher_counts(pool.dispatcher).replay.due == 0);
    assert_int_equal(missing(&pool), 0);
    for (unsigned i = 0; i < pool.added; i++)
        assert_true(pool.answered[i]);
    assert_int_equal(dispatcher_counts(pool.dispatcher).replay.refused, 0);
    end(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answered_share_survives_a_failover_once),
    };
    if (!redis_server_found()) {
        printf("SKIPPED: redis-server is not installed\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("gateway_failover", tests, NULL, NULL);
}
