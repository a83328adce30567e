/* The auditor on a store in memory, with validators, gateways and the window played: who is asked,
 * what counts, who loses, what is left when anything fails on the way. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "base/test_random.h"
#include "services/inode-scheduler/auditor.h"
#include "services/inode-scheduler/testing/example_share.h"

#include <math.h>
#include <stdio.h>

enum { VALIDATORS = 4, STAKE = 2500, EXPIRY_MS = 600000, KEEP_MS = 3600000, WAITING_MAX = 4096 };
#define NOW_MS UINT64_C(1767225601000)

static struct world {
    struct store *store;
    struct auditor *auditor;
    struct auditor_options options;
    struct test_random random;
    uint64_t now_ms, sequence;
    uint8_t keys[VALIDATORS][MEMBER_KEY_BYTES];
    char ids[VALIDATORS][MEMBER_ID_BYTES];
    struct example_share example; /* a good one */
    /* the window of every batch */
    enum credit_outcome credit;
    bool steady;
    struct window_share credited[WINDOW_BATCH_SHARES_MAX];
    size_t credited_count;
    struct error error;
} * w;

static uint64_t random_number(void *context)
{
    (void)context;
    return test_random_u64(&w->random);
}

static struct credit_found find_credit(void *context, uint64_t lease_id, uint64_t sequence,
                                       uint64_t from_ms, uint64_t to_ms,
                                       struct window_share *shares_r)
{
    (void)context;
    (void)sequence;
    assert_int_equal(lease_id, 17);
    assert_true(from_ms < to_ms);
    memcpy(shares_r, w->credited, w->credited_count * sizeof *shares_r);
    const bool there = w->credit == CREDIT_THERE;
    return (struct credit_found){ w->credit, w->steady, there ? w->credited_count : 0 };
}

static void start(void)
{
    auditor_destroy(w->auditor);
    w->auditor = auditor_create(&w->options, w->now_ms, &w->error);
    assert_non_null(w->auditor);
}

static void add_member(enum member_kind kind, const char *id, const uint8_t *key)
{
    struct member member = { .kind = kind,
                             .stake = kind == MEMBER_VALIDATOR ? STAKE : 0,
                             .source = MEMBER_OWN };
    snprintf(member.id, sizeof member.id, "%s", id);
    if (key != NULL)
        memcpy(member.key, key, sizeof member.key);
    assert_int_equal(member_insert(w->store, &member, 1, &w->error), STORE_DONE);
}

static int begin(void **state)
{
    static struct world world;
    static const struct store_collection *const collections[] = {
        &task_collection, &dispute_collection, &validator_collection, &pool_collection
    };
    (void)state;
    w = &world;
    *w = (struct world){ .store = store_fake_create(),
                         .now_ms = NOW_MS,
                         .random = test_random_begin("auditor"),
                         .credit = CREDIT_NOT_KNOWN,
                         .steady = true };
    assert_true(store_declare(w->store, collections, 4, &w->error));
    example_share(&w->example);
    for (int i = 0; i < VALIDATORS; i++) {
        memset(w->keys[i], i + 1, MEMBER_KEY_BYTES);
        member_own_id(w->keys[i], w->ids[i]);
        add_member(MEMBER_VALIDATOR, w->ids[i], w->keys[i]);
    }
    add_member(MEMBER_POOL, "pool", NULL);
    w->options = (struct auditor_options){ .store = w->store,
                                           .epoch = 1,
                                           .pool = "pool",
                                           .waiting_max = WAITING_MAX,
                                           .turn_max = WAITING_MAX,
                                           .expiry_ms = EXPIRY_MS,
                                           .keep_ms = KEEP_MS,
                                           .missing_ms = 90000,
                                           .random = random_number,
                                           .find_credit = find_credit };
    start();
    return 0;
}

static int end(void **state)
{
    (void)state;
    auditor_destroy(w->auditor);
    w->auditor = NULL;
    store_fake_verify(w->store);
    store_close(w->store);
    return 0;
}

/* A submission that validator `first` gave this verdict on. */
static struct wire_audit_sample sample_of(int first, enum share_outcome outcome)
{
    struct wire_audit_sample sample = { .lease_id = 17,
                                        .sequence = ++w->sequence,
                                        .outcome = (uint8_t)outcome,
                                        .alone = 1,
                                        .accepted = outcome == SHARE_ACCEPTED,
                                        .judged_ms = w->example.share.received_ms + 20,
                                        .first = "1" };
    memcpy(sample.first_key, w->keys[first], sizeof sample.first_key);
    return sample;
}

static enum auditor_outcome hand_in(const struct wire_audit_sample *sample,
                                    const struct wire_share *share)
{
    struct wire_audit_sample samples[1] = { *sample };
    struct wire_share shares[1] = { *share };
    struct wire_audit_job jobs[1] = { { span_of(w->example.job, w->example.job_length) } };
    const struct wire_audit_samples message = { .samples = samples,
                                                .samples_count = 1,
                                                .shares = shares,
                                                .shares_count = 1,
                                                .jobs = jobs,
                                                .jobs_count = 1 };
    return auditor_take(w->auditor, &message, w->now_ms, &w->error);
}

static struct auditor_offer ask(int validator)
{
    struct auditor_offer offer;
    auditor_ask(w->auditor, w->ids[validator], w->now_ms, &offer);
    return offer;
}

static void turn(void)
{
    assert_true(auditor_turn(w->auditor, w->now_ms, &w->error));
}

/* The validators from `from` on ask, tasks are made, and the one that got it is told. */
static int make_task(int from, struct auditor_offer *offer_r)
{
    for (int i = from; i < VALIDATORS; i++)
        (void)ask(i);
    turn();
    for (int i = from; i < VALIDATORS; i++) {
        *offer_r = ask(i);
        if (offer_r->val_id != 0)
            return i;
    }
    fail_msg("nobody got a task");
    return -1;
}

static enum auditor_outcome report(int validator, uint64_t val_id, enum share_outcome outcome)
{
    const struct auditor_report given = { .val_id = val_id,
                                          .valid = outcome == SHARE_ACCEPTED,
                                          .has_outcome = true,
                                          .outcome = (uint8_t)outcome,
                                          .evidence = span_text("signed") };
    return auditor_take_report(w->auditor, w->ids[validator], &given, w->now_ms, &w->error);
}

static uint32_t score(enum member_kind kind, const char *id)
{
    struct member member;
    assert_int_equal(member_get(w->store, kind, id, &member, &w->error), STORE_DONE);
    return member.score;
}

static void give_scores(void)
{
    for (int i = 0; i < VALIDATORS; i++) {
        struct member member;
        assert_int_equal(member_get(w->store, MEMBER_VALIDATOR, w->ids[i], &member, &w->error),
                         STORE_DONE);
        member.score = 1;
        assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
    }
}

static struct dispute last_dispute;
static char report_text[64];

static bool on_dispute(void *context, const struct dispute *dispute)
{
    unsigned *count = context;
    last_dispute = *dispute;
    snprintf(report_text, sizeof report_text, "%.*s", (int)dispute->report.length,
             (const char *)dispute->report.data);
    last_dispute.body = last_dispute.report = last_dispute.credited = span_of(NULL, 0);
    (*count)++;
    return true;
}

static unsigned disputes(void)
{
    unsigned count = 0;
    assert_int_equal(dispute_walk(w->store, 0, NULL, 0, on_dispute, &count, &w->error), STORE_DONE);
    return count;
}

static struct wire_share bad_share(void)
{
    struct wire_share share = w->example.share;
    share.work = UINT64_MAX; /* its hash is nowhere near that */
    return share;
}

static void everybody_being_right_raises_the_reporter_and_the_pool(void **state)
{
    (void)state;
    const struct wire_share bad = bad_share();
    for (int i = 0; i < 2; i++) {
        const struct wire_audit_sample sample =
            sample_of(0, i == 0 ? SHARE_ACCEPTED : SHARE_LOW_DIFFICULTY);
        struct auditor_offer offer;
        assert_int_equal(hand_in(&sample, i == 0 ? &w->example.share : &bad), AUDITOR_DONE);
        int by = make_task(0, &offer);
        assert_int_not_equal(by, 0);
        assert_int_equal(offer.body.share.work, i == 0 ? 1 : UINT64_MAX);
        assert_int_equal(report(by, offer.val_id, i == 0 ? SHARE_ACCEPTED : SHARE_LOW_DIFFICULTY),
                         AUDITOR_DONE);
        assert_int_equal(score(MEMBER_VALIDATOR, w->ids[by]), 1);
        assert_int_equal(score(MEMBER_POOL, "pool"), (i + 1) * 5); /* ceil(25 % of 20) */
    }
    assert_int_equal(disputes(), 0);
    assert_int_equal(auditor_counts(w->auditor).agreed, 2);
    assert_int_equal(auditor_counts(w->auditor).waiting, 0);
}

/* It had stake enough when it was given the task. */
static void a_report_of_one_whose_stake_is_gone_raises_nobody(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    struct auditor_offer offer;
    struct member member;
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    int by = make_task(0, &offer);
    assert_int_equal(member_get(w->store, MEMBER_VALIDATOR, w->ids[by], &member, &w->error),
                     STORE_DONE);
    member.stake = 99;
    assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[by]), 0);
    assert_int_equal(score(MEMBER_POOL, "pool"), 0);
    assert_int_equal(auditor_counts(w->auditor).waiting, 0);
}

static void a_task_goes_evenly_to_all_who_did_not_judge_it_first(void **state)
{
    (void)state;
    enum { SAMPLES = 1500 };
    unsigned got[VALIDATORS] = { 0 };
    for (int i = 0; i < SAMPLES; i++) {
        const struct wire_audit_sample sample = sample_of(1, SHARE_ACCEPTED);
        assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    }
    for (int i = 0; i < VALIDATORS; i++)
        (void)ask(i);
    turn();
    for (int i = 0; i < VALIDATORS; i++)
        for (struct auditor_offer offer = ask(i); offer.val_id != 0; offer = ask(i)) {
            assert_int_equal(report(i, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
            got[i]++;
        }
    assert_int_equal(got[1], 0);
    for (int i = 0; i < VALIDATORS; i++)
        if (i != 1)
            assert_true(fabs(got[i] - SAMPLES / 3.0) < 6 * sqrt(SAMPLES * 2 / 9.0));
    assert_int_equal(auditor_counts(w->auditor).agreed, SAMPLES);
}

/* Each kind of lie about a verdict: what it is told about, by whom, who loses. */
static void expect_first_loses(const struct wire_share *share, enum share_outcome said,
                               enum share_outcome truth)
{
    struct auditor_offer offer;
    give_scores();
    unsigned before = disputes();
    const struct wire_audit_sample sample = sample_of(0, said);
    assert_int_equal(hand_in(&sample, share), AUDITOR_DONE);
    int by = make_task(0, &offer);
    assert_int_equal(report(by, offer.val_id, truth), AUDITOR_DONE);
    assert_int_equal(disputes(), before + 1);
    unsigned count = 0;
    char id[TASK_ID_BYTES];
    task_id(17, sample.sequence, 0, id);
    assert_int_equal(dispute_find(w->store, id, on_dispute, &count, &w->error), STORE_DONE);
    assert_int_equal(count, 1);
    assert_int_equal(last_dispute.kind, DISPUTE_FIRST_WRONG);
    assert_string_equal(last_dispute.first, w->ids[0]);
    assert_string_equal(last_dispute.reporter, w->ids[by]);
    assert_string_equal(report_text, "signed");
    assert_true(last_dispute.certain);
    assert_int_equal(last_dispute.first_outcome, said);
    assert_int_equal(last_dispute.honest_outcomes, 1u << truth);
    assert_int_equal(last_dispute.account, share->account);
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), 0);
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[by]), 1);
    assert_int_equal(score(MEMBER_POOL, "pool"), 0);
}

static void who_accepts_bad_work_or_rejects_good_work_loses_its_score(void **state)
{
    (void)state;
    struct wire_share bad = bad_share(), nobodys = w->example.share, late = w->example.share;
    nobodys.account = 0;
    late.ntime = 1;
    expect_first_loses(&bad, SHARE_ACCEPTED, SHARE_LOW_DIFFICULTY);
    expect_first_loses(&w->example.share, SHARE_LOW_DIFFICULTY, SHARE_ACCEPTED);
    expect_first_loses(&w->example.share, SHARE_STALE, SHARE_ACCEPTED);
    expect_first_loses(&w->example.share, SHARE_JOB_NOT_FOUND, SHARE_ACCEPTED);
    expect_first_loses(&w->example.share, SHARE_OVERLOADED, SHARE_ACCEPTED);
    expect_first_loses(&nobodys, SHARE_ACCEPTED, SHARE_UNAUTHORIZED);
    expect_first_loses(&late, SHARE_ACCEPTED, SHARE_INVALID_NTIME);
    expect_first_loses(&late, SHARE_LOW_DIFFICULTY, SHARE_INVALID_NTIME);
}

static void a_wrong_report_costs_its_giver_alone(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    struct auditor_offer offer;
    give_scores();
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    int by = make_task(0, &offer);
    assert_int_equal(report(by, offer.val_id, SHARE_LOW_DIFFICULTY), AUDITOR_DONE);
    assert_int_equal(disputes(), 1);
    assert_int_equal(last_dispute.kind, DISPUTE_REPORTER_WRONG);
    for (int i = 0; i < VALIDATORS; i++)
        assert_int_equal(score(MEMBER_VALIDATOR, w->ids[i]), i != by);
    assert_int_equal(score(MEMBER_POOL, "pool"), 0);
}

static void two_who_lie_together_are_both_found(void **state)
{
    (void)state;
    const struct wire_share bad = bad_share();
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    struct auditor_offer offer;
    give_scores();
    assert_int_equal(hand_in(&sample, &bad), AUDITOR_DONE);
    int by = make_task(0, &offer);
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
    assert_int_equal(disputes(), 1);
    assert_int_equal(last_dispute.kind, DISPUTE_BOTH_WRONG);
    for (int i = 0; i < VALIDATORS; i++)
        assert_int_equal(score(MEMBER_VALIDATOR, w->ids[i]), i != by && i != 0);
}

static void who_may_not_have_been_the_only_one_loses_nothing_but_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct wire_audit_sample sample = sample_of(0, SHARE_STALE);
        struct auditor_offer offer;
        give_scores();
        if (i == 0)
            sample.alone = 0;
        else
            memset(sample.first_key, 0, sizeof sample.first_key);
        assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
        int by = make_task(0, &offer); /* one that is not known may get its own */
        assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
        assert_int_equal(disputes(), i + 1);
        assert_false(last_dispute.certain);
        for (int k = 0; k < VALIDATORS; k++)
            assert_int_equal(score(MEMBER_VALIDATOR, w->ids[k]), 1);
    }
}

static void a_val_id_counts_once_for_whom_it_was_issued_to_and_in_time(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    struct auditor_offer offer;
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    int by = make_task(0, &offer);
    for (int i = 0; i < VALIDATORS; i++)
        if (i != by)
            assert_int_equal(report(i, offer.val_id, SHARE_ACCEPTED), AUDITOR_REFUSED);
    assert_int_equal(report(by, offer.val_id + 1, SHARE_ACCEPTED), AUDITOR_REFUSED);
    assert_int_equal(report(by, 0, SHARE_ACCEPTED), AUDITOR_REFUSED);
    w->now_ms = offer.expires_ms;
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_REFUSED);
    w->now_ms--;
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_REFUSED);
    assert_int_equal(score(MEMBER_POOL, "pool"), 5);
    start(); /* after a restart, too */
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_REFUSED);
    assert_int_equal(score(MEMBER_POOL, "pool"), 5);
}

static void an_expired_task_goes_to_others_and_at_last_to_the_core(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_STALE);
    struct auditor_offer offer;
    uint64_t val_ids[AUDITOR_TRIES_MAX];
    int had[AUDITOR_TRIES_MAX];
    give_scores();
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    had[0] = make_task(0, &offer);
    val_ids[0] = offer.val_id;
    for (int i = 1; i < AUDITOR_TRIES_MAX; i++) {
        w->now_ms = offer.expires_ms;
        for (int k = 1; k < VALIDATORS; k++)
            (void)ask(k);
        assert_true(auditor_end(w->auditor, w->now_ms, &w->error));
        assert_int_equal(report(had[i - 1], val_ids[i - 1], SHARE_ACCEPTED), AUDITOR_REFUSED);
        had[i] = make_task(1, &offer);
        val_ids[i] = offer.val_id;
        assert_int_not_equal(had[i], had[i - 1]);
        assert_true(val_ids[i] != val_ids[i - 1]);
    }
    assert_int_equal(disputes(), 0);
    w->now_ms = offer.expires_ms;
    assert_true(auditor_end(w->auditor, w->now_ms, &w->error));
    assert_int_equal(disputes(), 1);
    assert_string_equal(last_dispute.reporter, "");
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), 0);
    assert_int_equal(auditor_counts(w->auditor).expired, AUDITOR_TRIES_MAX);
    assert_int_equal(auditor_counts(w->auditor).alone, 1);
}

static void a_pool_with_one_validator_is_audited_by_the_core(void **state)
{
    (void)state;
    const struct wire_share bad = bad_share();
    const struct wire_audit_sample good = sample_of(0, SHARE_ACCEPTED);
    const struct wire_audit_sample lie = sample_of(0, SHARE_ACCEPTED);
    give_scores();
    assert_int_equal(hand_in(&good, &w->example.share), AUDITOR_DONE);
    assert_int_equal(hand_in(&lie, &bad), AUDITOR_DONE);
    (void)ask(0);
    turn();
    assert_int_equal(ask(0).val_id, 0);
    assert_true(auditor_end(w->auditor, w->now_ms + EXPIRY_MS - 1, &w->error));
    assert_int_equal(auditor_counts(w->auditor).waiting, 2);
    assert_true(auditor_end(w->auditor, w->now_ms + EXPIRY_MS, &w->error));
    assert_int_equal(auditor_counts(w->auditor).waiting, 0);
    assert_int_equal(disputes(), 1);
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), 0);
}

static void around_a_new_tip_neither_word_is_a_lie(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct wire_audit_sample sample = sample_of(0, i == 0 ? SHARE_STALE : SHARE_ACCEPTED);
        struct auditor_offer offer;
        sample.tip_gone_ms = w->example.share.received_ms + 1000;
        assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
        int by = make_task(0, &offer);
        assert_true(offer.tip_in_doubt);
        assert_int_equal(report(by, offer.val_id, i == 0 ? SHARE_ACCEPTED : SHARE_STALE),
                         AUDITOR_DONE);
    }
    assert_int_equal(disputes(), 0);
    struct wire_audit_sample sample = sample_of(0, SHARE_STALE);
    sample.tip_gone_ms = w->example.share.received_ms + 60000; /* long after it came */
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    struct auditor_offer offer;
    int by = make_task(0, &offer);
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
    assert_int_equal(disputes(), 1);
}

static void handing_in_again_makes_no_second_task(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    store_fake_inject(w->store, STORE_FAKE_UNKNOWN_DONE, 0, 1);
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_LATER);
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    assert_int_equal(auditor_counts(w->auditor).waiting, 1);
    start();
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    assert_int_equal(auditor_counts(w->auditor).waiting, 1);
    struct auditor_offer offer;
    int by = make_task(0, &offer);
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE); /* settled: not again */
    assert_int_equal(auditor_counts(w->auditor).waiting, 0);
}

static void what_waits_is_bounded_and_gateways_are_told_to_keep_the_rest(void **state)
{
    (void)state;
    w->options.waiting_max = 3;
    start();
    for (int i = 0; i < 5; i++) {
        const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
        assert_int_equal(hand_in(&sample, &w->example.share), i < 3 ? AUDITOR_DONE : AUDITOR_LATER);
    }
}

static void settled_tasks_are_forgotten_after_a_while_and_disputes_are_not(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_STALE);
    struct auditor_offer offer;
    struct task task;
    uint8_t memory[TASK_BODY_BYTES_MAX];
    char id[TASK_ID_BYTES];
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    int by = make_task(0, &offer);
    assert_int_equal(report(by, offer.val_id, SHARE_ACCEPTED), AUDITOR_DONE);
    task_id(17, sample.sequence, 0, id);
    assert_true(auditor_end(w->auditor, w->now_ms + KEEP_MS - 1, &w->error));
    assert_int_equal(task_get(w->store, id, &task, memory, &w->error), STORE_DONE);
    assert_int_equal(task.body.length, 0);
    assert_true(auditor_end(w->auditor, w->now_ms + KEEP_MS, &w->error));
    assert_int_equal(task_get(w->store, id, &task, memory, &w->error), STORE_MISSING);
    assert_int_equal(disputes(), 1);
}

/* The window says otherwise than the verdict. */
static void expect_credit_fault(const char *text)
{
    unsigned before = disputes();
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    give_scores();
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    assert_true(auditor_check_credits(w->auditor, w->now_ms, &w->error));
    assert_int_equal(disputes(), before + (text != NULL));
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), text == NULL);
    char id[DISPUTE_ID_BYTES];
    unsigned count = 0;
    task_id(17, sample.sequence, 0, id);
    strcat(id, ":credit");
    assert_int_equal(dispute_find(w->store, id, on_dispute, &count, &w->error), STORE_DONE);
    assert_int_equal(count, text != NULL);
    if (text != NULL) {
        assert_int_equal(last_dispute.kind, DISPUTE_CREDIT_WRONG);
        assert_string_equal(last_dispute.text, text);
    }
}

static void set_credit(void)
{
    w->credit = CREDIT_THERE;
    w->credited_count = 1;
    w->credited[0] = (struct window_share){ .account = w->example.share.account,
                                            .worker = w->example.share.worker,
                                            .work = w->example.share.work,
                                            .job_id = w->example.share.job_id,
                                            .time_ms = w->example.share.received_ms };
}

static void who_credits_another_than_it_said_loses_its_score(void **state)
{
    (void)state;
    set_credit();
    expect_credit_fault(NULL);
    w->credited[0].account++;
    expect_credit_fault("it was credited to another account");
    set_credit();
    w->credited[0].worker++;
    expect_credit_fault("it was credited to another worker");
    set_credit();
    w->credited[0].work++;
    expect_credit_fault("another work was credited for it");
    set_credit();
    w->credited[0].time_ms++;
    expect_credit_fault("it was credited under another job or time");
    set_credit();
    w->credited_count = 2;
    expect_credit_fault("more shares of its batch were credited than were accepted");
    w->credited_count = 0;
    expect_credit_fault("fewer shares of its batch were credited than were accepted");
}

static void what_a_failover_took_back_is_waited_for_and_what_never_comes_is_told(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    give_scores();
    w->credit = CREDIT_NOT_THERE;
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    assert_true(auditor_check_credits(w->auditor, sample.judged_ms + 80000, &w->error));
    assert_int_equal(disputes(), 0);
    assert_true(auditor_check_credits(w->auditor, sample.judged_ms + 100000, &w->error));
    assert_int_equal(disputes(), 1);
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), 0);
    /* A rejected one of which nothing is there is as it should be. */
    const struct wire_share bad = bad_share();
    const struct wire_audit_sample rejected = sample_of(0, SHARE_LOW_DIFFICULTY);
    assert_int_equal(hand_in(&rejected, &bad), AUDITOR_DONE);
    assert_true(auditor_check_credits(w->auditor, sample.judged_ms + 100000, &w->error));
    assert_int_equal(disputes(), 1);
    /* One that was credited all the same is not. */
    const struct wire_audit_sample credited = sample_of(0, SHARE_LOW_DIFFICULTY);
    set_credit();
    assert_int_equal(hand_in(&credited, &bad), AUDITOR_DONE);
    assert_true(auditor_check_credits(w->auditor, w->now_ms, &w->error));
    assert_int_equal(disputes(), 2);
    /* What cannot be known is given up, and counted. */
    w->credit = CREDIT_NOT_KNOWN;
    const struct wire_audit_sample unknown = sample_of(0, SHARE_ACCEPTED);
    assert_int_equal(hand_in(&unknown, &w->example.share), AUDITOR_DONE);
    assert_true(auditor_check_credits(w->auditor, unknown.judged_ms + 200000, &w->error));
    assert_int_equal(auditor_counts(w->auditor).credits_unknown, 0);
    assert_true(auditor_check_credits(w->auditor, unknown.judged_ms + 400000, &w->error));
    assert_int_equal(auditor_counts(w->auditor).credits_unknown, 1);
    assert_int_equal(disputes(), 2);
}

static void over_a_change_of_history_nothing_is_missed_and_nobody_loses(void **state)
{
    (void)state;
    const struct wire_audit_sample lost = sample_of(0, SHARE_ACCEPTED);
    give_scores();
    w->steady = false;
    w->credit = CREDIT_NOT_THERE;
    assert_int_equal(hand_in(&lost, &w->example.share), AUDITOR_DONE);
    assert_true(auditor_check_credits(w->auditor, lost.judged_ms + 299999, &w->error));
    assert_int_equal(auditor_counts(w->auditor).credits_unknown, 0);
    assert_true(auditor_check_credits(w->auditor, lost.judged_ms + 300000, &w->error));
    assert_int_equal(auditor_counts(w->auditor).credits_unknown, 1);
    assert_int_equal(disputes(), 0);
    /* One that is there and wrong may be another's: it is told. */
    const struct wire_audit_sample anew = sample_of(0, SHARE_ACCEPTED);
    set_credit();
    w->credited[0].account++;
    assert_int_equal(hand_in(&anew, &w->example.share), AUDITOR_DONE);
    assert_true(auditor_check_credits(w->auditor, w->now_ms, &w->error));
    assert_int_equal(disputes(), 1);
    assert_false(last_dispute.certain);
    assert_string_equal(last_dispute.text,
                        "it was credited to another account (the window's history has changed "
                        "since, and another validator may have appended the batch anew: nobody "
                        "loses a score for it)");
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), 1);
}

static void what_was_absent_is_told_though_its_place_is_forgotten_by_then(void **state)
{
    (void)state;
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    give_scores();
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    w->credit = CREDIT_NOT_KNOWN; /* not read yet */
    assert_true(auditor_check_credits(w->auditor, sample.judged_ms + 1000, &w->error));
    w->credit = CREDIT_NOT_THERE;
    assert_true(auditor_check_credits(w->auditor, sample.judged_ms + 6000, &w->error));
    w->credit = CREDIT_NOT_KNOWN;
    assert_true(auditor_check_credits(w->auditor, sample.judged_ms + 89999, &w->error));
    assert_int_equal(disputes(), 0);
    assert_true(auditor_check_credits(w->auditor, sample.judged_ms + 90000, &w->error));
    assert_int_equal(disputes(), 1);
    assert_true(last_dispute.certain);
    assert_string_equal(last_dispute.text,
                        "fewer shares of its batch were credited than were accepted");
    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), 0);
}

static enum auditor_outcome admit(const uint8_t *key)
{
    const char *id = "";
    w->now_ms += 5000; /* so that the registry is looked at again */
    enum auditor_outcome outcome = auditor_admit(w->auditor, key, w->now_ms, &id, &w->error);
    if (outcome == AUDITOR_DONE)
        assert_string_equal(id, w->ids[0]);
    return outcome;
}

static void only_registered_validators_with_stake_enough_are_admitted(void **state)
{
    (void)state;
    uint8_t stranger[MEMBER_KEY_BYTES] = { 99 };
    struct member member;
    assert_int_equal(admit(stranger), AUDITOR_REFUSED);
    assert_int_equal(admit(w->keys[0]), AUDITOR_DONE);
    assert_int_equal(member_get(w->store, MEMBER_VALIDATOR, w->ids[0], &member, &w->error),
                     STORE_DONE);
    member.stake = 99;
    assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
    start();
    assert_int_equal(admit(w->keys[0]), AUDITOR_REFUSED);
    member.stake = 100;
    assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
    assert_int_equal(admit(w->keys[0]), AUDITOR_DONE);
    member.source = MEMBER_GONE;
    assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
    start();
    assert_int_equal(admit(w->keys[0]), AUDITOR_REFUSED);
    store_fake_away(w->store, true);
    assert_int_equal(admit(w->keys[0]), AUDITOR_LATER);
    store_fake_away(w->store, false);
}

/* A list may name one of our own: it is known by its wallet then, and still not asked about itself.
 */
struct seen {
    unsigned count;
    char member[TASK_MEMBER_BYTES];
    uint64_t val_id;
};

static bool on_offer(void *context, const char *member, const struct auditor_offer *offer)
{
    struct seen *seen = context;
    seen->count++;
    seen->val_id = offer->val_id;
    snprintf(seen->member, sizeof seen->member, "%s", member);
    return true;
}

static void validators_outside_that_were_heard_of_late_get_tasks_too(void **state)
{
    (void)state;
    struct member member;
    struct seen seen = { 0 };
    for (int i = 0; i < VALIDATORS; i++) { /* the last two are outside, one long silent */
        assert_int_equal(member_get(w->store, MEMBER_VALIDATOR, w->ids[i], &member, &w->error),
                         STORE_DONE);
        member.source = i >= 2 ? MEMBER_LISTED : MEMBER_OWN;
        member.seen_ms = i == 3 ? w->now_ms - 3600000 : w->now_ms - 1000;
        assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
    }
    const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    turn();
    auditor_walk_outside(w->auditor, w->now_ms, on_offer, &seen);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.member, w->ids[2]);
    const struct auditor_report given = { .val_id = seen.val_id, .valid = true };
    assert_int_equal(auditor_take_report(w->auditor, w->ids[2], &given, w->now_ms, &w->error),
                     AUDITOR_DONE);
    assert_int_equal(auditor_counts(w->auditor).agreed, 1);
}

static bool on_one_offer(void *context, const char *member, const struct auditor_offer *offer)
{
    (void)on_offer(context, member, offer);
    return false;
}

/* So many tasks of one that never reports do not keep others from theirs. */
static void all_tasks_outside_are_told_of_in_turn(void **state)
{
    (void)state;
    enum { TASKS = 5 };
    uint64_t told[TASKS];
    struct member member;
    struct seen seen = { 0 };
    assert_int_equal(member_get(w->store, MEMBER_VALIDATOR, w->ids[2], &member, &w->error),
                     STORE_DONE);
    member.source = MEMBER_LISTED;
    member.seen_ms = w->now_ms;
    assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
    for (int i = 0; i < TASKS; i++) {
        const struct wire_audit_sample sample = sample_of(0, SHARE_ACCEPTED);
        assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
    }
    turn();
    for (int i = 0; i < TASKS; i++) {
        auditor_walk_outside(w->auditor, w->now_ms, on_one_offer, &seen);
        told[i] = seen.val_id;
        for (int k = 0; k < i; k++)
            assert_true(told[k] != told[i]);
    }
    assert_int_equal(seen.count, TASKS);
    auditor_walk_outside(w->auditor, w->now_ms, on_one_offer, &seen);
    assert_true(seen.val_id == told[0]);
}

/* Whatever write goes wrong, and whether the process dies there or goes on, doing it again ends in
 * the same: one dispute or none, each score changed once, the task settled. */
static void anything_failing_on_the_way_changes_nothing_of_the_end(void **state)
{
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE,
                                                    STORE_FAKE_CONFLICT };
    (void)state;
    unsigned told = 0;
    uint32_t pool = 0;
    for (size_t f = 0; f < 4; f++)
        for (size_t step = 0; step < 6; step++)
            for (int dies = 0; dies < 2; dies++)
                for (int lies = 0; lies < 2; lies++) {
                    const struct wire_audit_sample sample =
                        sample_of(0, lies ? SHARE_STALE : SHARE_ACCEPTED);
                    struct auditor_offer offer;
                    enum auditor_outcome outcome;
                    give_scores();
                    assert_int_equal(hand_in(&sample, &w->example.share), AUDITOR_DONE);
                    int by = make_task(0, &offer);
                    store_fake_inject(w->store, faults[f], step, 1);
                    outcome = report(by, offer.val_id, SHARE_ACCEPTED);
                    store_fake_inject(w->store, faults[f], 0, 0);
                    if (dies)
                        start();
                    for (int i = 0; i < 3 && outcome == AUDITOR_LATER; i++)
                        outcome = report(by, offer.val_id, SHARE_ACCEPTED);
                    /* Refused: it was settled by the try whose answer got lost. */
                    assert_int_not_equal(outcome, AUDITOR_LATER);
                    struct task task;
                    uint8_t memory[TASK_BODY_BYTES_MAX];
                    char id[TASK_ID_BYTES];
                    task_id(17, sample.sequence, 0, id);
                    if (outcome == AUDITOR_REFUSED && !dies)
                        start(); /* a rival's write in its way: read anew, and judged at its end */
                    assert_int_equal(task_get(w->store, id, &task, memory, &w->error), STORE_DONE);
                    if (task.state != TASK_SETTLED)
                        assert_true(report(by, offer.val_id, SHARE_ACCEPTED) == AUDITOR_DONE);
                    told += (unsigned)lies;
                    if (!lies)
                        pool = pool + 5 < 100 ? pool + 5 : 100;
                    assert_int_equal(disputes(), told);
                    assert_int_equal(score(MEMBER_POOL, "pool"), pool);
                    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[0]), !lies);
                    assert_int_equal(score(MEMBER_VALIDATOR, w->ids[by]), 1);
                    assert_int_equal(auditor_counts(w->auditor).waiting, 0);
                    if (pool == 100) { /* so that one too many would be seen */
                        struct member member;
                        assert_int_equal(
                            member_get(w->store, MEMBER_POOL, "pool", &member, &w->error),
                            STORE_DONE);
                        member.score = pool = 0;
                        assert_int_equal(member_save(w->store, &member, 1, &w->error), STORE_DONE);
                    }
                }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_being_right_raises_the_reporter_and_the_pool),
        TEST(a_report_of_one_whose_stake_is_gone_raises_nobody),
        TEST(a_task_goes_evenly_to_all_who_did_not_judge_it_first),
        TEST(who_accepts_bad_work_or_rejects_good_work_loses_its_score),
        TEST(a_wrong_report_costs_its_giver_alone),
        TEST(two_who_lie_together_are_both_found),
        TEST(who_may_not_have_been_the_only_one_loses_nothing_but_is_named),
        TEST(a_val_id_counts_once_for_whom_it_was_issued_to_and_in_time),
        TEST(an_expired_task_goes_to_others_and_at_last_to_the_core),
        TEST(a_pool_with_one_validator_is_audited_by_the_core),
        TEST(around_a_new_tip_neither_word_is_a_lie),
        TEST(handing_in_again_makes_no_second_task),
        TEST(what_waits_is_bounded_and_gateways_are_told_to_keep_the_rest),
        TEST(settled_tasks_are_forgotten_after_a_while_and_disputes_are_not),
        TEST(who_credits_another_than_it_said_loses_its_score),
        TEST(what_a_failover_took_back_is_waited_for_and_what_never_comes_is_told),
        TEST(over_a_change_of_history_nothing_is_missed_and_nobody_loses),
        TEST(what_was_absent_is_told_though_its_place_is_forgotten_by_then),
        TEST(only_registered_validators_with_stake_enough_are_admitted),
        TEST(validators_outside_that_were_heard_of_late_get_tasks_too),
        TEST(all_tasks_outside_are_told_of_in_turn),
        TEST(anything_failing_on_the_way_changes_nothing_of_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
