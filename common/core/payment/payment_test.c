#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/payment/payment.h"

#include <stdlib.h>

static const struct payment_rules rules = { 2, 6, 3 };

/* The state an action leads to, where it succeeds. */
static bool goes_to(enum payment_action action, enum payment_state from, enum payment_state *to_r)
{
    switch (action) {
    case PAYMENT_WAIT:
    case PAYMENT_LOOK:
    case PAYMENT_BUMP: /* it stays what it is, with one version more */
        return false;
    case PAYMENT_POST:
        *to_r = PAYMENT_INTENT;
        return true;
    case PAYMENT_BUILD:
        *to_r = PAYMENT_SIGNED;
        return true;
    case PAYMENT_SEND:
    case PAYMENT_REOPEN:
        *to_r = PAYMENT_BROADCAST;
        return from != PAYMENT_BROADCAST;
    case PAYMENT_CONFIRM:
        *to_r = PAYMENT_CONFIRMED;
        return true;
    case PAYMENT_SETTLE:
        *to_r = PAYMENT_SETTLED;
        return true;
    case PAYMENT_GIVE_UP:
        *to_r = PAYMENT_VOIDING;
        return true;
    case PAYMENT_GIVE_BACK:
        *to_r = PAYMENT_VOIDED;
        return true;
    }
    return false;
}

/* Every state, every sight, every depth that matters: small enough to try all. */
static void every_action_follows_an_arrow_and_only_a_buried_conflict_gives_up(void **state)
{
    (void)state;
    for (int s = PAYMENT_PLANNED; s <= PAYMENT_VOIDED; s++)
        for (int sight = PAYMENT_SIGHT_NONE; sight <= PAYMENT_SIGHT_KNOWN; sight++)
            for (int32_t confirmations = -10; confirmations <= 10; confirmations++) {
                enum payment_state from = (enum payment_state)s, to;
                struct payment_observation seen = { .sight = (enum payment_sight)sight,
                                                    .confirmations = confirmations };
                enum payment_action action = payment_next(from, &rules, &seen);
                if (goes_to(action, from, &to))
                    assert_true(payment_move_is_legal(from, to));
                bool is_signed = from == PAYMENT_SIGNED || from == PAYMENT_BROADCAST ||
                                 from == PAYMENT_UNCERTAIN;
                assert_int_equal(action == PAYMENT_GIVE_UP, is_signed &&
                                                                seen.sight == PAYMENT_SIGHT_KNOWN &&
                                                                confirmations <= -6);
                assert_int_equal(action == PAYMENT_CONFIRM, is_signed &&
                                                                seen.sight == PAYMENT_SIGHT_KNOWN &&
                                                                confirmations >= 2);
                assert_int_equal(action == PAYMENT_REOPEN, from == PAYMENT_CONFIRMED &&
                                                               seen.sight == PAYMENT_SIGHT_KNOWN &&
                                                               confirmations <= 0);
                assert_int_equal(action == PAYMENT_BUILD, from == PAYMENT_INTENT);
                if (!payment_state_is_open(from))
                    assert_int_equal(action, PAYMENT_WAIT);
            }
}

static void a_signed_payment_never_becomes_unsigned(void **state)
{
    (void)state;
    for (int from = PAYMENT_SIGNED; from <= PAYMENT_VOIDED; from++) {
        assert_false(payment_move_is_legal((enum payment_state)from, PAYMENT_PLANNED));
        assert_false(payment_move_is_legal((enum payment_state)from, PAYMENT_INTENT));
        assert_false(payment_move_is_legal((enum payment_state)from, PAYMENT_SIGNED));
    }
    for (int to = PAYMENT_PLANNED; to <= PAYMENT_VOIDED; to++) {
        assert_false(payment_move_is_legal(PAYMENT_SETTLED, (enum payment_state)to));
        assert_false(payment_move_is_legal(PAYMENT_VOIDED, (enum payment_state)to));
        assert_int_equal(payment_move_is_legal(PAYMENT_VOIDING, (enum payment_state)to),
                         to == PAYMENT_VOIDED);
        assert_false(payment_move_is_legal(PAYMENT_CONFIRMED, PAYMENT_VOIDING));
    }
}

static void the_queue_keeps_those_who_wait_longest(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 2000; round++) {
        struct payment_due offered[40], kept[8];
        size_t count = (size_t)(seed % 40), capacity = 1 + (size_t)(seed / 40 % 8);
        struct payment_queue queue = { kept, capacity, 0 };
        for (size_t i = 0; i < count; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            offered[i] = (struct payment_due){ 100 + i * 7 % 40, { 1 + i }, seed >> 60 };
            payment_queue_offer(&queue, &offered[i]);
        }
        assert_int_equal(queue.count, count < capacity ? count : capacity);
        for (size_t i = 0; i < queue.count; i++) {
            size_t before = 0; /* how many of all stand before it */
            for (size_t k = 0; k < count; k++)
                before += offered[k].waiting_since < kept[i].waiting_since ||
                          (offered[k].waiting_since == kept[i].waiting_since &&
                           offered[k].account < kept[i].account);
            assert_int_equal(before, i);
        }
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    }
}

/* Bitcoin Core's GetDustThreshold at its default of 3000 a kilobyte. */
static void dust_is_what_nodes_call_dust(void **state)
{
    (void)state;
    const uint8_t p2pkh[25] = { 0x76, 0xa9, 0x14 }, p2sh[23] = { 0xa9, 0x14 };
    const uint8_t p2wpkh[22] = { 0x00, 0x14 }, p2wsh[34] = { 0x00, 0x20 };
    const uint8_t p2tr[34] = { 0x51, 0x20 }, data[10] = { 0x6a, 0x08 };
    assert_int_equal(payment_dust(span_of(p2pkh, 25), 1).units, 546);
    assert_int_equal(payment_dust(span_of(p2sh, 23), 1).units, 540);
    assert_int_equal(payment_dust(span_of(p2wpkh, 22), 1).units, 294);
    assert_int_equal(payment_dust(span_of(p2wsh, 34), 1).units, 330);
    assert_int_equal(payment_dust(span_of(p2tr, 34), 1).units, 330);
    assert_int_equal(payment_dust(span_of(p2pkh, 25), 10).units, 5460);
    assert_int_equal(payment_dust(span_of(data, 10), 1).units, 0);
}

/* A refused transaction that nobody knows ends only where another's is seen to have its inputs, and
 * that one is buried. */
static void what_no_node_knows_ends_only_by_a_buried_spender(void **state)
{
    (void)state;
    for (int from = PAYMENT_SIGNED; from <= PAYMENT_UNCERTAIN; from++)
        for (uint32_t depth = 0; depth < 10; depth++) {
            struct payment_observation seen = { .sight = PAYMENT_SIGHT_MISSING,
                                                .elsewhere_depth = depth };
            enum payment_action action = payment_next((enum payment_state)from, &rules, &seen);
            assert_int_equal(action, depth == 0   ? PAYMENT_SEND
                                     : depth >= 6 ? PAYMENT_GIVE_UP
                                                  : PAYMENT_WAIT);
        }
}

static void a_fee_is_raised_only_where_it_was_sent_and_waited_long_enough(void **state)
{
    (void)state;
    for (int from = PAYMENT_SIGNED; from <= PAYMENT_UNCERTAIN; from++)
        for (int32_t confirmations = -1; confirmations <= 2; confirmations++)
            for (uint32_t waited = 0; waited < 6; waited++)
                for (int bumpable = 0; bumpable < 2; bumpable++) {
                    struct payment_observation seen = { .sight = PAYMENT_SIGHT_KNOWN,
                                                        .confirmations = confirmations,
                                                        .waited = waited,
                                                        .bumpable = bumpable != 0 };
                    bool bump = from != PAYMENT_SIGNED && confirmations == 0 && waited >= 3 &&
                                bumpable != 0;
                    assert_int_equal(payment_next((enum payment_state)from, &rules, &seen) ==
                                         PAYMENT_BUMP,
                                     bump);
                }
}

static const uint8_t scripts[3][22] = { { 0x00, 0x14, 1 }, { 0x00, 0x14, 2 }, { 0x00, 0x14, 3 } };

/* One input, these outputs: amounts to the scripts of those indices. */
static size_t make(const uint64_t *amounts, const size_t *to, size_t count, uint8_t *raw)
{
    size_t used = 4;
    memset(raw, 0, 4);
    raw[used++] = 1;
    memset(raw + used, 0xaa, 41);
    raw[used + 36] = 0;
    used += 41;
    raw[used++] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        store_le64(raw + used, amounts[i]);
        raw[used + 8] = 22;
        memcpy(raw + used + 9, scripts[to[i]], 22);
        used += 31;
    }
    memset(raw + used, 0, 4);
    return used + 4;
}

static const struct payment_receiver receivers[2] = { { { scripts[0], 22 }, { 10000 } },
                                                      { { scripts[1], 22 }, { 20000 } } };

static enum payment_fault check(const struct payment_terms *terms, const uint64_t *amounts,
                                const size_t *to, size_t count, uint64_t *fee_r)
{
    uint8_t raw[512];
    return payment_check(span_of(raw, make(amounts, to, count, raw)), terms, fee_r);
}

#define LIST(...)                                                                                  \
    (const uint64_t[])                                                                             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define TO(...)                                                                                    \
    (const size_t[])                                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void a_transaction_that_is_not_the_plan_is_not_sound(void **state)
{
    (void)state;
    uint64_t fee;
    struct payment_terms terms = { .receivers = receivers,
                                   .count = 2,
                                   .change = { scripts[2], 22 },
                                   .input_sum = 50000,
                                   .rate_max = 20,
                                   .dust_scale = 1 };
    assert_int_equal(check(&terms, LIST(10000, 20000, 19000), TO(0, 1, 2), 3, &fee), PAYMENT_SOUND);
    assert_int_equal(fee, 1000);
    assert_int_equal(check(&terms, LIST(19000, 10000, 20000), TO(2, 0, 1), 3, &fee), PAYMENT_SOUND);
    assert_int_equal(check(&terms, LIST(10001, 20000, 18999), TO(0, 1, 2), 3, &fee),
                     PAYMENT_FAULT_OUTPUTS);
    assert_int_equal(check(&terms, LIST(10000, 39000), TO(0, 2), 2, &fee), PAYMENT_FAULT_OUTPUTS);
    assert_int_equal(check(&terms, LIST(20000, 10000, 19000), TO(1, 0, 2), 3, &fee),
                     PAYMENT_FAULT_CHANGE);
    assert_int_equal(check(&terms, LIST(10000, 20000, 9000, 10000), TO(0, 1, 2, 2), 4, &fee),
                     PAYMENT_FAULT_OUTPUTS);
    terms.change = span_of(scripts[0], 22);
    assert_int_equal(check(&terms, LIST(10000, 20000, 19000), TO(0, 1, 2), 3, &fee),
                     PAYMENT_FAULT_CHANGE);
    terms.change = span_of(scripts[2], 22);
    /* 144 bytes at 20 each: a fee of 2879 passes, one of 2880 does not; none at all neither. */
    assert_int_equal(check(&terms, LIST(10000, 20000, 17121), TO(0, 1, 2), 3, &fee), PAYMENT_SOUND);
    assert_int_equal(check(&terms, LIST(10000, 20000, 17120), TO(0, 1, 2), 3, &fee),
                     PAYMENT_FAULT_FEE);
    assert_int_equal(check(&terms, LIST(10000, 20000, 20000), TO(0, 1, 2), 3, &fee),
                     PAYMENT_FAULT_FEE);
    assert_int_equal(check(&terms, LIST(10000, 20000, 20001), TO(0, 1, 2), 3, &fee),
                     PAYMENT_FAULT_FEE);
    assert_int_equal(payment_check(span_text("rubbish"), &terms, &fee), PAYMENT_FAULT_BYTES);
    /* The receivers bear it: 1001 is 501 and 500. */
    terms.receivers_pay = true;
    assert_int_equal(check(&terms, LIST(9499, 19500, 20000), TO(0, 1, 2), 3, &fee), PAYMENT_SOUND);
    assert_int_equal(fee, 1001);
    assert_int_equal(check(&terms, LIST(9500, 19499, 20000), TO(0, 1, 2), 3, &fee),
                     PAYMENT_FAULT_OUTPUTS);
    terms.rate_max = 1000;
    assert_int_equal(check(&terms, LIST(293, 10294, 20000), TO(0, 1, 2), 3, &fee),
                     PAYMENT_FAULT_DUST);
}

static void every_next_version_is_sound_costs_more_and_spends_the_same(void **state)
{
    (void)state;
    for (int receivers_pay = 0; receivers_pay < 2; receivers_pay++) {
        struct payment_terms terms = { .receivers = receivers,
                                       .count = 2,
                                       .receivers_pay = receivers_pay != 0,
                                       .input_sum = 40000,
                                       .rate_max = 60,
                                       .dust_scale = 1 };
        uint8_t raw[512], next[512];
        size_t length = receivers_pay ? make(LIST(9500, 19500, 10000), TO(0, 1, 2), 3, raw)
                                      : make(LIST(10000, 20000, 9000), TO(0, 1, 2), 3, raw);
        uint64_t fee = 1000, found;
        unsigned versions = 0;
        while (true) {
            struct span change = payment_change(span_of(raw, length), &terms);
            assert_true(span_equal(change, span_of(scripts[2], 22)));
            uint64_t wanted = payment_next_fee(span_of(raw, length), &terms, fee);
            if (wanted == 0)
                break;
            assert_true(wanted >= fee + length);
            size_t bytes = payment_bump(span_of(raw, length), &terms, wanted, next);
            if (bytes == 0)
                break;
            assert_int_equal(bytes, length);
            assert_memory_equal(next, raw, 47); /* version, inputs, number of outputs */
            terms.change = change;
            assert_int_equal(payment_check(span_of(next, bytes), &terms, &found), PAYMENT_SOUND);
            assert_int_equal(found, wanted);
            terms.change = span_of(NULL, 0);
            memcpy(raw, next, bytes);
            fee = wanted;
            versions++;
        }
        assert_in_range(versions, 4, 8);
        assert_true(fee <= 60 * length);
    }
}

static void without_change_the_pool_cannot_raise_a_fee(void **state)
{
    (void)state;
    uint8_t raw[512], next[512];
    struct payment_terms terms = {
        .receivers = receivers, .count = 2, .input_sum = 31000, .rate_max = 100, .dust_scale = 1
    };
    size_t length = make(LIST(10000, 20000), TO(0, 1), 2, raw);
    assert_int_equal(payment_bump(span_of(raw, length), &terms, 1500, next), 0);
    terms.input_sum = 31793; /* 793 of change: 500 more would leave dust */
    length = make(LIST(10000, 20000, 793), TO(0, 1, 2), 3, raw);
    assert_int_equal(payment_bump(span_of(raw, length), &terms, 1500, next), 0);
    assert_int_equal(payment_bump(span_of(raw, length), &terms, 1499, next), length);
    assert_int_equal(payment_bump(span_of(raw, length), &terms, 1000, next), 0); /* no raise */
}

static void shares_of_a_fee_sum_to_it(void **state)
{
    (void)state;
    for (uint64_t fee = 0; fee < 50; fee++)
        for (size_t count = 1; count < 12; count++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < count; i++)
                sum += payment_share(fee, count, i);
            assert_int_equal(sum, fee);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_follows_an_arrow_and_only_a_buried_conflict_gives_up),
        cmocka_unit_test(a_signed_payment_never_becomes_unsigned),
        cmocka_unit_test(the_queue_keeps_those_who_wait_longest),
        cmocka_unit_test(dust_is_what_nodes_call_dust),
        cmocka_unit_test(what_no_node_knows_ends_only_by_a_buried_spender),
        cmocka_unit_test(a_fee_is_raised_only_where_it_was_sent_and_waited_long_enough),
        cmocka_unit_test(a_transaction_that_is_not_the_plan_is_not_sound),
        cmocka_unit_test(every_next_version_is_sound_costs_more_and_spends_the_same),
        cmocka_unit_test(without_change_the_pool_cannot_raise_a_fee),
        cmocka_unit_test(shares_of_a_fee_sum_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
