#include "services/inode-scheduler/tasks.h"

#include "adapter/token_sodium/token.h"
#include "service/log.h"
#include "services/inode-scheduler/scheduler.h"
#include "services/inode-scheduler/tasks_text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    DECODE_BYTES = 64 << 10,
    CREDIT_PATIENCE_MS = 10000,
    CLOCKS_MS = 60000, /* how far the time of a request may be off */
};

/* One thing for the auditor to do, and its end. */
struct op {
    struct worker_job job;
    struct scheduler *scheduler;
    void (*work)(struct op *op, struct auditor *auditor);
    void (*done)(struct op *op);
    struct bus_call *call; /* NULL: a timer's */
    struct tasks_timer *timer;
    struct outside *outside; /* what is to be sent to validators outside; NULL: nothing */
    char member[TASK_MEMBER_BYTES];
    struct auditor_report report;
    struct auditor_offer offer;
    uint8_t job_message[TASK_BODY_BYTES_MAX]; /* the offer's */
    enum auditor_outcome outcome;
    struct error error;
    bool worked;
    struct auditor_counts counts; /* where it did */
    size_t length;
    uint8_t message[];
};

/* What the auditor asks of the world, on its thread. */

static uint64_t random_number(void *context)
{
    uint64_t number = 0;
    (void)context;
    while (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        continue;
    return number;
}

static struct credit_found find_credit(void *context, uint64_t lease_id, uint64_t sequence,
                                       uint64_t from_ms, uint64_t to_ms,
                                       struct window_share *shares_r)
{
    struct tasks *tasks = &((struct scheduler *)context)->tasks;
    return credits_find(tasks->places, tasks->window, lease_id, sequence, from_ms, to_ms, shares_r);
}

static uint64_t tip_gone_ms(void *context, const uint8_t prev_hash[32])
{
    struct tasks *tasks = &((struct scheduler *)context)->tasks;
    uint64_t gone_ms = UINT64_MAX;
    pthread_mutex_lock(tasks->lock);
    for (size_t i = tasks->tips_count; i > 0 && gone_ms == UINT64_MAX; i--)
        if (memcmp(tasks->tips[i - 1].hash, prev_hash, 32) == 0)
            gone_ms = i == tasks->tips_count ? 0 : tasks->tips[i].since_ms;
    pthread_mutex_unlock(tasks->lock);
    return gone_ms;
}

void tasks_tip(struct scheduler *scheduler, const uint8_t hash[32])
{
    struct tasks *tasks = &scheduler->tasks;
    pthread_mutex_lock(tasks->lock);
    if (tasks->tips_count == TASKS_TIPS_MAX)
        memmove(tasks->tips, tasks->tips + 1, --tasks->tips_count * sizeof *tasks->tips);
    struct tasks_tip *tip = &tasks->tips[tasks->tips_count++];
    memcpy(tip->hash, hash, sizeof tip->hash);
    tip->since_ms = loop_unix_ms();
    pthread_mutex_unlock(tasks->lock);
}

static struct auditor *auditor_of(struct op *op)
{
    struct scheduler *scheduler = op->scheduler;
    struct tasks *tasks = &scheduler->tasks;
    const struct settings *settings = scheduler->options.settings;
    if (tasks->auditor != NULL)
        return tasks->auditor;
    tasks->auditor = auditor_create(
        &(struct auditor_options){
            .store = registry_store(scheduler->registry),
            .epoch = scheduler->epoch,
            .pool = scheduler->pool_id,
            .waiting_max = (size_t)settings->audit_waiting_max,
            .turn_max = (size_t)settings->audit_turn_max,
            .expiry_ms = (uint64_t)settings->time_validation_expiry * 1000,
            .keep_ms = (uint64_t)settings->audit_keep_h * 3600000,
            /* What a failover took back is sent again by then. */
            .missing_ms = 3 * (uint64_t)settings->stratum_keep_s * 1000 + CREDIT_PATIENCE_MS,
            .random = random_number,
            .find_credit = find_credit,
            .tip_gone_ms = tip_gone_ms,
            .context = scheduler,
        },
        loop_unix_ms(), &op->error);
    return tasks->auditor;
}

/* Between the threads. */

static void on_worker(struct worker_job *job)
{
    struct op *op = (struct op *)job;
    struct auditor *auditor = auditor_of(op);
    op->outcome = AUDITOR_LATER;
    if (auditor == NULL)
        return;
    op->work(op, auditor);
    op->counts = auditor_counts(auditor);
    op->worked = true;
}

static void show(struct tasks *tasks)
{
    const struct auditor_counts *counts = &tasks->counts;
    const uint64_t values[] = {
        counts->taken,   counts->issued, counts->reported, counts->refused,
        counts->expired, counts->alone,  counts->agreed,   counts->credits
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        metric_set(tasks->events[i], values[i]);
    metric_set(tasks->disputes, counts->disputes);
    metric_set(tasks->waiting, counts->waiting);
    metric_set(tasks->askers, counts->askers);
}

static void on_loop(struct worker_job *job)
{
    struct op *op = (struct op *)job;
    struct tasks *tasks = &op->scheduler->tasks;
    if (op->worked)
        tasks->counts = op->counts;
    show(tasks);
    op->done(op);
    free(op);
}

static struct op *new_op(struct scheduler *scheduler, struct span message)
{
    struct op *op = calloc(1, sizeof *op + message.length);
    ASSERT(op != NULL);
    op->job = (struct worker_job){ .work = on_worker, .done = on_loop };
    op->scheduler = scheduler;
    op->length = message.length;
    if (message.length > 0)
        memcpy(op->message, message.data, message.length);
    return op;
}

/* False where too much is under way, or nothing may be done any more: the op is gone. */
static bool begin(struct op *op)
{
    struct scheduler *scheduler = op->scheduler;
    if (scheduler->leading && !scheduler->stopping && !scheduler->deposed &&
        scheduler->registry != NULL &&
        worker_submit(registry_worker(scheduler->registry), &op->job))
        return true;
    free(op);
    return false;
}

/* Gateways. */

static void answer(struct op *op)
{
    if (op->outcome == AUDITOR_LATER) /* what is not answered is sent again */
        bus_drop(op->call);
    else
        scheduler_ack(op->call, op->outcome == AUDITOR_DONE,
                      op->outcome == AUDITOR_DONE ? "" : op->error.text);
    if (op->outcome != AUDITOR_DONE)
        log_debug("task.not_taken", "reason=\"%s\"", op->error.text);
}

static void refuse(struct op *op)
{
    metric_add(op->scheduler->metrics.refused_messages, 1);
    op->outcome = AUDITOR_REFUSED;
}

static void samples_work(struct op *op, struct auditor *auditor)
{
    struct wire_audit_samples samples;
    uint8_t *memory = malloc(DECODE_BYTES);
    ASSERT(memory != NULL);
    struct arena arena = arena_over(memory, DECODE_BYTES);
    if (wire_decode_audit_samples(span_of(op->message, op->length), &arena, &samples, &op->error))
        op->outcome = auditor_take(auditor, &samples, loop_unix_ms(), &op->error);
    else
        refuse(op);
    free(memory);
}

static void begin_call(struct scheduler *scheduler, struct bus_call *call, struct span message,
                       void (*work)(struct op *op, struct auditor *auditor),
                       void (*done)(struct op *op))
{
    struct op *op = new_op(scheduler, message);
    op->call = call;
    op->work = work;
    op->done = done;
    if (!begin(op))
        bus_drop(call);
}

void tasks_on_samples(struct scheduler *scheduler, struct bus_call *call, struct span message)
{
    begin_call(scheduler, call, message, samples_work, answer);
}

/* Our own validators. */

static bool is_timely(uint64_t time_ms)
{
    uint64_t now_ms = loop_unix_ms();
    return time_ms + CLOCKS_MS >= now_ms && time_ms <= now_ms + CLOCKS_MS;
}

/* Whether the last 64 bytes sign all before them with zeros in their place. */
static bool is_signed(const struct op *op, const uint8_t key[TOKEN_PUBLIC_BYTES])
{
    uint8_t bytes[512];
    if (op->length > sizeof bytes || op->length < TOKEN_SIGNATURE_BYTES)
        return false;
    memcpy(bytes, op->message, op->length);
    memset(bytes + op->length - TOKEN_SIGNATURE_BYTES, 0, TOKEN_SIGNATURE_BYTES);
    return token_verify_bytes(key, span_of(bytes, op->length),
                              op->message + op->length - TOKEN_SIGNATURE_BYTES);
}

static bool admit(struct op *op, struct auditor *auditor, const uint8_t key[TOKEN_PUBLIC_BYTES],
                  uint64_t time_ms)
{
    if (!is_signed(op, key) || !is_timely(time_ms)) {
        error_fill(&op->error, ERROR_REFUSED,
                   "the message is not signed by its key, or its time is off");
        refuse(op);
        return false;
    }
    const char *id = "";
    op->outcome = auditor_admit(auditor, key, loop_unix_ms(), &id, &op->error);
    snprintf(op->member, sizeof op->member, "%s", id);
    return op->outcome == AUDITOR_DONE;
}

/* The offer outlives the auditor's next call. */
static void ask(struct op *op, struct auditor *auditor)
{
    auditor_ask(auditor, op->member, loop_unix_ms(), &op->offer);
    struct span *job = &op->offer.body.job_message;
    if (op->offer.val_id == 0)
        return;
    ASSERT(job->length <= sizeof op->job_message);
    memcpy(op->job_message, job->data, job->length);
    job->data = op->job_message;
}

static void request_work(struct op *op, struct auditor *auditor)
{
    struct wire_task_request request;
    struct arena arena = arena_over(NULL, 0);
    if (!wire_decode_task_request(span_of(op->message, op->length), &arena, &request, &op->error))
        refuse(op);
    else if (admit(op, auditor, request.key, request.time_ms))
        ask(op, auditor);
}

static void request_done(struct op *op)
{
    uint8_t bytes[TASK_BODY_BYTES_MAX + 512];
    struct auditor_offer *offer = &op->offer;
    const struct wire_task_reply reply = {
        .val_id = offer->val_id,
        .expires_ms = offer->expires_ms,
        .judged_ms = offer->body.sample.judged_ms,
        .tip_in_doubt = offer->tip_in_doubt,
        .final = offer->body.sample.final,
        .job = offer->body.job_message,
        .shares = &offer->body.share,
        .shares_count = offer->val_id != 0,
    };
    if (op->outcome == AUDITOR_LATER) {
        bus_drop(op->call);
        return;
    }
    if (op->outcome == AUDITOR_REFUSED)
        log_debug("task.refused", "validator=%s reason=\"%s\"", op->member, op->error.text);
    size_t length = wire_encode_task_reply(&reply, bytes, sizeof bytes);
    ASSERT(length > 0);
    bus_reply(op->call, span_of(bytes, length));
}

void tasks_on_request(struct scheduler *scheduler, struct bus_call *call, struct span message)
{
    begin_call(scheduler, call, message, request_work, request_done);
}

static void report_work(struct op *op, struct auditor *auditor)
{
    struct wire_task_report report;
    struct arena arena = arena_over(NULL, 0);
    struct span message = span_of(op->message, op->length);
    if (!wire_decode_task_report(message, &arena, &report, &op->error)) {
        refuse(op);
        return;
    }
    if (!admit(op, auditor, report.key, report.time_ms))
        return;
    op->report = (struct auditor_report){ .val_id = report.val_id,
                                          .valid = report.valid != 0,
                                          .has_outcome = true,
                                          .outcome = report.outcome,
                                          .is_block = report.is_block != 0,
                                          .evidence = message };
    op->outcome = auditor_take_report(auditor, op->member, &op->report, loop_unix_ms(), &op->error);
}

void tasks_on_report(struct scheduler *scheduler, struct bus_call *call, struct span message)
{
    begin_call(scheduler, call, message, report_work, answer);
}

/* Validators outside: told of their tasks at every turn until they have reported, by whom they are
 * connected to. */

struct outside {
    size_t count;
    struct {
        char member[TASK_MEMBER_BYTES];
        char text[TASKS_TEXT_BYTES];
    } tasks[TASKS_OUTSIDE_MAX];
};

static bool on_outside(void *context, const char *member, const struct auditor_offer *offer)
{
    struct outside *outside = context;
    snprintf(outside->tasks[outside->count].member, TASK_MEMBER_BYTES, "%s", member);
    if (tasks_text(offer, outside->tasks[outside->count].text))
        outside->count++;
    return outside->count < TASKS_OUTSIDE_MAX;
}

static void gather_outside(struct op *op, struct auditor *auditor)
{
    op->outside = calloc(1, sizeof *op->outside);
    ASSERT(op->outside != NULL);
    auditor_walk_outside(auditor, loop_unix_ms(), on_outside, op->outside);
}

static void send_outside(struct op *op)
{
    struct scheduler *scheduler = op->scheduler;
    for (size_t i = 0; op->outside != NULL && i < op->outside->count; i++)
        if (scheduler->deliver != NULL &&
            !scheduler->deliver(scheduler, op->outside->tasks[i].member,
                                span_text(op->outside->tasks[i].text)))
            log_debug("task.not_delivered", "validator=%s", op->outside->tasks[i].member);
    free(op->outside);
}

enum inode_refusal tasks_outside_report(void *context, const struct registry_report *report)
{
    struct scheduler *scheduler = context;
    const struct inode_message *message = report->message;
    uint8_t evidence[INODE_CANONICAL_BYTES + INODE_SIGNATURE_BYTES];
    struct auditor_report said = { .valid = message->valid };
    struct error error;
    if (scheduler->tasks.auditor == NULL || strlen(message->task) != 16 ||
        !hex_decode_u64(message->task, 16, &said.val_id) ||
        strcmp(message->pool, scheduler->pool_id) != 0)
        return INODE_NO_TASK;
    memcpy(evidence, message->canonical, message->canonical_length);
    memcpy(evidence + message->canonical_length, message->signature, INODE_SIGNATURE_BYTES);
    said.evidence = span_of(evidence, message->canonical_length + INODE_SIGNATURE_BYTES);
    switch (auditor_take_report(scheduler->tasks.auditor, report->validator->id, &said,
                                report->now_ms, &error)) {
    case AUDITOR_DONE:
        return INODE_TAKEN;
    case AUDITOR_REFUSED:
        return INODE_NO_TASK;
    case AUDITOR_LATER:
        break;
    }
    return INODE_BUSY;
}

/* Timers. */

static void timer_work(struct op *op, struct auditor *auditor)
{
    if (op->timer->work(auditor, loop_unix_ms(), &op->error))
        op->outcome = AUDITOR_DONE;
    if (op->timer->tells)
        gather_outside(op, auditor);
}

static void timer_done(struct op *op)
{
    op->timer->busy = false;
    send_outside(op);
    if (op->outcome == AUDITOR_DONE)
        return;
    metric_add(op->timer->failures, 1);
    log_warn("timer.failed", "timer=%s reason=\"%s\"", op->timer->name, op->error.text);
}

static void on_due(void *context)
{
    struct tasks_timer *timer = context;
    if (timer->busy)
        return;
    struct op *op = new_op(timer->scheduler, span_of(NULL, 0));
    op->timer = timer;
    op->work = timer_work;
    op->done = timer_done;
    timer->busy = begin(op);
}

static void start(struct scheduler *scheduler, size_t i, const char *name, int64_t period_s,
                  bool tells,
                  bool (*work)(struct auditor *auditor, uint64_t now_ms, struct error *error))
{
    struct tasks_timer *timer = &scheduler->tasks.timers[i];
    timer->scheduler = scheduler;
    timer->name = name;
    timer->tells = tells;
    timer->work = work;
    timer->timer = (struct loop_timer){ .on_due = on_due, .context = timer };
    loop_timer_start(scheduler->options.loop, &timer->timer, (uint64_t)period_s * 1000,
                     (uint64_t)period_s * 1000);
}

void tasks_lead(struct scheduler *scheduler)
{
    const struct settings *settings = scheduler->options.settings;
    start(scheduler, 0, "gen_validation_task", settings->time_gen_validation_task, true,
          auditor_turn);
    start(scheduler, 1, "end_tasks", settings->time_end_tasks, true, auditor_end);
    start(scheduler, 2, "check_credits", settings->time_check_credits, false,
          auditor_check_credits);
}

/* Life. */

static void open_metrics(struct tasks *tasks, struct metrics *metrics)
{
    static const char *const events[] = { "event=\"taken\"",    "event=\"issued\"",
                                          "event=\"reported\"", "event=\"refused\"",
                                          "event=\"expired\"",  "event=\"alone\"",
                                          "event=\"agreed\"",   "event=\"credit_checked\"" };
    static const char *const timers[TASKS_TIMERS] = { "gen_validation_task", "end_tasks",
                                                      "check_credits" };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        tasks->events[i] = metrics_counter(metrics, "adit_scheduler_tasks_total", events[i],
                                           "validation tasks, by what became of them", NULL);
    for (size_t i = 0; i < TASKS_TIMERS; i++)
        tasks->timers[i].failures = registry_timer_failures(metrics, timers[i]);
    tasks->disputes =
        metrics_counter(metrics, "adit_scheduler_disputes_total", "",
                        "verdicts, reports and credits found to be wrong", "disputes");
    tasks->waiting = metrics_gauge(metrics, "adit_scheduler_tasks_waiting", "",
                                   "validation tasks that are not settled", NULL);
    tasks->askers = metrics_gauge(metrics, "adit_scheduler_task_askers", "",
                                  "validators that asked for a task of late", NULL);
}

bool tasks_open(struct scheduler *scheduler, struct error *error)
{
    const struct scheduler_world *world = &scheduler->options.world;
    struct tasks *tasks = &scheduler->tasks;
    pthread_mutex_t *lock = malloc(sizeof *lock);
    ASSERT(lock != NULL && pthread_mutex_init(lock, NULL) == 0);
    tasks->lock = lock;
    open_metrics(tasks, scheduler->options.metrics);
    tasks->places = places_create();
    if (tasks->places == NULL)
        return error_set(error, ERROR_FULL, "no memory for the places of batches");
    stats_note_places(scheduler->stats, tasks->places);
    tasks->window = world->open_window(world->context, error);
    return tasks->window != NULL;
}

void tasks_stop(struct scheduler *scheduler)
{
    struct tasks *tasks = &scheduler->tasks;
    for (size_t i = 0; i < TASKS_TIMERS; i++)
        loop_timer_stop(scheduler->options.loop, &tasks->timers[i].timer);
}

/* After the series are read no more, too. */
void tasks_close(struct scheduler *scheduler)
{
    struct tasks *tasks = &scheduler->tasks;
    auditor_destroy(tasks->auditor);
    if (tasks->window != NULL)
        window_reader_close(tasks->window);
    places_destroy(tasks->places);
    if (tasks->lock != NULL)
        pthread_mutex_destroy(tasks->lock);
    free(tasks->lock);
    *tasks = (struct tasks){ 0 };
}
