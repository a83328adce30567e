/* How a set gets into the ledger: header under the next sequence, entries, header closed, balances,
 * header applied. It can be cut off between any two of them; engine_settle goes on from where the
 * store says it stands, with legs that follow from what was durable before the header. */
#include "services/payout/inside.h"

#include "service/log.h"

#include <inttypes.h>

static enum step complete(struct engine *engine, struct set_record *set,
                          const struct ledger_leg *legs, size_t count, struct error *error)
{
    struct store *store = engine->store;
    enum store_outcome outcome = STORE_DONE;
    if (set->state == SET_OPEN) {
        outcome = entry_insert_all(store, set->seq, legs, count, error);
        if (outcome == STORE_DONE)
            outcome = set_advance(store, set, SET_CLOSED, error);
    }
    if (outcome == STORE_DONE && set->state == SET_CLOSED) {
        outcome = balance_apply_all(store, set->seq, set->cause.kind, legs, count, error);
        if (outcome == STORE_DONE)
            outcome = set_advance(store, set, SET_APPLIED, error);
    }
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    engine->newest_seq = set->seq;
    engine->counters.sets_posted++;
    char cause[LEDGER_CAUSE_BYTES];
    ledger_cause_format(&set->cause, cause);
    log_info("ledger.posted", "set=%" PRIu64 " cause=%s legs=%" PRIu32 " sum=%" PRIu64, set->seq,
             cause, set->digest.leg_count, set->digest.sum);
    return STEP_DONE;
}

/* The entries of a closed set, as kept. */
static enum step read_entries(struct engine *engine, const struct set_record *set,
                              struct ledger_legs *legs_r, struct error *error)
{
    size_t count = 0;
    ENGINE_ROOM(engine, legs, set->digest.leg_count);
    enum store_outcome outcome = entry_read_all(engine->store, set->seq, engine->legs, NULL,
                                                engine->legs_capacity, &count, error);
    *legs_r = ledger_legs_over(engine->legs, engine->legs_capacity);
    legs_r->count = count;
    return engine_step_of(engine, outcome, error);
}

static bool is_whole(const struct set_record *set, const struct ledger_legs *legs)
{
    return ledger_legs_verify(&set->cause, &set->digest, legs->legs, legs->count);
}

/* The legs of an open set. What takes back what was available depends on one setting that may have
 * been changed since the set was opened: its header tells which way it was. */
static enum step rebuild(struct engine *engine, const struct set_record *set,
                         struct ledger_legs *legs_r, struct error *error)
{
    enum step step = engine_build(engine, &set->cause, legs_r, error);
    if (step != STEP_DONE || !ledger_cause_takes_back(set->cause.kind) || is_whole(set, legs_r))
        return step;
    engine->owing = !engine->owing;
    step = engine_build(engine, &set->cause, legs_r, error);
    engine->owing = !engine->owing;
    return step;
}

enum step engine_settle(struct engine *engine, struct error *error)
{
    struct set_record set;
    enum store_outcome outcome = set_newest(engine->store, &set, error);
    if (outcome == STORE_MISSING) {
        engine->newest_seq = 0;
        return STEP_DONE;
    }
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    if (set.state == SET_APPLIED) {
        engine->newest_seq = set.seq;
        return STEP_DONE;
    }
    struct ledger_legs legs;
    enum step step = set.state == SET_OPEN ? rebuild(engine, &set, &legs, error)
                                           : read_entries(engine, &set, &legs, error);
    if (step != STEP_DONE)
        return step;
    if (!is_whole(&set, &legs))
        return engine_broken(error,
                             "posting set %" PRIu64
                             " cannot be completed: its legs are not what its header says",
                             set.seq);
    log_info("ledger.completes", "set=%" PRIu64 " opened_by_epoch=%" PRIu64, set.seq, set.epoch);
    return complete(engine, &set, legs.legs, legs.count, error);
}

enum step engine_is_posted(struct engine *engine, const struct ledger_cause *cause, bool *posted_r,
                           struct error *error)
{
    struct set_record set;
    enum store_outcome outcome = set_of_cause(engine->store, cause, &set, error);
    *posted_r = outcome == STORE_DONE;
    return outcome == STORE_MISSING ? STEP_DONE : engine_step_of(engine, outcome, error);
}

enum step engine_post(struct engine *engine, const struct ledger_cause *cause,
                      uint64_t event_sequence, struct error *error)
{
    bool posted;
    struct ledger_legs legs;
    enum step step = engine_is_posted(engine, cause, &posted, error);
    if (step != STEP_DONE || posted)
        return step;
    step = engine_build(engine, cause, &legs, error);
    if (step == STEP_DONE)
        step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    struct set_record set = {
        .seq = engine->newest_seq + 1,
        .state = SET_OPEN,
        .cause = *cause,
        .digest = ledger_digest(cause, legs.legs, legs.count),
        .event_sequence = event_sequence,
        .epoch = engine->epoch,
        .time_ms = engine->now_ms,
    };
    enum store_outcome outcome = set_insert(engine->store, &set, error);
    /* The place is taken, by a rival or by an insert of ours whose answer got lost: whichever it
     * is, the next look at the store completes it. */
    if (outcome == STORE_EXISTS)
        return STEP_AGAIN;
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    return complete(engine, &set, legs.legs, legs.count, error);
}
