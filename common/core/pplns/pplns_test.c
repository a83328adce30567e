#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/pplns/pplns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHARES_MAX = 400, ACCOUNTS_MAX = 60 };

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
    seed = text != NULL ? strtoull(text, NULL, 10) : 20260131;
    printf("ADIT_SEED=%" PRIu64 "\n", seed);
}

struct share {
    uint64_t account;
    uint64_t work;
};

/* A window over memory that starts too small, so that it must move. */
struct window {
    struct pplns_slot *slots;
    struct pplns_table table;
    struct pplns_part parts[SHARES_MAX];
};

static void fill(struct window *window, const struct share *shares, size_t count, u128 target)
{
    unsigned bits = 4;
    window->slots = malloc(sizeof *window->slots << bits);
    assert_non_null(window->slots);
    pplns_init(&window->table, window->slots, bits, target);
    for (size_t i = 0; i < count; i++) {
        enum pplns_outcome outcome;
        while ((outcome = pplns_add(&window->table, shares[i].account, shares[i].work)) ==
               PPLNS_CROWDED) {
            bits += 1;
            struct pplns_slot *larger = malloc(sizeof *larger << bits);
            assert_non_null(larger);
            pplns_move(&window->table, larger, bits);
            free(window->slots);
            window->slots = larger;
        }
        if (outcome == PPLNS_FILLED)
            break;
    }
    pplns_collect(&window->table, window->parts);
}

static size_t random_shares(struct share *shares)
{
    size_t count = next() % SHARES_MAX, accounts = 1 + next() % ACCOUNTS_MAX;
    unsigned shift = (unsigned)(next() % 64);
    for (size_t i = 0; i < count; i++)
        shares[i] = (struct share){ next() % 5 == 0 ? next() : 1 + next() % accounts,
                                    (next() >> shift) + (next() % 9 != 0) };
    return count;
}

static u128 plain_sum(const struct share *shares, size_t count)
{
    u128 sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += shares[i].work;
    return sum;
}

static u128 random_target(const struct share *shares, size_t count)
{
    u128 sum = plain_sum(shares, count);
    switch (next() % 4) {
    case 0:
        return sum;
    case 1:
        return sum + 1 + next();
    default:
        return sum == 0 ? 1 : ((u128)next() << 64 | next()) % sum;
    }
}

static void the_window_holds_exactly_its_target(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 3000; round++) {
        static struct window window;
        struct share shares[SHARES_MAX];
        size_t count = random_shares(shares);
        u128 target = random_target(shares, count), sum = plain_sum(shares, count);
        fill(&window, shares, count, target);
        assert_true(window.table.filled == (sum < target ? sum : target));
        u128 parts = 0;
        for (size_t i = 0; i < window.table.accounts; i++) {
            u128 plain = 0, room = target;
            for (size_t k = 0; k < count; k++) {
                u128 counted = shares[k].work < room ? shares[k].work : room;
                room -= counted;
                if (shares[k].account == window.parts[i].account)
                    plain += counted;
            }
            assert_true(window.parts[i].work == plain);
            assert_true(i == 0 || window.parts[i - 1].account < window.parts[i].account);
            parts += window.parts[i].work;
        }
        assert_true(parts == window.table.filled);
        free(window.slots);
    }
}

/* The naive largest remainder: sort by remainder, ties by id. */
static void plain_split(struct pplns_part *parts, size_t count, uint64_t amount)
{
    u128 total = 0;
    uint64_t given = 0;
    bool took[SHARES_MAX] = { false };
    for (size_t i = 0; i < count; i++)
        total += parts[i].work;
    for (size_t i = 0; i < count; i++) {
        parts[i].amount =
            money_share_floor((struct money){ amount }, parts[i].work, total, &parts[i].remainder)
                .units;
        given += parts[i].amount;
    }
    for (; given < amount; given++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < count; i++)
            if (!took[i] && (best == SIZE_MAX || parts[i].remainder > parts[best].remainder))
                best = i;
        took[best] = true;
        parts[best].amount++;
    }
}

static void the_parts_are_the_whole_by_largest_remainders(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 3000; round++) {
        static struct window window;
        static struct pplns_part plain[SHARES_MAX];
        struct share shares[SHARES_MAX];
        size_t count = random_shares(shares);
        fill(&window, shares, count, random_target(shares, count));
        free(window.slots);
        size_t parts = window.table.accounts;
        struct money amount = { next() >> (1 + next() % 63) };
        memcpy(plain, window.parts, parts * sizeof *plain);
        bool split = pplns_split(window.parts, parts, amount);
        assert_true(split == (parts > 0));
        if (parts == 0)
            continue;
        plain_split(plain, parts, amount.units);
        uint64_t sum = 0;
        for (size_t i = 0; i < parts; i++) {
            assert_true(window.parts[i].amount == plain[i].amount);
            sum += window.parts[i].amount;
        }
        assert_true(sum == amount.units);
    }
}

static void equal_remainders_go_to_the_smaller_ids(void **state)
{
    (void)state;
    for (uint64_t accounts = 1; accounts <= 12; accounts++)
        for (uint64_t amount = 0; amount < 40; amount++) {
            struct pplns_part parts[12] = { 0 };
            for (uint64_t i = 0; i < accounts; i++)
                parts[i] = (struct pplns_part){ .account = 10 + i, .work = 7 };
            assert_true(pplns_split(parts, accounts, (struct money){ amount }));
            for (uint64_t i = 0; i < accounts; i++)
                assert_int_equal(parts[i].amount, amount / accounts + (i < amount % accounts));
        }
}

static void the_order_inside_a_window_does_not_matter(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 1000; round++) {
        static struct window one, other;
        struct share shares[SHARES_MAX];
        size_t count = random_shares(shares);
        u128 target = plain_sum(shares, count);
        if (target == 0)
            continue;
        fill(&one, shares, count, target);
        for (size_t i = count; i > 1; i--) {
            size_t k = next() % i;
            struct share kept = shares[i - 1];
            shares[i - 1] = shares[k];
            shares[k] = kept;
        }
        fill(&other, shares, count, target);
        struct money amount = { next() >> 20 };
        assert_int_equal(one.table.accounts, other.table.accounts);
        assert_true(pplns_split(one.parts, one.table.accounts, amount));
        assert_true(pplns_split(other.parts, other.table.accounts, amount));
        for (size_t i = 0; i < one.table.accounts; i++)
            assert_true(one.parts[i].account == other.parts[i].account &&
                        one.parts[i].work == other.parts[i].work &&
                        one.parts[i].amount == other.parts[i].amount);
        free(one.slots);
        free(other.slots);
    }
}

static void an_empty_window_gives_nobody_anything(void **state)
{
    (void)state;
    struct pplns_slot slots[16];
    struct pplns_table table;
    pplns_init(&table, slots, 4, 0);
    assert_int_equal(pplns_add(&table, 1, 5), PPLNS_FILLED);
    assert_int_equal(table.accounts, 0);
    pplns_init(&table, slots, 4, 100);
    assert_int_equal(pplns_add(&table, 1, 0), PPLNS_MORE);
    assert_int_equal(table.accounts, 0);
    assert_false(pplns_split(NULL, 0, (struct money){ 5 }));
}

static void the_boundary_share_counts_in_part(void **state)
{
    (void)state;
    struct window window;
    const struct share shares[] = { { 1, 60 }, { 2, 60 }, { 3, 60 } };
    fill(&window, shares, 3, 100);
    assert_int_equal(window.table.accounts, 2);
    assert_true(window.parts[0].work == 60 && window.parts[1].work == 40);
    assert_int_equal(window.table.shares, 2);
    assert_int_equal(pplns_add(&window.table, 3, 60), PPLNS_FILLED);
    assert_int_equal(window.table.accounts, 2);
    free(window.slots);
}

static void a_window_is_a_percentage_rounded_down_and_at_least_one(void **state)
{
    (void)state;
    assert_true(pplns_window_work(0, 200) == 1);
    assert_true(pplns_window_work(99, 1) == 1);
    assert_true(pplns_window_work(1000, 200) == 2000);
    assert_true(pplns_window_work(333, 150) == 499);
    assert_true(pplns_window_work(~(u128)0, 200) == ~(u128)0);
    assert_true(pplns_window_work(~(u128)0, 100) == ~(u128)0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_holds_exactly_its_target),
        cmocka_unit_test(the_parts_are_the_whole_by_largest_remainders),
        cmocka_unit_test(equal_remainders_go_to_the_smaller_ids),
        cmocka_unit_test(the_order_inside_a_window_does_not_matter),
        cmocka_unit_test(an_empty_window_gives_nobody_anything),
        cmocka_unit_test(the_boundary_share_counts_in_part),
        cmocka_unit_test(a_window_is_a_percentage_rounded_down_and_at_least_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
