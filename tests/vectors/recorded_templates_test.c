/* Templates as nodes of several coins gave them: each is read, becomes a job, and the job's block
 * is held against the template by devnode's independent rules: its merkle root, its height, its
 * commitment to the witnesses, its value. A template that loses any one field, or has it of any
 * other kind, makes no job or the same one, and never a crash.
 *
 * common/adapter/node_rpc/testing/recorded/: Bitcoin Knots 29 (main, testnet, testnet4, signet as
 * it is and with a challenge that anybody meets, regtest), Litecoin Core 0.21.4 (main, testnet, and
 * regtest with an extension block), devnode with each of its algorithms. Bitcoin Cash's is made by
 * hand, around block 170's payment. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_rpc/template.h"
#include "core/job/job.h"
#include "core/pow/sha256.h"
#include "tools/devnode/consensus/block.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 1 << 16, ARENA_BYTES = 1 << 20, TXS_MAX = 8 };

static const struct recorded {
    const char *file, *coin;
    size_t transactions;
    bool mweb;
    const char *refusal; /* NULL: it makes a job */
} recorded[] = {
    { "bitcoin", "bitcoin", 0, false, NULL },
    { "bitcoin-testnet", "bitcoin-testnet", 0, false, NULL },
    { "bitcoin-testnet4", "bitcoin-testnet4", 0, false, NULL },
    { "bitcoin-signet", "bitcoin-signet", 0, false, "need its issuer's signature" },
    { "bitcoin-signet-open", "bitcoin-signet", 0, false, NULL },
    { "bitcoin-regtest", "bitcoin-regtest", 3, false, NULL },
    { "litecoin", "litecoin", 0, false, NULL },
    { "litecoin-testnet", "litecoin-testnet", 0, false, NULL },
    { "litecoin-regtest", "litecoin-regtest", 2, true, NULL },
    { "bitcoin-cash-regtest", "bitcoin-cash-regtest", 1, false, NULL },
    { "devnet-sha256d", "devnet-sha256d", 3, false, NULL },
    { "devnet-scrypt", "devnet-scrypt", 3, false, NULL },
    { "devnet-blake2s", "devnet-blake2s", 3, false, NULL },
};
enum { RECORDED = sizeof recorded / sizeof *recorded };

static const uint8_t script[22] = { 0, 20, 7, 7, 7 };
static uint8_t memory[ARENA_BYTES];
static struct template_space *space;

static char *text_of(const char *file)
{
    char path[4096];
    const char *source = getenv("ADIT_SOURCE");
    snprintf(path, sizeof path, "%s/common/adapter/node_rpc/testing/recorded/%s.json",
             source != NULL ? source : ".", file);
    FILE *opened = fopen(path, "r");
    char *text = calloc(1, TEXT_BYTES);
    if (opened == NULL || text == NULL)
        fail_msg("%s cannot be read", path);
    size_t length = fread(text, 1, TEXT_BYTES - 1, opened);
    fclose(opened);
    assert_true(length > 500 && length < TEXT_BYTES - 1);
    return text;
}

/* NULL where it is read; else the sentence, borrowed until the next call. */
static const char *read_template(const char *text, size_t length, const char *coin,
                                 struct block_template *template_r)
{
    static struct template_reader reader;
    struct arena arena = arena_over(memory, sizeof memory);
    template_reader_begin(&reader, coin_profile_find(span_text(coin)), &arena, space);
    if (template_reader_feed(&reader, text, length, true) != TEMPLATE_WHOLE)
        return reader.error.text;
    *template_r = reader.template;
    return NULL;
}

static struct job make_job(const struct block_template *template, const char *coin)
{
    struct job job;
    const struct job_output output = { span_of(script, sizeof script), template->coinbase_value };
    const struct job_params params = {
        .id = 0x100000001,
        .epoch = 1,
        .template_id = 1,
        .job_value = 0x100000001,
        .algorithm = coin_profile_find(span_text(coin))->algorithm,
        .version_mask = JOB_VERSION_MASK_BIP320,
        .extranonce1_bytes = 4,
        .extranonce2_bytes = 8,
        .clean = true,
        .pool_tag = span_text("/adit/"),
        .outputs = &output,
        .outputs_count = 1,
    };
    assert_int_equal(job_from_template(template, &params, &job), JOB_OK);
    assert_true(job_verify(&job));
    return job;
}

/* The job's coinbase and header with some choice of a miner's. */
struct built {
    uint8_t coinbase[JOB_COINBASE_BYTES_MAX];
    size_t coinbase_bytes;
    uint8_t header[POW_HEADER_BYTES];
};

static void build(const struct job *job, struct built *built_r)
{
    static const uint8_t extranonce1[8] = { 1, 2, 3, 4 }, extranonce2[16] = { 9, 8, 7 };
    struct job_prepared prepared;
    job_prepare(job, JOB_SHAPE_FULL, &prepared);
    const struct job_choice choice = { .extranonce1 = extranonce1,
                                       .extranonce2 = extranonce2,
                                       .ntime = job->cur_time,
                                       .version = job->version };
    job_build_header(&prepared, &choice, built_r->header);
    built_r->coinbase_bytes =
        job_coinbase_for_block(job, JOB_SHAPE_FULL, extranonce1, extranonce2, built_r->coinbase);
}

/* The root over the coinbase's id and the template's, by devnode's tree; a coinbase's id is the
 * hash of its bytes without the witness. */
static void expect_root(const struct block_template *template, const struct job *job,
                        const struct built *built)
{
    uint8_t leaves[TXS_MAX][32], root[32];
    bool mutated;
    struct span whole = span_of(built->coinbase, built->coinbase_bytes);
    if (job->witness) { /* marker and flag behind the version, one item of 32 before the lock time
                         */
        uint8_t bare[JOB_COINBASE_BYTES_MAX];
        const size_t body = whole.length - 4 - 2 - 34 - 4;
        memcpy(bare, whole.data, 4);
        memcpy(bare + 4, whole.data + 6, body);
        memcpy(bare + 4 + body, whole.data + whole.length - 4, 4);
        sha256d(span_of(bare, body + 8), leaves[0]);
    } else {
        sha256d(whole, leaves[0]);
    }
    for (size_t i = 0; i < template->transactions_count; i++)
        memcpy(leaves[i + 1], template->transactions[i].txid, 32);
    hash_merkle_root(&leaves[0][0], template->transactions_count + 1, root, &mutated);
    assert_false(mutated);
    assert_memory_equal(built->header + 36, root, 32);
}

static bool holds(struct span bytes, struct span part)
{
    if (part.length == 0)
        return true;
    for (size_t i = 0; i + part.length <= bytes.length; i++)
        if (memcmp(bytes.data + i, part.data, part.length) == 0)
            return true;
    return false;
}

/* The whole block by the rules; devnode knows no extension blocks. */
static void judge_block(const struct block_template *template, const struct built *built)
{
    struct span coinbase = span_of(built->coinbase, built->coinbase_bytes), none = { 0 };
    size_t capacity =
        template_block_bytes(template->transactions, template->transactions_count, coinbase, none);
    uint8_t *bytes = malloc(capacity);
    assert_non_null(bytes);
    size_t length =
        template_block_serialize(built->header, template->transactions,
                                 template->transactions_count, coinbase, none, bytes, capacity);
    assert_int_equal(length, capacity);
    struct block *block = block_decode(span_of(bytes, length));
    assert_non_null(block);
    const struct block_place place = { .height = template->height,
                                       .bits = template->bits,
                                       .median_time_past = template->min_time - 1,
                                       .now_s = template->cur_time };
    const char *bad = block_check(block, HASH_SHA256D, false);
    if (bad == NULL)
        bad = block_check_header_place(block, &place);
    if (bad == NULL)
        bad = block_check_place(block, &place);
    if (bad != NULL)
        fail_msg("refused: %s", bad);
    int64_t paid = 0;
    for (size_t i = 0; i < block->txs[0]->output_count; i++)
        paid += block->txs[0]->outputs[i].value;
    assert_int_equal(paid, template->coinbase_value);
    assert_memory_equal(block->header.previous, template->prev_hash, 32);
    assert_int_equal(block->tx_count, template->transactions_count + 1);
    block_destroy(block);
    free(bytes);
}

static void each_becomes_a_job_whose_block_the_rules_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDED; i++) {
        const struct recorded *one = &recorded[i];
        struct block_template template;
        struct built built;
        char *text = text_of(one->file);
        const char *why = read_template(text, strlen(text), one->coin, &template);
        print_message("%s: %s\n", one->file, why != NULL ? why : "a job");
        assert_true((why == NULL) == (one->refusal == NULL));
        free(text);
        if (why != NULL) {
            assert_non_null(strstr(why, one->refusal));
            continue;
        }
        assert_int_equal(template.transactions_count, one->transactions);
        assert_int_equal(template.mweb.length > 0, one->mweb);
        struct job job = make_job(&template, one->coin);
        build(&job, &built);
        expect_root(&template, &job, &built);
        assert_true(
            holds(span_of(built.coinbase, built.coinbase_bytes), template.witness_commitment));
        assert_int_equal(template.witness_commitment.length > 0,
                         coin_profile_find(span_text(one->coin))->segwit ? 1 : 0);
        if (!one->mweb)
            judge_block(&template, &built);
    }
}

/* Seen where every witness id can be made again, which that of a transaction with an extension's
 * flag cannot. */
static void a_wrong_witness_commitment_is_refused(void **state)
{
    unsigned refused = 0;
    (void)state;
    for (size_t i = 0; i < RECORDED; i++) {
        struct block_template template;
        char *text = text_of(recorded[i].file);
        char *at = strstr(text, "6a24aa21a9ed");
        if (at != NULL && !recorded[i].mweb && recorded[i].refusal == NULL) {
            at[40] = at[40] == '0' ? '1' : '0';
            const char *why = read_template(text, strlen(text), recorded[i].coin, &template);
            if (why == NULL || strstr(why, "default_witness_commitment") == NULL)
                fail_msg("%s: %s", recorded[i].file, why != NULL ? why : "taken");
            refused++;
        }
        free(text);
    }
    assert_true(refused >= 9);
}

static void a_coin_makes_no_job_of_anothers_rules(void **state)
{
    static const struct {
        const char *file, *coin;
    } pairs[] = {
        { "litecoin-regtest", "bitcoin-regtest" }, /* an extension block */
        { "bitcoin-cash-regtest", "litecoin-regtest" },
        { "bitcoin-regtest", "bitcoin-cash-regtest" },
        { "bitcoin-signet", "bitcoin" },
        { "devnet-blake2s", "bitcoin-cash" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct block_template template;
        char *text = text_of(pairs[i].file);
        const char *why = read_template(text, strlen(text), pairs[i].coin, &template);
        /* A template without witnesses is one of any coin's. */
        if (why == NULL && strcmp(pairs[i].file, "bitcoin-cash-regtest") != 0)
            fail_msg("%s is taken for %s", pairs[i].file, pairs[i].coin);
        free(text);
    }
}

/* What can stand in a field's place. */
static const char *const values[] = {
    "null",
    "true",
    "-1",
    "0",
    "1.5",
    "1e400",
    "4294967296",
    "9223372036854775807",
    "\"\"",
    "\"00\"",
    "\"zz\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[[[[[[[[[[[[]]]]]]]]]]]]",
    "[null]",
};

/* The job of a spoilt template is the whole one's, or there is none. What its block is worth, and
 * when, is the node's word alone. */
static void expect_none_or_the_same(const struct recorded *one, const json_t *document,
                                    const struct job *whole, const char *what)
{
    struct block_template template;
    char *text = json_dumps(document, JSON_COMPACT);
    assert_non_null(text);
    const char *why = read_template(text, strlen(text), one->coin, &template);
    free(text);
    if (why != NULL) {
        assert_true(strlen(why) > 25 && strlen(why) < 250);
        return;
    }
    struct job job = make_job(&template, one->coin);
    if (job.height != whole->height || job.bits != whole->bits ||
        job.branches_count != whole->branches_count ||
        memcmp(job.prev_hash, whole->prev_hash, 32) != 0 ||
        memcmp(job.branches, whole->branches, 32u * job.branches_count) != 0)
        fail_msg("%s: %s makes another job", one->file, what);
}

static void spoil(const struct recorded *one, json_t *document, json_t *object, const char *prefix,
                  const struct job *whole)
{
    json_t *keys = json_array();
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) json_array_append_new(keys, json_string(key));
    for (size_t i = 0; i < json_array_size(keys); i++) {
        char what[160];
        key = json_string_value(json_array_get(keys, i));
        json_t *kept = json_incref(json_object_get(object, key));
        snprintf(what, sizeof what, "%s%s missing", prefix, key);
        json_object_del(object, key);
        expect_none_or_the_same(one, document, whole, what);
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            json_t *other = json_loads(values[j], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
            if (other == NULL)
                continue; /* jansson has no such number; text_that_is_no_strict_json has */
            snprintf(what, sizeof what, "%s%s = %s", prefix, key, values[j]);
            json_object_set_new(object, key, other);
            /* Fewer transactions are another job, as good: nothing says that there were more. */
            bool fewer = strcmp(key, "transactions") == 0 && json_is_array(other);
            if (!fewer)
                expect_none_or_the_same(one, document, whole, what);
        }
        json_object_set_new(object, key, kept);
    }
    json_decref(keys);
}

static void no_field_missing_or_absurd_makes_another_job(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDED; i++) {
        if (recorded[i].refusal != NULL)
            continue;
        struct block_template template;
        char *text = text_of(recorded[i].file);
        assert_null(read_template(text, strlen(text), recorded[i].coin, &template));
        struct job whole = make_job(&template, recorded[i].coin);
        json_t *document = json_loads(text, 0, NULL);
        json_t *result = json_object_get(document, "result");
        json_t *transactions = json_object_get(result, "transactions");
        spoil(&recorded[i], document, result, "", &whole);
        for (size_t k = 0; k < json_array_size(transactions); k++)
            spoil(&recorded[i], document, json_array_get(transactions, k), "transactions.", &whole);
        json_decref(document);
        free(text);
    }
}

static void a_template_cut_anywhere_makes_no_job(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDED; i++) {
        char *text = text_of(recorded[i].file);
        const size_t length = (size_t)(strrchr(text, '}') - text);
        for (size_t cut = 0; cut <= length; cut += 1 + length / 500) {
            struct block_template template;
            assert_non_null(read_template(text, cut, recorded[i].coin, &template));
        }
        free(text);
    }
}

int main(void)
{
    space = malloc(sizeof *space);
    if (space == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_becomes_a_job_whose_block_the_rules_accept),
        cmocka_unit_test(a_wrong_witness_commitment_is_refused),
        cmocka_unit_test(a_coin_makes_no_job_of_anothers_rules),
        cmocka_unit_test(no_field_missing_or_absurd_makes_another_job),
        cmocka_unit_test(a_template_cut_anywhere_makes_no_job),
    };
    int failed = cmocka_run_group_tests_name("recorded templates", tests, NULL, NULL);
    free(space);
    return failed;
}
