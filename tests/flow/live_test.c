/* The stream of a whole pool's news, by a stock client (libcurl): what happens is told, is as
 * docs/api/openapi.yaml has it, and is what the API says; who comes back misses nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/api/contract.h"
#include "tests/fixture/pool_fixture.h"

#include <ctype.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { STREAM_BYTES = 1 << 20, WAIT_S = 120 };

static struct pool_fixture pool;
static struct contract *contract;
static char miner_address[128];

struct stream {
    CURLM *multi;
    CURL *curl;
    struct curl_slist *headers;
    char *bytes; /* not parsed yet */
    size_t length;
    char last_id[64];
    json_t *events; /* [{event, data}] */
    bool ended;
};

/* One event, or a comment. */
static void take(struct stream *stream, char *text)
{
    char name[32] = "", schema[48], why[600];
    json_t *data = NULL;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "event: ", 7) == 0)
            snprintf(name, sizeof name, "%s", line + 7);
        else if (strncmp(line, "id: ", 4) == 0)
            snprintf(stream->last_id, sizeof stream->last_id, "%s", line + 4);
        else if (strncmp(line, "data: ", 6) == 0)
            data = json_loads(line + 6, 0, NULL);
        else
            assert_true(line[0] == ':' || strcmp(line, "retry: 3000") == 0);
    }
    if (name[0] == '\0')
        return;
    assert_non_null(data);
    snprintf(schema, sizeof schema, "Live%c%s", toupper((unsigned char)name[0]), name + 1);
    if (!contract_fits(contract, schema, data, why, sizeof why))
        fail_msg("%s: %s", schema, why);
    json_array_append_new(stream->events, json_pack("{s:s, s:o}", "event", name, "data", data));
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct stream *stream = context;
    const size_t bytes = size * count;
    assert_true(stream->length + bytes < STREAM_BYTES);
    memcpy(stream->bytes + stream->length, data, bytes);
    stream->length += bytes;
    stream->bytes[stream->length] = '\0';
    for (char *end; (end = strstr(stream->bytes, "\n\n")) != NULL;) {
        const size_t used = (size_t)(end - stream->bytes) + 2;
        *end = '\0';
        take(stream, stream->bytes);
        memmove(stream->bytes, stream->bytes + used, stream->length - used + 1);
        stream->length -= used;
    }
    return bytes;
}

static void open_stream(struct stream *stream, const char *query, const char *last_id)
{
    char url[400], header[128];
    *stream = (struct stream){ .multi = curl_multi_init(),
                               .curl = curl_easy_init(),
                               .bytes = calloc(1, STREAM_BYTES),
                               .events = json_array() };
    assert_true(stream->multi != NULL && stream->curl != NULL && stream->bytes != NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/api/v1/live%s", pool.api_port, query);
    snprintf(header, sizeof header, "Last-Event-ID: %s", last_id);
    if (last_id[0] != '\0')
        stream->headers = curl_slist_append(NULL, header);
    curl_easy_setopt(stream->curl, CURLOPT_URL, url);
    curl_easy_setopt(stream->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(stream->curl, CURLOPT_HTTPHEADER, stream->headers);
    curl_easy_setopt(stream->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(stream->curl, CURLOPT_WRITEDATA, stream);
    assert_int_equal(curl_multi_add_handle(stream->multi, stream->curl), CURLM_OK);
}

static void close_stream(struct stream *stream)
{
    curl_multi_remove_handle(stream->multi, stream->curl);
    curl_easy_cleanup(stream->curl);
    curl_multi_cleanup(stream->multi);
    curl_slist_free_all(stream->headers);
    json_decref(stream->events);
    free(stream->bytes);
}

static void turn(struct stream *stream)
{
    int running = 0;
    assert_int_equal(curl_multi_perform(stream->multi, &running), CURLM_OK);
    stream->ended = running == 0;
}

/* The newest event of that name, and where `word` is one that says so in "event"; NULL: none yet.
 * Borrowed. */
static const json_t *newest(const struct stream *stream, const char *name, const char *word)
{
    for (size_t i = json_array_size(stream->events); i-- > 0;) {
        const json_t *entry = json_array_get(stream->events, i);
        const json_t *data = json_object_get(entry, "data");
        const char *event = json_string_value(json_object_get(data, "event"));
        if (strcmp(json_string_value(json_object_get(entry, "event")), name) == 0 &&
            (word == NULL || (event != NULL && strcmp(event, word) == 0)))
            return data;
    }
    return NULL;
}

struct awaited {
    struct stream *stream;
    const char *name, *word;
};

static bool was_told(const struct pool_fixture *self, void *context)
{
    const struct awaited *awaited = context;
    (void)self;
    turn(awaited->stream);
    assert_false(awaited->stream->ended);
    return newest(awaited->stream, awaited->name, awaited->word) != NULL;
}

static const json_t *await(struct stream *stream, const char *name, const char *word)
{
    struct awaited awaited = { stream, name, word };
    char what[96];
    snprintf(what, sizeof what, "the stream tells \"%s\" %s", name, word != NULL ? word : "");
    pool_wait(&pool, what, WAIT_S, was_told, &awaited);
    return newest(stream, name, word);
}

static void expect_same(const json_t *a, const json_t *b, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (!json_equal(json_object_get(a, *keys), json_object_get(b, *keys)))
            fail_msg("\"%s\" is another in the API", *keys);
}

/* The entry of a list that has the same value there. */
static const json_t *entry_of(const json_t *list, const char *key, const json_t *like)
{
    size_t index;
    const json_t *entry;
    json_array_foreach(list, index, entry)
    {
        if (json_equal(json_object_get(entry, key), json_object_get(like, key)))
            return entry;
    }
    fail_msg("the API's list has no such \"%s\"", key);
    return NULL;
}

static void expect_block(const json_t *told)
{
    static const char *const keys[] = { "hash",     "height",       "reward", "generation", "time",
                                        "found_ms", "network_work", "finder", "worker",     NULL };
    const json_t *block = json_object_get(told, "block");
    json_t *answer = pool_api(&pool, "/api/v1/blocks?limit=500");
    expect_same(block, entry_of(json_object_get(answer, "blocks"), "hash", block), keys);
    json_decref(answer);
}

static json_t *api_of_account(const char *rest)
{
    char path[256];
    snprintf(path, sizeof path, "/api/v1/accounts/%s%s", miner_address, rest);
    json_t *answer = pool_api(&pool, path);
    assert_non_null(answer);
    return answer;
}

static bool account_is_known(const struct pool_fixture *self, void *context)
{
    char path[256];
    (void)context;
    snprintf(path, sizeof path, "/api/v1/accounts/%s/workers", miner_address);
    json_t *answer = pool_api(self, path);
    const bool yes = json_array_size(json_object_get(answer, "workers")) > 0;
    json_decref(answer);
    return yes;
}

static bool account_and_worker_are_even(const struct pool_fixture *self, void *context)
{
    static const char *const keys[] = { "shares_accepted", "last_share" };
    struct stream *stream = context;
    (void)self;
    turn(stream);
    json_t *account = api_of_account(""), *workers = api_of_account("/workers");
    const json_t *worker = json_array_get(json_object_get(workers, "workers"), 0);
    const json_t *told =
        json_array_get(json_object_get(newest(stream, "workers", NULL), "workers"), 0);
    bool even = true;
    for (size_t i = 0; i < 2; i++)
        even = even &&
               json_equal(json_object_get(newest(stream, "account", NULL), keys[i]),
                          json_object_get(account, keys[i])) &&
               json_equal(json_object_get(told, keys[i]), json_object_get(worker, keys[i])) &&
               json_equal(json_object_get(told, "name"), json_object_get(worker, "name"));
    json_decref(account);
    json_decref(workers);
    return even;
}

static void what_happens_is_told_and_is_what_the_api_says(void **state)
{
    (void)state;
    struct stream all, mine;
    char query[200], user[200];
    snprintf(user, sizeof user, "%s.rig1", miner_address);
    snprintf(query, sizeof query, "?account=%s", miner_address);
    open_stream(&all, "", "");
    const json_t *hello = await(&all, "hello", NULL);
    assert_true(json_is_false(json_object_get(hello, "resumed")));
    assert_true(json_is_true(json_object_get(hello, "leads")));
    (void)await(&all, "job", NULL);
    (void)await(&all, "shares", NULL);
    const size_t miner = pool_add_miner(&pool, user, 60000);
    pool_wait(&pool, "the miner is known", WAIT_S, account_is_known, NULL);
    open_stream(&mine, query, "");
    assert_string_equal(json_string_value(json_object_get(await(&mine, "hello", NULL), "account")),
                        miner_address);
    expect_block(await(&all, "block", "found"));
    expect_block(await(&all, "block", "matured"));
    assert_string_equal(
        json_string_value(json_object_get(
            json_array_get(json_object_get(await(&mine, "workers", NULL), "workers"), 0), "name")),
        "rig1");
    static const char *const paid_keys[] = {
        "number", "amount", "address", "created", "txid", NULL
    };
    const json_t *paid = json_object_get(await(&mine, "paid", "confirmed"), "payment");
    json_t *payments = api_of_account("/payments?limit=500");
    expect_same(paid, entry_of(json_object_get(payments, "payments"), "number", paid), paid_keys);
    json_decref(payments);
    (void)await(&all, "payment", "sent");
    (void)await(&all, "payment", "confirmed");
    assert_null(newest(&all, "paid", NULL));
    assert_null(newest(&all, "account", NULL));
    struct pool_miner_report report;
    pool_end_miner(&pool, miner, &report);
    pool_wait(&pool, "stream and API say the same of the account", WAIT_S,
              account_and_worker_are_even, &mine);
    close_stream(&all);
    close_stream(&mine);
}

/* The sequence numbers of the blocks' events behind one, as they came. Caller owns. */
static json_t *sequences(const struct stream *stream, json_int_t after)
{
    size_t index;
    const json_t *entry;
    json_t *list = json_array();
    json_array_foreach(stream->events, index, entry)
    {
        json_t *sequence = json_object_get(json_object_get(entry, "data"), "sequence");
        if (sequence != NULL && json_integer_value(sequence) > after)
            json_array_append(list, sequence);
    }
    return list;
}

struct behind {
    struct stream *stream;
    json_int_t after;
    size_t wanted;
};

static bool so_many_came(const struct pool_fixture *self, void *context)
{
    const struct behind *behind = context;
    (void)self;
    turn(behind->stream);
    assert_false(behind->stream->ended);
    json_t *list = sequences(behind->stream, behind->after);
    const bool yes = json_array_size(list) >= behind->wanted;
    json_decref(list);
    return yes;
}

static bool is_over(const struct pool_fixture *self, void *context)
{
    (void)self;
    turn(context);
    return ((struct stream *)context)->ended;
}

static bool api_is_back(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *answer = pool_api(self, "/api/v1/pool/status");
    json_decref(answer);
    return answer != NULL;
}

static void who_comes_back_misses_nothing(void **state)
{
    (void)state;
    struct stream whole, part;
    char last_id[64];
    open_stream(&whole, "?kinds=block", "");
    (void)await(&whole, "hello", NULL);
    open_stream(&part, "?kinds=block", "");
    (void)await(&part, "block", NULL);
    json_t *had = sequences(&part, 0);
    const json_int_t after = json_integer_value(json_array_get(had, json_array_size(had) - 1));
    json_decref(had);
    snprintf(last_id, sizeof last_id, "%s", part.last_id);
    close_stream(&part);
    struct behind behind = { &whole, after, 3 };
    pool_wait(&pool, "more is told while one is away", WAIT_S, so_many_came, &behind);
    open_stream(&part, "?kinds=block", last_id);
    assert_true(json_is_true(json_object_get(await(&part, "hello", NULL), "resumed")));
    json_t *all = sequences(&whole, after);
    behind = (struct behind){ &part, after, json_array_size(all) };
    pool_wait(&pool, "who was away has all of it", WAIT_S, so_many_came, &behind);
    json_t *got = sequences(&part, after);
    for (size_t i = 0; i < json_array_size(all); i++)
        assert_true(json_equal(json_array_get(all, i), json_array_get(got, i)));
    json_decref(all);
    json_decref(got);
    close_stream(&whole);
    /* Another process knows nothing of that id, and says so. */
    snprintf(last_id, sizeof last_id, "%s", part.last_id);
    (void)pool_signal(&pool, "inode-scheduler", "1", SIGKILL);
    pool_wait(&pool, "the stream ends with the scheduler", WAIT_S, is_over, &part);
    close_stream(&part);
    pool_wait(&pool, "the scheduler is back", WAIT_S, api_is_back, NULL);
    open_stream(&part, "", last_id);
    assert_true(json_is_false(json_object_get(await(&part, "hello", NULL), "resumed")));
    (void)await(&part, "job", NULL);
    (void)await(&part, "block", "found");
    close_stream(&part);
}

/* The status of an answer that is no stream, held against the contract. */
static void expect_refused(const char *query, int status, bool later)
{
    struct stream stream;
    char path[256], why[600], *type = NULL;
    long code = 0;
    struct curl_header *header = NULL;
    snprintf(path, sizeof path, "/api/v1/live%s", query);
    open_stream(&stream, query, "");
    /* its body has no empty line: it stays in the buffer */
    pool_wait(&pool, "the answer", WAIT_S, is_over, &stream);
    curl_easy_getinfo(stream.curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(stream.curl, CURLINFO_CONTENT_TYPE, &type);
    assert_int_equal(code, status);
    json_t *document = json_loads(stream.bytes, 0, NULL);
    const struct contract_answer answer = { .method = "get",
                                            .path = "/api/v1/live",
                                            .status = status,
                                            .content_type = type,
                                            .document = document };
    if (!contract_check(contract, &answer, why, sizeof why))
        fail_msg("%s: %s", why, stream.bytes);
    assert_int_equal(curl_easy_header(stream.curl, "retry-after", 0, CURLH_HEADER, -1, &header),
                     later ? CURLHE_OK : CURLHE_MISSING);
    json_decref(document);
    close_stream(&stream);
}

static void nonsense_and_too_many_are_answered(void **state)
{
    (void)state;
    struct stream streams[4];
    expect_refused("?kinds=jobs", 400, false);
    expect_refused("?kinds=", 400, false);
    expect_refused("?kinds=job%2", 400, false);
    expect_refused("?account=nobody.mined.here", 404, false);
    expect_refused("?account=%00", 400, false);
    for (size_t i = 0; i < 4; i++) {
        open_stream(&streams[i], "", "");
        (void)await(&streams[i], "hello", NULL);
    }
    expect_refused("", 429, true);
    expect_refused("?account=nobody.mined.here", 429, true);
    for (size_t i = 0; i < 4; i++)
        close_stream(&streams[i]);
}

static int begin(void **state)
{
    (void)state;
    contract = contract_open();
    assert_non_null(contract);
    pool_start(&pool,
               "{\"scheduler\":{\"live_address_max\":4},\"devnode\":{\"block_interval_s\":2}}",
               true);
    json_t *address = pool_node(&pool, "getnewaddress", "[]");
    snprintf(miner_address, sizeof miner_address, "%s", json_string_value(address));
    json_decref(address);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    pool_end(&pool);
    contract_close(contract);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_is_told_and_is_what_the_api_says),
        cmocka_unit_test(nonsense_and_too_many_are_answered),
        cmocka_unit_test(who_comes_back_misses_nothing),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
