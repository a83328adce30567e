/* What is counted in the background: the window's series every second, the blocks' numbers every
 * few seconds, and who is alive. */
#include "services/inode-scheduler/scheduler.h"

#include "service/log.h"

#include <stdlib.h>

enum { STATS_MS = 1000, SUMMARY_MS = 5000, HEALTH_MS = 1000 };

static struct scheduler *of_stats_job(struct worker_job *job)
{
    return (struct scheduler *)((char *)job - offsetof(struct scheduler, stats_job));
}

static void stats_work(struct worker_job *job)
{
    struct scheduler *scheduler = of_stats_job(job);
    scheduler->stats_ok = stats_read(scheduler->stats, scheduler->stats_window, loop_unix_ms(),
                                     &scheduler->stats_error);
}

static void stats_done(struct worker_job *job)
{
    struct scheduler *scheduler = of_stats_job(job);
    scheduler->reading_stats = false;
    if (!scheduler->stopping)
        scheduler->options.on_trouble(scheduler->options.context, "redis.window",
                                      scheduler->stats_ok ? NULL : scheduler->stats_error.text);
}

static void on_stats_due(void *context)
{
    struct scheduler *scheduler = context;
    if (scheduler->reading_stats || scheduler->stopping)
        return;
    scheduler->stats_job = (struct worker_job){ .work = stats_work, .done = stats_done };
    scheduler->reading_stats = worker_submit(scheduler->counting, &scheduler->stats_job);
}

static bool on_block(void *context, const struct block_record *block)
{
    struct scheduler_summary *summary = context;
    bool counts = block->chain.state == BLOCK_ACCEPTED || block->chain.state == BLOCK_MATURED;
    if (counts && summary->blocks_found++ == 0) { /* newest first */
        summary->last_block_ms = block->found_ms;
        summary->last_block_height = block->chain.height;
    }
    summary->luck_blocks += counts && block->found_ms >= summary->luck_since_ms;
    summary->blocks_orphaned +=
        block->chain.state == BLOCK_ORPHANED || block->chain.state == BLOCK_REJECTED;
    return true;
}

static struct scheduler *of_summary_job(struct worker_job *job)
{
    return (struct scheduler *)((char *)job - offsetof(struct scheduler, summary_job));
}

static void summary_work(struct worker_job *job)
{
    struct scheduler *scheduler = of_summary_job(job);
    struct error error;
    struct stats_pool pool;
    stats_of_pool(scheduler->stats, loop_unix_ms(), &pool);
    scheduler->summary_fresh = (struct scheduler_summary){ .luck_since_ms = pool.sums.since_ms,
                                                           .luck_work = pool.sums.accepted_work };
    scheduler->summary_fresh.known =
        block_walk_newest(scheduler->api_store, 0, 0, on_block, &scheduler->summary_fresh,
                          &error) == STORE_DONE;
}

static void summary_done(struct worker_job *job)
{
    struct scheduler *scheduler = of_summary_job(job);
    scheduler->summing = false;
    if (scheduler->summary_fresh.known)
        scheduler->summary = scheduler->summary_fresh;
}

static void on_summary_due(void *context)
{
    struct scheduler *scheduler = context;
    if (scheduler->summing || scheduler->stopping)
        return;
    scheduler->summary_job = (struct worker_job){ .work = summary_work, .done = summary_done };
    scheduler->summing = worker_submit(scheduler->readers, &scheduler->summary_job);
}

static void on_health_due(void *context)
{
    struct scheduler *scheduler = context;
    const char *reason;
    health_tick(&scheduler->health);
    recovery_read(&scheduler->recovery, getenv("ADIT_PROCESSES"));
    if (scheduler->leading)
        metric_set(scheduler->metrics.leases, leases_alive(scheduler->leases));
    metric_set(scheduler->metrics.leading, scheduler->leading);
    if (strcmp(scheduler_state(scheduler, &reason), "running") == 0)
        scheduler->was_running = true;
}

bool scheduler_is_early(const struct scheduler *scheduler)
{
    uint64_t age = loop_now_ms(scheduler->options.loop) - scheduler->health.began_ms;
    uint64_t patience = (uint64_t)scheduler->options.settings->startup_deadline_s * 1000;
    return !scheduler->was_running && age < patience;
}

const char *scheduler_state(const struct scheduler *scheduler, const char **reason_r)
{
    struct jobs_view view;
    jobs_look(scheduler->jobs, &view);
    const struct health *health = &scheduler->health;
    *reason_r = "";
    if (scheduler->stopping)
        return "stopping";
    if (!scheduler->leading) {
        *reason_r = "another inode-scheduler leads";
        return "standby";
    }
    if (!view.any)
        *reason_r = "no job: no node gives a template";
    else if (health_alive(health, HEALTH_GATEWAY) == 0)
        *reason_r = "no stratum-gateway is healthy";
    else if (health_alive(health, HEALTH_VALIDATOR) == 0)
        *reason_r = "no share-validator is healthy";
    else if (health_alive(health, HEALTH_AUTH) == 0)
        *reason_r = "auth is not healthy: new miners are turned away";
    else if (health_alive(health, HEALTH_PAYOUT) == 0)
        *reason_r = "payout is not healthy: nothing is credited until it is back";
    if (**reason_r == '\0')
        return "running";
    return scheduler_is_early(scheduler) ? "starting" : "error";
}

static void start(struct scheduler *scheduler, struct loop_timer *timer,
                  void (*on_due)(void *context), uint64_t period_ms)
{
    *timer = (struct loop_timer){ .on_due = on_due, .context = scheduler };
    loop_timer_start(scheduler->options.loop, timer, 0, period_ms);
}

void scheduler_start_counting(struct scheduler *scheduler)
{
    start(scheduler, &scheduler->stats_timer, on_stats_due, STATS_MS);
    start(scheduler, &scheduler->summary_timer, on_summary_due, SUMMARY_MS);
    start(scheduler, &scheduler->health_timer, on_health_due, HEALTH_MS);
}
