/* The pool's own rules (common/core) against the shared vectors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/address/address.h"
#include "core/difficulty/difficulty.h"
#include "core/job/job.h"
#include "tests/vectors/consensus_vectors.h"

#include <stdlib.h>

static void check_height_push(const struct vectors *v)
{
    uint8_t push[JOB_HEIGHT_PUSH_BYTES_MAX];
    char hex[2 * JOB_HEIGHT_PUSH_BYTES_MAX + 1];
    size_t length = job_height_push((uint32_t)vectors_number(v, "height"), push);
    hex_encode(span_of(push, length), hex);
    assert_string_equal(hex, vectors_get(v, "push"));
}

static void check_bits(const struct vectors *v)
{
    uint8_t bits[4];
    uint8_t expected[32];
    struct u256 target;
    vectors_bytes(v, "bits", bits, sizeof bits);
    bool valid = difficulty_target_from_bits(load_be32(bits), &target);
    /* Which targets a network allows is the node's business: `no-header` is a target here. */
    assert_int_equal(valid, strcmp(vectors_get(v, "valid"), "no") != 0);
    if (!valid)
        return;
    vectors_bytes(v, "target", expected, sizeof expected);
    assert_int_equal(u256_compare(target, u256_load_be(expected)), 0);
}

static void check_compact(const struct vectors *v)
{
    uint8_t bits[4];
    uint8_t target[32];
    vectors_bytes(v, "bits", bits, sizeof bits);
    vectors_bytes(v, "target", target, sizeof target);
    assert_int_equal(difficulty_bits_from_target(u256_load_be(target)), load_be32(bits));
}

static enum pow_algorithm algorithm_of(const struct vectors *v)
{
    enum pow_algorithm algorithm;
    assert_true(pow_algorithm_from_name(span_text(vectors_get(v, "algorithm")), &algorithm));
    return algorithm;
}

static void check_pow(const struct vectors *v)
{
    static uint8_t scratch[POW_SCRATCH_BYTES];
    uint8_t header[POW_HEADER_BYTES];
    uint8_t expected[POW_HASH_BYTES];
    uint8_t hash[POW_HASH_BYTES];
    vectors_bytes(v, "header", header, sizeof header);
    vectors_reversed(v, "hash", expected, sizeof expected);
    pow_hash(algorithm_of(v), header, scratch, hash);
    assert_memory_equal(hash, expected, sizeof hash);
}

static void check_work(const struct vectors *v)
{
    uint8_t expected[32];
    char text[DIFFICULTY_TEXT_BYTES];
    struct work work = work_of(vectors_number(v, "work"));
    vectors_bytes(v, "target", expected, sizeof expected);
    assert_int_equal(u256_compare(difficulty_target(work), u256_load_be(expected)), 0);
    /* The texts may differ ("1.0", "1"); what a double reads must not. */
    difficulty_format(work, algorithm_of(v), text);
    assert_true(strtod(text, NULL) == strtod(vectors_get(v, "difficulty"), NULL));
}

static void put_leaf(void *context, size_t index, const uint8_t *bytes, size_t length)
{
    assert_int_equal(length, 32);
    memcpy((uint8_t *)context + 32 * index, bytes, 32);
}

static void check_merkle(const struct vectors *v)
{
    uint8_t leaves[64 * 32];
    struct template_transaction transactions[64] = { 0 };
    uint8_t branches[TEMPLATE_BRANCHES_MAX][TEMPLATE_HASH_BYTES];
    uint8_t expected[32];
    uint8_t root[32];
    size_t count = vectors_each(v, "leaves", put_leaf, leaves);
    for (size_t i = 1; i < count; i++)
        memcpy(transactions[i - 1].txid, leaves + 32 * i, 32);
    vectors_bytes(v, "root", expected, sizeof expected);
    size_t depth = template_merkle_branches(transactions, count - 1, branches);
    template_merkle_root(leaves, (const uint8_t(*)[32])branches, depth, root);
    assert_memory_equal(root, expected, sizeof root);
}

static void check_address(const struct vectors *v)
{
    const struct coin_profile *coin = coin_profile_find(span_text("bitcoin-regtest"));
    struct output_script script;
    char hex[2 * OUTPUT_SCRIPT_BYTES_MAX + 1];
    const char *expected = vectors_get(v, "script");
    assert_non_null(coin);
    enum address_outcome outcome =
        address_parse(coin, span_text(vectors_get(v, "text")), &script, NULL);
    if (strcmp(expected, "none") == 0) {
        assert_int_not_equal(outcome, ADDRESS_OK);
        return;
    }
    assert_int_equal(outcome, ADDRESS_OK);
    hex_encode(output_script_span(&script), hex);
    assert_string_equal(hex, expected);
}

static void the_core_agrees_with_every_vector(void **state)
{
    static const struct {
        const char *kind;
        void (*check)(const struct vectors *);
    } kinds[] = { { "height_push", check_height_push },
                  { "bits", check_bits },
                  { "compact", check_compact },
                  { "pow", check_pow },
                  { "work", check_work },
                  { "merkle", check_merkle },
                  { "address", check_address } };
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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_core_agrees_with_every_vector) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
