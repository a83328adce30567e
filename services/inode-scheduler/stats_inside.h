/* How the series of stats.h lie in memory, for stats.c, which counts, stats_table.c, which has
 * them, stats_asked.c, which answers, and stats_load.c and stats_keep.c, which have them in the
 * store. Written on the counting worker's thread alone, so that one may read without
 * the lock; everybody else reads with it. */
#pragma once
#include "services/inode-scheduler/stats.h"

#include <pthread.h>

/* A series is three rings: 6 slots of 10 s for the minute, 120 of 60 s for ten minutes and the
 * hour, and slots of an hour: 168 for the pool and an account, 24 for a worker. A slot is known by
 * the number of its time span since the epoch, so that an old one is seen to be old. A worker takes
 * 4 KB, an account 7 KB: 88 MB where the bound is met by accounts of one worker, 118 MB by accounts
 * that name none.
 *
 * Beside the pool's series stands how many workers were active by the minute and by the hour. A
 * worker is counted where its own ring shows that it was not yet, so it does not matter in which
 * order the window is read. */
enum {
    FINE_SLOTS = 6,
    FINE_MS = 10000,
    COARSE_SLOTS = STATS_MINUTES_MAX,
    COARSE_MS = 60000,
    WORKER_HOURS = 24,
    ACTIVE_MINUTES = 10, /* so long after a share a worker counts as active */
    ACTIVE_SLOTS = COARSE_SLOTS + ACTIVE_MINUTES,
    TABLE_SLOTS = 2 * STATS_SERIES_MAX,
    HOUR_MS = 3600 * 1000,
};

struct slot {
    uint32_t span; /* time / length of a slot, cut to 32 bits; 0: empty */
    uint32_t shares;
    uint64_t work_low, work_high; /* two halves, so that a slot has 24 bytes */
};

/* How many workers were active in a span of the pool, and what its work was worth. */
struct active {
    uint32_t span; /* as a slot's */
    uint32_t workers;
    double expected;
};

struct series {
    uint64_t account, worker;
    uint64_t since_ms, last_ms;
    uint64_t accepted;
    u128 accepted_work;
    struct slot fine[FINE_SLOTS];
    struct slot coarse[COARSE_SLOTS];
    uint32_t hours_count;
    struct slot hours[];
};

/* The pages that are kept: the pool's totals, the others' totals by account, and one page for each
 * place of each ring, with that slot of every series. */
enum {
    TOTALS_PAGES = 16,
    PAGE_HEAD = 0,
    PAGE_TOTALS = 1,
    PAGE_FINE = PAGE_TOTALS + TOTALS_PAGES,
    PAGE_COARSE = PAGE_FINE + FINE_SLOTS,
    PAGE_HOURS = PAGE_COARSE + COARSE_SLOTS,
    PAGES = PAGE_HOURS + STATS_HOURS_MAX,
};

struct stats_page {
    uint32_t span;                 /* that its place is in now; 0: none, or it is of totals */
    bool damaged;                  /* what the store has of it cannot be read */
    uint64_t version;              /* in the store; 0: it is not there */
    struct window_position upto;   /* batches up to here were in it when it was read */
    struct window_position kept;   /* the store has it up to here */
    struct window_position newest; /* the newest batch that is in it */
};

struct stats {
    struct places *places;       /* NULL: none are noted */
    stats_batch_visitor visitor; /* NULL: nobody is told */
    void *visitor_context;
    pthread_mutex_t lock;
    struct series *pool;
    struct active minutes[ACTIVE_SLOTS], hours[STATS_HOURS_MAX];
    uint32_t newest_hour; /* of any share */
    double expected;
    double network;                                   /* what a block takes now; 0: not known */
    struct stats_network networks[STATS_NETWORK_MAX]; /* newest first */
    size_t networks_count;
    struct series *table[TABLE_SLOTS]; /* open addressing; NULL: empty */
    size_t count, hand, bytes;
    uint64_t dropped;
    struct window_totals totals;
    bool totals_known;
    uint64_t read_ms;
    /* the counting worker's own */
    bool began;
    bool have_last;
    struct window_position last;     /* the newest batch read */
    uint64_t hour_ago_ms, oldest_ms; /* of interest at the start */
    uint64_t read_back;              /* shares */
    bool unnamed;                    /* the window's history, when last asked for */
    struct stats_page pages[PAGES];
    bool loaded;                    /* from the store: `last` was the end of what it has */
    struct window_position through; /* the store's pages are whole up to here */
    struct {
        uint64_t period_ms;
        bool know_versions;
        uint64_t epoch;                 /* of the versions */
        bool runs;                      /* a round over all pages, some a call */
        size_t page;                    /* the round's next; the head is the last */
        struct window_position through; /* as it began */
        uint64_t saved_ms;              /* the last round, begun */
    } keeping;
};

static inline u128 work_of_slot(const struct slot *slot)
{
    return (u128)slot->work_high << 64 | slot->work_low;
}

/* The place of a series in the table, or the free one where it would be. */
size_t stats_place(const struct stats *stats, uint64_t account, uint64_t worker);
/* The series, made where there is none: another gives way then. NULL where there is no memory. */
struct series *stats_take(struct stats *stats, uint64_t account, uint64_t worker, uint64_t now_ms);
/* Whether the worker had a share in the ten minutes up to this one's end, but for one of them. */
bool stats_was_active(const struct series *worker, uint32_t minute, uint32_t but);
/* The page of the totals of an account and its workers. */
static inline size_t page_of_totals(uint64_t account)
{
    return PAGE_TOTALS + (size_t)((account ^ account >> 32) % TOTALS_PAGES);
}
