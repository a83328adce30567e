/* The window's older part becomes segments (record/segment): closed here, dropped here, and what is
 * safe in them is trimmed from redis.window.
 *
 * A segment is closed when the stretch behind the last one has segment_shares shares that are older
 * than segment_lag_ms: by then whatever a gateway would send again after a failover has been sent,
 * and whatever a replica should have it has. It ends with the batch that completes it, so trying
 * again closes the same. Before shares are trimmed, the segment that holds them is read back from
 * the store and held against its header. */
#include "services/payout/inside.h"

#include "core/pow/sha256.h"
#include "record/segment/archive.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum { CLOSED_AT_ONCE = 4 };

/* How many shares stand behind the newest segment, counted on from tick to tick. */
struct counting {
    struct engine *engine;
    bool complete;
};

bool engine_is_ripe(const struct engine *engine, const struct window_position *first)
{
    return first->high + engine->options.segment_lag_ms <= engine->now_ms;
}

static bool count_open(void *context, struct window_position first, uint64_t lease_id,
                       uint64_t sequence, const struct window_share *shares, size_t count)
{
    (void)lease_id, (void)sequence, (void)shares;
    struct counting *counting = context;
    struct engine *engine = counting->engine;
    if (!engine_is_ripe(engine, &first))
        return false;
    engine->open_shares += count;
    engine->open_counted = first;
    engine->open_any = true;
    counting->complete = engine->open_shares >= engine->options.segment_shares;
    return !counting->complete;
}

/* Whether the stretch behind `newest` (NULL: from the beginning) is long enough. */
static enum step is_complete(struct engine *engine, const struct segment_record *newest,
                             bool *complete_r, struct error *error)
{
    uint64_t number = newest != NULL ? newest->number : 0;
    if (engine->open_behind != number || !engine->open_known) {
        engine->open_known = true;
        engine->open_behind = number;
        engine->open_shares = 0;
        engine->open_any = newest != NULL;
        engine->open_counted = newest != NULL ? newest->last : (struct window_position){ 0 };
    }
    struct counting counting = { engine, engine->open_shares >= engine->options.segment_shares };
    const struct window_position from = engine->open_counted; /* moves while it is walked */
    const struct window_position *after = engine->open_any ? &from : NULL;
    if (!counting.complete && !window_walk_on(engine->window, after, count_open, &counting, error))
        return engine_window_away(engine, error);
    *complete_r = counting.complete;
    return STEP_DONE;
}

struct closing {
    struct engine *engine;
    struct segment_record segment;
    struct pplns_table table;
    struct archive *archive;
    uint8_t *bytes;
    struct sha256_state hashes;
    uint64_t shares; /* those without work, too */
    enum store_outcome outcome;
    struct error *error;
};

static bool write_chunk(struct closing *closing)
{
    struct archive *archive = closing->archive;
    uint8_t hash[32];
    if (archive->batch_count == 0)
        return true;
    size_t length = archive_write(archive, closing->segment.number, closing->segment.chunks,
                                  closing->bytes, SEGMENT_CHUNK_BYTES_MAX, hash);
    sha256_update(&closing->hashes, span_of(hash, sizeof hash));
    closing->outcome =
        segment_chunk_insert(closing->engine->store, &closing->segment, closing->segment.chunks++,
                             span_of(closing->bytes, length), closing->error);
    archive->batch_count = archive->share_count = 0;
    return closing->outcome == STORE_DONE;
}

static bool close_batch(void *context, struct window_position first, uint64_t lease_id,
                        uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct closing *closing = context;
    if (!engine_is_ripe(closing->engine, &first))
        return false;
    if (!archive_add(closing->archive, first, lease_id, sequence, shares, count)) {
        if (!write_chunk(closing))
            return false;
        bool added = archive_add(closing->archive, first, lease_id, sequence, shares, count);
        ASSERT(added);
    }
    for (size_t i = 0; i < count; i++)
        while (pplns_add(&closing->table, shares[i].account, shares[i].work) == PPLNS_CROWDED)
            view_table_grow(&closing->engine->view, &closing->table);
    if (closing->shares == 0)
        closing->segment.first = first;
    closing->shares += count;
    closing->segment.last = (struct window_position){ first.high, first.low, (uint32_t)count - 1 };
    return closing->shares < closing->engine->options.segment_shares;
}

static enum step write_segment(struct closing *closing, struct error *error)
{
    struct engine *engine = closing->engine;
    struct segment_record *segment = &closing->segment;
    if (!write_chunk(closing))
        return engine_step_of(engine, closing->outcome, error);
    sha256_final(&closing->hashes, segment->archive_hash);
    size_t count = closing->table.accounts;
    ENGINE_ROOM(engine, parts, count + 1);
    pplns_collect(&closing->table, engine->parts);
    enum store_outcome outcome =
        segment_sums_insert(engine->store, segment, engine->parts, count, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    outcome = segment_insert(engine->store, segment, error);
    if (outcome == STORE_DONE) {
        engine->counters.segments++;
        log_info("window.segment",
                 "number=%" PRIu64 " shares=%" PRIu64 " accounts=%" PRIu32 " chunks=%" PRIu32,
                 segment->number, segment->shares, segment->accounts, segment->chunks);
    }
    return engine_step_of(engine, outcome, error);
}

static enum step close_one(struct engine *engine, const struct segment_record *newest,
                           struct error *error)
{
    struct closing closing = { .engine = engine, .outcome = STORE_DONE, .error = error };
    closing.segment = (struct segment_record){ .number = newest != NULL ? newest->number + 1 : 1,
                                               .epoch = engine->epoch,
                                               .time_ms = engine->now_ms };
    closing.archive = archive_create();
    closing.bytes = malloc(SEGMENT_CHUNK_BYTES_MAX);
    ASSERT(closing.archive != NULL && closing.bytes != NULL);
    sha256_init(&closing.hashes);
    view_table_begin(&engine->view, &closing.table, ~(u128)0);
    enum step step = engine_lead(engine, error);
    if (step == STEP_DONE && !window_walk_on(engine->window, newest != NULL ? &newest->last : NULL,
                                             close_batch, &closing, error))
        step = engine_window_away(engine, error);
    else if (step == STEP_DONE && closing.outcome != STORE_DONE)
        step = engine_step_of(engine, closing.outcome, error);
    else if (step == STEP_DONE && closing.shares < engine->options.segment_shares)
        engine->open_known = false; /* the window has less than was counted: count again */
    else if (step == STEP_DONE)
        step = write_segment(&closing, error);
    free(closing.archive);
    free(closing.bytes);
    return step;
}

enum step engine_close_segments(struct engine *engine, struct error *error)
{
    if (engine->options.segment_shares == 0)
        return STEP_DONE;
    for (int i = 0; i < CLOSED_AT_ONCE; i++) {
        struct segment_record newest;
        enum store_outcome outcome = segment_newest(engine->store, &newest, error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return engine_step_of(engine, outcome, error);
        const struct segment_record *behind = outcome == STORE_DONE ? &newest : NULL;
        bool complete = false;
        enum step step = is_complete(engine, behind, &complete, error);
        if (step == STEP_DONE && complete)
            step = close_one(engine, behind, error);
        engine->more_to_close = complete;
        if (step != STEP_DONE || !complete)
            return step;
    }
    return STEP_DONE;
}

/* Reads it back, all of it. */
static enum step verify(struct engine *engine, const struct segment_record *segment,
                        struct error *error)
{
    struct window_view *view = &engine->view;
    struct sha256_state hashes;
    uint8_t hash[32];
    enum view_answer answer = view_read_sums(view, segment, error);
    sha256_init(&hashes);
    for (uint32_t i = 0; i < segment->chunks && answer == VIEW_DONE; i++) {
        answer = view_read_chunk(view, segment, i, hash, error);
        sha256_update(&hashes, span_of(hash, sizeof hash));
    }
    if (answer != VIEW_DONE)
        return engine_view_step(engine, answer, error);
    sha256_final(&hashes, hash);
    if (memcmp(hash, segment->archive_hash, sizeof hash) != 0)
        return engine_broken(error, "the archive of segment %" PRIu64 " is not what was written",
                             segment->number);
    return STEP_DONE;
}

/* Which segments' shares may leave redis.window: all but the newest that together have raw_shares.
 * `keep` is the oldest of those that stay. */
struct leaving {
    uint64_t kept_shares, wanted;
    struct segment_record keep;
    bool any;
};

static bool find_leaving(void *context, const struct segment_record *segment)
{
    struct leaving *leaving = context;
    if (leaving->kept_shares >= leaving->wanted && leaving->any)
        return false;
    leaving->kept_shares += segment->shares;
    leaving->keep = *segment;
    leaving->any = true;
    return true;
}

static bool note_first(void *context, struct window_position first, uint64_t lease_id,
                       uint64_t sequence, const struct window_share *shares, size_t count)
{
    (void)lease_id, (void)sequence, (void)shares, (void)count;
    *(struct window_position *)context = first;
    return false;
}

/* Work that is not bought yet is bought from redis.window: it stays there. False where nothing may
 * leave at all. */
static bool keep_unbought(const struct engine *engine, struct window_position *keep)
{
    bool open = engine->stretch.number != 0 && !engine->stretch.last;
    if (!open)
        return !reward_buys_work(engine->options.scheme);
    if (window_position_compare(&engine->stretch.end, keep) < 0)
        *keep = engine->stretch.end;
    return !engine->stretch.empty;
}

enum step engine_trim(struct engine *engine, struct error *error)
{
    struct leaving leaving = { .wanted = engine->options.raw_shares };
    enum store_outcome outcome = segment_walk_back(engine->store, 0, find_leaving, &leaving, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    struct window_position oldest = { UINT64_MAX, UINT64_MAX, 0 };
    if (!leaving.any || leaving.keep.number == 1)
        return STEP_DONE;
    if (!window_walk_on(engine->window, NULL, note_first, &oldest, error))
        return engine_window_away(engine, error);
    for (uint64_t number = leaving.keep.number - 1; number > engine->verified; number--) {
        struct segment_record segment;
        outcome = segment_get(engine->store, number, &segment, error);
        if (outcome != STORE_DONE)
            return engine_step_of(engine, outcome, error);
        if (window_position_compare(&segment.last, &oldest) < 0)
            break; /* its shares left long ago */
        enum step step =
            segment.state == SEGMENT_WHOLE ? verify(engine, &segment, error) : STEP_DONE;
        if (step != STEP_DONE)
            return step;
    }
    engine->verified = leaving.keep.number - 1;
    struct window_position keep = leaving.keep.first;
    if (!keep_unbought(engine, &keep) || window_position_compare(&oldest, &keep) >= 0)
        return STEP_DONE;
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    uint64_t removed = 0;
    if (!window_trim(engine->window, &keep, &removed, error))
        return engine_window_away(engine, error);
    engine->counters.trimmed += removed;
    if (removed > 0)
        log_info("window.trimmed", "batches=%" PRIu64, removed);
    return STEP_DONE;
}

/* Dropping. What snapshots were computed from stays for good. */
struct used {
    struct window_position oldest, end;
};
struct all_used {
    struct used *list;
    size_t count, capacity;
};

static bool note_used(void *context, const struct snapshot_record *snapshot)
{
    struct all_used *all = context;
    if (snapshot->empty)
        return true;
    all->list = engine_grow(all->list, &all->capacity, all->count + 1, sizeof *all->list);
    all->list[all->count++] = (struct used){ snapshot->oldest, snapshot->end };
    return true;
}

static bool lies_in(const struct window_position *position, const struct segment_record *segment)
{
    return window_position_compare(position, &segment->first) >= 0 &&
           window_position_compare(position, &segment->last) <= 0;
}

/* Whether a payout was computed from its sums; and whether from single shares of it. */
static void uses(const struct all_used *all, const struct segment_record *segment, bool *sums_r,
                 bool *shares_r)
{
    *sums_r = *shares_r = false;
    for (size_t i = 0; i < all->count; i++) {
        const struct used *used = &all->list[i];
        *shares_r |= lies_in(&used->oldest, segment) || lies_in(&used->end, segment);
        *sums_r |= window_position_compare(&used->oldest, &segment->last) <= 0 &&
                   window_position_compare(&used->end, &segment->first) >= 0;
    }
}

enum { OLD_AT_ONCE = 256 };
struct old {
    const struct window_position *pin; /* windows end here or later; NULL: only new ones to come */
    u128 wanted, seen;
    struct segment_record list[OLD_AT_ONCE];
    size_t count;
};

static bool find_old(void *context, const struct segment_record *segment)
{
    struct old *old = context;
    if (old->pin != NULL && window_position_compare(&segment->last, old->pin) >= 0)
        return true; /* the window of a block to be shared may end in here, or before */
    if (old->seen < old->wanted) {
        old->seen =
            segment->work > old->wanted - old->seen ? old->wanted : old->seen + segment->work;
        return true;
    }
    if (segment->state != SEGMENT_BARE)
        old->list[old->count++] = *segment;
    return old->count < OLD_AT_ONCE;
}

static enum step drop_old(struct engine *engine, struct segment_record *segment,
                          const struct all_used *all, struct error *error)
{
    bool sums, shares;
    enum store_outcome outcome = STORE_DONE;
    uses(all, segment, &sums, &shares);
    bool thin = segment->state == SEGMENT_THINNING || (segment->state == SEGMENT_WHOLE && !shares);
    if (thin)
        outcome = segment_thin(engine->store, segment, error);
    if (outcome == STORE_DONE &&
        (segment->state == SEGMENT_EMPTYING || (segment->state == SEGMENT_SUMS && !sums)))
        outcome = segment_empty(engine->store, segment, error);
    return engine_step_of(engine, outcome, error);
}

enum step engine_drop_segments(struct engine *engine, const struct window_position *pin,
                               u128 wanted, struct error *error)
{
    struct old *old = calloc(1, sizeof *old);
    ASSERT(old != NULL);
    old->pin = pin;
    old->wanted = wanted;
    struct all_used all = { .count = 0 };
    enum store_outcome outcome = segment_walk_back(engine->store, 0, find_old, old, error);
    if (outcome == STORE_DONE && old->count > 0)
        outcome = snapshot_walk(engine->store, 0, note_used, &all, error);
    enum step step = engine_step_of(engine, outcome, error);
    if (step == STEP_DONE && old->count > 0)
        step = engine_lead(engine, error);
    for (size_t i = 0; i < old->count && step == STEP_DONE; i++)
        step = drop_old(engine, &old->list[i], &all, error);
    free(all.list);
    free(old);
    return step;
}
