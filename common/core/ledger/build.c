/* The legs of each cause. */
#include "core/ledger/ledger.h"

bool ledger_build_found(const struct ledger_reward *reward, const struct ledger_credit *credits,
                        size_t count, struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++)
        ledger_legs_add(legs, ledger_miner(credits[i].account), LEDGER_IMMATURE,
                        (int64_t)credits[i].amount.units);
    ledger_legs_add(legs, ledger_house(LEDGER_FEE), LEDGER_IMMATURE, (int64_t)reward->fee.units);
    ledger_legs_add(legs, ledger_house(LEDGER_NETWORK), LEDGER_IMMATURE,
                    -(int64_t)reward->reward.units);
    ledger_legs_add(legs, ledger_house(LEDGER_UNALLOCATED), LEDGER_IMMATURE,
                    (int64_t)reward->unallocated.units);
    ledger_legs_add(legs, ledger_house(LEDGER_RESERVE), LEDGER_IMMATURE,
                    (int64_t)reward->reserve.units);
    return ledger_legs_close(legs);
}

bool ledger_build_matured(const struct ledger_leg *found, size_t count, struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++) {
        ledger_legs_add(legs, found[i].account, LEDGER_IMMATURE, -found[i].amount);
        ledger_legs_add(legs, found[i].account, LEDGER_AVAILABLE, found[i].amount);
    }
    return ledger_legs_close(legs);
}

bool ledger_build_orphaned(const struct ledger_leg *found, size_t count, struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++)
        ledger_legs_add(legs, found[i].account, LEDGER_IMMATURE, -found[i].amount);
    return ledger_legs_close(legs);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool ledger_build_orphaned_late(const struct ledger_leg *found, size_t count,
                                const int64_t *available, int64_t reserve, struct ledger_legs *legs)
{
    int64_t missing = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t taken = found[i].amount;
        if (found[i].account.owner == LEDGER_MINER && taken > 0) {
            taken = smaller(taken, available[i] > 0 ? available[i] : 0);
            missing += found[i].amount - taken; /* ≤ the reward in all */
        } else if (found[i].account.owner == LEDGER_RESERVE) {
            reserve -= taken;
        }
        ledger_legs_add(legs, found[i].account, LEDGER_AVAILABLE, -taken);
    }
    int64_t borne = smaller(missing, reserve > 0 ? reserve : 0);
    ledger_legs_add(legs, ledger_house(LEDGER_RESERVE), LEDGER_AVAILABLE, -borne);
    ledger_legs_add(legs, ledger_house(LEDGER_LOSS), LEDGER_AVAILABLE, borne - missing);
    return ledger_legs_close(legs);
}

bool ledger_build_owed(const struct ledger_leg *found, size_t count, struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++)
        ledger_legs_add(legs, found[i].account, LEDGER_AVAILABLE, -found[i].amount);
    return ledger_legs_close(legs);
}

bool ledger_build_returned(const struct ledger_leg *orphaned, size_t count,
                           struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++)
        ledger_legs_add(legs, orphaned[i].account, LEDGER_IMMATURE, -orphaned[i].amount);
    return ledger_legs_close(legs);
}

/* Of a payment's outputs, 0 is the pool itself: it is paid from what its fees earned. */
static struct ledger_account receiver(uint64_t id)
{
    return id == 0 ? ledger_house(LEDGER_FEE) : ledger_miner(id);
}

static bool move_credits(const struct ledger_credit *credits, size_t count, enum ledger_kind from,
                         enum ledger_kind to, struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++) {
        int64_t amount = (int64_t)credits[i].amount.units;
        ledger_legs_add(legs, receiver(credits[i].account), from, -amount);
        ledger_legs_add(legs, receiver(credits[i].account), to, amount);
    }
    return ledger_legs_close(legs);
}

bool ledger_build_received(const struct ledger_emission *emission,
                           const struct ledger_credit *credits, size_t count,
                           struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++)
        ledger_legs_add(legs, receiver(credits[i].account), LEDGER_AVAILABLE,
                        (int64_t)credits[i].amount.units);
    ledger_legs_add(legs, receiver(emission->fee_account), LEDGER_AVAILABLE,
                    (int64_t)emission->fee.units);
    ledger_legs_add(legs, ledger_house(LEDGER_NETWORK), LEDGER_AVAILABLE,
                    -(int64_t)emission->reward.units);
    ledger_legs_add(legs, ledger_house(LEDGER_UNALLOCATED_POOLS), LEDGER_AVAILABLE,
                    emission->pools);
    ledger_legs_add(legs, ledger_house(LEDGER_UNALLOCATED_VALIDATORS), LEDGER_AVAILABLE,
                    emission->validators);
    return ledger_legs_close(legs);
}

bool ledger_build_restored(const struct ledger_leg *retracted, size_t count,
                           struct ledger_legs *legs)
{
    for (size_t i = 0; i < count; i++)
        ledger_legs_add(legs, retracted[i].account, retracted[i].kind, -retracted[i].amount);
    return ledger_legs_close(legs);
}

bool ledger_build_intent(const struct ledger_credit *credits, size_t count,
                         struct ledger_legs *legs)
{
    return move_credits(credits, count, LEDGER_AVAILABLE, LEDGER_IN_FLIGHT, legs);
}

bool ledger_build_voided(const struct ledger_credit *credits, size_t count,
                         struct ledger_legs *legs)
{
    return move_credits(credits, count, LEDGER_IN_FLIGHT, LEDGER_AVAILABLE, legs);
}

/* What the transaction cost is seen in the cost account. It comes out of what the receivers are
 * paid, where they bear it; the rest is the pool's, from its fee account. */
static void add_cost(const struct ledger_credit *credits, const struct money *borne, size_t count,
                     int64_t cost, int sign, struct ledger_legs *legs)
{
    int64_t rest = cost;
    for (size_t i = 0; i < count && borne != NULL; i++) {
        rest -= (int64_t)borne[i].units;
        ledger_legs_add(legs, receiver(credits[i].account), LEDGER_PAID,
                        -sign * (int64_t)borne[i].units);
    }
    ledger_legs_add(legs, ledger_house(LEDGER_FEE), LEDGER_AVAILABLE, -sign * rest);
    ledger_legs_add(legs, ledger_house(LEDGER_COST), LEDGER_PAID, sign * cost);
}

bool ledger_build_confirmed_borne(const struct ledger_credit *credits, const struct money *borne,
                                  size_t count, struct money network_fee, struct ledger_legs *legs)
{
    add_cost(credits, borne, count, (int64_t)network_fee.units, 1, legs);
    return move_credits(credits, count, LEDGER_IN_FLIGHT, LEDGER_PAID, legs);
}

bool ledger_build_reopened_borne(const struct ledger_credit *credits, const struct money *borne,
                                 size_t count, struct money network_fee, struct ledger_legs *legs)
{
    add_cost(credits, borne, count, (int64_t)network_fee.units, -1, legs);
    return move_credits(credits, count, LEDGER_PAID, LEDGER_IN_FLIGHT, legs);
}

bool ledger_build_confirmed(const struct ledger_credit *credits, size_t count,
                            struct money network_fee, struct ledger_legs *legs)
{
    return ledger_build_confirmed_borne(credits, NULL, count, network_fee, legs);
}

bool ledger_build_reopened(const struct ledger_credit *credits, size_t count,
                           struct money network_fee, struct ledger_legs *legs)
{
    return ledger_build_reopened_borne(credits, NULL, count, network_fee, legs);
}

bool ledger_build_earned(const struct ledger_credit *credits, size_t count, struct money fee,
                         struct ledger_legs *legs)
{
    struct money spent = fee;
    for (size_t i = 0; i < count; i++) {
        if (!money_add(spent, credits[i].amount, &spent))
            return false;
        ledger_legs_add(legs, ledger_miner(credits[i].account), LEDGER_AVAILABLE,
                        (int64_t)credits[i].amount.units);
    }
    ledger_legs_add(legs, ledger_house(LEDGER_FEE), LEDGER_AVAILABLE, (int64_t)fee.units);
    ledger_legs_add(legs, ledger_house(LEDGER_RESERVE), LEDGER_AVAILABLE, -(int64_t)spent.units);
    return ledger_legs_close(legs);
}

bool ledger_build_funded(struct money amount, struct ledger_legs *legs)
{
    ledger_legs_add(legs, ledger_house(LEDGER_RESERVE), LEDGER_AVAILABLE, (int64_t)amount.units);
    ledger_legs_add(legs, ledger_house(LEDGER_CAPITAL), LEDGER_AVAILABLE, -(int64_t)amount.units);
    return ledger_legs_close(legs);
}
