#include "base/u256.h"

unsigned u256_bit_length(struct u256 value)
{
    for (int i = 3; i >= 0; i--)
        if (value.limb[i] != 0)
            return (unsigned)i * 64 + 64 - (unsigned)__builtin_clzll(value.limb[i]);
    return 0;
}

struct u256 u256_shift_left(struct u256 value, unsigned bits)
{
    if (bits >= 256)
        return U256_ZERO;
    struct u256 result = U256_ZERO;
    unsigned limbs = bits / 64, rest = bits % 64;
    for (unsigned i = limbs; i < 4; i++) {
        result.limb[i] = value.limb[i - limbs] << rest;
        if (rest != 0 && i > limbs)
            result.limb[i] |= value.limb[i - limbs - 1] >> (64 - rest);
    }
    return result;
}

struct u256 u256_shift_right(struct u256 value, unsigned bits)
{
    if (bits >= 256)
        return U256_ZERO;
    struct u256 result = U256_ZERO;
    unsigned limbs = bits / 64, rest = bits % 64;
    for (unsigned i = 0; i + limbs < 4; i++) {
        result.limb[i] = value.limb[i + limbs] >> rest;
        if (rest != 0 && i + limbs + 1 < 4)
            result.limb[i] |= value.limb[i + limbs + 1] << (64 - rest);
    }
    return result;
}

bool u256_add(struct u256 a, struct u256 b, struct u256 *sum_r)
{
    u128 carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (u128)a.limb[i] + b.limb[i];
        sum_r->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return carry != 0;
}

bool u256_subtract(struct u256 a, struct u256 b, struct u256 *difference_r)
{
    uint64_t borrow = 0;
    for (int i = 0; i < 4; i++) {
        u128 difference = (u128)a.limb[i] - b.limb[i] - borrow;
        difference_r->limb[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) != 0;
    }
    return borrow != 0;
}

bool u256_multiply_u64(struct u256 a, uint64_t b, struct u256 *product_r)
{
    u128 carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (u128)a.limb[i] * b; /* ≤ (2^64-1)^2 + 2^64-1, fits */
        product_r->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return carry != 0;
}

struct u256 u256_divide_u64_floor(struct u256 a, uint64_t divisor, uint64_t *remainder_r)
{
    ASSERT(divisor != 0);
    struct u256 quotient;
    uint64_t remainder = 0;
    for (int i = 3; i >= 0; i--) {
        u128 part = (u128)remainder << 64 | a.limb[i];
        quotient.limb[i] = (uint64_t)(part / divisor);
        remainder = (uint64_t)(part % divisor);
    }
    if (remainder_r != NULL)
        *remainder_r = remainder;
    return quotient;
}

/* Schoolbook, a bit at a time: it runs once a block or once a number read, never per share. */
struct u256 u256_divide_floor(struct u256 a, struct u256 divisor, struct u256 *remainder_r)
{
    ASSERT(!u256_is_zero(divisor));
    struct u256 quotient = U256_ZERO, remainder = U256_ZERO;
    for (int bit = (int)u256_bit_length(a) - 1; bit >= 0; bit--) {
        /* The remainder is below the divisor, so doubling can carry out of 256 bits by one; the
         * subtraction then brings it back, modulo 2^256. */
        bool carry = remainder.limb[3] >> 63;
        remainder = u256_shift_left(remainder, 1);
        remainder.limb[0] |= a.limb[bit / 64] >> (bit % 64) & 1;
        if (carry || u256_compare(remainder, divisor) >= 0) {
            bool borrow = u256_subtract(remainder, divisor, &remainder);
            ASSERT(borrow == carry);
            quotient.limb[bit / 64] |= (uint64_t)1 << (bit % 64);
        }
    }
    if (remainder_r != NULL)
        *remainder_r = remainder;
    return quotient;
}
