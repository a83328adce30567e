#include "services/share-validator/hashing.h"

#include "core/fair/fair.h"
#include "loop/slice.h"
#include "service/log.h"
#include "services/share-validator/batch.h"

#include <stdlib.h>

/* Chunks under way for each thread: one being hashed, and the next. */
enum { CHUNKS_A_THREAD = 2 };

struct waiting { /* a share */
    struct fair_item item;
    struct share_place place;
    struct job_entry *entry; /* held */
    struct waiting *next_free;
};

struct chunk {
    struct worker_job job;
    struct hashing *owner;
    struct chunk *next_free;
    uint64_t now_ms;
    size_t count;
    struct share_place places[CHUNK_SHARES];
    struct job_entry *entries[CHUNK_SHARES]; /* held, each */
    struct share_verdict verdicts[CHUNK_SHARES];
    uint64_t took_us;
    void *scratch;
};

struct hashing {
    struct hashing_options options;
    struct worker *threads;
    bool ending;
    void *fair_memory;
    struct fair *fair;
    struct waiting *waiting; /* waiting_max and one for the newcomer */
    struct waiting *free_waiting;
    struct chunk *chunks;
    struct chunk *free_chunks;
    struct metric *waiting_now;
    struct metric *dropped;
    struct metric_histogram *time;
};

/* Nobody chooses an extranonce1 but our gateways, so sessions that meet here are no attack, and
 * leases are counted from 1, so they do not. */
static uint64_t session_of(const struct share_place *place)
{
    const struct batch *batch = place->batch;
    return (batch->lease_id << 32 | batch->lease_id >> 32) ^
           load_le32(batch->shares[place->index].extranonce1);
}

/* Its job is still held. */
static void free_waiting(struct hashing *hashing, struct waiting *waiting)
{
    waiting->next_free = hashing->free_waiting;
    hashing->free_waiting = waiting;
}

static void drop(struct hashing *hashing, struct waiting *waiting)
{
    const struct share_place place = waiting->place;
    metric_add(hashing->dropped, 1);
    job_entry_release(waiting->entry);
    free_waiting(hashing, waiting);
    judge_dropped(&place);
}

void hashing_add(struct hashing *hashing, struct batch *batch, size_t index,
                 struct job_entry *entry)
{
    struct waiting *waiting = hashing->free_waiting;
    struct fair_item *replaced = NULL;
    ASSERT(waiting != NULL && !hashing->ending);
    hashing->free_waiting = waiting->next_free;
    waiting->place = (struct share_place){ batch, index, false };
    waiting->entry = job_entry_hold(entry);
    batch->hashing++;
    switch (fair_put(hashing->fair, session_of(&waiting->place),
                     judge_hashes(&waiting->place, entry), &waiting->item, &replaced)) {
    case FAIR_TAKEN:
        break;
    case FAIR_REFUSED:
        drop(hashing, waiting);
        break;
    case FAIR_REPLACED:
        drop(hashing, (struct waiting *)(void *)replaced);
        break;
    }
}

/* On a hashing thread. */
static void hash_chunk(struct worker_job *job)
{
    struct chunk *chunk = (struct chunk *)((char *)job - offsetof(struct chunk, job));
    uint64_t began_ns = loop_clock_ns();
    judge_hash(chunk->places, chunk->entries, chunk->count, chunk->now_ms, chunk->scratch,
               chunk->verdicts);
    chunk->took_us = (loop_clock_ns() - began_ns) / 1000;
}

static void chunk_done(struct worker_job *job)
{
    struct chunk *chunk = (struct chunk *)((char *)job - offsetof(struct chunk, job));
    struct hashing *hashing = chunk->owner;
    metric_observe_us(hashing->time, chunk->took_us);
    for (size_t i = 0; i < chunk->count; i++) {
        judge_taken(&chunk->places[i], chunk->entries[i], &chunk->verdicts[i]);
        job_entry_release(chunk->entries[i]);
    }
    chunk->next_free = hashing->free_chunks;
    hashing->free_chunks = chunk;
    hashing_run(hashing);
}

/* Those whose turn it is, of whatever job: the lanes of a header's hash are filled across jobs, or
 * two jobs that take turns would leave all lanes but one idle. */
static void fill(struct hashing *hashing, struct chunk *chunk)
{
    struct waiting *next = (struct waiting *)(void *)fair_next(hashing->fair);
    const enum pow_algorithm algorithm = next->entry->job.algorithm;
    chunk->count = 0;
    chunk->now_ms = loop_unix_ms();
    do {
        struct share_place *place = &chunk->places[chunk->count];
        ASSERT(fair_take(hashing->fair) == &next->item);
        *place = next->place;
        place->stale = share_is_stale(place->batch, place->index, next->entry);
        chunk->entries[chunk->count++] = next->entry;
        free_waiting(hashing, next);
        next = (struct waiting *)(void *)fair_next(hashing->fair);
    } while (next != NULL && next->entry->job.algorithm == algorithm &&
             chunk->count < CHUNK_SHARES);
}

void hashing_run(struct hashing *hashing)
{
    while (!hashing->ending && hashing->free_chunks != NULL && fair_count(hashing->fair) > 0) {
        struct chunk *chunk = hashing->free_chunks;
        hashing->free_chunks = chunk->next_free;
        fill(hashing, chunk);
        ASSERT(worker_submit(hashing->threads, &chunk->job)); /* it has room for every chunk */
    }
    metric_set(hashing->waiting_now, fair_count(hashing->fair));
}

static bool allocate(struct hashing *hashing)
{
    const struct hashing_options *options = &hashing->options;
    const size_t chunks = (size_t)options->threads * CHUNKS_A_THREAD;
    hashing->fair_memory = malloc(fair_bytes(options->waiting_max, options->session_waiting_max));
    hashing->waiting = calloc(options->waiting_max + 1, sizeof *hashing->waiting);
    hashing->chunks = calloc(chunks, sizeof *hashing->chunks);
    if (hashing->fair_memory == NULL || hashing->waiting == NULL || hashing->chunks == NULL)
        return false;
    hashing->fair =
        fair_init(hashing->fair_memory, options->waiting_max, options->session_waiting_max);
    for (size_t i = 0; i <= options->waiting_max; i++) {
        hashing->waiting[i].next_free = hashing->free_waiting;
        hashing->free_waiting = &hashing->waiting[i];
    }
    for (size_t i = 0; i < chunks; i++) {
        struct chunk *chunk = &hashing->chunks[i];
        chunk->owner = hashing;
        chunk->job.work = hash_chunk;
        chunk->job.done = chunk_done;
        chunk->next_free = hashing->free_chunks;
        hashing->free_chunks = chunk;
        chunk->scratch = malloc(POW_SCRATCH_BYTES);
        if (chunk->scratch == NULL)
            return false;
    }
    return true;
}

static void register_metrics(struct hashing *hashing, struct metrics *metrics)
{
    hashing->waiting_now =
        metrics_gauge(metrics, "adit_validator_hashes_waiting", "",
                      "Shares of slow algorithms that wait for a hashing thread.", NULL);
    hashing->dropped = metrics_counter(metrics, "adit_validator_hashes_dropped_total", "",
                                       "Shares answered overloaded because their session, or "
                                       "all together, had too many waiting to be hashed.",
                                       NULL);
    hashing->time = metrics_histogram(metrics, "adit_validator_slow_hash_seconds",
                                      "Hashing a chunk of up to 16 shares on a thread.");
}

struct hashing *hashing_create(const struct hashing_options *options, struct error *error)
{
    struct hashing *hashing = calloc(1, sizeof *hashing);
    ASSERT(hashing != NULL);
    hashing->options = *options;
    register_metrics(hashing, options->metrics);
    if (!allocate(hashing)) {
        error_fill(error, ERROR_FULL, "no memory for %zu shares that wait to be hashed",
                   options->waiting_max);
        hashing_destroy(hashing);
        return NULL;
    }
    if (options->behind_loop)
        slice_set(SLICE_LONG_US); /* inherited; batches wait for the loop, and it goes before */
    hashing->threads = worker_create(options->loop, "hash", options->threads,
                                     (size_t)options->threads * CHUNKS_A_THREAD, error);
    if (options->behind_loop)
        slice_set(SLICE_SHORT_US);
    if (hashing->threads == NULL) {
        hashing_destroy(hashing);
        return NULL;
    }
    if (options->pinned && !worker_pin(hashing->threads, options->pin_first))
        log_warn("hashing.pin", "threads=%u reason=\"the kernel refuses; they run anywhere\"",
                 options->threads);
    return hashing;
}

void hashing_destroy(struct hashing *hashing)
{
    if (hashing == NULL)
        return;
    hashing->ending = true;
    worker_destroy(hashing->threads);
    for (struct fair_item *item;
         hashing->fair != NULL && (item = fair_take(hashing->fair)) != NULL;)
        job_entry_release(((struct waiting *)(void *)item)->entry);
    for (size_t i = 0;
         hashing->chunks != NULL && i < (size_t)hashing->options.threads * CHUNKS_A_THREAD; i++)
        free(hashing->chunks[i].scratch);
    free(hashing->chunks);
    free(hashing->waiting);
    free(hashing->fair_memory);
    free(hashing);
}
