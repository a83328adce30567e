/* Jobs: what they commit to, held against slow independent reconstructions. */
#include "base/test_random.h"
#include "core/difficulty/difficulty.h"
#include "core/job/job.h"

#include <setjmp.h>
#include <cmocka.h>

#define LEAVES_MAX 71

/* The merkle root by the book: whole rows, the last node of an odd row paired with itself. */
static void naive_root(uint8_t (*row)[32], size_t count, uint8_t root_r[32])
{
    for (; count > 1; count = (count + 1) / 2) {
        for (size_t i = 0; i < count; i += 2) {
            uint8_t pair[64];
            memcpy(pair, row[i], 32);
            memcpy(pair + 32, row[i + 1 < count ? i + 1 : i], 32);
            sha256d(span_of(pair, 64), row[i / 2]);
        }
    }
    memcpy(root_r, row[0], 32);
}

static void a_branch_leads_to_the_root_of_the_whole_tree(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("merkle branches");
    struct template_transaction transactions[LEAVES_MAX];
    memset(transactions, 0, sizeof transactions);
    for (size_t count = 0; count < LEAVES_MAX; count++) {
        uint8_t row[LEAVES_MAX + 1][32], branches[TEMPLATE_BRANCHES_MAX][32], root[32],
            coinbase[32];
        test_random_bytes(&random, coinbase, 32);
        memcpy(row[0], coinbase, 32);
        for (size_t i = 0; i < count; i++) {
            test_random_bytes(&random, transactions[i].txid, 32);
            memcpy(row[i + 1], transactions[i].txid, 32);
        }
        size_t levels = template_merkle_branches(transactions, count, branches);
        uint8_t expected[32];
        naive_root(row, count + 1, expected);
        template_merkle_root(coinbase, branches, levels, root);
        assert_memory_equal(root, expected, 32);
        assert_true((size_t)1 << levels >= count + 1);
        assert_true(levels == 0 || (size_t)1 << (levels - 1) < count + 1);
    }
}

static void leaves_added_together_make_the_branch_of_those_added_alone(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("merkle together");
    static uint8_t txids[3 * LEAVES_MAX][32];
    test_random_bytes(&random, txids, sizeof txids);
    for (size_t round = 0; round < 300; round++) {
        struct template_merkle alone, together;
        uint8_t one[TEMPLATE_BRANCHES_MAX][32], other[TEMPLATE_BRANCHES_MAX][32];
        size_t count = round < 100 ? round : test_random_below(&random, 3 * LEAVES_MAX + 1);
        template_merkle_begin(&alone);
        template_merkle_begin(&together);
        for (size_t i = 0; i < count; i++)
            template_merkle_add(&alone, txids[i]);
        for (size_t i = 0; i < count;) {
            size_t n = test_random_below(&random, 80);
            n = n < count - i ? n : count - i;
            template_merkle_add_many(&together, (const uint8_t(*)[32])(txids + i), n);
            i += n;
        }
        assert_int_equal(alone.count, together.count);
        size_t levels = template_merkle_end(&alone, one);
        assert_int_equal(template_merkle_end(&together, other), levels);
        assert_memory_equal(one, other, 32 * levels);
    }
}

static void a_branch_of_the_largest_template_has_sixteen_levels(void **state)
{
    (void)state;
    struct template_transaction *transactions =
        calloc(TEMPLATE_TRANSACTIONS_MAX, sizeof *transactions);
    uint8_t(*row)[32] = calloc(TEMPLATE_TRANSACTIONS_MAX + 1, 32);
    uint8_t branches[TEMPLATE_BRANCHES_MAX][32], expected[32], root[32];
    assert_non_null(transactions);
    assert_non_null(row);
    static const size_t counts[] = { 2000, 32767, 32768, 65534, TEMPLATE_TRANSACTIONS_MAX };
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        memset(row[0], 7, 32);
        for (size_t i = 0; i < counts[c]; i++) {
            store_le64(transactions[i].txid, i);
            memcpy(row[i + 1], transactions[i].txid, 32);
        }
        size_t levels = template_merkle_branches(transactions, counts[c], branches);
        uint8_t coinbase[32];
        memset(coinbase, 7, 32);
        naive_root(row, counts[c] + 1, expected);
        template_merkle_root(coinbase, branches, levels, root);
        assert_memory_equal(root, expected, 32);
        assert_true(levels <= TEMPLATE_BRANCHES_MAX);
    }
    free(transactions);
    free(row);
}

/* Consensus: CScript() << height; the values are those of Bitcoin Core's script tests. */
static void heights_are_pushed_as_consensus_demands(void **state)
{
    (void)state;
    const struct {
        uint32_t height;
        const char *push;
    } known[] = {
        { 0, "00" },
        { 1, "51" },
        { 16, "60" },
        { 17, "0111" },
        { 127, "017f" },
        { 128, "028000" },
        { 255, "02ff00" },
        { 256, "020001" },
        { 32767, "02ff7f" },
        { 32768, "03008000" },
        { 227836, "03fc7903" },
        { 840000, "0340d10c" },
        { 8388607, "03ffff7f" },
        { 8388608, "0400008000" },
        { 2147483647, "04ffffff7f" },
        { 2147483648u, "050000008000" },
        { UINT32_MAX, "05ffffffff00" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint8_t push[JOB_HEIGHT_PUSH_BYTES_MAX];
        char text[2 * JOB_HEIGHT_PUSH_BYTES_MAX + 1];
        hex_encode(span_of(push, job_height_push(known[i].height, push)), text);
        assert_string_equal(text, known[i].push);
    }
}

static const uint8_t miner_script[22] = { 0x00, 0x14, 1, 2, 3 };
static const uint8_t fee_script[25] = { 0x76, 0xa9, 0x14, 9, 9, 9 };
static const uint8_t data_script[42] = { 0x6a, 0x28, 'a', 'd', 'i', 't' };
static const uint8_t commitment[38] = { 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed, 5, 5 };

struct example {
    struct template_transaction transactions[5];
    struct job_output outputs[3];
    struct block_template template;
    struct job_params params;
};

static void example_init(struct example *example, struct test_random *random)
{
    static const uint8_t body[100] = { 2 };
    memset(example, 0, sizeof *example);
    for (size_t i = 0; i < 5; i++) {
        test_random_bytes(random, example->transactions[i].txid, 32);
        example->transactions[i].data = span_of(body, 60 + i);
    }
    example->outputs[0] = (struct job_output){ span_of(miner_script, 22), 4900000000u };
    example->outputs[1] = (struct job_output){ span_of(fee_script, 25), 100000000 };
    example->outputs[2] = (struct job_output){ span_of(data_script, sizeof data_script), 0 };
    example->template = (struct block_template){
        .height = (uint32_t)test_random_below(random, 1000000),
        .version = 0x20000000,
        .bits = 0x207fffff,
        .cur_time = 1700000000,
        .min_time = 1699999000,
        .coinbase_value = 5000000000u,
        .witness_commitment = span_of(commitment, sizeof commitment),
        .transactions = example->transactions,
        .transactions_count = test_random_below(random, 6),
    };
    test_random_bytes(random, example->template.prev_hash, 32);
    assert_true(difficulty_target_from_bits(0x207fffff, &example->template.network_target));
    example->params = (struct job_params){
        .id = test_random_u64(random),
        .epoch = 3,
        .template_id = 4,
        .job_value = test_random_u64(random),
        .algorithm = POW_SHA256D,
        .version_mask = JOB_VERSION_MASK_BIP320,
        .extranonce1_bytes = (uint8_t)(1 + test_random_below(random, 8)),
        .extranonce2_bytes = (uint8_t)(1 + test_random_below(random, 16)),
        .pool_tag =
            span_of("/adit pool, the tag at its longest...../", test_random_below(random, 41)),
        .outputs = example->outputs,
        .outputs_count = 2 + test_random_below(random, 2),
    };
}

static bool has_data(const struct example *example, unsigned shape)
{
    return example->params.outputs_count == 3 && shape != JOB_SHAPE_LEAST;
}

/* A miner's coinbase of that shape, put together; returns its length. */
static size_t put_together(const struct job *job, unsigned shape, const uint8_t *extranonce1,
                           const uint8_t *extranonce2, uint8_t bytes_r[JOB_COINBASE_BYTES_MAX])
{
    struct job_coinbase coinbase;
    assert_true(job_coinbase(job, shape, &coinbase));
    size_t length = coinbase.before.length;
    memcpy(bytes_r, coinbase.before.data, length);
    memcpy(bytes_r + length, extranonce1, job->extranonce1_bytes);
    length += job->extranonce1_bytes;
    memcpy(bytes_r + length, extranonce2, job->extranonce2_bytes);
    length += job->extranonce2_bytes;
    memcpy(bytes_r + length, coinbase.behind.data, coinbase.behind.length);
    length += coinbase.behind.length;
    assert_int_equal(length, job_coinbase_bytes(job, shape));
    return length;
}

/* A coinbase read back field by field, as a node reads it. */
struct coinbase_read {
    uint8_t script_sig[100];
    size_t script_sig_bytes;
    uint64_t outputs;
    u128 value;
    bool commitment_last;
};

static void read_coinbase(const uint8_t *at, size_t length, bool witness, struct coinbase_read *r)
{
    const uint8_t *end = at + length;
    memset(r, 0, sizeof *r);
    assert_int_equal(load_le32(at), 1);
    at += 4;
    if (witness) {
        assert_int_equal(at[0], 0);
        assert_int_equal(at[1], 1);
        at += 2;
    }
    assert_int_equal(*at++, 1);
    for (int i = 0; i < 32; i++)
        assert_int_equal(*at++, 0);
    assert_int_equal(load_le32(at), UINT32_MAX);
    at += 4;
    r->script_sig_bytes = *at++;
    assert_in_range(r->script_sig_bytes, 2, 100);
    memcpy(r->script_sig, at, r->script_sig_bytes);
    at += r->script_sig_bytes;
    assert_int_equal(load_le32(at), UINT32_MAX);
    at += 4;
    r->outputs = *at++;
    for (uint64_t i = 0; i < r->outputs; i++) {
        r->value += load_le64(at);
        size_t script_bytes = at[8];
        assert_true(script_bytes < 0xfd);
        r->commitment_last = script_bytes == sizeof commitment &&
                             memcmp(at + 9, commitment, sizeof commitment) == 0 &&
                             load_le64(at) == 0;
        at += 9 + script_bytes;
    }
    if (witness) {
        assert_int_equal(*at++, 1);
        assert_int_equal(*at++, 32);
        for (int i = 0; i < 32; i++)
            assert_int_equal(*at++, 0);
    }
    assert_int_equal(load_le32(at), 0);
    assert_ptr_equal(at + 4, end);
}

static void look_at_coinbase(const struct example *example, const struct job *job, unsigned shape,
                             struct test_random *random)
{
    const bool witness = job->witness;
    const size_t tag_bytes = shape == JOB_SHAPE_FULL ? example->params.pool_tag.length : 0;
    struct coinbase_read plain, full;
    uint8_t en1[8], en2[16], bytes[JOB_COINBASE_BYTES_MAX];
    test_random_bytes(random, en1, sizeof en1);
    test_random_bytes(random, en2, sizeof en2);
    read_coinbase(bytes, put_together(job, shape, en1, en2, bytes), false, &plain);
    size_t length = job_coinbase_for_block(job, shape, en1, en2, bytes);
    read_coinbase(bytes, length, witness, &full);
    assert_memory_equal(&plain, &full, sizeof plain);

    assert_int_equal(plain.outputs, 2 + witness + has_data(example, shape));
    assert_int_equal(plain.commitment_last, witness);
    assert_true(plain.value == example->template.coinbase_value);
    /* height, job value, tag, extranonces: and nothing else */
    uint8_t push[JOB_HEIGHT_PUSH_BYTES_MAX];
    size_t at = job_height_push(example->template.height, push);
    assert_memory_equal(plain.script_sig, push, at);
    assert_int_equal(plain.script_sig[at], 8);
    assert_true(load_le64(plain.script_sig + at + 1) == example->params.job_value);
    at += 9;
    if (tag_bytes > 0) {
        assert_int_equal(plain.script_sig[at], tag_bytes);
        assert_memory_equal(plain.script_sig + at + 1, example->params.pool_tag.data, tag_bytes);
        at += 1 + tag_bytes;
    }
    assert_int_equal(plain.script_sig[at], job->extranonce1_bytes + job->extranonce2_bytes);
    assert_memory_equal(plain.script_sig + at + 1, en1, job->extranonce1_bytes);
    at += 1u + job->extranonce1_bytes;
    assert_memory_equal(plain.script_sig + at, en2, job->extranonce2_bytes);
    assert_int_equal(plain.script_sig_bytes, at + job->extranonce2_bytes);
}

static void a_job_s_coinbase_reads_back_as_consensus_wants_it(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("coinbase");
    for (int i = 0; i < 500; i++) {
        struct example example;
        struct job job;
        example_init(&example, &random);
        if (i % 3 == 0)
            example.template.witness_commitment = span_of(NULL, 0);
        bool witness = example.template.witness_commitment.length > 0;
        assert_int_equal(job_from_template(&example.template, &example.params, &job), JOB_OK);
        assert_true(job_verify(&job));
        assert_int_equal(job.witness, witness);

        /* A shape is made where it leaves something out. */
        assert_int_equal(job_coinbase_bytes(&job, JOB_SHAPE_UNTAGGED) > 0,
                         example.params.pool_tag.length > 0);
        assert_int_equal(job_coinbase_bytes(&job, JOB_SHAPE_LEAST) > 0,
                         example.params.outputs_count == 3);
        for (unsigned shape = 0; shape < JOB_SHAPES; shape++)
            if (job_coinbase_bytes(&job, shape) > 0)
                look_at_coinbase(&example, &job, shape, &random);
    }
}

static void a_client_gets_the_fullest_coinbase_it_can_take(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("shapes");
    for (int i = 0; i < 500; i++) {
        struct example example;
        struct job job;
        example_init(&example, &random);
        assert_int_equal(job_from_template(&example.template, &example.params, &job), JOB_OK);
        const size_t full = job_coinbase_bytes(&job, JOB_SHAPE_FULL);
        for (size_t most = 0; most < full + 2; most++) {
            unsigned shape = job_shape_within(&job, most);
            assert_true(shape == JOB_SHAPES || job_coinbase_bytes(&job, shape) <= most);
            for (unsigned fuller = 0; fuller < shape && fuller < JOB_SHAPES; fuller++)
                assert_true(job_coinbase_bytes(&job, fuller) == 0 ||
                            job_coinbase_bytes(&job, fuller) > most);
        }
        assert_int_equal(job_shape_within(&job, full), JOB_SHAPE_FULL);
        assert_int_equal(job_shape_within(&job, 0), JOB_SHAPES);
        assert_int_equal(job_coinbase_bytes(&job, JOB_SHAPES), 0);
        assert_int_equal(job_coinbase_bytes(&job, 255), 0);
    }
}

/* As firmware knows it: what the smallest known limits leave room for (NiceHash 500 bytes, stock
 * Antminers 750) holds the longest coinbase this pool makes, with an output for its wallet, one for
 * the head of its proofs and the longest tag. */
static void the_pool_s_longest_coinbase_is_below_the_smallest_limit_known(void **state)
{
    (void)state;
    static const uint8_t longest_script[34] = { 0x51, 0x20 };
    struct test_random random = test_random_begin("longest");
    struct example example;
    struct job job;
    example_init(&example, &random);
    example.outputs[0] = (struct job_output){ span_of(longest_script, 34), 5000000000u };
    example.outputs[1] = example.outputs[2];
    example.params.outputs_count = 2;
    example.params.extranonce1_bytes = 4;
    example.params.extranonce2_bytes = 8;
    example.params.pool_tag = span_text("/the longest tag a pool can have ......./");
    example.params.pool_tag.length = JOB_POOL_TAG_BYTES_MAX;
    example.template.height = 16777216;
    assert_int_equal(job_from_template(&example.template, &example.params, &job), JOB_OK);
    assert_true(job_coinbase_bytes(&job, JOB_SHAPE_FULL) <= 300);
    assert_true(job_coinbase_bytes(&job, JOB_SHAPE_LEAST) <= 200);
}

/* The whole way again with one-shot hashing and whole merkle rows. */
static void slow_header(const struct example *example, const struct job *job, unsigned shape,
                        const struct job_choice *choice, uint8_t header_r[80])
{
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX], row[6][32];
    size_t length = put_together(job, shape, choice->extranonce1, choice->extranonce2, coinbase);
    sha256d(span_of(coinbase, length), row[0]);
    for (size_t i = 0; i < example->template.transactions_count; i++)
        memcpy(row[i + 1], example->transactions[i].txid, 32);
    naive_root(row, example->template.transactions_count + 1, header_r + 36);
    for (int i = 0; i < 4; i++) {
        header_r[i] = (uint8_t)(choice->version >> 8 * i);
        header_r[68 + i] = (uint8_t)(choice->ntime >> 8 * i);
        header_r[72 + i] = (uint8_t)(example->template.bits >> 8 * i);
        header_r[76 + i] = (uint8_t)(choice->nonce >> 8 * i);
    }
    memcpy(header_r + 4, example->template.prev_hash, 32);
}

static void a_header_is_the_same_when_built_slowly(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("headers");
    for (int i = 0; i < 500; i++) {
        struct example example;
        struct job job;
        struct job_prepared prepared;
        uint8_t en1[8], en2[16], fast[80], slow[80];
        example_init(&example, &random);
        assert_int_equal(job_from_template(&example.template, &example.params, &job), JOB_OK);
        unsigned shape = (unsigned)i % JOB_SHAPES;
        if (job_coinbase_bytes(&job, shape) == 0)
            continue;
        job_prepare(&job, shape, &prepared);
        test_random_bytes(&random, en1, sizeof en1);
        test_random_bytes(&random, en2, sizeof en2);
        const struct job_choice choice = { en1, en2, (uint32_t)test_random_u64(&random),
                                           (uint32_t)test_random_u64(&random),
                                           (uint32_t)test_random_u64(&random) };
        job_build_header(&prepared, &choice, fast);
        slow_header(&example, &job, shape, &choice, slow);
        assert_memory_equal(fast, slow, 80);
    }
}

static void headers_built_together_are_those_built_alone(void **state)
{
    (void)state;
    enum { SHARES = 40 };
    struct test_random random = test_random_begin("headers together");
    for (size_t i = 0; i < 600; i++) {
        struct example example;
        struct job job;
        struct job_prepared prepared;
        struct job_choice choices[SHARES];
        uint8_t en1[SHARES][8], en2[SHARES][16], together[SHARES + 1][80], alone[80];
        const size_t count = i % (SHARES + 1);
        example_init(&example, &random);
        assert_int_equal(job_from_template(&example.template, &example.params, &job), JOB_OK);
        unsigned shape = (unsigned)(i / (SHARES + 1)) % JOB_SHAPES;
        job_prepare(&job, job_coinbase_bytes(&job, shape) > 0 ? shape : JOB_SHAPE_FULL, &prepared);
        test_random_bytes(&random, en1, sizeof en1);
        test_random_bytes(&random, en2, sizeof en2);
        memset(together, 0x5a, sizeof together);
        for (size_t j = 0; j < count; j++)
            choices[j] = (struct job_choice){ en1[j], en2[j], (uint32_t)test_random_u64(&random),
                                              (uint32_t)test_random_u64(&random),
                                              (uint32_t)test_random_u64(&random) };
        job_build_headers(&prepared, choices, count, together);
        for (size_t j = 0; j < count; j++) {
            job_build_header(&prepared, &choices[j], alone);
            assert_memory_equal(together[j], alone, 80);
        }
        assert_int_equal(together[count][0], 0x5a);
    }
}

static void two_jobs_of_one_template_never_share_a_header(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("job values");
    struct example example;
    struct job a, b;
    struct job_prepared prepared_a, prepared_b;
    uint8_t en1[8] = { 0 }, en2[16] = { 0 }, header_a[80], header_b[80];
    example_init(&example, &random);
    assert_int_equal(job_from_template(&example.template, &example.params, &a), JOB_OK);
    example.params.job_value++;
    assert_int_equal(job_from_template(&example.template, &example.params, &b), JOB_OK);
    job_prepare(&a, JOB_SHAPE_FULL, &prepared_a);
    job_prepare(&b, JOB_SHAPE_FULL, &prepared_b);
    const struct job_choice choice = { en1, en2, 1, 2, 3 };
    job_build_header(&prepared_a, &choice, header_a);
    job_build_header(&prepared_b, &choice, header_b);
    assert_memory_not_equal(header_a + 36, header_b + 36, 32);
}

static void what_cannot_become_a_block_is_refused(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("refused jobs");
    struct example good, bad;
    struct job job;
    example_init(&good, &random);
    good.params.pool_tag = span_text("/adit/");
#define REFUSED(expected, change)                                                                  \
    do {                                                                                           \
        bad = good;                                                                                \
        bad.params.outputs = bad.outputs;                                                          \
        change;                                                                                    \
        assert_int_equal(job_from_template(&bad.template, &bad.params, &job), expected);           \
    } while (0)
    uint8_t long_script[1000] = { 0x6a };
    REFUSED(JOB_OK, (void)0);
    REFUSED(JOB_BAD_EXTRANONCE, bad.params.extranonce1_bytes = 0);
    REFUSED(JOB_BAD_EXTRANONCE, bad.params.extranonce1_bytes = 9);
    REFUSED(JOB_BAD_EXTRANONCE, bad.params.extranonce2_bytes = 0);
    REFUSED(JOB_BAD_EXTRANONCE, bad.params.extranonce2_bytes = 17);
    REFUSED(JOB_BAD_TAG, bad.params.pool_tag.length = 41);
    REFUSED(JOB_BAD_OUTPUTS, bad.params.outputs_count = 0);
    REFUSED(JOB_BAD_OUTPUTS, bad.params.outputs_count = 1);
    REFUSED(JOB_BAD_OUTPUTS, bad.outputs[0].value++);
    REFUSED(JOB_BAD_OUTPUTS, bad.outputs[0].value = UINT64_MAX;
            bad.outputs[1].value = bad.template.coinbase_value + 1);
    REFUSED(JOB_TOO_LONG, bad.outputs[0].script = span_of(long_script, 1000));
    REFUSED(JOB_TOO_MANY_TRANSACTIONS, bad.template.transactions_count = 65536);
    REFUSED(JOB_BAD_TARGET, bad.template.bits = 0x1d00ffff);
    REFUSED(JOB_BAD_TARGET, bad.template.bits = 0);
    REFUSED(JOB_BAD_TIMES, bad.template.cur_time = bad.template.min_time - 1);
#undef REFUSED
}

static void a_job_out_of_bounds_is_not_used(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("job verify");
    struct example example;
    struct job good, bad;
    example_init(&example, &random);
    example.params.pool_tag = span_text("/adit/");
    example.params.outputs_count = 3;
    assert_int_equal(job_from_template(&example.template, &example.params, &good), JOB_OK);
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = good;                                                                                \
        change;                                                                                    \
        assert_false(job_verify(&bad));                                                            \
    } while (0)
    assert_true(job_verify(&good));
    REFUSED(bad.coinbase1_bytes = 1025);
    REFUSED(bad.coinbase1_bytes--);
    REFUSED(bad.coinbase1_bytes = 10);
    REFUSED(bad.coinbase2_bytes = 1025);
    REFUSED(bad.coinbase2_bytes = 3);
    REFUSED(bad.shorter[0] = (struct job_shorter){ .coinbase1_bytes = 60 });
    REFUSED(bad.shorter[0].coinbase1_bytes = JOB_SHORTER_PART_BYTES_MAX + 1);
    REFUSED(bad.shorter[1].coinbase2_bytes = JOB_SHORTER_PART_BYTES_MAX + 1);
    REFUSED(bad.shorter[0].coinbase1_bytes++);
    REFUSED(bad.shorter[1] = bad.shorter[0]); /* the same coinbase under two names */
    REFUSED(bad.branches_count = 17);
    REFUSED(bad.extranonce1_bytes = 9);
    REFUSED(bad.extranonce2_bytes++);
    REFUSED(bad.algorithm = (enum pow_algorithm)3);
    REFUSED(bad.bits = 0x1d00ffff);
    REFUSED(bad.network_target.limb[0]++);
    REFUSED(bad.cur_time = bad.min_time - 1);
    REFUSED(bad.max_time = bad.cur_time - 1);
#undef REFUSED
}

/* reference vector: the coinbase, header and hash of Bitcoin's block 1. */
static void block_1_of_bitcoin_is_rebuilt_from_a_job(void **state)
{
    (void)state;
    static const char coinbase_text[] =
        "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff"
        "001d0104ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb"
        "8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000";
    static const char header_text[] =
        "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000"
        "982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299";
    uint8_t coinbase[134], expected[80], header[80];
    assert_true(hex_decode(coinbase_text, strlen(coinbase_text), coinbase, sizeof coinbase));
    assert_true(hex_decode(header_text, strlen(header_text), expected, sizeof expected));

    /* Its input script is 04 ffff001d 01 04: cut the last two bytes out as extranonces. */
    struct job job = { .height = 1,
                       .version = 1,
                       .bits = 0x1d00ffff,
                       .extranonce1_bytes = 1,
                       .extranonce2_bytes = 1,
                       .coinbase1_bytes = 47,
                       .coinbase2_bytes = 85,
                       .min_time = 0x4966bc61,
                       .cur_time = 0x4966bc61,
                       .max_time = 0x4966bc61 };
    memcpy(job.coinbase1, coinbase, 47);
    memcpy(job.coinbase2, coinbase + 49, 85);
    memcpy(job.prev_hash, expected + 4, 32);
    assert_true(difficulty_target_from_bits(job.bits, &job.network_target));
    assert_true(job_verify(&job));
    struct job_prepared prepared;
    job_prepare(&job, JOB_SHAPE_FULL, &prepared);
    const struct job_choice choice = { coinbase + 47, coinbase + 48, 0x4966bc61, 0x9962e301, 1 };
    job_build_header(&prepared, &choice, header);
    assert_memory_equal(header, expected, 80);
    uint8_t back[JOB_COINBASE_BYTES_MAX];
    assert_int_equal(
        job_coinbase_for_block(&job, JOB_SHAPE_FULL, coinbase + 47, coinbase + 48, back), 134);
    assert_memory_equal(back, coinbase, 134);
}

static void a_block_is_header_count_coinbase_transactions_and_extension(void **state)
{
    (void)state;
    struct template_transaction transactions[300];
    uint8_t header[80], body[3] = { 1, 2, 3 }, block[2000];
    memset(header, 0xaa, sizeof header);
    memset(transactions, 0, sizeof transactions);
    for (size_t i = 0; i < 300; i++)
        transactions[i].data = span_of(body, 3);
    struct span coinbase = span_text("coinbase"), none = span_of(NULL, 0);

    size_t bytes = template_block_bytes(transactions, 2, coinbase, none);
    assert_int_equal(bytes, 80 + 1 + 8 + 6);
    assert_int_equal(
        template_block_serialize(header, transactions, 2, coinbase, none, block, bytes), bytes);
    assert_memory_equal(block, header, 80);
    assert_memory_equal(block + 80,
                        "\x03"
                        "coinbase\x01\x02\x03\x01\x02\x03",
                        15);

    bytes = template_block_bytes(transactions, 300, coinbase, span_text("mw"));
    assert_int_equal(bytes, 80 + 3 + 8 + 900 + 1 + 2);
    assert_int_equal(template_block_serialize(header, transactions, 300, coinbase, span_text("mw"),
                                              block, sizeof block),
                     bytes);
    assert_memory_equal(block + 80, "\xfd\x2d\x01", 3);
    assert_memory_equal(block + bytes - 3, "\x01mw", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_branch_leads_to_the_root_of_the_whole_tree),
        cmocka_unit_test(leaves_added_together_make_the_branch_of_those_added_alone),
        cmocka_unit_test(a_branch_of_the_largest_template_has_sixteen_levels),
        cmocka_unit_test(heights_are_pushed_as_consensus_demands),
        cmocka_unit_test(a_job_s_coinbase_reads_back_as_consensus_wants_it),
        cmocka_unit_test(a_client_gets_the_fullest_coinbase_it_can_take),
        cmocka_unit_test(the_pool_s_longest_coinbase_is_below_the_smallest_limit_known),
        cmocka_unit_test(a_header_is_the_same_when_built_slowly),
        cmocka_unit_test(headers_built_together_are_those_built_alone),
        cmocka_unit_test(two_jobs_of_one_template_never_share_a_header),
        cmocka_unit_test(what_cannot_become_a_block_is_refused),
        cmocka_unit_test(a_job_out_of_bounds_is_not_used),
        cmocka_unit_test(block_1_of_bitcoin_is_rebuilt_from_a_job),
        cmocka_unit_test(a_block_is_header_count_coinbase_transactions_and_extension),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
