/* How a found block is shared: its window is read back from its own share, its reward is split, and
 * both are kept for good before anything is posted.
 *
 * Where the window ends, in this order:
 *   - at the candidate's position, which the window resolved when the share was appended;
 *   - a candidate that is not there (it was recorded by nobody, or is still on its way) is waited
 *     for; after candidate_wait_ms it ends with the found share's batch, if that is there;
 *   - else with the newest share that is not younger than the event.
 * A window without any share leaves the miners' part to `unallocated`: whoever found the block had
 * no share counted, and nobody else did either. */
#include "services/payout/inside.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TABLE_BITS_FIRST = 12, TABLE_BITS_STEP = 2, TABLE_BITS_MAX = 30 };

struct found_end {
    bool empty;
    struct window_position end;
};

static bool note_candidate(void *context, const struct window_found *found)
{
    struct found_end *end = context;
    end->empty = found->empty;
    end->end = found->end;
    return false;
}

struct end_search {
    const struct wire_reward_event *event;
    struct window_position by_id, by_time;
    bool has_id, has_time;
};

static bool look_for_end(void *context, struct window_position first, uint64_t lease_id,
                         uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct end_search *search = context;
    const struct wire_reward_event *event = search->event;
    if (count == 0)
        return true;
    if (lease_id == event->lease_id && sequence == event->batch_sequence) {
        search->by_id = first;
        search->by_id.index = event->index < count ? event->index : (uint32_t)count - 1;
        search->has_id = true;
        return false;
    }
    for (size_t i = count; i-- > 0 && !search->has_time;)
        if (shares[i].time_ms <= event->time_ms) {
            search->by_time = first;
            search->by_time.index = (uint32_t)i;
            search->has_time = true;
        }
    return true;
}

static enum step find_end(struct engine *engine, const struct wire_reward_event *event,
                          struct found_end *end_r, struct error *error)
{
    bool found;
    if (!window_candidate_get(engine->window, event->block_hash, note_candidate, end_r, &found,
                              error))
        return engine_window_away(engine, error);
    if (found)
        return STEP_DONE;
    if (engine->now_ms < event->time_ms + engine->options.candidate_wait_ms)
        return STEP_WAIT;
    struct end_search search = { .event = event };
    if (!window_walk_back(engine->window, NULL, look_for_end, &search, error))
        return engine_window_away(engine, error);
    end_r->empty = !search.has_id && !search.has_time;
    end_r->end = search.has_id ? search.by_id : search.by_time;
    log_warn("payout.no_candidate", "event=%" PRIu64 " window_ends=%s", event->sequence,
             search.has_id     ? "with_its_batch"
             : search.has_time ? "by_time"
                               : "empty");
    return STEP_DONE;
}

struct filling {
    struct engine *engine;
    struct pplns_table table;
    struct window_position end;
    struct window_position oldest;
    const struct window_position *after; /* neither it nor what is older counts; NULL: none */
};

static void grow_table(struct filling *filling)
{
    unsigned bits = filling->table.bits + TABLE_BITS_STEP;
    ASSERT(bits <= TABLE_BITS_MAX);
    struct pplns_slot *slots = malloc(sizeof *slots << bits);
    ASSERT(slots != NULL);
    pplns_move(&filling->table, slots, bits);
    free(filling->engine->slots);
    filling->engine->slots = slots;
    filling->engine->slots_bits = bits;
}

static bool fill(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
                 const struct window_share *shares, size_t count)
{
    (void)lease_id;
    (void)sequence;
    struct filling *filling = context;
    if (first.high == filling->end.high && first.low == filling->end.low &&
        count > (size_t)filling->end.index + 1)
        count = (size_t)filling->end.index + 1;
    for (size_t i = count; i-- > 0;) {
        enum pplns_outcome outcome;
        struct window_position here = { first.high, first.low, (uint32_t)i };
        if (filling->after != NULL && window_position_compare(&here, filling->after) <= 0)
            return false;
        if (i >= PPLNS_AHEAD)
            pplns_announce(&filling->table, shares[i - PPLNS_AHEAD].account);
        while ((outcome = pplns_add(&filling->table, shares[i].account, shares[i].work)) ==
               PPLNS_CROWDED)
            grow_table(filling);
        filling->oldest = here;
        if (outcome == PPLNS_FILLED)
            return false;
    }
    return true;
}

static enum step compute(struct engine *engine, const struct wire_reward_event *event,
                         const struct found_end *end, struct snapshot_record *snapshot,
                         size_t *count_r, struct error *error)
{
    if (engine->slots == NULL) {
        engine->slots_bits = TABLE_BITS_FIRST;
        engine->slots = malloc(sizeof *engine->slots << TABLE_BITS_FIRST);
        ASSERT(engine->slots != NULL);
    }
    struct filling filling = { .engine = engine,
                               .end = end->end,
                               .oldest = end->end,
                               .after = snapshot->has_after ? &snapshot->after : NULL };
    pplns_init(&filling.table, engine->slots, engine->slots_bits, snapshot->window_work);
    if (!end->empty && !window_walk_back(engine->window, &end->end, fill, &filling, error))
        return engine_window_away(engine, error);
    size_t count = filling.table.accounts;
    ENGINE_ROOM(engine, parts, count + 1);
    pplns_collect(&filling.table, engine->parts);
    snapshot->reward.units = event->reward;
    snapshot->filled = filling.table.filled;
    snapshot->shares = filling.table.shares;
    snapshot->oldest = filling.oldest;
    *count_r = count;
    return engine_share(engine, snapshot, count_r, error);
}

enum step engine_snapshot(struct engine *engine, const struct wire_reward_event *event,
                          struct error *error)
{
    struct snapshot_record snapshot;
    struct found_end end;
    size_t count = 0;
    enum store_outcome outcome = snapshot_get(engine->store, event->block_hash, &snapshot, error);
    if (outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    enum step step = find_end(engine, event, &end, error);
    if (step != STEP_DONE)
        return step;
    snapshot = (struct snapshot_record){
        .height = event->height,
        .network_work = engine->network_work,
        .empty = end.empty,
        .end = end.end,
        .time_ms = engine->now_ms,
    };
    memcpy(snapshot.block_hash, event->block_hash, sizeof snapshot.block_hash);
    step = engine_terms(engine, event, &snapshot, error);
    if (step == STEP_DONE)
        step = compute(engine, event, &end, &snapshot, &count, error);
    if (step == STEP_DONE)
        step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    outcome = snapshot_insert(engine->store, &snapshot, engine->parts, count, error);
    if (outcome == STORE_DONE) {
        engine->counters.snapshots++;
        log_info("payout.snapshot",
                 "height=%" PRIu32 " reward=%" PRIu64 " fee=%" PRIu64 " accounts=%" PRIu32
                 " shares=%" PRIu64,
                 snapshot.height, snapshot.reward.units, snapshot.fee.units, snapshot.accounts,
                 snapshot.shares);
    }
    return engine_step_of(engine, outcome, error);
}
