/* What stands beside the pool's series: how many workers were active, and what the work was worth,
 * held against a count by hand, read as it came or backwards after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapter/window_fake/window_fake.h"
#include "loop/testing/until.h"
#include "services/inode-scheduler/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MINUTE_MS = 60000, HOUR_MS = 3600000, WORKERS = 6, SHARES = 200, SPAN_MS = 100 * MINUTE_MS };

struct bench {
    struct loop *loop;
    struct window_fake *window;
    struct window_writer *writer;
    struct window_reader *reader;
    struct stats *stats;
    uint64_t now_ms; /* the end of a minute */
    unsigned replies;
    struct window_share shares[SHARES];
};

static unsigned seed;

static void on_appended(void *context, const struct window_result *result)
{
    struct bench *bench = context;
    assert_int_equal(result->outcome, WINDOW_APPENDED);
    bench->replies++;
}

static void append(struct bench *bench, size_t at, size_t count)
{
    static const uint8_t verdicts[1] = { 0 };
    struct window_batch batch = { .lease_id = 1,
                                  .sequence = at + 1,
                                  .lowest = at + 1,
                                  .shares = bench->shares + at,
                                  .share_count = count,
                                  .verdicts = span_of(verdicts, 1) };
    unsigned replies = bench->replies;
    assert_true(window_append(bench->writer, &batch, on_appended, bench));
    LOOP_UNTIL(bench->loop, bench->replies > replies, "");
}

static void look(struct bench *bench)
{
    struct error error;
    if (!stats_read(bench->stats, bench->reader, bench->now_ms, &error))
        fail_msg("%s", error.text);
}

/* Shares of some workers, in the order of their times. */
static void open_bench(struct bench *bench)
{
    *bench = (struct bench){ .now_ms = loop_unix_ms() / MINUTE_MS * MINUTE_MS - 1 };
    struct error error;
    bench->loop = loop_create(&error);
    assert_non_null(bench->loop);
    bench->window = window_fake_create(bench->loop);
    bench->writer = window_fake_writer(bench->window, 0);
    bench->reader = window_fake_reader(bench->window);
    bench->stats = stats_create(bench->now_ms);
    for (size_t i = 0; i < SHARES; i++)
        bench->shares[i] = (struct window_share){
            .worker = 10 + (unsigned)rand_r(&seed) % WORKERS,
            .work = 1000,
            .time_ms = bench->now_ms - SPAN_MS + (uint64_t)SPAN_MS * i / SHARES,
        };
    /* a worker's id says its account too */
    for (size_t i = 0; i < SHARES; i++)
        bench->shares[i].account = bench->shares[i].worker % 2 + 1;
}

static void close_bench(struct bench *bench)
{
    stats_destroy(bench->stats);
    window_reader_close(bench->reader);
    window_writer_close(bench->writer);
    window_fake_destroy(bench->window);
    loop_destroy(bench->loop);
}

/* Workers with a share in [from, to). */
static uint32_t active(const struct bench *bench, uint64_t from_ms, uint64_t to_ms)
{
    uint32_t seen = 0, count = 0;
    for (size_t i = 0; i < SHARES; i++) {
        const struct window_share *share = &bench->shares[i];
        uint32_t bit = 1u << (share->worker - 10);
        if (share->time_ms >= from_ms && share->time_ms < to_ms && (seen & bit) == 0) {
            seen |= bit;
            count++;
        }
    }
    return count;
}

static void compare(struct bench *bench)
{
    struct stats_point points[STATS_HOURS_MAX];
    size_t count = stats_series(bench->stats, 0, 0, false, bench->now_ms, points);
    assert_true(count >= 100);
    for (size_t i = 0; i < count; i++) {
        uint64_t end_ms = points[i].time_ms + MINUTE_MS;
        assert_int_equal(points[i].workers, active(bench, end_ms - 10 * MINUTE_MS, end_ms));
    }
    count = stats_series(bench->stats, 0, 0, true, bench->now_ms, points);
    assert_true(count >= 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(points[i].workers,
                         active(bench, points[i].time_ms, points[i].time_ms + HOUR_MS));
    /* accounts and workers have none */
    count = stats_series(bench->stats, 1, 0, false, bench->now_ms, points);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(points[i].workers, 0);
}

static void a_worker_is_active_for_ten_minutes_and_counts_once(void **state)
{
    (void)state;
    struct bench bench;
    open_bench(&bench);
    for (size_t at = 0; at < SHARES; at += 20) {
        append(&bench, at, 20);
        look(&bench);
    }
    compare(&bench);
    /* read backwards, batch by batch, after a restart */
    stats_destroy(bench.stats);
    bench.stats = stats_create(bench.now_ms);
    look(&bench);
    compare(&bench);
    close_bench(&bench);
}

static double worth(const struct bench *bench, bool hours)
{
    struct stats_point points[STATS_HOURS_MAX];
    double sum = 0;
    size_t count = stats_series(bench->stats, 0, 0, hours, bench->now_ms, points);
    for (size_t i = 0; i < count; i++)
        sum += points[i].expected;
    return sum;
}

static void near(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-9)
        fail_msg("%f where %f was expected", got, wanted);
}

static void work_is_worth_what_blocks_took_when_it_was_done(void **state)
{
    (void)state;
    struct bench bench;
    struct stats_pool pool;
    open_bench(&bench);
    /* as it comes: half of it at one difficulty, half at another */
    stats_network_is(bench.stats, 1000);
    append(&bench, 0, SHARES / 2);
    look(&bench);
    stats_network_is(bench.stats, 4000);
    append(&bench, SHARES / 2, SHARES / 2);
    look(&bench);
    stats_of_pool(bench.stats, bench.now_ms, &pool);
    near(pool.expected, SHARES / 2 + SHARES / 8.0);
    near(worth(&bench, false), pool.expected);
    near(worth(&bench, true), pool.expected);
    /* after a restart: the blocks found meanwhile say what they took, the newest first */
    struct stats_network blocks[] = { { bench.shares[SHARES / 2].time_ms + 1, 2000 },
                                      { bench.shares[SHARES / 4].time_ms, 1000 } };
    stats_destroy(bench.stats);
    bench.stats = stats_create(bench.now_ms);
    stats_network_is(bench.stats, 4000);
    stats_network_was(bench.stats, blocks, 2);
    look(&bench);
    stats_of_pool(bench.stats, bench.now_ms, &pool);
    /* the first quarter and its block, up to the middle one, the rest */
    near(pool.expected, (SHARES / 4 + 1) + SHARES / 4 / 2.0 + (SHARES / 2 - 1) / 4.0);
    /* where no job is known yet, the newest block's word counts */
    stats_destroy(bench.stats);
    bench.stats = stats_create(bench.now_ms);
    stats_network_was(bench.stats, blocks, 2);
    look(&bench);
    stats_of_pool(bench.stats, bench.now_ms, &pool);
    near(pool.expected, (SHARES / 4 + 1) + SHARES / 4 / 2.0 + (SHARES / 2 - 1) / 2.0);
    close_bench(&bench);
}

static void without_any_difficulty_nothing_is_expected(void **state)
{
    (void)state;
    struct bench bench;
    struct stats_pool pool;
    open_bench(&bench);
    append(&bench, 0, SHARES);
    look(&bench);
    stats_of_pool(bench.stats, bench.now_ms, &pool);
    near(pool.expected, 0);
    close_bench(&bench);
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)loop_clock_ns();
    printf("ADIT_SEED=%u\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_is_active_for_ten_minutes_and_counts_once),
        cmocka_unit_test(work_is_worth_what_blocks_took_when_it_was_done),
        cmocka_unit_test(without_any_difficulty_nothing_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
