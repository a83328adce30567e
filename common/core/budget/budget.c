#include "core/budget/budget.h"

enum {
    STRIKES_A_STEP = 4,       /* so many invalid shares halve the rate */
    FORGIVE_MS = 10000,       /* an address loses a strike each so often */
    ADDRESS_STRIKES_STEP = 8, /* of an address, which has many sessions */
};

static uint64_t interval_us(const struct budget_params *params, uint32_t strikes, uint32_t step)
{
    uint64_t interval = (uint64_t)params->share_interval_ms * 1000 / params->multiple;
    return (interval > 0 ? interval : 1) << strikes / step;
}

/* Whether `hashes` more keep within the burst, and what time stamp they lead to. */
static bool within(uint64_t ahead_us, uint64_t interval, uint64_t burst, uint32_t hashes,
                   uint64_t now_us, uint64_t *ahead_us_r)
{
    uint64_t from = ahead_us > now_us ? ahead_us : now_us;
    *ahead_us_r = from + interval * hashes;
    return *ahead_us_r - now_us <= interval * burst || (from == now_us && hashes > burst);
}

static void forgive(struct budget_address *address, uint64_t now_ms)
{
    uint64_t times = (now_ms - address->forgiven_ms) / FORGIVE_MS;
    if (times == 0)
        return;
    address->strikes = times < address->strikes ? (uint8_t)(address->strikes - times) : 0;
    address->forgiven_ms = now_ms;
}

/* Whether an account of unproven sessions has so many left, and what time stamp they lead to. */
static bool has_left(struct budget_address *address, const struct budget_params *params,
                     uint32_t hashes, uint64_t now_ms, uint64_t *ahead_us_r)
{
    const uint64_t full = interval_us(params, 0, STRIKES_A_STEP);
    if (address == NULL)
        return true;
    forgive(address, now_ms);
    uint32_t sessions = address->sessions > 1 ? address->sessions : 1;
    sessions = sessions < BUDGET_ADDRESS_SESSIONS_MAX ? sessions : BUDGET_ADDRESS_SESSIONS_MAX;
    uint64_t interval = interval_us(params, address->strikes, ADDRESS_STRIKES_STEP) / sessions;
    interval = interval > 0 ? interval : 1;
    uint64_t burst = full * params->burst / interval;
    return within(address->ahead_us, interval, burst > 0 ? burst : 1, hashes, now_ms * 1000,
                  ahead_us_r);
}

bool budget_take(struct budget *budget, const struct budget_origin *origin,
                 const struct budget_params *params, uint32_t hashes, uint64_t now_ms)
{
    ASSERT(hashes >= 1 && params->share_interval_ms >= 1 && params->burst >= 1);
    if (params->multiple == 0)
        return true;
    /* With strikes the burst shrinks with the rate: what it may have at once stays the same time.
     */
    const uint64_t full = interval_us(params, 0, STRIKES_A_STEP);
    const uint64_t interval = interval_us(params, budget->strikes, STRIKES_A_STEP);
    const uint64_t burst = full * params->burst / interval;
    uint64_t ahead_us, address_us = 0, network_us = 0;
    if (!within(budget->ahead_us, interval, burst > 0 ? burst : 1, hashes, now_ms * 1000,
                &ahead_us))
        return false;
    if (!budget->proven) {
        if (!has_left(origin->address, params, hashes, now_ms, &address_us) ||
            !has_left(origin->network, params, hashes, now_ms, &network_us))
            return false;
        if (origin->address != NULL)
            origin->address->ahead_us = address_us;
        if (origin->network != NULL)
            origin->network->ahead_us = network_us;
    }
    budget->ahead_us = ahead_us;
    return true;
}

static void strike(struct budget_address *address, uint64_t now_ms)
{
    if (address == NULL)
        return;
    if (address->strikes == 0)
        address->forgiven_ms = now_ms;
    if (address->strikes < BUDGET_STRIKES_MAX)
        address->strikes++;
}

void budget_verdict(struct budget *budget, const struct budget_origin *origin, bool accepted,
                    uint64_t now_ms)
{
    if (accepted) {
        if (budget->strikes > 0)
            budget->strikes--;
        budget->proven = budget->strikes == 0;
        return;
    }
    if (budget->strikes < BUDGET_STRIKES_MAX)
        budget->strikes++;
    budget->proven = budget->proven && budget->strikes < STRIKES_A_STEP;
    if (budget->proven)
        return;
    strike(origin->address, now_ms);
    strike(origin->network, now_ms);
}

void budget_join(struct budget_address *address)
{
    address->sessions++;
}

void budget_leave(struct budget_address *address)
{
    ASSERT(address->sessions > 0);
    address->sessions--;
}

bool budget_forgettable(const struct budget_address *address, uint64_t now_ms)
{
    return address->sessions == 0 && address->ahead_us <= now_ms * 1000 &&
           (now_ms - address->forgiven_ms) / FORGIVE_MS >= address->strikes;
}
