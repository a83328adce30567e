#include "services/payout/emission_legs.h"

static size_t credit(const struct emission_receiver *receivers, size_t count,
                     struct ledger_credit *credits)
{
    for (size_t i = 0; i < count; i++)
        credits[i] = (struct ledger_credit){ receivers[i].account, { receivers[i].amount } };
    return count;
}

/* What sharing it takes for granted: a carry and a part together are an amount of money. */
static bool can_be_shared(struct money part, int64_t carry)
{
    return part.units <= MONEY_MAX && (i128)part.units + carry <= (i128)MONEY_MAX;
}

bool emission_legs_build(struct emission_record *emission, int64_t pools_carry,
                         int64_t validators_carry, struct ledger_credit *credits,
                         struct ledger_legs *legs)
{
    if (emission->reward.units > MONEY_MAX || !emission_terms_check(&emission->terms))
        return false;
    struct emission_parts parts = emission_split(&emission->terms, emission->reward);
    if (!can_be_shared(parts.pools, pools_carry) ||
        !can_be_shared(parts.validators, validators_carry))
        return false;
    struct ledger_emission set = { .reward = emission->reward,
                                   .fee = parts.fee,
                                   .fee_account = emission->fee_account };
    set.pools = emission_share(emission->pools, emission->pool_count, parts.pools, pools_carry);
    set.validators = emission_share(emission->validators, emission->validator_count,
                                    parts.validators, validators_carry);
    size_t count = credit(emission->pools, emission->pool_count, credits);
    count += credit(emission->validators, emission->validator_count, credits + count);
    return ledger_build_received(&set, credits, count, legs);
}
