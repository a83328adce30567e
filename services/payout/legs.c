/* From a cause to its legs, by what is durable alone: the snapshot of a block, the entries of the
 * sets before it, the outputs of a payment. Asked once when a set is opened, and again when one is
 * found open; the answers are the same because nothing they read can change in between. */
#include "services/payout/inside.h"
#include "record/emission/emission_record.h"
#include "services/payout/emission_legs.h"
#include "services/payout/payment_legs.h"

#include <inttypes.h>
#include <stdlib.h>

/* The legs of an earlier set of the same subject, into engine->source. */
static enum step read_source(struct engine *engine, const struct ledger_cause *cause,
                             enum ledger_cause_kind kind, uint32_t generation, size_t *count_r,
                             struct error *error)
{
    struct ledger_cause earlier = *cause;
    struct set_record set;
    earlier.kind = kind;
    earlier.generation = generation;
    enum store_outcome outcome = set_of_cause(engine->store, &earlier, &set, error);
    if (outcome == STORE_MISSING) {
        char text[LEDGER_CAUSE_BYTES], missing[LEDGER_CAUSE_BYTES];
        ledger_cause_format(cause, text);
        ledger_cause_format(&earlier, missing);
        return engine_broken(error, "%s cannot be posted, because %s never was", text, missing);
    }
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    ENGINE_ROOM(engine, source, set.digest.leg_count);
    outcome = entry_read_all(engine->store, set.seq, engine->source, NULL, engine->source_capacity,
                             count_r, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    if (set.state == SET_OPEN ||
        !ledger_legs_verify(&set.cause, &set.digest, engine->source, *count_r))
        return engine_broken(
            error, "the entries of posting set %" PRIu64 " are not what its header says", set.seq);
    return STEP_DONE;
}

static enum step build_found(struct engine *engine, const struct ledger_cause *cause,
                             struct ledger_legs *legs, struct error *error)
{
    struct snapshot_record snapshot;
    enum store_outcome outcome = snapshot_get(engine->store, cause->subject, &snapshot, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    ENGINE_ROOM(engine, parts, snapshot.accounts);
    ENGINE_ROOM(engine, credits, snapshot.accounts);
    outcome = snapshot_parts(engine->store, &snapshot, engine->parts, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    for (uint32_t i = 0; i < snapshot.accounts; i++)
        engine->credits[i] =
            (struct ledger_credit){ engine->parts[i].account, { engine->parts[i].amount } };
    ENGINE_ROOM(engine, legs, snapshot.accounts + (size_t)4);
    *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
    const struct ledger_reward reward = { snapshot.reward, snapshot.fee, snapshot.unallocated,
                                          snapshot.reserve };
    if (!ledger_build_found(&reward, engine->credits, snapshot.accounts, legs))
        return engine_broken(error, "the snapshot at height %" PRIu32 " does not sum to its reward",
                             snapshot.height);
    return STEP_DONE;
}

/* What the accounts of engine->source have available. */
struct available {
    const struct ledger_leg *legs;
    size_t count;
    int64_t *amounts;
    int64_t reserve;
    size_t next;
};

static bool note_available(void *context, const struct balance_record *balance)
{
    struct available *available = context;
    if (balance->account.owner == LEDGER_RESERVE)
        available->reserve = balance->amounts.available;
    if (balance->account.owner != LEDGER_MINER)
        return true;
    while (available->next < available->count &&
           ledger_account_compare(&available->legs[available->next].account, &balance->account) < 0)
        available->next++;
    for (size_t i = available->next;
         i < available->count &&
         ledger_account_compare(&available->legs[i].account, &balance->account) == 0;
         i++)
        available->amounts[i] = balance->amounts.available;
    return true;
}

/* A block that left the best chain; or, where it was available at once, a payment received. */
static enum step build_orphaned(struct engine *engine, const struct ledger_cause *cause,
                                struct ledger_legs *legs, struct error *error)
{
    size_t count = 0;
    bool matured = true;
    const bool block = cause->kind == LEDGER_ORPHANED;
    struct ledger_cause maturing = *cause;
    maturing.kind = LEDGER_MATURED;
    enum step step = read_source(engine, cause, block ? LEDGER_FOUND : LEDGER_RECEIVED,
                                 cause->generation, &count, error);
    if (step == STEP_DONE && block)
        step = engine_is_posted(engine, &maturing, &matured, error);
    if (step != STEP_DONE)
        return step;
    ENGINE_ROOM(engine, legs, 2 * count + 2);
    *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
    bool built;
    if (matured && engine->owing) {
        built = ledger_build_owed(engine->source, count, legs);
    } else if (matured) {
        ENGINE_ROOM(engine, amounts, count + 1);
        struct available available = { engine->source, count, engine->amounts, 0, 0 };
        memset(engine->amounts, 0, (count + 1) * sizeof *engine->amounts);
        enum store_outcome outcome = balance_walk(engine->store, note_available, &available, error);
        if (outcome != STORE_DONE)
            return engine_step_of(engine, outcome, error);
        built = ledger_build_orphaned_late(engine->source, count, available.amounts,
                                           available.reserve, legs);
    } else {
        built = ledger_build_orphaned(engine->source, count, legs);
    }
    return built ? STEP_DONE : engine_broken(error, "a reversal does not balance");
}

static enum step build_matured(struct engine *engine, const struct ledger_cause *cause,
                               struct ledger_legs *legs, struct error *error)
{
    size_t count = 0;
    enum step step = read_source(engine, cause, LEDGER_FOUND, cause->generation, &count, error);
    if (step != STEP_DONE)
        return step;
    ENGINE_ROOM(engine, legs, 2 * count);
    *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
    return ledger_build_matured(engine->source, count, legs)
               ? STEP_DONE
               : engine_broken(error, "a maturing does not balance");
}

static enum step build_returned(struct engine *engine, const struct ledger_cause *cause,
                                struct ledger_legs *legs, struct error *error)
{
    size_t count = 0;
    enum step step =
        read_source(engine, cause, LEDGER_ORPHANED, cause->generation - 1, &count, error);
    if (step != STEP_DONE)
        return step;
    ENGINE_ROOM(engine, legs, count);
    *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
    return ledger_build_returned(engine->source, count, legs)
               ? STEP_DONE
               : engine_broken(error, "a returned block's credits do not balance");
}

static enum step read_carry(struct engine *engine, enum ledger_owner owner, int64_t *carry_r,
                            struct error *error)
{
    const struct ledger_account house = ledger_house(owner);
    struct balance_record balance;
    enum store_outcome outcome = balance_get(engine->store, &house, &balance, error);
    *carry_r = balance.amounts.available;
    return outcome == STORE_MISSING ? STEP_DONE : engine_step_of(engine, outcome, error);
}

/* Credited for the first time: by its record, and by what was carried until now (every set before
 * is applied when this is asked, and this one to no balance). */
static enum step build_received(struct engine *engine, const struct ledger_cause *cause,
                                struct ledger_legs *legs, struct error *error)
{
    int64_t pools = 0, validators = 0;
    uint8_t *memory = NULL;
    size_t memory_bytes = 0;
    struct emission_record emission;
    bool built = false;
    enum step step = read_carry(engine, LEDGER_UNALLOCATED_POOLS, &pools, error);
    if (step == STEP_DONE)
        step = read_carry(engine, LEDGER_UNALLOCATED_VALIDATORS, &validators, error);
    if (step != STEP_DONE)
        return step;
    memory = engine_grow(memory, &memory_bytes, EMISSION_ARENA_BYTES, 1);
    struct arena arena = arena_over(memory, memory_bytes);
    step = engine_step_of(
        engine, emission_get(engine->store, cause->subject, &arena, &emission, error), error);
    if (step == STEP_DONE) {
        size_t count = emission.pool_count + emission.validator_count;
        ENGINE_ROOM(engine, credits, count + 1);
        ENGINE_ROOM(engine, legs, count + 4);
        *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
        built = emission_legs_build(&emission, pools, validators, engine->credits, legs);
    }
    free(memory);
    return step != STEP_DONE || built ? step : engine_broken(error, "an emission cannot be split");
}

/* Credited again: what its last retraction took comes back. */
static enum step build_restored(struct engine *engine, const struct ledger_cause *cause,
                                struct ledger_legs *legs, struct error *error)
{
    size_t count = 0;
    enum step step =
        read_source(engine, cause, LEDGER_RETRACTED, cause->generation - 1, &count, error);
    if (step != STEP_DONE)
        return step;
    ENGINE_ROOM(engine, legs, count);
    *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
    return ledger_build_restored(engine->source, count, legs)
               ? STEP_DONE
               : engine_broken(error, "a restored payment's credits do not balance");
}

static enum step build_payment(struct engine *engine, const struct ledger_cause *cause,
                               struct ledger_legs *legs, struct error *error)
{
    /* An arena of its own: the caller may hold the same payment in the engine's. */
    struct payment_record payment;
    uint8_t *memory = NULL;
    size_t memory_bytes = 0;
    memory = engine_grow(memory, &memory_bytes, ENGINE_ARENA_BYTES, 1);
    struct arena arena = arena_over(memory, memory_bytes);
    bool built = false, intended = true;
    enum step step = engine_step_of(
        engine, payment_get(engine->store, ledger_cause_number(cause), &arena, &payment, error),
        error);
    if (step == STEP_DONE && cause->kind == LEDGER_VOIDED) {
        struct ledger_cause intent = ledger_cause_payment(LEDGER_INTENT, payment.number, 1);
        step = engine_is_posted(engine, &intent, &intended, error);
    }
    if (step == STEP_DONE) {
        ENGINE_ROOM(engine, legs, 3 * payment.output_count + 2);
        *legs = ledger_legs_over(engine->legs, engine->legs_capacity);
        built = payment_legs_build(&payment, cause->kind, payment.fee, intended, legs);
    }
    free(memory);
    if (step != STEP_DONE || built)
        return step;
    return engine_broken(error, "payment %" PRIu64 " does not balance", ledger_cause_number(cause));
}

enum step engine_build(struct engine *engine, const struct ledger_cause *cause,
                       struct ledger_legs *legs_r, struct error *error)
{
    switch (cause->kind) {
    case LEDGER_FOUND:
        return cause->generation == 1 ? build_found(engine, cause, legs_r, error)
                                      : build_returned(engine, cause, legs_r, error);
    case LEDGER_MATURED:
        return build_matured(engine, cause, legs_r, error);
    case LEDGER_ORPHANED:
    case LEDGER_RETRACTED:
        return build_orphaned(engine, cause, legs_r, error);
    case LEDGER_RECEIVED:
        return cause->generation == 1 ? build_received(engine, cause, legs_r, error)
                                      : build_restored(engine, cause, legs_r, error);
    case LEDGER_INTENT:
    case LEDGER_CONFIRMED:
    case LEDGER_REOPENED:
    case LEDGER_VOIDED:
        return build_payment(engine, cause, legs_r, error);
    case LEDGER_FUNDED:
        ENGINE_ROOM(engine, legs, (size_t)2);
        *legs_r = ledger_legs_over(engine->legs, engine->legs_capacity);
        return ledger_build_funded(ledger_cause_amount(cause), legs_r)
                   ? STEP_DONE
                   : engine_broken(error, "a deposit is out of range");
    case LEDGER_EARNED:
        return engine_build_earned(engine, cause, legs_r, error);
    }
    return engine_broken(error, "a cause of unknown kind");
}
