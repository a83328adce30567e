#include "services/inode-scheduler/commitment.h"

#include "service/log.h"
#include "services/inode-scheduler/scheduler.h"

#include <inttypes.h>

enum { READ_MS = 3000 };

static struct scheduler *of_job(struct worker_job *job)
{
    return (struct scheduler *)((char *)job - offsetof(struct scheduler, commitment.job));
}

static void read_head(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    struct commitment *commitment = &scheduler->commitment;
    commitment->outcome =
        proof_link_newest(scheduler->api_store, &commitment->fresh, &commitment->error);
}

void commitment_read(struct scheduler *scheduler)
{
    struct commitment *commitment = &scheduler->commitment;
    if (!scheduler->options.settings->chain_commit_proofs)
        return;
    commitment->outcome =
        proof_link_newest(scheduler->records_store, &commitment->fresh, &commitment->error);
}

static void take(struct scheduler *scheduler)
{
    struct commitment *commitment = &scheduler->commitment;
    bool failed = commitment->outcome != STORE_DONE && commitment->outcome != STORE_MISSING;
    if (failed && !commitment->failing)
        log_warn("proof.head_unknown", "reason=\"%s\"", commitment->error.text);
    commitment->failing = failed;
    if (commitment->outcome != STORE_DONE ||
        commitment->fresh.statement.number == commitment->number)
        return;
    uint8_t script[PROOF_COMMITMENT_BYTES];
    commitment->number = commitment->fresh.statement.number;
    proof_commitment_write(commitment->number, commitment->fresh.head, script);
    jobs_commit(scheduler->jobs, span_of(script, sizeof script));
    log_info("proof.head", "number=%" PRIu64 " height=%" PRIu32, commitment->number,
             commitment->fresh.statement.height);
}

static void head_read(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    scheduler->commitment.reading = false;
    if (!scheduler->stopping)
        take(scheduler);
}

static void on_due(void *context)
{
    struct scheduler *scheduler = context;
    struct commitment *commitment = &scheduler->commitment;
    if (commitment->reading || scheduler->stopping)
        return;
    commitment->job = (struct worker_job){ .work = read_head, .done = head_read };
    commitment->reading = worker_submit(scheduler->readers, &commitment->job);
}

void commitment_start(struct scheduler *scheduler)
{
    struct commitment *commitment = &scheduler->commitment;
    if (!scheduler->options.settings->chain_commit_proofs)
        return;
    take(scheduler);
    commitment->timer = (struct loop_timer){ .on_due = on_due, .context = scheduler };
    loop_timer_start(scheduler->options.loop, &commitment->timer, READ_MS, READ_MS);
}
