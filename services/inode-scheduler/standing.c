#include "services/inode-scheduler/standing.h"

#include "service/log.h"
#include "services/inode-scheduler/scheduler.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS_A_LEASE = 5, WAITING_MAX = 2, DECLARE_TRIES = 10, WAL_WRITE_LOCK = 120 };

static struct scheduler *of_job(struct worker_job *job)
{
    return (struct scheduler *)((char *)job - offsetof(struct scheduler, standing.job));
}

static uint64_t clock_ms(void)
{
    return loop_clock_ns() / 1000000u;
}

static uint64_t lease_ms(const struct scheduler *scheduler)
{
    return (uint64_t)scheduler->options.settings->scheduler_lease_ms;
}

static void look(struct standing *standing)
{
    standing->began_ms = clock_ms();
    standing->outcome =
        leader_read(standing->store, SCHEDULER_ROLE, &standing->seen, &standing->error);
    standing->ended_ms = clock_ms();
    standing->life =
        standing->outcome == STORE_DONE ? process_life(standing->seen.process) : PROCESS_UNKNOWN;
}

static void renew(struct standing *standing, uint64_t epoch)
{
    standing->outcome = leader_renew(standing->store, SCHEDULER_ROLE, epoch, &standing->error);
    if (standing->outcome != STORE_CONFLICT)
        return;
    enum store_outcome read =
        leader_read(standing->store, SCHEDULER_ROLE, &standing->seen, &standing->error);
    if (read != STORE_DONE || standing->seen.epoch == epoch)
        standing->outcome = STORE_UNKNOWN; /* in the way of this renewal was one of our own */
}

/* The leader found lapsed is in the middle of a write to SQLite. The lock is a process's, on the
 * first of the eight bytes of locks (from 120 on) of the file that shares the index of the WAL:
 * sqlite.org/walformat.html, 2.3. */
static bool holds_the_file(const struct scheduler *scheduler)
{
    static const char scheme[] = "sqlite:";
    const struct standing *standing = &scheduler->standing;
    const char *url = scheduler->options.settings->store_url;
    char file[PATH_MAX], path[PATH_MAX + sizeof "-shm"];
    if (strncmp(url, scheme, sizeof scheme - 1) != 0 || standing->seen.released ||
        realpath(url + sizeof scheme - 1, file) == NULL)
        return false;
    snprintf(path, sizeof path, "%s-shm", file);
    return process_locks(standing->seen.process, path, WAL_WRITE_LOCK);
}

/* One that was stopped inside a write keeps everybody from the file. Its record has not moved for a
 * lease's length, and to be killed is the fate that all its writes are made for: so it is ended, by
 * the one that takes its place. Where another process has the lock, the leader waits as we do. */
static void end_what_holds_the_file(const struct scheduler *scheduler)
{
    const struct standing *standing = &scheduler->standing;
    if (standing->outcome != STORE_FAILED || standing->error.code != ERROR_TIMEOUT ||
        !holds_the_file(scheduler) || !process_end(standing->seen.process))
        return;
    log_warn("leader.ended",
             "instance=\"%s\" epoch=%" PRIu64
             " reason=\"it does not move, and holds the database's lock\"",
             standing->seen.instance, standing->seen.epoch);
}

static void take(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    const struct leader_claim claim = { .instance = scheduler->options.instance,
                                        .boot_id = scheduler->options.boot_id,
                                        .now_ms = loop_unix_ms(),
                                        .process = standing->process,
                                        .judged_epoch = standing->seen.epoch };
    /* Before and after the wait for it: no write of one that runs takes as long. */
    const bool held = holds_the_file(scheduler);
    standing->outcome =
        leader_take_as(standing->store, SCHEDULER_ROLE, &claim, &standing->taken, &standing->error);
    if (standing->outcome != STORE_DONE)
        standing->taken = 0;
    if (held)
        end_what_holds_the_file(scheduler);
}

static void work(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    struct standing *standing = &scheduler->standing;
    switch (standing->step) {
    case STANDING_LOOK:
        look(standing);
        break;
    case STANDING_RENEW:
        renew(standing, scheduler->epoch);
        break;
    case STANDING_TAKE:
        take(scheduler);
        break;
    }
}

/* What was read, held against what was seen before. */
static enum leader_watched judge(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    const bool held = standing->outcome == STORE_DONE;
    if (!held && standing->outcome != STORE_MISSING) {
        /* While nobody can ask the store, the leader cannot renew either. */
        standing->watch.since_ms = standing->ended_ms;
        return LEADER_HELD;
    }
    const struct leader_look how = { .instance = scheduler->options.instance,
                                     .boot_id = scheduler->options.boot_id,
                                     .began_ms = standing->began_ms,
                                     .ended_ms = standing->ended_ms,
                                     .lease_ms = lease_ms(scheduler),
                                     .process_ended = standing->life == PROCESS_ENDED };
    return leader_watch_look(&standing->watch, held ? &standing->seen : NULL, &how);
}

/* A single failure may be one of our own writes in the way of the other. */
static void tell(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    const bool failing = standing->outcome == STORE_FAILED || standing->outcome == STORE_UNKNOWN;
    const bool missed = failing && standing->failing;
    if (failing && !standing->failing)
        log_warn("leader.unknown", "reason=\"%s\"", standing->error.text);
    if (missed || standing->missed)
        scheduler->options.on_trouble(scheduler->options.context, "store",
                                      missed ? standing->error.text : NULL);
    standing->failing = failing;
    standing->missed = missed;
}

static void ask(struct scheduler *scheduler, enum standing_step step)
{
    struct standing *standing = &scheduler->standing;
    standing->step = step;
    standing->asked_ms = clock_ms();
    standing->job.work = work;
    standing->asking = worker_submit(standing->worker, &standing->job);
}

/* The next renewal or look; one that would find the lease just over is not a step late. */
static void start_timer(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    const uint64_t step_ms = lease_ms(scheduler) / STEPS_A_LEASE;
    const uint64_t now = clock_ms(), over_ms = standing->watch.since_ms + lease_ms(scheduler);
    /* A store that takes long is not left longer alone for that. */
    const uint64_t took_ms = standing->asked_ms != 0 ? now - standing->asked_ms : 0;
    uint64_t delay_ms =
        took_ms + step_ms / STEPS_A_LEASE < step_ms ? step_ms - took_ms : step_ms / STEPS_A_LEASE;
    if (scheduler->epoch == 0 && over_ms > now && over_ms - now < delay_ms)
        delay_ms = over_ms - now;
    loop_timer_start(scheduler->options.loop, &standing->timer, delay_ms, 0);
}

/* It is no predecessor, and is not deposed. */
static void tell_namesake(struct scheduler *scheduler, bool namesake)
{
    struct standing *standing = &scheduler->standing;
    if (namesake == standing->namesake)
        return;
    standing->namesake = namesake;
    scheduler->options.on_trouble(scheduler->options.context, "instance",
                                  namesake ? "another inode-scheduler leads under this one's name: "
                                             "give each its own --instance"
                                           : NULL);
}

static void done(struct worker_job *job)
{
    struct scheduler *scheduler = of_job(job);
    struct standing *standing = &scheduler->standing;
    enum leader_watched watched = LEADER_HELD;
    standing->asking = false;
    if (scheduler->stopping || scheduler->deposed)
        return;
    tell(scheduler);
    if (standing->step == STANDING_LOOK)
        watched = judge(scheduler);
    tell_namesake(scheduler, watched == LEADER_NAMESAKE);
    if (watched == LEADER_LAPSED) {
        ask(scheduler, STANDING_TAKE);
        return;
    }
    if (standing->step == STANDING_TAKE && standing->taken != 0)
        scheduler_lead(scheduler);
    else if (standing->step == STANDING_RENEW && standing->outcome == STORE_CONFLICT)
        scheduler_deposed(scheduler);
    if (!scheduler->deposed)
        start_timer(scheduler);
}

static void on_due(void *context)
{
    struct scheduler *scheduler = context;
    if (scheduler->standing.asking || scheduler->stopping || scheduler->deposed)
        return;
    /* Also one that does not lead yet: what it begins with may last longer than a lease. */
    ask(scheduler, scheduler->epoch != 0 ? STANDING_RENEW : STANDING_LOOK);
}

/* Others write at a start, and this handle is impatient. */
static bool declare(struct store *store, struct error *error)
{
    const struct store_collection *const collections[] = { &leader_collection };
    bool declared = false;
    for (unsigned i = 0; !declared && i < DECLARE_TRIES; i++) {
        declared = store_declare(store, collections, 1, error);
        if (!declared && error->code != ERROR_TIMEOUT)
            break;
    }
    return declared;
}

bool standing_open(struct scheduler *scheduler, struct error *error)
{
    const struct scheduler_world *world = &scheduler->options.world;
    struct standing *standing = &scheduler->standing;
    process_name(0, standing->process);
    standing->store = world->open_lease_store != NULL
                          ? world->open_lease_store(world->context, error)
                          : world->open_store(world->context, error);
    if (standing->store == NULL || !declare(standing->store, error))
        return false;
    standing->job = (struct worker_job){ .work = work, .done = done };
    standing->timer = (struct loop_timer){ .on_due = on_due, .context = scheduler };
    standing->worker = worker_create(scheduler->options.loop, "standing", 1, WAITING_MAX, error);
    return standing->worker != NULL;
}

bool standing_take_now(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    look(standing);
    tell(scheduler);
    /* A store that cannot say now is asked again by the timer. */
    if (judge(scheduler) == LEADER_LAPSED) {
        take(scheduler);
        tell(scheduler);
    }
    if (standing->taken == 0)
        log_info("leader.waits", "leader=\"%s\" epoch=%" PRIu64, standing->seen.instance,
                 standing->seen.epoch);
    return standing->taken != 0;
}

void standing_start(struct scheduler *scheduler)
{
    start_timer(scheduler);
}

void standing_stop(struct scheduler *scheduler)
{
    loop_timer_stop(scheduler->options.loop, &scheduler->standing.timer);
}

void standing_close(struct scheduler *scheduler)
{
    struct standing *standing = &scheduler->standing;
    struct error ignored;
    if (standing->store == NULL)
        return;
    if (standing->worker != NULL)
        worker_destroy(standing->worker);
    /* Also what it took and could not begin with; refused where another has it by now. */
    uint64_t epoch = scheduler->epoch != 0 ? scheduler->epoch : standing->taken;
    if (epoch != 0)
        (void)!leader_release(standing->store, SCHEDULER_ROLE, epoch, &ignored);
    store_close(standing->store);
    standing->worker = NULL;
    standing->store = NULL;
}
