#include "service/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct entry {
    struct entry *next;
    enum metric_kind kind;
    const char *name; /* these four are copies */
    const char *labels;
    const char *help;
    const char *beat; /* may be NULL */
    struct metric metric;
    struct metric_histogram histogram;
};

struct metrics {
    pthread_mutex_t mutex; /* the list; the values are atomics */
    struct entry *first;
    struct entry **end;
};

struct metrics *metrics_create(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    ASSERT(metrics != NULL);
    metrics->end = &metrics->first;
    pthread_mutex_init(&metrics->mutex, NULL);
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    while (metrics->first != NULL) {
        struct entry *entry = metrics->first;
        metrics->first = entry->next;
        free((void *)(uintptr_t)entry->name);
        free((void *)(uintptr_t)entry->labels);
        free((void *)(uintptr_t)entry->help);
        free((void *)(uintptr_t)entry->beat);
        free(entry);
    }
    pthread_mutex_destroy(&metrics->mutex);
    free(metrics);
}

static struct entry *add(struct metrics *metrics, enum metric_kind kind, const char *name,
                         const char *labels, const char *help, const char *beat)
{
    struct entry *entry = calloc(1, sizeof *entry);
    ASSERT(entry != NULL);
    entry->kind = kind;
    entry->name = strdup(name);
    entry->labels = strdup(labels);
    entry->help = strdup(help);
    entry->beat = beat != NULL ? strdup(beat) : NULL;
    ASSERT(entry->name != NULL && entry->labels != NULL && entry->help != NULL);
    pthread_mutex_lock(&metrics->mutex);
    *metrics->end = entry;
    metrics->end = &entry->next;
    pthread_mutex_unlock(&metrics->mutex);
    return entry;
}

struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *labels,
                               const char *help, const char *beat)
{
    return &add(metrics, METRIC_COUNTER, name, labels, help, beat)->metric;
}

struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *labels,
                             const char *help, const char *beat)
{
    return &add(metrics, METRIC_GAUGE, name, labels, help, beat)->metric;
}

struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name,
                                           const char *help)
{
    return &add(metrics, METRIC_HISTOGRAM, name, "", help, NULL)->histogram;
}

void metric_observe_us(struct metric_histogram *histogram, uint64_t value_us)
{
    unsigned bucket = 0;
    while (bucket < METRIC_BUCKETS && value_us > (uint64_t)1 << bucket)
        bucket++;
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, value_us, memory_order_relaxed);
}

struct text {
    char *memory;
    size_t bytes;
    size_t used;
    bool full;
};

static void put(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(struct text *text, const char *format, ...)
{
    if (text->full)
        return;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(text->memory + text->used, text->bytes - text->used, format, arguments);
    va_end(arguments);
    if (written < 0 || (size_t)written >= text->bytes - text->used)
        text->full = true;
    else
        text->used += (size_t)written;
}

static void print_histogram(struct text *text, const struct entry *entry)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= METRIC_BUCKETS; i++) {
        count += atomic_load_explicit(&entry->histogram.buckets[i], memory_order_relaxed);
        if (i == METRIC_BUCKETS)
            put(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", entry->name, count);
        else
            put(text, "%s_bucket{le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n", entry->name,
                ((uint64_t)1 << i) / 1000000, ((uint64_t)1 << i) % 1000000, count);
    }
    uint64_t sum_us = atomic_load_explicit(&entry->histogram.sum_us, memory_order_relaxed);
    put(text, "%s_sum %" PRIu64 ".%06" PRIu64 "\n%s_count %" PRIu64 "\n", entry->name,
        sum_us / 1000000, sum_us % 1000000, entry->name, count);
}

static bool seen_before(const struct metrics *metrics, const struct entry *entry)
{
    for (const struct entry *other = metrics->first; other != entry; other = other->next)
        if (strcmp(other->name, entry->name) == 0)
            return true;
    return false;
}

size_t metrics_print(struct metrics *metrics, char *text_r, size_t bytes)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    struct text text = { .memory = text_r, .bytes = bytes, .full = bytes == 0 };
    pthread_mutex_lock(&metrics->mutex);
    for (const struct entry *entry = metrics->first; entry != NULL; entry = entry->next) {
        if (seen_before(metrics, entry))
            continue;
        put(&text, "# HELP %s %s\n# TYPE %s %s\n", entry->name, entry->help, entry->name,
            kinds[entry->kind]);
        /* Prometheus wants all of one name together. */
        for (const struct entry *same = entry; same != NULL; same = same->next) {
            if (strcmp(same->name, entry->name) != 0)
                continue;
            if (same->kind == METRIC_HISTOGRAM)
                print_histogram(&text, same);
            else if (same->labels[0] != '\0')
                put(&text, "%s{%s} %" PRIu64 "\n", same->name, same->labels,
                    metric_read(&same->metric));
            else
                put(&text, "%s %" PRIu64 "\n", same->name, metric_read(&same->metric));
        }
    }
    pthread_mutex_unlock(&metrics->mutex);
    return text.full ? 0 : text.used;
}

void metrics_beats(struct metrics *metrics,
                   void (*visit)(void *context, const char *beat, uint64_t value), void *context)
{
    pthread_mutex_lock(&metrics->mutex);
    for (const struct entry *entry = metrics->first; entry != NULL; entry = entry->next)
        if (entry->beat != NULL)
            visit(context, entry->beat, metric_read(&entry->metric));
    pthread_mutex_unlock(&metrics->mutex);
}
