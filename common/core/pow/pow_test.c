/* Hashes: published vectors, and the same answers as an independent library on random inputs. */
#include "base/test_random.h"
#include "core/pow/blake2s.h"
#include "core/pow/pow.h"
#include "core/pow/scrypt_engines.h"
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

/* The states of an engine against as many states of the portable code: everything an engine can do,
 * in any order, in every lane it is asked for, from any state. */
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

static void every_scrypt_engine_gives_in_each_lane_what_another_library_gives(void **state)
{
    (void)state;
    static uint8_t scratch[SCRYPT_SCRATCH_BYTES];
    struct test_random random = test_random_begin("scrypt engines");
    const struct scrypt_engine *engine;
    for (size_t at = 0; (engine = scrypt_engine_at(at)) != NULL; at++)
        for (size_t count = 1; count <= engine->lanes; count++) {
            uint8_t messages[SCRYPT_LANES_MAX][100], hashes[SCRYPT_LANES_MAX][32], expected[32];
            struct span given[SCRYPT_LANES_MAX];
            for (size_t i = 0; i < count; i++) {
                test_random_bytes(&random, messages[i], sizeof messages[i]);
                given[i] = span_of(messages[i], i == 0 ? 80 : test_random_below(&random, 100) + 1);
            }
            scrypt_engine_hash(engine, given, count, scratch, hashes);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(EVP_PBE_scrypt((const char *)given[i].data, given[i].length,
                                                given[i].data, given[i].length, 1024, 1, 1, 0,
                                                expected, 32),
                                 1);
                assert_memory_equal(hashes[i], expected, 32);
            }
        }
}

/* The unkeyed known answers of the BLAKE2 reference package (blake2-kat.h: input 00 01 02 …). */
static void blake2s_gives_the_known_answers_of_the_reference_package(void **state)
{
    (void)state;
    static const uint8_t input[3] = { 0, 1, 2 };
    static const char *const known[] = {
        "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
        "e34d74dbaf4ff4c6abd871cc220451d2ea2648846c7757fbaac82fe51ad64bea",
        "ddad9ab15dac4549ba42f49d262496bef6c0bae1dd342a8808f8ea267c6e210c",
        "e8f91c6ef232a041452ab0e149070cdd7dd1769e75b3a5921be37876c45c9900",
    };
    for (size_t length = 0; length < sizeof known / sizeof *known; length++) {
        uint8_t hash[32];
        blake2s_256(span_of(input, length), hash);
        assert_hex(hash, 32, known[length]);
    }
}

/* Litecoin Core's src/test/scrypt_tests.cpp (headers, hashes in display order), in every lane. */
static void scrypt_gives_litecoin_s_published_hashes(void **state)
{
    (void)state;
    static const struct {
        const char *header, *hash;
    } known[] = {
        { "020000004c1271c211717198227392b029a64a7971931d351b387bb80db027f270411e39"
          "8a07046f7d4a08dd815412a8712f874a7ebf0507e3878bd24e20a3b73fd750a667d2f451eac7471b00de665"
          "9",
          "00000000002bef4107f882f6115e0b01f348d21195dacd3582aa2dabd7985806" },
        { "0200000011503ee6a855e900c00cfdd98f5f55fffeaee9b6bf55bea9b852d9de2ce35828"
          "e204eef76acfd36949ae56d1fbe81c1ac9c0209e6331ad56414f9072506a77f8c6faf551eac7471b00389d0"
          "1",
          "00000000003a0d11bdd5eb634e08b7feddcfbbf228ed35d250daf19f1c88fc94" },
        { "02000000a72c8a177f523946f42f22c3e86b8023221b4105e8007e59e81f6beb013e29aa"
          "f635295cb9ac966213fb56e046dc71df5b3f7f67ceaeab24038e743f883aff1aaafaf551eac7471b0166249"
          "b",
          "00000000000b40f895f288e13244728a6c2d9d59d8aff29c65f8dd5114a8ca81" },
        { "010000007824bc3a8a1b4628485eee3024abd8626721f7f870f8ad4d2f33a27155167f6a"
          "4009d1285049603888fe85a84b6c803a53305a8d497965a5e896e1a00568359589faf551eac7471b0065434"
          "e",
          "00000000003007005891cd4923031e99d8e8d72f6e8e7edc6a86181897e105fe" },
        { "0200000050bfd4e4a307a8cb6ef4aef69abc5c0f2d579648bd80d7733e1ccc3fbc90ed66"
          "4a7f74006cb11bde87785f229ecd366c2d4e44432832580e0608c579e4cb76f383f7f551eac7471b00c3698"
          "2",
          "000000000018f0b426a4afc7130ccb47fa02af730d345b4fe7c7724d3800ec8c" },
    };
    enum { KNOWN = sizeof known / sizeof *known };
    static uint8_t scratch[POW_SCRATCH_BYTES];
    uint8_t headers[KNOWN][POW_HEADER_BYTES], hashes[KNOWN][32], display[32];
    for (size_t i = 0; i < KNOWN; i++)
        assert_true(hex_decode(known[i].header, strlen(known[i].header), headers[i], 80));
    for (size_t first = 0; first < KNOWN; first++) {
        pow_hash_many(POW_SCRYPT, (const uint8_t(*)[POW_HEADER_BYTES])headers + first,
                      KNOWN - first, scratch, hashes);
        for (size_t i = first; i < KNOWN; i++) {
            bytes_reverse(hashes[i - first], 32, display);
            assert_hex(display, 32, known[i].hash);
        }
    }
}

/* Bitcoin's and Litecoin's genesis blocks, as their chainparams.cpp assert them. */
static void genesis_blocks_hash_as_published(void **state)
{
    (void)state;
    static uint8_t scratch[POW_SCRATCH_BYTES];
    static const char bitcoin[] =
        "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd"
        "7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";
    static const char litecoin[] =
        "010000000000000000000000000000000000000000000000000000000000000000000000d9ced4ed"
        "1130f7b7faad9be25323ffafa33232a17c3edf6cfd97bee6bafbdd97b9aa8e4ef0ff0f1ecd513f7c";
    uint8_t header[POW_HEADER_BYTES], hash[32], display[32];
    assert_true(hex_decode(bitcoin, strlen(bitcoin), header, sizeof header));
    pow_hash(POW_SHA256D, header, NULL, hash);
    bytes_reverse(hash, 32, display);
    assert_hex(display, 32, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_true(hex_decode(litecoin, strlen(litecoin), header, sizeof header));
    pow_hash(POW_SHA256D, header, NULL, hash);
    bytes_reverse(hash, 32, display);
    assert_hex(display, 32, "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2");
    pow_hash(POW_SCRYPT, header, scratch, hash);
    bytes_reverse(hash, 32, display);
    assert_hex(display, 32, "0000050c34a64b415b6b15b37f2216634b5b1669cb9a2e38d76f7213b0671e00");
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
    } known[] = { { "sha256d", 0 }, { "blake2s", 1 }, { "scrypt", 2 } };
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

/* Messages of any lengths, about the ends of blocks above all. */
static void messages_hashed_together_are_those_hashed_alone(void **state)
{
    (void)state;
    enum { COUNT = 150, BYTES = 1000 };
    struct test_random random = test_random_begin("many messages");
    static uint8_t bytes[COUNT][BYTES], hashes[COUNT][32], pairs[COUNT][64];
    struct span messages[COUNT];
    test_random_bytes(&random, bytes, sizeof bytes);
    test_random_bytes(&random, pairs, sizeof pairs);
    for (size_t count = 0; count <= COUNT; count++) {
        uint8_t alone[32];
        for (size_t i = 0; i < count; i++)
            messages[i] = span_of(bytes[i], count % 3 == 0   ? 40 + (i + count) % 100
                                            : count % 3 == 1 ? test_random_below(&random, BYTES + 1)
                                                             : 222);
        sha256d_many(messages, count, hashes);
        for (size_t i = 0; i < count; i++) {
            sha256d(messages[i], alone);
            assert_memory_equal(hashes[i], alone, 32);
        }
        sha256d_pairs((const uint8_t(*)[64])pairs, count, hashes);
        for (size_t i = 0; i < count; i++) {
            sha256d_pair(pairs[i], alone);
            assert_memory_equal(hashes[i], alone, 32);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(portable_and_processor_sha256_agree_on_any_blocks),
        cmocka_unit_test(every_engine_does_in_each_lane_what_portable_code_does),
        cmocka_unit_test(every_engine_gives_the_published_digest_of_abc),
        cmocka_unit_test(the_padding_has_the_schedule_that_is_written_down),
        cmocka_unit_test(messages_hashed_together_are_those_hashed_alone),
        cmocka_unit_test(headers_hashed_together_are_those_hashed_alone),
        cmocka_unit_test(sha256_in_any_pieces_is_that_of_another_library),
        cmocka_unit_test(blake2s_gives_the_published_digests),
        cmocka_unit_test(blake2s_is_that_of_another_library),
        cmocka_unit_test(pbkdf2_gives_the_published_bytes),
        cmocka_unit_test(scrypt_is_that_of_another_library_wherever_its_scratch_pad_lies),
        cmocka_unit_test(every_scrypt_engine_gives_in_each_lane_what_another_library_gives),
        cmocka_unit_test(blake2s_gives_the_known_answers_of_the_reference_package),
        cmocka_unit_test(scrypt_gives_litecoin_s_published_hashes),
        cmocka_unit_test(genesis_blocks_hash_as_published),
        cmocka_unit_test(block_1_of_bitcoin_hashes_as_published),
        cmocka_unit_test(algorithms_keep_their_names_and_wire_values),
    };
    return cmocka_run_group_tests_name("pow", tests, NULL, NULL);
}
