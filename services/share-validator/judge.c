/* The verdicts of a batch. Cheap algorithms are hashed here and now, job by job, several shares of
 * a job at once; a slow one (scrypt) goes to the threads in chunks of one job, so that a batch uses
 * all of them and a block among its shares is seen after a few milliseconds. */
#include "services/share-validator/batch.h"

#include "service/log.h"

#include "wire/job/job_wire.h"

#include <stdlib.h>

struct chunk {
    struct worker_job job;
    struct batch *batch;
    struct job_entry *entry; /* held */
    enum share_tip tip;
    uint64_t now_ms;
    size_t count;
    size_t indexes[CHUNK_SHARES];
    struct share_verdict verdicts[CHUNK_SHARES];
    uint64_t took_us;
    bool out_of_memory;
};

/* No share counts for nobody, whatever the gateway thinks. */
static void refuse_nobody(struct share_submission *submission)
{
    if (submission->account_id == 0 && submission->gateway_outcome == SHARE_ACCEPTED)
        submission->gateway_outcome = SHARE_UNAUTHORIZED;
}

/* The verdicts of up to CHUNK_SHARES shares of one job. */
static void check(const struct batch *batch, const size_t *indexes, size_t count,
                  const struct job_entry *entry, enum share_tip tip, uint64_t now_ms, void *scratch,
                  struct share_verdict *verdicts_r)
{
    struct share_submission submissions[CHUNK_SHARES];
    for (size_t i = 0; i < count; i++) {
        submission_from_wire(&batch->shares[indexes[i]], &entry->job, &submissions[i]);
        refuse_nobody(&submissions[i]);
    }
    share_check_many(&entry->prepared, tip, submissions, count, now_ms, scratch, verdicts_r);
}

static void add_candidate(struct batch *batch, size_t index, const uint8_t hash[32],
                          struct span record)
{
    if (batch->candidate_count == batch->candidate_capacity) {
        size_t capacity = batch->candidate_capacity != 0 ? 2 * batch->candidate_capacity : 4;
        batch->candidates = realloc(batch->candidates, capacity * sizeof *batch->candidates);
        ASSERT(batch->candidates != NULL);
        batch->candidate_capacity = capacity;
    }
    struct batch_candidate *candidate = &batch->candidates[batch->candidate_count++];
    memcpy(candidate->hash, hash, sizeof candidate->hash);
    candidate->index = (uint32_t)index;
    candidate->record = malloc(record.length);
    ASSERT(candidate->record != NULL);
    memcpy(candidate->record, record.data, record.length);
    candidate->record_bytes = record.length;
}

static void set_verdict(struct batch *batch, size_t index, enum share_outcome outcome,
                        bool is_block)
{
    ASSERT(!batch->judged[index]);
    batch->judged[index] = true;
    batch->judged_count++;
    batch->verdicts[index] =
        (struct wire_verdict){ .outcome = (uint8_t)outcome, .is_block = is_block };
}

static void take_verdict(struct batch *batch, size_t index, struct job_entry *entry,
                         const struct share_verdict *verdict)
{
    if (verdict->is_block) {
        struct share_submission submission;
        submission_from_wire(&batch->shares[index], &entry->job, &submission);
        uint8_t hash[32];
        const struct block_origin origin = { .lease_id = batch->lease_id,
                                             .sequence = batch->sequence,
                                             .index = (uint32_t)index,
                                             .now_ms = loop_unix_ms() };
        struct span record =
            blocks_found(batch->owner->options.blocks, entry, &submission, verdict, &origin, hash);
        add_candidate(batch, index, hash, record);
    }
    set_verdict(batch, index, verdict->outcome, verdict->is_block);
}

/* On a hashing thread. */
static void hash_chunk(struct worker_job *job)
{
    struct chunk *chunk = (struct chunk *)((char *)job - offsetof(struct chunk, job));
    uint64_t began_ns = loop_clock_ns();
    void *scratch = malloc(POW_SCRATCH_BYTES);
    chunk->out_of_memory = scratch == NULL;
    if (scratch != NULL)
        check(chunk->batch, chunk->indexes, chunk->count, chunk->entry, chunk->tip, chunk->now_ms,
              scratch, chunk->verdicts);
    free(scratch);
    chunk->took_us = (loop_clock_ns() - began_ns) / 1000;
}

static void chunk_done(struct worker_job *job)
{
    struct chunk *chunk = (struct chunk *)((char *)job - offsetof(struct chunk, job));
    struct batch *batch = chunk->batch;
    ASSERT(!chunk->out_of_memory);
    metric_observe_us(batch->owner->hash_time, chunk->took_us);
    for (size_t i = 0; i < chunk->count; i++)
        take_verdict(batch, chunk->indexes[i], chunk->entry, &chunk->verdicts[i]);
    job_entry_release(chunk->entry);
    free(chunk);
    if (--batch->chunks == 0)
        batch_go_on(batch);
}

/* Shares that are on a thread are marked by a verdict they cannot have yet. */
enum { ON_A_THREAD = 0xff };

static struct worker *hashers_of(struct batches *batches)
{
    struct error error;
    if (batches->hashers == NULL)
        batches->hashers = worker_create(
            batches->options.loop, "hash", batches->options.hash_threads,
            batches->options.batches_max * (WINDOW_BATCH_SHARES_MAX / CHUNK_SHARES + 1), &error);
    return batches->hashers;
}

/* All shares of the batch that have this slow job and are not judged. */
static void hand_over(struct batch *batch, size_t from, struct job_entry *entry, uint64_t now_ms)
{
    struct batches *batches = batch->owner;
    struct worker *hashers = hashers_of(batches);
    ASSERT(hashers != NULL);
    struct chunk *chunk = NULL;
    for (size_t i = from; i <= batch->count; i++) {
        bool ours = i < batch->count && !batch->judged[i] &&
                    batch->verdicts[i].outcome != ON_A_THREAD &&
                    batch->shares[i].job_id == entry->job.id;
        if (ours) {
            if (chunk == NULL) {
                chunk = calloc(1, sizeof *chunk);
                ASSERT(chunk != NULL);
                chunk->job.work = hash_chunk;
                chunk->job.done = chunk_done;
                chunk->batch = batch;
                chunk->entry = job_entry_hold(entry);
                chunk->tip = job_table_tip(batches->options.jobs, entry);
                chunk->now_ms = now_ms;
            }
            chunk->indexes[chunk->count++] = i;
            batch->verdicts[i].outcome = ON_A_THREAD;
        }
        if (chunk != NULL && (chunk->count == CHUNK_SHARES || i == batch->count)) {
            batch->chunks++;
            /* The queue has room for every chunk of every batch. */
            ASSERT(worker_submit(hashers, &chunk->job));
            chunk = NULL;
        }
    }
}

/* All shares of the batch from there on that have this fast job and are not judged; returns how
 * many. A batch has a handful of jobs, because gateways know no others than those alive. */
static size_t judge_here(struct batch *batch, size_t from, struct job_entry *entry, uint64_t now_ms)
{
    const enum share_tip tip = job_table_tip(batch->owner->options.jobs, entry);
    struct share_verdict verdicts[CHUNK_SHARES];
    size_t indexes[CHUNK_SHARES], count = 0, judged = 0;
    for (size_t i = from; i <= batch->count; i++) {
        if (i < batch->count && !batch->judged[i] && batch->shares[i].job_id == entry->job.id)
            indexes[count++] = i;
        if (count < CHUNK_SHARES && (i < batch->count || count == 0))
            continue;
        check(batch, indexes, count, entry, tip, now_ms, NULL, verdicts);
        for (size_t j = 0; j < count; j++)
            take_verdict(batch, indexes[j], entry, &verdicts[j]);
        judged += count;
        count = 0;
    }
    return judged;
}

static void ask_for_job(struct batch *batch, size_t index, uint64_t *asked_last)
{
    struct batches *batches = batch->owner;
    uint64_t job_id = batch->shares[index].job_id;
    if (job_id == *asked_last)
        return;
    *asked_last = job_id;
    if (job_id == 0 || feed_job_is_unknown(batches->options.feed, job_id))
        judge_job_missing(batch, job_id);
    else if (!feed_want_job(batches->options.feed, job_id))
        batch->unreached = true;
}

void judge_batch(struct batch *batch)
{
    struct batches *batches = batch->owner;
    uint64_t now_ms = loop_unix_ms();
    uint64_t began_ns = loop_clock_ns();
    uint64_t asked_last = UINT64_MAX;
    size_t hashed = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->judged[i] || batch->verdicts[i].outcome == ON_A_THREAD)
            continue;
        struct job_entry *entry = job_table_find(batches->options.jobs, batch->shares[i].job_id);
        if (entry == NULL)
            ask_for_job(batch, i, &asked_last);
        else if (pow_scratch_bytes(entry->job.algorithm) > 0)
            hand_over(batch, i, entry, now_ms);
        else
            hashed += judge_here(batch, i, entry, now_ms);
    }
    if (hashed > 0)
        metric_observe_us(batches->hash_time, (loop_clock_ns() - began_ns) / 1000);
}

void judge_job_missing(struct batch *batch, uint64_t job_id)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct wire_share *share = &batch->shares[i];
        enum share_outcome found;
        if (batch->judged[i] || share->job_id != job_id ||
            batch->verdicts[i].outcome == ON_A_THREAD)
            continue;
        bool known = share_outcome_from_wire(share->found, &found) && found != SHARE_ACCEPTED;
        set_verdict(batch, i, known ? found : SHARE_JOB_NOT_FOUND, false);
    }
}
