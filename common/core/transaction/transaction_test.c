#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/transaction/transaction.h"

#include <stdlib.h>

static size_t put_input(uint8_t *raw, uint8_t mark, uint32_t output, uint8_t script_bytes)
{
    memset(raw, mark, 32);
    store_le32(raw + 32, output);
    raw[36] = script_bytes;
    memset(raw + 37, 0x51, script_bytes);
    store_le32(raw + 37 + script_bytes, 0xfffffffd);
    return 41u + script_bytes;
}

/* Two inputs, one with a script; two outputs; a witness where asked for. */
static size_t make(uint8_t *raw, bool witness)
{
    size_t used = 4;
    store_le32(raw, 2);
    if (witness) {
        raw[used++] = 0;
        raw[used++] = 1;
    }
    raw[used++] = 2;
    used += put_input(raw + used, 0xaa, 7, 0);
    used += put_input(raw + used, 0xbb, 9, 20);
    raw[used++] = 2;
    for (uint8_t i = 0; i < 2; i++) {
        store_le64(raw + used, 1000u + i);
        raw[used + 8] = 3;
        memset(raw + used + 9, 0x60 + i, 3);
        used += 12;
    }
    if (witness) {
        static const uint8_t items[] = { 2, 1, 0xee, 2, 0xdd, 0xdd, 0 };
        memcpy(raw + used, items, sizeof items);
        used += sizeof items;
    }
    store_le32(raw + used, 99);
    return used + 4;
}

static void what_it_spends_and_pays_is_read_with_and_without_witness(void **state)
{
    (void)state;
    uint8_t raw[256], plain_id[32], id[32], spent[32];
    struct raw_transaction plain, transaction;
    size_t plain_bytes = make(raw, false);
    assert_true(raw_transaction_read(span_of(raw, plain_bytes), &plain));
    assert_int_equal(raw_transaction_weight(&plain), 4 * plain_bytes);
    raw_transaction_txid(&plain, plain_id);
    size_t bytes = make(raw, true);
    assert_true(raw_transaction_read(span_of(raw, bytes), &transaction));
    raw_transaction_txid(&transaction, id);
    assert_memory_equal(id, plain_id, 32);
    assert_int_equal(raw_transaction_weight(&transaction), 3 * plain_bytes + bytes);
    uint32_t output;
    uint64_t amount;
    struct span script;
    assert_true(raw_transaction_input(&transaction, 1, spent, &output));
    assert_int_equal(spent[0], 0xbb);
    assert_int_equal(output, 9);
    assert_false(raw_transaction_input(&transaction, 2, spent, &output));
    assert_true(raw_transaction_output(&transaction, 1, &amount, &script));
    assert_int_equal(amount, 1001);
    assert_int_equal(script.length, 3);
    assert_int_equal(script.data[0], 0x61);
    assert_false(raw_transaction_output(&transaction, 2, &amount, &script));
}

static void unsigned_it_has_the_same_inputs_and_outputs_and_nothing_else(void **state)
{
    (void)state;
    for (int witness = 0; witness < 2; witness++) {
        uint8_t raw[256], bare[256], spent[32];
        struct raw_transaction signed_one, unsigned_one;
        size_t at, length = make(raw, witness != 0);
        uint32_t output;
        uint64_t amount;
        struct span script;
        assert_true(raw_transaction_read(span_of(raw, length), &signed_one));
        size_t bare_length = raw_transaction_unsigned(&signed_one, bare, &at);
        assert_true(bare_length < length);
        assert_int_equal(load_le64(bare + at), 1000);
        assert_true(raw_transaction_read(span_of(bare, bare_length), &unsigned_one));
        assert_int_equal(unsigned_one.bytes.length, bare_length);
        assert_false(unsigned_one.witness);
        assert_int_equal(unsigned_one.inputs_count, 2);
        assert_true(raw_transaction_input(&unsigned_one, 1, spent, &output));
        assert_int_equal(output, 9);
        assert_true(raw_transaction_output(&unsigned_one, 1, &amount, &script));
        assert_int_equal(amount, 1001);
        assert_int_equal(load_le32(bare + bare_length - 4), 99);
    }
}

static void a_cut_transaction_is_none_and_nothing_is_read_beyond_its_end(void **state)
{
    (void)state;
    for (int witness = 0; witness < 2; witness++) {
        uint8_t raw[256];
        size_t length = make(raw, witness != 0);
        for (size_t cut = 0; cut < length; cut++) {
            uint8_t *copy = malloc(cut + 1); /* so that reading further is noticed */
            struct raw_transaction transaction;
            memcpy(copy, raw, cut);
            assert_false(raw_transaction_read(span_of(copy, cut), &transaction));
            free(copy);
        }
    }
    uint8_t liar[13] = { 2, 0, 0, 0, 0xff, 255, 255, 255, 255, 255, 255, 255, 255 };
    struct raw_transaction transaction;
    assert_false(raw_transaction_read(span_of(liar, sizeof liar), &transaction));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_spends_and_pays_is_read_with_and_without_witness),
        cmocka_unit_test(unsigned_it_has_the_same_inputs_and_outputs_and_nothing_else),
        cmocka_unit_test(a_cut_transaction_is_none_and_nothing_is_read_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
