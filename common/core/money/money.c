#include "core/money/money.h"

#include "base/u256.h"

bool money_from_u64(uint64_t units, struct money *money_r)
{
    if (units > MONEY_MAX)
        return false;
    money_r->units = units;
    return true;
}

bool money_add(struct money a, struct money b, struct money *sum_r)
{
    /* Two amounts of at most 2^63 - 1 cannot wrap 64 bits. */
    return money_from_u64(a.units + b.units, sum_r);
}

bool money_subtract(struct money a, struct money b, struct money *difference_r)
{
    if (b.units > a.units)
        return false;
    difference_r->units = a.units - b.units;
    return true;
}

static unsigned bit_length(u128 value)
{
    uint64_t high = (uint64_t)(value >> 64), low = (uint64_t)value;
    if (high != 0)
        return 128 - (unsigned)__builtin_clzll(high);
    return low == 0 ? 0 : 64 - (unsigned)__builtin_clzll(low);
}

struct money money_share_floor(struct money amount, u128 numerator, u128 denominator,
                               u128 *remainder_r)
{
    ASSERT(denominator != 0 && numerator <= denominator && amount.units <= MONEY_MAX);
    u128 quotient, remainder;
    if (bit_length(amount.units) + bit_length(numerator) <= 128) {
        u128 product = numerator * amount.units;
        quotient = product / denominator;
        remainder = product - quotient * denominator;
    } else {
        struct u256 product, rest;
        bool lost = u256_multiply_u64(u256_from_u128(numerator), amount.units, &product);
        ASSERT(!lost);
        struct u256 whole = u256_divide_floor(product, u256_from_u128(denominator), &rest);
        quotient = u256_low_u128(whole);
        remainder = u256_low_u128(rest);
    }
    ASSERT(quotient <= amount.units && remainder < denominator);
    if (remainder_r != NULL)
        *remainder_r = remainder;
    return (struct money){ (uint64_t)quotient };
}

struct money_cut money_cut_fee(struct money amount, uint32_t basis_points)
{
    struct money_cut cut;
    cut.fee = money_share_floor(amount, basis_points, MONEY_BASIS_POINTS, NULL);
    cut.rest.units = amount.units - cut.fee.units;
    return cut;
}
