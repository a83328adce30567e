/* devnode's consensus rules against the shared vectors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/vectors/consensus_vectors.h"
#include "tools/devnode/chain.h"
#include "tools/devnode/consensus/address.h"

#include <stdio.h>
#include <stdlib.h>

static void check_height_push(const struct vectors *v)
{
    struct buffer push = { 0 };
    size_t length = 0;
    const char *hex = vectors_get(v, "push");
    uint8_t *expected = vectors_unhex(hex, strlen(hex), &length);
    block_height_push((uint32_t)vectors_number(v, "height"), &push);
    assert_int_equal(push.length, length);
    assert_memory_equal(push.data, expected, length);
    buffer_deinit(&push);
    free(expected);
}

static void check_bits(const struct vectors *v)
{
    uint8_t bytes[4];
    struct wide target;
    char text[65];
    vectors_bytes(v, "bits", bytes, 4);
    bool valid = target_from_bits(load_be32(bytes), &target);
    assert_int_equal(valid, strcmp(vectors_get(v, "valid"), "yes") == 0);
    if (!valid)
        return;
    wide_format(&target, text);
    assert_string_equal(text, vectors_get(v, "target"));
}

static void check_compact(const struct vectors *v)
{
    uint8_t bytes[32];
    uint8_t bits[4];
    vectors_reversed(v, "target", bytes, 32);
    vectors_bytes(v, "bits", bits, 4);
    struct wide target = wide_from_le(bytes);
    assert_int_equal(target_to_bits(&target), load_be32(bits));
}

static void check_pow(const struct vectors *v)
{
    enum hash_algorithm algorithm;
    uint8_t header[HEADER_BYTES];
    uint8_t expected[32];
    uint8_t digest[32];
    assert_true(hash_algorithm_parse(vectors_get(v, "algorithm"), &algorithm));
    vectors_bytes(v, "header", header, sizeof header);
    vectors_reversed(v, "hash", expected, sizeof expected);
    hash_pow(algorithm, header, digest);
    assert_memory_equal(digest, expected, sizeof digest);
}

static void put_leaf(void *context, size_t index, const uint8_t *bytes, size_t length)
{
    assert_int_equal(length, 32);
    memcpy((uint8_t *)context + 32 * index, bytes, 32);
}

static void check_merkle(const struct vectors *v)
{
    uint8_t leaves[64 * 32];
    uint8_t expected[32];
    uint8_t root[32];
    bool mutated;
    size_t count = vectors_each(v, "leaves", put_leaf, leaves);
    vectors_bytes(v, "root", expected, sizeof expected);
    hash_merkle_root(leaves, count, root, &mutated);
    assert_memory_equal(root, expected, sizeof root);
    assert_false(mutated);
}

static void check_tx(const struct vectors *v)
{
    size_t length;
    uint8_t id[32];
    const char *hex = vectors_get(v, "data");
    uint8_t *bytes = vectors_unhex(hex, strlen(hex), &length);
    struct tx *tx = tx_decode(span_of(bytes, length));
    struct buffer again = { 0 };
    assert_non_null(tx);
    vectors_reversed(v, "txid", id, sizeof id);
    assert_memory_equal(tx->txid, id, sizeof id);
    vectors_reversed(v, "wtxid", id, sizeof id);
    assert_memory_equal(tx->wtxid, id, sizeof id);
    tx_encode(tx, true, &again);
    assert_int_equal(again.length, length);
    assert_memory_equal(again.data, bytes, length);
    for (size_t cut = 0; cut < length; cut++) { /* no shorter bytes are a transaction */
        struct reader reader = reader_over(span_of(bytes, cut));
        assert_null(tx_read(&reader, true));
    }
    buffer_deinit(&again);
    tx_destroy(tx);
    free(bytes);
}

static void put_tx(void *context, size_t index, const uint8_t *bytes, size_t length)
{
    struct tx **txs = context;
    txs[index] = tx_decode(span_of(bytes, length));
    assert_non_null(txs[index]);
}

static void check_commitment(const struct vectors *v)
{
    struct tx *txs[8];
    uint8_t script[38];
    uint8_t reserved[32];
    uint8_t commitment[32];
    size_t count = vectors_each(v, "txs", put_tx, txs);
    vectors_bytes(v, "script", script, sizeof script);
    vectors_bytes(v, "reserved", reserved, sizeof reserved);
    block_witness_commitment(txs, count, reserved, commitment);
    assert_memory_equal(commitment, script + 6, 32);
    while (count > 0)
        tx_destroy(txs[--count]);
}

static void check_address(const struct vectors *v)
{
    struct address address;
    const char *script = vectors_get(v, "script");
    bool none = strcmp(script, "none") == 0;
    char hex[2 * ADDRESS_SCRIPT_BYTES_MAX + 1];
    char text[ADDRESS_TEXT_BYTES];
    assert_int_equal(address_decode(vectors_get(v, "text"), &address), !none);
    if (none)
        return;
    hex_encode(span_of(address.script, address.script_bytes), hex);
    assert_string_equal(hex, script);
    assert_true(address_encode(span_of(address.script, address.script_bytes), text));
    assert_int_equal(strcasecmp(text, vectors_get(v, "text")), 0);
}

static void devnode_agrees_with_every_small_vector(void **state)
{
    static const struct {
        const char *kind;
        void (*check)(const struct vectors *);
    } kinds[] = { { "height_push", check_height_push }, { "bits", check_bits },
                  { "compact", check_compact },         { "pow", check_pow },
                  { "merkle", check_merkle },           { "tx", check_tx },
                  { "commitment", check_commitment },   { "address", check_address } };
    unsigned seen[sizeof kinds / sizeof *kinds] = { 0 };
    struct vectors vectors;
    (void)state;
    vectors_open(&vectors);
    while (vectors_next(&vectors))
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (vectors_is(&vectors, kinds[i].kind)) {
                kinds[i].check(&vectors);
                seen[i]++;
            }
    vectors_close(&vectors);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        assert_true(seen[i] > 0);
}

static bool keep(void *context, const struct block *block)
{
    (void)context;
    (void)block;
    return true;
}

static void begin_chain(const struct vectors *v, struct chain *chain)
{
    struct chain_params params = { .fixed_bits = true, .block_interval_s = 8 };
    uint8_t bits[4];
    uint8_t genesis[32];
    assert_true(hash_algorithm_parse(vectors_get(v, "algorithm"), &params.algorithm));
    vectors_bytes(v, "bits", bits, sizeof bits);
    params.initial_bits = load_be32(bits);
    params.maturity = (uint32_t)vectors_number(v, "maturity");
    chain_init(chain, &params);
    vectors_reversed(v, "genesis", genesis, sizeof genesis);
    assert_memory_equal(chain_tip(chain)->block->id, genesis, sizeof genesis);
}

/* All coins of the best chain added up: nothing may appear or vanish but subsidies. */
static int64_t coins_total(const struct chain *chain)
{
    int64_t total = 0;
    for (size_t i = 0; i < chain->coins.capacity; i++) {
        const struct coin *coin = chain->coins.entries[i].value;
        total += coin == NULL ? 0 : coin->value;
    }
    return total;
}

static void give_block(const struct vectors *v, struct chain *chain, int64_t now_s)
{
    size_t length;
    const char *hex = vectors_get(v, "data");
    const char *expect = vectors_get(v, "expect");
    uint8_t *bytes = vectors_unhex(hex, strlen(hex), &length);
    struct block *block = block_decode(span_of(bytes, length));
    const char *reason = NULL;
    assert_non_null(block);
    size_t blocks = chain->block_count;
    const struct chain_block *tip = chain_tip(chain);
    int64_t total = coins_total(chain);
    enum chain_added added = chain_add(chain, block, now_s, keep, NULL, &reason);
    const char *said = added == CHAIN_ADDED_TIP      ? "accepted"
                       : added == CHAIN_ADDED_BRANCH ? "inconclusive"
                                                     : reason;
    if (strcmp(said, expect) != 0)
        print_message("%s: wanted %s, got %s\n", vectors_get(v, "name"), expect, said);
    assert_string_equal(said, expect);
    if (added == CHAIN_REFUSED) {
        assert_int_equal(chain->block_count, blocks);
        assert_ptr_equal(chain_tip(chain), tip);
        assert_int_equal(coins_total(chain), total);
    }
    /* The genesis output is never spendable; every other block mints 50 coins. */
    assert_int_equal(coins_total(chain), chain_tip(chain)->height * CHAIN_SUBSIDY);
    free(bytes);
}

static void devnode_judges_every_block_as_the_vectors_say(void **state)
{
    struct vectors vectors;
    struct chain chain;
    bool open = false;
    int64_t now_s = 0;
    unsigned blocks = 0;
    (void)state;
    vectors_open(&vectors);
    while (vectors_next(&vectors)) {
        if (vectors_is(&vectors, "chain")) {
            if (open)
                chain_deinit(&chain);
            begin_chain(&vectors, &chain);
            now_s = (int64_t)vectors_number(&vectors, "now");
            open = true;
        } else if (vectors_is(&vectors, "block")) {
            give_block(&vectors, &chain, now_s);
            blocks++;
        }
    }
    assert_true(open && blocks > 50);
    chain_deinit(&chain);
    vectors_close(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devnode_agrees_with_every_small_vector),
        cmocka_unit_test(devnode_judges_every_block_as_the_vectors_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
