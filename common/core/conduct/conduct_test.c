#include "base/test_random.h"
#include "core/conduct/conduct.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { FORGIVE_MS = 1000 };

static void steps_are_climbed_in_order_and_points_stay_bounded(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("conduct");
    for (unsigned round = 0; round < 500; round++) {
        struct conduct conduct = { .points = 0 };
        uint64_t now_ms = test_random_below(&random, 1000000);
        uint32_t bans = 0;
        for (unsigned i = 0; i < 2000; i++) {
            uint8_t before = conduct.step;
            uint32_t points = (uint32_t)test_random_below(&random, 40);
            now_ms += test_random_below(&random, 3 * FORGIVE_MS);
            enum conduct_step step = conduct_charge(&conduct, points, FORGIVE_MS, now_ms);
            assert_true(conduct.points < CONDUCT_BANNED * CONDUCT_STEP_POINTS);
            assert_true(conduct.bans <= CONDUCT_BANS_MAX);
            /* Fewer than 100 points at once: no step is passed over. */
            if (step != CONDUCT_FINE)
                assert_true(step <= before + 1u);
            bans += step == CONDUCT_BANNED;
            assert_int_equal(conduct.bans, bans < CONDUCT_BANS_MAX ? bans : CONDUCT_BANS_MAX);
            if (test_random_below(&random, 2) == 0)
                conduct_praise(&conduct);
        }
    }
}

static void a_flood_of_junk_is_told_slowed_paused_and_thrown_out(void **state)
{
    (void)state;
    struct conduct conduct = { .points = 0 };
    unsigned at[CONDUCT_BANNED + 1] = { 0 };
    for (unsigned shares = 1; at[CONDUCT_BANNED] == 0; shares++) {
        enum conduct_step step =
            conduct_charge(&conduct, conduct_points(CONDUCT_BAD_SHARE), FORGIVE_MS, 5000);
        if (step != CONDUCT_FINE)
            at[step] = shares;
        assert_true(shares <= 1000);
    }
    assert_int_equal(at[CONDUCT_WARNED], 25);
    assert_int_equal(at[CONDUCT_RAISED], 50);
    assert_int_equal(at[CONDUCT_PAUSED], 75);
    assert_int_equal(at[CONDUCT_BANNED], 100);
}

static void one_bad_share_in_five_is_never_held_against_a_miner(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("conduct_honest");
    struct conduct conduct = { .points = 0 };
    for (unsigned i = 0; i < 100000; i++) {
        /* On the average; the worst of their order is a bunch. */
        unsigned bad = (unsigned)test_random_below(&random, 4), good = 4 * bad;
        while (bad-- > 0)
            assert_int_equal(
                conduct_charge(&conduct, conduct_points(CONDUCT_BAD_SHARE), FORGIVE_MS, 1),
                CONDUCT_FINE);
        while (good-- > 0)
            conduct_praise(&conduct);
    }
    /* Nor is who sends nothing but junk, at less than one share in four seconds. */
    for (uint64_t now_ms = 1; now_ms < 100000000; now_ms += 4 * FORGIVE_MS)
        assert_int_equal(
            conduct_charge(&conduct, conduct_points(CONDUCT_BAD_SHARE), FORGIVE_MS, now_ms),
            CONDUCT_FINE);
}

static void bans_double_and_are_forgotten_after_a_day(void **state)
{
    (void)state;
    struct conduct conduct = { .points = 0 };
    uint64_t now_ms = 1000, before_ms = 0;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(conduct_charge(&conduct, 400, FORGIVE_MS, now_ms), CONDUCT_BANNED);
        uint64_t ban_ms = conduct_ban_ms(&conduct, 600000);
        assert_int_equal(ban_ms, i == 0                 ? 600000
                                 : i < CONDUCT_BANS_MAX ? 2 * before_ms
                                                        : before_ms);
        before_ms = ban_ms;
        assert_false(conduct_forgettable(&conduct, FORGIVE_MS, now_ms));
        now_ms += 1000;
    }
    now_ms += CONDUCT_BANS_FORGOTTEN_MS;
    assert_true(conduct_forgettable(&conduct, FORGIVE_MS, now_ms));
    assert_int_equal(conduct_charge(&conduct, 400, FORGIVE_MS, now_ms), CONDUCT_BANNED);
    assert_int_equal(conduct_ban_ms(&conduct, 600000), 600000);
}

static void an_address_with_many_good_sessions_does_not_go_for_a_few_bad_ones(void **state)
{
    (void)state;
    const uint32_t points = conduct_points(CONDUCT_THROWN_OUT);
    for (uint32_t good = 0; good < 3000; good += 37) {
        struct conduct conduct = { .points = 0 };
        unsigned bad = 0;
        while (bad < 4 * (good + 1) - 1 && conduct_shared(points, good) > 0) {
            bad++;
            if (conduct_charge(&conduct, conduct_shared(points, good), FORGIVE_MS, 1) ==
                CONDUCT_BANNED)
                break;
        }
        /* Never for fewer than four for each good one and itself. */
        assert_true(bad >= 4 * (good + 1) - 1 || conduct_shared(points, good) == 0);
    }
    assert_int_equal(conduct_shared(points, UINT32_MAX), 0);
}

static void a_rate_lets_through_its_burst_and_what_time_allows_and_no_more(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("conduct_rate");
    for (unsigned round = 0; round < 200; round++) {
        struct conduct_rate rate = { 0 };
        uint32_t a_second = 1 + (uint32_t)test_random_below(&random, 2000);
        uint32_t burst = 1 + (uint32_t)test_random_below(&random, 300);
        uint64_t begin_ms = test_random_below(&random, 100000), now_ms = begin_ms, taken = 0;
        for (unsigned i = 0; i < 5000; i++) {
            now_ms += test_random_below(&random, 4) == 0 ? test_random_below(&random, 20) : 0;
            bool allowed = conduct_rate_allows(&rate, a_second, burst, now_ms);
            assert_int_equal(conduct_rate_take(&rate, a_second, burst, now_ms), allowed);
            taken += allowed;
            uint64_t one_us = 1000000 / a_second;
            assert_true(taken <= burst + (now_ms - begin_ms) * 1000 / one_us + 1);
        }
        /* After a rest the whole burst is there, at once. */
        now_ms += 1000ull * burst / a_second + 2000;
        assert_true(conduct_rate_is_even(&rate, now_ms));
        for (uint32_t i = 0; i < burst; i++)
            assert_true(conduct_rate_take(&rate, a_second, burst, now_ms));
        assert_false(conduct_rate_take(&rate, a_second, burst, now_ms));
    }
    struct conduct_rate unbounded = { 0 };
    for (unsigned i = 0; i < 1000; i++)
        assert_true(conduct_rate_take(&unbounded, 0, 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_climbed_in_order_and_points_stay_bounded),
        cmocka_unit_test(a_flood_of_junk_is_told_slowed_paused_and_thrown_out),
        cmocka_unit_test(one_bad_share_in_five_is_never_held_against_a_miner),
        cmocka_unit_test(bans_double_and_are_forgotten_after_a_day),
        cmocka_unit_test(an_address_with_many_good_sessions_does_not_go_for_a_few_bad_ones),
        cmocka_unit_test(a_rate_lets_through_its_burst_and_what_time_allows_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
