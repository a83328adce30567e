#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/reward/reward.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ACCOUNTS_MAX = 40 };

static uint64_t seed;

static uint64_t next(void)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void seed_from_environment(void)
{
    const char *text = getenv("ADIT_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : 20260207;
    printf("ADIT_SEED=%" PRIu64 "\n", seed);
}

/* The plain way, for small numbers: the fee's floor, floors of the weights, the rest one by one to
 * the largest remainder, the smaller id first. */
static uint64_t share_plainly(struct pplns_part *parts, size_t count, uint64_t reward)
{
    u128 work = 0, kept = 0, weights = 0;
    bool took[ACCOUNTS_MAX] = { false };
    for (size_t i = 0; i < count; i++) {
        work += parts[i].work;
        kept += parts[i].work * parts[i].fee_basis_points;
        weights += parts[i].work * (10000 - parts[i].fee_basis_points);
    }
    uint64_t fee = (uint64_t)(reward * kept / (10000 * work)), rest = reward - fee, given = 0;
    for (size_t i = 0; i < count && weights > 0; i++) {
        u128 weight = parts[i].work * (10000 - parts[i].fee_basis_points);
        parts[i].amount = (uint64_t)(rest * weight / weights);
        parts[i].remainder = rest * weight % weights;
        given += parts[i].amount;
    }
    for (; given < rest; given++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < count; i++)
            if (!took[i] && (best == SIZE_MAX || parts[i].remainder > parts[best].remainder))
                best = i;
        took[best] = true;
        parts[best].amount++;
    }
    return fee;
}

static void check_share(const struct pplns_part *parts, size_t count, uint64_t reward)
{
    struct pplns_part fast[ACCOUNTS_MAX], plain[ACCOUNTS_MAX];
    memcpy(fast, parts, count * sizeof *parts);
    memcpy(plain, parts, count * sizeof *parts);
    struct reward_cut cut = reward_share(fast, count, (struct money){ reward }, 777);
    assert_int_equal(cut.fee.units, share_plainly(plain, count, reward));
    assert_int_equal(cut.unallocated.units, 0);
    uint64_t sum = cut.fee.units;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(fast[i].amount, plain[i].amount);
        sum += fast[i].amount;
    }
    assert_int_equal(sum, reward);
}

static void every_small_block_is_shared_to_the_last_unit(void **state)
{
    (void)state;
    static const uint32_t fees[] = { 0, 100, 3333, 10000 };
    for (unsigned shape = 0; shape < 4 * 4 * 4 * 4 * 4 * 4; shape++) {
        struct pplns_part parts[3] = { 0 };
        unsigned rest = shape;
        for (size_t i = 0; i < 3; i++) {
            parts[i] = (struct pplns_part){ .account = 5 + i,
                                            .work = 1 + rest % 4,
                                            .fee_basis_points = fees[rest / 4 % 4] };
            rest /= 16;
        }
        for (uint64_t reward = 0; reward < 25; reward++)
            for (size_t count = 1; count <= 3; count++)
                check_share(parts, count, reward);
    }
}

static void blocks_of_any_size_are_shared_as_the_plain_way_does(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 20000; round++) {
        struct pplns_part parts[ACCOUNTS_MAX] = { 0 };
        size_t count = 1 + next() % ACCOUNTS_MAX, classes = 1 + next() % 4;
        for (size_t i = 0; i < count; i++)
            parts[i] =
                (struct pplns_part){ .account = 10 * i + next() % 10,
                                     .work = 1 + (next() >> (20 + next() % 44)),
                                     .fee_basis_points = (uint32_t)(next() % classes * 123) };
        check_share(parts, count, next() >> (22 + next() % 40));
    }
}

static void one_fee_for_all_is_the_cut_and_a_split_by_work(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 5000; round++) {
        struct pplns_part parts[ACCOUNTS_MAX] = { 0 }, same[ACCOUNTS_MAX];
        size_t count = 1 + next() % ACCOUNTS_MAX;
        uint32_t fee = (uint32_t)(next() % 10000);
        u128 top = (u128)next() << 57; /* sums beyond 2^114 are allowed here */
        for (size_t i = 0; i < count; i++)
            parts[i] = (struct pplns_part){ .account = i, .work = top + 1 + next() };
        memcpy(same, parts, sizeof parts);
        for (size_t i = 0; i < count; i++)
            same[i].fee_basis_points = fee;
        struct money reward = { next() >> (1 + next() % 60) };
        struct money_cut cut = money_cut_fee(reward, fee);
        assert_true(pplns_split(parts, count, cut.rest));
        assert_int_equal(reward_share(same, count, reward, 0).fee.units, cut.fee.units);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(same[i].amount, parts[i].amount);
    }
}

static void a_block_nobody_had_a_share_in_is_unallocated_after_the_fee(void **state)
{
    (void)state;
    struct reward_cut cut = reward_share(NULL, 0, (struct money){ 999 }, 250);
    assert_int_equal(cut.fee.units, 24);
    assert_int_equal(cut.unallocated.units, 975);
}

struct stretch {
    struct reward_earning earnings[ACCOUNTS_MAX];
    size_t count;
};

static void random_stretch(struct stretch *stretch, unsigned shift)
{
    stretch->count = 1 + next() % ACCOUNTS_MAX;
    for (size_t i = 0; i < stretch->count; i++)
        stretch->earnings[i] = (struct reward_earning){
            .account = i, .work = next() >> shift, .fee_basis_points = (uint32_t)(i % 3 * 150)
        };
}

static void a_time_cut_anywhere_earns_the_same(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 3000; round++) {
        struct stretch whole, piece;
        random_stretch(&whole, 8 + (unsigned)(next() % 40));
        struct reward_price price =
            reward_price((struct money){ next() >> (10 + next() % 40) },
                         1 + ((u128)next() << 64 | next()) / (1 + (next() >> next() % 64)));
        u128 fee_carry = next(), pieces_carry = fee_carry;
        u128 left[ACCOUNTS_MAX], carries[ACCOUNTS_MAX];
        uint64_t amounts[ACCOUNTS_MAX] = { 0 }, fees = 0, spent = 0;
        for (size_t i = 0; i < whole.count; i++) {
            left[i] = whole.earnings[i].work;
            carries[i] = whole.earnings[i].carry = (u128)next() << 64 | next();
        }
        size_t pieces = 1 + next() % 5;
        for (size_t p = 1; p <= pieces; p++) {
            struct money fee, cost;
            piece = whole;
            for (size_t i = 0; i < whole.count; i++) {
                piece.earnings[i].work = p == pieces ? left[i] : left[i] / (1 + next() % 4);
                piece.earnings[i].carry = carries[i];
                left[i] -= piece.earnings[i].work;
            }
            assert_true(reward_buy(price, piece.earnings, piece.count, &pieces_carry, &fee, &cost));
            fees += fee.units;
            spent += cost.units;
            for (size_t i = 0; i < whole.count; i++) {
                carries[i] = piece.earnings[i].carry;
                amounts[i] += piece.earnings[i].amount;
            }
        }
        struct money fee, cost;
        assert_true(reward_buy(price, whole.earnings, whole.count, &fee_carry, &fee, &cost));
        assert_int_equal(fee.units, fees);
        assert_int_equal(cost.units, spent);
        assert_true(fee_carry == pieces_carry);
        uint64_t sum = fee.units;
        for (size_t i = 0; i < whole.count; i++) {
            assert_int_equal(whole.earnings[i].amount, amounts[i]);
            assert_true(whole.earnings[i].carry == carries[i]);
            sum += amounts[i];
        }
        assert_int_equal(sum, cost.units);
    }
}

/* Small enough to hold price · work in 128 bits where the price is whole: every case. */
static void work_is_bought_at_what_it_is_worth(void **state)
{
    (void)state;
    for (uint64_t block = 0; block <= 40; block++)
        for (uint64_t network = 1; network <= 16; network++)
            for (uint64_t work = 0; work <= 40; work++) {
                struct reward_earning earning = { .account = 1, .work = work };
                struct money fee, spent;
                u128 fee_carry = 0;
                assert_true(reward_buy(reward_price((struct money){ block }, network), &earning, 1,
                                       &fee_carry, &fee, &spent));
                /* The price was rounded down by less than 2^-128: a whole result may just miss. */
                uint64_t worth = block * work / network;
                bool exact = block * work % network == 0;
                assert_true(earning.amount == worth || (exact && earning.amount + 1 == worth &&
                                                        earning.carry >= (u128)0 - work));
                assert_int_equal(fee.units, 0);
                assert_int_equal(spent.units, earning.amount);
            }
}

static void a_block_of_work_costs_the_reserve_a_block(void **state)
{
    (void)state;
    /* The largest fee and the smallest, over one block's expected work: miners and fee get the
     * block but for the rounding of the price. */
    u128 network = (u128)1 << 78;
    struct reward_earning earnings[2] = {
        { .account = 1, .work = network / 2, .fee_basis_points = 0 },
        { .account = 2, .work = network / 2, .fee_basis_points = 400 },
    };
    struct money fee, spent;
    u128 fee_carry = 0;
    assert_true(reward_buy(reward_price((struct money){ 312500000 }, network), earnings, 2,
                           &fee_carry, &fee, &spent));
    assert_int_equal(earnings[0].amount, 156250000);
    assert_int_equal(earnings[1].amount, 150000000 - (earnings[1].carry != 0));
    assert_int_equal(fee.units, 6250000);
    assert_true(spent.units <= 312500000 && spent.units >= 312500000 - 2);
}

static void what_no_money_can_hold_is_refused(void **state)
{
    (void)state;
    struct reward_earning earning = { .account = 1, .work = ~(u128)0 };
    struct money fee, spent;
    u128 fee_carry = 0;
    assert_false(
        reward_buy(reward_price((struct money){ 5 }, 1), &earning, 1, &fee_carry, &fee, &spent));
    earning = (struct reward_earning){ .account = 1, .work = 2, .fee_basis_points = 10000 };
    assert_false(reward_buy(reward_price((struct money){ MONEY_MAX }, 1), &earning, 1, &fee_carry,
                            &fee, &spent));
}

static void names_are_read_back_and_nothing_else_is(void **state)
{
    (void)state;
#define X(name, value, text)                                                                       \
    {                                                                                              \
        enum reward_scheme scheme;                                                                 \
        assert_true(reward_scheme_parse(span_text(text), &scheme) && scheme == name);              \
        assert_string_equal(reward_scheme_name(name), text);                                       \
    }
    REWARD_SCHEMES(X)
#undef X
    enum reward_scheme scheme;
    struct reward_class class;
    assert_false(reward_scheme_parse(span_text("pplnt"), &scheme));
    assert_true(reward_class_parse(span_text("vip=50"), &class));
    assert_string_equal(class.name, "vip");
    assert_int_equal(class.basis_points, 50);
    static const char *const wrong[] = { "",       "vip",       "=5",
                                         "vip=",   "vip=10001", "Vip=1",
                                         "vip=-1", "vip=1 ",    "aaaaaaaaaaaaaaaaa=1" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(reward_class_parse(span_text(wrong[i]), &class));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_block_is_shared_to_the_last_unit),
        cmocka_unit_test(blocks_of_any_size_are_shared_as_the_plain_way_does),
        cmocka_unit_test(one_fee_for_all_is_the_cut_and_a_split_by_work),
        cmocka_unit_test(a_block_nobody_had_a_share_in_is_unallocated_after_the_fee),
        cmocka_unit_test(a_time_cut_anywhere_earns_the_same),
        cmocka_unit_test(work_is_bought_at_what_it_is_worth),
        cmocka_unit_test(a_block_of_work_costs_the_reserve_a_block),
        cmocka_unit_test(what_no_money_can_hold_is_refused),
        cmocka_unit_test(names_are_read_back_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
