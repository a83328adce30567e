/* The validator with everything around it played: the bus, the window and the nodes in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/token_sodium/token.h"
#include "services/share-validator/testing/ground.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct window_totals totals_of(struct ground *ground)
{
    struct window_totals totals;
    struct error error;
    assert_true(window_totals_read(ground->reader, &totals, &error));
    return totals;
}

static size_t spooled(const struct ground *ground, const char *ending)
{
    size_t count = 0;
    DIR *listing = opendir(ground->folder);
    assert_non_null(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        size_t length = strlen(entry->d_name);
        count +=
            length > strlen(ending) && strcmp(entry->d_name + length - strlen(ending), ending) == 0;
    }
    closedir(listing);
    return count;
}

static bool blocks_are_gone(void *context)
{
    return blocks_count(((struct ground *)context)->validator.blocks) == 0;
}

struct in_window {
    struct window_share shares[64];
    size_t count;
};

static bool collect(void *context, struct window_position first, uint64_t lease_id,
                    uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct in_window *window = context;
    (void)first, (void)lease_id, (void)sequence;
    for (size_t i = 0; i < count && window->count < 64; i++)
        window->shares[window->count++] = shares[i];
    return true;
}

static void an_accepted_share_is_in_the_window_when_it_is_answered(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share shares[3];
    for (uint32_t i = 0; i < 3; i++)
        shares[i] = script_share(job, script_nonce(job, false, 1000 * i));
    shares[1].work = UINT64_MAX; /* that much it is not */
    shares[2].worker = 9;
    const struct wire_share_batch batch = ground_batch_of(1, shares, 3);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[1].outcome, SHARE_LOW_DIFFICULTY);
    assert_int_equal(answer.verdicts[2].outcome, SHARE_ACCEPTED);
    struct in_window window = { 0 };
    struct error error;
    assert_true(window_walk_on(ground->reader, NULL, collect, &window, &error));
    assert_int_equal(window.count, 2);
    const struct window_share expected = {
        .account = 7, .worker = 9, .work = 1, .job_id = 1, .time_ms = shares[2].received_ms
    };
    assert_memory_equal(&window.shares[1], &expected, sizeof expected);
    assert_int_equal(totals_of(ground).rejected, 1);
}

static void each_share_gets_the_verdict_it_deserves(void **state)
{
    struct ground *ground = *state;
    struct script_job *old =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .tip = 1 });
    struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 2, .tip = 2, .clean = true });
    struct wire_share shares[8];
    for (size_t i = 0; i < 8; i++)
        shares[i] = script_share(job, script_nonce(job, false, 0));
    shares[0] = script_share(old, script_nonce(old, false, 0));
    shares[0].received_ms += 100000;
    shares[1].job_id = 12345;
    shares[2].found = SHARE_DUPLICATE;
    shares[3].ntime = job->job.min_time - 1;
    shares[4].has_version_bits = 1;
    shares[4].version_bits = 1u << 13;
    shares[5].account = 0;
    shares[6].job_id = 12345;
    shares[6].found = SHARE_UNAUTHORIZED;
    shares[7].found = 200; /* no outcome of ours */
    static const enum share_outcome expected[8] = { SHARE_STALE,           SHARE_JOB_NOT_FOUND,
                                                    SHARE_DUPLICATE,       SHARE_INVALID_NTIME,
                                                    SHARE_INVALID_VERSION, SHARE_UNAUTHORIZED,
                                                    SHARE_UNAUTHORIZED,    SHARE_MALFORMED };
    struct wire_share_batch batch = ground_batch_of(1, shares, 8);
    batch.final = 1;
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(answer.verdicts[i].outcome, expected[i]);
    assert_int_equal(totals_of(ground).accepted, 0);
    /* "No such job" is remembered: asking for it again costs no question. */
    unsigned long questions = ground->script.job_questions;
    struct wire_share_batch again = ground_batch_of(2, shares + 1, 1);
    again.final = 1;
    script_ask(&ground->script, 0, &again, &answer);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_JOB_NOT_FOUND);
    assert_int_equal(ground->script.job_questions, questions);
}

/* The window lost them with its old history, and meanwhile there is a new tip. */
static void an_answered_batch_that_comes_again_keeps_its_verdicts(void **state)
{
    struct ground *ground = *state;
    struct script_job *old =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .tip = 1 });
    struct wire_share shares[3];
    for (uint32_t i = 0; i < 3; i++)
        shares[i] = script_share(old, script_nonce(old, false, 1000 * i));
    shares[0].received_ms += 100000; /* by a gateway that has not heard of the tip for long */
    shares[1].found = SHARE_STALE;   /* what it was told then */
    shares[2].work = UINT64_MAX;     /* whatever is said of it, it is not */
    ground_publish(ground, &(struct script_job_params){ .id = 2, .tip = 2, .clean = true });
    struct wire_share_batch batch = ground_batch_of(1, shares, 3);
    struct script_answer answer;
    window_fake_history(ground->window, 42);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_STALE);
    batch.sequence = 2;
    batch.again = 1;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.history, 42);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[1].outcome, SHARE_STALE);
    assert_int_equal(answer.verdicts[2].outcome, SHARE_LOW_DIFFICULTY);
    assert_int_equal(totals_of(ground).accepted, 1);
}

/* Its first validator died, or the window was away, and meanwhile there is a new tip: the outage is
 * ours, so the share counts. */
static void a_first_copy_that_comes_late_is_judged_as_of_its_receipt(void **state)
{
    struct ground *ground = *state;
    struct script_job *old =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .tip = 1 });
    struct wire_share shares[2];
    for (uint32_t i = 0; i < 2; i++)
        shares[i] = script_share(old, script_nonce(old, false, 1000 * i));
    shares[1].found = SHARE_STALE; /* its gateway had heard of the tip */
    ground_publish(ground, &(struct script_job_params){ .id = 2, .tip = 2, .clean = true });
    const struct wire_share_batch batch = ground_batch_of(1, shares, 2);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[1].outcome, SHARE_STALE);
}

/* Another validator may have the job: nothing is decided here before the gateway says that it has
 * asked everybody. */
static void without_a_job_a_batch_is_left_to_others_until_it_is_final(void **state)
{
    struct ground *ground = *state;
    struct script_job *known = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct script_job *lost =
        script_add_job(&ground->script, &(struct script_job_params){ .id = 2 });
    struct wire_share shares[2] = { script_share(known, script_nonce(known, false, 0)),
                                    script_share(lost, script_nonce(lost, false, 0)) };
    struct wire_share_batch batch = ground_batch_of(1, shares, 2);
    static struct script_answer answer;
    ground->script.silent = true;
    assert_true(script_send(&ground->script, 0, &batch, 20000, &answer));
    script_wait_flag(&ground->script, "an answer", &answer.done);
    assert_int_equal(answer.status, WIRE_BATCH_OVERLOADED);
    assert_int_equal(totals_of(ground).accepted, 0);
    ground->script.silent = false;
    lost->hidden = true;
    for (uint8_t again = 0; again < 2; again++) {
        batch.again = again;
        script_ask(&ground->script, 0, &batch, &answer);
        assert_int_equal(answer.status, WIRE_BATCH_CANNOT_JUDGE);
        assert_int_equal(answer.count, 0);
    }
    assert_int_equal(window_fake_appends(ground->window), 0);
    batch.final = 1;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[1].outcome, SHARE_JOB_NOT_FOUND);
    /* Stored under its id: knowing the job later changes nothing. */
    lost->hidden = false;
    script_publish(&ground->script, lost);
    script_wait(&ground->script, "the job", ground_feed_is_up, ground);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[1].outcome, SHARE_JOB_NOT_FOUND);
    assert_int_equal(totals_of(ground).accepted, 1);
}

/* Shares are judged job by job, so the answer's order is not the order of judging. */
static void shares_of_many_jobs_in_one_batch_keep_their_places(void **state)
{
    enum { JOBS = 5, SHARES = 200 };
    static struct wire_share shares[SHARES];
    static struct script_answer answer;
    struct ground *ground = *state;
    const struct script_job *jobs[JOBS];
    bool good[SHARES];
    for (uint64_t i = 0; i < JOBS; i++)
        jobs[i] = ground_publish(ground, &(struct script_job_params){ .id = 20 + i });
    for (size_t i = 0; i < SHARES; i++) {
        shares[i] = script_share(jobs[i * i % JOBS], (uint32_t)i);
        good[i] = i % 7 < 4;
        if (!good[i])
            shares[i].ntime = 1;
        if (i % 11 == 10)
            shares[i].job_id = 999; /* there is no such job */
    }
    struct wire_share_batch batch = ground_batch_of(1, shares, SHARES);
    batch.final = 1;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.count, SHARES);
    for (size_t i = 0; i < SHARES; i++)
        assert_int_equal(answer.verdicts[i].outcome, i % 11 == 10 ? SHARE_JOB_NOT_FOUND
                                                     : good[i]    ? SHARE_ACCEPTED
                                                                  : SHARE_INVALID_NTIME);
}

static void an_empty_batch_and_rubbish_are_survived(void **state)
{
    struct ground *ground = *state;
    const struct wire_share_batch batch = ground_batch_of(1, NULL, 0);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.count, 0);
    static struct script_answer nothing;
    script_send_bytes(&ground->script, 0, span_text("GET / HTTP/1.1"), 200, &nothing);
    script_wait_flag(&ground->script, "no answer", &nothing.done);
    assert_int_equal(nothing.outcome, BUS_TIMEOUT);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
}

/* What no gateway of ours sends: nothing of it reaches the window, and nobody is told that a share
 * is finally lost. */
static void a_malformed_batch_touches_nothing_and_is_not_refused_for_good(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    static const struct {
        uint64_t lease_id, sequence, lowest;
    } hostile[] = {
        { 77, 5, 6 },         { 77, 5, UINT64_MAX }, { 77, 0, 0 },
        { 0, 5, 1 },          { 77, UINT64_MAX, 1 }, { 77, UINT64_MAX, UINT64_MAX },
        { 0, 0, UINT64_MAX }, { UINT64_MAX, 0, 0 },
    };
    struct script_answer answer;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        const struct wire_share_batch batch = { .lease_id = hostile[i].lease_id,
                                                .sequence = hostile[i].sequence,
                                                .lowest = hostile[i].lowest,
                                                .shares = &share,
                                                .shares_count = 1 };
        script_ask(&ground->script, 0, &batch, &answer);
        assert_int_equal(answer.status, WIRE_BATCH_OVERLOADED);
        assert_int_equal(answer.count, 0);
    }
    assert_int_equal(window_fake_appends(ground->window), 0);
    /* Sent as it should be, under the same id, it counts: nothing was closed meanwhile. */
    struct wire_share_batch batch = ground_batch_of(5, &share, 1);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(totals_of(ground).accepted, 1);
}

static void a_repeat_is_answered_as_the_first_time(void **state)
{
    struct ground *ground = *state;
    struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .tip = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    struct wire_share_batch batch = ground_batch_of(5, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    /* By now it would be stale. */
    ground_publish(ground, &(struct script_job_params){ .id = 2, .tip = 2, .clean = true });
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(totals_of(ground).accepted, 1);
    /* And when its lease has moved on, it is refused. */
    struct wire_share_batch later = ground_batch_of(9, &share, 1);
    later.lowest = 9;
    script_ask(&ground->script, 0, &later, &answer);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_REFUSED);
    assert_int_equal(answer.count, 0);
}

static void the_same_batch_twice_in_flight_is_judged_once(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    static struct script_answer answers[12];
    window_fake_delay(ground->window, 100);
    /* More than are kept waiting: the first ones hear nothing and have long stopped listening. */
    for (size_t i = 0; i < 12; i++)
        assert_true(script_send(&ground->script, 0, &batch, 1000, &answers[i]));
    for (size_t i = 0; i < 12; i++)
        script_wait_flag(&ground->script, "an answer", &answers[i].done);
    for (size_t i = 4; i < 12; i++) {
        assert_int_equal(answers[i].outcome, BUS_REPLIED);
        assert_int_equal(answers[i].verdicts[0].outcome, SHARE_ACCEPTED);
    }
    assert_int_equal(answers[0].outcome, BUS_TIMEOUT);
    assert_int_equal(window_fake_appends(ground->window), 1);
}

static void beyond_its_bound_a_validator_says_so(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    static struct script_answer answers[GROUND_BATCHES_MAX + 2];
    window_fake_delay(ground->window, 100);
    for (size_t i = 0; i < GROUND_BATCHES_MAX + 2; i++) {
        const struct wire_share_batch batch = ground_batch_of(i + 1, &share, 1);
        assert_true(script_send(&ground->script, 0, &batch, 5000, &answers[i]));
    }
    for (size_t i = 0; i < GROUND_BATCHES_MAX + 2; i++) {
        script_wait_flag(&ground->script, "an answer", &answers[i].done);
        assert_int_equal(answers[i].status,
                         i < GROUND_BATCHES_MAX ? WIRE_BATCH_JUDGED : WIRE_BATCH_OVERLOADED);
    }
}

static void without_the_window_nothing_is_promised(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    struct script_answer answer;
    window_fake_trouble(ground->window, WINDOW_FAKE_UNAVAILABLE, 0);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_NOT_DURABLE);
    window_fake_trouble(ground->window, WINDOW_FAKE_WELL, 0);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(totals_of(ground).accepted, 1);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    static const enum window_fake_trouble troubles[] = { WINDOW_FAKE_LOSES_ANSWER,
                                                         WINDOW_FAKE_LOSES_REQUEST };
    for (uint64_t i = 0; i < 2; i++) {
        const struct wire_share_batch batch = ground_batch_of(i + 1, &share, 1);
        struct script_answer answer;
        window_fake_trouble(ground->window, troubles[i], 3);
        script_ask(&ground->script, 0, &batch, &answer);
        assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
        assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
        assert_int_equal(totals_of(ground).accepted, i + 1);
    }
}

/* Not applied this time is no news about the time before. */
static void what_became_unknown_is_not_called_undone(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    static struct script_answer answer;
    window_fake_trouble(ground->window, WINDOW_FAKE_LOSES_ANSWER, 1);
    assert_true(script_send(&ground->script, 0, &batch, 20000, &answer));
    while (window_fake_appends(ground->window) == 0)
        loop_run_once(ground->loop, 10);
    window_fake_trouble(ground->window, WINDOW_FAKE_UNAVAILABLE, 0);
    script_wait_flag(&ground->script, "an answer", &answer.done);
    assert_int_equal(answer.status, WIRE_BATCH_UNKNOWN);
    window_fake_trouble(ground->window, WINDOW_FAKE_WELL, 0);
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    assert_int_equal(totals_of(ground).accepted, 1);
}

static void a_job_that_was_missed_is_fetched(void **state)
{
    struct ground *ground = *state;
    struct script_job *known = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct script_job *missed =
        script_add_job(&ground->script, &(struct script_job_params){ .id = 2 });
    struct wire_share shares[2] = { script_share(known, script_nonce(known, false, 0)),
                                    script_share(missed, script_nonce(missed, false, 0)) };
    const struct wire_share_batch batch = ground_batch_of(1, shares, 2);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[1].outcome, SHARE_ACCEPTED);
}

static void a_gap_in_the_publications_makes_it_ask(void **state)
{
    struct ground *ground = *state;
    ground_publish(ground, &(struct script_job_params){ .id = 1 });
    script_add_job(&ground->script, &(struct script_job_params){ .id = 2 });
    script_add_job(&ground->script, &(struct script_job_params){ .id = 3 });
    ground_publish(ground,
                   &(struct script_job_params){ .id = 4 }); /* waits until all four are known */
    assert_non_null(job_table_find(ground->validator.jobs, 2));
}

static void a_block_waits_neither_for_jobs_nor_for_the_window(void **state)
{
    struct ground *ground = *state;
    struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .bits = SCRIPT_BITS_EASY });
    struct wire_share shares[2] = { script_share(job, script_nonce(job, true, 0)),
                                    script_share(job, 0) };
    shares[1].job_id = 999;
    ground->script.silent = true; /* nobody to ask for job 999, or to tell of the candidate */
    window_fake_trouble(ground->window, WINDOW_FAKE_UNAVAILABLE, 0);
    const struct wire_share_batch batch = ground_batch_of(1, shares, 2);
    static struct script_answer answer;
    assert_true(script_send(&ground->script, 0, &batch, 20000, &answer));
    size_t length;
    uint8_t *block = script_block(job, &shares[0], &length);
    uint64_t end_ns = loop_clock_ns() + 60000000000ull;
    while (!play_node_has(&ground->nodes[0], span_of(block, length)) ||
           !play_node_has(&ground->nodes[1], span_of(block, length))) {
        assert_true(loop_clock_ns() < end_ns);
        loop_run_once(ground->loop, 10);
    }
    free(block);
    assert_false(answer.done);
    /* Nobody answers about job 999: another validator may know it. */
    script_wait_flag(&ground->script, "an answer", &answer.done);
    assert_int_equal(answer.status, WIRE_BATCH_OVERLOADED);
    /* The scheduler has not heard of it: it stays in the spool. */
    assert_int_equal(spooled(ground, ".block"), 1);
    ground->script.silent = false;
    script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
    assert_int_equal(ground->script.candidate_count, 1);
    assert_int_equal(spooled(ground, ".block"), 0);
}

struct found {
    unsigned count;
    struct window_found last;
};

static bool on_found(void *context, const struct window_found *found)
{
    struct found *all = context;
    all->count++;
    all->last = *found;
    return true;
}

static void a_block_reaches_nodes_scheduler_and_window(void **state)
{
    struct ground *ground = *state;
    script_announce(&ground->script, 42);
    struct script_job *job = ground_publish(
        ground,
        &(struct script_job_params){ .id = 1, .template_id = 42, .bits = SCRIPT_BITS_EASY });
    struct wire_share shares[3];
    shares[0] = script_share(job, script_nonce(job, false, 0));
    shares[0].work = UINT64_MAX; /* rejected: does not count for the index */
    shares[1] = script_share(job, script_nonce(job, false, 100));
    shares[2] = script_share(job, script_nonce(job, true, 200));
    const struct wire_share_batch batch = ground_batch_of(3, shares, 3);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[2].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[2].is_block, 1);
    assert_int_equal(answer.verdicts[1].is_block, 0);
    script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
    size_t length;
    uint8_t *block = script_block(job, &shares[2], &length);
    assert_true(play_node_has(&ground->nodes[0], span_of(block, length)));
    assert_true(play_node_has(&ground->nodes[1], span_of(block, length)));
    free(block);
    uint8_t hash[32];
    script_block_hash(job, &shares[2], hash);
    assert_int_equal(ground->script.candidate_count, 1);
    assert_memory_equal(ground->script.candidates[0].hash, hash, 32);
    assert_true(ground->script.candidates[0].candidate.lease_id == 77);
    assert_int_equal(ground->script.candidates[0].candidate.sequence, 3);
    assert_int_equal(ground->script.candidates[0].candidate.index, 2);
    while (ground->script.result_count < GROUND_NODES)
        loop_run_once(ground->loop, 10);
    assert_true(ground->script.results[0].accepted);
    struct found found = { 0 };
    bool there;
    struct error error;
    assert_true(window_candidate_get(ground->reader, hash, on_found, &found, &there, &error) &&
                there);
    assert_true(found.last.credited);
    assert_int_equal(found.last.end.index, 1); /* the second of those that count */
    assert_true(ground->script.held >= 1 && ground->script.last_held == 42);
    assert_int_equal(spooled(ground, ".block"), 0);
}

/* The next nonce whose share in the untagged shape is a block, and whose full one is none. */
static uint32_t untagged_block(const struct script_job *job)
{
    for (uint32_t nonce = 0; nonce < 100000; nonce++) {
        struct wire_share share = script_share(job, nonce);
        struct share_verdict full, untagged;
        script_judge(job, &share, &full);
        share.shape = JOB_SHAPE_UNTAGGED;
        script_judge(job, &share, &untagged);
        if (untagged.is_block && !full.is_block)
            return nonce;
    }
    fail_msg("no nonce makes a block of one shape alone");
    return 0;
}

static void a_share_is_judged_and_a_block_built_by_the_coinbase_it_names(void **state)
{
    struct ground *ground = *state;
    struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .bits = SCRIPT_BITS_EASY });
    const uint32_t nonce = untagged_block(job);
    struct wire_share shares[5];
    for (size_t i = 0; i < 5; i++)
        shares[i] = script_share(job, nonce);
    shares[1].shape = JOB_SHAPE_UNTAGGED;
    shares[2].shape = JOB_SHAPE_LEAST; /* this job has no output to leave out */
    shares[3].shape = 200;
    shares[4].shape = JOB_SHAPE_UNTAGGED;
    shares[4].extranonce2[0]++;
    const struct wire_share_batch batch = ground_batch_of(1, shares, 5);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.count, 5);
    assert_int_equal(answer.verdicts[0].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[0].is_block, 0);
    assert_int_equal(answer.verdicts[1].outcome, SHARE_ACCEPTED);
    assert_int_equal(answer.verdicts[1].is_block, 1);
    assert_int_equal(answer.verdicts[2].outcome, SHARE_MALFORMED);
    assert_int_equal(answer.verdicts[3].outcome, SHARE_MALFORMED);
    assert_int_equal(answer.verdicts[4].outcome, SHARE_ACCEPTED);
    script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
    size_t length;
    uint8_t *block = script_block(job, &shares[1], &length);
    assert_true(play_node_has(&ground->nodes[0], span_of(block, length)));
    free(block);
}

/* Its miner, or somebody who saw the line, may send it under any name as often as he likes. */
static void a_settled_block_that_is_sent_again_is_not_submitted_again(void **state)
{
    struct ground *ground = *state;
    struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .bits = SCRIPT_BITS_EASY });
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    for (uint64_t sequence = 1; sequence <= 4; sequence++) {
        const struct wire_share_batch batch = ground_batch_of(sequence, &share, 1);
        struct script_answer answer;
        script_ask(&ground->script, 0, &batch, &answer);
        assert_int_equal(answer.verdicts[0].is_block, 1);
        script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
        assert_int_equal(play_node_submissions(&ground->nodes[0]), 1);
        assert_int_equal(ground->script.candidate_count, 1);
        share.found = SHARE_UNAUTHORIZED;
        share.account = 0;
    }
}

static void a_block_among_rejected_shares_is_a_block(void **state)
{
    struct ground *ground = *state;
    struct script_job *old = ground_publish(
        ground, &(struct script_job_params){ .id = 1, .tip = 1, .bits = SCRIPT_BITS_EASY });
    ground_publish(ground, &(struct script_job_params){ .id = 2, .tip = 2, .clean = true });
    struct wire_share shares[3];
    uint32_t nonce = 0;
    for (size_t i = 0; i < 3; i++, nonce++) {
        nonce = script_nonce(old, true, nonce);
        shares[i] = script_share(old, nonce);
    }
    shares[0].received_ms += 100000;
    shares[1].found = SHARE_UNAUTHORIZED;
    shares[1].account = 0;
    shares[2].found = SHARE_DUPLICATE;
    const struct wire_share_batch batch = ground_batch_of(1, shares, 3);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    static const enum share_outcome expected[] = { SHARE_STALE, SHARE_UNAUTHORIZED,
                                                   SHARE_DUPLICATE };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(answer.verdicts[i].outcome, expected[i]);
        assert_int_equal(answer.verdicts[i].is_block, 1);
    }
    script_wait(&ground->script, "the blocks to be settled", blocks_are_gone, ground);
    assert_int_equal(play_node_submissions(&ground->nodes[0]), 3);
    struct window_totals totals = totals_of(ground);
    assert_int_equal(totals.candidates, 3);
    assert_int_equal(totals.accepted, 0);
}

static void a_node_that_is_away_is_tried_again(void **state)
{
    struct ground *ground = *state;
    struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .bits = SCRIPT_BITS_EASY });
    play_node_answer(&ground->nodes[0], NODE_SUBMIT_UNREACHED);
    play_node_answer(&ground->nodes[1], NODE_SUBMIT_REJECTED);
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    while (play_node_submissions(&ground->nodes[0]) < 3)
        loop_run_once(ground->loop, 10);
    assert_int_equal(play_node_submissions(&ground->nodes[1]), 1);
    assert_int_equal(blocks_count(ground->validator.blocks), 1);
    assert_int_equal(spooled(ground, ".block"), 1);
    play_node_answer(&ground->nodes[0], NODE_SUBMIT_DUPLICATE);
    script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
    assert_int_equal(spooled(ground, ".block"), 0);
}

static void a_node_that_stays_away_is_given_up_once_another_has_the_block(void **state)
{
    struct ground *ground = *state;
    struct script_job *job =
        ground_publish(ground, &(struct script_job_params){ .id = 1, .bits = SCRIPT_BITS_EASY });
    play_node_answer(&ground->nodes[1], NODE_SUBMIT_UNREACHED);
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    script_wait(&ground->script, "the block to be let go", blocks_are_gone, ground);
    assert_true(play_node_submissions(&ground->nodes[1]) > 1);
    while (ground->script.result_count < GROUND_NODES)
        loop_run_once(ground->loop, 10);
}

static void a_block_left_in_the_spool_is_submitted_at_the_next_start(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(
        ground, &(struct script_job_params){ .id = 1, .template_id = 5, .bits = SCRIPT_BITS_EASY });
    while (ground->script.held == 0)
        loop_run_once(ground->loop, 10);
    for (size_t i = 0; i < GROUND_NODES; i++)
        play_node_answer(&ground->nodes[i], NODE_SUBMIT_UNREACHED);
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    ground_stop_validator(ground);
    assert_int_equal(spooled(ground, ".block"), 1);
    for (size_t i = 0; i < GROUND_NODES; i++)
        play_node_answer(&ground->nodes[i], NODE_SUBMIT_ACCEPTED);
    ground->script.templates_hidden = true; /* the file needs nobody */
    unsigned before = play_node_submissions(&ground->nodes[0]);
    ground_start_validator(ground);
    script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
    assert_int_equal(play_node_submissions(&ground->nodes[0]), before + 1);
    size_t length;
    uint8_t *block = script_block(job, &share, &length);
    assert_true(play_node_has(&ground->nodes[1], span_of(block, length)));
    free(block);
    assert_int_equal(spooled(ground, ".block"), 0);
}

static void missing_transactions_are_fetched_for_a_block(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(
        ground, &(struct script_job_params){ .id = 1, .template_id = 5, .bits = SCRIPT_BITS_EASY });
    /* More templates than are kept: those of job 1 are forgotten. */
    for (uint64_t id = 2; id <= 7; id++) {
        unsigned long held = ground->script.held;
        ground_publish(ground, &(struct script_job_params){ .id = id, .template_id = 100 + id });
        while (ground->script.held == held)
            loop_run_once(ground->loop, 10);
    }
    assert_false(template_table_holds(ground->validator.templates, 5));
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
    size_t length;
    uint8_t *block = script_block(job, &share, &length);
    assert_true(play_node_has(&ground->nodes[0], span_of(block, length)));
    free(block);
}

static void a_block_nobody_can_complete_is_told_and_its_record_kept(void **state)
{
    struct ground *ground = *state;
    ground->script.templates_hidden = true;
    struct script_job *job = ground_publish(
        ground, &(struct script_job_params){ .id = 1, .template_id = 5, .bits = SCRIPT_BITS_EASY });
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[0].is_block, 1);
    script_wait(&ground->script, "the block to be given up", blocks_are_gone, ground);
    assert_int_equal(ground->script.candidate_count, 1);
    assert_int_equal(play_node_submissions(&ground->nodes[0]), 0);
    assert_int_equal(spooled(ground, ".block"), 0);
    assert_int_equal(spooled(ground, ".block.kept"), 1);
}

static void slow_shares_are_judged_on_threads_with_the_same_verdicts(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(
        ground,
        &(struct script_job_params){ .id = 1, .algorithm = POW_SCRYPT, .bits = SCRIPT_BITS_EASY });
    struct script_job *cheap = ground_publish(ground, &(struct script_job_params){ .id = 2 });
    enum { MANY = 100 };
    static struct wire_share shares[MANY];
    static bool block[MANY];
    size_t blocks = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        block[i] = i % 25 == 7;
        shares[i] = i % 10 == 0 ? script_share(cheap, script_nonce(cheap, false, i))
                                : script_share(job, script_nonce(job, block[i], 10 * i));
        if (i % 11 == 0)
            shares[i].work = UINT64_MAX;
        block[i] = block[i] && i % 10 != 0;
        blocks += block[i];
    }
    const struct wire_share_batch batch = ground_batch_of(1, shares, MANY);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(answer.verdicts[i].is_block, block[i]);
        assert_int_equal(answer.verdicts[i].outcome,
                         i % 11 == 0 ? SHARE_LOW_DIFFICULTY : SHARE_ACCEPTED);
    }
    script_wait(&ground->script, "the blocks to be settled", blocks_are_gone, ground);
    assert_int_equal(play_node_submissions(&ground->nodes[0]), blocks);
}

static void what_is_in_flight_is_finished_before_leaving(void **state)
{
    struct ground *ground = *state;
    struct script_job *job = ground_publish(ground, &(struct script_job_params){ .id = 1 });
    struct wire_share share = script_share(job, script_nonce(job, false, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    static struct script_answer answer;
    window_fake_delay(ground->window, 200);
    assert_true(script_send(&ground->script, 0, &batch, 5000, &answer));
    while (batches_count(ground->validator.batches) == 0)
        loop_run_once(ground->loop, 10);
    ground_stop_validator(ground);
    assert_true(answer.done);
    assert_int_equal(answer.status, WIRE_BATCH_JUDGED);
    window_fake_delay(ground->window, 0);
    ground_start_validator(ground);
}

static void job_path(const struct ground *ground, uint64_t job_id, const char *ending,
                     char path_r[128])
{
    snprintf(path_r, 128, "%s/jobs/%016llx.job%s", ground->folder, (unsigned long long)job_id,
             ending);
}

/* Announces the template of a new job, which is held sooner or later. */
static void announce_job(struct ground *ground, uint64_t job_id)
{
    const unsigned long held = ground->script.held;
    script_add_job(&ground->script,
                   &(struct script_job_params){ .id = job_id, .template_id = job_id });
    script_announce(&ground->script, job_id);
    while (ground->script.held == held)
        loop_run_once(ground->loop, 10);
    assert_true(ground->script.last_held == job_id);
}

static bool writes_nothing(void *context)
{
    const struct ground *ground = context;
    for (uint64_t id = 1; id <= 32; id++)
        if (keep_is_writing(ground->validator.keep, id))
            return false;
    return true;
}

static void a_block_of_a_template_that_came_in_pieces_outlives_its_validator(void **state)
{
    struct ground *ground = *state;
    ground->script.jobs_with_them = ground->script.templates_in_pieces = true;
    struct script_job *job = script_add_job(
        &ground->script,
        &(struct script_job_params){ .id = 1, .template_id = 5, .bits = SCRIPT_BITS_EASY });
    script_announce(&ground->script, 5);
    while (ground->script.held == 0)
        loop_run_once(ground->loop, 10);
    assert_int_equal(ground->script.template_questions, SCRIPT_TRANSACTIONS + 1);
    /* Another process has it from the file alone. */
    ground_stop_validator(ground);
    job->hidden = ground->script.templates_hidden = true;
    ground_start_validator(ground);
    struct wire_share share = script_share(job, script_nonce(job, true, 0));
    const struct wire_share_batch batch = ground_batch_of(1, &share, 1);
    struct script_answer answer;
    script_ask(&ground->script, 0, &batch, &answer);
    assert_int_equal(answer.verdicts[0].is_block, 1);
    script_wait(&ground->script, "the block to be settled", blocks_are_gone, ground);
    size_t length;
    uint8_t *block = script_block(job, &share, &length);
    assert_true(play_node_has(&ground->nodes[0], span_of(block, length)));
    free(block);
}

/* The first write waits for a reader, so the others wait for it. */
static void a_template_held_without_a_file_is_told_in_a_line(void **state)
{
    struct ground *ground = *state;
    char path[128], line[512];
    ground->script.jobs_with_them = true;
    job_path(ground, 1, ".new", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (uint64_t id = 1; id <= 32; id++)
        ground_publish(ground, &(struct script_job_params){ .id = id });
    unsigned long lines = log_error_count();
    announce_job(ground, 101);
    assert_int_equal(log_error_count(), lines + 1);
    log_last_error(line, sizeof line);
    assert_non_null(strstr(line, "job.not_kept job=0000000000000065 jobs=1 "));
    assert_non_null(strstr(line, "too much is being written"));
    /* One line a second, and none is forgotten. */
    const uint64_t began_ms = loop_now_ms(ground->loop);
    for (uint64_t id = 102; id <= 105; id++)
        announce_job(ground, id);
    const uint64_t took_ms = loop_now_ms(ground->loop) - began_ms;
    assert_true(log_error_count() <= lines + 2 + took_ms / 1000);
    const bool quick = log_error_count() == lines + 1;
    assert_true(quick || took_ms >= 900);
    while (loop_now_ms(ground->loop) <= began_ms + 1000)
        loop_run_once(ground->loop, 10);
    announce_job(ground, 106);
    log_last_error(line, sizeof line);
    assert_true(!quick || strstr(line, "job.not_kept job=000000000000006a jobs=5 ") != NULL);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    script_wait(&ground->script, "the files", writes_nothing, ground);
    close(reader);
    /* With room again a template is held when it is in its file. */
    lines = log_error_count();
    announce_job(ground, 107);
    assert_int_equal(log_error_count(), lines);
    job_path(ground, 107, "", path);
    assert_int_equal(access(path, F_OK), 0);
    job_path(ground, 106, "", path);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_scheduler_that_comes_back_is_asked_for_everything(void **state)
{
    struct ground *ground = *state;
    ground_publish(ground, &(struct script_job_params){ .id = 1, .tip = 1 });
    script_scheduler_stop(&ground->script);
    loop_run_once(ground->loop, 10);
    script_add_job(&ground->script,
                   &(struct script_job_params){ .id = 2, .epoch = 2, .sequence = 1, .tip = 2 });
    script_scheduler_start(&ground->script);
    script_wait(&ground->script, "the new epoch's job", ground_feed_is_up, ground);
    assert_int_equal(job_table_newest(ground->validator.jobs)->job.id, 2);
    /* What the old one still says is not heeded. */
    struct script_job *old = script_add_job(
        &ground->script, &(struct script_job_params){ .id = 3, .sequence = 9, .tip = 3 });
    old->hidden = true;
    script_publish(&ground->script, old);
    struct script_job *next =
        script_add_job(&ground->script,
                       &(struct script_job_params){ .id = 4, .epoch = 2, .sequence = 2, .tip = 2 });
    script_publish(&ground->script, next);
    while (job_table_find(ground->validator.jobs, 4) == NULL)
        loop_run_once(ground->loop, 10);
    assert_null(job_table_find(ground->validator.jobs, 3));
}

static bool said_hello(void *context)
{
    return ((struct ground *)context)->script.hellos > 0;
}

static struct wire_validator_hello check_hello(struct ground *ground, uint8_t *memory, size_t bytes)
{
    struct arena arena = arena_over(memory, bytes);
    struct wire_validator_hello hello;
    struct error error;
    uint8_t signature[64], again[512];
    script_wait(&ground->script, "a hello", said_hello, ground);
    assert_true(wire_decode_validator_hello(
        span_of(ground->script.hello, ground->script.hello_length), &arena, &hello, &error));
    memcpy(signature, hello.signature, sizeof signature);
    memset(hello.signature, 0, sizeof hello.signature);
    size_t length = wire_encode_validator_hello(&hello, again, sizeof again);
    assert_true(token_verify_bytes(hello.key, span_of(again, length), signature));
    return hello;
}

static void it_says_who_it_is_signed_and_is_the_same_after_a_restart(void **state)
{
    struct ground *ground = *state;
    uint8_t memory[1024], key[32];
    struct wire_validator_hello hello = check_hello(ground, memory, sizeof memory);
    assert_string_equal(hello.instance, "1");
    assert_string_equal(hello.wallet, "");
    memcpy(key, hello.key, sizeof key);
    ground_stop_validator(ground);
    ground->script.hellos = 0;
    ground_start_validator(ground);
    hello = check_hello(ground, memory, sizeof memory);
    assert_memory_equal(hello.key, key, sizeof key);
    /* and to another scheduler, as soon as there is one */
    script_scheduler_stop(&ground->script);
    loop_run_once(ground->loop, 10);
    ground->script.hellos = 0;
    script_scheduler_start(&ground->script);
    hello = check_hello(ground, memory, sizeof memory);
    assert_memory_equal(hello.key, key, sizeof key);
}

int main(void)
{
    log_open("validator_test", "1", LOG_WARN);
    const struct CMUnitTest tests[] = {
        GROUND_TEST(an_accepted_share_is_in_the_window_when_it_is_answered),
        GROUND_TEST(each_share_gets_the_verdict_it_deserves),
        GROUND_TEST(an_answered_batch_that_comes_again_keeps_its_verdicts),
        GROUND_TEST(a_first_copy_that_comes_late_is_judged_as_of_its_receipt),
        GROUND_TEST(without_a_job_a_batch_is_left_to_others_until_it_is_final),
        GROUND_TEST(shares_of_many_jobs_in_one_batch_keep_their_places),
        GROUND_TEST(an_empty_batch_and_rubbish_are_survived),
        GROUND_TEST(a_malformed_batch_touches_nothing_and_is_not_refused_for_good),
        GROUND_TEST(a_repeat_is_answered_as_the_first_time),
        GROUND_TEST(the_same_batch_twice_in_flight_is_judged_once),
        GROUND_TEST(beyond_its_bound_a_validator_says_so),
        GROUND_TEST(without_the_window_nothing_is_promised),
        GROUND_TEST(a_lost_answer_is_asked_for_again),
        GROUND_TEST(what_became_unknown_is_not_called_undone),
        GROUND_TEST(a_job_that_was_missed_is_fetched),
        GROUND_TEST(a_gap_in_the_publications_makes_it_ask),
        GROUND_TEST(a_block_waits_neither_for_jobs_nor_for_the_window),
        GROUND_TEST(a_block_reaches_nodes_scheduler_and_window),
        GROUND_TEST(a_share_is_judged_and_a_block_built_by_the_coinbase_it_names),
        GROUND_TEST(a_settled_block_that_is_sent_again_is_not_submitted_again),
        GROUND_TEST(a_block_among_rejected_shares_is_a_block),
        GROUND_TEST(a_node_that_is_away_is_tried_again),
        GROUND_TEST(a_node_that_stays_away_is_given_up_once_another_has_the_block),
        GROUND_TEST(a_block_left_in_the_spool_is_submitted_at_the_next_start),
        GROUND_TEST(missing_transactions_are_fetched_for_a_block),
        GROUND_TEST(a_block_nobody_can_complete_is_told_and_its_record_kept),
        GROUND_TEST(slow_shares_are_judged_on_threads_with_the_same_verdicts),
        GROUND_TEST(what_is_in_flight_is_finished_before_leaving),
        GROUND_TEST(a_block_of_a_template_that_came_in_pieces_outlives_its_validator),
        GROUND_TEST(a_template_held_without_a_file_is_told_in_a_line),
        GROUND_TEST(a_scheduler_that_comes_back_is_asked_for_everything),
        GROUND_TEST(it_says_who_it_is_signed_and_is_the_same_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
