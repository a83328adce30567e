#include "services/inode-scheduler/opening.h"

#include "service/log.h"
#include "services/inode-scheduler/scheduler.h"

#include <inttypes.h>
#include <stdio.h>

static struct scheduler *of_job(struct worker_job *job)
{
    return (struct scheduler *)((char *)job - offsetof(struct scheduler, opening.job));
}

static void work(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    struct opening *opening = &scheduler->opening;
    commitment_read(scheduler);
    opening->read = atomic_load(&opening->stop)
                        ? error_set(&opening->error, ERROR_UNAVAILABLE, "told to stop")
                        : leases_read(scheduler->leases, &opening->error);
}

static void tell(struct scheduler *scheduler, const char *reason)
{
    scheduler->opening.told = reason != NULL;
    scheduler->options.on_trouble(scheduler->options.context, "leadership", reason);
}

static void done(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    struct opening *opening = &scheduler->opening;
    opening->reading = false;
    loop_timer_stop(scheduler->options.loop, &opening->timer);
    if (scheduler->stopping || scheduler->deposed)
        return;
    if (opening->told)
        tell(scheduler, NULL);
    if (opening->read)
        opening->on_read(scheduler);
    else
        scheduler_unable(scheduler, &opening->error);
}

/* By a clock that is read at each call: the loop's is as old as its round, in which the stores may
 * have been opened. */
static uint64_t lasted_ms(const struct opening *opening)
{
    return loop_clock_ns() / 1000000u - opening->began_ms;
}

static void watch(struct scheduler *scheduler, uint64_t until_ms)
{
    struct opening *opening = &scheduler->opening;
    const uint64_t lasted = lasted_ms(opening);
    loop_timer_start(scheduler->options.loop, &opening->timer,
                     until_ms > lasted ? until_ms - lasted : 0, 0);
}

/* It lasts; then it has lasted too long. */
static void on_due(void *context)
{
    struct scheduler *scheduler = context;
    const struct settings *settings = scheduler->options.settings;
    const uint64_t most_s = (uint64_t)settings->scheduler_opening_s;
    const uint64_t lasted = lasted_ms(&scheduler->opening);
    struct error error;
    if (scheduler->stopping || scheduler->deposed)
        return;
    if (lasted < (uint64_t)settings->scheduler_lease_ms) {
        watch(scheduler, (uint64_t)settings->scheduler_lease_ms);
        return;
    }
    if (lasted < most_s * 1000) {
        tell(scheduler, "it took the leadership, and waits for the store to say which leases are "
                        "held; there are no new jobs until then");
        watch(scheduler, most_s * 1000);
        return;
    }
    error_fill(&error, ERROR_TIMEOUT,
               "the store did not say within %" PRIu64
               " s (scheduler.opening_s) which leases are held: the leadership is given up",
               most_s);
    tell(scheduler, error.text);
    scheduler_unable(scheduler, &error);
}

void opening_begin(struct scheduler *scheduler, void (*on_read)(struct scheduler *scheduler))
{
    struct opening *opening = &scheduler->opening;
    opening->job = (struct worker_job){ .work = work, .done = done };
    opening->timer = (struct loop_timer){ .on_due = on_due, .context = scheduler };
    opening->on_read = on_read;
    opening->began_ms = loop_clock_ns() / 1000000u;
    opening->reading = worker_submit(scheduler->records, &opening->job);
    ASSERT(opening->reading); /* nothing else is in its queue */
    watch(scheduler, (uint64_t)scheduler->options.settings->scheduler_lease_ms);
}

void opening_stop(struct scheduler *scheduler)
{
    atomic_store(&scheduler->opening.stop, true);
    loop_timer_stop(scheduler->options.loop, &scheduler->opening.timer);
}
