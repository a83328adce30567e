/* Validation tasks in a validator whose scheduler and gateway are played: it judges what it is
 * told, signs what it found, says it until it is heard, and proves who it is. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/token_sodium/token.h"
#include "services/share-validator/testing/ground.h"
#include "wire/job/job_wire.h"

static uint8_t job_bytes[8192];
static struct wire_share share;

/* The scheduler has this task, once. */
static void give(struct ground *ground, uint64_t work, uint64_t val_id)
{
    struct script_job *job =
        script_add_job(&ground->script, &(struct script_job_params){ .id = 100 + val_id });
    struct wire_job wire;
    job_to_wire(&job->job, 1, &wire);
    size_t length = wire_encode_job(&wire, job_bytes, sizeof job_bytes);
    assert_true(length > 0);
    share = script_share(job, script_nonce(job, false, 1));
    share.work = work;
    ground->script.task = (struct wire_task_reply){ .val_id = val_id,
                                                    .expires_ms = loop_unix_ms() + 600000,
                                                    .judged_ms = share.received_ms,
                                                    .job = span_of(job_bytes, length),
                                                    .shares = &share,
                                                    .shares_count = 1 };
}

static bool reported(void *context)
{
    return ((const struct ground *)context)->script.reports > 0;
}

static bool is_signed(const struct wire_task_report *report)
{
    struct wire_task_report bare = *report;
    uint8_t bytes[512];
    memset(bare.signature, 0, sizeof bare.signature);
    size_t length = wire_encode_task_report(&bare, bytes, sizeof bytes);
    return token_verify_bytes(report->key, span_of(bytes, length), report->signature);
}

static void expect(struct ground *ground, uint64_t val_id, enum share_outcome outcome)
{
    const struct wire_task_report *report = &ground->script.report;
    ground->script.reports = 0;
    script_wait(&ground->script, "a report", reported, ground);
    assert_true(report->val_id == val_id);
    assert_int_equal(report->outcome, outcome);
    assert_int_equal(report->valid, outcome == SHARE_ACCEPTED);
    assert_int_equal(report->is_block, 0);
    assert_true(is_signed(report));
}

static void a_task_is_judged_by_what_is_told_of_it_and_reported_signed(void **state)
{
    struct ground *ground = *state;
    static const uint8_t none[32];
    give(ground, 1, 7);
    expect(ground, 7, SHARE_ACCEPTED);
    assert_memory_not_equal(ground->script.report.hash, none, 32);
    give(ground, UINT64_MAX, 8);
    expect(ground, 8, SHARE_LOW_DIFFICULTY);
}

static bool asked_again(void *context)
{
    return ((struct ground *)context)->script.task_questions >= 2;
}

static void a_report_that_is_not_heard_is_said_again_and_one_that_is_is_not(void **state)
{
    struct ground *ground = *state;
    ground->script.reports_to_lose = 1;
    give(ground, 1, 7);
    expect(ground, 7, SHARE_ACCEPTED);
    assert_int_equal(ground->script.reports_to_lose, 0);
    assert_int_equal(ground->script.reports, 1);
    ground->script.task_questions = 0;
    script_wait(&ground->script, "further questions", asked_again, ground);
    assert_int_equal(ground->script.reports, 1);
}

static void a_task_that_makes_no_sense_is_left_and_the_next_is_done(void **state)
{
    struct ground *ground = *state;
    give(ground, 1, 7);
    ground->script.task.job.length--;
    ground->script.task_questions = 0;
    script_wait(&ground->script, "further questions", asked_again, ground);
    assert_int_equal(ground->script.reports, 0);
    give(ground, 1, 8);
    expect(ground, 8, SHARE_ACCEPTED);
}

struct asked {
    bool done;
    struct wire_identity_reply reply;
    uint8_t memory[512];
};

static void on_identity(void *context, enum bus_outcome outcome, struct span message)
{
    struct asked *asked = context;
    struct arena arena = arena_over(asked->memory, sizeof asked->memory);
    struct error error;
    assert_int_equal(outcome, BUS_REPLIED);
    assert_true(wire_decode_identity_reply(message, &arena, &asked->reply, &error));
    asked->done = true;
}

static void it_proves_who_it_is_to_whoever_asks(void **state)
{
    struct ground *ground = *state;
    struct asked asked = { 0 };
    struct wire_identity_request request = { .nonce = { 1, 2, 3 } };
    uint8_t bytes[512], signature[64];
    size_t length = wire_encode_identity_request(&request, bytes, sizeof bytes);
    while (!ground->script.connected[0])
        loop_run_once(ground->loop, 10);
    assert_true(bus_request(ground->script.gateways[0], span_of(bytes, length), 20000, on_identity,
                            &asked));
    script_wait_flag(&ground->script, "an identity", &asked.done);
    assert_memory_equal(asked.reply.nonce, request.nonce, sizeof request.nonce);
    assert_string_equal(asked.reply.instance, "1");
    memcpy(signature, asked.reply.signature, sizeof signature);
    memset(asked.reply.signature, 0, sizeof asked.reply.signature);
    length = wire_encode_identity_reply(&asked.reply, bytes, sizeof bytes);
    assert_true(token_verify_bytes(asked.reply.key, span_of(bytes, length), signature));
    bytes[4] ^= 1; /* another number is another proof */
    assert_false(token_verify_bytes(asked.reply.key, span_of(bytes, length), signature));
    /* the key it registers and reports with */
    give(ground, 1, 7);
    expect(ground, 7, SHARE_ACCEPTED);
    assert_memory_equal(ground->script.report.key, asked.reply.key, 32);
}

int main(void)
{
    log_open("validator_rechecks_test", "1", LOG_ERROR);
    const struct CMUnitTest tests[] = {
        GROUND_TEST(a_task_is_judged_by_what_is_told_of_it_and_reported_signed),
        GROUND_TEST(a_report_that_is_not_heard_is_said_again_and_one_that_is_is_not),
        GROUND_TEST(a_task_that_makes_no_sense_is_left_and_the_next_is_done),
        GROUND_TEST(it_proves_who_it_is_to_whoever_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
