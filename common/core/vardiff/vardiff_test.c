/* The rule against simulated miners: shares arrive as a Poisson process whose rate is the miner's
 * speed over the work in force, a change reaches the miner after a delay, and shares under way keep
 * the work they had. */
#include "base/test_random.h"
#include "core/vardiff/vardiff.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

static struct test_random random_source;

static uint64_t random_u64(void)
{
    return test_random_u64(&random_source);
}

/* -ln(u) without the mathematics library: u = m·2^-e, ln by its series around 1. */
static double minus_log(double u)
{
    double result = 0;
    while (u < 0.75) {
        u *= 2;
        result += 0.69314718055994530942;
    }
    double y = (u - 1) / (u + 1), y2 = y * y, term = y, sum = 0;
    for (int k = 1; k < 40; k += 2) {
        sum += term / k;
        term *= y2;
    }
    return result - 2 * sum;
}

static double exponential(double mean)
{
    double u = ((double)(random_u64() >> 11) + 0.5) / 9007199254740992.0;
    return mean * minus_log(u);
}

static const struct vardiff_params params = {
    .share_interval_ms = 5000, .min = {1}, .max = {(uint64_t)1 << 63}};

struct miner {
    struct vardiff vardiff;
    uint64_t mined_work; /* what it mines at now */
    uint64_t next_work;  /* what it will mine at from next_ms on; 0: nothing is under way */
    double next_ms;
    double now_ms;
    double tick_ms;
    uint64_t shares;
    unsigned changes;
};

enum { DELAY_MS = 50, SHARES_PER_SECOND_MAX = 2000, RUNS = 1000 };

static void changed(struct miner *miner, bool change)
{
    if (!change)
        return;
    miner->changes++;
    miner->next_work = miner->vardiff.work.expected_hashes;
    miner->next_ms = miner->now_ms + DELAY_MS;
    assert_true(vardiff_verify(&miner->vardiff, &params));
}

static void begin(struct miner *miner, uint64_t work)
{
    *miner = (struct miner){.mined_work = work, .tick_ms = 1000};
    vardiff_init(&miner->vardiff, &params, work_of(work), 0);
}

/* Until `until_ms` and at least `shares` shares more; gives up after a day. */
static void mine(struct miner *miner, double hashes_per_ms, double until_ms, uint64_t shares)
{
    uint64_t enough = miner->shares + shares;
    while ((miner->now_ms < until_ms || miner->shares < enough) && miner->now_ms < 1e8) {
        double share_ms = 1e18;
        if (hashes_per_ms > 0) {
            double wait_ms = exponential((double)miner->mined_work / hashes_per_ms);
            double least_ms = 1000.0 / SHARES_PER_SECOND_MAX;
            share_ms = miner->now_ms + (wait_ms < least_ms ? least_ms : wait_ms);
        }
        double event_ms = miner->next_work != 0 && miner->next_ms < miner->tick_ms ? miner->next_ms
                                                                                   : miner->tick_ms;
        if (share_ms <= event_ms) { /* memoryless: a wait cut short may be drawn anew */
            miner->now_ms = share_ms;
            miner->shares++;
            changed(miner, vardiff_share(&miner->vardiff, &params, work_of(miner->mined_work),
                                         (uint64_t)miner->now_ms));
            continue;
        }
        miner->now_ms = event_ms;
        if (event_ms == miner->tick_ms) {
            miner->tick_ms += 1000;
            changed(miner, vardiff_tick(&miner->vardiff, &params, (uint64_t)miner->now_ms));
        } else {
            miner->mined_work = miner->next_work;
            miner->next_work = 0;
        }
    }
}

static double ratio(const struct miner *miner, double hashes_per_ms)
{
    return (double)miner->vardiff.work.expected_hashes / (hashes_per_ms * 5000);
}

static const double speeds_per_ms[] = {1, 1e3, 1e6, 2e8, 1e11, 1e15};      /* 1 kH/s … 1 EH/s */
static const double starts[] = {1e-9, 1e-4, 0.1, 0.5, 1, 2, 10, 1e3, 1e6}; /* × the right work */

static void within_factor_two_after_eight_shares_or_a_minute(void **state)
{
    (void)state;
    unsigned runs = 0, good = 0;
    for (size_t s = 0; s < sizeof speeds_per_ms / sizeof *speeds_per_ms; s++)
        for (size_t k = 0; k < sizeof starts / sizeof *starts; k++) {
            double start = speeds_per_ms[s] * 5000 * starts[k];
            if (start < 1 || start > 9e18)
                continue;
            unsigned here = 0;
            for (unsigned i = 0; i < RUNS; i++) {
                struct miner miner;
                begin(&miner, (uint64_t)start);
                mine(&miner, speeds_per_ms[s], 60000, 8);
                double r = ratio(&miner, speeds_per_ms[s]);
                here += r >= 0.5 && r <= 2;
            }
            printf("speed %.0e H/s, start %.0e of what is right: %.1f %% within a factor of 2\n",
                   speeds_per_ms[s] * 1000, starts[k], 100.0 * here / RUNS);
            /* What eight shares can tell is within a factor of two in 94.5 % of cases at best, and
             * a slow start is judged by just these; six standard deviations below 93 %. */
            assert_true(here >= RUNS * 88 / 100);
            runs += RUNS;
            good += here;
        }
    printf("all: %.2f %%\n", 100.0 * good / runs);
    assert_true(good >= runs * 95 / 100);
}

static void a_steady_miner_is_left_alone(void **state)
{
    (void)state;
    unsigned histogram[16] = {0}, good = 0;
    for (unsigned i = 0; i < 300; i++) {
        struct miner miner;
        double speed = 1e6 * (1 + (double)(random_u64() % 1000) / 250);
        begin(&miner, (uint64_t)5e9);
        mine(&miner, speed, 60000, 8);
        miner.changes = 0;
        mine(&miner, speed, miner.now_ms + 3600e3, 0);
        histogram[miner.changes < 15 ? miner.changes : 15]++;
        good += ratio(&miner, speed) >= 0.5 && ratio(&miner, speed) <= 2;
    }
    printf("changes in an hour:");
    for (unsigned i = 0; i < 16; i++)
        printf(" %u×%u", i, histogram[i]);
    printf("\n");
    assert_true(histogram[0] + histogram[1] >= 150);
    assert_true(good >= 290);
}

static void silence_lowers_the_work_to_the_minimum(void **state)
{
    (void)state;
    struct miner miner;
    begin(&miner, (uint64_t)1 << 40);
    mine(&miner, 0, 3600e3, 0);
    assert_int_equal(miner.vardiff.work.expected_hashes, 1);
}

static void a_flood_is_answered_within_seconds(void **state)
{
    (void)state;
    struct miner miner;
    begin(&miner, 1000);
    mine(&miner, 1e15, 60000, 0);
    assert_in_range((uint64_t)(ratio(&miner, 1e15) * 1000), 250, 4000);
    printf("1 EH/s from a work of 1000: %lu shares in the first minute\n",
           (unsigned long)miner.shares);
    assert_true(miner.shares < 60000);
}

static void a_miner_that_sleeps_and_wakes_finds_its_work_again(void **state)
{
    (void)state;
    unsigned good = 0;
    uint64_t most = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct miner miner;
        begin(&miner, (uint64_t)5e12);
        mine(&miner, 1e9, 3600e3, 0);
        mine(&miner, 0, miner.now_ms + 3600e3, 0);
        uint64_t before = miner.shares;
        mine(&miner, 1e9, miner.now_ms + 60e3, 8);
        double r = ratio(&miner, 1e9);
        good += r >= 0.5 && r <= 2;
        if (miner.shares - before > most)
            most = miner.shares - before;
    }
    printf("after an hour of sleep: at most %lu shares in the first minute, %.1f %% within 2\n",
           (unsigned long)most, good / 2.0);
    assert_true(good >= 190);
    assert_true(most < 60000);
}

static void a_work_the_pool_raised_stays_for_a_minute_and_is_found_again(void **state)
{
    (void)state;
    unsigned stayed = 0, found = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct miner miner;
        begin(&miner, (uint64_t)5e12);
        mine(&miner, 1e9, 3600e3, 0);
        for (unsigned k = 0; k < 2; k++) {
            uint64_t old = miner.vardiff.work.expected_hashes;
            assert_true(vardiff_raise(&miner.vardiff, &params, (uint64_t)miner.now_ms + 2000));
            assert_true(miner.vardiff.work.expected_hashes >= 2 * old - old / 16);
            assert_false(vardiff_raise(&miner.vardiff, &params, (uint64_t)miner.now_ms + 2500));
            miner.mined_work = miner.vardiff.work.expected_hashes;
            mine(&miner, 1e9, miner.now_ms + 4000, 0);
        }
        uint64_t raised = miner.vardiff.work.expected_hashes;
        mine(&miner, 1e9, miner.now_ms + 60e3, 0);
        stayed += miner.vardiff.work.expected_hashes == raised;
        mine(&miner, 1e9, miner.now_ms + 3600e3, 0);
        double r = ratio(&miner, 1e9);
        found += r >= 0.5 && r <= 2;
    }
    printf("raised fourfold: %.1f %% stayed so for a minute, %.1f %% within 2 after an hour\n",
           stayed / 2.0, found / 2.0);
    assert_true(stayed >= 160 && found >= 190);
}

static void whatever_comes_the_work_stays_within_its_bounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t low = random_u64() >> (random_u64() % 64), high = random_u64();
        struct vardiff_params bounds = {
            .share_interval_ms = (uint32_t)(1 + random_u64() % 600000),
            .min = difficulty_representable(work_of(low < high ? low | 1 : high | 1))};
        bounds.max = difficulty_representable(work_of(low < high ? high | 1 : low | 1));
        struct vardiff vardiff;
        uint64_t now_ms = random_u64() >> 20;
        vardiff_init(&vardiff, &bounds, work_of(random_u64() >> (random_u64() % 64)), now_ms);
        for (unsigned step = 0; step < 200; step++) {
            now_ms += random_u64() >> (20 + random_u64() % 44);
            uint64_t old = vardiff.work.expected_hashes;
            bool change;
            if (random_u64() % 8 == 0)
                change = vardiff_raise(&vardiff, &bounds, now_ms);
            else if (random_u64() % 2 == 0)
                change = vardiff_tick(&vardiff, &bounds, now_ms);
            else
                change = vardiff_share(&vardiff, &bounds,
                                       work_of((random_u64() >> (random_u64() % 64)) | 1), now_ms);
            assert_int_equal(change, vardiff.work.expected_hashes != old);
            assert_true(vardiff_verify(&vardiff, &bounds));
        }
    }
}

static void easy_shares_under_way_do_not_raise_the_work_again(void **state)
{
    (void)state;
    struct vardiff vardiff;
    vardiff_init(&vardiff, &params, work_of(1 << 20), 0);
    unsigned changes = 0;
    for (unsigned i = 0; i < 2000; i++)
        changes += vardiff_share(&vardiff, &params, work_of(1 << 20), 2000 + i / 2);
    assert_true(changes <= 2);
    uint64_t raised = vardiff.work.expected_hashes;
    for (unsigned i = 0; i < 100; i++)
        if (vardiff_share(&vardiff, &params, work_of(1 << 20), 4000 + i))
            changes++;
    assert_true(vardiff.work.expected_hashes <= raised * VARDIFF_RAISE_MAX);
    assert_true(changes <= 3);
}

/* ckpool's rule (stratifier.c add_submit, v0.9.9), in the same simulation: the rate of difficulty
 * decays over five minutes and is corrected for the time since the first share; every 240 s or 72
 * shares the difficulty moves to 3.33 s a share, unless the rate is between 0.15 and 0.4 a second.
 * Silence changes nothing. */
struct ckpool {
    double work, per_s, first_s, changed_s, last_s;
    unsigned since_change, changes;
    uint64_t shares;
    double now_ms;
};

static double power_of_e(double x) /* e^-x, x ≥ 0 */
{
    double sum = 1, term = 1;
    unsigned halvings = 0;
    while (x > 0.5) {
        x /= 2;
        halvings++;
    }
    for (int k = 1; k < 20; k++)
        sum += term *= -x / k;
    while (halvings-- > 0)
        sum *= sum;
    return sum;
}

static void ckpool_share(struct ckpool *ckpool, double work)
{
    double now_s = ckpool->now_ms / 1000, tdiff = now_s - ckpool->last_s;
    if (ckpool->shares++ == 0)
        ckpool->first_s = now_s;
    if (tdiff <= 0)
        tdiff = 0.001;
    double prop = 1 - power_of_e(tdiff / 300);
    ckpool->per_s = (ckpool->per_s + work / tdiff * prop) / (1 + prop);
    ckpool->last_s = now_s;
    ckpool->since_change++;
    if (now_s - ckpool->changed_s < 240 && ckpool->since_change < 72)
        return;
    double bias = 1 - power_of_e((now_s - ckpool->first_s) / 300);
    double per_s = bias > 0 ? ckpool->per_s / bias : ckpool->per_s;
    double rate = per_s / ckpool->work;
    if (rate > 0.15 && rate < 0.4)
        return;
    ckpool->work = per_s * 3.33 < 1 ? 1 : per_s * 3.33;
    ckpool->since_change = 0;
    ckpool->changed_s = now_s;
    ckpool->changes++;
}

/* As `mine`; a change reaches the miner at once. */
static void ckpool_mine(struct ckpool *ckpool, double hashes_per_ms, double until_ms,
                        uint64_t shares)
{
    uint64_t enough = ckpool->shares + shares;
    while ((ckpool->now_ms < until_ms || ckpool->shares < enough) && ckpool->now_ms < 1e8) {
        double wait_ms = exponential(ckpool->work / hashes_per_ms);
        double least_ms = 1000.0 / SHARES_PER_SECOND_MAX;
        wait_ms = wait_ms < least_ms ? least_ms : wait_ms;
        if (ckpool->now_ms + wait_ms > until_ms && ckpool->shares >= enough) {
            ckpool->now_ms = until_ms;
            return;
        }
        ckpool->now_ms += wait_ms;
        ckpool_share(ckpool, ckpool->work);
    }
}

static int by_size(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* 1 GH/s, from starts below and above what is right: how often each is within a factor of two of
 * its own aim after eight shares or a minute, how long that took, and the changes of the hour after
 * it. */
static void next_to_ckpools_rule(void **state)
{
    (void)state;
    enum { COMPARED = 200 };
    static const double from[] = { 1e-6, 1e-3, 0.1, 1, 10, 1e3 };
    const double speed = 1e6;
    printf("| start | within 2 | ckpool | s until then | ckpool | shares | ckpool | changes in the "
           "next hour, median | ckpool |\n");
    for (size_t k = 0; k < sizeof from / sizeof *from; k++) {
        unsigned ours = 0, theirs = 0;
        double our_s = 0, their_s = 0;
        uint64_t our_shares = 0, their_shares = 0;
        int our_changes[COMPARED], their_changes[COMPARED];
        for (unsigned i = 0; i < COMPARED; i++) {
            struct miner miner;
            begin(&miner, (uint64_t)(speed * 5000 * from[k]));
            mine(&miner, speed, 60000, 8);
            ours += ratio(&miner, speed) >= 0.5 && ratio(&miner, speed) <= 2;
            our_s += miner.now_ms / 1000 / COMPARED;
            our_shares += miner.shares;
            miner.changes = 0;
            mine(&miner, speed, miner.now_ms + 3600e3, 0);
            our_changes[i] = (int)miner.changes;
            struct ckpool ckpool = { .work = speed * 3330 * from[k] };
            ckpool_mine(&ckpool, speed, 60000, 8);
            double r = ckpool.work / (speed * 3330);
            theirs += r >= 0.5 && r <= 2;
            their_s += ckpool.now_ms / 1000 / COMPARED;
            their_shares += ckpool.shares;
            ckpool.changes = 0;
            ckpool_mine(&ckpool, speed, ckpool.now_ms + 3600e3, 0);
            their_changes[i] = (int)ckpool.changes;
        }
        qsort(our_changes, COMPARED, sizeof *our_changes, by_size);
        qsort(their_changes, COMPARED, sizeof *their_changes, by_size);
        printf("| %g | %.0f %% | %.0f %% | %.0f | %.0f | %.0f | %.0f | %d | %d |\n", from[k],
               100.0 * ours / COMPARED, 100.0 * theirs / COMPARED, our_s, their_s,
               (double)our_shares / COMPARED, (double)their_shares / COMPARED,
               our_changes[COMPARED / 2], their_changes[COMPARED / 2]);
        assert_true(ours >= COMPARED * 80 / 100);
        assert_true(our_changes[COMPARED / 2] <= 1);
        if (from[k] > 1)
            assert_true(ours > theirs);
    }
}

static void the_least_works_there_are_are_found(void **state)
{
    (void)state;
    /* 1e-9 of a sha256d difficulty is a work of 4, 2^-16 of a scrypt one a work of 1: what a miner
     * of one hash in five seconds needs. */
    struct miner miner;
    begin(&miner, 1 << 20);
    mine(&miner, 0.0008, 3600e3, 0); /* four hashes in five seconds */
    assert_in_range(miner.vardiff.work.expected_hashes, 1, 16);
}

int main(void)
{
    random_source = test_random_begin("core_vardiff_test");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_factor_two_after_eight_shares_or_a_minute),
        cmocka_unit_test(a_steady_miner_is_left_alone),
        cmocka_unit_test(silence_lowers_the_work_to_the_minimum),
        cmocka_unit_test(a_flood_is_answered_within_seconds),
        cmocka_unit_test(a_miner_that_sleeps_and_wakes_finds_its_work_again),
        cmocka_unit_test(a_work_the_pool_raised_stays_for_a_minute_and_is_found_again),
        cmocka_unit_test(next_to_ckpools_rule),
        cmocka_unit_test(the_least_works_there_are_are_found),
        cmocka_unit_test(whatever_comes_the_work_stays_within_its_bounds),
        cmocka_unit_test(easy_shares_under_way_do_not_raise_the_work_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
