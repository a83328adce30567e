/* A pool is not believed, but checked: blocks are found, an account fetches its proof, and `adit
 * verify` holds it against the chain of proofs and the blocks themselves. Then it is lied to. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/proof_json/proof_json.h"
#include "adapter/token_sodium/token.h"
#include "core/receipt/link.h"
#include "tests/fixture/pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a block is worth where work is bought: far more than the wallet ever has. */
static const uint64_t BLOCK_WORTH = 9000000000000000;

enum { RIGHT, UNREADABLE, WRONG, SPLIT, OMITTED, PROOFS_WANTED = 4 };

static struct pool_fixture pool;
static char name[128];
static char proof_file[96], chain_file[96], block_file[96];
static json_t *document;

/* `adit verify WORDS`: its exit code, its words in text. */
static char text[65536];
static int verify(const char *words)
{
    char command[1400];
    snprintf(command, sizeof command, "%s/bin/adit verify %s 2>&1", getenv("ADIT_BUILD"), words);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    return WEXITSTATUS(pclose(out));
}
#define EXPECT(code, words)                                                                        \
    do {                                                                                           \
        int code_ = verify(words);                                                                 \
        if (code_ != (code))                                                                       \
            fail_msg("adit verify %s: %d instead of %d:\n%s", words, code_, code, text);           \
    } while (0)

static void write_json(const char *path, const json_t *json)
{
    assert_int_equal(json_dump_file(json, path, JSON_INDENT(1)), 0);
}

static bool has_proofs(const struct pool_fixture *self, void *context)
{
    static unsigned looks;
    (void)context;
    char path[256];
    if (looks++ % 5 != 0)
        return false;
    snprintf(path, sizeof path, "/api/v1/accounts/%s/proofs", name);
    json_t *answer = pool_api(self, path);
    bool yes = json_array_size(json_object_get(answer, "proofs")) >= PROOFS_WANTED;
    json_decref(answer);
    return yes;
}

static bool is_answered(const struct pool_fixture *self, void *context)
{
    json_t **answer = context;
    *answer = pool_api(self, text);
    return *answer != NULL;
}

/* What must be there. Whoever asks too often is told to wait, and does. Caller owns. */
static json_t *ask(const char *path)
{
    json_t *answer = NULL;
    snprintf(text, sizeof text, "%s", path);
    pool_wait(&pool, path, 90, is_answered, &answer);
    return answer;
}

static void fetch_chain(void)
{
    json_t *chain = ask("/api/v1/proofs?limit=500");
    write_json(chain_file, chain);
    json_decref(chain);
}

/* Gets the account's first proof, the chain and the proof's block into files. */
static void fetch(void)
{
    char path[256], params[120];
    snprintf(path, sizeof path, "/api/v1/accounts/%s/proofs", name);
    json_t *list = ask(path);
    const json_t *proofs = json_object_get(list, "proofs");
    const json_t *first = json_array_get(proofs, json_array_size(proofs) - 1);
    snprintf(path, sizeof path, "/api/v1/accounts/%s/proofs/%lld", name,
             (long long)json_integer_value(json_object_get(first, "number")));
    json_decref(list);
    document = ask(path);
    write_json(proof_file, document);
    fetch_chain();
    const char *hash =
        json_string_value(json_object_get(json_object_get(document, "statement"), "block"));
    snprintf(params, sizeof params, "[\"%s\",0]", hash);
    json_t *block = pool_node(&pool, "getblock", params);
    assert_non_null(block);
    FILE *file = fopen(block_file, "w");
    assert_non_null(file);
    fputs(json_string_value(block), file);
    fclose(file);
    json_decref(block);
    /* By hash it is the same. */
    snprintf(path, sizeof path, "/api/v1/accounts/%s/proofs/%s", name, hash);
    json_t *same = ask(path);
    assert_true(json_equal(same, document));
    json_decref(same);
}

static void an_account_fetches_a_proof_that_holds_offline(void **state)
{
    (void)state;
    char words[600];
    pool_wait(&pool, "the account has some proofs", 90, has_proofs, NULL);
    fetch();
    EXPECT(RIGHT, proof_file);
    assert_non_null(strstr(text, name));
    assert_non_null(strstr(text, "whether others are shown the same statement is not known"));
    snprintf(words, sizeof words, "%s --chain %s --block %s", proof_file, chain_file, block_file);
    EXPECT(RIGHT, words);
    assert_non_null(strstr(text, "is the proof's statement"));
    assert_non_null(strstr(text, "right  reward: the coinbase of block"));
}

static bool a_later_block_commits(const struct pool_fixture *self, void *context)
{
    (void)context;
    char words[900];
    const json_t *statement = json_object_get(document, "statement");
    snprintf(words, sizeof words,
             "http://127.0.0.1:%u/api/v1/accounts/%s/proofs/%s --node http://127.0.0.1:%u",
             self->api_port, name, json_string_value(json_object_get(statement, "number")),
             self->node_port);
    int code = verify(words);
    if (code != RIGHT)
        fail_msg("%d:\n%s", code, text);
    return strstr(text, "commits to number") != NULL &&
           strstr(text, "none of the blocks commits") == NULL;
}

static void later_blocks_carry_the_head_in_their_coinbase(void **state)
{
    (void)state;
    pool_wait(&pool, "a later block of the pool commits to the proof", 90, a_later_block_commits,
              NULL);
    fetch_chain();
}

static void expect_lie(const char *change, int code)
{
    char path[96], words[200];
    json_t *lie = json_deep_copy(document), *fields = json_loads(change, 0, NULL);
    assert_non_null(fields);
    assert_int_equal(json_object_update_recursive(lie, fields), 0);
    snprintf(path, sizeof path, "%s/lie.json", pool.folder);
    write_json(path, lie);
    snprintf(words, sizeof words, "%s", path);
    EXPECT(code, words);
    json_decref(lie);
    json_decref(fields);
}

/* A proof with other numbers in its bytes, sealed as well as a cheat can. */
static void expect_forged(void (*forge)(struct proof *proof), int code, const char *sentence)
{
    struct proof proof;
    struct error error;
    char path[96], words[400];
    assert_true(proof_json_read(document, &proof, &error));
    forge(&proof);
    json_t *lie = proof_json_of(&proof);
    snprintf(path, sizeof path, "%s/forged.json", pool.folder);
    write_json(path, lie);
    snprintf(words, sizeof words, "%s --chain %s --block %s", path, chain_file, block_file);
    EXPECT(code, words);
    if (strstr(text, sentence) == NULL)
        fail_msg("\"%s\" is not in:\n%s", sentence, text);
    json_decref(lie);
}

static void more_work(struct proof *proof)
{
    proof->leaf.sums.work++;
}
static void less_pay(struct proof *proof)
{
    proof->leaf.sums.amount -= 3;
}
static void smaller_total(struct proof *proof)
{
    proof->statement.root.sums.work--;
}
static void other_reward(struct proof *proof)
{
    proof->statement.reward += 1000;
    proof->statement.unallocated += 1000;
}

static void a_tampered_proof_is_noticed(void **state)
{
    (void)state;
    expect_lie("{\"leaf\": {\"work\": \"1\"}}", WRONG);
    expect_lie("{\"statement\": {\"reward\": \"1\"}}", WRONG);
    expect_forged(more_work, WRONG, "WRONG  path");
    expect_forged(less_pay, WRONG, "WRONG  path");
    expect_forged(smaller_total, WRONG, "WRONG  path");
    /* The tree does not know the reward; the chain and the block do. */
    expect_forged(other_reward, WRONG, "WRONG  amount");
}

static void nobody(struct proof *proof)
{
    proof->statement.shares++;
}

/* Two viewers, two stories: whoever compares chains, or looks into a block, finds out. */
static void a_split_view_is_noticed(void **state)
{
    (void)state;
    char words[600], path[96];
    expect_forged(nobody, SPLIT, "two viewers were shown different ones");
    /* Another chain altogether, well made, and a block that was mined under the true one. */
    struct proof proof;
    struct error error;
    json_t *chain = json_load_file(chain_file, 0, NULL), *list = json_array();
    uint8_t head[PROOF_HASH_BYTES] = { 0 };
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(chain, "proofs"), index, entry)
    {
        struct proof_statement statement;
        assert_true(proof_json_read_statement(entry, &statement, &error));
        if (index == 0)
            statement.shares++;
        else
            memcpy(statement.previous, head, sizeof head);
        proof_head(&statement, head);
        json_array_append_new(list, proof_json_of_statement(&statement));
    }
    json_decref(chain);
    json_t *other = json_pack("{s:o}", "proofs", list);
    snprintf(path, sizeof path, "%s/other.json", pool.folder);
    write_json(path, other);
    snprintf(words, sizeof words, "%s --chain %s", proof_file, path);
    EXPECT(SPLIT, words);
    /* The victim's own proof follows the false chain: only a block tells. */
    struct proof_statement own;
    assert_true(proof_json_read(document, &proof, &error));
    size_t place = (size_t)proof.statement.number - 1;
    assert_true(proof_json_read_statement(json_array_get(list, place), &own, &error));
    proof.statement = own;
    json_t *forged = proof_json_of(&proof);
    snprintf(proof_file, sizeof proof_file, "%s/forged.json", pool.folder);
    write_json(proof_file, forged);
    snprintf(words, sizeof words, "%s --chain %s", proof_file, path);
    EXPECT(RIGHT, words);
    snprintf(words, sizeof words, "%s --chain %s --node http://127.0.0.1:%u", proof_file, path,
             pool.node_port);
    EXPECT(SPLIT, words);
    assert_non_null(strstr(text, "others were shown a different chain of proofs"));
    json_decref(forged);
    json_decref(other);
    snprintf(proof_file, sizeof proof_file, "%s/proof.json", pool.folder);
}

static void omitted_work_is_noticed(void **state)
{
    (void)state;
    struct proof proof;
    struct error error;
    char words[300], work[U128_TEXT_BYTES];
    assert_true(proof_json_read(document, &proof, &error));
    u128_format(proof.leaf.sums.work, work);
    snprintf(words, sizeof words, "%s --work %s", proof_file, work);
    EXPECT(RIGHT, words);
    u128_format(proof.leaf.sums.work + 1, work);
    snprintf(words, sizeof words, "%s --work %s", proof_file, work);
    EXPECT(OMITTED, words);
    strncat(words, " --chain /nowhere", sizeof words - strlen(words) - 1);
    EXPECT(OMITTED, words); /* also where the rest cannot be read */
}

/* Who knows a key of before follows the links to the one that signed, offline, and no further than
 * both keys say. */
static void follow_keys(json_t *kept, const char *proof_path, const char *receipts_file)
{
    char before_file[120], now_file[120], before_hex[65], words[900];
    struct error error;
    struct receipt_link link = { .time_ms = UINT64_C(1700000000000) };
    uint8_t digest[RECEIPT_HASH_BYTES], bytes[RECEIPT_LINK_BYTES];
    snprintf(before_file, sizeof before_file, "%s/before.key", pool.folder);
    snprintf(now_file, sizeof now_file, "%s/receipt-key-1", pool.data);
    struct token_signer *before = token_signer_open(before_file, &error);
    struct token_signer *now = token_signer_open(now_file, &error);
    assert_non_null(before);
    assert_non_null(now);
    token_signer_public(before, link.from);
    token_signer_public(now, link.to);
    hex_encode(span_of(link.from, sizeof link.from), before_hex);
    receipt_link_digest(&link, digest);
    token_sign_bytes(before, span_of(digest, sizeof digest), link.from_signature);
    token_sign_bytes(now, span_of(digest, sizeof digest), link.to_signature);
    snprintf(words, sizeof words, "%s --receipts %s --key %s", proof_path, receipts_file,
             before_hex);
    EXPECT(RIGHT, words); /* of another key, as far as is known */
    assert_non_null(strstr(text, "of other accounts or keys"));
    json_t *links = json_array();
    receipt_link_encode(&link, bytes);
    json_array_append_new(links, proof_json_hex(span_of(bytes, sizeof bytes)));
    json_object_set(kept, "key_links", links);
    write_json(receipts_file, kept);
    EXPECT(OMITTED, words);
    assert_non_null(strstr(text, "in a chain of keys with one that you gave"));
    link.to_signature[0] ^= 1; /* somebody claims the pool's key for his own */
    receipt_link_encode(&link, bytes);
    json_array_set_new(links, 0, proof_json_hex(span_of(bytes, sizeof bytes)));
    write_json(receipts_file, kept);
    EXPECT(WRONG, words);
    assert_non_null(strstr(text, "links are not signed as they say"));
    json_decref(links);
    json_object_del(kept, "key_links");
    write_json(receipts_file, kept);
    token_signer_close(before);
    token_signer_close(now);
}

/* A sound tree of a window in which the account did next to nothing. */
static void write_belittled(struct proof *proof, char *path_r, size_t bytes)
{
    proof->leaf.sums.work = 1;
    proof->leaf.sums.amount = proof->statement.reward - proof->statement.fee;
    proof_leaf_node(&proof->leaf, &proof->statement.root);
    proof->statement.accounts = 1;
    proof->place = proof->path_length = 0;
    json_t *forged = proof_json_of(proof);
    snprintf(path_r, bytes, "%s/forged.json", pool.folder);
    write_json(path_r, forged);
    json_decref(forged);
}

/* The shares were signed for when they were accepted; nobody has to be asked what they were. */
static void shares_that_were_signed_for_cannot_be_omitted(void **state)
{
    (void)state;
    struct proof proof;
    struct error error;
    char url[300], words[900], path[96], receipts_file[96];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/api/v1/accounts/%s/receipts", pool.api_port,
             name);
    snprintf(words, sizeof words, "%s --receipts %s", proof_file, url);
    EXPECT(RIGHT, words);
    assert_non_null(strstr(text, "were signed for, all within the proven"));
    assert_null(strstr(text, "receipts: 0 shares"));
    assert_non_null(strstr(text, "which the pool announces"));
    assert_null(strstr(text, "does not announce"));
    /* The pool makes a sound tree, of a window in which the account did next to nothing. */
    assert_true(proof_json_read(document, &proof, &error));
    write_belittled(&proof, path, sizeof path);
    EXPECT(RIGHT, path);
    snprintf(words, sizeof words, "%s --receipts %s", path, url);
    EXPECT(OMITTED, words);
    /* Receipts that the miner kept do the same; of another key they count for nothing. */
    snprintf(words, sizeof words, "/api/v1/accounts/%s/receipts", name);
    json_t *kept = ask(words);
    snprintf(receipts_file, sizeof receipts_file, "%s/receipts.json", pool.folder);
    assert_true(json_array_size(json_object_get(kept, "receipts")) > 0);
    write_json(receipts_file, kept);
    const char *key = json_string_value(json_object_get(kept, "key"));
    snprintf(words, sizeof words, "%s --receipts %s --key %s", path, receipts_file, key);
    EXPECT(OMITTED, words);
    snprintf(words, sizeof words, "%s --receipts %s --key %064d", path, receipts_file, 1);
    EXPECT(RIGHT, words);
    snprintf(words, sizeof words, "receipt %s --key %s", receipts_file, key);
    EXPECT(RIGHT, words);
    follow_keys(kept, path, receipts_file);
    /* One with more work than was signed for. */
    uint8_t bytes[RECEIPT_BYTES_MAX];
    struct receipt receipt;
    size_t length;
    json_t *list = json_object_get(kept, "receipts");
    assert_true(proof_json_bytes(json_array_get(list, 0), bytes, sizeof bytes, &length));
    assert_true(receipt_decode(span_of(bytes, length), &receipt));
    receipt.share.work++;
    length = receipt_encode(&receipt, bytes);
    json_array_set_new(list, 0, proof_json_hex(span_of(bytes, length)));
    write_json(receipts_file, kept);
    snprintf(words, sizeof words, "receipt %s", receipts_file);
    EXPECT(WRONG, words);
    json_decref(kept);
}

/* A client of Stratum that asked for them gets the receipts of its account, whoever's shares. */
static void a_miner_that_subscribes_is_sent_receipts(void **state)
{
    (void)state;
    char lines[600], path[96], words[200], *line = NULL;
    size_t capacity = 0;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)pool.stratum_port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 60 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    snprintf(lines, sizeof lines,
             "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n"
             "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"x\"]}\n"
             "{\"id\":3,\"method\":\"adit.receipts.subscribe\",\"params\":[]}\n",
             name);
    assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
    FILE *stream = fdopen(fd, "r");
    const char *hex = NULL;
    json_t *message = NULL;
    while (hex == NULL && getline(&line, &capacity, stream) > 0) {
        json_decref(message);
        message = json_loads(line, 0, NULL);
        const char *method = json_string_value(json_object_get(message, "method"));
        if (method != NULL && strcmp(method, "adit.receipt") == 0)
            hex = json_string_value(json_array_get(json_object_get(message, "params"), 0));
    }
    assert_non_null(hex);
    json_t *kept = json_pack("{s:[s]}", "receipts", hex);
    snprintf(path, sizeof path, "%s/kept.json", pool.folder);
    write_json(path, kept);
    snprintf(words, sizeof words, "receipt %s", path);
    EXPECT(RIGHT, words);
    assert_non_null(strstr(text, "receipts: 1 shares of"));
    json_decref(kept);
    json_decref(message);
    free(line);
    fclose(stream);
}

/* The newest proof of bought work; NULL. Caller owns. */
static json_t *newest_stretch(const struct pool_fixture *self)
{
    char path[300];
    snprintf(path, sizeof path, "/api/v1/accounts/%s/proofs", name);
    json_t *answer = pool_api(self, path);
    const json_t *newest = json_array_get(json_object_get(answer, "proofs"), 0);
    json_t *proof = NULL;
    if (json_object_get(newest, "stretch") != NULL) {
        snprintf(path, sizeof path, "/api/v1/accounts/%s/proofs/%lld", name,
                 (long long)json_integer_value(json_object_get(newest, "number")));
        proof = pool_api(self, path);
    }
    json_decref(answer);
    return proof;
}

/* Some stretches further on, so that there are some to follow each other. */
static bool has_bought(const struct pool_fixture *self, void *context)
{
    static unsigned looks;
    json_t **proof = context;
    if (looks++ % 10 != 0) /* twice a second: who asks too often is told to wait */
        return false;
    json_decref(*proof);
    *proof = newest_stretch(self);
    const char *number =
        json_string_value(json_object_get(json_object_get(*proof, "statement"), "stretch"));
    return number != NULL && strtoul(number, NULL, 10) >= 4;
}

static bool is_signed_for(const struct pool_fixture *self, void *context)
{
    (void)self;
    EXPECT(RIGHT, (const char *)context);
    return strstr(text, "were signed for, all within the proven") != NULL &&
           strstr(text, "receipts: 0 shares") == NULL;
}

/* From now on the reserve buys the work. */
static void switch_to_pps(void)
{
    char command[400];
    pool_stop(&pool);
    json_t *config = json_load_file(pool.config, 0, NULL), *changes;
    changes = json_loads("{\"reward\": {\"scheme\": \"pps\", \"block_reward\": 9000000000000000,"
                         " \"stretch_s\": 1}, \"payout\": {\"segment_lag_s\": 0}}",
                         0, NULL);
    assert_true(config != NULL && changes != NULL);
    assert_int_equal(json_object_update_recursive(config, changes), 0);
    write_json(pool.config, config);
    json_decref(config);
    json_decref(changes);
    pool_restart(&pool);
    snprintf(
        command, sizeof command,
        "%s/bin/adit payout --config %s --data %s fund 1 4000000000000000000 >%s/fund.log 2>&1",
        getenv("ADIT_BUILD"), pool.config, pool.data, pool.folder);
    assert_int_equal(system(command), 0);
    pool_add_miner(&pool, name, 40000);
}

/* The chain as it was shown, but for a stretch that begins later than the one before it ended. */
static void forge_gap(const char *path)
{
    struct error error;
    uint8_t head[PROOF_HASH_BYTES] = { 0 };
    size_t index;
    json_t *entry, *chain = json_load_file(chain_file, 0, NULL), *list = json_array();
    unsigned stretches = 0;
    json_array_foreach(json_object_get(chain, "proofs"), index, entry)
    {
        struct proof_statement statement;
        assert_true(proof_json_read_statement(entry, &statement, &error));
        stretches += proof_stretch_of(&statement) != 0;
        if (stretches == 2)
            statement.oldest = statement.newest;
        memcpy(statement.previous, head, sizeof head);
        proof_head(&statement, head);
        json_array_append_new(list, proof_json_of_statement(&statement));
    }
    json_decref(chain);
    chain = json_pack("{s:o}", "proofs", list);
    write_json(path, chain);
    json_decref(chain);
}

static void work_that_was_bought_is_proven_and_cannot_be_omitted(void **state)
{
    (void)state;
    struct proof proof;
    struct error error;
    char words[900], url[300], path[96];
    json_t *bought = NULL;
    switch_to_pps();
    pool_wait(&pool, "stretches of the account's work are bought and proven", 90, has_bought,
              &bought);
    write_json(proof_file, bought);
    fetch_chain();
    snprintf(url, sizeof url, "http://127.0.0.1:%u/api/v1/accounts/%s/receipts", pool.api_port,
             name);
    snprintf(words, sizeof words, "%s --chain %s --receipts %s --node http://127.0.0.1:%u",
             proof_file, chain_file, url, pool.node_port);
    /* The stretch is younger than a slice takes to be signed. */
    pool_wait(&pool, "the stretch's shares are signed for", 90, is_signed_for, words);
    assert_non_null(strstr(text, "of bought work (pps)"));
    assert_non_null(strstr(text, "price: as if a block of"));
    assert_non_null(strstr(text, "stretches of bought work follow each other"));
    /* The pool makes a sound tree in which the account did next to nothing. */
    assert_true(proof_json_read(bought, &proof, &error));
    uint64_t worth = proof_stretch_worth(&proof.statement);
    assert_true(worth > BLOCK_WORTH / 100 * 99 && worth < BLOCK_WORTH / 100 * 101);
    write_belittled(&proof, path, sizeof path);
    snprintf(words, sizeof words, "%s --receipts %s", path, url);
    EXPECT(OMITTED, words);
    /* Or it leaves out what lies between two stretches. */
    snprintf(path, sizeof path, "%s/gap.json", pool.folder);
    forge_gap(path);
    snprintf(words, sizeof words, "%s --chain %s", proof_file, path);
    EXPECT(SPLIT, words);
    assert_non_null(strstr(text, "does not begin where stretch"));
    json_decref(bought);
}

/* Looks twice, and then the operator is told: in the log, in the metrics, and where everybody sees.
 */
static bool is_told_short(const struct pool_fixture *self, void *context)
{
    (void)context;
    char path[128], command[400];
    snprintf(command, sizeof command,
             "%s/bin/adit payout --config %s --data %s push >%s/push.log 2>&1",
             getenv("ADIT_BUILD"), self->config, self->data, self->folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/log/payout.log", self->data);
    json_t *status = pool_api(self, "/api/v1/pool/status");
    const json_t *payout = json_object_get(json_object_get(status, "component_health"), "payout");
    const char *word = json_string_value(json_object_get(payout, "last_error"));
    bool told = pool_metric(path, "adit_payout_insolvent") > 0 && word != NULL &&
                strstr(word, "miners are owed") != NULL &&
                json_is_object(json_object_get(status, "solvency"));
    json_decref(status);
    return told;
}

static void a_wallet_with_less_than_is_owed_is_told_of(void **state)
{
    (void)state;
    static const char *const announced[] = { "solvency.short", NULL };
    pool_wait(&pool, "payout tells that the wallet is short", 90, is_told_short, NULL);
    pool_expect_no_errors(&pool, announced);
}

static size_t add_head(char *data, size_t size, size_t count, void *context)
{
    (void)context;
    size_t used = strlen(text), room = sizeof text - 1 - used;
    size_t taken = size * count < room ? size * count : room;
    memcpy(text + used, data, taken);
    text[used + taken] = '\0';
    return size * count;
}

static size_t leave_body(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

/* One GET past the fixture: its status, and its head's lines in text. */
static long get(const char *path, const char *header)
{
    char url[400];
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, header);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", pool.api_port, path);
    text[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, add_head);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, leave_body);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 60000L);
    CURLcode outcome = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (outcome != CURLE_OK)
        fail_msg("%s: %s", url, curl_easy_strerror(outcome));
    return status;
}

/* Until it is not told to wait. */
static long get_patiently(const char *path, const char *header)
{
    time_t until = time(NULL) + 60;
    long status = get(path, header);
    while (status == 429 && time(NULL) < until)
        status = get(path, header);
    return status;
}

static void a_proof_that_is_known_is_not_sent_again(void **state)
{
    (void)state;
    char path[300], header[100] = "if-none-match: ";
    const json_t *number = json_object_get(json_object_get(document, "statement"), "number");
    snprintf(path, sizeof path, "/api/v1/accounts/%s/proofs/%s", name, json_string_value(number));
    assert_int_equal(get_patiently(path, "x: y"), 200);
    const char *tag = strstr(text, "etag: ");
    assert_non_null(tag);
    strncat(header, tag + 6, strcspn(tag + 6, "\r\n"));
    assert_int_equal(get_patiently(path, header), 304);
    assert_int_equal(get_patiently(path, "if-none-match: \"other\""), 200);
}

/* The last: from here on this address is told to wait. */
static void who_asks_too_much_is_told_to_wait(void **state)
{
    (void)state;
    long status = 200;
    time_t until = time(NULL) + 60;
    while (status == 200 && time(NULL) < until)
        status = get("/api/v1/proofs?limit=1", "x: y");
    assert_int_equal(status, 429);
    assert_non_null(strstr(text, "retry-after: "));
    static const char *const announced[] = { "solvency.short", NULL };
    pool_expect_no_errors(&pool, announced);
}

static void what_cannot_be_read_is_said_so(void **state)
{
    (void)state;
    char words[300];
    EXPECT(64, "");
    EXPECT(64, "--work x");
    EXPECT(UNREADABLE, "/nowhere/at/all");
    snprintf(words, sizeof words, "http://127.0.0.1:%u/api/v1/accounts/%s/proofs/999999",
             pool.api_port, name);
    EXPECT(UNREADABLE, words);
    assert_non_null(strstr(text, "there is no proof of such a block"));
    snprintf(words, sizeof words, "%s --block %s", proof_file, chain_file);
    EXPECT(UNREADABLE, words);
    pool_expect_no_errors(&pool, NULL);
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool, NULL, true);
    json_t *address = pool_node(&pool, "getnewaddress", "[]");
    snprintf(name, sizeof name, "%s", json_string_value(address));
    json_decref(address);
    pool_add_miner(&pool, name, 40000);
    snprintf(proof_file, sizeof proof_file, "%s/proof.json", pool.folder);
    snprintf(chain_file, sizeof chain_file, "%s/chain.json", pool.folder);
    snprintf(block_file, sizeof block_file, "%s/block.hex", pool.folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    json_decref(document);
    pool_end(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_fetches_a_proof_that_holds_offline),
        cmocka_unit_test(later_blocks_carry_the_head_in_their_coinbase),
        cmocka_unit_test(a_tampered_proof_is_noticed),
        cmocka_unit_test(a_split_view_is_noticed),
        cmocka_unit_test(omitted_work_is_noticed),
        cmocka_unit_test(shares_that_were_signed_for_cannot_be_omitted),
        cmocka_unit_test(a_miner_that_subscribes_is_sent_receipts),
        cmocka_unit_test(a_proof_that_is_known_is_not_sent_again),
        cmocka_unit_test(what_cannot_be_read_is_said_so),
        cmocka_unit_test(work_that_was_bought_is_proven_and_cannot_be_omitted),
        cmocka_unit_test(a_wallet_with_less_than_is_owed_is_told_of),
        cmocka_unit_test(who_asks_too_much_is_told_to_wait),
    };
    return cmocka_run_group_tests_name("proofs of payouts", tests, begin, end);
}
