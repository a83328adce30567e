#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/payment/payment.h"

#include <stdlib.h>

static const struct payment_rules rules = { 2, 6 };

/* The state an action leads to, where it succeeds. */
static bool goes_to(enum payment_action action, enum payment_state from, enum payment_state *to_r)
{
    switch (action) {
    case PAYMENT_WAIT:
    case PAYMENT_LOOK:
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
                struct payment_observation seen = { (enum payment_sight)sight, confirmations };
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

static size_t put_input(uint8_t *raw, uint8_t mark, uint32_t output, uint8_t script_bytes)
{
    memset(raw, mark, 32);
    store_le32(raw + 32, output);
    raw[36] = script_bytes;
    memset(raw + 37, 0x51, script_bytes);
    store_le32(raw + 37 + script_bytes, 0xffffffff);
    return 41u + script_bytes;
}

static void inputs_are_read_with_and_without_witness_and_never_beyond_the_end(void **state)
{
    (void)state;
    for (int witness = 0; witness < 2; witness++) {
        uint8_t raw[256] = { 2, 0, 0, 0 };
        size_t length = 4;
        if (witness) {
            raw[length++] = 0;
            raw[length++] = 1;
        }
        raw[length++] = 2;
        length += put_input(raw + length, 0xaa, 7, 0);
        length += put_input(raw + length, 0xbb, 9, 20);
        struct payment_input inputs[2];
        assert_int_equal(payment_inputs(span_of(raw, length), inputs, 2), 2);
        assert_int_equal(inputs[0].txid[31], 0xaa);
        assert_int_equal(inputs[0].output, 7);
        assert_int_equal(inputs[1].txid[0], 0xbb);
        assert_int_equal(inputs[1].output, 9);
        assert_int_equal(payment_inputs(span_of(raw, length), inputs, 1), 2);
        for (size_t cut = 0; cut < length; cut++) {
            uint8_t *copy = malloc(cut + 1); /* so that reading further is noticed */
            memcpy(copy, raw, cut);
            assert_int_equal(payment_inputs(span_of(copy, cut), inputs, 2), 0);
            free(copy);
        }
    }
    uint8_t liar[13] = { 2, 0, 0, 0, 0xff, 255, 255, 255, 255, 255, 255, 255, 255 };
    struct payment_input input;
    assert_int_equal(payment_inputs(span_of(liar, sizeof liar), &input, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_follows_an_arrow_and_only_a_buried_conflict_gives_up),
        cmocka_unit_test(a_signed_payment_never_becomes_unsigned),
        cmocka_unit_test(the_queue_keeps_those_who_wait_longest),
        cmocka_unit_test(dust_is_what_nodes_call_dust),
        cmocka_unit_test(inputs_are_read_with_and_without_witness_and_never_beyond_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
