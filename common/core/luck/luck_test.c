/* What the header promises: how often the honest are accused, and how soon the others are found. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "core/luck/luck.h"

enum { SHARES_A_BLOCK = 32 };

static const u128 network = (u128)SHARES_A_BLOCK << 40;

/* A share; where it is a block, it is handed in with the chance honest / 4. */
static void mine(struct luck *luck, struct test_random *random, unsigned honest)
{
    bool block = test_random_below(random, SHARES_A_BLOCK) == 0;
    bool handed = block && test_random_below(random, 4) < honest;
    luck_work(luck, (uint64_t)1 << 40, network);
    if (handed)
        luck_found(luck, 1);
}

/* At 2^6 instead of 2^20, so that there is something to count: in n products at most n / 2^6. */
static void the_honest_are_accused_as_seldom_as_is_said(void **state)
{
    enum { SERIES = 4000, BLOCKS = 60, BITS = 6 };
    struct test_random random = test_random_begin("luck");
    unsigned alarms = 0, products = 0;
    (void)state;
    for (unsigned i = 0; i < SERIES; i++) {
        struct luck luck;
        luck_begin(&luck);
        products += BLOCKS + 1;
        for (unsigned share = 0; share < BLOCKS * SHARES_A_BLOCK; share++) {
            mine(&luck, &random, 4);
            if (luck_reaches(&luck, BITS)) {
                alarms++;
                products++; /* it begins anew */
                luck_forget(&luck);
            }
        }
        assert_int_equal(luck.steps >> LUCK_STEP_BITS, BLOCKS);
    }
    unsigned most = products >> BITS;
    print_message("%u alarms in %u products, at most %u are to be expected\n", alarms, products,
                  most);
    assert_true(alarms <= most);     /* the mean lies far below */
    assert_true(alarms >= most / 8); /* and the test could fail */
}

/* Blocks' work until the alarm, in sixty-fourths, after `before` honest ones. */
static uint64_t found_after(struct test_random *random, unsigned honest, unsigned before)
{
    struct luck luck;
    luck_begin(&luck);
    for (unsigned share = 0; share < before * SHARES_A_BLOCK; share++)
        mine(&luck, random, 4);
    uint64_t from = luck.steps;
    while (!luck_reaches(&luck, LUCK_ALARM_BITS) && luck.steps - from < 64000)
        mine(&luck, random, honest);
    return luck.steps - from;
}

static void who_hands_in_nothing_is_found_before_sixteen_blocks_whenever_he_begins(void **state)
{
    struct test_random random = test_random_begin("withholder");
    (void)state;
    for (unsigned before = 0; before < 400; before += 7) {
        uint64_t steps = found_after(&random, 0, before);
        assert_true(steps < 16 * 64);
        assert_true(before > 0 || steps >= LUCK_LEAST * 64);
    }
}

static void who_hands_in_half_is_found_too(void **state)
{
    enum { TRIES = 200 };
    struct test_random random = test_random_begin("half");
    uint64_t sum = 0;
    (void)state;
    for (unsigned i = 0; i < TRIES; i++)
        sum += found_after(&random, 2, i);
    print_message("found after %.1f blocks' work in the mean\n", (double)sum / TRIES / 64);
    assert_true(sum / TRIES < 120 * 64);
    assert_true(sum / TRIES > 40 * 64);
}

static void nobody_is_accused_before_the_least(void **state)
{
    struct luck luck;
    (void)state;
    luck_begin(&luck);
    while (!luck_reaches(&luck, LUCK_ALARM_BITS))
        luck_work(&luck, 1 << 20, (u128)1 << 32);
    assert_true(luck.steps >= LUCK_LEAST * 64);
    assert_int_equal(luck_bits(&luck), LUCK_ALARM_BITS);
    luck_forget(&luck);
    assert_int_equal(luck_bits(&luck), 0);
}

/* In shares of any size, over any changes of the difficulty. */
static void expectation_is_the_sum_of_work_over_difficulty(void **state)
{
    struct test_random random = test_random_begin("expectation");
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct luck luck;
        double expected = 0;
        luck_begin(&luck);
        for (unsigned i = 0; i < 2000; i++) {
            unsigned bits = 1 + (unsigned)test_random_below(&random, 96);
            u128 hashes = ((u128)1 << bits) + test_random_below(&random, 1 << 20);
            for (unsigned j = (unsigned)test_random_below(&random, 5); j > 0; j--) {
                uint64_t work = 1 + test_random_below(&random, UINT64_C(1) << (1 + bits % 60));
                luck_work(&luck, work, hashes);
                expected += work < hashes ? (double)work / (double)hashes : 1;
            }
        }
        uint8_t bytes[LUCK_BYTES];
        luck_encode(&luck, bytes);
        double got = (double)luck.steps / 64;
        assert_true(got <= expected * (1 + 1e-9) && got >= expected * (1 - 1e-9) - 1.0 / 32);
    }
}

static void what_is_stored_is_what_was(void **state)
{
    struct test_random random = test_random_begin("stored");
    struct luck luck, read;
    uint8_t bytes[LUCK_BYTES], again[LUCK_BYTES];
    (void)state;
    luck_begin(&luck);
    for (unsigned i = 0; i < 5000; i++) {
        mine(&luck, &random, 3);
        if (i % 100 != 0)
            continue;
        luck_encode(&luck, bytes);
        luck_decode(&read, bytes);
        luck_encode(&read, again);
        assert_memory_equal(bytes, again, LUCK_BYTES);
        assert_int_equal(luck_bits(&read), luck_bits(&luck));
        luck = read;
    }
    memset(bytes, 0xff, sizeof bytes); /* nobody wrote that */
    luck_decode(&read, bytes);
    luck_work(&read, 1 << 20, 1 << 20);
    luck_found(&read, UINT64_MAX);
}

static void much_work_at_once_is_taken_in_bounded_time(void **state)
{
    struct luck luck;
    (void)state;
    luck_begin(&luck);
    for (unsigned i = 0; i < 1000000; i++)
        luck_work(&luck, UINT64_MAX, 1);
    assert_int_equal(luck.steps, UINT64_C(64000000));
    assert_true(luck_reaches(&luck, 29));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_honest_are_accused_as_seldom_as_is_said),
        cmocka_unit_test(who_hands_in_nothing_is_found_before_sixteen_blocks_whenever_he_begins),
        cmocka_unit_test(who_hands_in_half_is_found_too),
        cmocka_unit_test(nobody_is_accused_before_the_least),
        cmocka_unit_test(expectation_is_the_sum_of_work_over_difficulty),
        cmocka_unit_test(what_is_stored_is_what_was),
        cmocka_unit_test(much_work_at_once_is_taken_in_bounded_time),
    };
    return cmocka_run_group_tests_name("luck", tests, NULL, NULL);
}
