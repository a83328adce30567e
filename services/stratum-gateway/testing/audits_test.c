/* Drawing and handing in: fair whatever the verdict is, bounded, kept until inode-scheduler has it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "core/audit/audit.h"
#include "core/share/outcome.h"
#include "loop/testing/until.h"
#include "loop/testing/virtual_clock.h"
#include "services/stratum-gateway/audits.h"

#include <math.h>
#include <stdio.h>

enum { SEEN_MAX = 4096 };
static const char *const url = "fake://scheduler";

static struct world {
    struct loop *loop;
    struct bus *bus;
    struct bus_server *server;
    struct bus_client *client;
    struct metrics *metrics;
    struct audits *audits;
    struct batches batches;
    struct validator validator;
    struct job job;
    bool up, mute, refuses, forgotten;
    unsigned messages, jobs;
    struct wire_audit_sample seen[SEEN_MAX];
    uint64_t nonces[SEEN_MAX];
    size_t seen_count;
    uint64_t sequence;
} * w;

static void on_call(void *context, struct bus_call *call, struct span message)
{
    static uint8_t memory[65536];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_audit_samples samples;
    struct error error;
    uint8_t reply[128];
    (void)context;
    w->messages++;
    if (w->mute) {
        bus_drop(call);
        return;
    }
    assert_true(wire_decode_audit_samples(message, &arena, &samples, &error));
    assert_int_equal(samples.samples_count, samples.shares_count);
    for (uint32_t i = 0; i < samples.samples_count && !w->refuses; i++) {
        assert_true(w->seen_count < SEEN_MAX);
        w->nonces[w->seen_count] = samples.shares[i].nonce;
        w->seen[w->seen_count] = samples.samples[i];
        assert_string_equal(w->seen[w->seen_count++].first, "v7");
    }
    w->jobs += samples.jobs_count;
    const struct wire_ack ack = { .ok = !w->refuses, .text = w->refuses ? "no" : "" };
    size_t length = wire_encode_ack(&ack, reply, sizeof reply);
    bus_reply(call, span_of(reply, length));
}

static void on_up(void *context)
{
    (void)context;
    w->up = true;
}

static const struct job *find_job(void *context, uint64_t job_id, uint64_t *tip_gone_ms_r)
{
    (void)context;
    assert_int_equal(job_id, 9);
    *tip_gone_ms_r = 1234;
    return w->forgotten ? NULL : &w->job;
}

static void start(uint32_t rate, uint32_t per_second)
{
    struct error error;
    w->audits = audits_create(&(struct audits_options){ .loop = w->loop,
                                                        .scheduler = &w->client,
                                                        .rate = rate,
                                                        .per_second = per_second,
                                                        .period_ms = 1000,
                                                        .metrics = w->metrics,
                                                        .find_job = find_job },
                              &error);
    assert_non_null(w->audits);
}

static int begin(void **state)
{
    static struct world world;
    struct error error;
    (void)state;
    w = &world;
    *w = (struct world){ .loop = loop_create(&error), .metrics = metrics_create() };
    assert_non_null(w->loop);
    w->bus = bus_fake_create(w->loop);
    w->server = bus_serve(w->bus, url, 8, 1 << 20, on_call, NULL, &error);
    const struct bus_client_options options = { .in_flight_max = 2,
                                                .message_bytes_max = 4096,
                                                .on_up = on_up };
    w->client = bus_connect(w->bus, url, &options, &error);
    assert_true(w->server != NULL && w->client != NULL);
    LOOP_UNTIL(w->loop, w->up, "");
    snprintf(w->validator.instance, sizeof w->validator.instance, "v7");
    memset(w->validator.key, 7, sizeof w->validator.key);
    w->job = (struct job){ .id = 9,
                           .coinbase1_bytes = 50,
                           .coinbase2_bytes = 50,
                           .extranonce1_bytes = 4,
                           .extranonce2_bytes = 8 };
    return 0;
}

static int end(void **state)
{
    (void)state;
    bus_client_close(w->client);
    audits_destroy(w->audits);
    bus_server_close(w->server);
    bus_destroy(w->bus);
    batches_deinit(&w->batches);
    metrics_destroy(w->metrics);
    loop_destroy(w->loop);
    return 0;
}

/* A judged batch; nonces say what the verdicts were: every third is rejected. */
static void judge(uint32_t count)
{
    struct wire_verdict verdicts[BATCH_SHARES_MAX] = { 0 };
    struct batch *batch = batches_new(&w->batches);
    batch->lease_id = 5;
    batch->sequence = ++w->sequence;
    batch->sends = 1;
    batch->count = count;
    for (uint32_t i = 0; i < count; i++) {
        verdicts[i].outcome = i % 3 == 2 ? SHARE_LOW_DIFFICULTY : SHARE_ACCEPTED;
        batch->shares[i] = (struct wire_share){ .job_id = 9, .nonce = verdicts[i].outcome };
    }
    const struct wire_verdict_batch message = { .verdicts = verdicts, .verdicts_count = count };
    audits_draw(w->audits, batch, &w->validator, &message);
    batches_free(&w->batches, batch);
}

static void hand_in(void)
{
    audits_hand_in(w->audits);
    LOOP_UNTIL(w->loop, audits_waiting(w->audits) == 0, "");
}

static void accepted_and_rejected_are_drawn_alike_and_told_as_they_were(void **state)
{
    (void)state;
    enum { BATCHES = 60, SHARES = 30 };
    uint64_t rejected = 0;
    start(AUDIT_RATE_WHOLE / 4, 256);
    for (int i = 0; i < BATCHES; i++) {
        judge(SHARES);
        hand_in();
    }
    const double n = BATCHES * SHARES, p = 0.25;
    assert_true(fabs((double)w->seen_count - n * p) < 6 * sqrt(n * p * (1 - p)));
    for (size_t i = 0; i < w->seen_count; i++) {
        const struct wire_audit_sample *seen = &w->seen[i];
        rejected += seen->outcome != SHARE_ACCEPTED;
        assert_int_equal(seen->outcome, seen->index % 3 == 2 ? SHARE_LOW_DIFFICULTY : 0);
        assert_int_equal(seen->outcome, w->nonces[i]);
        assert_int_equal(seen->rank, seen->index - seen->index / 3);
        assert_int_equal(seen->accepted, 20);
        assert_int_equal(seen->lease_id, 5);
        assert_true(seen->alone);
        assert_int_equal(seen->tip_gone_ms, 1234);
        assert_int_equal(seen->first_key[31], 7);
    }
    const double m = (double)w->seen_count;
    assert_true(fabs((double)rejected - m / 3) < 6 * sqrt(m * 2 / 9));
    assert_true(w->jobs <= w->messages); /* one job, once a message */
}

/* Of more than may be drawn a fair choice is kept: no place and no time is favoured. */
static void a_flood_is_thinned_to_the_bound_and_stays_fair(void **state)
{
    (void)state;
    enum { TURNS = 200, BATCHES = 40, SHARES = 32, KEPT = 8 };
    uint64_t early = 0, low = 0;
    start(AUDIT_RATE_WHOLE, KEPT);
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t first = w->sequence;
        size_t before = w->seen_count;
        for (int i = 0; i < BATCHES; i++)
            judge(SHARES);
        hand_in();
        assert_int_equal(w->seen_count - before, KEPT);
        for (size_t i = before; i < w->seen_count; i++) {
            early += w->seen[i].sequence <= first + BATCHES / 2;
            low += w->seen[i].index < SHARES / 2;
        }
    }
    const double n = TURNS * KEPT;
    assert_true(fabs((double)early - n / 2) < 6 * sqrt(n / 4));
    assert_true(fabs((double)low - n / 2) < 6 * sqrt(n / 4));
}

static void what_was_drawn_is_kept_until_it_is_taken(void **state)
{
    (void)state;
    start(AUDIT_RATE_WHOLE, 256);
    w->mute = true;
    judge(5);
    unsigned messages = w->messages;
    LOOP_UNTIL(w->loop, w->messages >= messages + 3, ""); /* again and again, by its timer */
    assert_int_equal(audits_waiting(w->audits), 5);
    w->mute = false;
    LOOP_UNTIL(w->loop, audits_waiting(w->audits) == 0, "");
    assert_int_equal(w->seen_count, 5);
}

static void what_nobody_takes_is_bounded(void **state)
{
    (void)state;
    start(AUDIT_RATE_WHOLE, 256);
    w->mute = true;
    for (int i = 0; i < 20; i++) {
        judge(256);
        audits_hand_in(w->audits);
        unsigned messages = w->messages;
        LOOP_UNTIL(w->loop, w->messages > messages, "");
        assert_true(audits_waiting(w->audits) <= AUDITS_HELD_MAX + AUDITS_TURN_MAX);
    }
    w->mute = false;
    LOOP_UNTIL(w->loop, audits_waiting(w->audits) == 0, "");
    assert_true(w->seen_count <= AUDITS_HELD_MAX + AUDITS_TURN_MAX);
    assert_true(w->seen_count >= AUDITS_HELD_MAX);
}

static void what_is_refused_or_can_be_judged_by_nobody_is_let_go(void **state)
{
    (void)state;
    start(AUDIT_RATE_WHOLE, 256);
    w->refuses = true;
    judge(5);
    hand_in();
    w->refuses = false;
    w->forgotten = true;
    judge(5);
    hand_in();
    assert_int_equal(w->seen_count, 0);
    w->forgotten = false;
    judge(5);
    hand_in();
    assert_int_equal(w->seen_count, 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    virtual_clock_begin();
    const struct CMUnitTest tests[] = {
        TEST(accepted_and_rejected_are_drawn_alike_and_told_as_they_were),
        TEST(a_flood_is_thinned_to_the_bound_and_stays_fair),
        TEST(what_was_drawn_is_kept_until_it_is_taken),
        TEST(what_nobody_takes_is_bounded),
        TEST(what_is_refused_or_can_be_judged_by_nobody_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
