/* The miner's hashing and targets against the shared vectors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/vectors/consensus_vectors.h"
#include "tools/miner/work.h"

#include <stdlib.h>

static enum miner_algorithm algorithm_of(const struct vectors *v)
{
    enum miner_algorithm algorithm;
    assert_true(miner_algorithm_parse(vectors_get(v, "algorithm"), &algorithm));
    return algorithm;
}

/* The scanner must find exactly the nonce whose hash is its own target. */
static void check_pow(const struct vectors *v)
{
    uint8_t header[MINER_HEADER_BYTES];
    uint8_t hash[32];
    struct miner_scan scan;
    uint32_t tried;
    vectors_bytes(v, "header", header, sizeof header);
    vectors_reversed(v, "hash", hash, sizeof hash);
    uint32_t nonce = load_le32(header + 76);
    miner_scan_init(&scan, algorithm_of(v), header, hash);
    assert_true(miner_scan_run(&scan, &nonce, 1, &tried));
    for (size_t i = 0; i < 32; i++) /* one less: the highest byte that can give */
        if (hash[i]-- != 0)
            break;
    miner_scan_init(&scan, algorithm_of(v), header, hash);
    assert_false(miner_scan_run(&scan, &nonce, 1, &tried));
}

static void check_work(const struct vectors *v)
{
    uint8_t expected[32];
    uint8_t target[32];
    double difficulty = strtod(vectors_get(v, "difficulty"), NULL);
    vectors_reversed(v, "target", expected, sizeof expected);
    assert_true(work_target(algorithm_of(v), difficulty, target));
    assert_memory_equal(target, expected, sizeof target);
}

static void check_bits(const struct vectors *v)
{
    uint8_t bits[4];
    uint8_t expected[32];
    uint8_t target[32];
    if (strcmp(vectors_get(v, "valid"), "no") == 0)
        return;
    vectors_bytes(v, "bits", bits, sizeof bits);
    vectors_reversed(v, "target", expected, sizeof expected);
    work_network_target(load_be32(bits), target);
    assert_memory_equal(target, expected, sizeof target);
}

static void the_miner_agrees_with_every_vector(void **state)
{
    struct vectors vectors;
    unsigned seen = 0;
    (void)state;
    vectors_open(&vectors);
    while (vectors_next(&vectors)) {
        if (vectors_is(&vectors, "pow"))
            check_pow(&vectors);
        else if (vectors_is(&vectors, "work"))
            check_work(&vectors);
        else if (vectors_is(&vectors, "bits"))
            check_bits(&vectors);
        else
            continue;
        seen++;
    }
    vectors_close(&vectors);
    assert_true(seen > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_miner_agrees_with_every_vector) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
