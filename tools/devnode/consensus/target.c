#include "tools/devnode/consensus/target.h"

struct wide wide_from_le(const uint8_t bytes[32])
{
    struct wide value;
    for (size_t i = 0; i < 4; i++)
        value.limb[i] = load_le64(bytes + 8 * i);
    return value;
}

void wide_to_be(const struct wide *value, uint8_t bytes_r[32])
{
    for (size_t i = 0; i < 4; i++)
        store_be64(bytes_r + 8 * i, value->limb[3 - i]);
}

void wide_format(const struct wide *value, char text_r[65])
{
    uint8_t bytes[32];
    wide_to_be(value, bytes);
    hex_encode(span_of(bytes, sizeof bytes), text_r);
}

int wide_compare(const struct wide *a, const struct wide *b)
{
    for (size_t i = 4; i-- > 0;)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

struct wide wide_add(const struct wide *a, const struct wide *b)
{
    struct wide sum;
    u128 carry = 0;
    for (size_t i = 0; i < 4; i++) {
        carry += (u128)a->limb[i] + b->limb[i];
        sum.limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return sum;
}

static struct wide subtract(const struct wide *a, const struct wide *b)
{
    struct wide difference;
    uint64_t borrow = 0;
    for (size_t i = 0; i < 4; i++) {
        u128 taken = (u128)b->limb[i] + borrow;
        difference.limb[i] = (uint64_t)((u128)a->limb[i] - taken);
        borrow = a->limb[i] < taken;
    }
    return difference;
}

static bool is_zero(const struct wide *value)
{
    return (value->limb[0] | value->limb[1] | value->limb[2] | value->limb[3]) == 0;
}

static size_t bit_length(const struct wide *value)
{
    for (size_t i = 4; i-- > 0;)
        if (value->limb[i] != 0)
            return 64 * i + 64 - (size_t)__builtin_clzll(value->limb[i]);
    return 0;
}

static struct wide shift_left(const struct wide *value, size_t by)
{
    struct wide shifted = { { 0 } };
    for (size_t i = by / 64; i < 4; i++) {
        shifted.limb[i] = value->limb[i - by / 64] << (by % 64);
        if (by % 64 != 0 && i > by / 64)
            shifted.limb[i] |= value->limb[i - by / 64 - 1] >> (64 - by % 64);
    }
    return shifted;
}

static struct wide shift_right(const struct wide *value, size_t by)
{
    struct wide shifted = { { 0 } };
    for (size_t i = 0; i + by / 64 < 4; i++) {
        shifted.limb[i] = value->limb[i + by / 64] >> (by % 64);
        if (by % 64 != 0 && i + by / 64 + 1 < 4)
            shifted.limb[i] |= value->limb[i + by / 64 + 1] << (64 - by % 64);
    }
    return shifted;
}

/* Long division, bit by bit: done once a block, so the plain way. */
static struct wide divide(struct wide numerator, const struct wide *divisor)
{
    struct wide quotient = { { 0 } };
    ASSERT(!is_zero(divisor));
    while (wide_compare(&numerator, divisor) >= 0) {
        size_t shift = bit_length(&numerator) - bit_length(divisor);
        struct wide part = shift_left(divisor, shift);
        if (wide_compare(&part, &numerator) > 0)
            part = shift_left(divisor, --shift);
        numerator = subtract(&numerator, &part);
        quotient.limb[shift / 64] |= UINT64_C(1) << (shift % 64);
    }
    return quotient;
}

struct wide target_work(const struct wide *target)
{
    /* 2^256 / (t+1) == (2^256 - t - 1) / (t+1) + 1, which fits in 256 bits. */
    const struct wide one = { { 1 } };
    struct wide inverse;
    if (is_zero(target))
        return *target;
    for (size_t i = 0; i < 4; i++)
        inverse.limb[i] = ~target->limb[i];
    struct wide divisor = wide_add(target, &one);
    struct wide quotient = divide(inverse, &divisor);
    return wide_add(&quotient, &one);
}

bool target_from_bits(uint32_t bits, struct wide *target_r)
{
    uint32_t size = bits >> 24;
    struct wide word = { { bits & 0x007fffff } };
    if ((bits & 0x00800000) != 0 || is_zero(&word))
        return false;
    if (size <= 3) {
        *target_r = shift_right(&word, 8 * (3 - (size_t)size));
    } else {
        if (bit_length(&word) + 8 * ((size_t)size - 3) > 256)
            return false;
        *target_r = shift_left(&word, 8 * ((size_t)size - 3));
    }
    const struct wide easiest = { { 0, 0, 0, UINT64_C(0x7fffff0000000000) } };
    return !is_zero(target_r) && wide_compare(target_r, &easiest) <= 0;
}

uint32_t target_to_bits(const struct wide *target)
{
    size_t size = (bit_length(target) + 7) / 8;
    struct wide word =
        size <= 3 ? shift_left(target, 8 * (3 - size)) : shift_right(target, 8 * (size - 3));
    uint32_t compact = (uint32_t)word.limb[0];
    if ((compact & 0x00800000) != 0) { /* the sign bit must stay clear */
        compact >>= 8;
        size++;
    }
    return compact | (uint32_t)size << 24;
}

bool target_met(const uint8_t digest[32], uint32_t bits)
{
    struct wide target;
    if (!target_from_bits(bits, &target))
        return false;
    struct wide hash = wide_from_le(digest);
    return wide_compare(&hash, &target) <= 0;
}

/* value * factor / divisor, rounded down; the caller knows that it fits. */
static struct wide scale(const struct wide *value, uint64_t factor, uint64_t divisor)
{
    /* Five limbs hold the product; then schoolbook division by one limb. */
    uint64_t product[5];
    u128 carry = 0;
    for (size_t i = 0; i < 4; i++) {
        carry += (u128)value->limb[i] * factor;
        product[i] = (uint64_t)carry;
        carry >>= 64;
    }
    product[4] = (uint64_t)carry;
    u128 rest = 0;
    uint64_t quotient[5];
    for (size_t i = 5; i-- > 0;) {
        rest = rest << 64 | product[i];
        quotient[i] = (uint64_t)(rest / divisor);
        rest %= divisor;
    }
    if (quotient[4] != 0)
        return (struct wide){ { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
    return (struct wide){ { quotient[0], quotient[1], quotient[2], quotient[3] } };
}

static uint32_t bits_at_most_easiest(const struct wide *target)
{
    struct wide easiest;
    bool ok = target_from_bits(TARGET_BITS_EASIEST, &easiest);
    ASSERT(ok);
    return wide_compare(target, &easiest) > 0 ? TARGET_BITS_EASIEST : target_to_bits(target);
}

uint32_t target_next_bits(uint32_t last_bits, int64_t spacing_s, uint32_t wished_s)
{
    struct wide last;
    bool ok = target_from_bits(last_bits, &last);
    ASSERT(ok && wished_s >= 1);
    uint64_t most = 12 * (uint64_t)wished_s;
    uint64_t held = spacing_s < 0 ? 0 : (uint64_t)spacing_s > most ? most : (uint64_t)spacing_s;
    struct wide next = scale(&last, 3 * (uint64_t)wished_s + held, 4 * (uint64_t)wished_s);
    if (is_zero(&next))
        next.limb[0] = 1;
    return bits_at_most_easiest(&next);
}

uint32_t target_bits_for_hashrate(uint64_t hashes_per_s, uint32_t wished_s)
{
    const struct wide all = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
    u128 hashes = (u128)hashes_per_s * wished_s;
    struct wide divisor = { { (uint64_t)hashes, (uint64_t)(hashes >> 64), 0, 0 } };
    if (is_zero(&divisor))
        return TARGET_BITS_EASIEST;
    struct wide target = divide(all, &divisor);
    return bits_at_most_easiest(&target);
}

double target_difficulty(uint32_t bits)
{
    int shift = (int)(bits >> 24);
    double difficulty = 65535.0 / (double)(bits & 0x00ffffff);
    for (; shift < 29; shift++)
        difficulty *= 256.0;
    for (; shift > 29; shift--)
        difficulty /= 256.0;
    return difficulty;
}
