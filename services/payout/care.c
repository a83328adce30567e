/* The window's care: payout alone says what it no longer needs. Closed stretches become segments in
 * the store (segments.c), and then leave redis.window. A candidate pins its window until its
 * snapshot is durable (or until its block can never count); beyond that, twice the window's work is
 * kept behind the oldest candidate, so that a block whose candidate comes late, and a difficulty
 * that rises, still find their whole window. What snapshots were computed from is kept for good. */
#include "services/payout/inside.h"

#include "core/difficulty/difficulty.h"
#include "record/block/block.h"
enum { CANDIDATES_MAX = 256, KEEP_WINDOWS = 2 };

struct candidates {
    uint8_t hashes[CANDIDATES_MAX][32];
    size_t count;
    size_t skip;  /* those looked at before, which stay */
    bool has_end; /* the oldest end among those that have one */
    struct window_position end;
};

static bool gather(void *context, const struct window_found *found)
{
    struct candidates *candidates = context;
    if (candidates->skip > 0) {
        candidates->skip--;
        return true;
    }
    memcpy(candidates->hashes[candidates->count++], found->block_hash, 32);
    return candidates->count < CANDIDATES_MAX;
}

/* Whether a candidate's window will be asked for no more. */
static enum step is_over(struct engine *engine, const uint8_t hash[32], bool *over_r,
                         struct error *error)
{
    struct snapshot_record snapshot;
    struct block_record block;
    enum store_outcome outcome = snapshot_get(engine->store, hash, &snapshot, error);
    *over_r = outcome == STORE_DONE;
    if (outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    outcome = block_get(engine->store, hash, &block, error);
    /* Never on the best chain, and followed no more: the scheduler is done with it. */
    *over_r = outcome == STORE_DONE && !block.open && block.chain.generation == 0;
    return outcome == STORE_MISSING ? STEP_DONE : engine_step_of(engine, outcome, error);
}

/* All of them, in slices: however many stay, those behind them are reached. */
static enum step release(struct engine *engine, struct error *error)
{
    size_t kept = 0;
    struct candidates candidates;
    do {
        candidates = (struct candidates){ .skip = kept };
        if (!window_candidates(engine->window, gather, &candidates, error))
            return engine_window_away(engine, error);
        for (size_t i = 0; i < candidates.count; i++) {
            bool over;
            enum step step = is_over(engine, candidates.hashes[i], &over, error);
            if (step == STEP_DONE && over)
                step = engine_lead(engine, error);
            if (step != STEP_DONE)
                return step;
            if (over && !window_candidate_done(engine->window, candidates.hashes[i], error))
                return engine_window_away(engine, error);
            kept += !over;
        }
    } while (candidates.count == CANDIDATES_MAX);
    return STEP_DONE;
}

static bool note_oldest(void *context, const struct window_found *found)
{
    struct candidates *candidates = context;
    candidates->count++;
    if (found->empty)
        return true;
    if (!candidates->has_end || window_position_compare(&found->end, &candidates->end) < 0)
        candidates->end = found->end;
    candidates->has_end = true;
    return true;
}

/* The chain's difficulty may have risen since the last event; a pool that never found a block knows
 * it from here alone. */
static void learn_network_work(struct engine *engine)
{
    struct node_chain chain;
    struct node_block block;
    struct u256 target;
    struct error ignored;
    if (engine->node == NULL || node_chain(engine->node, &chain, &ignored) != NODE_OK ||
        node_block(engine->node, chain.tip, &block, &ignored) != NODE_OK ||
        !difficulty_target_from_bits(block.bits, &target))
        return;
    struct u256 work = difficulty_network_work(target);
    if (u256_fits_u128(work) && u256_low_u128(work) > engine->network_work)
        engine->network_work = u256_low_u128(work);
}

/* Twice a window's work behind the oldest end stays share by share, in redis.window or in segments;
 * nothing is dropped while nobody can say what a window is. */
static enum step drop(struct engine *engine, struct error *error)
{
    learn_network_work(engine);
    if (engine->network_work == 0)
        return STEP_DONE;
    struct candidates candidates = { .count = 0 };
    if (!window_candidates(engine->window, note_oldest, &candidates, error))
        return engine_window_away(engine, error);
    bool pinned, all;
    struct window_position pin;
    enum step step =
        engine_pin(engine, candidates.has_end ? &candidates.end : NULL, &pinned, &pin, &all, error);
    if (step != STEP_DONE || all)
        return step;
    if (!pinned || (candidates.has_end && window_position_compare(&candidates.end, &pin) < 0))
        pin = candidates.end;
    u128 window = engine_window_work(engine);
    u128 wanted = window > ~(u128)0 / KEEP_WINDOWS ? ~(u128)0 : window * KEEP_WINDOWS;
    return engine_drop_segments(engine, pinned || candidates.has_end ? &pin : NULL, wanted, error);
}

enum step engine_care(struct engine *engine, struct error *error)
{
    if (engine->now_ms < engine->trim_due_ms)
        return STEP_DONE;
    enum step step = release(engine, error);
    if (step == STEP_DONE)
        step = engine_close_segments(engine, error);
    if (step == STEP_DONE)
        step = engine_trim(engine, error);
    if (step == STEP_DONE)
        step = drop(engine, error);
    if (step == STEP_DONE)
        engine->trim_due_ms =
            engine->now_ms + (engine->more_to_close ? 0 : engine->options.trim_interval_ms);
    return step;
}
