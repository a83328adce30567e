/* Unsigned 256-bit integers: hashes read as numbers, targets, sums of work. Values, passed and
 * returned by value; nothing is allocated; every function may be called from any thread. What a
 * number means (and its byte order on a wire) is the caller's business. */
#pragma once
#include "base/bytes.h"

struct u256 {
    uint64_t limb[4]; /* limb[0] is the least significant */
};

#define U256_ZERO ((struct u256){{0, 0, 0, 0}})
#define U256_MAX ((struct u256){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}})

static inline struct u256 u256_from_u64(uint64_t value)
{
    return (struct u256){{value, 0, 0, 0}};
}
static inline struct u256 u256_from_u128(u128 value)
{
    return (struct u256){{(uint64_t)value, (uint64_t)(value >> 64), 0, 0}};
}
/* A hash in internal order is a little-endian number; in display order a big-endian one. */
static inline struct u256 u256_load_le(const uint8_t bytes[32])
{
    return (struct u256){
        {load_le64(bytes), load_le64(bytes + 8), load_le64(bytes + 16), load_le64(bytes + 24)}};
}
static inline struct u256 u256_load_be(const uint8_t bytes[32])
{
    return (struct u256){
        {load_be64(bytes + 24), load_be64(bytes + 16), load_be64(bytes + 8), load_be64(bytes)}};
}
static inline void u256_store_le(struct u256 value, uint8_t bytes_r[32])
{
    for (int i = 0; i < 4; i++)
        store_le64(bytes_r + 8 * i, value.limb[i]);
}
static inline void u256_store_be(struct u256 value, uint8_t bytes_r[32])
{
    for (int i = 0; i < 4; i++)
        store_be64(bytes_r + 8 * i, value.limb[3 - i]);
}

/* Below, at or above zero as a is less than, equal to or greater than b. */
static inline int u256_compare(struct u256 a, struct u256 b)
{
    for (int i = 3; i >= 0; i--)
        if (a.limb[i] != b.limb[i])
            return a.limb[i] < b.limb[i] ? -1 : 1;
    return 0;
}
static inline bool u256_is_zero(struct u256 value)
{
    return (value.limb[0] | value.limb[1] | value.limb[2] | value.limb[3]) == 0;
}
static inline bool u256_fits_u64(struct u256 value)
{
    return (value.limb[1] | value.limb[2] | value.limb[3]) == 0;
}
static inline bool u256_fits_u128(struct u256 value)
{
    return (value.limb[2] | value.limb[3]) == 0;
}
/* The low 128 bits; ask u256_fits_u128 first where the rest matters. */
static inline u128 u256_low_u128(struct u256 value)
{
    return (u128)value.limb[1] << 64 | value.limb[0];
}

/* Position of the highest set bit plus one: 0 for zero, 256 at most. */
unsigned u256_bit_length(struct u256 value);

/* Shifts by any count; bits shifted out are lost, 256 and more give zero. */
struct u256 u256_shift_left(struct u256 value, unsigned bits);
struct u256 u256_shift_right(struct u256 value, unsigned bits);

/* Sum, difference and product modulo 2^256; true where the exact result does not fit. */
MUST_CHECK bool u256_add(struct u256 a, struct u256 b, struct u256 *sum_r);
MUST_CHECK bool u256_subtract(struct u256 a, struct u256 b, struct u256 *difference_r);
MUST_CHECK bool u256_multiply_u64(struct u256 a, uint64_t b, struct u256 *product_r);

/* floor(a / divisor); the remainder goes to *remainder_r unless that is NULL. The divisor must
 * not be 0 (a bug: aborts). */
struct u256 u256_divide_u64_floor(struct u256 a, uint64_t divisor, uint64_t *remainder_r);
struct u256 u256_divide_floor(struct u256 a, struct u256 divisor, struct u256 *remainder_r);
