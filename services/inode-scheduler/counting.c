/* What is counted in the background: the window's series every second, the blocks' numbers every
 * few seconds, and who is alive. */
#include "services/inode-scheduler/scheduler.h"

#include "core/difficulty/difficulty.h"
#include "service/log.h"
#include "services/inode-scheduler/condition.h"

#include <stdlib.h>

enum {
    STATS_MS = 1000,
    SUMMARY_MS = 5000,
    HEALTH_MS = 1000,
    MINUTE_MS = 60000,
    HOUR_MS = 60 * MINUTE_MS,
    STATS_WAITS_MAX = 10, /* looks */
};

static struct scheduler *of_stats_job(struct worker_job *job)
{
    return (struct scheduler *)((char *)job - offsetof(struct scheduler, stats_job));
}

static void on_batch(void *context, struct window_position position,
                     const struct window_share *shares, size_t count)
{
    struct scheduler *scheduler = context;
    lucks_batch(scheduler->lucks, position, shares, count, scheduler->luck.network);
}

/* Luck is for people's eyes: where the store is away nothing else waits for it. */
static void luck_work_off(struct scheduler *scheduler)
{
    struct error error;
    bool ok = lucks_tick(scheduler->lucks, scheduler->lucks_store, scheduler->stats_window,
                         scheduler->luck.network, loop_unix_ms(), &error);
    if (!ok && !scheduler->luck.failed)
        log_warn("luck.unkept", "reason=\"%s\"", error.text);
    scheduler->luck.failed = !ok;
}

/* The same for the series, but that what is stored is read before the window. */
static bool tell_series(struct scheduler *scheduler, bool ok, const struct error *error)
{
    if (!ok && !scheduler->series_failed)
        log_warn("series.unkept", "reason=\"%s\"", error->text);
    scheduler->series_failed = !ok;
    return ok;
}

static bool series_load(struct scheduler *scheduler)
{
    if (!scheduler->series_loaded)
        scheduler->series_loaded = tell_series(
            scheduler,
            stats_load(scheduler->stats, scheduler->lucks_store, &scheduler->stats_error),
            &scheduler->stats_error);
    return scheduler->series_loaded;
}

static void series_keep(struct scheduler *scheduler)
{
    struct error error;
    bool ok = stats_keep(scheduler->stats, scheduler->lucks_store, SCHEDULER_ROLE,
                         scheduler->luck.epoch, loop_unix_ms(), &error);
    tell_series(scheduler, ok, &error);
}

static void stats_work(struct worker_job *job)
{
    struct scheduler *scheduler = of_stats_job(job);
    scheduler->window_looked = series_load(scheduler) && !scheduler->series_wait;
    scheduler->window_ok =
        scheduler->window_looked && stats_read(scheduler->stats, scheduler->stats_window,
                                               loop_unix_ms(), &scheduler->stats_error);
    if (!scheduler->window_ok || !scheduler->luck.leads)
        return;
    series_keep(scheduler);
    luck_work_off(scheduler);
}

static void stats_done(struct worker_job *job)
{
    struct scheduler *scheduler = of_stats_job(job);
    scheduler->reading_stats = false;
    scheduler->stats_ok = scheduler->window_ok;
    struct stats_room room = stats_room(scheduler->stats);
    metric_set(scheduler->metrics.series, room.series);
    metric_set(scheduler->metrics.series_dropped, room.dropped);
    if (!scheduler->stopping && scheduler->window_looked)
        scheduler->options.on_trouble(scheduler->options.context, "redis.window",
                                      scheduler->stats_ok ? NULL : scheduler->stats_error.text);
}

u128 scheduler_network_work(const struct scheduler *scheduler)
{
    struct jobs_view view;
    struct u256 target;
    jobs_look(scheduler->jobs, &view);
    if (!view.any || !difficulty_target_from_bits(view.bits, &target))
        return 0;
    return difficulty_network_work_capped(target).expected_hashes;
}

/* Shares from before the start are worth what blocks took then, so those are read first; but no
 * longer is waited than a store or a node may need. What is kept needs neither. */
static bool waits(struct scheduler *scheduler, u128 network_work)
{
    return (!scheduler->summary.known || network_work == 0) &&
           scheduler->stats_waited++ < STATS_WAITS_MAX;
}

static void on_stats_due(void *context)
{
    struct scheduler *scheduler = context;
    u128 network_work = scheduler_network_work(scheduler);
    if (scheduler->reading_stats || scheduler->stopping)
        return;
    scheduler->series_wait = waits(scheduler, network_work);
    if (scheduler->series_wait && scheduler->series_loaded)
        return;
    stats_network_is(scheduler->stats, (double)network_work);
    scheduler->luck.network = network_work;
    scheduler->luck.leads = scheduler->leading;
    scheduler->luck.epoch = scheduler->epoch;
    scheduler->stats_job = (struct worker_job){ .work = stats_work, .done = stats_done };
    scheduler->reading_stats = worker_submit(scheduler->counting, &scheduler->stats_job);
}

/* Into the slot `back` of the running one. */
static void count_at(uint16_t *slots, size_t count, uint64_t back)
{
    if (back < count && slots[back] < UINT16_MAX)
        slots[back]++;
}

static bool on_block(void *context, const struct block_record *block)
{
    struct scheduler *scheduler = context;
    struct scheduler_summary *summary = &scheduler->summary_fresh;
    lucks_block(scheduler->lucks, block->account, block->worker, block->found_ms);
    bool counts = block->chain.state == BLOCK_ACCEPTED || block->chain.state == BLOCK_MATURED;
    if (counts && summary->blocks_found++ == 0) { /* newest first */
        summary->last_block_ms = block->found_ms;
        summary->last_block_height = block->chain.height;
    }
    if (counts && block->found_ms <= summary->counted_ms) {
        count_at(summary->minutes, STATS_MINUTES_MAX,
                 summary->counted_ms / MINUTE_MS - block->found_ms / MINUTE_MS);
        count_at(summary->hours, STATS_HOURS_MAX,
                 summary->counted_ms / HOUR_MS - block->found_ms / HOUR_MS);
    }
    if (summary->networks != NULL && summary->networks_count < STATS_NETWORK_MAX)
        summary->networks[summary->networks_count++] =
            (struct stats_network){ .time_ms = block->found_ms,
                                    .work = (double)block->network_work };
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
    uint64_t now_ms = loop_unix_ms();
    stats_of_pool(scheduler->stats, now_ms, &pool);
    scheduler->summary_fresh = (struct scheduler_summary){ .luck_since_ms = pool.sums.since_ms,
                                                           .luck_expected = pool.expected,
                                                           .counted_ms = now_ms };
    if (!scheduler->summary.known) {
        scheduler->summary_fresh.networks =
            calloc(STATS_NETWORK_MAX, sizeof *scheduler->summary_fresh.networks);
        ASSERT(scheduler->summary_fresh.networks != NULL);
    }
    lucks_blocks_begin(scheduler->lucks);
    scheduler->summary_fresh.known = block_walk_newest(scheduler->api_store, 0, NULL, 0, on_block,
                                                       scheduler, &error) == STORE_DONE;
    if (scheduler->summary_fresh.known)
        metric_add(scheduler->metrics.luck_alarms, lucks_blocks_end(scheduler->lucks, now_ms));
}

static void summary_done(struct worker_job *job)
{
    struct scheduler *scheduler = of_summary_job(job);
    scheduler->summing = false;
    if (scheduler->summary_fresh.networks != NULL && scheduler->summary_fresh.known)
        stats_network_was(scheduler->stats, scheduler->summary_fresh.networks,
                          scheduler->summary_fresh.networks_count);
    free(scheduler->summary_fresh.networks);
    scheduler->summary_fresh.networks = NULL;
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
    if (scheduler->leading) {
        metric_set(scheduler->metrics.leases, leases_alive(scheduler->leases));
        if (!scheduler->stopping && !scheduler->deposed)
            restarts_tick(&scheduler->restarts, scheduler->epoch);
    }
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

/* "": no part is missing as a whole. Valid until it is asked again. */
static const char *reason_of_parts(const struct health *health)
{
    /* What others wait for is named before those who wait. */
    static const struct {
        enum health_component component;
        const char *reason;
    } parts[] = {
        { HEALTH_VALIDATOR, "no share-validator is healthy" },
        { HEALTH_GATEWAY, "no stratum-gateway is healthy" },
        { HEALTH_AUTH, "auth is not healthy: new miners are turned away" },
        { HEALTH_PAYOUT, "payout is not healthy: nothing is credited until it is back" },
    };
    static char text[400]; /* the loop's thread alone comes here */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char missed[256];
        if (health_alive(health, parts[i].component) != 0)
            continue;
        if (condition_cause(health) != NULL)
            return condition_cause(health);
        if (!condition_missed(health, parts[i].component, missed, sizeof missed))
            return parts[i].reason;
        snprintf(text, sizeof text, "%s (%s)", parts[i].reason, missed);
        return text;
    }
    return "";
}

const char *scheduler_state(const struct scheduler *scheduler, const char **reason_r)
{
    struct jobs_view view;
    jobs_look(scheduler->jobs, &view);
    const struct health *health = &scheduler->health;
    *reason_r = "";
    if (scheduler->stopping)
        return "stopping";
    if (scheduler_begins(scheduler)) {
        *reason_r = "it took the leadership, and reads what it leads with";
        return "starting";
    }
    if (!scheduler->leading) {
        *reason_r = "another inode-scheduler leads";
        return "standby";
    }
    *reason_r = view.any ? reason_of_parts(health) : "no job: no node gives a template";
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
    stats_tell_batches(scheduler->stats, on_batch, scheduler);
    scheduler->restarts = (struct restarts){ .health = &scheduler->health,
                                             .worker = scheduler->counting,
                                             .store = scheduler->lucks_store,
                                             .role = SCHEDULER_ROLE };
    start(scheduler, &scheduler->stats_timer, on_stats_due, STATS_MS);
    start(scheduler, &scheduler->summary_timer, on_summary_due, SUMMARY_MS);
    start(scheduler, &scheduler->health_timer, on_health_due, HEALTH_MS);
}
