/* Work, targets and decimals: exact arithmetic checked bit by bit, and against what a double really
 * reads (the only floating point, and only here). */
#include "base/test_random.h"
#include "core/difficulty/difficulty.h"

#include <setjmp.h>
#include <cmocka.h>

static const struct u256 target_times_work = {{0, 0, 0, (uint64_t)0xffff << 48}};

static struct u256 from_hex(const char *text)
{
    uint8_t bytes[32];
    assert_true(hex_decode(text, strlen(text), bytes, sizeof bytes));
    return u256_load_be(bytes);
}

static void assert_u256_equal(struct u256 a, struct u256 b)
{
    uint8_t a_bytes[32], b_bytes[32];
    u256_store_be(a, a_bytes);
    u256_store_be(b, b_bytes);
    assert_memory_equal(a_bytes, b_bytes, 32);
}

/* floor(0xffff · 2^240 / w) by long division, a bit at a time. */
static struct u256 naive_target(uint64_t w)
{
    struct u256 quotient = U256_ZERO;
    u128 remainder = 0;
    for (int bit = 255; bit >= 0; bit--) {
        remainder = remainder << 1 | (target_times_work.limb[bit / 64] >> (bit % 64) & 1);
        if (remainder >= w) {
            remainder -= w;
            quotient.limb[bit / 64] |= (uint64_t)1 << (bit % 64);
        }
    }
    return quotient;
}

static void targets_are_the_published_ones(void **state)
{
    (void)state;
    const struct {
        uint64_t work;
        const char *target;
    } known[] = {
        {(uint64_t)1 << 32, "00000000ffff0000000000000000000000000000000000000000000000000000"},
        {(uint64_t)16384 << 32, "000000000003fffc000000000000000000000000000000000000000000000000"},
        {(uint64_t)65536 << 32, "000000000000ffff000000000000000000000000000000000000000000000000"},
        {1, "ffff000000000000000000000000000000000000000000000000000000000000"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_u256_equal(difficulty_target(work_of(known[i].work)), from_hex(known[i].target));

    /* 0.001 as a real number lies between the works 4294967 and 4294968. */
    struct u256 real = from_hex("000003e7fc180000000000000000000000000000000000000000000000000000");
    struct work w;
    assert_true(
        difficulty_parse(span_text("0.001"), POW_SHA256D, work_of(1), work_of(UINT64_MAX), &w));
    assert_int_equal(w.expected_hashes, 4294967);
    assert_true(u256_compare(difficulty_target(w), real) > 0);
    assert_true(u256_compare(difficulty_target(work_of(4294968)), real) < 0);
}

static void targets_are_exact_and_fall_as_work_grows(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("targets");
    for (int i = 0; i < 3000; i++) {
        uint64_t w = test_random_magnitude(&random);
        if (w == 0 || w == UINT64_MAX)
            continue;
        struct u256 target = difficulty_target(work_of(w));
        assert_u256_equal(target, naive_target(w));
        assert_true(u256_compare(difficulty_target(work_of(w + 1)), target) <= 0);
    }
}

static void a_hash_meets_work_exactly_where_it_is_not_above_the_target(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("meeting work");
    for (int i = 0; i < 3000; i++) {
        struct work w = work_of(test_random_magnitude(&random) | 1);
        struct u256 target = difficulty_target(w), above;
        bool carry = u256_add(target, u256_from_u64(1), &above);
        assert_false(carry);
        assert_true(difficulty_is_met(target, w));
        assert_false(difficulty_is_met(above, w));
        assert_true(difficulty_is_met(U256_ZERO, w));
        assert_false(difficulty_is_met(U256_MAX, w));
        uint8_t bytes[32];
        test_random_bytes(&random, bytes, sizeof bytes);
        struct u256 hash =
            u256_shift_right(u256_load_le(bytes), (unsigned)test_random_below(&random, 80));
        assert_int_equal(difficulty_is_met(hash, w), u256_compare(hash, target) <= 0);
    }
}

/* Vectors of Bitcoin Core's arith_uint256 tests (bignum_SetCompact) and block headers. */
static void compact_bits_are_read_as_consensus_reads_them(void **state)
{
    (void)state;
    const struct {
        uint32_t bits;
        const char *target; /* NULL: refused */
    } known[] = {
        {0x1d00ffff, "00000000ffff0000000000000000000000000000000000000000000000000000"},
        {0x207fffff, "7fffff0000000000000000000000000000000000000000000000000000000000"},
        {0x1b0404cb, "00000000000404cb000000000000000000000000000000000000000000000000"},
        {0x01123456, "0000000000000000000000000000000000000000000000000000000000000012"},
        {0x02123456, "0000000000000000000000000000000000000000000000000000000000001234"},
        {0x03123456, "0000000000000000000000000000000000000000000000000000000000123456"},
        {0x04123456, "0000000000000000000000000000000000000000000000000000000012345600"},
        {0x05009234, "0000000000000000000000000000000000000000000000000000000092340000"},
        {0x20123456, "1234560000000000000000000000000000000000000000000000000000000000"},
        {0x2200007f, "7f00000000000000000000000000000000000000000000000000000000000000"},
        {0x220000ff, "ff00000000000000000000000000000000000000000000000000000000000000"},
        {0x00000000, NULL},
        {0x00123456, NULL},
        {0x01003456, NULL},
        {0x02000056, NULL},
        {0x03000000, NULL},
        {0x04000000, NULL},
        {0x00923456, NULL},
        {0x01803456, NULL},
        {0x01fedcba, NULL},
        {0x04923456, NULL},
        {0xff123456, NULL},
        {0x23000001, NULL},
        {0x22000100, NULL},
        {0x21010000, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct u256 target;
        assert_int_equal(difficulty_target_from_bits(known[i].bits, &target),
                         known[i].target != NULL);
        if (known[i].target != NULL)
            assert_u256_equal(target, from_hex(known[i].target));
    }
}

static void compact_bits_round_down_and_back(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("compact bits");
    assert_int_equal(difficulty_bits_from_target(from_hex(
                         "00000000ffff0000000000000000000000000000000000000000000000000000")),
                     0x1d00ffff);
    assert_int_equal(difficulty_bits_from_target(u256_from_u64(0x80)), 0x02008000);
    assert_int_equal(difficulty_bits_from_target(u256_from_u64(0x12)), 0x01120000);
    for (int i = 0; i < 5000; i++) {
        uint8_t bytes[32];
        test_random_bytes(&random, bytes, sizeof bytes);
        struct u256 target = u256_load_le(bytes), back;
        target = u256_shift_right(target, (unsigned)test_random_below(&random, 256));
        if (u256_is_zero(target))
            continue;
        uint32_t bits = difficulty_bits_from_target(target);
        assert_true(difficulty_target_from_bits(bits, &back));
        assert_true(u256_compare(back, target) <= 0);
        /* What was cut is below the last of at least 16 bits that were kept. */
        struct u256 cut;
        assert_false(u256_subtract(target, back, &cut));
        unsigned length = u256_bit_length(target);
        assert_true(length <= 24 ? u256_bit_length(cut) <= 8 : u256_bit_length(cut) < length - 14);
        assert_int_equal(difficulty_bits_from_target(back), bits);
    }
}

static void network_work_is_two_to_the_256_over_target_plus_one(void **state)
{
    (void)state;
    struct u256 target;
    assert_true(difficulty_target_from_bits(0x1d00ffff, &target));
    assert_int_equal(difficulty_network_work_capped(target).expected_hashes, 0x100010001);
    assert_true(difficulty_target_from_bits(0x207fffff, &target));
    assert_int_equal(difficulty_network_work_capped(target).expected_hashes, 2);
    assert_u256_equal(difficulty_network_work(U256_MAX), u256_from_u64(1));
    assert_u256_equal(difficulty_network_work(U256_ZERO), U256_MAX);
    assert_u256_equal(difficulty_network_work(u256_from_u64(1)),
                      u256_shift_left(u256_from_u64(1), 255));
    assert_u256_equal(difficulty_network_work(u256_from_u64(3)),
                      u256_shift_left(u256_from_u64(1), 254));

    /* work · (target + 1) ≤ 2^256 < (work + 1) · (target + 1), shifted down to fit. */
    struct test_random random = test_random_begin("network work");
    for (int i = 0; i < 2000; i++) {
        uint64_t divisor = test_random_magnitude(&random);
        if (divisor < 2)
            continue;
        struct u256 work = difficulty_network_work(u256_from_u64(divisor - 1)), product;
        uint64_t power = divisor & (divisor - 1);
        bool overflow = u256_multiply_u64(work, divisor, &product);
        assert_int_equal(overflow, power == 0); /* exactly 2^256 where a power of two divides it */
        bool next = u256_add(product, u256_from_u64(divisor), &product);
        assert_true(overflow || next);
    }
    /* A target of 2^200 or so has more than 64 bits of work only below 2^192. */
    assert_true(difficulty_network_work_capped(u256_from_u64(5)).expected_hashes == UINT64_MAX);
}

static void representable_work_is_the_largest_of_53_bits_not_above(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("representable work");
    for (int i = 0; i < 5000; i++) {
        uint64_t w = test_random_magnitude(&random);
        uint64_t r = difficulty_representable(work_of(w)).expected_hashes;
        assert_true(r <= w);
        assert_true(r == w || w >> 53 != 0);
        assert_true((uint64_t)(double)r == r || r == 0);
        uint64_t unit = w >> 53 == 0 ? 1 : (uint64_t)1 << (11 - __builtin_clzll(w));
        assert_true(w - r < unit);
    }
}

static double as_double(uint64_t w, enum pow_algorithm algorithm)
{
    return (double)w / (algorithm == POW_SCRYPT ? 65536.0 : 4294967296.0);
}

static int significant_digits(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text != '\0'; text++) {
        if (*text == '.' || (count == 0 && *text == '0'))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        count++;
    }
    return count - zeros;
}

static void a_printed_difficulty_is_the_shortest_that_a_double_reads_back(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("printed difficulty");
    for (int i = 0; i < 30000; i++) {
        enum pow_algorithm algorithm = i % 2 == 0 ? POW_SHA256D : POW_SCRYPT;
        uint64_t w = test_random_magnitude(&random);
        char text[DIFFICULTY_TEXT_BYTES], shortest[64];
        if (w == 0)
            continue;
        size_t length = difficulty_format(work_of(w), algorithm, text);
        assert_int_equal(length, strlen(text));
        assert_int_equal(strspn(text, "0123456789."), length);
        double value = as_double(w, algorithm);
        assert_true(strtod(text, NULL) == value);
        int digits = 1;
        for (; digits < 17; digits++) {
            snprintf(shortest, sizeof shortest, "%.*g", digits, value);
            if (strtod(shortest, NULL) == value)
                break;
        }
        assert_true(significant_digits(text) <= digits);
    }
}

static void a_printed_difficulty_reads_back_as_the_same_work(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("difficulty round trip");
    for (int i = 0; i < 30000; i++) {
        enum pow_algorithm algorithm = i % 2 == 0 ? POW_BLAKE2S : POW_SCRYPT;
        struct work w = difficulty_representable(work_of(test_random_magnitude(&random))), back;
        char text[DIFFICULTY_TEXT_BYTES];
        if (w.expected_hashes == 0)
            continue;
        size_t length = difficulty_format(w, algorithm, text);
        assert_true(difficulty_parse(span_of(text, length), algorithm, work_of(1),
                                     work_of(UINT64_MAX), &back));
        assert_int_equal(back.expected_hashes, w.expected_hashes);
    }
}

static void difficulties_are_printed_plainly(void **state)
{
    (void)state;
    const struct {
        uint64_t work;
        enum pow_algorithm algorithm;
        const char *text;
    } known[] = {
        {(uint64_t)1 << 32, POW_SHA256D, "1"},
        {(uint64_t)1 << 31, POW_BLAKE2S, "0.5"},
        {(uint64_t)16384 << 32, POW_SHA256D, "16384"},
        {(uint64_t)10 << 32, POW_SHA256D, "10"},
        {65536, POW_SCRYPT, "1"},
        {1, POW_SCRYPT, "0.0000152587890625"},
        {1, POW_SHA256D, "0.00000000023283064365386963"},
        {4294967, POW_SHA256D, "0.0009999999310821295"},
        {0, POW_SHA256D, "0"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[DIFFICULTY_TEXT_BYTES];
        difficulty_format(work_of(known[i].work), known[i].algorithm, text);
        assert_string_equal(text, known[i].text);
    }
}

static void a_requested_difficulty_rounds_and_is_clamped(void **state)
{
    (void)state;
    const struct {
        const char *text;
        uint64_t work; /* 0: refused */
    } known[] = {
        {"1", 4294967296},
        {"1e0", 4294967296},
        {"1E+1", 42949672960},
        {"0.0025e2", 1073741824},
        {"+1", 4294967296},
        {"5.", 21474836480},
        {".5", 2147483648},
        {"0", 1000},
        {"0.0000000001", 1000},
        {"1e-999999999999999999999", 1000},
        {"1e99999999999999999999", 1000000000000000000},
        {"0e99999999999999999999", 1000},
        {"1000000000000000000000000000000000000000000000000000000000000000", 1000000000000000000},
        {"0.00000034924596548080444", 1500},             /* 1500 / 2^32 = 3.4924596548…e-7 */
        {"0.0000003493623808026313782", 1501},           /* just above 1500.5 / 2^32 */
        {"0.00000034936238080263137817382812500", 1501}, /* 1500.5 / 2^32 exactly: up */
        {"0.0000003493623808026313781738281249", 1500},
        {"", 0},
        {"-1", 0},
        {".", 0},
        {"e1", 0},
        {"1e", 0},
        {"1e+", 0},
        {"0x1", 0},
        {" 1", 0},
        {"1 ", 0},
        {"1,5", 0},
        {"1.2.3", 0},
        {"nan", 0},
        {"inf", 0},
        {"1e1.5", 0},
        {"++1", 0},
        {"10000000000000000000000000000000000000000000000000000000000000000", 0}, /* 65 */
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct work w = {0};
        bool ok = difficulty_parse(span_text(known[i].text), POW_SHA256D, work_of(1000),
                                   work_of(1000000000000000000), &w);
        assert_int_equal(ok, known[i].work != 0);
        if (w.expected_hashes != known[i].work)
            fail_msg("\"%s\" gave %llu", known[i].text, (unsigned long long)w.expected_hashes);
    }
}

/* A block's hash always meets the share's work, and hardly a larger work would do. */
static void the_work_within_a_target_loses_no_block(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("work within");
    for (int i = 0; i < 20000; i++) {
        struct u256 target;
        uint8_t bytes[32];
        for (int k = 0; k < 32; k += 8)
            store_le64(bytes + k, test_random_u64(&random));
        target = u256_shift_right(u256_load_le(bytes), (unsigned)test_random_below(&random, 192));
        struct work work = difficulty_within(target);
        assert_true(work.expected_hashes >= 1);
        if (work.expected_hashes == 1)
            continue;
        assert_true(u256_compare(difficulty_target(work), target) >= 0);
        assert_true(difficulty_representable(work).expected_hashes == work.expected_hashes);
        struct work more = work_of(work.expected_hashes + work.expected_hashes / 16384 + 2);
        assert_true(more.expected_hashes < work.expected_hashes ||
                    u256_compare(difficulty_target(more), target) < 0);
    }
    assert_int_equal(difficulty_within(u256_from_u64(0)).expected_hashes > UINT64_MAX / 2, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_the_published_ones),
        cmocka_unit_test(targets_are_exact_and_fall_as_work_grows),
        cmocka_unit_test(a_hash_meets_work_exactly_where_it_is_not_above_the_target),
        cmocka_unit_test(compact_bits_are_read_as_consensus_reads_them),
        cmocka_unit_test(compact_bits_round_down_and_back),
        cmocka_unit_test(network_work_is_two_to_the_256_over_target_plus_one),
        cmocka_unit_test(the_work_within_a_target_loses_no_block),
        cmocka_unit_test(representable_work_is_the_largest_of_53_bits_not_above),
        cmocka_unit_test(a_printed_difficulty_is_the_shortest_that_a_double_reads_back),
        cmocka_unit_test(a_printed_difficulty_reads_back_as_the_same_work),
        cmocka_unit_test(difficulties_are_printed_plainly),
        cmocka_unit_test(a_requested_difficulty_rounds_and_is_clamped),
    };
    return cmocka_run_group_tests_name("difficulty", tests, NULL, NULL);
}
