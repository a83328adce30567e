/* What the pool builds, devnode's independent rules accept: random templates become jobs and blocks
 * by common/core, and are judged by devnode's decoder and checks. Run again from ADIT_SEED. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/difficulty/difficulty.h"
#include "core/job/job.h"
#include "core/pow/pow.h"
#include "tools/devnode/consensus/block.h"
#include "tools/devnode/consensus/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TXS_MAX 12
#define ROUNDS 200

static uint64_t seed;

/* xorshift64*: enough for choosing test cases. */
static uint64_t draw(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(0x2545f4914f6cdd1d) % below;
}

static void draw_bytes(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)draw(256);
}

static struct tx *draw_tx(void)
{
    struct outpoint previous = { .index = (uint32_t)draw(4) };
    uint8_t bytes[33];
    draw_bytes(previous.txid, 32);
    draw_bytes(bytes, sizeof bytes);
    struct tx *tx = tx_create(2, 0);
    struct tx_input *input = tx_add_input(tx, &previous, UINT32_MAX);
    if (draw(3) > 0) {
        tx_add_witness(input, span_of(bytes, sizeof bytes));
        tx_add_witness(input, span_of(bytes, draw(33)));
    }
    for (uint64_t outputs = 1 + draw(3); outputs > 0; outputs--)
        tx_add_output(tx, (int64_t)draw(1000000), span_of(bytes, 22));
    tx_finish(tx);
    return tx;
}

struct drawn {
    struct tx *txs[TXS_MAX + 1]; /* [0] is the coinbase's place */
    struct buffer raw[TXS_MAX];
    struct template_transaction listed[TXS_MAX];
    size_t count;
    uint8_t commitment[38];
    struct block_template template;
};

static void draw_template(struct drawn *drawn)
{
    static const uint8_t reserved[32];
    static const uint32_t heights[] = { 1, 16, 17, 127, 128, 32767, 32768, 840000, 8388608 };
    memset(drawn, 0, sizeof *drawn);
    drawn->count = draw(TXS_MAX + 1);
    bool witness = draw(4) > 0;
    for (size_t i = 0; i < drawn->count; i++) {
        struct tx *tx = draw_tx();
        drawn->txs[i + 1] = tx;
        witness = witness || tx_has_witness(tx);
        tx_encode(tx, true, &drawn->raw[i]);
        drawn->listed[i].data = buffer_span(&drawn->raw[i]);
        drawn->listed[i].weight = (uint32_t)tx_weight(tx);
        memcpy(drawn->listed[i].txid, tx->txid, 32);
    }
    struct block_template *t = &drawn->template;
    t->height = heights[draw(sizeof heights / sizeof *heights)];
    draw_bytes(t->prev_hash, 32);
    t->version = 0x20000000;
    t->bits = TARGET_BITS_EASIEST;
    t->min_time = 1700000000;
    t->cur_time = t->min_time + (uint32_t)draw(1000);
    t->coinbase_value = 5000000000 + draw(100000);
    t->transactions = drawn->listed;
    t->transactions_count = drawn->count;
    bool good = difficulty_target_from_bits(t->bits, &t->network_target);
    assert_true(good);
    if (witness) {
        memcpy(drawn->commitment, "\x6a\x24\xaa\x21\xa9\xed", 6);
        block_witness_commitment(drawn->txs, drawn->count + 1, reserved, drawn->commitment + 6);
        t->witness_commitment = span_of(drawn->commitment, sizeof drawn->commitment);
    }
}

static void free_template(struct drawn *drawn)
{
    for (size_t i = 0; i < drawn->count; i++) {
        tx_destroy(drawn->txs[i + 1]);
        buffer_deinit(&drawn->raw[i]);
    }
}

/* Builds the job's block with a nonce that meets the target; caller frees. */
static uint8_t *build(const struct drawn *drawn, const struct job *job, size_t *length_r)
{
    static uint8_t scratch[POW_SCRATCH_BYTES];
    uint8_t extranonce1[JOB_EXTRANONCE1_BYTES_MAX];
    uint8_t extranonce2[JOB_EXTRANONCE2_BYTES_MAX];
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    uint8_t header[POW_HEADER_BYTES];
    uint8_t hash[POW_HASH_BYTES];
    struct job_prepared prepared;
    draw_bytes(extranonce1, sizeof extranonce1);
    draw_bytes(extranonce2, sizeof extranonce2);
    job_prepare(job, JOB_SHAPE_FULL, &prepared);
    struct job_choice choice = {
        .extranonce1 = extranonce1,
        .extranonce2 = extranonce2,
        .ntime = job->min_time + (uint32_t)draw(job->max_time - job->min_time + 1),
        .version = job_final_version(job->version, job->version_mask, (uint32_t)draw(1U << 31)),
    };
    do {
        choice.nonce++;
        job_build_header(&prepared, &choice, header);
        pow_hash(job->algorithm, header, scratch, hash);
    } while (!target_met(hash, job->bits));
    size_t coinbase_bytes =
        job_coinbase_for_block(job, JOB_SHAPE_FULL, extranonce1, extranonce2, coinbase);
    struct span whole = span_of(coinbase, coinbase_bytes);
    struct span none = { 0 };
    size_t capacity = template_block_bytes(drawn->listed, drawn->count, whole, none);
    uint8_t *block = malloc(capacity);
    assert_non_null(block);
    *length_r =
        template_block_serialize(header, drawn->listed, drawn->count, whole, none, block, capacity);
    assert_int_equal(*length_r, capacity);
    return block;
}

static void judge(const struct drawn *drawn, const struct job *job, enum hash_algorithm algorithm)
{
    size_t length;
    uint8_t *bytes = build(drawn, job, &length);
    struct block *block = block_decode(span_of(bytes, length));
    struct block_place place = { .algorithm = algorithm,
                                 .height = drawn->template.height,
                                 .bits = drawn->template.bits,
                                 .median_time_past = drawn->template.min_time - 1,
                                 .now_s = drawn->template.cur_time };
    assert_non_null(block);
    const char *bad = block_check(block, algorithm, true);
    if (bad == NULL)
        bad = block_check_header_place(block, &place);
    if (bad == NULL)
        bad = block_check_place(block, &place);
    if (bad != NULL)
        print_message("refused: %s\n", bad);
    assert_null(bad);
    assert_memory_equal(block->header.previous, drawn->template.prev_hash, 32);
    int64_t paid = 0;
    for (size_t i = 0; i < block->txs[0]->output_count; i++)
        paid += block->txs[0]->outputs[i].value;
    assert_int_equal(paid, drawn->template.coinbase_value);
    block_destroy(block);
    free(bytes);
}

static void every_block_the_core_builds_is_accepted(void **state)
{
    static struct drawn drawn;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        static const enum pow_algorithm core[] = { POW_BLAKE2S, POW_SHA256D, POW_SCRYPT };
        uint8_t script[22] = { 0, 20 };
        struct job job;
        draw_template(&drawn);
        draw_bytes(script + 2, 20);
        uint64_t first = draw(drawn.template.coinbase_value);
        struct job_output outputs[2] = {
            { span_of(script, sizeof script), first },
            { span_of(script, sizeof script), drawn.template.coinbase_value - first },
        };
        enum hash_algorithm algorithm = (enum hash_algorithm)draw(3);
        struct job_params params = { .id = (uint64_t)round + 1,
                                     .epoch = 1,
                                     .template_id = 1,
                                     .job_value = draw(UINT64_MAX),
                                     .algorithm = core[algorithm],
                                     .version_mask = JOB_VERSION_MASK_BIP320,
                                     .extranonce1_bytes = (uint8_t)(1 + draw(8)),
                                     .extranonce2_bytes = (uint8_t)(1 + draw(8)),
                                     .clean = true,
                                     .pool_tag = span_text("/adit/"),
                                     .outputs = outputs,
                                     .outputs_count = 2 };
        assert_int_equal(job_from_template(&drawn.template, &params, &job), JOB_OK);
        judge(&drawn, &job, algorithm);
        free_template(&drawn);
    }
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    seed = given == NULL ? (uint64_t)time(NULL) * 2654435761 + 1 : strtoull(given, NULL, 10);
    printf("ADIT_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_block_the_core_builds_is_accepted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
