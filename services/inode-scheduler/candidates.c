/* A block candidate from a validator: offered to the nodes at once, whatever the store does, then
 * recorded, and acknowledged when the record is durable. Sending it again is harmless. */
#include "services/inode-scheduler/scheduler.h"

#include "core/pow/sha256.h"
#include "record/block/block.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct recording {
    struct worker_job job;
    struct scheduler *scheduler;
    struct bus_call *call;
    struct block_record block;
    enum store_outcome outcome;
    struct error error;
};

static void record_work(struct worker_job *job)
{
    struct recording *recording = (struct recording *)job;
    recording->outcome =
        block_add(recording->scheduler->records_store, &recording->block, &recording->error);
}

static void record_done(struct worker_job *job)
{
    struct recording *recording = (struct recording *)job;
    struct scheduler *scheduler = recording->scheduler;
    bool kept = recording->outcome == STORE_DONE || recording->outcome == STORE_EXISTS;
    if (!kept)
        log_warn("candidate.not_recorded", "reason=\"%s\"", recording->error.text);
    if (kept)
        scheduler_ack(recording->call, true, "");
    else
        bus_drop(recording->call); /* what is not answered is sent again, perhaps to another */
    if (recording->outcome == STORE_DONE)
        metric_add(scheduler->metrics.candidates, 1);
    if (kept)
        scheduler_follow_soon(scheduler);
    free(recording);
}

/* The whole block, where we still have its transactions. */
static bool offer(struct scheduler *scheduler, const struct wire_candidate *candidate)
{
    const struct template_box *box = jobs_template(scheduler->jobs, candidate->template_id);
    if (box == NULL && candidate->template_id != 0)
        return false;
    const struct template_transaction *transactions =
        box != NULL ? box->content.transactions : NULL;
    size_t count = box != NULL ? box->content.transactions_count : 0;
    struct span extension = box != NULL ? box->content.mweb : span_of(NULL, 0);
    size_t length = template_block_bytes(transactions, count, candidate->coinbase, extension);
    uint8_t *bytes = malloc(length);
    if (bytes == NULL)
        return false;
    template_block_serialize(candidate->header, transactions, count, candidate->coinbase, extension,
                             bytes, length);
    submitter_offer(scheduler->submitter, candidate->block_hash, bytes, length);
    return true;
}

void scheduler_take_candidate(struct scheduler *scheduler, struct bus_call *call,
                              const struct wire_candidate *candidate)
{
    uint8_t hash[32];
    char id[BLOCK_ID_BYTES];
    sha256d_header(candidate->header, hash);
    if (memcmp(hash, candidate->block_hash, 32) != 0) {
        scheduler_ack(call, false, "the candidate's hash is not its header's");
        return;
    }
    block_id(hash, id);
    log_info("candidate.received", "block=%s height=%u job=%016" PRIx64 " validator=%s outcome=%u",
             id, candidate->height, candidate->job_id, candidate->instance, candidate->outcome);
    if (!offer(scheduler, candidate))
        log_warn("candidate.not_offered",
                 "block=%s template=%016" PRIx64
                 " reason=\"its transactions are not known here; its validator submits it\"",
                 id, candidate->template_id);
    struct recording *recording = calloc(1, sizeof *recording);
    ASSERT(recording != NULL);
    recording->job = (struct worker_job){ .work = record_work, .done = record_done };
    recording->scheduler = scheduler;
    recording->call = call;
    block_from_candidate(candidate, scheduler->epoch, &recording->block);
    if (!worker_submit(scheduler->records, &recording->job)) {
        bus_drop(call); /* it will be sent again */
        free(recording);
    }
}
