#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_rpc/amount.h"
#include "adapter/node_rpc/testing/template_jansson.h"
#include "core/transaction/transaction.h"
#include "core/pow/sha256.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_BYTES = 24 << 20 };

static void set_hash(json_t *object, const char *key, const uint8_t hash[32])
{
    uint8_t shown[32];
    char text[65];
    bytes_reverse(hash, 32, shown);
    hex_encode(span_of(shown, 32), text);
    json_object_set_new(object, key, json_string(text));
}

/* A transaction of one input and one output, with a witness or not, told apart by `number`. */
static json_t *make_transaction(unsigned number, bool witness, size_t script_bytes,
                                uint8_t wtxid_r[32])
{
    size_t capacity = script_bytes + 200;
    uint8_t *raw = calloc(1, capacity);
    char *hex = malloc(2 * capacity + 1);
    size_t used = 0;
    assert_true(raw != NULL && hex != NULL);
    raw[0] = 2;
    used = 4;
    if (witness) {
        raw[used + 1] = 1;
        used += 2;
    }
    raw[used++] = 1;
    store_le32(raw + used, number);
    used += 36;
    raw[used++] = 0;
    memset(raw + used, 0xff, 4);
    used += 4;
    raw[used++] = 1;
    store_le64(raw + used, 1000 + number);
    used += 8;
    if (script_bytes < 0xfd) {
        raw[used++] = (uint8_t)script_bytes;
    } else {
        raw[used++] = 0xfe;
        store_le32(raw + used, (uint32_t)script_bytes);
        used += 4;
    }
    used += script_bytes;
    if (witness) {
        static const uint8_t stack[4] = { 2, 1, 0xaa, 0 };
        memcpy(raw + used, stack, 4);
        used += 4;
    }
    used += 4;
    struct raw_transaction parsed;
    uint8_t txid[32];
    assert_true(raw_transaction_read(span_of(raw, used), &parsed));
    assert_int_equal(parsed.bytes.length, used);
    raw_transaction_txid(&parsed, txid);
    sha256d(span_of(raw, used), wtxid_r);
    if (!witness)
        assert_memory_equal(txid, wtxid_r, 32);
    hex_encode(span_of(raw, used), hex);
    json_t *entry =
        json_pack("{s:s, s:i, s:i, s:[]}", "data", hex, "fee", 250, "weight", 400, "depends");
    set_hash(entry, "txid", txid);
    set_hash(entry, "hash", wtxid_r);
    free(raw);
    free(hex);
    return entry;
}

/* A good template: as Bitcoin Core answers in regtest. */
static json_t *make_template(size_t count, size_t script_bytes)
{
    struct template_transaction *wtxids = calloc(count + 1, sizeof *wtxids);
    json_t *list = json_array();
    assert_non_null(wtxids);
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, make_transaction(i, i % 2 == 1, script_bytes, wtxids[i].txid));
    uint8_t branches[TEMPLATE_BRANCHES_MAX][32];
    uint8_t pair[64] = { 0 };
    uint8_t zero[32] = { 0 };
    char commitment[80] = "6a24aa21a9ed";
    size_t depth = template_merkle_branches(wtxids, count, branches);
    template_merkle_root(zero, (const uint8_t(*)[32])branches, depth, pair);
    sha256d_pair(pair, pair);
    hex_encode(span_of(pair, 32), commitment + 12);
    free(wtxids);
    return json_pack(
        "{s:[s], s:i, s:[s,s], s:i, s:s, s:o, s:{}, s:I, s:s, s:s, s:i, s:i, s:s, s:i, s:s}",
        "capabilities", "proposal", "version", 0x20000000, "rules", "csv", "!segwit", "vbrequired",
        0, "previousblockhash", "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        "transactions", list, "coinbaseaux", "coinbasevalue",
        (json_int_t)5000000000 + 250 * (json_int_t)count, "longpollid",
        "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e22061", "target",
        "7fffff0000000000000000000000000000000000000000000000000000000000", "mintime", 1296688603,
        "curtime", 1700000000, "bits", "207fffff", "height", 1, "default_witness_commitment",
        commitment);
}

static const struct coin_profile *coin(const char *name)
{
    return coin_profile_find(span_text(name));
}

static uint64_t seed = 7;

static uint64_t next_seed(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 20;
}

/* A node's answer with this result, in one of the two orders that nodes use. */
static char *answer_of(const json_t *document)
{
    char *result = json_dumps(document, JSON_COMPACT);
    assert_non_null(result);
    size_t bytes = strlen(result) + 64;
    char *text = malloc(bytes);
    assert_non_null(text);
    if (next_seed() % 2 == 0)
        snprintf(text, bytes, "{\"result\":%s,\"error\":null,\"id\":7}\n", result);
    else
        snprintf(text, bytes, "{\"jsonrpc\": \"2.0\", \"id\": 7, \"result\": %s}", result);
    free(result);
    return text;
}

/* By our reader, held against jansson's. */
static bool read(const json_t *document, const char *profile, struct block_template *template_r,
                 struct error *error)
{
    char *text = answer_of(document);
    bool taken =
        template_read_both(text, strlen(text), coin(profile), next_seed(), template_r, error);
    free(text);
    return taken;
}

static void a_good_template_is_read_whole(void **state)
{
    (void)state;
    json_t *document = make_template(7, 30);
    struct block_template template;
    struct error error;
    if (!read(document, "bitcoin-regtest", &template, &error))
        fail_msg("%s", error.text);
    assert_int_equal(template.height, 1);
    assert_int_equal(template.version, 0x20000000);
    assert_int_equal(template.bits, 0x207fffff);
    assert_int_equal(template.coinbase_value, 5000000000 + 7 * 250);
    assert_true(template.fees_known);
    assert_int_equal(template.fees, 7 * 250);
    assert_int_equal(template.transactions_count, 7);
    assert_int_equal(template.witness_commitment.length, 38);
    assert_int_equal(template.prev_hash[0], 0x06);
    assert_int_equal(template.prev_hash[31], 0x0f);
    assert_int_equal(template.min_time, 1296688603);
    json_decref(document);
}

/* A node's own answer, as it was; caller owns. */
static char *recorded(const char *name)
{
    char path[4096];
    const char *source = getenv("ADIT_SOURCE");
    snprintf(path, sizeof path, "%s/common/adapter/node_rpc/testing/recorded/%s.json",
             source != NULL ? source : ".", name);
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 16);
    if (file == NULL || text == NULL)
        fail_msg("%s cannot be read", path);
    size_t length = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    assert_true(length > 1000);
    return text;
}

/* Bitcoin Knots 29 and Litecoin Core 0.21.4 in regtest, each with payments in its memory pool,
 * Litecoin's with one into the extension block; and what only a liar would make of them. */
static void templates_that_nodes_gave_are_read_and_spoilt_ones_refused(void **state)
{
    static const struct {
        const char *name, *other;
        size_t transactions;
        bool mweb;
    } nodes[] = {
        { "bitcoin-regtest", "bitcoin-cash-regtest", 3, false },
        { "litecoin-regtest", "bitcoin-regtest", 2, true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        char *text = recorded(nodes[i].name);
        struct block_template template;
        struct error error;
        if (!template_read_both(text, strlen(text), coin(nodes[i].name), next_seed(), &template,
                                &error))
            fail_msg("%s: %s", nodes[i].name, error.text);
        assert_int_equal(template.transactions_count, nodes[i].transactions);
        assert_int_equal(template.mweb.length > 0, nodes[i].mweb);
        assert_int_equal(template.witness_commitment.length, 38);
        assert_true(template.fees_known && template.fees > 0);
        assert_true(template.coinbase_value - template.fees ==
                    coin_subsidy(coin(nodes[i].name), template.height));
        /* Of another coin it makes none: its rules, commitment or extension are unknown there. */
        assert_false(template_read_both(text, strlen(text), coin(nodes[i].other), next_seed(),
                                        &template, &error));
        /* A digit of its commitment is another: seen where every witness id can be made again,
         * which those of transactions with an extension's flag cannot. */
        char *at = strstr(text, "6a24aa21a9ed");
        assert_non_null(at);
        at[20] = at[20] == '0' ? '1' : '0';
        bool taken = template_read_both(text, strlen(text), coin(nodes[i].name), next_seed(),
                                        &template, &error);
        assert_true(taken == nodes[i].mweb);
        if (!taken)
            assert_non_null(strstr(error.text, "default_witness_commitment"));
        free(text);
    }
}

static void four_megabytes_of_transactions_are_read_and_more_are_refused(void **state)
{
    (void)state;
    struct block_template template;
    struct error error;
    json_t *document = make_template(40, 100000);
    assert_true(read(document, "bitcoin-regtest", &template, &error));
    json_decref(document);
    document = make_template(43, 100000);
    assert_false(read(document, "bitcoin-regtest", &template, &error));
    assert_non_null(strstr(error.text, "larger than any block"));
    json_decref(document);
}

static void a_template_without_any_one_needed_field_is_refused_by_name(void **state)
{
    static const char *const needed[] = { "version",
                                          "previousblockhash",
                                          "transactions",
                                          "coinbasevalue",
                                          "mintime",
                                          "curtime",
                                          "bits",
                                          "height",
                                          "default_witness_commitment" };
    (void)state;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        json_t *document = make_template(3, 30);
        struct block_template template;
        struct error error;
        json_object_del(document, needed[i]);
        assert_false(read(document, "bitcoin-regtest", &template, &error));
        assert_non_null(strstr(error.text, needed[i]));
        json_decref(document);
    }
}

static void absurd_values_are_refused(void **state)
{
    static const struct {
        const char *key;
        const char *json;
    } absurd[] = {
        { "height", "-1" },
        { "height", "0" },
        { "height", "4294967296" },
        { "height", "\"1\"" },
        { "height", "1.5" },
        { "version", "99999999999" },
        { "coinbasevalue", "-1" },
        { "coinbasevalue", "9007199254740993" },
        { "coinbasevalue", "100" },
        { "curtime", "0" },
        { "curtime", "1" },
        { "curtime", "99999999999" },
        { "mintime", "1700000001" },
        { "mintime", "null" },
        { "bits", "\"207fffff00\"" },
        { "bits", "\"00000000\"" },
        { "bits", "\"ff7fffff\"" },
        { "bits", "\"20ffffff\"" },
        { "bits", "\"zzzzzzzz\"" },
        { "bits", "545259519" },
        { "bits", "\"1d00ffff\"" },
        { "target", "\"00\"" },
        { "target", "7" },
        { "target", "\"7fffff0000000000000000000000000000000000000000000000000000000001\"" },
        { "previousblockhash", "\"00\"" },
        { "previousblockhash", "[]" },
        { "transactions", "{}" },
        { "transactions", "[1]" },
        { "transactions", "[[]]" },
        { "transactions", "[{\"data\":\"\"}]" },
        { "transactions", "[{\"data\":\"zz\"}]" },
        { "transactions", "[{\"data\":\"0102\"}]" },
        { "rules", "[\"!unheard\"]" },
        { "rules", "[7]" },
        { "rules", "\"segwit\"" },
        { "default_witness_commitment", "\"6a24\"" },
        { "default_witness_commitment", "\"xyz\"" },
        { "default_witness_commitment",
          "\"6a24aa21a9ed0000000000000000000000000000000000000000000000000000000000000000\"" },
        { "longpollid", "7" },
        { "mweb", "\"00\"" },
        { "signet_challenge", "\"5121\"" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        json_t *document = make_template(3, 30);
        struct block_template template;
        struct error error;
        json_error_t trouble;
        json_object_set_new(document, absurd[i].key,
                            json_loads(absurd[i].json, JSON_DECODE_ANY, &trouble));
        if (read(document, "bitcoin-regtest", &template, &error))
            fail_msg("%s = %s was taken", absurd[i].key, absurd[i].json);
        assert_true(strlen(error.text) > 20);
        json_decref(document);
    }
}

static void transactions_that_are_not_what_their_ids_say_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        json_t *document = make_template(4, 30);
        json_t *list = json_object_get(document, "transactions");
        json_t *entry = json_array_get(list, 1);
        struct block_template template;
        struct error error;
        char hex[400];
        snprintf(hex, sizeof hex, "%s", json_string_value(json_object_get(entry, "data")));
        if (i == 0) /* an output's amount */
            hex[2 * 54] = hex[2 * 54] == '0' ? '1' : '0';
        else if (i == 1) /* a byte behind it */
            strcat(hex, "00");
        else if (i == 2) /* its end missing */
            hex[strlen(hex) - 2] = '\0';
        json_object_set_new(entry, "data", json_string(hex));
        if (i == 3) /* the witness id in the place of the id */
            json_object_set(entry, "txid", json_object_get(entry, "hash"));
        if (i == 4) /* the witness alone, which only the commitment covers */
            hex[strlen(hex) - 12] = hex[strlen(hex) - 12] == 'b' ? 'a' : 'b';
        if (i == 4)
            json_object_set_new(entry, "data", json_string(hex));
        if (i == 5) /* another order: the commitment does not fit */
            json_array_append_new(list, json_incref(json_array_get(list, 0)));
        if (i == 5)
            json_array_remove(list, 0);
        if (read(document, "bitcoin-regtest", &template, &error))
            fail_msg("case %u was taken", i);
        json_decref(document);
    }
}

/* Some are hashed together, as many as there is room for, and the largest alone. */
static void a_wrong_id_is_seen_wherever_it_stands(void **state)
{
    static const struct {
        size_t count, script_bytes;
    } shapes[] = { { 1, 30 }, { 33, 30 }, { 70, 1100 }, { 66, 200 }, { 5, 40000 } };
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        json_t *document = make_template(shapes[s].count, shapes[s].script_bytes);
        json_t *list = json_object_get(document, "transactions");
        struct block_template template;
        struct error error;
        if (!read(document, "bitcoin-regtest", &template, &error))
            fail_msg("%s", error.text);
        assert_int_equal(template.transactions_count, shapes[s].count);
        for (size_t i = 0; i < shapes[s].count; i += 1 + shapes[s].count / 12) {
            json_t *id = json_object_get(json_array_get(list, i), "txid");
            char *kept = strdup(json_string_value(id)), other[65];
            assert_non_null(kept);
            snprintf(other, sizeof other, "%s", kept);
            other[63] = other[63] == '0' ? '1' : '0';
            json_string_set(id, other);
            assert_false(read(document, "bitcoin-regtest", &template, &error));
            assert_non_null(strstr(error.text, "is not the hash of its data"));
            json_string_set(id, kept);
            free(kept);
        }
        json_decref(document);
    }
}

static void a_coin_without_segwit_refuses_a_commitment_and_takes_none(void **state)
{
    (void)state;
    struct coin_profile plain = *coin("bitcoin-regtest");
    struct block_template template;
    struct error error;
    plain.segwit = false;
    json_t *document = make_template(1, 30);
    for (int with = 1; with >= 0; with--) {
        if (with == 0)
            json_object_del(document, "default_witness_commitment");
        char *text = answer_of(document);
        assert_int_equal(
            template_read_both(text, strlen(text), &plain, next_seed(), &template, &error), !with);
        free(text);
    }
    assert_int_equal(template.witness_commitment.length, 0);
    json_decref(document);
}

static void an_arena_that_is_too_small_is_said_and_not_overrun(void **state)
{
    (void)state;
    json_t *document = make_template(5, 300);
    char *text = answer_of(document);
    struct template_space *space = malloc(sizeof *space);
    assert_non_null(space);
    unsigned taken = 0;
    for (size_t bytes = 0; bytes < 8000; bytes += 97) {
        uint8_t *memory = malloc(bytes + 1);
        struct arena arena = arena_over(memory, bytes);
        struct template_reader reader;
        template_reader_begin(&reader, coin("bitcoin-regtest"), &arena, space);
        bool good = template_reader_feed(&reader, text, strlen(text), true) == TEMPLATE_WHOLE;
        if (!good)
            assert_non_null(strstr(reader.error.text, "memory set aside"));
        taken += good;
        free(memory);
    }
    assert_true(taken > 10 && taken < 80);
    free(space);
    free(text);
    json_decref(document);
}

/* Changes a few bytes: another of JSON's, one doubled, one left out. */
static size_t damage(char *text, size_t length)
{
    for (uint64_t changes = 1 + next_seed() % 3; changes > 0; changes--) {
        size_t at = next_seed() % length;
        if (next_seed() % 4 == 0) {
            memmove(text + at, text + at + 1, length - at - 1);
            length--;
        } else {
            text[at] = "0123456789abcdef\"{}[],:-.eE\\ntu\x80\xc3"[next_seed() % 34];
        }
    }
    return length;
}

static void what_ours_takes_jansson_takes_and_the_same_comes_out(void **state)
{
    (void)state;
    json_t *document = make_template(6, 40);
    unsigned taken = 0;
    for (unsigned i = 0; i < 4000; i++) {
        struct block_template template;
        struct error error;
        char *text = answer_of(document);
        size_t length = strlen(text);
        if (i >= 20)
            length = damage(text, length);
        taken += template_read_both(text, length, coin("bitcoin-regtest"), next_seed(), &template,
                                    &error);
        free(text);
    }
    printf("%u of 4000 damaged templates still good\n", taken);
    assert_true(taken >= 20 && taken < 1500);
    json_decref(document);
}

static void text_that_is_no_strict_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[]",
        "{\"result\":{\"height\":1,\"height\":1}}",
        "{\"result\":{\"height\":1},\"result\":{}}",
        "{\"result\":{\"h\\u0065ight\":1,\"height\":1}}",
        "{\"result\":{\"height\":01}}",
        "{\"result\":{\"height\":+1}}",
        "{\"result\":{\"height\":1,}}",
        "{\"result\":{\"height\":99999999999999999999}}",
        "{\"result\":{\"height\":-9223372036854775808}}",
        "{\"result\":{\"x\":\"\xff\"}}",
        "{\"result\":{\"x\":\"\xc0\x80\"}}",
        "{\"result\":{\"x\":\"\xed\xa0\x80\"}}",
        "{\"result\":{\"x\":\"\xf4\x90\x80\x80\"}}",
        "{\"result\":{\"x\":\"\\ud800\"}}",
        "{\"result\":{\"x\":\"\\u0000\"}}",
        "{\"result\":{\"x\":\"\x01\"}}",
        "{\"result\":{\"x\":tru}}",
        "{\"result\":{\"x\":nulls}}",
        "{\"result\":{\"x\":[1,]}}",
        "{\"result\":{\"x\":{1:2}}}",
        "{\"result\":{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "{\"result\":{\"transactions\":[{\"data\":\"00\",\"data\":\"00\"}]}}",
        "{\"result\":{\"transactions\":[,]}}",
        "{\"result\":{\"transactions\":[{\"data\":\"0\"}]}}",
        "{\"result\":{\"height\":1}} x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct block_template template;
        struct error error = { 0 };
        if (template_read_both(bad[i], strlen(bad[i]), coin("bitcoin-regtest"), next_seed(),
                               &template, &error))
            fail_msg("%s was taken", bad[i]);
        if (strncmp(error.text, "its template is refused: ", 25) != 0)
            fail_msg("%s: \"%s\"", bad[i], error.text);
    }
}

/* However small the pieces, the reader looks at each byte a bounded number of times, and knows the
 * tip before the first transaction. */
static void a_template_may_come_byte_by_byte(void **state)
{
    (void)state;
    json_t *document = make_template(9, 3000);
    char *text = answer_of(document);
    size_t length = strlen(text);
    struct template_space *space = malloc(sizeof *space);
    uint8_t *memory = malloc(1 << 20);
    assert_true(space != NULL && memory != NULL);
    struct arena arena = arena_over(memory, 1 << 20);
    struct template_reader reader;
    size_t tip_at = 0;
    template_reader_begin(&reader, coin("bitcoin-regtest"), &arena, space);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(template_reader_feed(&reader, text, i, false), TEMPLATE_MORE);
        if (tip_at == 0 && reader.tip_known)
            tip_at = i;
    }
    assert_int_equal(template_reader_feed(&reader, text, length, true), TEMPLATE_WHOLE);
    assert_int_equal(reader.template.transactions_count, 9);
    assert_true(tip_at > 0 && tip_at < (size_t)(strstr(text, "\"data\"") - text));
    free(memory);
    free(space);
    free(text);
    json_decref(document);
}

static void amounts_go_through_json_and_back_exactly(void **state)
{
    (void)state;
    uint64_t value = 1;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t amount = i < 4 ? i : i < 8 ? AMOUNT_MAX - (i - 4) : value % AMOUNT_MAX;
        char text[AMOUNT_TEXT_BYTES];
        uint64_t back;
        json_error_t trouble;
        amount_write(amount, 8, text);
        json_t *number = json_loads(text, JSON_DECODE_ANY, &trouble);
        assert_non_null(number);
        assert_true(amount_read(number, 8, &back));
        assert_int_equal(back, amount);
        json_decref(number);
        value = value * 6364136223846793005u + 1442695040888963407u;
        if (i % 3 == 0)
            value >>= i % 50;
    }
}

static void what_is_no_amount_is_refused(void **state)
{
    static const char *const bad[] = {
        "-1",       "-0.00000001", "0.123456789", "1e300", "45035996.27370496",
        "90000000", "\"1\"",       "null",        "[]"
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_error_t trouble;
        uint64_t amount;
        json_t *number = json_loads(bad[i], JSON_DECODE_ANY, &trouble);
        assert_non_null(number);
        if (amount_read(number, 8, &amount))
            fail_msg("%s was taken", bad[i]);
        json_decref(number);
    }
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 0);
    printf("ADIT_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_template_is_read_whole),
        cmocka_unit_test(templates_that_nodes_gave_are_read_and_spoilt_ones_refused),
        cmocka_unit_test(four_megabytes_of_transactions_are_read_and_more_are_refused),
        cmocka_unit_test(a_template_without_any_one_needed_field_is_refused_by_name),
        cmocka_unit_test(absurd_values_are_refused),
        cmocka_unit_test(transactions_that_are_not_what_their_ids_say_are_refused),
        cmocka_unit_test(a_wrong_id_is_seen_wherever_it_stands),
        cmocka_unit_test(a_coin_without_segwit_refuses_a_commitment_and_takes_none),
        cmocka_unit_test(an_arena_that_is_too_small_is_said_and_not_overrun),
        cmocka_unit_test(what_ours_takes_jansson_takes_and_the_same_comes_out),
        cmocka_unit_test(text_that_is_no_strict_json_is_refused),
        cmocka_unit_test(a_template_may_come_byte_by_byte),
        cmocka_unit_test(amounts_go_through_json_and_back_exactly),
        cmocka_unit_test(what_is_no_amount_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
