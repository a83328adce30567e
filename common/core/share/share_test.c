/* The verdict: first that no block is ever lost, then the order of the reasons, then the credit. */
#include "base/test_random.h"
#include "core/share/share.h"

#include <setjmp.h>
#include <cmocka.h>

#define NOW_MS ((uint64_t)1700000000 * 1000)

static uint8_t scratch[POW_SCRATCH_BYTES];

struct world {
    struct job job;
    struct job_prepared prepared;
    struct job_prepared untagged;
};

/* A job with an easy network target (every other hash is a block), some branches and a mask. */
static void world_init(struct world *world, struct test_random *random,
                       enum pow_algorithm algorithm, uint32_t bits)
{
    static const uint8_t script[22] = { 0x00, 0x14 };
    const struct job_output output = { span_of(script, 22), 5000000000u };
    struct template_transaction transactions[7];
    memset(transactions, 0, sizeof transactions);
    for (size_t i = 0; i < 7; i++)
        test_random_bytes(random, transactions[i].txid, 32);
    struct block_template template = {
        .height = 800000,
        .version = 0x20a00000, /* with a bit inside the mask, where servers differ */
        .bits = bits,
        .cur_time = 1700000000,
        .min_time = 1699999000,
        .coinbase_value = 5000000000u,
        .transactions = transactions,
        .transactions_count = 7,
    };
    assert_true(difficulty_target_from_bits(bits, &template.network_target));
    const struct job_params params = {
        .id = test_random_u64(random),
        .job_value = test_random_u64(random),
        .algorithm = algorithm,
        .version_mask = JOB_VERSION_MASK_BIP320,
        .extranonce1_bytes = 4,
        .extranonce2_bytes = 8,
        .pool_tag = span_text("/adit/"),
        .outputs = &output,
        .outputs_count = 1,
    };
    assert_int_equal(job_from_template(&template, &params, &world->job), JOB_OK);
    job_prepare(&world->job, JOB_SHAPE_FULL, &world->prepared);
    job_prepare(&world->job, JOB_SHAPE_UNTAGGED, &world->untagged);
}

static struct share_submission any_submission(const struct world *world, struct test_random *random)
{
    struct share_submission submission = {
        .job_id = world->job.id,
        .account_id = 1,
        .worker_id = 2,
        .work = work_of(1),
        .received_ms = NOW_MS,
        .ntime = 1700000000,
        .nonce = (uint32_t)test_random_u64(random),
        .extranonce1_bytes = 4,
        .extranonce2_bytes = 8,
    };
    test_random_bytes(random, submission.extranonce1, 4);
    test_random_bytes(random, submission.extranonce2, 8);
    return submission;
}

/* Everything may be odd at once. */
static void make_odd(struct share_submission *submission, struct test_random *random)
{
    submission->gateway_outcome = (enum share_outcome)test_random_below(
        random, test_random_below(random, 2) == 0 ? 1 : SHARE_OUTCOMES_COUNT);
    submission->has_version_bits = test_random_below(random, 2) == 0;
    submission->version_bits = submission->has_version_bits ? (uint32_t)test_random_u64(random) : 0;
    submission->version_mask = (uint32_t)test_random_u64(random);
    submission->ntime += (uint32_t)test_random_below(random, 20000) - 10000;
    submission->work = work_of(test_random_magnitude(random));
}

static void any_hash_that_meets_the_network_target_is_a_block_whatever_is_wrong(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("blocks");
    int blocks = 0, refused_blocks = 0;
    for (int i = 0; i < 4000; i++) {
        struct world world;
        struct share_verdict verdict;
        enum pow_algorithm algorithm = i % 2 == 0 ? POW_SHA256D : POW_BLAKE2S;
        world_init(&world, &random, algorithm, 0x207fffff);
        struct share_submission submission = any_submission(&world, &random);
        enum share_tip tip = (enum share_tip)test_random_below(&random, 3);
        make_odd(&submission, &random);
        share_check(&world.prepared, tip, &submission, NOW_MS, scratch, &verdict);

        uint8_t hash[32];
        assert_true(verdict.has_header);
        pow_hash(algorithm, verdict.header, scratch, hash);
        assert_memory_equal(hash, verdict.hash, 32);
        bool meets = u256_compare(u256_load_le(hash), world.job.network_target) <= 0;
        assert_int_equal(verdict.is_block, meets);
        assert_true(verdict.outcome == SHARE_ACCEPTED
                        ? verdict.credited.expected_hashes == submission.work.expected_hashes
                        : verdict.credited.expected_hashes == 0);
        blocks += meets;
        refused_blocks += meets && verdict.outcome != SHARE_ACCEPTED;
    }
    assert_true(blocks > 1500);
    assert_true(refused_blocks > 500);
}

static void shares_judged_together_get_the_verdicts_they_get_alone(void **state)
{
    (void)state;
    enum { SHARES = 50 };
    static struct share_submission submissions[SHARES];
    static struct share_verdict together[SHARES];
    const struct job_prepared *jobs[SHARES];
    struct test_random random = test_random_begin("verdicts together");
    for (int i = 0; i < 300; i++) {
        struct world worlds[3];
        struct share_verdict alone;
        const size_t count = test_random_below(&random, SHARES + 1);
        const enum share_tip tip = (enum share_tip)test_random_below(&random, 3);
        const uint64_t jobs_count = 1 + test_random_below(&random, 3);
        for (int k = 0; k < 3; k++)
            world_init(&worlds[k], &random, i % 2 == 0 ? POW_SHA256D : POW_BLAKE2S,
                       i % 3 == 0 ? 0x1d00ffff : 0x207fffff);
        for (size_t j = 0; j < count; j++) {
            struct world *world = &worlds[test_random_below(&random, jobs_count)];
            jobs[j] = test_random_below(&random, 3) == 0 ? &world->untagged : &world->prepared;
            submissions[j] = any_submission(world, &random);
            if (test_random_below(&random, 2) == 0)
                make_odd(&submissions[j], &random);
            if (test_random_below(&random, 8) == 0)
                submissions[j].extranonce1_bytes = (uint8_t)test_random_below(&random, 9);
            if (test_random_below(&random, 8) == 0)
                submissions[j].extranonce2_bytes = (uint8_t)test_random_below(&random, 17);
        }
        share_check_many(jobs, tip, submissions, count, NOW_MS, scratch, together);
        for (size_t j = 0; j < count; j++) {
            share_check(jobs[j], tip, &submissions[j], NOW_MS, scratch, &alone);
            assert_memory_equal(&together[j], &alone, sizeof alone);
        }
    }
}

static void the_header_is_what_the_miner_hashed(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("share headers");
    for (int i = 0; i < 300; i++) {
        struct world world;
        struct share_verdict verdict;
        world_init(&world, &random, POW_SHA256D, 0x1d00ffff);
        const struct job *job = &world.job;
        struct share_submission submission = any_submission(&world, &random);
        submission.has_version_bits = true;
        submission.version_mask = JOB_VERSION_MASK_BIP320;
        submission.version_bits = (uint32_t)test_random_u64(&random) & JOB_VERSION_MASK_BIP320;
        share_check(&world.prepared, SHARE_TIP_CURRENT, &submission, NOW_MS, scratch, &verdict);

        uint8_t coinbase[2200], root[32], pair[64];
        size_t length = job->coinbase1_bytes;
        memcpy(coinbase, job->coinbase1, length);
        memcpy(coinbase + length, submission.extranonce1, 4);
        memcpy(coinbase + length + 4, submission.extranonce2, 8);
        memcpy(coinbase + length + 12, job->coinbase2, job->coinbase2_bytes);
        sha256d(span_of(coinbase, length + 12 + job->coinbase2_bytes), root);
        for (int level = 0; level < job->branches_count; level++) {
            memcpy(pair, root, 32);
            memcpy(pair + 32, job->branches[level], 32);
            sha256d(span_of(pair, 64), root);
        }
        assert_int_equal(load_le32(verdict.header),
                         (0x20a00000u & ~JOB_VERSION_MASK_BIP320) | submission.version_bits);
        assert_memory_equal(verdict.header + 4, job->prev_hash, 32);
        assert_memory_equal(verdict.header + 36, root, 32);
        assert_int_equal(load_le32(verdict.header + 68), submission.ntime);
        assert_int_equal(load_le32(verdict.header + 72), 0x1d00ffff);
        assert_int_equal(load_le32(verdict.header + 76), submission.nonce);
    }
}

/* Checks a submission that is right but for what `change` does to it. */
static enum share_outcome outcome_of(struct world *world, enum share_tip tip,
                                     const struct share_submission *submission)
{
    struct share_verdict verdict;
    share_check(&world->prepared, tip, submission, NOW_MS, scratch, &verdict);
    assert_true(verdict.outcome == SHARE_ACCEPTED || verdict.credited.expected_hashes == 0);
    return verdict.outcome;
}

static void the_reasons_come_in_their_order(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("reasons");
    struct world world;
    world_init(&world, &random, POW_SHA256D, 0x1d00ffff);
    struct share_submission s = any_submission(&world, &random);
    assert_int_equal(outcome_of(&world, SHARE_TIP_CURRENT, &s), SHARE_ACCEPTED);
    assert_int_equal(outcome_of(&world, SHARE_TIP_GRACE, &s), SHARE_ACCEPTED);

    /* From the last reason to the first, each hides the ones before it. */
    s.work = work_of(UINT64_MAX);
    assert_int_equal(outcome_of(&world, SHARE_TIP_CURRENT, &s), SHARE_LOW_DIFFICULTY);
    s.has_version_bits = true;
    s.version_bits = 0x2000; /* nothing negotiated */
    assert_int_equal(outcome_of(&world, SHARE_TIP_CURRENT, &s), SHARE_INVALID_VERSION);
    s.ntime = world.job.min_time - 1;
    assert_int_equal(outcome_of(&world, SHARE_TIP_CURRENT, &s), SHARE_INVALID_NTIME);
    assert_int_equal(outcome_of(&world, SHARE_TIP_STALE, &s), SHARE_STALE);
    s.gateway_outcome = SHARE_UNAUTHORIZED;
    assert_int_equal(outcome_of(&world, SHARE_TIP_STALE, &s), SHARE_UNAUTHORIZED);
    s.extranonce2_bytes = 7;
    assert_int_equal(outcome_of(&world, SHARE_TIP_STALE, &s), SHARE_UNAUTHORIZED);
    s.gateway_outcome = SHARE_ACCEPTED;
    assert_int_equal(outcome_of(&world, SHARE_TIP_STALE, &s), SHARE_INVALID_EXTRANONCE2);
    s.extranonce1_bytes = 8;
    assert_int_equal(outcome_of(&world, SHARE_TIP_STALE, &s), SHARE_MALFORMED);
    struct share_verdict verdict;
    share_check(&world.prepared, SHARE_TIP_CURRENT, &s, NOW_MS, scratch, &verdict);
    assert_false(verdict.has_header);
    assert_false(verdict.is_block);
}

static void time_is_bounded_by_the_chain_the_template_and_the_clock(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("ntime");
    struct world world;
    world_init(&world, &random, POW_SHA256D, 0x1d00ffff);
    const struct job *job = &world.job;
    const struct {
        uint32_t ntime;
        uint64_t now_ms;
        bool allowed;
    } known[] = {
        { job->min_time, NOW_MS, true },
        { job->min_time - 1, NOW_MS, false },
        { job->cur_time + 7200, NOW_MS, true },
        { job->cur_time + 7201, NOW_MS, false },
        { job->cur_time + 7201, NOW_MS + 100000, false }, /* the template's own bound */
        { job->cur_time + 7200, NOW_MS - 1000, false },   /* the clock's */
        { job->cur_time + 7199, NOW_MS - 1000, true },
        { 0, NOW_MS, false },
        { UINT32_MAX, NOW_MS, false },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct share_submission s = any_submission(&world, &random);
        struct share_verdict verdict;
        s.ntime = known[i].ntime;
        share_check(&world.prepared, SHARE_TIP_CURRENT, &s, known[i].now_ms, scratch, &verdict);
        assert_int_equal(verdict.outcome, known[i].allowed ? SHARE_ACCEPTED : SHARE_INVALID_NTIME);
    }
}

/* The vector where or, xor and BIP 310's rule differ. */
static void version_bits_replace_the_masked_bits_and_no_others(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("versions");
    struct world world;
    world_init(&world, &random, POW_SHA256D, 0x1d00ffff);
    assert_int_equal(job_final_version(0x20a00000, 0x1fffe000, 0x0a5ce000), 0x2a5ce000);
    const struct {
        bool has_bits;
        uint32_t bits, mask, version;
        bool allowed;
    } known[] = {
        { true, 0x0a5ce000, 0x1fffe000, 0x2a5ce000, true },
        { true, 0, 0x1fffe000, 0x20000000, true },
        { false, 0, 0x1fffe000, 0x20000000, true }, /* missing bits are zero bits */
        { false, 0, 0, 0x20a00000, true },
        { true, 0, 0, 0x20a00000, true },
        { true, 0x2000, 0, 0x20a00000, false },
        { true, 0x20000000, 0x1fffe000, 0x20000000, false },
        { true, 0x00001000, 0x1fffe000, 0x20000000, false },
        { true, 0x00001000, UINT32_MAX, 0x20000000, false }, /* the job's mask bounds it */
        { true, 0x00006000, 0x0000e000, 0x20a06000, true },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct share_submission s = any_submission(&world, &random);
        struct share_verdict verdict;
        s.has_version_bits = known[i].has_bits;
        s.version_bits = known[i].bits;
        s.version_mask = known[i].mask;
        share_check(&world.prepared, SHARE_TIP_CURRENT, &s, NOW_MS, scratch, &verdict);
        assert_int_equal(load_le32(verdict.header), known[i].version);
        assert_int_equal(verdict.outcome,
                         known[i].allowed ? SHARE_ACCEPTED : SHARE_INVALID_VERSION);
    }
}

static void a_block_of_a_miner_that_rolls_without_asking_is_not_lost(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("unasked rolling");
    int found = 0;
    for (int i = 0; i < 400; i++) {
        struct world world;
        struct share_verdict verdict;
        world_init(&world, &random, POW_SHA256D, 0x207fffff);
        struct share_submission s = any_submission(&world, &random);
        s.has_version_bits = true;
        s.version_bits = 0x00406000; /* nothing negotiated */
        const struct job_choice choice = { s.extranonce1, s.extranonce2, s.ntime, s.nonce,
                                           i % 2 == 0 ? 0x20406000u : 0x20e06000u };
        uint8_t header[80], hash[32];
        job_build_header(&world.prepared, &choice, header);
        pow_hash(POW_SHA256D, header, scratch, hash);
        share_check(&world.prepared, SHARE_TIP_CURRENT, &s, NOW_MS, scratch, &verdict);
        assert_int_equal(verdict.outcome, SHARE_INVALID_VERSION);
        if (u256_compare(u256_load_le(hash), world.job.network_target) <= 0) {
            assert_true(verdict.is_block);
            found++;
        }
        pow_hash(POW_SHA256D, verdict.header, scratch, hash);
        assert_memory_equal(hash, verdict.hash, 32);
        assert_int_equal(verdict.is_block,
                         u256_compare(u256_load_le(hash), world.job.network_target) <= 0);
    }
    assert_in_range(found, 100, 300);
}

static void a_share_counts_exactly_where_its_hash_meets_its_own_work(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("credit");
    for (int algorithm = POW_SHA256D; algorithm <= POW_SCRYPT; algorithm++) {
        struct world world;
        world_init(&world, &random, (enum pow_algorithm)algorithm, 0x1d00ffff);
        int accepted = 0, rounds = algorithm == POW_SCRYPT ? 100 : 3000;
        for (int i = 0; i < rounds; i++) {
            struct share_submission s = any_submission(&world, &random);
            struct share_verdict verdict;
            s.work = work_of(1 + test_random_below(&random, 8));
            share_check(&world.prepared, SHARE_TIP_CURRENT, &s, NOW_MS, scratch, &verdict);
            bool meets = u256_compare(u256_load_le(verdict.hash), difficulty_target(s.work)) <= 0;
            assert_int_equal(verdict.outcome, meets ? SHARE_ACCEPTED : SHARE_LOW_DIFFICULTY);
            assert_int_equal(verdict.credited.expected_hashes, meets ? s.work.expected_hashes : 0);
            accepted += meets;
        }
        assert_in_range(accepted, 1, rounds - 1);
        struct share_submission s = any_submission(&world, &random);
        s.work = work_of(0);
        assert_int_equal(outcome_of(&world, SHARE_TIP_CURRENT, &s), SHARE_LOW_DIFFICULTY);
    }
}

static void equal_keys_are_equal_headers_and_names_are_no_part_of_them(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("share keys");
    struct world world;
    world_init(&world, &random, POW_SHA256D, 0x1d00ffff);
    for (int i = 0; i < 2000; i++) {
        struct share_submission a = any_submission(&world, &random), b = a;
        struct share_verdict va, vb;
        a.version_mask = b.version_mask = JOB_VERSION_MASK_BIP320;
        b.account_id++;
        b.worker_id++;
        b.received_ms++;
        switch (test_random_below(&random, 8)) {
        case 0:
            b.nonce ^= 1u << test_random_below(&random, 32);
            break;
        case 1:
            b.ntime ^= 1u << test_random_below(&random, 32);
            break;
        case 2:
            b.extranonce1[test_random_below(&random, 4)] ^= 1;
            break;
        case 3:
            b.extranonce2[test_random_below(&random, 8)] ^= 1;
            break;
        case 4:
            b.has_version_bits = true; /* explicit zero bits: the same header */
            break;
        case 5:
            b.has_version_bits = true;
            b.version_bits = 0x2000;
            break;
        case 6:
            b.extranonce2[12] = 1; /* beyond the length: no part of the header */
            break;
        default:
            break;
        }
        share_check(&world.prepared, SHARE_TIP_CURRENT, &a, NOW_MS, scratch, &va);
        share_check(&world.prepared, SHARE_TIP_CURRENT, &b, NOW_MS, scratch, &vb);
        struct share_key ka = share_key_of(&world.job, &a), kb = share_key_of(&world.job, &b);
        assert_int_equal(memcmp(ka.bytes, kb.bytes, sizeof ka.bytes) == 0,
                         memcmp(va.header, vb.header, sizeof va.header) == 0);
    }
}

static void outcomes_keep_their_wire_values_and_stratum_codes(void **state)
{
    (void)state;
    const struct {
        enum share_outcome outcome;
        int code;
    } known[] = {
        { SHARE_ACCEPTED, 0 },         { SHARE_STALE, 21 },
        { SHARE_JOB_NOT_FOUND, 21 },   { SHARE_DUPLICATE, 22 },
        { SHARE_LOW_DIFFICULTY, 23 },  { SHARE_UNAUTHORIZED, 24 },
        { SHARE_NOT_SUBSCRIBED, 25 },  { SHARE_INVALID_NTIME, 20 },
        { SHARE_INVALID_VERSION, 20 }, { SHARE_INVALID_EXTRANONCE2, 20 },
        { SHARE_MALFORMED, 20 },       { SHARE_WORKER_MISMATCH, 24 },
        { SHARE_OVERLOADED, 20 },      { SHARE_NOT_DURABLE, 20 },
        { SHARE_BANNED, 20 },
    };
    assert_int_equal(sizeof known / sizeof *known, SHARE_OUTCOMES_COUNT);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        enum share_outcome outcome;
        assert_int_equal(known[i].outcome, i);
        assert_true(share_outcome_from_wire(i, &outcome));
        assert_int_equal(outcome, known[i].outcome);
        assert_int_equal(share_outcome_stratum_code(outcome), known[i].code);
        assert_true(strlen(share_outcome_text(outcome)) > 0);
        assert_true(strlen(share_outcome_label(outcome)) > 0);
    }
    enum share_outcome outcome;
    assert_false(share_outcome_from_wire(SHARE_OUTCOMES_COUNT, &outcome));
    assert_false(share_outcome_from_wire(256, &outcome));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_hash_that_meets_the_network_target_is_a_block_whatever_is_wrong),
        cmocka_unit_test(shares_judged_together_get_the_verdicts_they_get_alone),
        cmocka_unit_test(the_header_is_what_the_miner_hashed),
        cmocka_unit_test(the_reasons_come_in_their_order),
        cmocka_unit_test(time_is_bounded_by_the_chain_the_template_and_the_clock),
        cmocka_unit_test(version_bits_replace_the_masked_bits_and_no_others),
        cmocka_unit_test(a_block_of_a_miner_that_rolls_without_asking_is_not_lost),
        cmocka_unit_test(a_share_counts_exactly_where_its_hash_meets_its_own_work),
        cmocka_unit_test(equal_keys_are_equal_headers_and_names_are_no_part_of_them),
        cmocka_unit_test(outcomes_keep_their_wire_values_and_stratum_codes),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
