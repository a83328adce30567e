/* Live series from the share window: how much work and how many shares each account and worker, and
 * the pool, had accepted in the last minute, ten minutes, hour and day, and point by point.
 *
 * Who leads keeps them in the store, a page for each minute, hour, … of all series, with the place
 * in the window up to which it is counted. After a death or a takeover what came since is read
 * again from there, so that each share counts once. Where the store has none yet they are read from
 * the window, as far as it reaches and within a bound.
 *
 * The window and the store are read on a worker's thread, the series are read on the loop; one lock
 * between them.
 *
 * Memory is bounded: STATS_SERIES_MAX series beside the pool's, STATS_BYTES_MAX together. Where one
 * more has a share another gives way: of an account that has more than one in STATS_CROWD of them
 * the worker that was silent for longest, so that who makes names without end pushes out his own;
 * else whoever was silent for longest. What gave way begins anew with its next share; the pool's
 * series counts all of them always. */
#pragma once
#include "port/store.h"
#include "port/window.h"

struct places;
struct stats;

enum {
    STATS_SERIES_MAX = 16384,
    STATS_CROWD = 8,
    STATS_BYTES_MAX = 120 << 20,
    STATS_MINUTES_MAX = 120,
    STATS_HOURS_MAX = 168,
    STATS_NETWORK_MAX = 1024,
    STATS_KEEP_MS = 60000, /* unless stats_keep_every says otherwise */
    STATS_PAGE_BYTES_MAX = 1 << 20,
};

extern const struct store_collection stats_collection;

/* Work in expected hashes; spans of 60, 600, 3600 and 86400 s, whose last part is the running one.
 */
enum stats_span { STATS_MINUTE, STATS_TEN_MINUTES, STATS_HOUR, STATS_DAY, STATS_SPANS };
struct stats_sums {
    u128 work[STATS_SPANS];
    uint64_t shares[STATS_SPANS];
    uint64_t accepted; /* shares since `since_ms` */
    u128 accepted_work;
    uint64_t since_ms; /* unix: since when this series is kept */
    uint64_t last_ms;  /* unix: its newest share; 0: none */
};
extern const unsigned stats_span_seconds[STATS_SPANS];

struct stats_pool {
    struct stats_sums sums;
    double expected; /* blocks: what the work of sums was worth, each share at its time */
    struct window_totals totals;
    bool totals_known;
    size_t accounts_active; /* with a share in the last ten minutes */
    size_t workers_active;
    uint64_t read_ms; /* unix: when the window was read last; 0: never */
};

MUST_CHECK struct stats *stats_create(uint64_t now_ms);
void stats_destroy(struct stats *stats);

/* Before the first read: from now on the place of each new batch is noted there (borrowed). */
void stats_note_places(struct stats *stats, struct places *places);

/* What a block took or takes, in expected hashes, from some time on. A statistic: no credit follows
 * from it. */
struct stats_network {
    uint64_t time_ms; /* unix */
    double work;
};
/* From any thread: what a block takes now (0: not known). */
void stats_network_is(struct stats *stats, double work);
/* Before the first read: what blocks took that were found, newest first; copied. Shares from before
 * count by the first block found after them. */
void stats_network_was(struct stats *stats, const struct stats_network *list, size_t count);

/* Likewise: each new batch is told of, on the worker's thread. */
typedef void (*stats_batch_visitor)(void *context, struct window_position position,
                                    const struct window_share *shares, size_t count);
void stats_tell_batches(struct stats *stats, stats_batch_visitor visitor, void *context);

/* On the worker's thread, before the first read: takes in what the store has. A page that is
 * damaged is left out, and told in the log. False with *error: nothing was taken in; call it again.
 */
MUST_CHECK bool stats_load(struct stats *stats, struct store *store, struct error *error);
/* Before the first stats_keep: how often what changed is written. */
void stats_keep_every(struct stats *stats, uint64_t period_ms);
/* On the worker's thread, about once a second while this process leads `role` under that epoch:
 * writes what changed, some pages a call. False with *error; it is tried again, and who leads no
 * more writes nothing. */
MUST_CHECK bool stats_keep(struct stats *stats, struct store *store, const char *role,
                           uint64_t epoch, uint64_t now_ms, struct error *error);

/* On the worker's thread: reads what is new in the window. False with *error; what was read
 * counts. */
MUST_CHECK bool stats_read(struct stats *stats, struct window_reader *window, uint64_t now_ms,
                           struct error *error);

/* From any thread. False where nothing is known of it (sums_r is then all 0). worker 0: the
 * account. */
bool stats_of(struct stats *stats, uint64_t account, uint64_t worker, uint64_t now_ms,
              struct stats_sums *sums_r);
void stats_of_pool(struct stats *stats, uint64_t now_ms, struct stats_pool *pool_r);
/* The workers of an account that have a series; returns their number. */
struct stats_worker {
    uint64_t id;
    struct stats_sums sums;
};
size_t stats_workers(struct stats *stats, uint64_t account, uint64_t now_ms,
                     struct stats_worker *workers_r, size_t capacity);

/* What they take, and how many gave way since the start. */
struct stats_room {
    size_t series; /* beside the pool's */
    size_t bytes;
    uint64_t dropped;
};
struct stats_room stats_room(struct stats *stats);

/* When each worker that has a series was last heard of, in no order: at most STATS_SERIES_MAX.
 * Returns their number. */
struct stats_last {
    uint64_t account, worker;
    uint64_t last_ms; /* unix */
};
size_t stats_last(struct stats *stats, struct stats_last last_r[STATS_SERIES_MAX]);

/* floor(work / seconds) of a span, seconds shorter where the series is younger than the span. */
u128 stats_rate(const struct stats_sums *sums, enum stats_span span, uint64_t now_ms);

/* What was accepted in one minute or hour. */
struct stats_point {
    uint64_t time_ms;   /* unix: its beginning */
    uint64_t length_ms; /* shorter for the first and the running one */
    uint64_t shares;
    u128 work;
    /* of the pool: workers with a share in that hour, or in the ten minutes up to that minute's
     * end; 0 beside shares: not known, a worker's series does not reach back so far */
    uint32_t workers;
    double expected; /* of the pool: blocks that the work was worth at the time */
};
/* The points of the last two hours by the minute, or of the last week (a worker's: day) by the
 * hour, oldest first, from the series' beginning on; account 0 is the pool. points_r has room for
 * STATS_HOURS_MAX. Returns their number, 0 where nothing is known. */
size_t stats_series(struct stats *stats, uint64_t account, uint64_t worker, bool hours,
                    uint64_t now_ms, struct stats_point *points_r);
