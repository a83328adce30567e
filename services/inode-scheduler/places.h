/* Where the newest batches of the window stand, by their ids: noted while the window is read for
 * the series, so that what is credited for one submission can be looked up without reading the
 * window again. Bounded: a ring, the oldest go; losable. Any thread. */
#pragma once
#include "port/window.h"

enum { PLACES_MAX = 1 << 17 };

struct places;

/* NULL where there is no memory. Caller owns. */
struct places *places_create(void);
void places_destroy(struct places *places);

/* This batch stands there. */
void places_note(struct places *places, uint64_t lease_id, uint64_t sequence,
                 struct window_position first);
/* Everything that stood in the window at that time (unix) has been noted; nothing that was noted
 * was appended before the first such time. */
void places_read_up_to(struct places *places, uint64_t unix_ms);

enum places_outcome {
    PLACES_FOUND,   /* *position_r says where */
    PLACES_NONE,    /* it is not in the window, if it was appended between the two times */
    PLACES_UNKNOWN, /* not read so far yet, or forgotten, or before our time */
};
/* Where that batch stands, which was appended, if it was, between the two times (unix). */
enum places_outcome places_find(struct places *places, uint64_t lease_id, uint64_t sequence,
                                uint64_t from_ms, uint64_t to_ms,
                                struct window_position *position_r);
