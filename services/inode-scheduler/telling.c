/* The teller's timer, its thread, and what it is shown of this process: since when the pool has
 * been well, and when each worker was heard of last. */
#include "services/inode-scheduler/scheduler.h"

#include "service/log.h"
#include "services/inode-scheduler/teller.h"

#include <stdlib.h>

struct telling {
    struct scheduler *scheduler;
    struct worker *worker; /* owns store and teller */
    struct store *store;
    struct teller *teller;
    struct worker_job job;
    struct loop_timer timer;
    bool looking;
    bool failing;       /* said once */
    uint64_t steady_ms; /* UINT64_MAX: it is not */
    uint64_t made[2];   /* that the metrics have */
    struct teller_sight sight;
    struct stats_last *last;
    enum store_outcome outcome;
    struct error error;
    struct metric *letters, *webhooks, *full;
};

static struct telling *of_job(struct worker_job *job)
{
    return (struct telling *)((char *)job - offsetof(struct telling, job));
}

static void look(struct worker_job *job)
{
    struct telling *telling = of_job(job);
    struct stats_pool pool;
    struct stats *stats = telling->scheduler->stats;
    telling->sight.now_ms = loop_unix_ms();
    /* First how far the window was read, then what was read: that is no older. */
    stats_of_pool(stats, telling->sight.now_ms, &pool);
    telling->sight.read_ms = pool.read_ms;
    telling->sight.last_count = stats_last(stats, telling->last);
    telling->sight.last = telling->last;
    teller_sort(telling->last, telling->sight.last_count);
    telling->outcome = teller_look(telling->teller, &telling->sight, &telling->error);
}

static void looked(struct worker_job *job)
{
    struct telling *telling = of_job(job);
    const struct teller_counts counts = teller_counts(telling->teller);
    telling->looking = false;
    metric_add(telling->letters, counts.made[0] - telling->made[0]);
    metric_add(telling->webhooks, counts.made[1] - telling->made[1]);
    metric_set(telling->full, counts.full);
    telling->made[0] = counts.made[0];
    telling->made[1] = counts.made[1];
    bool failed = telling->outcome == STORE_FAILED || telling->outcome == STORE_UNKNOWN;
    if (failed && !telling->failing) {
        char safe[sizeof telling->error.text];
        log_warn("teller.store", "reason=\"%s\"", log_text(telling->error.text, safe, sizeof safe));
    }
    telling->failing = failed;
}

/* Whether shares of miners can reach the window, as far as anybody has told us. */
static bool is_well(const struct scheduler *scheduler)
{
    return scheduler->leading && scheduler->stats_ok &&
           health_alive(&scheduler->health, HEALTH_GATEWAY) > 0 &&
           health_alive(&scheduler->health, HEALTH_VALIDATOR) > 0;
}

static void on_due(void *context)
{
    struct telling *telling = context;
    struct scheduler *scheduler = telling->scheduler;
    if (!is_well(scheduler))
        telling->steady_ms = UINT64_MAX;
    else if (telling->steady_ms == UINT64_MAX)
        telling->steady_ms = loop_unix_ms();
    if (telling->looking || scheduler->stopping)
        return;
    telling->sight.steady_ms = telling->steady_ms;
    telling->job = (struct worker_job){ .work = look, .done = looked };
    telling->looking = worker_submit(telling->worker, &telling->job);
}

static void open_metrics(struct telling *telling)
{
    struct metrics *metrics = telling->scheduler->options.metrics;
    static const char name[] = "adit_scheduler_told_total";
    telling->letters = metrics_counter(metrics, name, "channel=\"email\"",
                                       "notices made, for auth to deliver", NULL);
    telling->webhooks = metrics_counter(metrics, name, "channel=\"webhook\"", "", NULL);
    telling->full = metrics_gauge(metrics, "adit_scheduler_notices_full", "",
                                  "1 where so many notices wait that none is made", NULL);
}

static bool open_parts(struct telling *telling, struct error *error)
{
    struct scheduler *scheduler = telling->scheduler;
    const struct scheduler_options *options = &scheduler->options;
    const struct settings *settings = options->settings;
    telling->store = scheduler->telling_store; /* its own from here on */
    scheduler->telling_store = NULL;
    telling->teller = teller_create(&(struct teller_options){
        .store = telling->store,
        .coin = &options->coin,
        .role = SCHEDULER_ROLE,
        .epoch = scheduler->epoch,
        .quiet_ms = (uint64_t)settings->notices_quiet_s * 1000,
        .waiting_max = (size_t)settings->notices_waiting_max,
        .operators_letters = settings->notices_operator_email[0] != '\0',
        .operators_webhook = settings->notices_operator_webhook[0] != '\0',
    });
    telling->last = calloc(STATS_SERIES_MAX, sizeof *telling->last);
    ASSERT(telling->last != NULL);
    telling->worker = worker_create(options->loop, "telling", 1, 1, error);
    return telling->worker != NULL;
}

bool telling_start(struct scheduler *scheduler, struct error *error)
{
    struct telling *telling = calloc(1, sizeof *telling);
    ASSERT(telling != NULL);
    telling->scheduler = scheduler;
    telling->steady_ms = UINT64_MAX;
    scheduler->telling = telling;
    open_metrics(telling);
    if (!open_parts(telling, error)) {
        telling_stop(scheduler);
        return false;
    }
    telling->timer = (struct loop_timer){ .on_due = on_due, .context = telling };
    uint64_t look_ms = (uint64_t)scheduler->options.settings->notices_look_ms;
    loop_timer_start(scheduler->options.loop, &telling->timer, look_ms, look_ms);
    return true;
}

void telling_stop(struct scheduler *scheduler)
{
    struct telling *telling = scheduler->telling;
    if (telling == NULL)
        return;
    if (loop_timer_running(&telling->timer))
        loop_timer_stop(scheduler->options.loop, &telling->timer);
    if (telling->worker != NULL)
        worker_destroy(telling->worker);
    teller_destroy(telling->teller);
    if (telling->store != NULL)
        store_close(telling->store);
    free(telling->last);
    free(telling);
    scheduler->telling = NULL;
}
