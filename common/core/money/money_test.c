#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/money/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t seed;

static uint64_t next(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seed >> 11 ^ seed << 40;
}

static void seed_from_environment(void)
{
    const char *text = getenv("ADIT_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : 20260131;
    printf("ADIT_SEED=%" PRIu64 "\n", seed);
}

static void sums_and_differences_stay_in_range(void **state)
{
    (void)state;
    struct money max = { MONEY_MAX }, one = { 1 }, result = { 7 };
    assert_false(money_from_u64(MONEY_MAX + 1, &result));
    assert_false(money_add(max, one, &result));
    assert_false(money_add(max, max, &result));
    assert_false(money_subtract(one, max, &result));
    assert_int_equal(result.units, 7);
    assert_true(money_add((struct money){ MONEY_MAX - 1 }, one, &result));
    assert_true(result.units == MONEY_MAX);
    assert_true(money_subtract(max, max, &result));
    assert_int_equal(result.units, 0);
}

/* a·n = q·d + r, checked modulo 2^128, where q < 2^64 and r < d make it unique unless d is huge. */
static void a_share_and_its_remainder_are_the_whole(void **state)
{
    (void)state;
    seed_from_environment();
    for (int i = 0; i < 200000; i++) {
        struct money amount = { next() >> (1 + next() % 63) };
        u128 denominator = ((u128)next() << 64 | next()) >> next() % 127;
        denominator += denominator == 0;
        u128 numerator = (((u128)next() << 64 | next()) >> next() % 127) %
                         (denominator + 1 == 0 ? denominator : denominator + 1);
        u128 remainder;
        struct money share = money_share_floor(amount, numerator, denominator, &remainder);
        assert_true(share.units <= amount.units);
        assert_true(remainder < denominator);
        assert_true(numerator * amount.units == denominator * share.units + remainder);
    }
}

static void the_extremes_divide_exactly(void **state)
{
    (void)state;
    u128 all = ~(u128)0, remainder;
    struct money max = { MONEY_MAX };
    assert_true(money_share_floor(max, all, all, &remainder).units == MONEY_MAX);
    assert_true(remainder == 0);
    assert_int_equal(money_share_floor(max, 0, all, NULL).units, 0);
    assert_true(money_share_floor(max, all / 2 + 1, all, NULL).units == MONEY_MAX / 2);
    assert_int_equal(money_share_floor((struct money){ 1 }, all - 1, all, &remainder).units, 0);
    assert_true(remainder == all - 1);
}

static void a_fee_and_the_rest_are_the_amount(void **state)
{
    (void)state;
    for (uint32_t points = 0; points <= MONEY_BASIS_POINTS; points++)
        for (uint64_t amount = 0; amount < 300; amount++) {
            struct money_cut cut = money_cut_fee((struct money){ amount }, points);
            assert_true(cut.fee.units + cut.rest.units == amount);
            assert_true(cut.fee.units == amount * points / MONEY_BASIS_POINTS);
        }
    struct money_cut cut = money_cut_fee((struct money){ MONEY_MAX }, MONEY_BASIS_POINTS);
    assert_true(cut.fee.units == MONEY_MAX && cut.rest.units == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_differences_stay_in_range),
        cmocka_unit_test(a_share_and_its_remainder_are_the_whole),
        cmocka_unit_test(the_extremes_divide_exactly),
        cmocka_unit_test(a_fee_and_the_rest_are_the_amount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
