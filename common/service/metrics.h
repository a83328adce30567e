/* Counters, gauges and histograms of one process: what /metrics prints (Prometheus text format)
 * and what the heartbeat carries. Updated on any thread without locks (atomics); registered once
 * at start; never freed singly. Names follow Prometheus: adit_<area>_<what>_total. */
#pragma once
#include "base/bytes.h"

#include <stdatomic.h>

struct metrics;

struct metric {
    _Atomic uint64_t value;
};

static inline void metric_add(struct metric *metric, uint64_t by)
{
    atomic_fetch_add_explicit(&metric->value, by, memory_order_relaxed);
}
static inline void metric_set(struct metric *metric, uint64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}
static inline uint64_t metric_read(const struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

/* Buckets at powers of two of a microsecond: 1 µs … 2^27 µs (134 s). */
enum { METRIC_BUCKETS = 28 };
struct metric_histogram {
    _Atomic uint64_t buckets[METRIC_BUCKETS + 1];
    _Atomic uint64_t sum_us;
};
void metric_observe_us(struct metric_histogram *histogram, uint64_t value_us);

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);
/* Borrowed for the life of `metrics`. `labels` as in Prometheus without braces (reason="stale"),
 * or "". `beat` (may be NULL): its name in the heartbeat. */
struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *labels,
                               const char *help, const char *beat);
struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *labels,
                             const char *help, const char *beat);
struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name,
                                           const char *help);
/* The text of /metrics into text_r; returns its length, or 0 when it does not fit. */
MUST_CHECK size_t metrics_print(struct metrics *metrics, char *text_r, size_t bytes);
/* Calls visit for each metric that has a heartbeat name. */
void metrics_beats(struct metrics *metrics,
                   void (*visit)(void *context, const char *beat, uint64_t value), void *context);
