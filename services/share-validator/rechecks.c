#include "services/share-validator/rechecks.h"

#include "core/audit/audit.h"
#include "service/log.h"
#include "wire/job/job_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 2000, REPORT_BYTES = 512, ARENA_BYTES = 2048 };

struct rechecks {
    struct rechecks_options options;
    struct loop_timer timer;
    bool stopped, asking, reporting;
    uint64_t val_id;              /* of the report that is owed; 0: none is */
    uint64_t expires_ms;          /* when it is owed no more */
    uint8_t report[REPORT_BYTES]; /* signed */
    size_t report_bytes;
    void *scratch; /* for slow hashes; NULL until one is needed */
    struct metric *taken, *reported, *refused;
    _Alignas(max_align_t) uint8_t arena[ARENA_BYTES];
};

static void ask(struct rechecks *rechecks);
static void send_report(struct rechecks *rechecks);

/* Reporting. */

static void on_ack(void *context, enum bus_outcome outcome, struct span message)
{
    struct rechecks *rechecks = context;
    struct arena arena = arena_over(rechecks->arena, sizeof rechecks->arena);
    struct wire_ack ack;
    struct error error;
    rechecks->reporting = false;
    if (outcome != BUS_REPLIED || !wire_decode_ack(message, &arena, &ack, &error))
        return; /* again at the next turn */
    metric_add(ack.ok ? rechecks->reported : rechecks->refused, 1);
    if (!ack.ok)
        log_warn("task.report_refused", "val_id=%016" PRIx64 " reason=\"%s\"", rechecks->val_id,
                 ack.text);
    rechecks->val_id = 0;
    if (ack.ok && !rechecks->stopped)
        ask(rechecks); /* there may be more */
}

static void send_report(struct rechecks *rechecks)
{
    if (loop_unix_ms() >= rechecks->expires_ms)
        rechecks->val_id = 0;
    else
        rechecks->reporting =
            feed_request(rechecks->options.feed, span_of(rechecks->report, rechecks->report_bytes),
                         TIMEOUT_MS, on_ack, rechecks);
}

static void make_report(struct rechecks *rechecks, const struct audit_finding *finding)
{
    struct wire_task_report report = { .val_id = rechecks->val_id,
                                       .time_ms = loop_unix_ms(),
                                       .valid = finding->outcome == SHARE_ACCEPTED,
                                       .outcome = (uint8_t)finding->outcome,
                                       .is_block = finding->is_block };
    identity_public(rechecks->options.identity, report.key);
    memcpy(report.hash, finding->hash, sizeof report.hash);
    memcpy(report.header, finding->header, sizeof report.header);
    size_t length = wire_encode_task_report(&report, rechecks->report, sizeof rechecks->report);
    ASSERT(length > 0);
    identity_sign(rechecks->options.identity, span_of(rechecks->report, length), report.signature);
    rechecks->report_bytes =
        wire_encode_task_report(&report, rechecks->report, sizeof rechecks->report);
}

/* Judging. */

static bool judge(struct rechecks *rechecks, const struct wire_task_reply *task,
                  struct error *error)
{
    const struct audit_case given = { .tip_in_doubt = task->tip_in_doubt != 0,
                                      .final = task->final != 0,
                                      .judged_ms = task->judged_ms };
    uint8_t memory[TEMPLATE_BRANCHES_MAX * sizeof(struct wire_hash) + 64];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_job wire;
    struct job job;
    struct job_prepared prepared;
    struct share_submission submission;
    struct audit_finding finding;
    if (task->shares_count != 1)
        return error_set(error, ERROR_INVALID, "it is not one share");
    if (!wire_decode_job(task->job, &arena, &wire, error) || !job_from_wire(&wire, &job, error))
        return false;
    if (task->shares[0].job_id != job.id)
        return error_set(error, ERROR_INVALID, "its job is another");
    if (pow_scratch_bytes(job.algorithm) > 0 && rechecks->scratch == NULL)
        rechecks->scratch = malloc(POW_SCRATCH_BYTES);
    submission_from_wire(&task->shares[0], &job, &submission);
    job_prepare(&job, submission.shape, &prepared);
    audit_judge(&prepared, &submission, &given, rechecks->scratch, &finding);
    make_report(rechecks, &finding);
    return true;
}

static void on_task(void *context, enum bus_outcome outcome, struct span message)
{
    struct rechecks *rechecks = context;
    struct arena arena = arena_over(rechecks->arena, sizeof rechecks->arena);
    struct wire_task_reply task;
    struct error error;
    rechecks->asking = false;
    if (outcome != BUS_REPLIED || rechecks->stopped || rechecks->val_id != 0)
        return;
    if (!wire_decode_task_reply(message, &arena, &task, &error)) {
        log_warn("task.unreadable", "reason=\"%s\"", error.text);
        return;
    }
    if (task.val_id == 0)
        return;
    metric_add(rechecks->taken, 1);
    rechecks->val_id = task.val_id;
    rechecks->expires_ms = task.expires_ms;
    if (judge(rechecks, &task, &error)) {
        send_report(rechecks);
        return;
    }
    log_warn("task.not_judged", "val_id=%016" PRIx64 " reason=\"%s\"", task.val_id, error.text);
    rechecks->val_id = 0; /* it expires, and goes to another */
}

static void ask(struct rechecks *rechecks)
{
    struct wire_task_request request = { .time_ms = loop_unix_ms() };
    uint8_t bytes[256];
    identity_public(rechecks->options.identity, request.key);
    size_t length = wire_encode_task_request(&request, bytes, sizeof bytes);
    ASSERT(length > 0);
    identity_sign(rechecks->options.identity, span_of(bytes, length), request.signature);
    length = wire_encode_task_request(&request, bytes, sizeof bytes);
    rechecks->asking =
        feed_request(rechecks->options.feed, span_of(bytes, length), TIMEOUT_MS, on_task, rechecks);
}

static void on_due(void *context)
{
    struct rechecks *rechecks = context;
    if (rechecks->val_id != 0 && !rechecks->reporting)
        send_report(rechecks);
    else if (rechecks->val_id == 0 && !rechecks->asking)
        ask(rechecks);
}

void rechecks_identify(struct rechecks *rechecks, struct bus_call *call, struct span message)
{
    struct wire_identity_request request;
    struct wire_identity_reply reply = { .instance = rechecks->options.instance };
    struct arena arena = arena_over(NULL, 0);
    struct error error;
    uint8_t bytes[512];
    if (!wire_decode_identity_request(message, &arena, &request, &error)) {
        log_warn("identity.unreadable", "reason=\"%s\"", error.text);
        bus_drop(call);
        return;
    }
    memcpy(reply.nonce, request.nonce, sizeof reply.nonce);
    identity_public(rechecks->options.identity, reply.key);
    size_t length = wire_encode_identity_reply(&reply, bytes, sizeof bytes);
    ASSERT(length > 0);
    identity_sign(rechecks->options.identity, span_of(bytes, length), reply.signature);
    length = wire_encode_identity_reply(&reply, bytes, sizeof bytes);
    (void)bus_reply(call, span_of(bytes, length));
}

struct rechecks *rechecks_create(const struct rechecks_options *options, struct error *error)
{
    struct rechecks *rechecks = calloc(1, sizeof *rechecks);
    if (rechecks == NULL) {
        error_fill(error, ERROR_FULL, "no memory for validation tasks");
        return NULL;
    }
    rechecks->options = *options;
    rechecks->taken = metrics_counter(options->metrics, "adit_validator_tasks_total",
                                      "event=\"taken\"", "Validation tasks.", NULL);
    rechecks->reported = metrics_counter(options->metrics, "adit_validator_tasks_total",
                                         "event=\"reported\"", "Validation tasks.", "tasks");
    rechecks->refused = metrics_counter(options->metrics, "adit_validator_tasks_total",
                                        "event=\"refused\"", "Validation tasks.", NULL);
    rechecks->timer = (struct loop_timer){ .on_due = on_due, .context = rechecks };
    loop_timer_start(options->loop, &rechecks->timer, options->period_ms, options->period_ms);
    return rechecks;
}

void rechecks_stop(struct rechecks *rechecks)
{
    if (rechecks == NULL)
        return;
    rechecks->stopped = true;
    loop_timer_stop(rechecks->options.loop, &rechecks->timer);
}

void rechecks_destroy(struct rechecks *rechecks)
{
    if (rechecks == NULL)
        return;
    rechecks_stop(rechecks);
    free(rechecks->scratch);
    free(rechecks);
}
