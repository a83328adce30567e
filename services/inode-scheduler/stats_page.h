/* The series of stats.h in the store. A record is a page: the pool's totals (the head), the totals
 * of some accounts, or one slot of a ring, with what every series has in it. Each says up to which
 * batch of the window it is counted, so pages need not be written at once: who reads them counts a
 * share in those pages only that do not have it.
 *
 * A page that is past is written once more and then rests. That it is whole although its own place
 * in the window is long gone is said by the head, which is the last of a round: everything up to
 * where the window was when the round began is in the pages. Each page also repeats what the head
 * said before, so that even a damaged head costs no more than itself.
 *
 * A page is at most STATS_PAGE_BYTES_MAX, in truth 512 KB of slots or 896 KB of totals with all
 * series full; all of them 155 MB. What is written a minute is 5 MB then, and some KB in a small
 * pool. */
#pragma once
#include "services/inode-scheduler/stats_inside.h"

enum {
    STATS_FORM = 1,
    TOTALS_BYTES = 56,
    ACTIVE_BYTES = 8,
    HEAD_BYTES = TOTALS_BYTES + ACTIVE_SLOTS * ACTIVE_BYTES,
    ENTRY_BYTES = 32,
};

enum {
    STATS_F_FORM,
    STATS_F_SPAN,
    STATS_F_HIGH,
    STATS_F_LOW,
    STATS_F_THROUGH_HIGH,
    STATS_F_THROUGH_LOW,
    STATS_F_WORKERS,
    STATS_F_EXPECTED,
    STATS_F_CHECK,
    STATS_F_ENTRIES,
    STATS_F_COUNT
};

/* One of the three rings, and where a page lies in it. */
struct ring {
    uint64_t length_ms;
    size_t first_page, slots;
};

/* NULL: the page is one of totals. */
const struct ring *stats_ring_of(size_t page);
struct slot *stats_slot_of(struct series *series, const struct ring *ring, uint32_t span);
/* Of the pool beside the page; NULL where it has none. */
struct active *stats_active_of(struct stats *stats, const struct ring *ring, uint32_t span);

/* FNV-1a over all fields but itself: it finds what was cut or overwritten, it does not guard
 * against who may write to the store. */
int64_t stats_check_of(const struct store_record *record);
bool stats_page_is_sound(const struct store_record *record, size_t page);
/* False where the record is no page's. */
bool stats_page_number(const struct store_record *record, size_t *page_r);
/* Learns how far the store is, without taking in what is counted there. False with *error. */
MUST_CHECK bool stats_look(struct stats *stats, struct store *store, struct error *error);

static inline int64_t stats_bits_of(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double stats_double_of(int64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline struct window_position stats_page_position(const struct store_record *record,
                                                         size_t high)
{
    return (struct window_position){ .high = (uint64_t)record->values[high].integer,
                                     .low = (uint64_t)record->values[high + 1].integer };
}

static inline void stats_raise(struct window_position *position, struct window_position to)
{
    if (window_position_compare(&to, position) > 0)
        *position = to;
}
