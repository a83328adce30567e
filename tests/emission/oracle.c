#include "tests/emission/oracle.h"

/* total by weights: floors, and then one unit each to the largest remainder, of equal ones to the
 * first. */
static void divide(uint64_t total, const uint32_t *weights, size_t count, uint64_t *amounts_r)
{
    u128 sum = 0, behind[ORACLE_RECEIVERS_MAX];
    uint64_t left = total;
    ASSERT(count <= ORACLE_RECEIVERS_MAX);
    for (size_t i = 0; i < count; i++)
        sum += weights[i];
    for (size_t i = 0; i < count; i++) {
        amounts_r[i] = (uint64_t)((u128)total * weights[i] / sum);
        behind[i] = (u128)total * weights[i] - sum * amounts_r[i];
        left -= amounts_r[i];
    }
    while (left > 0) {
        size_t most = 0;
        for (size_t i = 1; i < count; i++)
            if (behind[i] > behind[most])
                most = i;
        ASSERT(behind[most] > 0);
        behind[most] = 0;
        amounts_r[most]++;
        left--;
    }
}

/* A part with what was carried, among its receivers; what the carry changes by. */
static int64_t share(const struct emission_receiver *receivers, size_t count, uint64_t part,
                     int64_t carry, uint64_t *amounts_r)
{
    uint32_t weights[ORACLE_RECEIVERS_MAX];
    int64_t all = (int64_t)part + carry;
    ASSERT(count <= ORACLE_RECEIVERS_MAX);
    for (size_t i = 0; i < count; i++) {
        weights[i] = receivers[i].weight;
        amounts_r[i] = 0;
    }
    if (count == 0 || all <= 0)
        return (int64_t)part;
    divide((uint64_t)all, weights, count, amounts_r);
    return -carry;
}

void oracle_split(const struct emission_record *emission, const struct oracle_carry *carry,
                  struct oracle_split *split_r)
{
    const uint32_t weights[] = { emission->terms.fee, emission->terms.pools,
                                 emission->terms.validators };
    uint64_t parts[3];
    divide(emission->reward.units, weights, 3, parts);
    split_r->fee = parts[0];
    split_r->change.pools =
        share(emission->pools, emission->pool_count, parts[1], carry->pools, split_r->pools);
    split_r->change.validators = share(emission->validators, emission->validator_count, parts[2],
                                       carry->validators, split_r->validators);
    i128 given = (i128)split_r->fee + split_r->change.pools + split_r->change.validators;
    for (size_t i = 0; i < emission->pool_count; i++)
        given += split_r->pools[i];
    for (size_t i = 0; i < emission->validator_count; i++)
        given += split_r->validators[i];
    ASSERT(given == (i128)emission->reward.units);
}

void oracle_carry_on(struct oracle_carry *carry, const struct oracle_split *split, int sign)
{
    carry->pools += sign * split->change.pools;
    carry->validators += sign * split->change.validators;
}
