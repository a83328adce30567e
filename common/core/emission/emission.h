/* Emission: how a payment received from outside is split, as an iNode does it.
 *
 * The payment falls into three parts by settings that sum to the whole: the fee, the pools' and the
 * validators'. The pools' part goes to pools by score, the validators' to active validators by
 * stake; those are the weights here. What has no receiver is *carried*: it waits in an account of
 * its own, and joins its part of the next emission. A carry can also be below zero, where an
 * emission that was shared out with a carry left the chain: the next parts fill it up first.
 *
 * Every division is by largest remainder: floors first, and what is left over, unit by unit, to the
 * largest remainders; of equal ones to the one that stands first (fee, pools, validators; receivers
 * by ascending id). So parts always sum to what is split, nobody is more than one base unit off,
 * and the same weights give the same amounts wherever they are computed.
 *
 * Pure: values in, values out, into memory of the caller; any thread. Never floating point. */
#pragma once
#include "core/money/money.h"

enum { EMISSION_WHOLE = 10000, EMISSION_RECEIVERS_MAX = 4096 };

/* Parts in 1/10,000. */
struct emission_terms {
    uint32_t fee, pools, validators;
};
/* Whether they sum to the whole. */
MUST_CHECK bool emission_terms_check(const struct emission_terms *terms);

struct emission_parts {
    struct money fee, pools, validators;
};
/* fee + pools + validators = reward. Terms must be good (a bug otherwise: aborts). */
struct emission_parts emission_split(const struct emission_terms *terms, struct money reward);

/* Who gets something of a part. */
struct emission_receiver {
    uint64_t account; /* ascending, distinct */
    uint32_t weight;  /* ≥ 1 */
    uint64_t amount;  /* out: base units */
    u128 remainder;   /* what the floor left, the split's own */
};

/* Shares a part with what was carried among `count` receivers, and returns by how much the carry
 * changes: + what found no receiver, - what of it was given. Amounts + change = part, which is
 * asserted. count ≤ EMISSION_RECEIVERS_MAX. */
int64_t emission_share(struct emission_receiver *receivers, size_t count, struct money part,
                       int64_t carry);
