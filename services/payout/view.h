/* The share window as it is looked back into: its newest part in redis.window, what is older in
 * segments (record/segment), without a seam. Whatever a stretch is asked for, the answer is the one
 * that the shares themselves would give; but where a stretch holds a segment whole, only its sums
 * are read.
 *
 * Once a stretch is a segment, it is read from there alone, whether or not its shares are still in
 * the window. Behind the segments whose shares are kept there is nothing.
 *
 * Owns its memory; borrows store and window, which may be NULL: then only what is in segments is
 * there. Blocking; one thread at a time. */
#pragma once
#include "record/segment/archive.h"
#include "record/segment/segment.h"

enum view_answer {
    VIEW_DONE = 1,
    VIEW_NO_WINDOW, /* redis.window does not answer; *error says why */
    VIEW_NO_STORE,  /* the store, likewise */
    VIEW_DAMAGED,   /* a segment is not what its header says */
};

struct window_view {
    struct store *store;
    struct window_reader *window;
    struct pplns_slot *slots;
    unsigned slots_bits;
    struct archive *archive;
    uint8_t *chunk;
    struct segment_sum *sums;
    size_t sums_capacity;
};

/* Memory that is out ends the process. */
void view_open(struct window_view *view, struct store *store, struct window_reader *window);
void view_close(struct window_view *view);

/* Newest first, as window_walk_back does. */
MUST_CHECK enum view_answer view_walk_back(struct window_view *view,
                                           const struct window_position *from,
                                           window_batch_visitor visitor, void *context,
                                           struct error *error);

/* A stretch of the window. */
struct view_range {
    struct window_position end;          /* its newest share */
    const struct window_position *after; /* neither it nor what is older counts; NULL: no such */
    u128 target;                         /* work; the share at the boundary counts in part */
};
struct view_found {
    struct pplns_table table;      /* borrowed until the view is used again */
    struct window_position oldest; /* the oldest share looked at; `end` where none was */
    bool cut_short; /* the boundary lies in a segment whose shares are dropped: that segment and
                       what is older is left out */
};
MUST_CHECK enum view_answer view_fill(struct window_view *view, const struct view_range *range,
                                      struct view_found *found_r, struct error *error);

/* A table over the view's memory, and room for more accounts in it: what fills one of its own. */
void view_table_begin(struct window_view *view, struct pplns_table *table_r, u128 target);
void view_table_grow(struct window_view *view, struct pplns_table *table);

/* Takes one chunk of a whole segment apart into view->archive; hash_r is the chunk's own. */
MUST_CHECK enum view_answer view_read_chunk(struct window_view *view,
                                            const struct segment_record *segment, uint32_t chunk,
                                            uint8_t hash_r[32], struct error *error);
/* The sums of a segment into view->sums. */
MUST_CHECK enum view_answer
view_read_sums(struct window_view *view, const struct segment_record *segment, struct error *error);
