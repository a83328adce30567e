/* devnode inside one process, through its RPC: what it promises about blocks on disk, coins, the
 * mempool and payments. Random rounds run again from ADIT_SEED. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tools/devnode/rpc.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(0x2545f4914f6cdd1d) % below;
}

struct fixture {
    struct node node;
    char folder[64];
    char address[128];
};

static const struct chain_params params = { .algorithm = HASH_SHA256D,
                                            .initial_bits = TARGET_BITS_EASIEST,
                                            .fixed_bits = true,
                                            .block_interval_s = 8,
                                            .maturity = 3 };

static void open_node(struct fixture *f)
{
    struct error error = { 0 };
    bool opened = node_open(&f->node, f->folder, &params, &error);
    if (!opened)
        print_message("%s\n", error.text);
    assert_true(opened);
}

/* A call with parameters as JSON text; its whole answer. Caller owns. */
static json_t *answer(struct fixture *f, const char *method, const char *params_text)
{
    char *text = NULL;
    struct buffer body = { 0 };
    buffer_put(&body, "{\"id\":7,\"method\":\"", 18);
    buffer_put(&body, method, strlen(method));
    buffer_put(&body, "\",\"params\":", 11);
    buffer_put(&body, params_text, strlen(params_text));
    buffer_put(&body, "}", 1);
    rpc_handle(&f->node, "/wallet/any", buffer_span(&body), -1, &text);
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "id")), 7);
    buffer_deinit(&body);
    free(text);
    return json;
}

/* The result of a call that must succeed. Caller owns. */
static json_t *call(struct fixture *f, const char *method, const char *format, ...)
    PRINTF_LIKE(3, 4);
static json_t *call(struct fixture *f, const char *method, const char *format, ...)
{
    static char text[1 << 20];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *json = answer(f, method, text);
    if (!json_is_null(json_object_get(json, "error"))) {
        char *shown = json_dumps(json, 0);
        print_message("%s: %s\n", method, shown);
        free(shown);
    }
    assert_true(json_is_null(json_object_get(json, "error")));
    json_t *result = json_incref(json_object_get(json, "result"));
    json_decref(json);
    return result;
}

static int refused(struct fixture *f, const char *method, const char *params_text)
{
    json_t *json = answer(f, method, params_text);
    int code = (int)json_integer_value(json_object_get(json_object_get(json, "error"), "code"));
    json_decref(json);
    return code;
}

static int64_t number(struct fixture *f, const char *method)
{
    json_t *json = call(f, method, "[]");
    int64_t value = json_integer_value(json);
    json_decref(json);
    return value;
}

/* Moves a text result to the caller's memory. */
static void take_text(json_t *json, char *text_r, size_t bytes)
{
    assert_true(json_is_string(json));
    snprintf(text_r, bytes, "%s", json_string_value(json));
    json_decref(json);
}

static void generate(struct fixture *f, unsigned blocks)
{
    json_decref(call(f, "generatetoaddress", "[%u,\"%s\"]", blocks, f->address));
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->folder, sizeof f->folder, "/tmp/devnode-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    open_node(f);
    take_text(call(f, "getnewaddress", "[]"), f->address, sizeof f->address);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    char path[128];
    static const char *const files[] = { "blocks.journal", "wallet.json" };
    node_close(&f->node);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", f->folder, files[i]);
        unlink(path);
    }
    rmdir(f->folder);
    free(f);
    return 0;
}

static void blocks_and_the_wallet_are_there_after_opening_again(void **state)
{
    struct fixture *f = *state;
    char tip[65];
    char again[65];
    generate(f, 7);
    take_text(call(f, "getbestblockhash", "[]"), tip, sizeof tip);
    node_close(&f->node);
    open_node(f);
    take_text(call(f, "getbestblockhash", "[]"), again, sizeof again);
    assert_string_equal(tip, again);
    json_t *info = call(f, "getaddressinfo", "[\"%s\"]", f->address);
    assert_true(json_is_true(json_object_get(info, "ismine")));
    json_decref(info);
    json_t *balances = call(f, "getbalances", "[]");
    const json_t *mine = json_object_get(balances, "mine");
    assert_true(json_number_value(json_object_get(mine, "trusted")) == 250);
    assert_true(json_number_value(json_object_get(mine, "immature")) == 100);
    json_decref(balances);
}

static uint8_t *read_file(const char *path, size_t *length_r)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    *length_r = (size_t)info.st_size;
    uint8_t *bytes = malloc(*length_r);
    FILE *file = fopen(path, "re");
    assert_true(bytes != NULL && file != NULL);
    assert_int_equal(fread(bytes, 1, *length_r, file), *length_r);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* What a kill in the middle of an append leaves is every prefix of the file. */
static void a_journal_cut_anywhere_keeps_every_whole_block(void **state)
{
    struct fixture *f = *state;
    char path[128];
    size_t ends[5];
    size_t length;
    for (size_t i = 0; i < 5; i++) {
        generate(f, 1);
        ends[i] = (size_t)f->node.journal.length_bytes;
    }
    snprintf(path, sizeof path, "%s/blocks.journal", f->folder);
    node_close(&f->node);
    uint8_t *bytes = read_file(path, &length);
    assert_int_equal(length, ends[4]);
    for (size_t cut = ends[0]; cut <= length; cut += 1 + draw(5)) {
        int64_t expected = 0;
        write_file(path, bytes, cut);
        open_node(f);
        for (size_t i = 0; i < 5; i++)
            expected += ends[i] <= cut;
        assert_int_equal(number(f, "getblockcount"), expected);
        generate(f, 1); /* and it goes on from there */
        node_close(&f->node);
        open_node(f);
        assert_int_equal(number(f, "getblockcount"), expected + 1);
        node_close(&f->node);
    }
    /* A byte changed with sound records behind it is damage, not the end of a write. */
    struct error error = { 0 };
    bytes[ends[1] - 20] ^= 1;
    write_file(path, bytes, length);
    assert_false(node_open(&f->node, f->folder, &params, &error));
    assert_non_null(strstr(error.text, "damaged"));
    bytes[ends[1] - 20] ^= 1;
    write_file(path, bytes, length);
    open_node(f);
    assert_int_equal(number(f, "getblockcount"), 5);
    free(bytes);
}

static void other_parameters_than_the_chain_was_begun_with_are_refused(void **state)
{
    struct fixture *f = *state;
    struct error error = { 0 };
    struct chain_params other = params;
    node_close(&f->node);
    other.maturity = 4;
    assert_false(node_open(&f->node, f->folder, &other, &error));
    assert_non_null(strstr(error.text, "was begun with"));
    other = params;
    other.initial_bits = 0x1f00ffff;
    assert_false(node_open(&f->node, f->folder, &other, &error));
    other.initial_bits_hinted = true; /* a hint gives way */
    assert_true(node_open(&f->node, f->folder, &other, &error));
    assert_int_equal(f->node.chain.params.initial_bits, params.initial_bits);
}

static void a_second_node_on_the_same_folder_is_refused(void **state)
{
    struct fixture *f = *state;
    static struct node second;
    struct error error = { 0 };
    assert_false(node_open(&second, f->folder, &params, &error));
    assert_non_null(strstr(error.text, "another devnode"));
}

/* Funds, signs and sends `coins` to an address outside the wallet at a fee rate (coins per 1000
 * vbytes); the transaction's hex and id. */
static void pay(struct fixture *f, const char *coins, const char *feerate, char *hex_r,
                size_t hex_bytes, char txid_r[65])
{
    static char raw[100000];
    take_text(call(f, "createrawtransaction",
                   "[[],[{\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\":%s}]]", coins),
              raw, sizeof raw);
    json_t *funded = call(f, "fundrawtransaction", "[\"%s\",{\"feeRate\":%s}]", raw, feerate);
    take_text(json_incref(json_object_get(funded, "hex")), raw, sizeof raw);
    json_decref(funded);
    json_t *signed_tx = call(f, "signrawtransactionwithwallet", "[\"%s\"]", raw);
    assert_true(json_is_true(json_object_get(signed_tx, "complete")));
    take_text(json_incref(json_object_get(signed_tx, "hex")), hex_r, hex_bytes);
    json_decref(signed_tx);
    json_t *decoded = call(f, "decoderawtransaction", "[\"%s\"]", hex_r);
    take_text(json_incref(json_object_get(decoded, "txid")), txid_r, 65);
    json_decref(decoded);
}

static int64_t confirmations(struct fixture *f, const char *txid)
{
    json_t *tx = call(f, "gettransaction", "[\"%s\"]", txid);
    int64_t value = json_integer_value(json_object_get(tx, "confirmations"));
    json_decref(tx);
    return value;
}

static void a_payment_confirms_and_a_reorganisation_takes_it_back(void **state)
{
    struct fixture *f = *state;
    static char hex[100000];
    char call_text[sizeof hex + 8];
    char txid[65];
    generate(f, 5);
    pay(f, "0.12345678", "0.0001", hex, sizeof hex, txid);
    snprintf(call_text, sizeof call_text, "[\"%s\"]", hex);
    json_decref(call(f, "sendrawtransaction", "%s", call_text));
    json_decref(call(f, "sendrawtransaction", "%s", call_text)); /* again is fine */
    assert_int_equal(confirmations(f, txid), 0);
    generate(f, 2);
    assert_int_equal(confirmations(f, txid), 2);
    assert_int_equal(refused(f, "sendrawtransaction", call_text), RPC_ALREADY_IN_CHAIN);
    json_decref(call(f, "devnode_reorg", "[{\"depth\":2}]"));
    assert_int_equal(number(f, "getblockcount"), 8);
    assert_int_equal(confirmations(f, txid), 0);
    node_close(&f->node); /* and it is still waiting after a restart */
    open_node(f);
    json_t *waiting = call(f, "getrawmempool", "[]");
    assert_int_equal(json_array_size(waiting), 1);
    json_decref(waiting);
    generate(f, 1);
    assert_int_equal(confirmations(f, txid), 1);
    json_t *tx = call(f, "getrawtransaction", "[\"%s\",true]", txid);
    const json_t *first = json_array_get(json_object_get(tx, "vout"), 0);
    char *shown = json_print(json_object_get(first, "value"));
    assert_non_null(strstr(shown, "0.12345678"));
    free(shown);
    json_decref(tx);
}

static void a_replaced_payment_ends_with_negative_confirmations(void **state)
{
    struct fixture *f = *state;
    static char first[100000];
    static char second[100000];
    static char text[sizeof first + 8];
    char first_id[65];
    char second_id[65];
    generate(f, 3); /* one mature coin: both payments must spend it */
    pay(f, "1", "0.0001", first, sizeof first, first_id);
    pay(f, "2", "0.0003", second, sizeof second, second_id);
    snprintf(text, sizeof text, "[\"%s\"]", first);
    json_decref(call(f, "sendrawtransaction", "%s", text));
    snprintf(text, sizeof text, "[\"%s\"]", second);
    json_decref(call(f, "sendrawtransaction", "%s", text)); /* it pays more */
    snprintf(text, sizeof text, "[\"%s\"]", first);
    assert_int_equal(refused(f, "sendrawtransaction", text), RPC_VERIFY_REJECTED);
    assert_int_equal(confirmations(f, first_id), 0);
    generate(f, 3);
    assert_int_equal(confirmations(f, second_id), 3);
    assert_int_equal(confirmations(f, first_id), -3);
    assert_int_equal(refused(f, "sendrawtransaction", text), RPC_VERIFY); /* its input is gone */
}

static void locked_coins_are_not_spent(void **state)
{
    struct fixture *f = *state;
    static char raw[100000];
    static char text[sizeof raw + 64];
    generate(f, 3);
    take_text(call(f, "createrawtransaction",
                   "[[],[{\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\":1}]]"),
              raw, sizeof raw);
    json_decref(call(f, "fundrawtransaction", "[\"%s\",{\"lockUnspents\":true}]", raw));
    snprintf(text, sizeof text, "[\"%s\"]", raw);
    assert_int_equal(refused(f, "fundrawtransaction", text), RPC_WALLET);
    json_t *locks = call(f, "listlockunspent", "[]");
    assert_int_equal(json_array_size(locks), 1);
    json_decref(locks);
    json_decref(call(f, "lockunspent", "[true]"));
    json_decref(call(f, "fundrawtransaction", "[\"%s\"]", raw));
}

static void the_fee_can_be_taken_from_the_outputs(void **state)
{
    struct fixture *f = *state;
    static char raw[100000];
    generate(f, 3);
    take_text(call(f, "createrawtransaction",
                   "[[],[{\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\":50}]]"),
              raw, sizeof raw);
    json_t *funded =
        call(f, "fundrawtransaction", "[\"%s\",{\"subtractFeeFromOutputs\":[0]}]", raw);
    assert_int_equal(json_integer_value(json_object_get(funded, "changepos")), -1);
    int64_t fee;
    assert_true(json_read_amount(json_object_get(funded, "fee"), &fee));
    json_t *decoded = call(f, "decoderawtransaction", "[\"%s\"]",
                           json_string_value(json_object_get(funded, "hex")));
    int64_t paid;
    const json_t *output = json_array_get(json_object_get(decoded, "vout"), 0);
    assert_true(json_read_amount(json_object_get(output, "value"), &paid));
    assert_int_equal(paid + fee, 50 * COIN);
    assert_true(fee > 0);
    json_decref(decoded);
    json_decref(funded);
}

static bool keep_all(void *context, const struct block *kept)
{
    (void)context;
    (void)kept;
    return true;
}

/* The coins after any sequence of blocks, payments, reorganisations and marks are those of a chain
 * that only ever saw the blocks of the best branch. */
static void assert_coins_follow_from_the_best_chain(struct fixture *f)
{
    struct chain fresh;
    const struct chain *chain = &f->node.chain;
    chain_init(&fresh, &params);
    for (size_t height = 1; height < chain->main_count; height++) {
        const struct block *block = chain->main[height]->block;
        struct buffer raw = { 0 };
        buffer_put(&raw, block->raw_header, HEADER_BYTES);
        buffer_put_compact(&raw, block->tx_count);
        for (size_t i = 0; i < block->tx_count; i++)
            tx_encode(block->txs[i], true, &raw);
        const char *reason = NULL;
        struct block *copy = block_decode(buffer_span(&raw));
        assert_non_null(copy);
        buffer_deinit(&raw);
        assert_int_equal(chain_add(&fresh, copy, INT64_MAX, keep_all, NULL, &reason),
                         CHAIN_ADDED_TIP);
    }
    assert_int_equal(fresh.coins.count, chain->coins.count);
    for (size_t i = 0; i < fresh.coins.capacity; i++) {
        const struct table_entry *entry = &fresh.coins.entries[i];
        if (entry->value == NULL)
            continue;
        const struct coin *expected = entry->value;
        const struct coin *coin = table_get(&chain->coins, entry->key);
        assert_non_null(coin);
        assert_int_equal(coin->value, expected->value);
        assert_int_equal(coin->height, expected->height);
        assert_int_equal(coin->coinbase, expected->coinbase);
    }
    chain_deinit(&fresh);
}

static void random_step(struct fixture *f)
{
    static char hex[100000];
    char txid[65];
    char coins[32];
    char hash[65];
    int64_t height = number(f, "getblockcount");
    switch (draw(6)) {
    case 0:
        if (height > 4)
            json_decref(
                call(f, "devnode_reorg", "[{\"depth\":%llu}]", (unsigned long long)(1 + draw(3))));
        return;
    case 1: { /* take a block off and perhaps put it back */
        if (height < 2)
            return;
        take_text(call(f, "getblockhash", "[%llu]",
                       (unsigned long long)height - draw(height > 3 ? 3 : 1)),
                  hash, sizeof hash);
        json_decref(call(f, "invalidateblock", "[\"%s\"]", hash));
        if (draw(2) == 0)
            json_decref(call(f, "reconsiderblock", "[\"%s\"]", hash));
        return;
    }
    case 2:
    case 3: {
        json_t *balance = call(f, "getbalance", "[]");
        bool rich = json_number_value(balance) > 20;
        json_decref(balance);
        if (!rich)
            return;
        snprintf(coins, sizeof coins, "%llu.%03llu", (unsigned long long)draw(10) + 1,
                 (unsigned long long)draw(1000));
        pay(f, coins, "0.0001", hex, sizeof hex, txid);
        json_decref(call(f, "sendrawtransaction", "[\"%s\"]", hex));
        return;
    }
    default:
        generate(f, 1 + (unsigned)draw(2));
    }
}

static void any_history_leaves_the_coins_of_the_best_chain(void **state)
{
    struct fixture *f = *state;
    generate(f, 6);
    for (int i = 0; i < 60; i++) {
        random_step(f);
        if (i % 10 == 9) {
            assert_coins_follow_from_the_best_chain(f);
            char before[65];
            char after[65];
            take_text(call(f, "getbestblockhash", "[]"), before, sizeof before);
            node_close(&f->node);
            open_node(f);
            take_text(call(f, "getbestblockhash", "[]"), after, sizeof after);
            assert_string_equal(before, after);
            assert_coins_follow_from_the_best_chain(f);
        }
    }
}

static void the_next_target_stays_within_its_bounds(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct wide last;
        struct wide next;
        uint32_t bits = (uint32_t)(0x03 + draw(0x1d)) << 24 | (uint32_t)(0x8000 + draw(0x7f7fff));
        int64_t spacing = (int64_t)draw(400) - 100;
        if (!target_from_bits(bits, &last))
            continue;
        uint32_t next_bits = target_next_bits(bits, spacing, 8);
        assert_true(target_from_bits(next_bits, &next));
        struct wide work = target_work(&last);
        struct wide next_work = target_work(&next);
        int order = wide_compare(&next_work, &work);
        if (spacing > 8)
            assert_true(order <= 0 || next_bits == bits);
        if (spacing == 8)
            assert_int_equal(next_bits, target_to_bits(&last));
        if (spacing < 7 && bits >> 24 > 4)
            assert_true(order > 0);
    }
    assert_int_equal(target_next_bits(0x207fffff, 96, 8), 0x207fffff);
    for (uint64_t rate = 1; rate < UINT64_C(1) << 50; rate *= 3) {
        struct wide target;
        assert_true(target_from_bits(target_bits_for_hashrate(rate, 8), &target));
        struct wide work = target_work(&target);
        uint64_t hashes = rate * 8;
        assert_true(work.limb[0] >= hashes && work.limb[0] <= hashes + hashes / 1000 + 2);
    }
}

/* A field of a method's answer, as text; caller frees. */
static char *told(struct fixture *f, const char *method, const char *params_text, const char *key)
{
    json_t *result = call(f, method, "%s", params_text);
    json_t *field = key != NULL ? json_object_get(result, key) : result;
    char *text = json_is_string(field) ? strdup(json_string_value(field))
                                       : json_dumps(field, JSON_ENCODE_ANY);
    assert_non_null(text);
    json_decref(result);
    return text;
}

static bool tells(struct fixture *f, const char *method, const char *params_text, const char *key,
                  const char *expected)
{
    char *text = told(f, method, params_text, key);
    bool same = strcmp(text, expected) == 0;
    free(text);
    return same;
}

static void a_fault_changes_what_it_tells_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    static const char rules[] = "[{\"rules\":[\"segwit\"]}]";
    char ask[80];
    generate(f, 5);
    char *tip = told(f, "getbestblockhash", "[]", NULL);
    char *old = told(f, "getblockhash", "[3]", NULL);
    snprintf(ask, sizeof ask, "[\"%s\"]", tip);
    assert_int_equal(refused(f, "devnode_fault", "[{\"kind\":\"odd\"}]"), RPC_PARAMETER);

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"forged_header\"}]"));
    char *forged = told(f, "getbestblockhash", "[]", NULL);
    assert_string_not_equal(forged, tip);
    assert_true(tells(f, "getblocktemplate", rules, "previousblockhash", forged));
    assert_true(tells(f, "getblockheader", ask, "height", "5"));
    snprintf(ask, sizeof ask, "[\"%s\"]", forged);
    assert_true(tells(f, "getblockheader", ask, "height", "6"));
    assert_true(tells(f, "getblockheader", ask, "hash", forged));
    assert_true(tells(f, "getblockheader", ask, "previousblockhash", tip));
    free(forged);

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"forged_work\"}]"));
    assert_true(tells(f, "getbestblockhash", "[]", NULL, old));
    snprintf(ask, sizeof ask, "[\"%s\"]", old);
    assert_true(tells(f, "getblockheader", ask, "confirmations", "1"));
    assert_true(tells(f, "getblocktemplate", rules, "height", "4"));

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"forged_best\"}]"));
    char *first = told(f, "getblockhash", "[1]", NULL);
    assert_true(tells(f, "getbestblockhash", "[]", NULL, first));
    assert_true(tells(f, "getblockchaininfo", "[]", "bestblockhash", tip));
    assert_true(tells(f, "getblocktemplate", rules, "height", "2"));
    free(first);

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"forged_height\"}]"));
    assert_true(tells(f, "getbestblockhash", "[]", NULL, tip));
    assert_true(tells(f, "getblockchaininfo", "[]", "blocks", "1005"));

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"syncing\"}]"));
    assert_true(tells(f, "getblockchaininfo", "[]", "initialblockdownload", "true"));
    assert_int_equal(refused(f, "getblocktemplate", rules), RPC_SYNCING);

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"deaf\"}]"));
    assert_int_equal(refused(f, "submitblock", "[\"00\"]"), RPC_MISC);

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"stale\"}]"));
    generate(f, 1);
    assert_true(tells(f, "getblocktemplate", rules, "previousblockhash", tip));

    json_decref(call(f, "devnode_fault", "[{\"kind\":\"none\"}]"));
    assert_true(tells(f, "getblocktemplate", rules, "height", "7"));
    assert_int_equal(number(f, "getblockcount"), 6);
    free(tip);
    free(old);
}

static void rubbish_gets_an_error_and_harms_nobody(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *body;
        int code;
        int status;
    } cases[] = {
        { "", RPC_PARSE, 500 },
        { "x", RPC_PARSE, 500 },
        { "7", RPC_PARSE, 500 },
        { "{}", RPC_INVALID_REQUEST, 400 },
        { "{\"method\":7}", RPC_INVALID_REQUEST, 400 },
        { "{\"method\":\"nothing\"}", RPC_METHOD_NOT_FOUND, 404 },
        { "{\"method\":\"uptime\",\"params\":7}", RPC_INVALID_REQUEST, 400 },
        { "{\"method\":\"getblockhash\"}", RPC_MISC, 500 },
        { "{\"method\":\"getblockhash\",\"params\":[\"1\"]}", RPC_TYPE, 500 },
        { "{\"method\":\"getblockhash\",\"params\":[-1]}", RPC_PARAMETER, 500 },
        { "{\"method\":\"getblock\",\"params\":[\"zz\"]}", RPC_PARAMETER, 500 },
        { "{\"method\":\"getblock\",\"params\":{\"nonsense\":1}}", RPC_PARAMETER, 500 },
        { "{\"method\":\"submitblock\",\"params\":[\"0g\"]}", RPC_DECODE, 500 },
        { "{\"method\":\"submitblock\",\"params\":[\"00\"]}", RPC_DECODE, 500 },
        { "{\"method\":\"sendrawtransaction\",\"params\":[\"\"]}", RPC_DECODE, 500 },
        { "{\"method\":\"getblocktemplate\"}", RPC_PARAMETER, 500 },
        { "{\"method\":\"generatetoaddress\",\"params\":[1,\"x\"]}", RPC_NOT_FOUND, 500 },
        { "{\"method\":\"createrawtransaction\",\"params\":[[],{\"x\":1}]}", RPC_NOT_FOUND, 500 },
        { "{\"method\":\"devnode_reorg\",\"params\":[{\"depth\":1}]}", RPC_PARAMETER, 500 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = NULL;
        int status = rpc_handle(&f->node, "/", span_text(cases[i].body), -1, &text);
        json_t *json = json_loads(text, 0, NULL);
        assert_non_null(json);
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(json, "error"), "code")),
            cases[i].code);
        assert_int_equal(status, cases[i].status);
        json_decref(json);
        free(text);
    }
    char *text = NULL;
    const char *batch = "[{\"id\":1,\"method\":\"getblockcount\"},{\"id\":2,\"method\":\"no\"},5]";
    assert_int_equal(rpc_handle(&f->node, "/", span_text(batch), -1, &text), 200);
    json_t *json = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json), 3);
    json_decref(json);
    free(text);
    assert_int_equal(rpc_handle(&f->node, "/elsewhere", span_text("{}"), -1, &text), 404);
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    seed = given == NULL ? (uint64_t)time(NULL) * 2654435761 + 1 : strtoull(given, NULL, 10);
    printf("ADIT_SEED=%llu\n", (unsigned long long)seed);
#define IN_A_NODE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_A_NODE(blocks_and_the_wallet_are_there_after_opening_again),
        IN_A_NODE(a_journal_cut_anywhere_keeps_every_whole_block),
        IN_A_NODE(other_parameters_than_the_chain_was_begun_with_are_refused),
        IN_A_NODE(a_second_node_on_the_same_folder_is_refused),
        IN_A_NODE(a_payment_confirms_and_a_reorganisation_takes_it_back),
        IN_A_NODE(a_replaced_payment_ends_with_negative_confirmations),
        IN_A_NODE(locked_coins_are_not_spent),
        IN_A_NODE(the_fee_can_be_taken_from_the_outputs),
        IN_A_NODE(any_history_leaves_the_coins_of_the_best_chain),
        IN_A_NODE(a_fault_changes_what_it_tells_and_nothing_else),
        IN_A_NODE(rubbish_gets_an_error_and_harms_nobody),
        cmocka_unit_test(the_next_target_stays_within_its_bounds),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
