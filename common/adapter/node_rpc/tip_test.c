/* What a node shows for its tip, over HTTP: a true header is taken, and whatever is wrong with it
 * is seen. A header's hash commits to what is in it; height, median time and chain work are the
 * node's word (services/inode-scheduler/facts.h holds nodes to that). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_rpc/testing/scripted_node.h"
#include "base/test_random.h"
#include "core/difficulty/difficulty.h"
#include "core/pow/pow.h"
#include "core/pow/sha256.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEIGHT = 700, EASY = 0x207fffff };

struct header {
    uint8_t bytes[80];
    uint8_t hash[32];
};

static struct scripted_node scripted;
static char body[SCRIPTED_BODY_BYTES];

static bool has_work(const char *coin, const struct header *header)
{
    static uint8_t scratch[POW_SCRATCH_BYTES];
    uint8_t found[32];
    struct u256 target;
    assert_true(difficulty_target_from_bits(load_le32(header->bytes + 72), &target));
    pow_hash(coin_profile_find(span_text(coin))->algorithm, header->bytes, scratch, found);
    return u256_compare(u256_load_le(found), target) <= 0;
}

/* A header with the work its bits demand, or without. */
static struct header make_header(const char *coin, uint32_t bits, bool with_work)
{
    struct header header;
    for (size_t i = 0; i < 80; i++)
        header.bytes[i] = (uint8_t)(7 * i + 1);
    store_le32(header.bytes, 0x20000000);
    store_le32(header.bytes + 68, 1700000000);
    store_le32(header.bytes + 72, bits);
    for (uint32_t nonce = 0; nonce < 100000; nonce++) {
        store_le32(header.bytes + 76, nonce);
        if (has_work(coin, &header) == with_work)
            break;
    }
    assert_true(has_work(coin, &header) == with_work);
    sha256d(span_of(header.bytes, 80), header.hash);
    return header;
}

static void set_hash(json_t *object, const char *key, const uint8_t hash[32])
{
    uint8_t shown[32];
    char text[65];
    bytes_reverse(hash, 32, shown);
    hex_encode(span_of(shown, 32), text);
    json_object_set_new(object, key, json_string(text));
}

/* As Bitcoin Core shows it. */
static json_t *show(const struct header *header)
{
    char bits[16];
    snprintf(bits, sizeof bits, "%08x", load_le32(header->bytes + 72));
    json_t *json = json_pack(
        "{s:i, s:i, s:I, s:I, s:I, s:I, s:s, s:f, s:s, s:i}", "confirmations", 1, "height", HEIGHT,
        "version", (json_int_t)(int32_t)load_le32(header->bytes), "time",
        (json_int_t)load_le32(header->bytes + 68), "mediantime", (json_int_t)1699999000, "nonce",
        (json_int_t)load_le32(header->bytes + 76), "bits", bits, "difficulty", 4.6e-10, "chainwork",
        "000000000000000000000000000000000000000000000000000000000000057a", "nTx", 1);
    set_hash(json, "hash", header->hash);
    set_hash(json, "merkleroot", header->bytes + 36);
    set_hash(json, "previousblockhash", header->bytes + 4);
    return json;
}

/* What the adapter makes of this as the result for this hash. */
static enum node_answer read_tip(const char *coin, const json_t *result, const uint8_t hash[32],
                                 struct node_tip *tip_r, struct error *error)
{
    char *text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    snprintf(body, sizeof body, "{\"result\":%s,\"error\":null,\"id\":$id}", text);
    free(text);
    scripted_node_put(&scripted, "200 OK", body);
    struct node *node = scripted_node_connect(scripted.url, coin, 20000);
    enum node_answer answer = node_tip(node, hash, tip_r, error);
    node_close(node);
    return answer;
}

static void expect(const json_t *result, const uint8_t hash[32], enum node_answer expected,
                   const char *words)
{
    struct node_tip tip;
    struct error error = { 0 };
    enum node_answer answer = read_tip("bitcoin-regtest", result, hash, &tip, &error);
    if (answer != expected || (words != NULL && strstr(error.text, words) == NULL))
        fail_msg("answer %d, \"%s\" for %s", answer, error.text, body);
}

static void a_true_header_is_taken_with_all_that_is_told_of_it(void **state)
{
    (void)state;
    struct header header = make_header("bitcoin-regtest", EASY, true);
    struct node_tip tip;
    struct error error;
    json_t *shown = show(&header);
    assert_int_equal(read_tip("bitcoin-regtest", shown, header.hash, &tip, &error), NODE_OK);
    assert_memory_equal(tip.hash, header.hash, 32);
    assert_memory_equal(tip.prev_hash, header.bytes + 4, 32);
    assert_int_equal(tip.height, HEIGHT);
    assert_int_equal(tip.bits, EASY);
    assert_int_equal(tip.median_time, 1699999000);
    assert_int_equal(load_be32(tip.chain_work + 28), 0x57a);
    assert_true(tip.is_tip);
    json_object_set_new(shown, "confirmations", json_integer(2));
    assert_int_equal(read_tip("bitcoin-regtest", shown, header.hash, &tip, &error), NODE_OK);
    assert_false(tip.is_tip);
    json_decref(shown);
}

static void a_header_without_work_is_a_lie(void **state)
{
    (void)state;
    struct header lazy = make_header("bitcoin-regtest", EASY, false);
    struct header hard = make_header("bitcoin-regtest", EASY, true);
    json_t *shown = show(&lazy);
    expect(shown, lazy.hash, NODE_REFUSED, "lacks the work");
    json_decref(shown);
    store_le32(hard.bytes + 72, 0x1d00ffff); /* bits that it cannot meet by chance */
    sha256d(span_of(hard.bytes, 80), hard.hash);
    shown = show(&hard);
    expect(shown, hard.hash, NODE_REFUSED, "lacks the work");
    json_decref(shown);
    static const uint32_t absurd[] = { 0,          0x207fff,   0xff7fffff, 0x20ffffff,
                                       0x2200ffff, 0x04923456, 0xffffffff };
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        store_le32(hard.bytes + 72, absurd[i]);
        sha256d(span_of(hard.bytes, 80), hard.hash);
        shown = show(&hard);
        expect(shown, hard.hash, NODE_REFUSED, absurd[i] == 0x207fff ? NULL : "bits are no target");
        json_decref(shown);
    }
}

/* Whose work is another's: litecoin's blocks are named by sha256d and worked for by scrypt. */
static void work_is_counted_by_the_coins_own_hash(void **state)
{
    (void)state;
    struct node_tip tip;
    struct error error;
    for (int with = 0; with <= 1; with++) {
        struct header header = make_header("litecoin-regtest", EASY, with == 1);
        json_t *shown = show(&header);
        assert_int_equal(read_tip("litecoin-regtest", shown, header.hash, &tip, &error),
                         with == 1 ? NODE_OK : NODE_REFUSED);
        json_decref(shown);
    }
}

static void a_header_that_is_another_is_a_lie(void **state)
{
    (void)state;
    struct header header = make_header("bitcoin-regtest", EASY, true);
    struct header other = header;
    static const struct {
        const char *key;
        json_int_t value;
    } changed[] = { { "version", 1 }, { "time", 1700000001 }, { "nonce", 4000000000 } };
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        json_t *shown = show(&header);
        json_object_set_new(shown, changed[i].key, json_integer(changed[i].value));
        expect(shown, header.hash, NODE_REFUSED, "another hash");
        json_decref(shown);
    }
    static const char *const hashes[] = { "previousblockhash", "merkleroot" };
    for (size_t i = 0; i < 2; i++) {
        json_t *shown = show(&header);
        set_hash(shown, hashes[i], header.hash);
        expect(shown, header.hash, NODE_REFUSED, "another hash");
        json_decref(shown);
    }
    /* Of a block that was not asked for, however true it is. */
    store_le32(other.bytes + 68, 1600000000);
    sha256d(span_of(other.bytes, 80), other.hash);
    json_t *shown = show(&header);
    expect(shown, other.hash, NODE_UNKNOWN, "lacks fields");
    json_object_set_new(shown, "hash", json_null());
    expect(shown, header.hash, NODE_UNKNOWN, "lacks fields");
    json_decref(shown);
}

static void every_field_is_needed_and_of_its_kind(void **state)
{
    static const char *const fields[] = {
        "hash", "confirmations", "height",     "version",          "time", "mediantime", "nonce",
        "bits", "chainwork",     "merkleroot", "previousblockhash"
    };
    static const char *const wrong[] = { NULL,         "null",  "true",   "-1",
                                         "4294967296", "1.5",   "1e300",  "9223372036854775807",
                                         "\"\"",       "\"7\"", "\"zz\"", "[]",
                                         "{}" };
    (void)state;
    struct header header = make_header("bitcoin-regtest", EASY, true);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            struct node_tip tip;
            struct error error = { 0 };
            json_t *shown = show(&header);
            if (wrong[j] == NULL)
                json_object_del(shown, fields[i]);
            else
                json_object_set_new(shown, fields[i], json_loads(wrong[j], JSON_DECODE_ANY, NULL));
            enum node_answer answer = read_tip("bitcoin-regtest", shown, header.hash, &tip, &error);
            /* Any whole number says how deep it lies. */
            bool fits = strcmp(fields[i], "confirmations") == 0 && wrong[j] != NULL &&
                        json_is_integer(json_object_get(shown, fields[i]));
            if (fits ? answer != NODE_OK || tip.is_tip
                     : answer != NODE_UNKNOWN && answer != NODE_REFUSED)
                fail_msg("%s = %s: %d", fields[i], wrong[j] != NULL ? wrong[j] : "", answer);
            assert_true(fits || strlen(error.text) > 20);
            json_decref(shown);
        }
    static const char *const works[] = {
        "00000000000000000000000000000000000000000000000000000000000057a",
        "00000000000000000000000000000000000000000000000000000000000000057a",
        "-00000000000000000000000000000000000000000000000000000000000057a",
    };
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        json_t *shown = show(&header);
        json_object_set_new(shown, "chainwork", json_string(works[i]));
        expect(shown, header.hash, NODE_UNKNOWN, "lacks fields");
        json_decref(shown);
    }
}

static void a_first_block_needs_no_work_and_weighs_nothing(void **state)
{
    (void)state;
    struct header first = make_header("bitcoin-regtest", EASY, false);
    struct node_tip tip;
    struct error error;
    memset(first.bytes + 4, 0, 32);
    for (uint32_t nonce = 0; nonce < 1000; nonce++) {
        store_le32(first.bytes + 76, nonce);
        if (!has_work("bitcoin-regtest", &first))
            break;
    }
    sha256d(span_of(first.bytes, 80), first.hash);
    json_t *shown = show(&first);
    json_object_del(shown, "previousblockhash");
    expect(shown, first.hash, NODE_REFUSED, "lacks the work"); /* not at height 700 */
    json_object_set_new(shown, "height", json_integer(0));
    assert_int_equal(read_tip("bitcoin-regtest", shown, first.hash, &tip, &error), NODE_OK);
    assert_int_equal(load_be32(tip.chain_work + 28), 0);
    json_decref(shown);
    /* Nor does one with a block below it become a first one by its height. */
    first = make_header("bitcoin-regtest", EASY, false);
    shown = show(&first);
    json_object_set_new(shown, "height", json_integer(0));
    expect(shown, first.hash, NODE_REFUSED, "lacks the work");
    json_decref(shown);
}

static void an_answer_that_is_cut_or_none_is_no_tip(void **state)
{
    (void)state;
    struct header header = make_header("bitcoin-regtest", EASY, true);
    json_t *shown = show(&header);
    expect(shown, header.hash, NODE_OK, NULL);
    json_decref(shown);
    static char whole[SCRIPTED_BODY_BYTES], cut[SCRIPTED_BODY_BYTES];
    snprintf(whole, sizeof whole, "%s", body);
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 20000);
    for (size_t length = 0; length < strlen(whole); length += 13) {
        struct node_tip tip;
        struct error error = { 0 };
        snprintf(cut, sizeof cut, "%.*s", (int)length, whole);
        scripted_node_put(&scripted, "200 OK", cut);
        assert_int_equal(node_tip(node, header.hash, &tip, &error), NODE_UNKNOWN);
    }
    node_close(node);
    static const char *const results[] = { "null", "[]", "7", "\"00\"", "{}", "[{}]", "true" };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        json_t *odd = json_loads(results[i], JSON_DECODE_ANY, NULL);
        expect(odd, header.hash, NODE_UNKNOWN, NULL);
        json_decref(odd);
    }
    scripted_node_put(&scripted, "500 Internal Server Error",
                      "{\"result\":null,\"error\":{\"code\":-5,\"message\":\"Block not found\"},"
                      "\"id\":$id}");
    node = scripted_node_connect(scripted.url, "bitcoin-regtest", 20000);
    struct node_tip tip;
    struct error error;
    assert_int_equal(node_tip(node, header.hash, &tip, &error), NODE_MISSING);
    node_close(node);
}

/* Whatever bytes of it change: what is taken is the block that was asked for. */
static void no_damage_makes_another_block_of_it(void **state)
{
    (void)state;
    struct header header = make_header("bitcoin-regtest", EASY, true);
    static char whole[SCRIPTED_BODY_BYTES];
    struct test_random random = test_random_begin("damage");
    json_t *shown = show(&header);
    expect(shown, header.hash, NODE_OK, NULL);
    json_decref(shown);
    snprintf(whole, sizeof whole, "%s", body);
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 20000);
    unsigned taken = 0;
    for (int i = 0; i < 2000; i++) {
        struct node_tip tip;
        struct error error = { 0 };
        snprintf(body, sizeof body, "%s", whole);
        for (uint64_t changes = 1 + test_random_below(&random, 3); changes > 0; changes--)
            body[test_random_below(&random, strlen(whole))] =
                "0123456789abcdef\"{}[],:-.eE"[test_random_below(&random, 27)];
        scripted_node_put(&scripted, "200 OK", body);
        if (node_tip(node, header.hash, &tip, &error) != NODE_OK)
            continue;
        taken++;
        assert_memory_equal(tip.hash, header.hash, 32);
        assert_memory_equal(tip.prev_hash, header.bytes + 4, 32);
        assert_int_equal(tip.bits, EASY);
    }
    printf("%u of 2000 damaged answers still name the block\n", taken);
    assert_true(taken < 1500);
    node_close(node);
}

static int begin(void **state)
{
    (void)state;
    scripted_node_open(&scripted, "");
    return 0;
}

static int end(void **state)
{
    (void)state;
    scripted_node_close(&scripted);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_header_is_taken_with_all_that_is_told_of_it),
        cmocka_unit_test(a_header_without_work_is_a_lie),
        cmocka_unit_test(work_is_counted_by_the_coins_own_hash),
        cmocka_unit_test(a_header_that_is_another_is_a_lie),
        cmocka_unit_test(every_field_is_needed_and_of_its_kind),
        cmocka_unit_test(a_first_block_needs_no_work_and_weighs_nothing),
        cmocka_unit_test(an_answer_that_is_cut_or_none_is_no_tip),
        cmocka_unit_test(no_damage_makes_another_block_of_it),
    };
    return cmocka_run_group_tests_name("tips", tests, begin, end);
}
