/* The verdicts of a batch. Cheap algorithms are hashed here and now, job by job, several shares of
 * a job at once; those of a slow one (scrypt) wait for the hashing threads (hashing.h), so that a
 * block among them is seen after a few milliseconds. */
#include "services/share-validator/batch.h"

#include "service/log.h"

#include "wire/job/job_wire.h"

#include <stdlib.h>

/* No share counts for nobody, whatever the gateway thinks. */
static void refuse_nobody(struct share_submission *submission)
{
    if (submission->account_id == 0 && submission->gateway_outcome == SHARE_ACCEPTED)
        submission->gateway_outcome = SHARE_UNAUTHORIZED;
}

void judge_hash(const struct share_place *places, struct job_entry *const *entries, size_t count,
                uint64_t now_ms, void *scratch, struct share_verdict *verdicts_r)
{
    struct share_submission submissions[CHUNK_SHARES];
    const struct job_prepared *jobs[CHUNK_SHARES];
    ASSERT(count <= CHUNK_SHARES);
    for (size_t i = 0; i < count; i++) {
        submission_from_wire(&places[i].batch->shares[places[i].index], &entries[i]->job,
                             &submissions[i]);
        refuse_nobody(&submissions[i]);
        /* As the core has it: what the gateway saw comes first, then the chain. */
        if (places[i].stale && submissions[i].gateway_outcome == SHARE_ACCEPTED)
            submissions[i].gateway_outcome = SHARE_STALE;
        jobs[i] = &entries[i]->prepared[submissions[i].shape];
    }
    share_check_many(jobs, SHARE_TIP_CURRENT, submissions, count, now_ms, scratch, verdicts_r);
}

uint32_t judge_hashes(const struct share_place *place, const struct job_entry *entry)
{
    struct share_submission submission;
    submission_from_wire(&place->batch->shares[place->index], &entry->job, &submission);
    return share_hashes(&entry->job, &submission);
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

/* Shares that wait to be hashed, or are, are marked by a verdict they cannot have yet. */
enum { BEING_HASHED = 0xff };

static bool is_open(const struct batch *batch, size_t index)
{
    return !batch->judged[index] && batch->verdicts[index].outcome != BEING_HASHED;
}

/* A share is back from hashing. While the batch is being looked through, whoever does so goes on.
 */
static void come_back(struct batch *batch)
{
    batch->hashing--;
    if (batch->hashing == 0 && !batch->judging)
        batch_go_on(batch);
}

void judge_taken(const struct share_place *place, struct job_entry *entry,
                 const struct share_verdict *verdict)
{
    take_verdict(place->batch, place->index, entry, verdict);
    come_back(place->batch);
}

bool share_is_stale(const struct batch *batch, size_t index, const struct job_entry *entry)
{
    return !batch->again &&
           job_table_was_stale(batch->owner->options.jobs, entry, batch->shares[index].received_ms);
}

static enum share_outcome found_or(const struct wire_share *share, enum share_outcome otherwise)
{
    enum share_outcome found;
    return share_outcome_from_wire(share->found, &found) && found != SHARE_ACCEPTED ? found
                                                                                    : otherwise;
}

void judge_dropped(const struct share_place *place)
{
    struct batch *batch = place->batch;
    if (batch->again) /* it was accepted once: no other verdict will do */
        batch->unreached = true;
    else
        set_verdict(batch, place->index, found_or(&batch->shares[place->index], SHARE_OVERLOADED),
                    false);
    come_back(batch);
}

static struct hashing *hashing_of(struct batches *batches)
{
    struct error error;
    if (batches->hashing == NULL && !batches->hashing_failed) {
        batches->hashing = hashing_create(&batches->options.hashing, &error);
        batches->hashing_failed = batches->hashing == NULL;
        if (batches->hashing_failed)
            log_error("hashing.threads", "reason=\"%s\"", error.text);
    }
    return batches->hashing;
}

static void hand_over(struct batch *batch, size_t index, struct job_entry *entry)
{
    struct hashing *hashing = hashing_of(batch->owner);
    if (hashing == NULL) { /* another validator may have threads */
        batch->unreached = true;
        return;
    }
    batch->verdicts[index].outcome = BEING_HASHED;
    hashing_add(hashing, batch, index, entry);
}

/* All shares of the batch from there on that have this fast job in the same shape and are not
 * judged; returns how many. A batch has a handful of jobs, because gateways know no others than
 * those alive. */
static size_t judge_here(struct batch *batch, size_t from, struct job_entry *entry, uint64_t now_ms)
{
    struct share_verdict verdicts[CHUNK_SHARES];
    struct share_place places[CHUNK_SHARES];
    struct job_entry *entries[CHUNK_SHARES];
    size_t count = 0, judged = 0;
    for (size_t i = from; i <= batch->count; i++) {
        if (i < batch->count && !batch->judged[i] && batch->shares[i].job_id == entry->job.id &&
            batch->shares[i].shape == batch->shares[from].shape) {
            entries[count] = entry;
            places[count++] = (struct share_place){ batch, i, share_is_stale(batch, i, entry) };
        }
        if (count < CHUNK_SHARES && (i < batch->count || count == 0))
            continue;
        judge_hash(places, entries, count, now_ms, NULL, verdicts);
        for (size_t j = 0; j < count; j++)
            take_verdict(batch, places[j].index, entry, &verdicts[j]);
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
    batch->judging = true;
    for (size_t i = 0; i < batch->count; i++) {
        if (!is_open(batch, i))
            continue;
        struct job_entry *entry = job_table_find(batches->options.jobs, batch->shares[i].job_id);
        if (entry == NULL)
            ask_for_job(batch, i, &asked_last);
        else if (pow_scratch_bytes(entry->job.algorithm) > 0)
            hand_over(batch, i, entry);
        else
            hashed += judge_here(batch, i, entry, now_ms);
    }
    batch->judging = false;
    if (batch->hashing > 0)
        hashing_run(batches->hashing);
    if (hashed > 0)
        metric_observe_us(batches->hash_time, (loop_clock_ns() - began_ns) / 1000);
}

/* Not having a job is no verdict: a validator that was there when it was published has it in memory
 * or in a file, and what is stored under the batch's id would be final. Only when its gateway has
 * asked everybody are the shares of no known job. */
void judge_job_missing(struct batch *batch, uint64_t job_id)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (!is_open(batch, i) || batch->shares[i].job_id != job_id)
            continue;
        if (batch->final || job_id == 0)
            set_verdict(batch, i, found_or(&batch->shares[i], SHARE_JOB_NOT_FOUND), false);
        else
            batch->denied = true;
    }
}
