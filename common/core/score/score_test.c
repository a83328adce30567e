#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/score/score.h"

/* The rule, restated by search: the smallest whole number n ≥ 1 with n / 20 ≥ stake / 10,000. */
static void an_increment_is_the_smallest_whole_number_that_covers_the_stake(void **state)
{
    (void)state;
    for (uint32_t stake = 0; stake <= SCORE_STAKE_WHOLE; stake++) {
        uint32_t n = 1;
        while (n * 10000 < stake * 20)
            n++;
        assert_int_equal(score_pool_increment(stake), n);
    }
}

static void increments_are_what_the_rule_says_for_known_stakes(void **state)
{
    (void)state;
    assert_int_equal(score_pool_increment(0), 1);
    assert_int_equal(score_pool_increment(100), 1);   /* 1 %: 0.2 */
    assert_int_equal(score_pool_increment(500), 1);   /* 5 %: exactly 1 */
    assert_int_equal(score_pool_increment(501), 2);   /* a hundredth of a per cent more */
    assert_int_equal(score_pool_increment(1234), 3);  /* 12.34 %: 2.468 */
    assert_int_equal(score_pool_increment(9999), 20); /* 19.998 */
    assert_int_equal(score_pool_increment(10000), 20);
    assert_int_equal(score_pool_increment(UINT32_MAX), 20);
}

static void a_pool_score_rises_by_its_increment_and_stops_at_the_top(void **state)
{
    (void)state;
    for (uint32_t score = 0; score <= SCORE_POOL_MAX; score++)
        for (uint32_t stake = 0; stake <= SCORE_STAKE_WHOLE; stake += 7) {
            uint32_t sum = score + score_pool_increment(stake);
            assert_int_equal(score_pool_reported(score, stake), sum < 100 ? sum : 100);
        }
    assert_int_equal(score_pool_reported(UINT32_MAX, UINT32_MAX), SCORE_POOL_MAX);
}

static void a_turn_takes_a_tenth_rounded_up(void **state)
{
    (void)state;
    static const uint32_t known[][2] = { { 0, 0 },   { 1, 0 },    { 2, 1 },   { 9, 8 },
                                         { 10, 9 },  { 11, 9 },   { 20, 18 }, { 21, 18 },
                                         { 99, 89 }, { 100, 90 }, { 101, 90 } };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        assert_int_equal(score_pool_decayed(known[i][0], 1), known[i][1]);
    for (uint32_t score = 0; score <= SCORE_POOL_MAX; score++) {
        uint32_t lost = score - score_pool_decayed(score, 1);
        assert_true(lost * 10 >= score && lost * 10 < score + 10);
    }
}

static void turns_add_up_and_end_at_nothing(void **state)
{
    (void)state;
    uint32_t longest = 0;
    for (uint32_t score = 0; score <= SCORE_POOL_MAX; score++) {
        assert_int_equal(score_pool_decayed(score, 0), score);
        for (uint64_t a = 0; a < 35; a++)
            for (uint64_t b = 0; b < 35; b++)
                assert_int_equal(score_pool_decayed(score_pool_decayed(score, a), b),
                                 score_pool_decayed(score, a + b));
        uint32_t turns = 0;
        while (score_pool_decayed(score, turns) > 0)
            turns++;
        longest = turns > longest ? turns : longest;
    }
    assert_int_equal(longest, SCORE_POOL_TURNS_MAX);
    assert_int_equal(score_pool_decayed(SCORE_POOL_MAX, UINT64_MAX), SCORE_NONE);
}

static void a_validator_is_active_until_the_next_turn(void **state)
{
    (void)state;
    assert_int_equal(score_validator_decayed(SCORE_VALIDATOR_ACTIVE, 0), SCORE_VALIDATOR_ACTIVE);
    assert_int_equal(score_validator_decayed(SCORE_VALIDATOR_ACTIVE, 1), SCORE_NONE);
    assert_int_equal(score_validator_decayed(SCORE_VALIDATOR_ACTIVE, UINT64_MAX), SCORE_NONE);
    assert_int_equal(score_validator_decayed(SCORE_NONE, 0), SCORE_NONE);
}

static void only_a_possible_stake_of_one_per_cent_may_report(void **state)
{
    (void)state;
    for (uint32_t stake = 0; stake <= 2 * SCORE_STAKE_WHOLE; stake++)
        assert_int_equal(score_may_report(stake), stake >= 100 && stake <= 10000);
    assert_false(score_may_report(UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_increment_is_the_smallest_whole_number_that_covers_the_stake),
        cmocka_unit_test(increments_are_what_the_rule_says_for_known_stakes),
        cmocka_unit_test(a_pool_score_rises_by_its_increment_and_stops_at_the_top),
        cmocka_unit_test(a_turn_takes_a_tenth_rounded_up),
        cmocka_unit_test(turns_add_up_and_end_at_nothing),
        cmocka_unit_test(a_validator_is_active_until_the_next_turn),
        cmocka_unit_test(only_a_possible_stake_of_one_per_cent_may_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
