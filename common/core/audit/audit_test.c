/* The draw is fair and hidden; the judgement forgives what honest validators may see differently,
 * and nothing else. */
#include "base/test_random.h"
#include "core/audit/audit.h"

#include <math.h>
#include <setjmp.h>
#include <cmocka.h>

#define NOW_MS ((uint64_t)1700000000 * 1000)

static uint8_t scratch[POW_SCRATCH_BYTES];

struct world {
    struct job job;
    struct job_prepared prepared;
    struct share_submission submission;
    struct audit_case given;
};

static void world_init(struct world *world, enum pow_algorithm algorithm)
{
    *world = (struct world){ .job = { .id = 7,
                                      .algorithm = algorithm,
                                      .coinbase1_bytes = 60,
                                      .coinbase2_bytes = 60,
                                      .extranonce1_bytes = 4,
                                      .extranonce2_bytes = 8,
                                      .version = 0x20000000,
                                      .bits = 0x1d00ffff,
                                      .cur_time = 1700000000,
                                      .min_time = 1699999000,
                                      .max_time = 1700007200 },
                             .submission = { .job_id = 7,
                                             .account_id = 1,
                                             .worker_id = 2,
                                             .work = work_of(1),
                                             .received_ms = NOW_MS,
                                             .ntime = 1700000000,
                                             .extranonce1_bytes = 4,
                                             .extranonce2_bytes = 8 },
                             .given = { .judged_ms = NOW_MS + 20 } };
    job_prepare(&world->job, JOB_SHAPE_FULL, &world->prepared);
}

static struct audit_finding judge(struct world *world)
{
    struct audit_finding finding;
    audit_judge(&world->prepared, &world->submission, &world->given, scratch, &finding);
    return finding;
}

static void expect_only(struct world *world, enum share_outcome outcome)
{
    const struct audit_finding finding = judge(world);
    for (int i = 0; i < SHARE_OUTCOMES_COUNT; i++) {
        assert_int_equal(audit_allows(&finding, (enum share_outcome)i, false), (int)outcome == i);
        assert_false(audit_allows(&finding, (enum share_outcome)i, true));
    }
    assert_int_equal(audit_allows_validity(&finding, true), outcome == SHARE_ACCEPTED);
    assert_int_equal(audit_allows_validity(&finding, false), outcome != SHARE_ACCEPTED);
}

static void a_plain_share_has_one_honest_verdict(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, POW_SHA256D);
    expect_only(&world, SHARE_ACCEPTED);
    world.submission.work = work_of(UINT64_MAX);
    expect_only(&world, SHARE_LOW_DIFFICULTY);
    world.submission.ntime = 1;
    expect_only(&world, SHARE_INVALID_NTIME);
    world.submission.account_id = 0;
    expect_only(&world, SHARE_UNAUTHORIZED);
    world.submission.gateway_outcome = SHARE_WORKER_MISMATCH;
    world.given.tip_in_doubt = world.given.final = true; /* the gateway's own reason goes first */
    expect_only(&world, SHARE_WORKER_MISMATCH);
}

static void a_share_without_a_header_is_malformed_for_everybody(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, POW_SHA256D);
    world.submission.extranonce2_bytes = 5;
    world.given.tip_in_doubt = true;
    expect_only(&world, SHARE_INVALID_EXTRANONCE2);
}

static void around_a_new_tip_both_words_are_honest(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, POW_SHA256D);
    world.given.tip_in_doubt = true;
    const struct audit_finding finding = judge(&world);
    assert_int_equal(finding.outcomes, 1u << SHARE_ACCEPTED | 1u << SHARE_STALE);
    assert_true(audit_allows_validity(&finding, true));
    assert_true(audit_allows_validity(&finding, false));
}

static void clocks_may_differ_over_a_time_too_far_ahead_but_not_by_much(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, POW_SHA256D);
    world.job.max_time = UINT32_MAX;
    for (int ahead = JOB_TIME_AHEAD_SECONDS - 20; ahead <= (int)JOB_TIME_AHEAD_SECONDS + 20;
         ahead++) {
        world.submission.ntime = (uint32_t)(NOW_MS / 1000) + (uint32_t)ahead;
        const struct audit_finding finding = judge(&world);
        int beyond = ahead - (int)JOB_TIME_AHEAD_SECONDS;
        bool may_count = beyond <= 5, may_not = beyond > -5;
        assert_int_equal(audit_allows(&finding, SHARE_ACCEPTED, false), may_count);
        assert_int_equal(audit_allows(&finding, SHARE_INVALID_NTIME, false), may_not);
    }
}

static void only_slow_hashing_and_asking_everybody_excuse_a_validator(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, POW_SHA256D);
    expect_only(&world, SHARE_ACCEPTED); /* not OVERLOADED, not JOB_NOT_FOUND */
    world.given.final = true;
    struct audit_finding finding = judge(&world);
    assert_true(audit_allows(&finding, SHARE_JOB_NOT_FOUND, false));
    assert_false(audit_allows(&finding, SHARE_OVERLOADED, false));
    world_init(&world, POW_SCRYPT);
    finding = judge(&world);
    assert_true(audit_allows(&finding, SHARE_OVERLOADED, false));
    assert_false(audit_allows(&finding, SHARE_OVERLOADED, true));
    assert_false(audit_allows(&finding, SHARE_JOB_NOT_FOUND, false));
}

static void hiding_a_block_is_wrong_and_so_is_inventing_one(void **state)
{
    (void)state;
    struct world world;
    for (int k = 0; k < 2; k++) {
        world_init(&world, POW_SHA256D);
        if (k == 1)
            world.job.network_target = U256_MAX;
        const struct audit_finding finding = judge(&world);
        assert_int_equal(finding.is_block, k == 1);
        assert_int_equal(audit_allows(&finding, SHARE_ACCEPTED, true), k == 1);
        assert_int_equal(audit_allows(&finding, SHARE_ACCEPTED, false), k == 0);
    }
}

/* Whatever an honest validator was told and whenever it looked, its verdict is allowed. */
static void an_honest_verdict_is_never_called_a_lie(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("honest verdicts");
    unsigned outcomes[SHARE_OUTCOMES_COUNT] = { 0 };
    for (int i = 0; i < 20000; i++) {
        struct world world;
        struct share_verdict verdict;
        world_init(&world, i % 2 == 0 ? POW_SHA256D : POW_BLAKE2S);
        world.job.version_mask = JOB_VERSION_MASK_BIP320;
        world.job.max_time = UINT32_MAX;
        if (i % 5 == 0)
            world.job.network_target = u256_shift_right(U256_MAX, 1);
        struct share_submission *submission = &world.submission;
        submission->nonce = (uint32_t)test_random_u64(&random);
        submission->work = work_of(1 + test_random_below(&random, 4));
        submission->ntime += (uint32_t)test_random_below(&random, 9000) - 1500;
        submission->version_mask = (uint32_t)test_random_u64(&random);
        submission->has_version_bits = test_random_below(&random, 4) == 0;
        submission->version_bits = submission->has_version_bits ? 0x00002000 : 0;
        if (test_random_below(&random, 8) == 0)
            submission->gateway_outcome =
                (enum share_outcome)test_random_below(&random, SHARE_OUTCOMES_COUNT);
        world.given.judged_ms = NOW_MS + test_random_below(&random, 30000);
        world.given.tip_in_doubt = test_random_below(&random, 2) == 0;
        /* The validator's clock is off by seconds, and it may have heard of a tip. */
        uint64_t looked_ms =
            NOW_MS - 4000 + test_random_below(&random, world.given.judged_ms - NOW_MS + 8000);
        bool stale = world.given.tip_in_doubt && test_random_below(&random, 2) == 0;
        share_check(&world.prepared, stale ? SHARE_TIP_STALE : SHARE_TIP_CURRENT, submission,
                    looked_ms, scratch, &verdict);
        const struct audit_finding finding = judge(&world);
        assert_true(audit_allows(&finding, verdict.outcome, verdict.is_block));
        assert_true(audit_allows_validity(&finding, verdict.outcome == SHARE_ACCEPTED));
        assert_false(audit_allows(&finding, verdict.outcome, !verdict.is_block));
        outcomes[verdict.outcome]++;
    }
    assert_true(outcomes[SHARE_ACCEPTED] > 100 && outcomes[SHARE_STALE] > 100);
    assert_true(outcomes[SHARE_LOW_DIFFICULTY] > 100 && outcomes[SHARE_INVALID_NTIME] > 100);
}

/* So many of n draws at rate p as a fair coin gives: within six standard deviations, and six more
 * for where p is so near 0 or 1 that they are few. */
static void expect_fair(uint64_t drawn, double n, double p)
{
    double expected = n * p, deviation = sqrt(n * p * (1 - p));
    assert_true(fabs((double)drawn - expected) <= 6 * deviation + 6);
}

static void a_rate_draws_its_part_of_shares_in_every_place(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("rates");
    enum { BATCHES = 20000, PLACES = 16 };
    static const uint32_t rates[] = { 1000, 10000, 250000, 999999 };
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        const uint64_t highest = audit_highest_drawn(rates[r]);
        struct audit_key key;
        uint64_t drawn[PLACES] = { 0 };
        test_random_bytes(&random, key.bytes, sizeof key.bytes);
        for (uint64_t sequence = 1; sequence <= BATCHES; sequence++) {
            uint64_t seed = audit_seed(&key, 3, sequence);
            for (uint32_t i = 0; i < PLACES; i++)
                drawn[i] += audit_number(seed, i) <= highest;
        }
        for (uint32_t i = 0; i < PLACES; i++)
            expect_fair(drawn[i], BATCHES, rates[r] / (double)AUDIT_RATE_WHOLE);
    }
    assert_true(audit_highest_drawn(AUDIT_RATE_WHOLE) == UINT64_MAX);
    assert_true(audit_highest_drawn(1) == UINT64_MAX / AUDIT_RATE_WHOLE - 1 ||
                audit_highest_drawn(1) == UINT64_MAX / AUDIT_RATE_WHOLE);
}

/* Another key, lease or sequence draws others: about p of what one draws is drawn by the other. */
static void a_draw_depends_on_all_of_key_and_id_and_tells_nothing_of_the_next(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("draws");
    enum { BATCHES = 100000 };
    const double p = 0.25;
    const uint64_t highest = audit_highest_drawn(250000);
    struct audit_key keys[2];
    uint64_t both[4] = { 0 };
    test_random_bytes(&random, &keys[0], sizeof keys[0]);
    keys[1] = keys[0];
    keys[1].bytes[random.state % AUDIT_KEY_BYTES] ^= 1;
    for (uint64_t i = 1; i <= BATCHES; i++) {
        bool drawn = audit_number(audit_seed(&keys[0], 1, i), 0) <= highest;
        both[0] += drawn && audit_number(audit_seed(&keys[1], 1, i), 0) <= highest;
        both[1] += drawn && audit_number(audit_seed(&keys[0], 2, i), 0) <= highest;
        both[2] += drawn && audit_number(audit_seed(&keys[0], 1, i + 1), 0) <= highest;
        both[3] += drawn && audit_number(audit_seed(&keys[0], 1, i), 1) <= highest;
    }
    for (int k = 0; k < 4; k++)
        expect_fair(both[k], BATCHES, p * p);
}

/* What docs/validators.md states: a liar that lies in a part f of its verdicts, drawn at rate p, is
 * found within n of its shares with probability 1 - (1 - f p)^n. */
static void a_liar_is_found_as_often_as_the_formula_says(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("liars");
    enum { LIARS = 4000, SHARES = 600 };
    const double f = 0.05, p = 0.1;
    const uint64_t highest = audit_highest_drawn(100000);
    uint64_t found = 0;
    for (int liar = 0; liar < LIARS; liar++) {
        struct audit_key key;
        bool caught = false;
        test_random_bytes(&random, key.bytes, sizeof key.bytes);
        for (uint64_t i = 1; i <= SHARES && !caught; i++)
            caught = test_random_below(&random, 20) == 0 &&
                     audit_number(audit_seed(&key, 1, i), 0) <= highest;
        found += caught;
    }
    expect_fair(found, LIARS, 1 - pow(1 - f * p, SHARES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_share_has_one_honest_verdict),
        cmocka_unit_test(a_share_without_a_header_is_malformed_for_everybody),
        cmocka_unit_test(around_a_new_tip_both_words_are_honest),
        cmocka_unit_test(clocks_may_differ_over_a_time_too_far_ahead_but_not_by_much),
        cmocka_unit_test(only_slow_hashing_and_asking_everybody_excuse_a_validator),
        cmocka_unit_test(hiding_a_block_is_wrong_and_so_is_inventing_one),
        cmocka_unit_test(an_honest_verdict_is_never_called_a_lie),
        cmocka_unit_test(a_rate_draws_its_part_of_shares_in_every_place),
        cmocka_unit_test(a_draw_depends_on_all_of_key_and_id_and_tells_nothing_of_the_next),
        cmocka_unit_test(a_liar_is_found_as_often_as_the_formula_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
