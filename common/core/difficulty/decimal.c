/* Decimal text of a difficulty, both ways, in integers.
 *
 * Writing. A double next to v = w / 2^k holds 53 significant bits, so it reads any decimal between
 * the midpoints to its two neighbours back as itself. With m the 53-bit mantissa,
 *
 *      v = m · 2^-s          lower midpoint        v         upper midpoint
 *                          ------|-----------------|-----------------|------
 *                       (2m-1) · 2^-(s+1)    2m · 2^-(s+1)     (2m+1) · 2^-(s+1)
 *
 * (the lower one is half as far where m = 2^52; the midpoints themselves count where m is even,
 * because ties go to the even mantissa). For p = 0, 1, 2 … digits behind the point, the decimals
 * are the integers d with lower ≤ d · 2^(s+2) / 10^p ≤ upper; the first p that has one is the
 * shortest, and of several the one nearest to v is taken. Everything is an integer below 2^256. */
#include "core/difficulty/difficulty.h"

#define MANTISSA_BITS 53
#define DECIMAL_TEXT_BYTES_MAX 64

static struct u256 times(struct u256 a, uint64_t b)
{
    struct u256 product;
    bool overflow = u256_multiply_u64(a, b, &product);
    ASSERT(!overflow);
    return product;
}

/* A double: mantissa · 2^-scale, 2^52 ≤ mantissa < 2^53. */
struct binary {
    uint64_t mantissa;
    unsigned scale;
};

/* The double nearest to w / 2^k, ties to the even mantissa. Its scale is positive because
 * w / 2^k < 2^48 for every k. */
static struct binary nearest_double(uint64_t w, unsigned k)
{
    int excess = 64 - MANTISSA_BITS - __builtin_clzll(w);
    if (excess <= 0)
        return (struct binary){w << -excess, k + (unsigned)-excess};
    uint64_t mantissa = w >> excess, rest = w & (((uint64_t)1 << excess) - 1);
    uint64_t half = (uint64_t)1 << (excess - 1);
    if (rest > half || (rest == half && (mantissa & 1) != 0))
        mantissa++;
    if (mantissa >> MANTISSA_BITS != 0) {
        mantissa >>= 1;
        excess++;
    }
    ASSERT(k > (unsigned)excess);
    return (struct binary){mantissa, k - (unsigned)excess};
}

static uint64_t ceil_shift(struct u256 value, unsigned bits)
{
    struct u256 floor = u256_shift_right(value, bits);
    if (u256_compare(u256_shift_left(floor, bits), value) != 0) {
        bool carry = u256_add(floor, u256_from_u64(1), &floor);
        ASSERT(!carry);
    }
    ASSERT(u256_fits_u64(floor));
    return floor.limb[0];
}

/* An integer d with lower ≤ d·2^shift ≤ upper (strictly between unless closed), nearest to value;
 * false where there is none. */
static bool integer_between(struct u256 lower, struct u256 value, struct u256 upper, unsigned shift,
                            bool closed, uint64_t *integer_r)
{
    uint64_t lowest = ceil_shift(lower, shift);
    struct u256 floor = u256_shift_right(upper, shift);
    ASSERT(u256_fits_u64(floor));
    uint64_t highest = floor.limb[0];
    if (!closed && u256_compare(u256_shift_left(u256_from_u64(lowest), shift), lower) == 0)
        lowest++;
    if (!closed && u256_compare(u256_shift_left(floor, shift), upper) == 0)
        highest--;
    if (lowest > highest)
        return false;
    /* floor(value / 2^shift + 1/2), moved into the interval. */
    struct u256 rounded;
    bool carry = u256_add(value, u256_shift_left(u256_from_u64(1), shift - 1), &rounded);
    ASSERT(!carry);
    uint64_t nearest = u256_shift_right(rounded, shift).limb[0];
    *integer_r = nearest < lowest ? lowest : nearest > highest ? highest : nearest;
    return true;
}

/* digits · 10^-places as plain text. */
static size_t write_decimal(uint64_t digits, unsigned places, char *text_r)
{
    char reversed[DIFFICULTY_TEXT_BYTES];
    size_t count = 0;
    for (unsigned place = 0; digits != 0 || place <= places; place++) {
        if (place == places && places != 0)
            reversed[count++] = '.';
        reversed[count++] = (char)('0' + (int)(digits % 10));
        digits /= 10;
    }
    ASSERT(count < DIFFICULTY_TEXT_BYTES);
    for (size_t i = 0; i < count; i++)
        text_r[i] = reversed[count - 1 - i];
    text_r[count] = '\0';
    return count;
}

size_t difficulty_format(struct work work, enum pow_algorithm algorithm,
                         char text_r[DIFFICULTY_TEXT_BYTES])
{
    if (work.expected_hashes == 0)
        return write_decimal(0, 0, text_r);
    struct binary v = nearest_double(work.expected_hashes, difficulty_shift(algorithm));
    unsigned shift = v.scale + 2; /* quarters of the mantissa's unit */
    bool narrow = v.mantissa == (uint64_t)1 << (MANTISSA_BITS - 1);
    bool closed = (v.mantissa & 1) == 0;
    struct u256 value = u256_from_u64(4 * v.mantissa);
    struct u256 lower = u256_from_u64(4 * v.mantissa - (narrow ? 1 : 2));
    struct u256 upper = u256_from_u64(4 * v.mantissa + 2);
    /* Seventeen significant digits always do; the smallest v is 2^-32 > 10^-10. */
    for (unsigned places = 0; places <= 27; places++) {
        uint64_t digits;
        if (integer_between(lower, value, upper, shift, closed, &digits) && digits != 0)
            return write_decimal(digits, places, text_r);
        lower = times(lower, 10);
        value = times(value, 10);
        upper = times(upper, 10);
    }
    ASSERT(work.expected_hashes == 0);
    return 0;
}

/* A decimal as read: digits · 10^exponent. Texts are at most 64 characters, so the digits are below
 * 10^64 < 2^213 and nothing is ever cut off. */
struct decimal {
    struct u256 digits;
    int exponent;
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Takes the digits from *at on; returns how many there were. */
static size_t read_digits(struct span text, size_t *at, struct u256 *number)
{
    size_t start = *at;
    for (; *at < text.length && is_digit(text.data[*at]); (*at)++) {
        bool carry =
            u256_add(times(*number, 10), u256_from_u64((uint64_t)(text.data[*at] - '0')), number);
        ASSERT(!carry);
    }
    return *at - start;
}

static bool read_exponent(struct span text, size_t *at, struct decimal *number)
{
    if (*at == text.length)
        return true;
    if (text.data[*at] != 'e' && text.data[*at] != 'E')
        return false;
    (*at)++;
    bool negative = *at < text.length && text.data[*at] == '-';
    if (*at < text.length && (negative || text.data[*at] == '+'))
        (*at)++;
    struct u256 exponent = U256_ZERO;
    if (read_digits(text, at, &exponent) == 0 || *at != text.length)
        return false;
    /* Beyond 10^±1000 the number is 0 or too large whatever its 64 digits are. */
    struct u256 limit = u256_from_u64(1000);
    int magnitude = u256_compare(exponent, limit) > 0 ? 1000 : (int)exponent.limb[0];
    number->exponent += negative ? -magnitude : magnitude;
    return true;
}

static bool read_decimal(struct span text, struct decimal *number_r)
{
    size_t at = 0;
    *number_r = (struct decimal){U256_ZERO, 0};
    if (text.length == 0 || text.length > DECIMAL_TEXT_BYTES_MAX)
        return false;
    if (text.data[at] == '+')
        at++;
    size_t digits = read_digits(text, &at, &number_r->digits);
    if (at < text.length && text.data[at] == '.') {
        at++;
        size_t places = read_digits(text, &at, &number_r->digits);
        number_r->exponent -= (int)places;
        digits += places;
    }
    return digits > 0 && read_exponent(text, &at, number_r);
}

/* The representable work nearest to number · 2^k: below 2^53 the nearest integer, ties upward;
 * above, the nearest of 53 bits, ties to the even mantissa, as a double is read. Capped at 2^64
 * - 1. */
static uint64_t nearest_work(struct decimal number, unsigned k)
{
    struct u256 doubled = u256_shift_left(number.digits, k + 1); /* < 2^246 */
    bool inexact = false;
    if (u256_is_zero(doubled))
        return 0;
    for (; number.exponent > 0; number.exponent--)
        if (u256_multiply_u64(doubled, 10, &doubled))
            return UINT64_MAX;
    /* floor(floor(x / 10) / 10) = floor(x / 100), so a digit at a time is exact. */
    for (; number.exponent < 0 && !u256_is_zero(doubled); number.exponent++) {
        uint64_t remainder;
        doubled = u256_divide_u64_floor(doubled, 10, &remainder);
        inexact |= remainder != 0;
    }
    unsigned length = u256_bit_length(doubled);
    if (length > 65)
        return UINT64_MAX;
    if (length <= MANTISSA_BITS + 1)
        return (doubled.limb[0] + 1) >> 1;
    unsigned drop = length - MANTISSA_BITS;
    u128 bits = u256_low_u128(doubled), half = (u128)1 << (drop - 1);
    u128 rest = bits & (((u128)1 << drop) - 1), mantissa = bits >> drop;
    if (rest > half || (rest == half && (inexact || (mantissa & 1) != 0)))
        mantissa++;
    u128 work = mantissa << (drop - 1);
    return work > UINT64_MAX ? UINT64_MAX : (uint64_t)work;
}

bool difficulty_parse(struct span text, enum pow_algorithm algorithm, struct work min,
                      struct work max, struct work *work_r)
{
    struct decimal number;
    ASSERT(min.expected_hashes >= 1 && min.expected_hashes <= max.expected_hashes);
    if (!read_decimal(text, &number))
        return false;
    uint64_t w = nearest_work(number, difficulty_shift(algorithm));
    if (w >= max.expected_hashes) /* whose own bits may be too many for a double */
        w = difficulty_representable(max).expected_hashes;
    *work_r = w < min.expected_hashes ? min : work_of(w);
    return true;
}
