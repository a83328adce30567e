#include "services/inode-scheduler/standing.h"

#include "service/log.h"
#include "services/inode-scheduler/scheduler.h"

static struct scheduler *of_job(struct worker_job *job)
{
    return (struct scheduler *)((char *)job - offsetof(struct scheduler, standing.job));
}

static void work(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    struct standing *standing = &scheduler->standing;
    if (scheduler->leading)
        standing->outcome = leader_renew(scheduler->records_store, SCHEDULER_ROLE, scheduler->epoch,
                                         &standing->error);
    if (scheduler->leading && standing->outcome != STORE_CONFLICT)
        return;
    enum store_outcome read =
        leader_read(scheduler->records_store, SCHEDULER_ROLE, &standing->seen, &standing->error);
    if (!scheduler->leading)
        standing->outcome = read;
    else if (read != STORE_DONE || standing->seen.epoch == scheduler->epoch)
        standing->outcome = STORE_UNKNOWN; /* in the way of this renewal was one of our own */
}

/* What was read, held against what was seen before. */
static bool may_lead(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    const bool held = standing->outcome == STORE_DONE;
    if (!held && standing->outcome != STORE_MISSING) {
        /* While nobody can ask the store, the leader cannot renew either. */
        standing->watch.since_ms = loop_now_ms(scheduler->options.loop);
        return false;
    }
    return leader_watch_lapsed(&standing->watch, held ? &standing->seen : NULL,
                               scheduler->options.instance, loop_now_ms(scheduler->options.loop),
                               (uint64_t)scheduler->options.settings->scheduler_lease_ms);
}

static void tell(struct standing *standing)
{
    bool failing = standing->outcome == STORE_FAILED || standing->outcome == STORE_UNKNOWN;
    if (failing && !standing->failing)
        log_warn("leader.unknown", "reason=\"%s\"", standing->error.text);
    standing->failing = failing;
}

static void done(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    struct standing *standing = &scheduler->standing;
    standing->asking = false;
    if (scheduler->stopping || scheduler->deposed)
        return;
    tell(standing);
    if (scheduler->leading && standing->outcome == STORE_CONFLICT)
        scheduler_deposed(scheduler);
    else if (!scheduler->leading && may_lead(scheduler))
        scheduler_lead(scheduler);
}

static void on_due(void *context)
{
    struct scheduler *scheduler = context;
    struct standing *standing = &scheduler->standing;
    if (standing->asking || scheduler->stopping || scheduler->deposed)
        return;
    standing->job = (struct worker_job){ .work = work, .done = done };
    standing->asking = worker_submit(scheduler->records, &standing->job);
}

bool standing_is_free(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    work(&standing->job);
    tell(standing);
    /* A store that cannot say now is asked again by the timer. */
    bool free = may_lead(scheduler);
    if (!free)
        log_info("leader.waits", "leader=\"%s\" epoch=%llu", standing->seen.instance,
                 (unsigned long long)standing->seen.epoch);
    return free;
}

void standing_start(struct scheduler *scheduler)
{
    uint64_t step_ms = (uint64_t)scheduler->options.settings->scheduler_lease_ms / 4;
    scheduler->standing.timer = (struct loop_timer){ .on_due = on_due, .context = scheduler };
    loop_timer_start(scheduler->options.loop, &scheduler->standing.timer, step_ms, step_ms);
}

void standing_stop(struct scheduler *scheduler)
{
    loop_timer_stop(scheduler->options.loop, &scheduler->standing.timer);
}

void standing_release(struct scheduler *scheduler)
{
    struct error ignored;
    /* Also where it took the place and could not begin; refused where another has it by now. */
    if (scheduler->epoch != 0)
        (void)!leader_release(scheduler->records_store, SCHEDULER_ROLE, scheduler->epoch, &ignored);
}
