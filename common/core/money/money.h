/* Amounts of a coin in its base units, and the only divisions they undergo. Every division names
 * who keeps the remainder; nothing is ever rounded to nearest, nothing is ever lost. No floating
 * point. Pure values; any thread. */
#pragma once
#include "base/bytes.h"

/* Base units. At most MONEY_MAX, so that an amount and its negation fit the signed 64 bits that
 * ledger entries and the store keep. */
struct money {
    uint64_t units;
};

#define MONEY_MAX ((uint64_t)INT64_MAX)
#define MONEY_ZERO ((struct money){ 0 })
#define MONEY_BASIS_POINTS 10000u

/* False, with *money_r untouched, above MONEY_MAX. */
MUST_CHECK bool money_from_u64(uint64_t units, struct money *money_r);

/* False, with the result untouched, where it would exceed MONEY_MAX or fall below zero. */
MUST_CHECK bool money_add(struct money a, struct money b, struct money *sum_r);
MUST_CHECK bool money_subtract(struct money a, struct money b, struct money *difference_r);

/* floor(amount · numerator / denominator), and in *remainder_r (may be NULL) what the floor left of
 * amount · numerator, in units of 1/denominator. 0 ≤ numerator ≤ denominator, denominator > 0 (a
 * bug otherwise: aborts), so the quotient never exceeds the amount. */
struct money money_share_floor(struct money amount, u128 numerator, u128 denominator,
                               u128 *remainder_r);

/* Cuts an amount in two: `fee` is floor(amount · basis_points / 10000), `rest` is all the rest. The
 * remainder of the division belongs to the rest, that is, to the miners. basis_points ≤ 10000. */
struct money_cut {
    struct money fee;
    struct money rest;
};
struct money_cut money_cut_fee(struct money amount, uint32_t basis_points);
