#include "services/inode-scheduler/leases_inside.h"

#include "record/leader/leader.h"
#include "service/log.h"
#include "wire/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 1000 };

/* What the worker does: grant one lease, or end one. */
struct task {
    struct worker_job job;
    struct leases *leases;
    struct lease_record lease;
    uint64_t now_ms;
    enum store_outcome outcome;
    bool deposed;
    bool taken; /* the id was granted before: to `lease` as it is now */
    struct error error;
};

static void hold(struct leases *leases, const struct lease_record *lease, uint64_t beat_ms)
{
    if (leases->held_count == leases->held_capacity) {
        leases->held_capacity = leases->held_capacity == 0 ? 64 : 2 * leases->held_capacity;
        leases->held = realloc(leases->held, leases->held_capacity * sizeof *leases->held);
        ASSERT(leases->held != NULL);
    }
    leases->held[leases->held_count++] = (struct held){ .lease = *lease, .beat_ms = beat_ms };
}

static bool on_held(void *context, const struct lease_record *lease)
{
    struct leases *leases = context;
    hold(leases, lease, 0); /* leases_start says since when it is silent */
    return leases->held_count < LEASES_HELD_MAX;
}

bool leases_read(struct leases *leases, struct error *error)
{
    leases->held_count = 0;
    return lease_last_id(leases->options.store, &leases->last_id, error) == STORE_DONE &&
           lease_walk_held(leases->options.store, loop_unix_ms(), on_held, leases, error) ==
               STORE_DONE;
}

static bool overlaps(const struct lease_record *lease, uint64_t first, uint64_t count)
{
    return first < (uint64_t)lease->first + lease->count && lease->first < first + count;
}

/* Values nobody holds; the search goes round, so that values rest as long as possible. */
static bool choose_values(struct leases *leases, uint32_t *first_r)
{
    uint64_t count = leases->options.values;
    uint64_t blocks = LEASE_EXTRANONCE1_VALUES / count;
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t first = ((leases->next_first / count + i) % blocks) * count;
        bool taken = false;
        for (size_t j = 0; j < leases->held_count && !taken; j++)
            taken = overlaps(&leases->held[j].lease, first, count);
        if (!taken) {
            *first_r = (uint32_t)first;
            leases->next_first = (uint32_t)(first + count);
            return true;
        }
    }
    return false;
}

static void answer(struct leases *leases, const struct lease_record *lease, const char *text)
{
    struct request *request = &leases->waiting[leases->waiting_first];
    struct wire_lease_reply reply = { .granted = lease != NULL,
                                      .epoch = leases->options.epoch,
                                      .lease_id = lease != NULL ? lease->id : 0,
                                      .extranonce1_first = lease != NULL ? lease->first : 0,
                                      .extranonce1_count = lease != NULL ? lease->count : 0,
                                      .text = text };
    uint8_t bytes[512];
    size_t length = wire_encode_lease_reply(&reply, bytes, sizeof bytes);
    ASSERT(length > 0);
    bus_reply(request->call, span_of(bytes, length));
    leases->waiting_first = (leases->waiting_first + 1) % LEASES_WAITING_MAX;
    leases->waiting_count--;
}

static void grant_work(struct worker_job *job)
{
    struct task *task = (struct task *)job;
    const struct leases_options *options = &task->leases->options;
    enum store_outcome leads =
        leader_still(options->store, options->role, options->epoch, &task->error);
    task->deposed = leads == STORE_CONFLICT;
    task->outcome = STORE_FAILED;
    if (leads != STORE_DONE)
        return;
    task->outcome = lease_grant(options->store, &task->lease, &task->error);
    if (task->outcome != STORE_EXISTS && task->outcome != STORE_UNKNOWN)
        return;
    /* Granted before: by ourselves, when an answer got lost, or by one who led just now. */
    struct lease_record there;
    enum store_outcome found = lease_get(options->store, task->lease.id, &there, &task->error);
    task->outcome = STORE_FAILED;
    if (found != STORE_DONE)
        return;
    task->deposed = there.epoch > options->epoch;
    task->taken = !task->deposed;
    if (there.boot_id == task->lease.boot_id && strcmp(there.instance, task->lease.instance) == 0 &&
        !task->deposed)
        task->outcome = STORE_DONE;
    task->lease = there;
}

static void grant_done(struct worker_job *job)
{
    struct task *task = (struct task *)job;
    struct leases *leases = task->leases;
    leases->granting = false;
    if (task->outcome == STORE_DONE) {
        leases->last_id = task->lease.id;
        hold(leases, &task->lease, loop_now_ms(leases->options.loop));
        log_info("lease.granted", "lease=%" PRIu64 " instance=%s first=%u count=%u", task->lease.id,
                 task->lease.instance, task->lease.first, task->lease.count);
        answer(leases, &task->lease, "");
    } else if (task->taken) {
        leases->last_id = task->lease.id;
        hold(leases, &task->lease, loop_now_ms(leases->options.loop));
    } else if (task->deposed) {
        answer(leases, NULL, "another scheduler leads");
        leases->options.on_deposed(leases->options.context);
    } else {
        log_warn("lease.not_granted", "reason=\"%s\"", task->error.text);
        answer(leases, NULL, "the store does not answer; ask again");
    }
    free(task);
    leases_go_on(leases);
}

static struct held *find_of(struct leases *leases, const struct request *request)
{
    for (size_t i = 0; i < leases->held_count; i++) {
        struct held *held = &leases->held[i];
        if (held->lease.ended_ms == 0 && !held->ending && held->lease.boot_id == request->boot_id &&
            strcmp(held->lease.instance, request->instance) == 0)
            return held;
    }
    return NULL;
}

void leases_refuse_all(struct leases *leases, const char *text)
{
    while (leases->waiting_count > 0 && !leases->granting)
        answer(leases, NULL, text);
}

void leases_go_on(struct leases *leases)
{
    while (leases->waiting_count > 0 && !leases->granting) {
        const struct request *request = &leases->waiting[leases->waiting_first];
        struct held *known = find_of(leases, request);
        if (known != NULL) {
            /* Asking again is a sign of life: heartbeats name a gateway's first lease alone. */
            known->beat_ms = loop_now_ms(leases->options.loop);
            answer(leases, &known->lease, "");
            continue;
        }
        if (!leases->surveyed)
            return; /* an id may be known to the window that the store has forgotten */
        struct task *task = calloc(1, sizeof *task);
        ASSERT(task != NULL);
        task->job = (struct worker_job){ .work = grant_work, .done = grant_done };
        task->leases = leases;
        task->lease = (struct lease_record){ .id = leases->last_id + 1,
                                             .boot_id = request->boot_id,
                                             .epoch = leases->options.epoch,
                                             .count = leases->options.values,
                                             .granted_ms = loop_unix_ms(),
                                             .free_ms = LEASE_ALIVE };
        snprintf(task->lease.instance, sizeof task->lease.instance, "%s", request->instance);
        if (leases->held_count >= LEASES_HELD_MAX || !choose_values(leases, &task->lease.first)) {
            log_error("lease.exhausted", "held=%zu", leases->held_count);
            answer(leases, NULL,
                   "all extranonce1 values are held; make scheduler.lease_values "
                   "smaller");
            free(task);
        } else if (!worker_submit(leases->options.worker, &task->job)) {
            answer(leases, NULL, "too much is waiting for the store; ask again");
            free(task);
        } else {
            leases->granting = true;
        }
    }
}

void leases_request(struct leases *leases, struct bus_call *call, const char *instance,
                    uint64_t boot_id)
{
    if (leases->waiting_count == LEASES_WAITING_MAX || strlen(instance) >= LEASE_INSTANCE_BYTES) {
        bus_drop(call); /* it asks again */
        return;
    }
    struct request *request =
        &leases->waiting[(leases->waiting_first + leases->waiting_count++) % LEASES_WAITING_MAX];
    request->call = call;
    request->boot_id = boot_id;
    snprintf(request->instance, sizeof request->instance, "%s", instance);
    leases_go_on(leases);
}

bool leases_beat(struct leases *leases, uint64_t lease_id)
{
    for (size_t i = 0; i < leases->held_count; i++) {
        struct held *held = &leases->held[i];
        if (held->lease.id != lease_id)
            continue;
        if (held->lease.ended_ms != 0 || held->ending)
            return false;
        held->beat_ms = loop_now_ms(leases->options.loop);
        return true;
    }
    return false;
}

size_t leases_alive(const struct leases *leases)
{
    size_t alive = 0;
    for (size_t i = 0; i < leases->held_count; i++)
        alive += leases->held[i].lease.ended_ms == 0;
    return alive;
}

static void end_work(struct worker_job *job)
{
    struct task *task = (struct task *)job;
    const struct leases_options *options = &task->leases->options;
    /* Of a lease only its holder's silence is known here, and a deposed scheduler hears nobody. */
    task->outcome = leader_still(options->store, options->role, options->epoch, &task->error);
    task->deposed = task->outcome == STORE_CONFLICT;
    if (task->outcome != STORE_DONE)
        return;
    task->outcome = lease_end(options->store, &task->lease, options->epoch, task->now_ms,
                              task->now_ms + options->memory_ms, &task->error);
    if (task->outcome != STORE_DONE) {
        struct lease_record there;
        if (lease_get(options->store, task->lease.id, &there, &task->error) == STORE_DONE) {
            task->lease = there;
            task->outcome = there.ended_ms != 0 ? STORE_DONE : STORE_FAILED;
        }
    }
}

static void end_done(struct worker_job *job)
{
    struct task *task = (struct task *)job;
    struct leases *leases = task->leases;
    for (size_t i = 0; i < leases->held_count; i++) {
        struct held *held = &leases->held[i];
        if (held->lease.id != task->lease.id)
            continue;
        held->ending = false; /* tried again at the next tick where it failed */
        if (task->outcome == STORE_DONE) {
            held->lease = task->lease;
            log_info("lease.ended", "lease=%" PRIu64 " instance=%s", task->lease.id,
                     task->lease.instance);
        }
    }
    bool deposed = task->deposed;
    free(task);
    if (deposed)
        leases->options.on_deposed(leases->options.context);
}

static void end(struct leases *leases, struct held *held)
{
    struct task *task = calloc(1, sizeof *task);
    ASSERT(task != NULL);
    task->job = (struct worker_job){ .work = end_work, .done = end_done };
    task->leases = leases;
    task->lease = held->lease;
    task->now_ms = loop_unix_ms();
    held->ending = worker_submit(leases->options.worker, &task->job);
    if (!held->ending)
        free(task);
}

static void on_tick(void *context)
{
    struct leases *leases = context;
    uint64_t now = loop_now_ms(leases->options.loop);
    uint64_t unix_ms = loop_unix_ms();
    if (!leases->surveyed && now >= leases->survey_due_ms)
        leases_survey(leases);
    for (size_t i = 0; i < leases->held_count;) {
        struct held *held = &leases->held[i];
        if (held->over || (held->lease.ended_ms != 0 && !leases_in_window(leases) &&
                           held->lease.free_ms <= (int64_t)unix_ms)) {
            *held = leases->held[--leases->held_count];
            continue;
        }
        if (held->lease.ended_ms != 0 && !held->ending && held->lease.free_ms <= (int64_t)unix_ms)
            leases_end_in_window(leases, held);
        if (held->lease.ended_ms == 0 && !held->ending &&
            now - held->beat_ms > leases->options.silence_ms)
            end(leases, held);
        i++;
    }
}

struct leases *leases_create(const struct leases_options *options)
{
    struct leases *leases = calloc(1, sizeof *leases);
    ASSERT(leases != NULL);
    leases->options = *options;
    if (leases->options.silence_ms == 0)
        leases->options.silence_ms = LEASES_SILENCE_MS;
    leases->tick = (struct loop_timer){ .on_due = on_tick, .context = leases };
    return leases;
}

void leases_start(struct leases *leases)
{
    struct loop *loop = leases->options.loop;
    for (size_t i = 0; i < leases->held_count; i++)
        leases->held[i].beat_ms = loop_now_ms(loop);
    loop_timer_start(loop, &leases->tick, TICK_MS, TICK_MS);
    leases->surveyed = !leases_in_window(leases);
    if (!leases->surveyed)
        leases_survey(leases);
}

void leases_destroy(struct leases *leases)
{
    if (leases == NULL)
        return;
    loop_timer_stop(leases->options.loop, &leases->tick);
    while (leases->waiting_count > 0) {
        bus_drop(leases->waiting[leases->waiting_first].call);
        leases->waiting_first = (leases->waiting_first + 1) % LEASES_WAITING_MAX;
        leases->waiting_count--;
    }
    free(leases->held);
    free(leases);
}
