#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "core/emission/emission.h"

static const struct emission_terms usual = { 1800, 4100, 4100 };

static void terms_sum_to_the_whole_or_are_none(void **state)
{
    (void)state;
    static const struct emission_terms bad[] = {
        { 1800, 4100, 4099 }, { 1800, 4100, 4101 }, { 0, 0, 0 }, { UINT32_MAX, 10001, 0 }
    };
    assert_true(emission_terms_check(&usual));
    assert_true(emission_terms_check(&(struct emission_terms){ 0, 10000, 0 }));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(emission_terms_check(&bad[i]));
}

static void parts_sum_to_the_reward_and_are_at_most_a_unit_off(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("emission_test");
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t reward = round < 10000 ? round : test_random_magnitude(&random) & MONEY_MAX;
        uint32_t fee = (uint32_t)test_random_below(&random, EMISSION_WHOLE + 1);
        uint32_t pools = (uint32_t)test_random_below(&random, EMISSION_WHOLE - fee + 1);
        struct emission_terms terms =
            round % 2 ? usual : (struct emission_terms){ fee, pools, EMISSION_WHOLE - fee - pools };
        const uint32_t weights[] = { terms.fee, terms.pools, terms.validators };
        struct emission_parts parts = emission_split(&terms, (struct money){ reward });
        const uint64_t amounts[] = { parts.fee.units, parts.pools.units, parts.validators.units };
        assert_true(amounts[0] + amounts[1] + amounts[2] == reward);
        for (size_t i = 0; i < 3; i++) {
            u128 due = (u128)reward * weights[i]; /* in 1/10,000 */
            u128 got = (u128)amounts[i] * EMISSION_WHOLE;
            assert_true(got + EMISSION_WHOLE > due && got < due + EMISSION_WHOLE);
        }
    }
    /* 0.18, 0.41, 0.41: one unit goes to the larger remainder that stands first */
    struct emission_parts one = emission_split(&usual, (struct money){ 1 });
    assert_int_equal(one.fee.units, 0);
    assert_int_equal(one.pools.units, 1);
    assert_int_equal(one.validators.units, 0);
}

/* The same, told otherwise: unit by unit to whoever is furthest behind. */
static void share_slowly(struct emission_receiver *receivers, size_t count, uint64_t total)
{
    u128 weights = 0;
    u128 behind[8];
    for (size_t i = 0; i < count; i++)
        weights += receivers[i].weight;
    uint64_t left = total;
    for (size_t i = 0; i < count; i++) {
        u128 due = (u128)total * receivers[i].weight;
        receivers[i].amount = (uint64_t)(due / weights);
        behind[i] = due % weights;
        left -= receivers[i].amount;
    }
    for (; left > 0; left--) {
        size_t best = count;
        for (size_t i = 0; i < count; i++)
            if (behind[i] > 0 && (best == count || behind[i] > behind[best]))
                best = i;
        assert_true(best < count);
        receivers[best].amount++;
        behind[best] = 0;
    }
}

static void shares_are_exact_and_ties_go_to_the_smaller_id(void **state)
{
    (void)state;
    /* every small case */
    for (uint64_t total = 0; total < 40; total++)
        for (uint32_t a = 1; a < 6; a++)
            for (uint32_t b = 1; b < 6; b++)
                for (uint32_t c = 1; c < 6; c++) {
                    struct emission_receiver one[] = { { .account = 1, .weight = a },
                                                       { .account = 2, .weight = b },
                                                       { .account = 9, .weight = c } };
                    struct emission_receiver two[] = { { .account = 1, .weight = a },
                                                       { .account = 2, .weight = b },
                                                       { .account = 9, .weight = c } };
                    assert_int_equal(emission_share(one, 3, (struct money){ total }, 0), 0);
                    share_slowly(two, 3, total);
                    for (size_t i = 0; i < 3; i++)
                        assert_int_equal(one[i].amount, two[i].amount);
                }
    struct emission_receiver tie[] = { { .account = 3, .weight = 5 },
                                       { .account = 4, .weight = 5 } };
    assert_int_equal(emission_share(tie, 2, (struct money){ 7 }, 0), 0);
    assert_int_equal(tie[0].amount, 4);
    assert_int_equal(tie[1].amount, 3);
}

static void what_has_no_receiver_is_carried_and_given_later(void **state)
{
    (void)state;
    struct emission_receiver one[] = { { .account = 3, .weight = 5 } };
    assert_int_equal(emission_share(NULL, 0, (struct money){ 41 }, 0), 41);
    assert_int_equal(emission_share(NULL, 0, (struct money){ 41 }, 41), 41);
    assert_int_equal(emission_share(one, 1, (struct money){ 41 }, 82), -82);
    assert_int_equal(one[0].amount, 123);
    /* A debt is filled up before anybody gets anything. */
    assert_int_equal(emission_share(one, 1, (struct money){ 41 }, -100), 41);
    assert_int_equal(one[0].amount, 0);
    assert_int_equal(emission_share(one, 1, (struct money){ 41 }, -40), 40);
    assert_int_equal(one[0].amount, 1);
    assert_int_equal(emission_share(one, 1, (struct money){ 41 }, -41), 41);
}

/* Over any run of emissions: what came in is what was given and what is carried. */
static void nothing_is_lost_or_made_over_many_emissions(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("emission_test");
    int64_t carry = 0;
    i128 received = 0, given = 0;
    for (unsigned round = 0; round < 2000; round++) {
        struct emission_receiver receivers[8];
        size_t count = (size_t)test_random_below(&random, 9);
        uint64_t account = 0, part = test_random_below(&random, 1000000), sum = 0;
        for (size_t i = 0; i < count; i++) {
            account += 1 + test_random_below(&random, 5);
            receivers[i] = (struct emission_receiver){
                .account = account, .weight = (uint32_t)(1 + test_random_below(&random, 10000))
            };
        }
        int64_t change = emission_share(receivers, count, (struct money){ part }, carry);
        for (size_t i = 0; i < count; i++)
            sum += receivers[i].amount;
        assert_true((i128)sum + change == (i128)part);
        received += (i128)part;
        given += (i128)sum;
        carry += change;
        assert_true(carry >= 0 && received == given + carry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_sum_to_the_whole_or_are_none),
        cmocka_unit_test(parts_sum_to_the_reward_and_are_at_most_a_unit_off),
        cmocka_unit_test(shares_are_exact_and_ties_go_to_the_smaller_id),
        cmocka_unit_test(what_has_no_receiver_is_carried_and_given_later),
        cmocka_unit_test(nothing_is_lost_or_made_over_many_emissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
