/* The miner's own hashing, targets and headers against published values and the libraries. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tools/miner/work.h"

#include <sodium.h>
#include <stdlib.h>

static void from_hex(const char *hex, uint8_t *bytes_r, size_t length)
{
    assert_true(hex_decode(hex, strlen(hex), bytes_r, length));
}

static void assert_target(enum miner_algorithm algorithm, double difficulty, const char *expected)
{
    uint8_t target[32];
    uint8_t shown[32];
    char hex[65];
    assert_true(work_target(algorithm, difficulty, target));
    bytes_reverse(target, 32, shown);
    hex_encode(span_of(shown, 32), hex);
    assert_string_equal(hex, expected);
}

static void targets_are_the_exact_floor(void **state)
{
    (void)state;
    assert_target(MINER_SHA256D, 1,
                  "00000000ffff0000000000000000000000000000000000000000000000000000");
    assert_target(MINER_BLAKE2S, 16384,
                  "000000000003fffc000000000000000000000000000000000000000000000000");
    assert_target(MINER_SHA256D, 65536,
                  "000000000000ffff000000000000000000000000000000000000000000000000");
    assert_target(MINER_SCRYPT, 65536,
                  "00000000ffff0000000000000000000000000000000000000000000000000000");
    assert_target(MINER_SHA256D, 7,
                  "0000000024922492492492492492492492492492492492492492492492492492");
    /* 4294967 / 2^32, a difficulty as the pool prints it. */
    assert_target(MINER_SHA256D, 4294967 / 4294967296.0,
                  "000003e7fc1c843b80f8e4cd1fc88d2cbfe33bbddebd13898a9e9708475ea192");
    /* Easier than 256 bits can say. */
    assert_target(MINER_SHA256D, 1e-30,
                  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    uint8_t target[32];
    assert_false(work_target(MINER_SHA256D, 0, target));
    assert_false(work_target(MINER_SHA256D, -1, target));
}

static void scanning_finds_what_the_libraries_confirm(void **state)
{
    static const enum miner_algorithm algorithms[] = { MINER_SHA256D, MINER_BLAKE2S, MINER_SCRYPT };
    (void)state;
    for (size_t a = 0; a < 3; a++) {
        uint8_t header[MINER_HEADER_BYTES];
        uint8_t target[32];
        uint32_t nonce = 0;
        unsigned found = 0;
        uint32_t total = algorithms[a] == MINER_SCRYPT ? 200 : 20000;
        randombytes_buf(header, sizeof header);
        memset(target, 0xff, sizeof target);
        target[31] = 7; /* one in 32 */
        struct miner_scan scan;
        miner_scan_init(&scan, algorithms[a], header, target);
        unsigned expected = 0;
        for (uint32_t n = 0; n < total; n++) {
            uint8_t digest[32];
            store_le32(header + 76, n);
            miner_hash_reference(algorithms[a], header, digest);
            expected += miner_target_met(digest, target);
        }
        for (uint32_t left = total; left > 0;) {
            uint32_t tried = 0;
            if (miner_scan_run(&scan, &nonce, left, &tried)) {
                uint8_t digest[32];
                store_le32(header + 76, nonce++);
                miner_hash_reference(algorithms[a], header, digest);
                assert_true(miner_target_met(digest, target));
                found++;
            }
            left -= tried;
        }
        assert_int_equal(found, expected);
        assert_true(expected > 0);
    }
}

static void the_first_bitcoin_block_is_rebuilt_from_a_job(void **state)
{
    static struct work_job job;
    uint8_t header[MINER_HEADER_BYTES];
    uint8_t digest[32];
    uint8_t expected[32];
    const char *coinbase =
        "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff"
        "001d0104ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb"
        "8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000";
    (void)state;
    /* Cut as if six bytes in the middle were the extranonces: 4 of the pool's, 2 of ours. */
    size_t length = strlen(coinbase) / 2;
    uint8_t bytes[256];
    from_hex(coinbase, bytes, length);
    job.coinbase1_bytes = 42;
    memcpy(job.coinbase1, bytes, 42);
    memcpy(job.extranonce1, bytes + 42, 4);
    job.extranonce1_bytes = 4;
    job.extranonce2_bytes = 2;
    job.coinbase2_bytes = length - 48;
    memcpy(job.coinbase2, bytes + 48, length - 48);
    from_hex("6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000", job.previous, 32);
    job.version = 1;
    job.bits = 0x1d00ffff;
    job.time = 0x4966bc61;
    work_header(&job, bytes + 46, 0, header);
    store_le32(header + 76, 0x9962e301);
    miner_hash_reference(MINER_SHA256D, header, digest);
    from_hex("4860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000", expected, 32);
    assert_memory_equal(digest, expected, 32);
    work_network_target(job.bits, expected);
    assert_true(miner_target_met(digest, expected));
    miner_hash_reference(MINER_BLAKE2S, header, digest);
    from_hex("a51153a863e786f50a7604d2682afce18e2c26de74980ddee4f44a629d21a5aa", expected, 32);
    assert_memory_equal(digest, expected, 32);
}

static void version_bits_replace_exactly_the_mask(void **state)
{
    static struct work_job job;
    uint8_t header[MINER_HEADER_BYTES];
    (void)state;
    job.version = 0x20a00000;
    job.version_mask = 0x1fffe000;
    work_header(&job, (const uint8_t *)"", 0x0a5ce000, header);
    assert_int_equal(load_le32(header), 0x2a5ce000);
    work_header(&job, (const uint8_t *)"", 0xffffffff, header);
    assert_int_equal(load_le32(header), 0x3fffe000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_the_exact_floor),
        cmocka_unit_test(scanning_finds_what_the_libraries_confirm),
        cmocka_unit_test(the_first_bitcoin_block_is_rebuilt_from_a_job),
        cmocka_unit_test(version_bits_replace_exactly_the_mask),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
