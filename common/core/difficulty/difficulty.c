#include "core/difficulty/difficulty.h"

/* 0xffff · 2^240: diff1 of sha256d times 2^32, what targets divide. */
#define TARGET_TIMES_WORK ((struct u256){{0, 0, 0, (uint64_t)0xffff << 48}})

unsigned difficulty_shift(enum pow_algorithm algorithm)
{
    switch (algorithm) {
#define X(name, value, text, shift)                                                                \
    case name:                                                                                     \
        return shift;
        POW_ALGORITHMS(X)
#undef X
    }
    ASSERT(pow_algorithm_name(algorithm) != NULL);
    return 0;
}

struct u256 difficulty_target(struct work work)
{
    return u256_divide_u64_floor(TARGET_TIMES_WORK, work.expected_hashes, NULL);
}

/* hash ≤ floor(C / w) exactly where hash · w ≤ C: four multiplications instead of four divisions.
 */
bool difficulty_is_met(struct u256 hash, struct work work)
{
    ASSERT(work.expected_hashes != 0);
    struct u256 product;
    if (u256_multiply_u64(hash, work.expected_hashes, &product))
        return false;
    return u256_compare(product, TARGET_TIMES_WORK) <= 0;
}

struct work difficulty_representable(struct work work)
{
    if (work.expected_hashes >> 53 != 0) {
        int excess = 64 - 53 - __builtin_clzll(work.expected_hashes);
        work.expected_hashes = work.expected_hashes >> excess << excess;
    }
    return work;
}

/* The compact form is a floating-point number of base 256: an exponent (the length of the number in
 * bytes) and a signed mantissa of 24 bits. As arith_uint256::SetCompact has it. */
bool difficulty_target_from_bits(uint32_t bits, struct u256 *target_r)
{
    uint32_t exponent = bits >> 24, mantissa = bits & 0x007fffff;
    if ((bits & 0x00800000) != 0 && mantissa != 0)
        return false;
    if (exponent <= 3)
        mantissa >>= 8 * (3 - exponent);
    if (mantissa == 0)
        return false;
    if (exponent > 34 || (mantissa > 0xff && exponent > 33) || (mantissa > 0xffff && exponent > 32))
        return false;
    struct u256 target = u256_from_u64(mantissa);
    *target_r = exponent <= 3 ? target : u256_shift_left(target, 8 * (exponent - 3));
    return true;
}

uint32_t difficulty_bits_from_target(struct u256 target)
{
    uint32_t exponent = (u256_bit_length(target) + 7) / 8;
    uint32_t mantissa = exponent <= 3
                            ? (uint32_t)target.limb[0] << 8 * (3 - exponent)
                            : (uint32_t)u256_shift_right(target, 8 * (exponent - 3)).limb[0];
    if ((mantissa & 0x00800000) != 0) { /* that bit is the sign */
        mantissa >>= 8;
        exponent++;
    }
    return exponent << 24 | mantissa;
}

/* 2^256 does not fit, but floor(2^256 / (t+1)) = floor((2^256 - (t+1)) / (t+1)) + 1, and
 * 2^256 - (t+1) is the complement of t. */
struct u256 difficulty_network_work(struct u256 target)
{
    if (u256_is_zero(target))
        return U256_MAX;
    struct u256 divisor, complement, work;
    if (u256_add(target, u256_from_u64(1), &divisor))
        return u256_from_u64(1); /* every hash is a block */
    for (int i = 0; i < 4; i++)
        complement.limb[i] = ~target.limb[i];
    work = u256_divide_floor(complement, divisor, NULL);
    bool carry = u256_add(work, u256_from_u64(1), &work);
    ASSERT(!carry);
    return work;
}

struct work difficulty_network_work_capped(struct u256 target)
{
    struct u256 work = difficulty_network_work(target);
    return work_of(u256_fits_u64(work) ? work.limb[0] : UINT64_MAX);
}

/* 0xffff · 2^240 is 2^256 less a 65536th of it, and the chain's way of counting divides by one more
 * than the target: less a 65536th, rounded up, is never too much. */
struct work difficulty_within(struct u256 target)
{
    uint64_t work = difficulty_network_work_capped(target).expected_hashes;
    work -= work / 65536 + (work % 65536 != 0);
    return difficulty_representable(work_of(work > 0 ? work : 1));
}
