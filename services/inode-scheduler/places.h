/* Where the newest batches of the window stand, by their ids: noted while the window is read for
 * the series, so that what is credited for one submission can be looked up without reading the
 * window again.
 *
 * That a batch is *not* there says something only where nothing can have taken it away: the window
 * was read without a gap, under one history, from before it can have been appended until after.
 * Where another server took over, or redis.window started anew, or was trimmed further than it had
 * been read, that begins anew. So the times below are those of a steady stretch.
 *
 * Bounded: a ring, the oldest go; losable. Any thread. */
#pragma once
#include "port/window.h"

enum { PLACES_MAX = 1 << 17 };

struct places;

/* NULL where there is no memory. Caller owns. */
struct places *places_create(void);
void places_destroy(struct places *places);

/* This batch stands there; it was appended by that time (unix). */
void places_note(struct places *places, uint64_t lease_id, uint64_t sequence,
                 struct window_position first, uint64_t unix_ms);
/* Everything that was appended by that time (unix) has been noted, or was before the time given
 * first. `history` names what was read; 0: it changed meanwhile, or is not known, or batches that
 * were not noted yet were trimmed. */
void places_read_up_to(struct places *places, uint64_t unix_ms, uint64_t history);
/* Since when the stretch is steady (unix); 0: it is not. */
uint64_t places_steady_since_ms(struct places *places);

enum places_outcome {
    PLACES_FOUND,   /* `position` says where */
    PLACES_NONE,    /* it is not in the window, if it was appended between the two times */
    PLACES_UNKNOWN, /* not read so far yet, or forgotten, or before our time */
};
struct places_found {
    enum places_outcome outcome;
    bool steady; /* all between the first of the two times and now is one steady stretch */
    struct window_position position;
};
/* Where that batch stands, which was appended, if it was, between the two times (unix). */
struct places_found places_find(struct places *places, uint64_t lease_id, uint64_t sequence,
                                uint64_t from_ms, uint64_t to_ms);
