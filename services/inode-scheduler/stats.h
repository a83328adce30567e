/* Live series from the share window: how much work and how many shares each account and worker, and
 * the pool, had accepted in the last minute, ten minutes and hour. Losable: after a restart the
 * last hour is read again from the window.
 *
 * The window is read on a worker's thread, the series are read on the loop; one lock between them.
 * Memory is bounded: STATS_SERIES_MAX series, the longest silent one gives way. */
#pragma once
#include "port/window.h"

struct stats;

enum { STATS_SERIES_MAX = 16384 };

/* Work in expected hashes; a span of 60, 600 and 3600 s, the running one included. */
struct stats_sums {
    u128 work[3];
    uint64_t shares[3];
    uint64_t accepted; /* shares since `since_ms` */
    u128 accepted_work;
    uint64_t since_ms; /* unix: since when this series is kept */
    uint64_t last_ms;  /* unix: its newest share; 0: none */
};
enum stats_span { STATS_MINUTE, STATS_TEN_MINUTES, STATS_HOUR };
extern const unsigned stats_span_seconds[3];

struct stats_pool {
    struct stats_sums sums;
    struct window_totals totals;
    bool totals_known;
    size_t accounts_active; /* with a share in the last ten minutes */
    size_t workers_active;
    uint64_t read_ms; /* unix: when the window was read last; 0: never */
};

MUST_CHECK struct stats *stats_create(uint64_t now_ms);
void stats_destroy(struct stats *stats);

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

/* floor(work / seconds) of a span, seconds shorter where the series is younger than the span. */
u128 stats_rate(const struct stats_sums *sums, enum stats_span span, uint64_t now_ms);
