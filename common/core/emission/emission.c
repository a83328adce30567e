#include "core/emission/emission.h"

bool emission_terms_check(const struct emission_terms *terms)
{
    return (uint64_t)terms->fee + terms->pools + terms->validators == EMISSION_WHOLE;
}

/* Whether remainder a is to be served before b, of places i before k. */
static bool before(u128 a, size_t i, u128 b, size_t k)
{
    return a != b ? a > b : i < k;
}

struct emission_parts emission_split(const struct emission_terms *terms, struct money reward)
{
    const uint32_t weights[] = { terms->fee, terms->pools, terms->validators };
    u128 remainders[3];
    uint64_t amounts[3], left = reward.units;
    ASSERT(emission_terms_check(terms));
    for (size_t i = 0; i < 3; i++) {
        amounts[i] = money_share_floor(reward, weights[i], EMISSION_WHOLE, &remainders[i]).units;
        left -= amounts[i];
    }
    ASSERT(left < 3); /* each floor leaves less than one */
    for (size_t i = 0; i < 3; i++) {
        size_t rank = 0;
        for (size_t k = 0; k < 3; k++)
            rank += k != i && before(remainders[k], k, remainders[i], i);
        amounts[i] += rank < left;
    }
    return (struct emission_parts){ { amounts[0] }, { amounts[1] }, { amounts[2] } };
}

/* How many are served before the one at this place. */
static size_t rank_of(const struct emission_receiver *receivers, size_t count, size_t place)
{
    size_t rank = 0;
    for (size_t i = 0; i < count; i++)
        rank += i != place && before(receivers[i].remainder, i, receivers[place].remainder, place);
    return rank;
}

int64_t emission_share(struct emission_receiver *receivers, size_t count, struct money part,
                       int64_t carry)
{
    ASSERT(count <= EMISSION_RECEIVERS_MAX && part.units <= MONEY_MAX);
    i128 both = (i128)part.units + carry;
    u128 weights = 0;
    for (size_t i = 0; i < count; i++) {
        ASSERT(receivers[i].weight >= 1 &&
               (i == 0 || receivers[i - 1].account < receivers[i].account));
        weights += receivers[i].weight;
        receivers[i].amount = 0;
    }
    if (count == 0 || both <= 0)
        return (int64_t)part.units;
    ASSERT(both <= (i128)MONEY_MAX);
    struct money total = { (uint64_t)both };
    uint64_t left = total.units;
    for (size_t i = 0; i < count; i++) {
        receivers[i].amount =
            money_share_floor(total, receivers[i].weight, weights, &receivers[i].remainder).units;
        left -= receivers[i].amount;
    }
    ASSERT(left < count || left == 0);
    for (size_t i = 0; i < count && left > 0; i++)
        receivers[i].amount += rank_of(receivers, count, i) < left;
    uint64_t given = 0;
    for (size_t i = 0; i < count; i++)
        given += receivers[i].amount;
    ASSERT(given == total.units);
    return -carry;
}
