/* The series through deaths and takeovers: whoever reads them from the store and the window has the
 * same as one that never died, and as a sum over all shares by itself; also where the window has
 * lost what is counted, the store fails in between, or a page is damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/inode-scheduler/stats_testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MINUTE_MS = 60000,
    ACCOUNTS = 3,
    WORKERS = 4, /* an account */
    SHARES_MAX = 8192,
    ROUNDS = 120,
    RECORD_BYTES = 2 << 20,
};

struct bench {
    struct stats_ground ground;
    struct stats *always; /* never dies, knows no store */
    struct stats *mortal;
    struct stats *other; /* stands by */
    struct window_share shares[SHARES_MAX];
    size_t count;
    bool unsure; /* totals were lost: of when a series began, and of its oldest minutes */
};

static unsigned seed;

static void die(struct bench *bench)
{
    stats_destroy(bench->mortal);
    bench->mortal = stats_ground_born(&bench->ground);
}

static void look(struct bench *bench, struct stats *stats)
{
    stats_ground_look(&bench->ground, stats);
}

static bool keep(struct bench *bench, struct stats *stats, uint64_t epoch)
{
    return stats_ground_keep(&bench->ground, stats, epoch);
}

/* Some shares of a while, some of them told late. */
static void mine(struct bench *bench, uint64_t while_ms)
{
    size_t count = 1 + (unsigned)rand_r(&seed) % 40;
    struct window_share *shares = bench->shares + bench->count;
    assert_true(bench->count + count <= SHARES_MAX);
    for (size_t i = 0; i < count; i++) {
        uint64_t late_ms = rand_r(&seed) % 8 == 0 ? (uint64_t)rand_r(&seed) % (5 * MINUTE_MS) : 0;
        uint64_t account = 1 + (unsigned)rand_r(&seed) % ACCOUNTS;
        shares[i] = (struct window_share){
            .account = account,
            .worker = (unsigned)rand_r(&seed) % 6 == 0
                          ? 0
                          : account * 10 + (unsigned)rand_r(&seed) % WORKERS,
            .work = 1 + (unsigned)rand_r(&seed) % 1000,
            .time_ms = bench->ground.now_ms + while_ms * i / count - late_ms,
        };
    }
    bench->ground.now_ms += while_ms;
    bench->count += count;
    stats_ground_append(&bench->ground, shares, count);
}

static void begin(struct bench *bench)
{
    *bench = (struct bench){ .count = 0 };
    stats_ground_open(&bench->ground);
    bench->always = stats_create(bench->ground.now_ms);
    stats_network_is(bench->always, 1000000);
    look(bench, bench->always); /* from now on it reads forwards */
    bench->mortal = stats_ground_born(&bench->ground);
}

static void end(struct bench *bench)
{
    stats_destroy(bench->always);
    stats_destroy(bench->mortal);
    stats_destroy(bench->other);
    stats_ground_close(&bench->ground);
}

static void compare_points(struct bench *bench, struct stats *stats, uint64_t account,
                           uint64_t worker, bool hours, uint64_t but_ms)
{
    static struct stats_point wanted[STATS_HOURS_MAX], got[STATS_HOURS_MAX];
    size_t count =
        stats_series(bench->always, account, worker, hours, bench->ground.now_ms, wanted);
    assert_int_equal(stats_series(stats, account, worker, hours, bench->ground.now_ms, got), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got[i].time_ms, wanted[i].time_ms);
        if (i > 0 || !bench->unsure)
            assert_int_equal(got[i].length_ms, wanted[i].length_ms);
        if (but_ms != 0 && wanted[i].time_ms <= but_ms &&
            but_ms < wanted[i].time_ms + (hours ? 60 : 1) * (uint64_t)MINUTE_MS)
            continue;
        assert_int_equal(got[i].shares, wanted[i].shares);
        assert_true(got[i].work == wanted[i].work);
        if (but_ms == 0 && !bench->unsure && got[i].workers != wanted[i].workers)
            fail_msg("%s %zu of %zu: %u workers for %u", hours ? "hour" : "minute", i, count,
                     got[i].workers, wanted[i].workers);
        assert_true(fabs(got[i].expected - wanted[i].expected) < 1e-9);
    }
}

/* The same by hand: over all shares there ever were. */
static void sum(const struct bench *bench, uint64_t account, uint64_t worker,
                const struct stats_sums *sums)
{
    static const unsigned length_ms[] = { 10000, MINUTE_MS, MINUTE_MS, 60 * MINUTE_MS };
    static const unsigned slots[] = { 6, 10, 60, 24 };
    uint64_t accepted = 0;
    for (int span = 0; span < STATS_SPANS; span++) {
        uint64_t shares = 0, newest = bench->ground.now_ms / length_ms[span];
        u128 work = 0;
        accepted = 0;
        for (size_t i = 0; i < bench->count; i++) {
            const struct window_share *share = &bench->shares[i];
            if ((account != 0 && share->account != account) ||
                (worker != 0 && share->worker != worker))
                continue;
            accepted++;
            if (newest - share->time_ms / length_ms[span] >= slots[span])
                continue;
            shares++;
            work += share->work;
        }
        assert_int_equal(sums->shares[span], shares);
        assert_true(sums->work[span] == work);
    }
    assert_int_equal(sums->accepted, accepted);
}

static void compare_sums(const struct bench *bench, const struct stats_sums *got,
                         const struct stats_sums *wanted)
{
    (void)bench;
    for (int span = 0; span < STATS_SPANS; span++) {
        assert_int_equal(got->shares[span], wanted->shares[span]);
        assert_true(got->work[span] == wanted->work[span]);
    }
    assert_int_equal(got->accepted, wanted->accepted);
    assert_true(got->accepted_work == wanted->accepted_work);
    assert_int_equal(got->since_ms, wanted->since_ms);
    assert_int_equal(got->last_ms, wanted->last_ms);
}

static void compare(struct bench *bench, struct stats *stats)
{
    struct stats_pool wanted, got;
    look(bench, bench->always);
    look(bench, stats);
    stats_of_pool(bench->always, bench->ground.now_ms, &wanted);
    stats_of_pool(stats, bench->ground.now_ms, &got);
    compare_sums(bench, &got.sums, &wanted.sums);
    sum(bench, 0, 0, &got.sums);
    assert_true(fabs(got.expected - wanted.expected) < 1e-9);
    assert_int_equal(got.workers_active, wanted.workers_active);
    for (int hours = 0; hours < 2; hours++)
        compare_points(bench, stats, 0, 0, hours == 1, 0);
    for (uint64_t account = 1; account <= ACCOUNTS; account++)
        for (uint64_t at = 0; at <= WORKERS; at++) {
            uint64_t worker = at == 0 ? 0 : account * 10 + at - 1;
            struct stats_sums sums, sums_wanted;
            bool known =
                stats_of(bench->always, account, worker, bench->ground.now_ms, &sums_wanted);
            assert_int_equal(stats_of(stats, account, worker, bench->ground.now_ms, &sums), known);
            compare_sums(bench, &sums, &sums_wanted);
            sum(bench, account, worker, &sums);
            for (int hours = 0; known && hours < 2; hours++)
                compare_points(bench, stats, account, worker, hours == 1, 0);
        }
}

static void every_series_is_the_same_whenever_it_dies(void **state)
{
    (void)state;
    static struct bench bench;
    begin(&bench);
    for (unsigned round = 0; round < ROUNDS; round++) {
        mine(&bench, 1 + (uint64_t)rand_r(&seed) % (8 * MINUTE_MS));
        if (rand_r(&seed) % 3 != 0)
            look(&bench, bench.mortal);
        if (rand_r(&seed) % 2 == 0) {
            /* Some pages are written and others are not, or nobody knows. */
            unsigned fault = (unsigned)rand_r(&seed) % 3;
            if (fault < 2)
                store_fake_inject(bench.ground.store,
                                  fault == 0 ? STORE_FAKE_FAIL : STORE_FAKE_UNKNOWN_DONE,
                                  (unsigned)rand_r(&seed) % 40, SIZE_MAX);
            (void)keep(&bench, bench.mortal, bench.ground.epoch);
            store_fake_inject(bench.ground.store, STORE_FAKE_FAIL, 0, 0);
        }
        /* Of the oldest ten minutes only the head tells who was active: it is never older than an
         * hour and a half here. */
        if (round % 10 == 9) {
            bench.ground.now_ms += STATS_KEEP_MS;
            look(&bench, bench.mortal);
            assert_true(keep(&bench, bench.mortal, bench.ground.epoch));
        }
        if (rand_r(&seed) % 2 == 0)
            die(&bench);
        compare(&bench, bench.mortal);
    }
    end(&bench);
}

static void what_the_window_has_lost_is_still_known(void **state)
{
    (void)state;
    static struct bench bench;
    begin(&bench);
    for (unsigned round = 0; round < ROUNDS; round++) {
        mine(&bench, 15 * MINUTE_MS / 2);
        compare(&bench, bench.mortal);
        if (round % 3 != 2)
            continue;
        assert_true(keep(&bench, bench.mortal, bench.ground.epoch));
        stats_ground_forget(&bench.ground);
        die(&bench);
        compare(&bench, bench.mortal);
    }
    end(&bench);
}

static void two_that_take_over_from_each_other_have_the_same(void **state)
{
    (void)state;
    static struct bench bench;
    begin(&bench);
    bench.other = stats_ground_born(&bench.ground);
    for (unsigned round = 0; round < ROUNDS; round++) {
        mine(&bench, 1 + (uint64_t)rand_r(&seed) % (10 * MINUTE_MS));
        if (rand_r(&seed) % 2 == 0)
            look(&bench, bench.other);
        look(&bench, bench.mortal);
        assert_true(keep(&bench, bench.mortal, bench.ground.epoch));
        if (rand_r(&seed) % 4 == 0) {
            uint64_t before = bench.ground.epoch;
            struct stats *deposed = bench.mortal;
            stats_ground_lead(&bench.ground);
            bench.mortal = bench.other;
            bench.other = deposed;
            size_t writes = store_fake_writes(bench.ground.store);
            bench.ground.now_ms += 2 * STATS_KEEP_MS;
            assert_true(keep(&bench, deposed, before));
            assert_int_equal(store_fake_writes(bench.ground.store), writes);
            assert_true(keep(&bench, bench.mortal, bench.ground.epoch));
        }
        if (rand_r(&seed) % 4 == 0)
            die(&bench);
        compare(&bench, bench.mortal);
        compare(&bench, bench.other);
    }
    end(&bench);
}

/* Overwrites one byte of a page, or cuts it. */
static void damage(struct bench *bench, const char *id)
{
    static uint8_t memory[RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct error error;
    struct store_write write = { .verb = STORE_REPLACE, .collection = &stats_collection };
    assert_int_equal(
        store_get(bench->ground.store, &stats_collection, id, &arena, &write.record, &error),
        STORE_DONE);
    for (size_t i = 0; i < stats_collection.field_count; i++)
        if (stats_collection.fields[i].type == STORE_BYTES) {
            struct span *bytes = &write.record.values[i].bytes;
            assert_true(bytes->length > 0);
            if (rand_r(&seed) % 2 == 0)
                bytes->length--;
            else
                ((uint8_t *)(uintptr_t)bytes->data)[(size_t)rand_r(&seed) % bytes->length] ^= 4;
        }
    assert_int_equal(store_apply(bench->ground.store, &write, 1, &error), STORE_DONE);
}

static void a_damaged_page_costs_only_itself(void **state)
{
    (void)state;
    static struct bench bench;
    begin(&bench);
    /* The pages of a minute and of an hour, in two hours of shares. */
    for (unsigned i = 0; i < 60; i++)
        mine(&bench, 2 * MINUTE_MS);
    look(&bench, bench.mortal);
    look(&bench, bench.always);
    uint64_t then_ms = bench.ground.now_ms - 40 * MINUTE_MS;
    struct stats_pool pool, wanted;
    stats_of_pool(bench.always, bench.ground.now_ms, &wanted);
    char minute[16], hour[16];
    const char *const pages[] = { minute, hour, "000", "002" };
    /* as stats_inside.h has them */
    snprintf(minute, sizeof minute, "%03u", 23 + (unsigned)(then_ms / MINUTE_MS % 120));
    snprintf(hour, sizeof hour, "%03u", 143 + (unsigned)(then_ms / (60 * MINUTE_MS) % 168));
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        bench.ground.now_ms += STATS_KEEP_MS;
        mine(&bench, 1000);
        look(&bench, bench.mortal);
        look(&bench, bench.always);
        assert_true(keep(&bench, bench.mortal, bench.ground.epoch));
        stats_ground_forget(&bench.ground);
        damage(&bench, pages[i]);
        struct stats *whole = bench.mortal;
        bench.unsure = i >= 2;
        bench.mortal = stats_ground_born(&bench.ground);
        for (uint64_t account = 0; account <= ACCOUNTS; account++) {
            if (i != 0)
                compare_points(&bench, bench.mortal, account, 0, false, i == 0 ? then_ms : 0);
            if (i != 1)
                compare_points(&bench, bench.mortal, account, 0, true, i == 1 ? then_ms : 0);
        }
        compare_points(&bench, bench.mortal, 0, 0, i == 1, i < 2 ? then_ms : 0);
        stats_of_pool(bench.always, bench.ground.now_ms, &wanted);
        stats_of_pool(bench.mortal, bench.ground.now_ms, &pool);
        assert_int_equal(pool.sums.accepted, wanted.sums.accepted);
        assert_true(pool.sums.accepted_work == wanted.sums.accepted_work);
        struct stats_sums sums, sums_wanted;
        for (uint64_t account = 1; account <= ACCOUNTS; account++) {
            assert_true(stats_of(bench.always, account, 0, bench.ground.now_ms, &sums_wanted));
            assert_true(stats_of(bench.mortal, account, 0, bench.ground.now_ms, &sums));
            assert_int_equal(sums.accepted, sums_wanted.accepted);
        }
        bench.unsure = false;
        /* It is mended by who has it whole. */
        stats_destroy(bench.mortal);
        bench.mortal = whole;
        stats_ground_lead(&bench.ground);
        bench.ground.now_ms += STATS_KEEP_MS;
        assert_true(keep(&bench, bench.mortal, bench.ground.epoch));
        die(&bench);
        compare(&bench, bench.mortal);
    }
    end(&bench);
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)loop_clock_ns();
    printf("ADIT_SEED=%u\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_series_is_the_same_whenever_it_dies),
        cmocka_unit_test(what_the_window_has_lost_is_still_known),
        cmocka_unit_test(two_that_take_over_from_each_other_have_the_same),
        cmocka_unit_test(a_damaged_page_costs_only_itself),
    };
    return cmocka_run_group_tests_name("series that are kept", tests, NULL, NULL);
}
