#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/share-validator/testing/script.h"
#include "wire/job/job_wire.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_BYTES = 256 << 10, HEIGHT = 500, VALUE = 5000000000u };

/* Transactions that only their template has. */
static size_t transaction_of(uint64_t template_id, size_t index, uint8_t bytes_r[64])
{
    memset(bytes_r, (int)(0x40 + index), 64);
    store_le64(bytes_r, template_id);
    return 40 + 7 * index;
}

static void transactions_of(uint64_t template_id, uint8_t (*bytes)[64],
                            struct template_transaction *transactions_r, size_t *count_r)
{
    *count_r = template_id != 0 ? SCRIPT_TRANSACTIONS : 0;
    memset(transactions_r, 0, SCRIPT_TRANSACTIONS * sizeof *transactions_r);
    for (size_t i = 0; i < *count_r; i++) {
        transactions_r[i].data = span_of(bytes[i], transaction_of(template_id, i, bytes[i]));
        sha256d(transactions_r[i].data, transactions_r[i].txid);
    }
}

struct script_job *script_add_job(struct script *script, const struct script_job_params *given)
{
    assert_true(script->job_count < SCRIPT_JOBS_MAX);
    struct script_job *added = &script->jobs[script->job_count++];
    uint8_t bytes[SCRIPT_TRANSACTIONS][64];
    struct template_transaction transactions[SCRIPT_TRANSACTIONS];
    struct block_template template = { .height = HEIGHT,
                                       .version = 0x20000000,
                                       .bits = given->bits != 0 ? given->bits : SCRIPT_BITS_HARD,
                                       .cur_time = (uint32_t)(loop_unix_ms() / 1000),
                                       .coinbase_value = VALUE,
                                       .transactions = transactions };
    template.min_time = template.cur_time - 3600;
    memset(template.prev_hash, given->tip != 0 ? given->tip : 1, sizeof template.prev_hash);
    assert_true(difficulty_target_from_bits(template.bits, &template.network_target));
    transactions_of(given->template_id, bytes, transactions, &template.transactions_count);
    static const uint8_t script_bytes[] = { 0x51 };
    const struct job_output output = { span_of(script_bytes, 1), VALUE };
    const struct job_params params = {
        .id = given->id,
        .epoch = given->epoch != 0 ? given->epoch : 1,
        .template_id = given->template_id,
        .job_value = given->id,
        .algorithm = given->algorithm,
        .version_mask = JOB_VERSION_MASK_BIP320,
        .extranonce1_bytes = 4,
        .extranonce2_bytes = 8,
        .clean = given->clean,
        .pool_tag = span_text("/test/"),
        .outputs = &output,
        .outputs_count = 1,
    };
    *added = (struct script_job){ .sequence =
                                      given->sequence != 0 ? given->sequence : script->job_count };
    assert_int_equal(job_from_template(&template, &params, &added->job), JOB_OK);
    return added;
}

static struct wire_job wire_of(const struct script_job *from)
{
    struct wire_job wire;
    job_to_wire(&from->job, from->sequence, &wire);
    return wire;
}

void script_publish(struct script *script, const struct script_job *job)
{
    static uint8_t message[MESSAGE_BYTES];
    struct wire_job wire = wire_of(job);
    size_t length = wire_encode_job(&wire, message, sizeof message);
    assert_true(length > 0);
    bus_publish(script->publisher, span_of(message, length));
}

void script_announce(struct script *script, uint64_t template_id)
{
    uint8_t message[64];
    const struct wire_template_announce wire = { .epoch = 1,
                                                 .template_id = template_id,
                                                 .height = HEIGHT,
                                                 .transaction_count = SCRIPT_TRANSACTIONS };
    size_t length = wire_encode_template_announce(&wire, message, sizeof message);
    assert_true(length > 0);
    bus_publish(script->publisher, span_of(message, length));
}

/* The scheduler's answers. */
static size_t answer_jobs(struct script *script, uint64_t job_id, uint8_t *message)
{
    struct wire_job jobs[SCRIPT_JOBS_MAX];
    struct wire_job_reply reply = { .epoch = 1, .jobs = jobs };
    script->job_questions += job_id != 0;
    for (size_t i = 0; i < script->job_count; i++) {
        const struct script_job *job = &script->jobs[i];
        if (job->hidden || (job_id != 0 && job->job.id != job_id))
            continue;
        jobs[reply.jobs_count++] = wire_of(job);
        if (job->job.epoch > reply.epoch)
            reply.epoch = job->job.epoch;
        reply.sequence = job->sequence;
    }
    return wire_encode_job_reply(&reply, message, MESSAGE_BYTES);
}

static struct span job_of_template(const struct script *script, uint64_t template_id)
{
    static uint8_t bytes[MESSAGE_BYTES];
    for (size_t i = 0; i < script->job_count && script->jobs_with_them; i++)
        if (script->jobs[i].job.template_id == template_id) {
            struct wire_job wire = wire_of(&script->jobs[i]);
            return span_of(bytes, wire_encode_job(&wire, bytes, sizeof bytes));
        }
    return span_of(NULL, 0);
}

static size_t answer_template(struct script *script, uint64_t template_id, uint32_t first,
                              uint8_t *message)
{
    uint8_t bytes[SCRIPT_TRANSACTIONS][64];
    struct wire_transaction transactions[SCRIPT_TRANSACTIONS];
    struct wire_template_reply reply = { .transactions = transactions };
    script->template_questions++;
    if (!script->templates_hidden) {
        reply.template_id = template_id;
        reply.first = first;
        reply.last = !script->templates_in_pieces || first == SCRIPT_TRANSACTIONS;
        if (reply.last != 0)
            reply.job = job_of_template(script, template_id);
        size_t end =
            script->templates_in_pieces && reply.last == 0 ? first + 1 : SCRIPT_TRANSACTIONS;
        for (size_t i = first; i < end; i++)
            transactions[reply.transactions_count++].data =
                span_of(bytes[i], transaction_of(template_id, i, bytes[i]));
    }
    return wire_encode_template_reply(&reply, message, MESSAGE_BYTES);
}

static size_t acknowledge(uint8_t *message)
{
    const struct wire_ack ack = { .ok = 1, .text = "" };
    return wire_encode_ack(&ack, message, MESSAGE_BYTES);
}

static size_t take_candidate(struct script *script, struct span request, struct arena *arena,
                             uint8_t *message)
{
    struct wire_candidate candidate;
    struct error error;
    assert_true(wire_decode_candidate(request, arena, &candidate, &error));
    assert_true(script->candidate_count < SCRIPT_SEEN_MAX);
    struct script_seen *seen = &script->candidates[script->candidate_count++];
    memcpy(seen->hash, candidate.block_hash, sizeof seen->hash);
    seen->candidate.lease_id = candidate.lease_id;
    seen->candidate.sequence = candidate.sequence;
    seen->candidate.index = candidate.index;
    seen->candidate.template_id = candidate.template_id;
    return acknowledge(message);
}

static size_t take_result(struct script *script, struct span request, struct arena *arena,
                          uint8_t *message)
{
    struct wire_submission_result result;
    struct error error;
    assert_true(wire_decode_submission_result(request, arena, &result, &error));
    assert_true(script->result_count < SCRIPT_SEEN_MAX);
    struct script_seen *seen = &script->results[script->result_count++];
    memcpy(seen->hash, result.block_hash, sizeof seen->hash);
    seen->accepted = result.accepted != 0;
    snprintf(seen->node, sizeof seen->node, "%.60s", result.node);
    return acknowledge(message);
}

static void on_call(void *context, struct bus_call *call, struct span request)
{
    struct script *script = context;
    static uint8_t message[MESSAGE_BYTES];
    static uint8_t memory[64 << 10];
    struct arena arena = arena_over(memory, sizeof memory);
    enum wire_type type;
    struct error error;
    size_t length = 0;
    assert_true(wire_peek(request, &type, &error));
    if (script->silent) {
        bus_drop(call);
        return;
    }
    if (type == WIRE_TYPE_job_request) {
        struct wire_job_request wire;
        assert_true(wire_decode_job_request(request, &arena, &wire, &error));
        length = answer_jobs(script, wire.job_id, message);
    } else if (type == WIRE_TYPE_template_request) {
        struct wire_template_request wire;
        assert_true(wire_decode_template_request(request, &arena, &wire, &error));
        length = answer_template(script, wire.template_id, wire.first, message);
    } else if (type == WIRE_TYPE_template_held) {
        struct wire_template_held wire;
        assert_true(wire_decode_template_held(request, &arena, &wire, &error));
        script->held++;
        script->last_held = wire.template_id;
        length = acknowledge(message);
    } else if (type == WIRE_TYPE_candidate) {
        length = take_candidate(script, request, &arena, message);
    } else if (type == WIRE_TYPE_submission_result) {
        length = take_result(script, request, &arena, message);
    } else if (type == WIRE_TYPE_validator_hello) {
        script->hello_length = request.length;
        assert_true(request.length <= sizeof script->hello);
        memcpy(script->hello, request.data, request.length);
        script->hellos++;
        length = acknowledge(message);
    } else if (type == WIRE_TYPE_task_request) {
        script->task_questions++;
        length = wire_encode_task_reply(&script->task, message, sizeof message);
    } else if (type == WIRE_TYPE_task_report && script->reports_to_lose > 0) {
        script->reports_to_lose--;
        bus_drop(call);
        return;
    } else if (type == WIRE_TYPE_task_report) {
        assert_true(wire_decode_task_report(request, &arena, &script->report, &error));
        script->reports++;
        script->task.val_id = 0; /* there is one */
        length = acknowledge(message);
    } else if (type == WIRE_TYPE_heartbeat) {
        const struct wire_heartbeat_reply wire = { .epoch = 1 };
        length = wire_encode_heartbeat_reply(&wire, message, sizeof message);
    }
    assert_true(length > 0);
    (void)bus_reply(call, span_of(message, length));
}

/* Somebody new listens: the newest job again, as the scheduler does. */
static void on_subscriber(void *context)
{
    struct script *script = context;
    for (size_t i = script->job_count; i-- > 0;)
        if (!script->jobs[i].hidden) {
            script_publish(script, &script->jobs[i]);
            return;
        }
}

void script_scheduler_start(struct script *script)
{
    struct error error;
    script->server =
        bus_serve(script->bus, script->scheduler_url, 64, MESSAGE_BYTES, on_call, script, &error);
    if (script->server == NULL)
        fail_msg("%s", error.text);
    script->publisher =
        bus_publisher_open(script->bus, script->publish_url, on_subscriber, script, &error);
    if (script->publisher == NULL)
        fail_msg("%s", error.text);
}

void script_scheduler_stop(struct script *script)
{
    bus_server_close(script->server);
    bus_publisher_close(script->publisher);
    script->server = NULL;
    script->publisher = NULL;
}

void script_begin(struct script *script, struct loop *loop, struct bus *bus,
                  const char *scheduler_url, const char *publish_url)
{
    memset(script, 0, sizeof *script);
    script->loop = loop;
    script->bus = bus;
    script->scheduler_url = scheduler_url;
    script->publish_url = publish_url;
    script_scheduler_start(script);
}

void script_end(struct script *script)
{
    for (size_t i = 0; i < script->gateway_count; i++)
        bus_client_close(script->gateways[i]);
    if (script->server != NULL)
        script_scheduler_stop(script);
}

/* The gateway. */
static void on_up(void *context)
{
    struct script *script = *(struct script **)context;
    for (size_t i = 0; i < SCRIPT_VALIDATORS_MAX; i++)
        if (context == &script->links[i])
            script->connected[i] = true;
}

static void on_down(void *context)
{
    struct script *script = *(struct script **)context;
    for (size_t i = 0; i < SCRIPT_VALIDATORS_MAX; i++)
        if (context == &script->links[i])
            script->connected[i] = false;
}

void script_connect(struct script *script, const char *url)
{
    assert_true(script->gateway_count < SCRIPT_VALIDATORS_MAX);
    size_t at = script->gateway_count++;
    script->links[at].script = script;
    script->links[at].at = at;
    const struct bus_client_options options = { .in_flight_max = 600,
                                                .message_bytes_max = 65536,
                                                .on_up = on_up,
                                                .on_down = on_down,
                                                .context = &script->links[at] };
    struct error error;
    script->gateways[at] = bus_connect(script->bus, url, &options, &error);
    if (script->gateways[at] == NULL)
        fail_msg("%s", error.text);
}

struct wire_share script_share(const struct script_job *job, uint32_t nonce)
{
    return (struct wire_share){ .job_id = job->job.id,
                                .account = 7,
                                .worker = 8,
                                .work = 1,
                                .received_ms = loop_unix_ms(),
                                .extranonce1 = { 1, 2, 3, 4 },
                                .extranonce2 = { 9, 8, 7, 6, 5, 4, 3, 2 },
                                .ntime = job->job.cur_time,
                                .nonce = nonce,
                                .found = SHARE_ACCEPTED };
}

void script_judge(const struct script_job *job, const struct wire_share *share,
                  struct share_verdict *verdict_r)
{
    static uint8_t scratch[POW_SCRATCH_BYTES];
    struct share_submission submission;
    struct job_prepared prepared;
    submission_from_wire(share, &job->job, &submission);
    submission.gateway_outcome = SHARE_ACCEPTED;
    job_prepare(&job->job, submission.shape, &prepared);
    share_check(&prepared, SHARE_TIP_CURRENT, &submission, loop_unix_ms(), scratch, verdict_r);
}

uint32_t script_nonce(const struct script_job *job, bool block, uint32_t from)
{
    for (uint32_t nonce = from;; nonce++) {
        const struct wire_share share = script_share(job, nonce);
        struct share_verdict verdict;
        script_judge(job, &share, &verdict);
        if (verdict.outcome == SHARE_ACCEPTED && verdict.is_block == block)
            return nonce;
        assert_true(nonce - from < 100000);
    }
}

void script_block_hash(const struct script_job *job, const struct wire_share *share,
                       uint8_t hash_r[32])
{
    struct share_verdict verdict;
    script_judge(job, share, &verdict);
    sha256d_header(verdict.header, hash_r);
}

uint8_t *script_block(const struct script_job *job, const struct wire_share *share,
                      size_t *length_r)
{
    uint8_t bytes[SCRIPT_TRANSACTIONS][64];
    struct template_transaction transactions[SCRIPT_TRANSACTIONS];
    size_t count;
    struct share_verdict verdict;
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    script_judge(job, share, &verdict);
    transactions_of(job->job.template_id, bytes, transactions, &count);
    struct span coinbase_span =
        span_of(coinbase, job_coinbase_for_block(&job->job, share->shape, share->extranonce1,
                                                 share->extranonce2, coinbase));
    size_t length = template_block_bytes(transactions, count, coinbase_span, span_of(NULL, 0));
    uint8_t *block = malloc(length);
    assert_non_null(block);
    *length_r = template_block_serialize(verdict.header, transactions, count, coinbase_span,
                                         span_of(NULL, 0), block, length);
    return block;
}

static void on_reply(void *context, enum bus_outcome outcome, struct span reply)
{
    struct script_answer *answer = context;
    answer->done = true;
    answer->outcome = outcome;
    if (outcome != BUS_REPLIED)
        return;
    static uint8_t memory[64 << 10];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_verdict_batch wire;
    struct error error;
    if (!wire_decode_verdict_batch(reply, &arena, &wire, &error))
        fail_msg("%s", error.text);
    answer->status = (enum wire_batch_status)wire.status;
    answer->history = wire.history;
    answer->lease_id = wire.lease_id;
    answer->sequence = wire.sequence;
    answer->count = wire.verdicts_count;
    for (size_t i = 0; i < answer->count; i++)
        answer->verdicts[i] = wire.verdicts[i];
}

bool script_send(struct script *script, size_t validator, const struct wire_share_batch *batch,
                 unsigned timeout_ms, struct script_answer *answer)
{
    static uint8_t message[MESSAGE_BYTES];
    size_t length = wire_encode_share_batch(batch, message, sizeof message);
    assert_true(length > 0);
    memset(answer, 0, sizeof *answer);
    return bus_request(script->gateways[validator], span_of(message, length), timeout_ms, on_reply,
                       answer);
}

void script_send_bytes(struct script *script, size_t validator, struct span bytes,
                       unsigned timeout_ms, struct script_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    assert_true(bus_request(script->gateways[validator], bytes, timeout_ms, on_reply, answer));
}

void script_ask(struct script *script, size_t validator, const struct wire_share_batch *batch,
                struct script_answer *answer)
{
    uint64_t end_ns = loop_clock_ns() + SCRIPT_PATIENCE_MS * 1000000ull;
    for (;;) {
        if (script_send(script, validator, batch, 10000, answer)) {
            script_wait_flag(script, "an answer", &answer->done);
            if (answer->outcome == BUS_REPLIED)
                break;
        }
        if (loop_clock_ns() > end_ns)
            fail_msg("validator %zu does not answer", validator);
        loop_run_once(script->loop, 20);
    }
    assert_true(answer->lease_id == batch->lease_id && answer->sequence == batch->sequence);
}

void script_wait(struct script *script, const char *what, bool (*condition)(void *context),
                 void *context)
{
    uint64_t end_ns = loop_clock_ns() + SCRIPT_PATIENCE_MS * 1000000ull;
    while (!condition(context)) {
        if (loop_clock_ns() > end_ns)
            fail_msg("waited in vain for %s", what);
        loop_run_once(script->loop, 20);
    }
}

static bool flag_is_set(void *context)
{
    return *(const bool *)context;
}

void script_wait_flag(struct script *script, const char *what, const bool *flag)
{
    script_wait(script, what, flag_is_set, (void *)(uintptr_t)flag);
}
