/* Hashes: published vectors, and the same answers as an independent library on random inputs. */
#include "base/test_random.h"
#include "core/pow/blake2s.h"
#include "core/pow/pow.h"
#include "core/pow/scrypt.h"
#include "core/pow/sha256_engines.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <cmocka.h>

static void assert_hex(const uint8_t *bytes, size_t length, const char *expected)
{
    char text[257];
    assert_in_range(length, 0, 128);
    hex_encode(span_of(bytes, length), text);
    assert_string_equal(text, expected);
}

static void openssl_digest(const EVP_MD *digest, struct span bytes, uint8_t hash_r[32])
{
    unsigned length = 0;
    assert_int_equal(EVP_Digest(bytes.data, bytes.length, hash_r, &length, digest, NULL), 1);
    assert_int_equal(length, 32);
}

static void openssl_sha256d(struct span bytes, uint8_t hash_r[32])
{
    uint8_t once[32];
    openssl_digest(EVP_sha256(), bytes, once);
    openssl_digest(EVP_sha256(), span_of(once, 32), hash_r);
}

/* FIPS 180-4 examples. */
static void sha256_gives_the_published_digests(void **state)
{
    (void)state;
    uint8_t hash[32];
    sha256(span_text(""), hash);
    assert_hex(hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(span_text("abc"), hash);
    assert_hex(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(span_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hash);
    assert_hex(hash, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");

    struct sha256_state million;
    uint8_t letters[1000];
    memset(letters, 'a', sizeof letters);
    sha256_init(&million);
    for (int i = 0; i < 1000; i++)
        sha256_update(&million, span_of(letters, sizeof letters));
    sha256_final(&million, hash);
    assert_hex(hash, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void portable_and_processor_sha256_agree_on_any_blocks(void **state)
{
    (void)state;
    /* Without the instructions the portable code is all there is, and the next test is its test. */
    if (!sha256_shani_available())
        return;
    struct test_random random = test_random_begin("sha256 engines");
    for (int i = 0; i < 5000; i++) {
        uint8_t blocks[1 + 8 * 64];
        uint32_t portable[8], processor[8];
        size_t offset = test_random_below(&random, 2), count = test_random_below(&random, 9);
        test_random_bytes(&random, blocks, sizeof blocks);
        test_random_bytes(&random, portable, sizeof portable);
        memcpy(processor, portable, sizeof processor);
        sha256_blocks_portable(portable, blocks + offset, count);
        sha256_blocks_shani(processor, blocks + offset, count);
        assert_memory_equal(portable, processor, sizeof portable);
    }
}

/* The states of an engine against as many states of the portable code: everything an engine can do, in
 * any order, in every lane it is asked for, from any state. */
static void every_engine_does_in_each_lane_what_portable_code_does(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("sha256 engines in lock step");
    const struct sha256_engine *engine;
    for (size_t at = 0; (engine = sha256_engine_at(at)) != NULL; at++) {
        assert_in_range(engine->lanes, 1, SHA256_LANES_MAX);
        for (int i = 0; i < 400; i++) {
            const size_t count = 1 + (size_t)i % engine->lanes;
            uint32_t expected[SHA256_LANES_MAX][8], start[8], schedule[64];
            uint8_t own[SHA256_LANES_MAX][65], same[64], branch[33], pair[64];
            uint8_t hashes[SHA256_LANES_MAX + 1][32], digest[32];
            const uint8_t *blocks[SHA256_LANES_MAX];
            struct sha256_lanes lanes;
            test_random_bytes(&random, start, sizeof start);
            engine->begin(&lanes, start);
            for (size_t lane = 0; lane < count; lane++)
                memcpy(expected[lane], start, sizeof start);
            for (size_t step = test_random_below(&random, 6); step > 0; step--) {
                const uint64_t kind = test_random_below(&random, 4);
                const size_t offset = test_random_below(&random, 2);
                test_random_bytes(&random, own, sizeof own);
                test_random_bytes(&random, same, sizeof same);
                test_random_bytes(&random, branch, sizeof branch);
                sha256_schedule(same, schedule);
                for (size_t lane = 0; lane < count; lane++) {
                    blocks[lane] = own[lane] + offset;
                    for (size_t word = 0; word < 8; word++)
                        store_be32(digest + 4 * word, expected[lane][word]);
                    memcpy(pair, digest, 32);
                    memcpy(pair + 32, branch + offset, 32);
                    if (kind == 0)
                        sha256_blocks_portable(expected[lane], blocks[lane], 1);
                    else if (kind == 1)
                        sha256_blocks_portable(expected[lane], same, 1);
                    else if (kind == 2)
                        openssl_digest(EVP_sha256(), span_of(digest, 32), digest);
                    else
                        openssl_sha256d(span_of(pair, 64), digest);
                    for (size_t word = 0; word < 8 && kind >= 2; word++)
                        expected[lane][word] = load_be32(digest + 4 * word);
                }
                if (kind == 0)
                    engine->blocks(&lanes, blocks, count);
                else if (kind == 1)
                    engine->same_block(&lanes, schedule, count);
                else if (kind == 2)
                    engine->redigest(&lanes, count);
                else
                    engine->merkle(&lanes, branch + offset, count);
            }
            memset(hashes, 0x5a, sizeof hashes);
            engine->digests(&lanes, hashes, count);
            for (size_t lane = 0; lane < count; lane++) {
                for (size_t word = 0; word < 8; word++)
                    store_be32(digest + 4 * word, expected[lane][word]);
                assert_memory_equal(hashes[lane], digest, 32);
            }
            assert_int_equal(hashes[count][0], 0x5a); /* no lane more than asked for */
        }
    }
}

/* NIST's long-known one-block message in every lane of every engine, with another in between. */
static void every_engine_gives_the_published_digest_of_abc(void **state)
{
    (void)state;
    static const uint8_t abc[64] = { 'a', 'b', 'c', 0x80, [63] = 24 }, empty[64] = { 0x80 };
    const struct sha256_engine *engine;
    for (size_t at = 0; (engine = sha256_engine_at(at)) != NULL; at++) {
        const uint8_t *blocks[SHA256_LANES_MAX];
        uint8_t hashes[SHA256_LANES_MAX][32];
        struct sha256_lanes lanes;
        for (size_t lane = 0; lane < engine->lanes; lane++)
            blocks[lane] = lane % 3 == 0 ? empty : abc;
        engine->begin(&lanes, sha256_initial_state);
        engine->blocks(&lanes, blocks, engine->lanes);
        engine->digests(&lanes, hashes, engine->lanes);
        for (size_t lane = 0; lane < engine->lanes; lane++)
            assert_hex(hashes[lane], 32,
                       lane % 3 == 0
                           ? "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                           : "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

/* The constants written down are those of the padding behind 64 bytes. */
static void the_padding_has_the_schedule_that_is_written_down(void **state)
{
    (void)state;
    static const uint8_t padding[64] = { [0] = 0x80, [62] = 0x02 };
    uint32_t schedule[64];
    sha256_schedule(padding, schedule);
    assert_memory_equal(schedule, sha256_padding_schedule, sizeof schedule);
}

static void headers_hashed_together_are_those_hashed_alone(void **state)
{
    (void)state;
    static uint8_t scratch[POW_SCRATCH_BYTES];
    struct test_random random = test_random_begin("headers together");
    for (size_t count = 0; count <= 70; count++) {
        uint8_t headers[70][POW_HEADER_BYTES], hashes[71][32], expected[32];
        test_random_bytes(&random, headers, sizeof headers);
        for (int algorithm = POW_SHA256D; algorithm <= POW_SCRYPT; algorithm++) {
            if (algorithm == POW_SCRYPT && count > 12)
                continue;
            memset(hashes, 0x5a, sizeof hashes);
            pow_hash_many((enum pow_algorithm)algorithm,
                          (const uint8_t(*)[POW_HEADER_BYTES])headers, count, scratch, hashes);
            for (size_t i = 0; i < count; i++) {
                pow_hash((enum pow_algorithm)algorithm, headers[i], scratch, expected);
                assert_memory_equal(hashes[i], expected, 32);
                if (algorithm == POW_SHA256D) {
                    openssl_sha256d(span_of(headers[i], 80), expected);
                    assert_memory_equal(hashes[i], expected, 32);
                }
            }
            assert_int_equal(hashes[count][0], 0x5a);
        }
    }
}

static void sha256_in_any_pieces_is_that_of_another_library(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("sha256 pieces");
    for (int i = 0; i < 3000; i++) {
        uint8_t message[400], hash[32], twice[32], expected[32];
        size_t length = test_random_below(&random, sizeof message + 1), done = 0;
        test_random_bytes(&random, message, length);
        struct sha256_state pieces;
        sha256_init(&pieces);
        while (done < length) {
            size_t part = 1 + test_random_below(&random, length - done);
            sha256_update(&pieces, span_of(message + done, part));
            done += part;
        }
        struct sha256_state midstate = pieces; /* a copy goes on by itself */
        sha256_final(&pieces, hash);
        openssl_digest(EVP_sha256(), span_of(message, length), expected);
        assert_memory_equal(hash, expected, 32);

        sha256d_final(&midstate, twice);
        openssl_digest(EVP_sha256(), span_of(expected, 32), expected);
        assert_memory_equal(twice, expected, 32);
        sha256d(span_of(message, length), twice);
        assert_memory_equal(twice, expected, 32);
        if (length < 80)
            continue;
        sha256d_header(message, hash);
        sha256d(span_of(message, 80), expected);
        assert_memory_equal(hash, expected, 32);
        sha256d(span_of(message, 64), expected);
        sha256d_pair(message, message + 32);
        assert_memory_equal(message + 32, expected, 32);
    }
}

/* RFC 7693 appendix B, and the empty message. */
static void blake2s_gives_the_published_digests(void **state)
{
    (void)state;
    uint8_t hash[32];
    blake2s_256(span_text("abc"), hash);
    assert_hex(hash, 32, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
    blake2s_256(span_text(""), hash);
    assert_hex(hash, 32, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
}

static void blake2s_is_that_of_another_library(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("blake2s");
    for (int i = 0; i < 1000; i++) {
        uint8_t message[300], hash[32], expected[32];
        /* Every length around the block boundaries, then any. */
        size_t length = i < 200 ? (size_t)i : test_random_below(&random, sizeof message + 1);
        test_random_bytes(&random, message, length);
        blake2s_256(span_of(message, length), hash);
        openssl_digest(EVP_blake2s256(), span_of(message, length), expected);
        assert_memory_equal(hash, expected, 32);
    }
}

/* RFC 7914 section 11. */
static void pbkdf2_gives_the_published_bytes(void **state)
{
    (void)state;
    uint8_t output[64];
    scrypt_pbkdf2_once(span_text("passwd"), span_text("salt"), output, sizeof output);
    assert_hex(output, sizeof output,
               "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
               "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

static void scrypt_is_that_of_another_library_wherever_its_scratch_pad_lies(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("scrypt");
    uint8_t *memory = malloc(SCRYPT_SCRATCH_BYTES + 64);
    assert_non_null(memory);
    for (int i = 0; i < 40; i++) {
        uint8_t message[100], hash[32], expected[32];
        size_t length = i % 2 == 0 ? 80 : test_random_below(&random, sizeof message + 1);
        test_random_bytes(&random, message, length);
        assert_int_equal(EVP_PBE_scrypt((const char *)message, length, message, length, 1024, 1, 1,
                                        0, expected, 32),
                         1);
        scrypt_1024_1_1(span_of(message, length), memory + test_random_below(&random, 64), hash);
        assert_memory_equal(hash, expected, 32);
    }
    free(memory);
}

static void block_1_of_bitcoin_hashes_as_published(void **state)
{
    (void)state;
    static uint8_t scratch[POW_SCRATCH_BYTES];
    static const char header_text[] =
        "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000"
        "982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299";
    uint8_t header[POW_HEADER_BYTES], hash[32], display[32];
    assert_true(hex_decode(header_text, strlen(header_text), header, sizeof header));
    pow_hash(POW_SHA256D, header, NULL, hash);
    bytes_reverse(hash, 32, display);
    assert_hex(display, 32, "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048");
    pow_hash(POW_BLAKE2S, header, NULL, hash);
    assert_hex(hash, 32, "a51153a863e786f50a7604d2682afce18e2c26de74980ddee4f44a629d21a5aa");
    pow_hash(POW_SCRYPT, header, scratch, hash);
    bytes_reverse(hash, 32, display);
    assert_hex(display, 32, "e1b9f825bc9f973f17439bdfbabaab1a724fb0bfa1ab77ecd60663f946626828");
}

static void algorithms_keep_their_names_and_wire_values(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint64_t wire;
    } known[] = {{"sha256d", 0}, {"blake2s", 1}, {"scrypt", 2}};
    enum pow_algorithm by_name, by_wire;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_true(pow_algorithm_from_name(span_text(known[i].name), &by_name));
        assert_true(pow_algorithm_from_wire(known[i].wire, &by_wire));
        assert_int_equal(by_name, by_wire);
        assert_string_equal(pow_algorithm_name(by_name), known[i].name);
    }
    assert_false(pow_algorithm_from_name(span_text("SHA256D"), &by_name));
    assert_false(pow_algorithm_from_wire(3, &by_wire));
    assert_null(pow_algorithm_name((enum pow_algorithm)3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(portable_and_processor_sha256_agree_on_any_blocks),
        cmocka_unit_test(every_engine_does_in_each_lane_what_portable_code_does),
        cmocka_unit_test(every_engine_gives_the_published_digest_of_abc),
        cmocka_unit_test(the_padding_has_the_schedule_that_is_written_down),
        cmocka_unit_test(headers_hashed_together_are_those_hashed_alone),
        cmocka_unit_test(sha256_in_any_pieces_is_that_of_another_library),
        cmocka_unit_test(blake2s_gives_the_published_digests),
        cmocka_unit_test(blake2s_is_that_of_another_library),
        cmocka_unit_test(pbkdf2_gives_the_published_bytes),
        cmocka_unit_test(scrypt_is_that_of_another_library_wherever_its_scratch_pad_lies),
        cmocka_unit_test(block_1_of_bitcoin_hashes_as_published),
        cmocka_unit_test(algorithms_keep_their_names_and_wire_values),
    };
    return cmocka_run_group_tests_name("pow", tests, NULL, NULL);
}
