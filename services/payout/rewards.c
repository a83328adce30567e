/* From reward events to posting sets, one by one and in order. What was processed last is the event
 * sequence in the newest set that has one: marker and money are one durable step. */
#include "services/payout/inside.h"

#include "service/log.h"

#include <inttypes.h>

static enum step handle(struct engine *engine, const struct wire_reward_event *event,
                        struct error *error)
{
    enum ledger_cause_kind kind;
    enum step step = STEP_DONE;
    switch (event->kind) {
    case WIRE_REWARD_FOUND:
        kind = LEDGER_FOUND;
        break;
    case WIRE_REWARD_MATURED:
        kind = LEDGER_MATURED;
        break;
    case WIRE_REWARD_ORPHANED:
        kind = LEDGER_ORPHANED;
        break;
    case WIRE_REWARD_RECEIVED:
        kind = LEDGER_RECEIVED;
        break;
    case WIRE_REWARD_RETRACTED:
        kind = LEDGER_RETRACTED;
        break;
    case WIRE_REWARD_TAKEN_OVER:
        return STEP_DONE; /* between schedulers alone; its place in the log is passed */
    default:
        return engine_broken(error, "reward event %" PRIu64 " is of unknown kind %u",
                             event->sequence, (unsigned)event->kind);
    }
    if (event->generation == 0 || event->reward > MONEY_MAX)
        return engine_broken(error, "reward event %" PRIu64 " makes no sense", event->sequence);
    struct ledger_cause cause =
        kind == LEDGER_RECEIVED || kind == LEDGER_RETRACTED
            ? ledger_cause_received(kind, event->block_hash, event->generation)
            : ledger_cause_block(kind, event->block_hash, event->generation);
    if (kind == LEDGER_FOUND) {
        engine->network_work = (u128)event->network_work_high << 64 | event->network_work_low;
        step = engine_snapshot(engine, event, error);
        if (step == STEP_DONE)
            step = engine_prove(engine, event->block_hash, error);
    } else if (kind == LEDGER_ORPHANED) {
        /* Before anybody bears a loss: what is not signed yet is not paid yet. Whether the block
         * had matured decides if that matters. */
        struct ledger_cause maturing = cause;
        bool matured, reversed;
        maturing.kind = LEDGER_MATURED;
        step = engine_is_posted(engine, &maturing, &matured, error);
        if (step == STEP_DONE)
            step = engine_is_posted(engine, &cause, &reversed, error);
        if (step == STEP_DONE && matured && !reversed)
            step = engine_recall(engine, error);
    } else if (kind == LEDGER_RETRACTED) {
        bool reversed;
        step = engine_is_posted(engine, &cause, &reversed, error);
        if (step == STEP_DONE && !reversed)
            step = engine_recall(engine, error);
    }
    if (step == STEP_DONE)
        step = engine_post(engine, &cause, event->sequence, error);
    if (step == STEP_DONE && kind == LEDGER_FOUND &&
        !window_candidate_done(engine->window, event->block_hash, error))
        /* The candidate stays and is cleaned up with the others (care.c). */
        (void)engine_window_away(engine, error);
    return step;
}

struct events {
    struct wire_reward_event list[ENGINE_EVENTS_AT_ONCE];
    size_t count;
};

static bool gather(void *context, const struct wire_reward_event *event)
{
    struct events *events = context;
    events->list[events->count++] = *event;
    return events->count < ENGINE_EVENTS_AT_ONCE;
}

enum step engine_rewards(struct engine *engine, struct error *error)
{
    struct set_record set;
    enum store_outcome outcome = set_newest_of_events(engine->store, &set, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    if (outcome == STORE_DONE && set.event_sequence > engine->event_cursor)
        engine->event_cursor = set.event_sequence;
    struct events events;
    do {
        events.count = 0;
        outcome = event_walk(engine->store, engine->event_cursor, ENGINE_EVENTS_AT_ONCE, gather,
                             &events, error);
        if (outcome != STORE_DONE)
            return engine_step_of(engine, outcome, error);
        for (size_t i = 0; i < events.count; i++) {
            enum step step = handle(engine, &events.list[i], error);
            if (step != STEP_DONE)
                return step;
            engine->event_cursor = events.list[i].sequence;
        }
    } while (events.count == ENGINE_EVENTS_AT_ONCE);
    return STEP_DONE;
}
