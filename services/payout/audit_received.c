/* Payments received from outside: what each was split among stands in its record, and what was
 * carried before it follows from the sets before it. */
#include "services/payout/audit_inside.h"

#include "services/payout/emission_legs.h"

#include <inttypes.h>
#include <stdlib.h>

static int64_t carried(const struct audit *audit, enum ledger_owner owner)
{
    const struct ledger_account house = ledger_house(owner);
    return audit_find_tally(audit, &house)->amounts.available;
}

bool audit_received(struct audit *audit, const struct set_record *set, struct error *error)
{
    uint8_t *memory = malloc(EMISSION_ARENA_BYTES);
    ASSERT(memory != NULL);
    struct arena arena = arena_over(memory, EMISSION_ARENA_BYTES);
    struct emission_record emission;
    enum store_outcome outcome =
        emission_get(audit->store, set->cause.subject, &arena, &emission, error);
    bool looked = outcome == STORE_DONE || outcome == STORE_MISSING;
    if (outcome == STORE_DONE) {
        size_t count = emission.pool_count + emission.validator_count;
        struct ledger_credit *credits = calloc(count + 1, sizeof *credits);
        struct ledger_leg *legs_memory = calloc(count + 4, sizeof *legs_memory);
        ASSERT(credits != NULL && legs_memory != NULL);
        struct ledger_legs legs = ledger_legs_over(legs_memory, count + 4);
        bool built =
            emission_legs_build(&emission, carried(audit, LEDGER_UNALLOCATED_POOLS),
                                carried(audit, LEDGER_UNALLOCATED_VALIDATORS), credits, &legs);
        if (!is_set(set, &legs, built))
            differ(audit, "posting set %" PRIu64 " is not how its emission was to be split",
                   set->seq);
        free(credits);
        free(legs_memory);
    } else if (looked || error->code == ERROR_INVALID) {
        looked = true;
        differ(audit, "posting set %" PRIu64 " credits an emission that is %s", set->seq,
               outcome == STORE_MISSING ? "not kept" : "damaged");
    }
    free(memory);
    return looked;
}

bool audit_emission(struct audit *audit, const struct wire_reward_event *event, struct error *error)
{
    uint8_t *memory = malloc(EMISSION_ARENA_BYTES);
    ASSERT(memory != NULL);
    struct arena arena = arena_over(memory, EMISSION_ARENA_BYTES);
    struct emission_record emission;
    enum store_outcome outcome =
        emission_get(audit->store, event->block_hash, &arena, &emission, error);
    bool looked = outcome == STORE_DONE || outcome == STORE_MISSING || error->code == ERROR_INVALID;
    /* The record is behind its newest event for a moment, where a scheduler died in between. */
    if (looked && (outcome != STORE_DONE || emission.reward.units != event->reward ||
                   emission.generation + 1 < event->generation))
        differ(audit,
               "what was credited of a payment received at height %" PRIu32
               " is not what the chain paid",
               event->height);
    free(memory);
    return looked;
}
