#include "services/payout/view.h"

#include <stdlib.h>

enum {
    TABLE_BITS_FIRST = 12,
    TABLE_BITS_STEP = 2,
    TABLE_BITS_MAX = 30,
    SEGMENTS_AT_ONCE = 64,
};

void view_open(struct window_view *view, struct store *store, struct window_reader *window)
{
    *view = (struct window_view){ .store = store, .window = window };
}

void view_close(struct window_view *view)
{
    free(view->slots);
    free(view->archive);
    free(view->chunk);
    free(view->sums);
    *view = (struct window_view){ .store = NULL };
}

static void *memory(void *given)
{
    ASSERT(given != NULL);
    return given;
}

void view_table_begin(struct window_view *view, struct pplns_table *table_r, u128 target)
{
    if (view->slots == NULL) {
        view->slots_bits = TABLE_BITS_FIRST;
        view->slots = memory(malloc(sizeof *view->slots << TABLE_BITS_FIRST));
    }
    pplns_init(table_r, view->slots, view->slots_bits, target);
}

void view_table_grow(struct window_view *view, struct pplns_table *table)
{
    unsigned bits = table->bits + TABLE_BITS_STEP;
    ASSERT(bits <= TABLE_BITS_MAX);
    struct pplns_slot *slots = memory(malloc(sizeof *slots << bits));
    pplns_move(table, slots, bits);
    free(view->slots);
    view->slots = slots;
    view->slots_bits = bits;
}

static enum view_answer store_answer(enum store_outcome outcome, const struct error *error)
{
    if (outcome == STORE_DONE || outcome == STORE_MISSING)
        return VIEW_DONE;
    return error->code == ERROR_INVALID ? VIEW_DAMAGED : VIEW_NO_STORE;
}

enum view_answer view_read_chunk(struct window_view *view, const struct segment_record *segment,
                                 uint32_t chunk, uint8_t hash_r[32], struct error *error)
{
    size_t length;
    if (view->archive == NULL) {
        view->archive = memory(archive_create());
        view->chunk = memory(malloc(SEGMENT_CHUNK_BYTES_MAX));
    }
    enum store_outcome outcome =
        segment_chunk(view->store, segment, chunk, view->chunk, &length, error);
    if (outcome != STORE_DONE)
        return store_answer(outcome, error);
    return archive_read(span_of(view->chunk, length), segment->number, chunk, view->archive, hash_r,
                        error)
               ? VIEW_DONE
               : VIEW_DAMAGED;
}

enum view_answer view_read_sums(struct window_view *view, const struct segment_record *segment,
                                struct error *error)
{
    if (segment->accounts > view->sums_capacity) {
        free(view->sums);
        view->sums_capacity = segment->accounts;
        view->sums = memory(malloc(view->sums_capacity * sizeof *view->sums));
    }
    return store_answer(segment_sums(view->store, segment, view->sums, error), error);
}

/* Whether a batch stands at or before the one that holds a share. */
static bool at_or_before(const struct window_position *first, const struct window_position *share)
{
    return first->high < share->high || (first->high == share->high && first->low <= share->low);
}

/* The shares in redis.window that no segment holds. */
struct raw_walk {
    const struct window_position *stop; /* the newest segment's end; NULL: there is none */
    window_batch_visitor visitor;
    void *context;
    bool ended; /* by the visitor */
};

static bool visit_raw(void *context, struct window_position first, uint64_t lease_id,
                      uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct raw_walk *walk = context;
    if (walk->stop != NULL && at_or_before(&first, walk->stop))
        return false;
    walk->ended = !walk->visitor(walk->context, first, lease_id, sequence, shares, count);
    return !walk->ended;
}

/* The batches of a whole segment, newest first, from the one that holds *from on. */
static enum view_answer walk_segment(struct window_view *view, const struct segment_record *segment,
                                     const struct window_position *from,
                                     window_batch_visitor visitor, void *context, bool *ended_r,
                                     struct error *error)
{
    uint8_t hash[32];
    for (uint32_t chunk = segment->chunks; chunk-- > 0 && !*ended_r;) {
        enum view_answer answer = view_read_chunk(view, segment, chunk, hash, error);
        if (answer != VIEW_DONE)
            return answer;
        const struct archive *archive = view->archive;
        for (uint32_t i = archive->batch_count; i-- > 0 && !*ended_r;) {
            const struct archive_batch *batch = &archive->batches[i];
            if (from == NULL || at_or_before(&batch->first, from))
                *ended_r = !visitor(context, batch->first, batch->lease_id, batch->sequence,
                                    &archive->shares[batch->begin], batch->count);
        }
    }
    return VIEW_DONE;
}

/* Headers in slices, newest first, of those that begin at or before *from. */
struct slice {
    struct segment_record list[SEGMENTS_AT_ONCE];
    size_t count;
    const struct window_position *from;
};

static bool take_segment(void *context, const struct segment_record *segment)
{
    struct slice *slice = context;
    if (slice->from == NULL || at_or_before(&segment->first, slice->from))
        slice->list[slice->count++] = *segment;
    return slice->count < SEGMENTS_AT_ONCE;
}

/* What is done with each; *ended_r ends it. */
typedef enum view_answer (*segment_step)(struct window_view *view,
                                         const struct segment_record *segment, void *context,
                                         bool *ended_r, struct error *error);

/* From number `newest` (0: none) on: what is closed after the newer shares were read from the
 * window was counted there. */
static enum view_answer each_segment(struct window_view *view, uint64_t newest,
                                     const struct window_position *from, segment_step step,
                                     void *context, struct error *error)
{
    uint64_t next = newest;
    struct slice slice;
    while (next > 0) {
        slice.count = 0;
        slice.from = from;
        enum store_outcome outcome =
            segment_walk_back(view->store, next, take_segment, &slice, error);
        if (outcome != STORE_DONE)
            return store_answer(outcome, error);
        bool ended = false;
        for (size_t i = 0; i < slice.count && !ended; i++) {
            enum view_answer answer = step(view, &slice.list[i], context, &ended, error);
            if (answer != VIEW_DONE)
                return answer;
            next = slice.list[i].number - 1;
        }
        if (ended || slice.count < SEGMENTS_AT_ONCE)
            break;
    }
    return VIEW_DONE;
}

/* What is newer than all segments; *ended_r: the visitor wants no more; *newest_r: the number of
 * the newest of them, 0 where there is none. */
static enum view_answer walk_raw(struct window_view *view, const struct window_position *from,
                                 window_batch_visitor visitor, void *context, bool *ended_r,
                                 uint64_t *newest_r, struct error *error)
{
    struct segment_record newest;
    enum store_outcome outcome = segment_newest(view->store, &newest, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return store_answer(outcome, error);
    *newest_r = outcome == STORE_DONE ? newest.number : 0;
    struct raw_walk raw = { .stop = outcome == STORE_DONE ? &newest.last : NULL,
                            .visitor = visitor,
                            .context = context };
    *ended_r = false;
    if (view->window == NULL || (raw.stop != NULL && from != NULL && at_or_before(from, raw.stop)))
        return VIEW_DONE;
    if (!window_walk_back(view->window, from, visit_raw, &raw, error))
        return VIEW_NO_WINDOW;
    *ended_r = raw.ended;
    return VIEW_DONE;
}

struct plain_walk {
    const struct window_position *from;
    window_batch_visitor visitor;
    void *context;
};

static enum view_answer walk_plainly(struct window_view *view, const struct segment_record *segment,
                                     void *context, bool *ended_r, struct error *error)
{
    const struct plain_walk *walk = context;
    *ended_r = segment->state != SEGMENT_WHOLE;
    if (*ended_r)
        return VIEW_DONE;
    return walk_segment(view, segment, walk->from, walk->visitor, walk->context, ended_r, error);
}

enum view_answer view_walk_back(struct window_view *view, const struct window_position *from,
                                window_batch_visitor visitor, void *context, struct error *error)
{
    bool ended;
    uint64_t newest = 0;
    struct plain_walk walk = { from, visitor, context };
    enum view_answer answer = walk_raw(view, from, visitor, context, &ended, &newest, error);
    if (answer != VIEW_DONE || ended)
        return answer;
    return each_segment(view, newest, from, walk_plainly, &walk, error);
}

struct filling {
    struct window_view *view;
    const struct view_range *range;
    struct view_found *found;
};

static bool fill(void *context, struct window_position first, uint64_t lease_id, uint64_t sequence,
                 const struct window_share *shares, size_t count)
{
    (void)lease_id;
    (void)sequence;
    struct filling *filling = context;
    struct pplns_table *table = &filling->found->table;
    const struct view_range *range = filling->range;
    if (first.high == range->end.high && first.low == range->end.low &&
        count > (size_t)range->end.index + 1)
        count = (size_t)range->end.index + 1;
    for (size_t i = count; i-- > 0;) {
        enum pplns_outcome outcome;
        struct window_position here = { first.high, first.low, (uint32_t)i };
        if (range->after != NULL && window_position_compare(&here, range->after) <= 0)
            return false;
        if (i >= PPLNS_AHEAD)
            pplns_announce(table, shares[i - PPLNS_AHEAD].account);
        while ((outcome = pplns_add(table, shares[i].account, shares[i].work)) == PPLNS_CROWDED)
            view_table_grow(filling->view, table);
        filling->found->oldest = here;
        if (outcome == PPLNS_FILLED)
            return false;
    }
    return true;
}

static enum view_answer add_sums(struct filling *filling, const struct segment_record *segment,
                                 struct error *error)
{
    struct window_view *view = filling->view;
    struct pplns_table *table = &filling->found->table;
    enum view_answer answer = view_read_sums(view, segment, error);
    for (uint32_t i = 0; i < segment->accounts && answer == VIEW_DONE; i++)
        while (pplns_add_sum(table, view->sums[i].account, view->sums[i].work,
                             view->sums[i].shares) == PPLNS_CROWDED)
            view_table_grow(view, table);
    filling->found->oldest = segment->first;
    return answer;
}

/* A segment that does not lie within the range whole, or fills it, is looked at share by share: the
 * one share that fills it has to be found. */
static enum view_answer fill_segment(struct window_view *view, const struct segment_record *segment,
                                     void *context, bool *ended_r, struct error *error)
{
    struct filling *filling = context;
    const struct view_range *range = filling->range;
    const struct pplns_table *table = &filling->found->table;
    *ended_r = range->after != NULL && window_position_compare(&segment->last, range->after) <= 0;
    if (*ended_r)
        return VIEW_DONE;
    bool whole =
        window_position_compare(&segment->last, &range->end) <= 0 &&
        (range->after == NULL || window_position_compare(&segment->first, range->after) > 0) &&
        segment->work < table->target - table->filled;
    if (whole && segment->state <= SEGMENT_SUMS)
        return add_sums(filling, segment, error);
    if (segment->state != SEGMENT_WHOLE) {
        filling->found->cut_short = *ended_r = true;
        return VIEW_DONE;
    }
    return walk_segment(view, segment, &range->end, fill, filling, ended_r, error);
}

enum view_answer view_fill(struct window_view *view, const struct view_range *range,
                           struct view_found *found_r, struct error *error)
{
    bool ended;
    uint64_t newest = 0;
    struct filling filling = { view, range, found_r };
    *found_r = (struct view_found){ .oldest = range->end };
    view_table_begin(view, &found_r->table, range->target);
    if (range->target == 0)
        return VIEW_DONE;
    enum view_answer answer = walk_raw(view, &range->end, fill, &filling, &ended, &newest, error);
    if (answer != VIEW_DONE || ended)
        return answer;
    return each_segment(view, newest, &range->end, fill_segment, &filling, error);
}
