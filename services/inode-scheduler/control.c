/* Requests on the bus, one table: message -> function. Each ends its call exactly once. */
#include "services/inode-scheduler/scheduler.h"

#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DECODE_BYTES = 32 << 10,
    REPLY_BYTES = 20 << 10,
    CONTROL_TEXT_BYTES = 16000,
};

struct request {
    struct scheduler *scheduler;
    struct bus_call *call;
    struct span message;
    struct arena arena;
};

void scheduler_ack(struct bus_call *call, bool ok, const char *text)
{
    struct wire_ack ack = { .ok = ok, .text = text };
    uint8_t bytes[600];
    size_t length = wire_encode_ack(&ack, bytes, sizeof bytes);
    ASSERT(length > 0);
    bus_reply(call, span_of(bytes, length));
}

static bool refuse(struct request *request, const struct error *error)
{
    metric_add(request->scheduler->metrics.refused_messages, 1);
    log_warn("message.refused", "reason=\"%s\"", error->text);
    bus_drop(request->call);
    return false;
}

#define DECODE(name, request, message_r)                                                           \
    struct error error;                                                                            \
    if (!wire_decode_##name((request)->message, &(request)->arena, message_r, &error)) {           \
        refuse(request, &error);                                                                   \
        return;                                                                                    \
    }

static void on_lease_request(struct request *request)
{
    struct wire_lease_request message;
    DECODE(lease_request, request, &message);
    leases_request(request->scheduler->leases, request->call, message.instance, message.boot_id);
}

static void on_heartbeat(struct request *request)
{
    struct wire_heartbeat message;
    DECODE(heartbeat, request, &message);
    struct scheduler *scheduler = request->scheduler;
    if (!health_beat(&scheduler->health, &message))
        log_debug("heartbeat.unknown", "service=%s", message.service);
    struct wire_heartbeat_reply reply = {
        .epoch = scheduler->epoch,
        .lease_known = message.lease_id != 0 && leases_beat(scheduler->leases, message.lease_id)
    };
    uint8_t bytes[64];
    size_t length = wire_encode_heartbeat_reply(&reply, bytes, sizeof bytes);
    ASSERT(length > 0);
    bus_reply(request->call, span_of(bytes, length));
}

static void on_bans_report(struct request *request)
{
    struct wire_bans_report message;
    DECODE(bans_report, request, &message);
    const struct wire_bans_order order =
        bans_take(&request->scheduler->bans, &message, request->message);
    uint8_t bytes[512];
    size_t length = wire_encode_bans_order(&order, bytes, sizeof bytes);
    ASSERT(length > 0);
    bus_reply(request->call, span_of(bytes, length));
}

static void on_job_request(struct request *request)
{
    struct wire_job_request message;
    DECODE(job_request, request, &message);
    bus_reply(request->call, jobs_answer(request->scheduler->jobs, message.job_id));
}

static void on_template_request(struct request *request)
{
    struct wire_template_request message;
    DECODE(template_request, request, &message);
    handover_ask(&request->scheduler->handover, request->call, message.template_id, message.first);
}

static void on_template_held(struct request *request)
{
    struct wire_template_held message;
    DECODE(template_held, request, &message);
    jobs_held(request->scheduler->jobs, message.template_id);
    scheduler_ack(request->call, true, "");
}

static void on_candidate(struct request *request)
{
    struct wire_candidate message;
    DECODE(candidate, request, &message);
    scheduler_take_candidate(request->scheduler, request->call, &message);
}

static void on_submission_result(struct request *request)
{
    struct wire_submission_result message;
    DECODE(submission_result, request, &message);
    char answer[FOLLOW_TEXT_BYTES];
    log_text(message.answer, answer, sizeof answer);
    log_info("block.submitted", "by=validator node=%s accepted=%d answer=\"%s\" took_us=%" PRIu64,
             message.node, message.accepted, answer, message.took_us);
    scheduler_note(request->scheduler, message.block_hash, false, message.node, answer);
    for (size_t i = 0; i < request->scheduler->options.world.nodes_count; i++)
        if (strcmp(node_name(request->scheduler->chain_nodes[i]), message.node) == 0)
            submitter_heard(request->scheduler->submitter, message.block_hash, i, answer,
                            message.took_us);
    if (message.accepted)
        scheduler_follow_soon(request->scheduler);
    scheduler_ack(request->call, true, "");
}

/* Appends text that is cut where it does not fit. */
static void say(char *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, CONTROL_TEXT_BYTES - used, format, arguments);
    va_end(arguments);
}

static void say_status(const struct scheduler *scheduler, char *text)
{
    const char *reason;
    const char *state = scheduler_state(scheduler, &reason);
    struct jobs_view view;
    jobs_look(scheduler->jobs, &view);
    say(text, "state %s%s%s\nepoch %" PRIu64 "\n", state, *reason != '\0' ? ": " : "", reason,
        scheduler->epoch);
    say(text, "job %016" PRIx64 " height %u transactions %zu age %" PRIu64 " ms\n", view.job_id,
        view.height, view.transactions, view.template_age_ms);
    say(text, "jobs %zu templates %zu leases %zu events %" PRIu64 " open blocks %u\n",
        view.jobs_kept, view.templates_kept, leases_alive(scheduler->leases),
        scheduler->followed.event_sequence, scheduler->followed.open_blocks);
}

static void say_nodes(const struct scheduler *scheduler, char *text)
{
    for (size_t i = 0; i < scheduler->options.world.nodes_count; i++) {
        const struct follow_node *node = &scheduler->followed.nodes[i];
        const char *trouble = node->trouble[0] != '\0' ? node->trouble : scheduler->node_trouble[i];
        say(text, "%s height %u %s%s%s\n", node_name(scheduler->chain_nodes[i]), node->height,
            node->usable ? "usable" : "left aside", *trouble != '\0' ? ": " : "", trouble);
    }
}

static void say_submissions(const struct scheduler *scheduler, char *text)
{
    struct submit_history lines[64];
    size_t count = submitter_history(scheduler->submitter, lines, 64);
    for (size_t i = 0; i < count; i++) {
        char id[BLOCK_ID_BYTES];
        block_id(lines[i].hash, id);
        say(text, "%" PRIu64 " %s %s %s attempt %u took %" PRIu64 " us\n", lines[i].at_ms, id,
            node_name(scheduler->chain_nodes[lines[i].node]), lines[i].answer, lines[i].attempts,
            lines[i].took_us);
    }
}

/* The same for programs (`adit node`): a line a thing, its first word says what, tabs between. */
static void say_table(const struct scheduler *scheduler, char *text)
{
    enum { JOBS = 32, SUBMISSIONS = 32 };
    struct jobs_line jobs[JOBS];
    struct submit_history submissions[SUBMISSIONS];
    char id[BLOCK_ID_BYTES], safe[FOLLOW_TEXT_BYTES];
    say(text, "epoch\t%" PRIu64 "\t%s\n", scheduler->epoch,
        scheduler->leading ? "leads" : "stands by");
    for (size_t i = 0; scheduler->leading && i < scheduler->options.world.nodes_count; i++) {
        const struct nodes_node *node = &scheduler->nodes.list[i];
        block_id(node->tip.hash, id);
        say(text, "node\t%s\t%s\t%d\t%u\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n",
            node->name, nodes_standing_word(node->standing), node->usable, node->tip.height,
            node->tip_known ? id : "", node->tip_unix_ms, node->template_unix_ms, node->answer_us,
            log_text(node->reason, safe, sizeof safe));
    }
    size_t count = jobs_history(scheduler->jobs, jobs, JOBS);
    for (size_t i = 0; i < count; i++)
        say(text, "job\t%016" PRIx64 "\t%" PRIu64 "\t%u\t%zu\t%" PRIu64 "\t%s\t%d\t%d\n",
            jobs[i].job_id, jobs[i].made_unix_ms, jobs[i].height, jobs[i].transactions,
            jobs[i].coinbase_value, node_name(scheduler->chain_nodes[jobs[i].node]), jobs[i].clean,
            jobs[i].alive);
    count = scheduler->submitter == NULL
                ? 0
                : submitter_history(scheduler->submitter, submissions, SUBMISSIONS);
    for (size_t i = 0; i < count; i++) {
        block_id(submissions[i].hash, id);
        say(text, "submission\t%" PRIu64 "\t%s\t%s\t%s\t%u\t%" PRIu64 "\t%s\n",
            submissions[i].at_ms, id, node_name(scheduler->chain_nodes[submissions[i].node]),
            submissions[i].by_validator ? "validator" : "scheduler", submissions[i].attempts,
            submissions[i].took_us, log_text(submissions[i].answer, safe, sizeof safe));
    }
}

static void on_control(struct request *request)
{
    struct wire_control_request message;
    DECODE(control_request, request, &message);
    char *text = calloc(1, CONTROL_TEXT_BYTES);
    uint8_t *bytes = malloc(REPLY_BYTES);
    ASSERT(text != NULL && bytes != NULL);
    bool ok = true;
    if (strcmp(message.verb, "status") == 0)
        say_status(request->scheduler, text);
    else if (strcmp(message.verb, "nodes") == 0)
        say_nodes(request->scheduler, text);
    else if (strcmp(message.verb, "submissions") == 0)
        say_submissions(request->scheduler, text);
    else if (strcmp(message.verb, "table") == 0)
        say_table(request->scheduler, text);
    else {
        ok = false;
        say(text, "verbs: status, nodes, submissions, table\n");
    }
    struct wire_control_reply reply = { .ok = ok, .text = text };
    size_t length = wire_encode_control_reply(&reply, bytes, REPLY_BYTES);
    ASSERT(length > 0);
    bus_reply(request->call, span_of(bytes, length));
    free(bytes);
    free(text);
}

static void on_validator_hello(struct request *request)
{
    if (request->scheduler->registry != NULL)
        registry_hello(request->scheduler->registry, request->call, request->message);
    else
        bus_drop(request->call);
}

static void on_audit_samples(struct request *request)
{
    tasks_on_samples(request->scheduler, request->call, request->message);
}

static void on_task_request(struct request *request)
{
    tasks_on_request(request->scheduler, request->call, request->message);
}

static void on_task_report(struct request *request)
{
    tasks_on_report(request->scheduler, request->call, request->message);
}

static const struct handler {
    enum wire_type type;
    void (*handle)(struct request *request);
} handlers[] = {
    { WIRE_TYPE_heartbeat, on_heartbeat },
    { WIRE_TYPE_job_request, on_job_request },
    { WIRE_TYPE_template_request, on_template_request },
    { WIRE_TYPE_template_held, on_template_held },
    { WIRE_TYPE_candidate, on_candidate },
    { WIRE_TYPE_submission_result, on_submission_result },
    { WIRE_TYPE_lease_request, on_lease_request },
    { WIRE_TYPE_control_request, on_control },
    { WIRE_TYPE_bans_report, on_bans_report },
    { WIRE_TYPE_validator_hello, on_validator_hello },
    { WIRE_TYPE_audit_samples, on_audit_samples },
    { WIRE_TYPE_task_request, on_task_request },
    { WIRE_TYPE_task_report, on_task_report },
};

void scheduler_on_call(void *context, struct bus_call *call, struct span message)
{
    _Alignas(max_align_t) uint8_t memory[DECODE_BYTES];
    struct request request = { .scheduler = context,
                               .call = call,
                               .message = message,
                               .arena = arena_over(memory, sizeof memory) };
    enum wire_type type;
    struct error error;
    if (request.scheduler->stopping || request.scheduler->deposed) {
        bus_drop(call); /* who leads now answers */
        return;
    }
    if (!wire_peek(message, &type, &error)) {
        refuse(&request, &error);
        return;
    }
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (handlers[i].type == type) {
            handlers[i].handle(&request);
            return;
        }
    error_fill(&error, ERROR_INVALID, "a message of type %s is not for this process",
               wire_type_name(type));
    refuse(&request, &error);
}
