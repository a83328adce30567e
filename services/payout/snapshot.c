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
    enum view_answer answer = view_walk_back(&engine->view, NULL, look_for_end, &search, error);
    if (answer != VIEW_DONE)
        return engine_view_step(engine, answer, error);
    end_r->empty = !search.has_id && !search.has_time;
    end_r->end = search.has_id ? search.by_id : search.by_time;
    log_warn("payout.no_candidate", "event=%" PRIu64 " window_ends=%s", event->sequence,
             search.has_id     ? "with_its_batch"
             : search.has_time ? "by_time"
                               : "empty");
    return STEP_DONE;
}

static enum step compute(struct engine *engine, const struct wire_reward_event *event,
                         const struct found_end *end, struct snapshot_record *snapshot,
                         size_t *count_r, struct error *error)
{
    const struct view_range range = { .end = end->end,
                                      .after = snapshot->has_after ? &snapshot->after : NULL,
                                      .target = snapshot->window_work };
    struct view_found found = { .oldest = end->end };
    view_table_begin(&engine->view, &found.table, snapshot->window_work);
    enum view_answer answer =
        end->empty ? VIEW_DONE : view_fill(&engine->view, &range, &found, error);
    if (answer != VIEW_DONE)
        return engine_view_step(engine, answer, error);
    if (found.cut_short)
        log_error("payout.window_cut",
                  "height=%" PRIu32
                  " reason=\"the window reaches back to shares that are dropped\"",
                  snapshot->height);
    size_t count = found.table.accounts;
    ENGINE_ROOM(engine, parts, count + 1);
    pplns_collect(&found.table, engine->parts);
    snapshot->reward.units = event->reward;
    snapshot->filled = found.table.filled;
    snapshot->shares = found.table.shares;
    snapshot->oldest = found.oldest;
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
