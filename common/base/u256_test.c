/* u256 against arithmetic a bit or a byte at a time. */
#include "base/test_random.h"
#include "base/u256.h"

#include <setjmp.h>
#include <cmocka.h>

static struct u256 any_number(struct test_random *random)
{
    struct u256 value;
    for (int i = 0; i < 4; i++)
        value.limb[i] = test_random_below(random, 4) == 0 ? test_random_magnitude(random)
                                                          : test_random_u64(random);
    return u256_shift_right(value, (unsigned)test_random_below(random, 257));
}

static bool bit_of(struct u256 value, int bit)
{
    return bit >= 0 && bit < 256 && (value.limb[bit / 64] >> (bit % 64) & 1) != 0;
}

static void bytes_and_numbers_are_one_in_either_order(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("u256 bytes");
    for (int i = 0; i < 1000; i++) {
        uint8_t little[32], big[32], reversed[32];
        struct u256 value = any_number(&random);
        u256_store_le(value, little);
        u256_store_be(value, big);
        bytes_reverse(little, 32, reversed);
        assert_memory_equal(reversed, big, 32);
        assert_int_equal(u256_compare(u256_load_le(little), value), 0);
        assert_int_equal(u256_compare(u256_load_be(big), value), 0);
    }
}

static void comparison_is_that_of_big_endian_bytes(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("u256 comparison");
    for (int i = 0; i < 1000; i++) {
        uint8_t a_bytes[32], b_bytes[32];
        struct u256 a = any_number(&random), b = any_number(&random);
        u256_store_be(a, a_bytes);
        u256_store_be(b, b_bytes);
        int expected = memcmp(a_bytes, b_bytes, 32);
        assert_int_equal(u256_compare(a, b) < 0, expected < 0);
        assert_int_equal(u256_compare(a, b) > 0, expected > 0);
    }
}

static void shifts_move_every_bit_by_the_count(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("u256 shifts");
    for (int i = 0; i < 300; i++) {
        struct u256 value = any_number(&random);
        unsigned count = (unsigned)test_random_below(&random, 300);
        struct u256 left = u256_shift_left(value, count), right = u256_shift_right(value, count);
        for (int bit = 0; bit < 256; bit++) {
            assert_int_equal(bit_of(left, bit), bit_of(value, bit - (int)count));
            assert_int_equal(bit_of(right, bit), bit_of(value, bit + (int)count));
        }
        unsigned length = u256_bit_length(value);
        assert_true(u256_is_zero(u256_shift_right(value, length)));
        assert_true(length == 0 || bit_of(value, (int)length - 1));
    }
}

static void sums_and_differences_undo_each_other_and_tell_overflow(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("u256 sums");
    for (int i = 0; i < 3000; i++) {
        struct u256 a = any_number(&random), b = any_number(&random), sum, back;
        bool carry = u256_add(a, b, &sum);
        bool borrow = u256_subtract(sum, b, &back);
        assert_int_equal(u256_compare(back, a), 0);
        assert_int_equal(carry, borrow);
        assert_int_equal(carry, u256_compare(sum, a) < 0);
    }
}

static void a_product_is_a_sum_of_shifted_sums(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("u256 products");
    for (int i = 0; i < 2000; i++) {
        struct u256 a = any_number(&random), product, expected = U256_ZERO;
        uint64_t b = test_random_magnitude(&random);
        bool overflow = u256_multiply_u64(a, b, &product), expected_overflow = false;
        for (unsigned bit = 0; bit < 64; bit++) {
            if ((b >> bit & 1) == 0)
                continue;
            struct u256 part = u256_shift_left(a, bit);
            expected_overflow |= u256_compare(u256_shift_right(part, bit), a) != 0;
            expected_overflow |= u256_add(expected, part, &expected);
        }
        assert_int_equal(u256_compare(product, expected), 0);
        assert_int_equal(overflow, expected_overflow);
    }
}

/* a = quotient · divisor + remainder with remainder < divisor has one solution. */
static void division_leaves_a_remainder_below_the_divisor(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("u256 division");
    for (int i = 0; i < 2000; i++) {
        struct u256 a = any_number(&random), product, remainder_wide;
        uint64_t divisor = test_random_magnitude(&random), remainder;
        if (divisor == 0)
            continue;
        struct u256 quotient = u256_divide_u64_floor(a, divisor, &remainder);
        assert_true(remainder < divisor);
        assert_false(u256_multiply_u64(quotient, divisor, &product));
        assert_false(u256_add(product, u256_from_u64(remainder), &product));
        assert_int_equal(u256_compare(product, a), 0);
        struct u256 wide = u256_divide_floor(a, u256_from_u64(divisor), &remainder_wide);
        assert_int_equal(u256_compare(wide, quotient), 0);
        assert_int_equal(u256_compare(remainder_wide, u256_from_u64(remainder)), 0);
    }
}

static void division_by_a_wide_number_is_exact(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("u256 wide division");
    for (int i = 0; i < 2000; i++) {
        struct u256 divisor = any_number(&random), dividend, remainder, product;
        uint64_t factor = test_random_magnitude(&random);
        if (u256_is_zero(divisor) || u256_multiply_u64(divisor, factor, &product))
            continue;
        /* Any rest below the divisor on top of the product must come back as the remainder. */
        struct u256 rest = u256_divide_floor(divisor, u256_from_u64(3), NULL);
        if (u256_add(product, rest, &dividend))
            continue;
        struct u256 quotient = u256_divide_floor(dividend, divisor, &remainder);
        assert_int_equal(u256_compare(quotient, u256_from_u64(factor)), 0);
        assert_int_equal(u256_compare(remainder, rest), 0);
    }
    struct u256 remainder;
    assert_int_equal(
        u256_compare(u256_divide_floor(U256_MAX, U256_MAX, &remainder), u256_from_u64(1)), 0);
    assert_true(u256_is_zero(remainder));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_numbers_are_one_in_either_order),
        cmocka_unit_test(comparison_is_that_of_big_endian_bytes),
        cmocka_unit_test(shifts_move_every_bit_by_the_count),
        cmocka_unit_test(sums_and_differences_undo_each_other_and_tell_overflow),
        cmocka_unit_test(a_product_is_a_sum_of_shifted_sums),
        cmocka_unit_test(division_leaves_a_remainder_below_the_divisor),
        cmocka_unit_test(division_by_a_wide_number_is_exact),
    };
    return cmocka_run_group_tests_name("u256", tests, NULL, NULL);
}
