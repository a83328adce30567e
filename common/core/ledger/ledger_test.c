#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MINERS = 40, LEGS = 256 };

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

static const struct ledger_cause some_cause = { LEDGER_FOUND, { 1, 2, 3 }, 1 };

struct block {
    struct ledger_reward reward;
    struct ledger_credit credits[MINERS];
    size_t count;
    struct ledger_leg found[LEGS];
    size_t found_count;
};

static void random_block(struct block *block)
{
    uint64_t total = 0;
    block->count = next() % MINERS;
    for (size_t i = 0; i < block->count; i++) {
        block->credits[i] = (struct ledger_credit){ 1 + i * 3, { next() % 1000 } };
        total += block->credits[i].amount.units;
    }
    block->reward = (struct ledger_reward){
        .fee = { next() % 50 },
        .unallocated = { next() % 3 == 0 ? next() % 100 : 0 },
        .reserve = { next() % 3 == 0 ? next() % 100 : 0 },
    };
    block->reward.reward.units = total + block->reward.fee.units + block->reward.unallocated.units +
                                 block->reward.reserve.units;
    struct ledger_legs legs = ledger_legs_over(block->found, LEGS);
    assert_true(ledger_build_found(&block->reward, block->credits, block->count, &legs));
    block->found_count = legs.count;
}

static void verify(const struct ledger_legs *legs)
{
    struct ledger_digest digest = ledger_digest(&some_cause, legs->legs, legs->count);
    assert_true(ledger_legs_verify(&some_cause, &digest, legs->legs, legs->count));
}

static void legs_come_out_the_same_in_whatever_order_they_go_in(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 2000; round++) {
        struct ledger_leg one[LEGS], other[LEGS], memory[2 * LEGS];
        size_t count = 1 + next() % 60;
        int64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            int64_t amount = (int64_t)(next() % 2001) - 1000;
            enum ledger_owner owner = (enum ledger_owner)(1 + next() % 7);
            memory[i] = (struct ledger_leg){ { owner, owner == LEDGER_MINER ? next() % 9 : 0 },
                                             (enum ledger_kind)(1 + next() % 4),
                                             amount };
            sum += amount;
        }
        memory[count++] = (struct ledger_leg){ { LEDGER_NETWORK, 0 }, LEDGER_PAID, -sum };
        struct ledger_legs a = ledger_legs_over(one, LEGS), b = ledger_legs_over(other, LEGS);
        for (size_t i = 0; i < count; i++)
            ledger_legs_add(&a, memory[i].account, memory[i].kind, memory[i].amount);
        for (size_t i = count; i > 0; i--) {
            size_t k = next() % i;
            struct ledger_leg leg = memory[k];
            memory[k] = memory[i - 1];
            ledger_legs_add(&b, leg.account, leg.kind, leg.amount);
        }
        assert_true(ledger_legs_close(&a) && ledger_legs_close(&b));
        assert_int_equal(a.count, b.count);
        struct ledger_digest x = ledger_digest(&some_cause, a.legs, a.count);
        struct ledger_digest y = ledger_digest(&some_cause, b.legs, b.count);
        assert_memory_equal(x.hash, y.hash, 32);
        verify(&a);
    }
}

static void what_does_not_balance_is_no_set(void **state)
{
    (void)state;
    struct ledger_leg memory[2];
    struct ledger_legs legs = ledger_legs_over(memory, 2);
    ledger_legs_add(&legs, ledger_miner(1), LEDGER_PAID, 5);
    ledger_legs_add(&legs, ledger_miner(2), LEDGER_PAID, -4);
    assert_false(ledger_legs_close(&legs));
    legs = ledger_legs_over(memory, 1);
    ledger_legs_add(&legs, ledger_miner(1), LEDGER_PAID, 5);
    ledger_legs_add(&legs, ledger_miner(2), LEDGER_PAID, -5);
    assert_false(ledger_legs_close(&legs));
    legs = ledger_legs_over(memory, 2);
    ledger_legs_add(&legs, ledger_miner(1), LEDGER_PAID, INT64_MAX);
    ledger_legs_add(&legs, ledger_miner(1), LEDGER_PAID, INT64_MAX);
    assert_false(ledger_legs_close(&legs));
    struct ledger_credit credit = { 1, { 10 } };
    struct ledger_leg room[8];
    legs = ledger_legs_over(room, 8);
    assert_false(
        ledger_build_found(&(struct ledger_reward){ .reward = { 11 } }, &credit, 1, &legs));
}

static void a_changed_leg_changes_the_digest(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 300; round++) {
        struct block block;
        random_block(&block);
        if (block.found_count < 3)
            continue;
        struct ledger_digest digest = ledger_digest(&some_cause, block.found, block.found_count);
        struct ledger_cause other = some_cause;
        other.generation = 2;
        assert_false(ledger_legs_verify(&other, &digest, block.found, block.found_count));
        assert_false(ledger_legs_verify(&some_cause, &digest, block.found, block.found_count - 1));
        size_t i = next() % (block.found_count - 1);
        block.found[i].amount += 1;
        block.found[i + 1].amount -= 1;
        assert_false(ledger_legs_verify(&some_cause, &digest, block.found, block.found_count));
    }
}

/* Balances of everybody, as the store would keep them. */
struct books {
    struct ledger_balance balances[LEDGER_OWNER_LAST + 1][3 * MINERS + 4];
    uint64_t seq;
};

static struct ledger_balance *balance_of(struct books *books, const struct ledger_account *account)
{
    return &books->balances[account->owner][account->id];
}

static void apply(struct books *books, const struct ledger_legs *legs)
{
    verify(legs);
    books->seq++;
    for (int repeat = 0; repeat < 2; repeat++) /* a set that is applied again changes nothing */
        for (size_t i = 0; i < legs->count;) {
            size_t same = ledger_legs_of_account(legs->legs + i, legs->count - i);
            assert_int_equal(ledger_balance_apply(balance_of(books, &legs->legs[i].account),
                                                  books->seq, LEDGER_MATURED, legs->legs + i, same),
                             repeat == 0 ? LEDGER_APPLIED : LEDGER_ALREADY);
            i += same;
        }
    i128 total = 0;
    for (int owner = LEDGER_MINER; owner <= LEDGER_OWNER_LAST; owner++)
        for (size_t i = 0; i < 3 * MINERS + 4; i++) {
            const struct ledger_balance *one = &books->balances[owner][i];
            total += (i128)one->immature + one->available + one->in_flight + one->paid;
            if (owner == LEDGER_MINER)
                assert_true(one->immature >= 0 && one->available >= 0 && one->in_flight >= 0 &&
                            one->paid >= 0);
        }
    assert_true(total == 0);
}

static int64_t total_of(const struct books *books, enum ledger_owner owner, size_t id)
{
    const struct ledger_balance *one = &books->balances[owner][id];
    return one->immature + one->available + one->in_flight + one->paid;
}

static void a_block_that_comes_and_goes_leaves_nothing_behind(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 300; round++) {
        static struct books books, before;
        struct block block;
        struct ledger_leg memory[LEGS], reversed[LEGS];
        memset(&books, 0, sizeof books);
        random_block(&block);
        struct ledger_legs found = { block.found, block.found_count, LEGS, false };
        apply(&books, &found);
        before = books;
        for (int generation = 1; generation < 4; generation++) {
            struct ledger_legs back = ledger_legs_over(reversed, LEGS);
            assert_true(ledger_build_orphaned(block.found, block.found_count, &back));
            apply(&books, &back);
            for (size_t i = 0; i < block.count; i++)
                assert_int_equal(total_of(&books, LEDGER_MINER, block.credits[i].account), 0);
            struct ledger_legs again = ledger_legs_over(memory, LEGS);
            assert_true(ledger_build_returned(back.legs, back.count, &again));
            assert_int_equal(again.count, block.found_count);
            assert_memory_equal(again.legs, block.found, again.count * sizeof *memory);
            apply(&books, &again);
        }
        for (size_t i = 0; i < block.count; i++)
            assert_int_equal(total_of(&books, LEDGER_MINER, block.credits[i].account),
                             total_of(&before, LEDGER_MINER, block.credits[i].account));
    }
}

/* Matured, partly paid, orphaned, back again: what miners have, and what it cost. */
static void what_was_paid_of_an_orphan_is_borne_and_given_back(void **state)
{
    (void)state;
    seed_from_environment();
    for (int round = 0; round < 500; round++) {
        static struct books books;
        struct block block;
        struct ledger_leg memory[LEGS], late[LEGS], again[LEGS];
        memset(&books, 0, sizeof books);
        random_block(&block);
        struct ledger_legs found = { block.found, block.found_count, LEGS, false };
        apply(&books, &found);
        struct ledger_legs legs = ledger_legs_over(memory, LEGS);
        assert_true(ledger_build_matured(block.found, block.found_count, &legs));
        apply(&books, &legs);
        /* Some pay, some a part of it; and the reserve has something. */
        struct ledger_credit paid[MINERS];
        int64_t paid_sum = 0, reserve = (int64_t)(next() % 500);
        for (size_t i = 0; i < block.count; i++) {
            paid[i] = block.credits[i];
            paid[i].amount.units -= paid[i].amount.units * (next() % 3) / 2;
            paid_sum += (int64_t)paid[i].amount.units;
        }
        legs = ledger_legs_over(memory, LEGS);
        assert_true(ledger_build_intent(paid, block.count, &legs));
        apply(&books, &legs);
        legs = ledger_legs_over(memory, LEGS);
        assert_true(ledger_build_confirmed(paid, block.count, (struct money){ 3 }, &legs));
        apply(&books, &legs);
        legs = ledger_legs_over(memory, LEGS);
        ledger_legs_add(&legs, ledger_house(LEDGER_RESERVE), LEDGER_AVAILABLE, reserve);
        ledger_legs_add(&legs, ledger_house(LEDGER_NETWORK), LEDGER_AVAILABLE, -reserve);
        assert_true(ledger_legs_close(&legs));
        apply(&books, &legs);

        int64_t available[LEGS] = { 0 };
        for (size_t i = 0; i < block.found_count; i++)
            available[i] = balance_of(&books, &block.found[i].account)->available;
        struct ledger_legs orphaned = ledger_legs_over(late, LEGS);
        /* What the block itself gave the reserve goes back before it bears anything. */
        assert_true(ledger_build_orphaned_late(block.found, block.found_count, available,
                                               books.balances[LEDGER_RESERVE][0].available,
                                               &orphaned));
        apply(&books, &orphaned);
        int64_t borne = paid_sum < reserve ? paid_sum : reserve;
        assert_int_equal(books.balances[LEDGER_RESERVE][0].available, reserve - borne);
        assert_int_equal(books.balances[LEDGER_LOSS][0].available, borne - paid_sum);
        for (size_t i = 0; i < block.count; i++)
            assert_int_equal(total_of(&books, LEDGER_MINER, block.credits[i].account),
                             paid[i].amount.units);

        struct ledger_legs returned = ledger_legs_over(again, LEGS);
        assert_true(ledger_build_returned(orphaned.legs, orphaned.count, &returned));
        apply(&books, &returned);
        legs = ledger_legs_over(memory, LEGS);
        assert_true(ledger_build_matured(returned.legs, returned.count, &legs));
        apply(&books, &legs);
        for (size_t i = 0; i < block.count; i++)
            assert_int_equal(total_of(&books, LEDGER_MINER, block.credits[i].account),
                             block.credits[i].amount.units);
        assert_int_equal(total_of(&books, LEDGER_LOSS, 0), 0);
        assert_int_equal(books.balances[LEDGER_RESERVE][0].available,
                         reserve + (int64_t)block.reward.reserve.units);
    }
}

static void a_payment_undone_or_voided_leaves_nothing_behind(void **state)
{
    (void)state;
    static struct books books, before;
    struct block block;
    struct ledger_leg memory[LEGS];
    seed_from_environment();
    memset(&books, 0, sizeof books);
    do
        random_block(&block);
    while (block.count == 0);
    struct ledger_legs legs = { block.found, block.found_count, LEGS, false };
    apply(&books, &legs);
    legs = ledger_legs_over(memory, LEGS);
    assert_true(ledger_build_matured(block.found, block.found_count, &legs));
    apply(&books, &legs);
    before = books;
    bool (*const there_and_back[])(const struct ledger_credit *, size_t, struct ledger_legs *) = {
        ledger_build_intent, ledger_build_voided, ledger_build_intent
    };
    for (size_t i = 0; i < 3; i++) {
        legs = ledger_legs_over(memory, LEGS);
        assert_true(there_and_back[i](block.credits, block.count, &legs));
        apply(&books, &legs);
    }
    struct money fee = { 5 };
    legs = ledger_legs_over(memory, LEGS);
    assert_true(ledger_build_confirmed(block.credits, block.count, fee, &legs));
    apply(&books, &legs);
    assert_int_equal(total_of(&books, LEDGER_FEE, 0), total_of(&before, LEDGER_FEE, 0) - 5);
    legs = ledger_legs_over(memory, LEGS);
    assert_true(ledger_build_reopened(block.credits, block.count, fee, &legs));
    apply(&books, &legs);
    legs = ledger_legs_over(memory, LEGS);
    assert_true(ledger_build_voided(block.credits, block.count, &legs));
    apply(&books, &legs);
    for (int owner = LEDGER_MINER; owner <= LEDGER_OWNER_LAST; owner++)
        for (size_t i = 0; i < 3 * MINERS + 4; i++)
            assert_int_equal(books.balances[owner][i].available,
                             before.balances[owner][i].available);
}

static void a_miner_is_never_brought_below_zero(void **state)
{
    (void)state;
    struct ledger_balance balance = { .available = 10, .applied_seq = 4, .waiting_since = 2 };
    struct ledger_leg leg = { ledger_miner(1), LEDGER_AVAILABLE, -11 };
    assert_int_equal(ledger_balance_apply(&balance, 5, LEDGER_INTENT, &leg, 1), LEDGER_REFUSED);
    assert_int_equal(balance.available, 10);
    assert_int_equal(balance.applied_seq, 4);
    leg.amount = -10;
    assert_int_equal(ledger_balance_apply(&balance, 4, LEDGER_INTENT, &leg, 1), LEDGER_ALREADY);
    assert_int_equal(ledger_balance_apply(&balance, 5, LEDGER_INTENT, &leg, 1), LEDGER_APPLIED);
    assert_int_equal(balance.waiting_since, 0);
    leg.amount = 3;
    assert_int_equal(ledger_balance_apply(&balance, 9, LEDGER_INTENT, &leg, 1), LEDGER_APPLIED);
    assert_int_equal(balance.waiting_since, 9);
    leg.amount = 4;
    assert_int_equal(ledger_balance_apply(&balance, 10, LEDGER_INTENT, &leg, 1), LEDGER_APPLIED);
    assert_int_equal(balance.waiting_since, 9);
    leg.account = ledger_house(LEDGER_LOSS);
    leg.amount = -100;
    struct ledger_balance loss = { 0 };
    assert_int_equal(ledger_balance_apply(&loss, 1, LEDGER_INTENT, &leg, 1), LEDGER_APPLIED);
    leg.amount = INT64_MIN;
    assert_int_equal(ledger_balance_apply(&loss, 2, LEDGER_INTENT, &leg, 1), LEDGER_REFUSED);
}

static void who_owes_gets_it_back_from_later_credits_alone(void **state)
{
    (void)state;
    struct ledger_balance balance = { .available = 4, .paid = 6, .applied_seq = 4 };
    struct ledger_leg found[2] = { { ledger_miner(1), LEDGER_IMMATURE, 10 },
                                   { ledger_house(LEDGER_NETWORK), LEDGER_IMMATURE, -10 } };
    struct ledger_leg memory[4], leg = { ledger_miner(1), LEDGER_AVAILABLE, -1 };
    struct ledger_legs legs = ledger_legs_over(memory, 4);
    assert_true(ledger_build_owed(found, 2, &legs));
    assert_int_equal(legs.count, 2);
    assert_int_equal(ledger_balance_apply(&balance, 5, LEDGER_INTENT, legs.legs, 1),
                     LEDGER_REFUSED);
    assert_int_equal(ledger_balance_apply(&balance, 5, LEDGER_ORPHANED, legs.legs, 1),
                     LEDGER_APPLIED);
    assert_int_equal(balance.available, -6);
    assert_int_equal(balance.waiting_since, 0);
    assert_int_equal(ledger_balance_apply(&balance, 6, LEDGER_INTENT, &leg, 1), LEDGER_REFUSED);
    leg.amount = 5;
    assert_int_equal(ledger_balance_apply(&balance, 7, LEDGER_MATURED, &leg, 1), LEDGER_APPLIED);
    assert_int_equal(balance.available, -1);
    leg.amount = 2;
    assert_int_equal(ledger_balance_apply(&balance, 8, LEDGER_MATURED, &leg, 1), LEDGER_APPLIED);
    assert_int_equal(balance.available, 1);
    assert_int_equal(balance.waiting_since, 8);
}

static void what_the_reserve_buys_it_pays(void **state)
{
    (void)state;
    static struct books books;
    struct ledger_leg memory[MINERS + 2];
    memset(&books, 0, sizeof books);
    struct ledger_cause cause = ledger_cause_funded(7, (struct money){ 1000 });
    assert_int_equal(ledger_cause_number(&cause), 7);
    assert_int_equal(ledger_cause_amount(&cause).units, 1000);
    struct ledger_legs legs = ledger_legs_over(memory, 2);
    assert_true(ledger_build_funded(ledger_cause_amount(&cause), &legs));
    apply(&books, &legs);
    struct ledger_credit credits[2] = { { 1, { 30 } }, { 4, { 0 } } };
    legs = ledger_legs_over(memory, 4);
    assert_true(ledger_build_earned(credits, 2, (struct money){ 5 }, &legs));
    assert_int_equal(legs.count, 3); /* nobody is credited nothing */
    apply(&books, &legs);
    assert_int_equal(books.balances[LEDGER_RESERVE][0].available, 965);
    assert_int_equal(books.balances[LEDGER_CAPITAL][0].available, -1000);
    assert_int_equal(books.balances[LEDGER_MINER][1].available, 30);
    assert_int_equal(books.balances[LEDGER_FEE][0].available, 5);
}

static void names_read_back_as_what_they_name(void **state)
{
    (void)state;
    seed_from_environment();
    for (int i = 0; i < 1000; i++) {
        struct ledger_account account = { (enum ledger_owner)(1 + next() % LEDGER_OWNER_LAST), 0 },
                              read;
        char text[LEDGER_ACCOUNT_BYTES];
        account.id = account.owner == LEDGER_MINER ? next() : 0;
        ledger_account_format(&account, text);
        assert_true(ledger_account_parse(span_text(text), &read));
        assert_int_equal(ledger_account_compare(&account, &read), 0);
    }
    struct ledger_account account;
    assert_false(ledger_account_parse(span_text("miner:12"), &account));
    assert_false(ledger_account_parse(span_text("miner"), &account));
    assert_false(ledger_account_parse(span_text(""), &account));
}

static void causes_have_texts_of_their_own(void **state)
{
    (void)state;
    uint8_t hash[32] = { 0xab };
    char text[LEDGER_CAUSE_BYTES];
    struct ledger_cause cause = ledger_cause_block(LEDGER_ORPHANED, hash, 12);
    ledger_cause_format(&cause, text);
    assert_string_equal(
        text, "orphaned:12:00000000000000000000000000000000000000000000000000000000000000ab");
    cause = ledger_cause_payment(LEDGER_INTENT, 77, 1);
    assert_true(ledger_cause_number(&cause) == 77);
    ledger_cause_format(&cause, text);
    assert_string_equal(text, "intent:1:00000000000000000077");
    cause = ledger_cause_payment(LEDGER_CONFIRMED, UINT64_MAX, UINT32_MAX);
    ledger_cause_format(&cause, text);
    assert_string_equal(text, "confirmed:4294967295:18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legs_come_out_the_same_in_whatever_order_they_go_in),
        cmocka_unit_test(what_does_not_balance_is_no_set),
        cmocka_unit_test(a_changed_leg_changes_the_digest),
        cmocka_unit_test(a_block_that_comes_and_goes_leaves_nothing_behind),
        cmocka_unit_test(what_was_paid_of_an_orphan_is_borne_and_given_back),
        cmocka_unit_test(a_payment_undone_or_voided_leaves_nothing_behind),
        cmocka_unit_test(a_miner_is_never_brought_below_zero),
        cmocka_unit_test(who_owes_gets_it_back_from_later_credits_alone),
        cmocka_unit_test(what_the_reserve_buys_it_pays),
        cmocka_unit_test(names_read_back_as_what_they_name),
        cmocka_unit_test(causes_have_texts_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
