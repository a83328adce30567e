/* The process itself, beside a real redis-server and devnode: how it starts, what it answers over
 * HTTP, how it fails to start and how it stops. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adapter/store_open/store_open.h"
#include "adapter/token_sodium/token.h"
#include "core/coin/coin.h"
#include "record/withdrawal/withdrawal.h"
#include "services/inode-scheduler/api.h"
#include "services/inode-scheduler/testing/pages.h"
#include "tests/api/contract.h"

enum { DEADLINE_MS = 60000, TEXT_BYTES = 4096, REPLY_BYTES = 1 << 18 };

struct fixture {
    char folder[64];
    char node_url[128];
    char address[128];
    char http[128]; /* where the scheduler answers */
    pid_t redis, node, scheduler;
    struct contract *contract;
};

#define SECRET "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static char *const *const no_settings = NULL;

static void pause_ms(long ms)
{
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&pause, NULL);
}

static void path_of(const struct fixture *f, const char *name, char path_r[TEXT_BYTES])
{
    snprintf(path_r, TEXT_BYTES, "%s/%s", f->folder, name);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[TEXT_BYTES];
    path_of(f, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static bool read_file(const struct fixture *f, const char *name, char *text_r, size_t bytes)
{
    char path[TEXT_BYTES];
    path_of(f, name, path);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text_r, 1, bytes - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text_r[length] = '\0';
    return length > 0;
}

/* Starts a program whose output goes to FOLDER/log; it dies with us. `settings` are name=value
 * pairs for its environment. */
static pid_t start(const struct fixture *f, const char *log, char *const arguments[],
                   char *const settings[])
{
    char path[TEXT_BYTES];
    path_of(f, log, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    pid_t pid = fork();
    if (pid != 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fd, 1);
    dup2(fd, 2);
    for (; settings != NULL && *settings != NULL; settings++)
        putenv(*settings);
    execvp(arguments[0], arguments);
    _exit(127);
}

static void end(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

/* The exit code; -1 when it still runs after the deadline. */
static int wait_exit(pid_t *pid)
{
    for (int waited = 0; waited < DEADLINE_MS; waited += 10) {
        int status;
        if (waitpid(*pid, &status, WNOHANG) == *pid) {
            *pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        }
        pause_ms(10);
    }
    return -1;
}

struct reply {
    char text[REPLY_BYTES];
    size_t length;
    long status;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct reply *reply = context;
    size_t bytes = size * count;
    if (bytes >= REPLY_BYTES - reply->length)
        return 0;
    memcpy(reply->text + reply->length, data, bytes);
    reply->length += bytes;
    reply->text[reply->length] = '\0';
    return bytes;
}

/* `header`: one more of the request; NULL: none. */
static bool fetch_with(const char *url, const char *header, const char *body, struct reply *reply_r)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = header != NULL ? curl_slist_append(NULL, header) : NULL;
    memset(reply_r, 0, sizeof *reply_r);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 30000L);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply_r);
    bool ok = curl_easy_perform(curl) == CURLE_OK;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply_r->status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return ok;
}

static bool fetch(const char *url, const char *body, struct reply *reply_r)
{
    return fetch_with(url, NULL, body, reply_r);
}

/* The document of an answer, which is as docs/api/openapi.yaml has it. */
static json_t *get_with(const struct fixture *f, const char *path, const char *header, long status)
{
    static struct reply reply;
    char url[512], bare[256], why[1024];
    json_error_t trouble;
    snprintf(url, sizeof url, "http://%s%s", f->http, path);
    assert_true(fetch_with(url, header, NULL, &reply));
    if (reply.status != status)
        fail_msg("%s: %ld %s", path, reply.status, reply.text);
    json_t *document = json_loads(reply.text, 0, &trouble);
    if (document == NULL)
        fail_msg("%s: no JSON: %s", path, reply.text);
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(path, "?"), path);
    const struct contract_answer answer = { .method = "get",
                                            .path = bare,
                                            .status = (int)status,
                                            .content_type = status == 200
                                                                ? "application/json"
                                                                : "application/problem+json",
                                            .document = document };
    if (contract_has(f->contract, "get", bare) &&
        !contract_check(f->contract, &answer, why, sizeof why))
        fail_msg("%s", why);
    return document;
}

static json_t *get(const struct fixture *f, const char *path, long status)
{
    return get_with(f, path, NULL, status);
}

static void new_address(const struct fixture *f, char address_r[128])
{
    static struct reply reply;
    json_error_t trouble;
    assert_true(
        fetch(f->node_url, "{\"id\":1,\"method\":\"getnewaddress\",\"params\":[]}", &reply));
    json_t *answer = json_loads(reply.text, 0, &trouble);
    snprintf(address_r, 128, "%s", json_string_value(json_object_get(answer, "result")));
    json_decref(answer);
}

static void start_node(struct fixture *f)
{
    char program[TEXT_BYTES], data[TEXT_BYTES], endpoint[96];
    snprintf(program, sizeof program, "%s/bin/devnode", getenv("ADIT_BUILD"));
    path_of(f, "node", data);
    char *const arguments[] = { program,        "--listen",       "127.0.0.1:0", "--data", data,
                                "--fixed-bits", "--initial-bits", "207fffff",    NULL };
    f->node = start(f, "node.log", arguments, no_settings);
    for (int i = 0; i < 6000 && !read_file(f, "node/endpoint", endpoint, sizeof endpoint); i++)
        pause_ms(10);
    endpoint[strcspn(endpoint, "\r\n")] = '\0';
    snprintf(f->node_url, sizeof f->node_url, "http://%s", endpoint);
    new_address(f, f->address);
}

static void start_redis(struct fixture *f)
{
    char socket[TEXT_BYTES];
    path_of(f, "run/redis.sock", socket);
    char *const arguments[] = { "redis-server", "--port",  "0",
                                "--unixsocket", socket,    "--appendonly",
                                "no",           "--save",  "",
                                "--dir",        f->folder, "--maxmemory-policy",
                                "noeviction",   NULL };
    f->redis = start(f, "redis.log", arguments, no_settings);
    for (int i = 0; i < 6000 && access(socket, F_OK) != 0; i++)
        pause_ms(10);
}

static void write_settings(struct fixture *f)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "{\"chain\":{\"nodes\":[\"%s\"],\"address\":\"%s\"},"
             "\"scheduler\":{\"http_address\":\"127.0.0.1:0\",\"admin_address\":\"127.0.0.1:0\"}}",
             f->node_url, f->address);
    write_file(f, "settings.json", text);
}

static pid_t start_one(const struct fixture *f, const char *log, char *const settings[])
{
    char program[TEXT_BYTES], config[TEXT_BYTES];
    snprintf(program, sizeof program, "%s/bin/inode-scheduler", getenv("ADIT_BUILD"));
    path_of(f, "settings.json", config);
    char *const arguments[] = { program, "--config", config, "--data", (char *)f->folder, NULL };
    return start(f, log, arguments, settings);
}

static pid_t start_scheduler(struct fixture *f, char *const settings[])
{
    return f->scheduler = start_one(f, "scheduler.log", settings);
}

/* Waits for a line of the log; what stands behind `mark` up to a space goes to value_r. */
static void await_in(const struct fixture *f, const char *name, const char *mark, char *value_r,
                     size_t bytes)
{
    static char log[1 << 16];
    for (int waited = 0; waited < DEADLINE_MS; waited += 20) {
        const char *found = NULL;
        if (read_file(f, name, log, sizeof log))
            found = strstr(log, mark);
        if (found != NULL && strchr(found, '\n') != NULL) {
            found += strlen(mark);
            if (value_r != NULL)
                snprintf(value_r, bytes, "%.*s", (int)strcspn(found, " \n"), found);
            return;
        }
        pause_ms(20);
    }
    fail_msg("no \"%s\" in the log:\n%s", mark, log);
}

static void await(const struct fixture *f, const char *mark, char *value_r, size_t bytes)
{
    await_in(f, "scheduler.log", mark, value_r, bytes);
}

static void start_with(struct fixture *f, char *const settings[])
{
    start_scheduler(f, settings);
    await(f, "http.listen address=", f->http, sizeof f->http);
    await(f, "job.published", NULL, 0);
}

static void start_well(struct fixture *f)
{
    start_with(f, NULL);
}

static void stop_well(struct fixture *f)
{
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    kill(f->scheduler, SIGTERM);
    assert_int_equal(wait_exit(&f->scheduler), 0);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_true(ended.tv_sec - began.tv_sec < 9); /* a call to a hanging node would take ten */
}

static int open_fixture(void **state)
{
    char path[TEXT_BYTES];
    const char *build = getenv("ADIT_BUILD");
    static const char *const programs[] = { "inode-scheduler", "devnode" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/bin/%s", build != NULL ? build : ".", programs[i]);
        if (access(path, X_OK) != 0) {
            printf("SKIPPED: %s is not built\n", path);
            exit(77);
        }
    }
    struct fixture *f = calloc(1, sizeof *f);
    f->contract = contract_open();
    assert_non_null(f->contract);
    snprintf(f->folder, sizeof f->folder, "/tmp/adit-sched-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    path_of(f, "run", path);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(f, "secret", SECRET "\n");
    start_node(f);
    start_redis(f);
    write_settings(f);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];
    end(&f->scheduler);
    end(&f->node);
    end(&f->redis);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int ignored = system(command);
    (void)ignored;
    contract_close(f->contract);
    free(f);
    return 0;
}

static void expect_keys(const json_t *object, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (json_object_get(object, *keys) == NULL)
            fail_msg("the answer lacks \"%s\"", *keys);
}

static void it_answers_with_the_fields_that_are_promised(void **state)
{
    struct fixture *f = *state;
    static const char *const status_keys[] = { "status",
                                               "connected_miners",
                                               "total_shares",
                                               "valid_shares",
                                               "component_health",
                                               "last_updated",
                                               NULL };
    static const char *const component_keys[] = { "status",     "last_check", "error_count",
                                                  "last_error", "instances",  NULL };
    static const char *const statistics_keys[] = { "total_miners",
                                                   "active_miners",
                                                   "total_hashrate",
                                                   "shares_per_second",
                                                   "blocks_found",
                                                   "last_block_time",
                                                   "share_statistics",
                                                   "rejects",
                                                   "hashrate_errors",
                                                   "luck",
                                                   "exponent",
                                                   "ticker",
                                                   NULL };
    static const char *const share_keys[] = { "total_shares",     "valid_shares", "invalid_shares",
                                              "total_difficulty", "last_updated", NULL };
    static const char *const components[] = { "stratum-gateway", "share-validator",
                                              "inode-scheduler", "auth",
                                              "payout",          NULL };
    start_well(f);
    json_t *status = get(f, "/api/v1/pool/status", 200);
    expect_keys(status, status_keys);
    assert_string_equal(json_string_value(json_object_get(status, "status")), "starting");
    const json_t *health = json_object_get(status, "component_health");
    expect_keys(health, components);
    for (const char *const *name = components; *name != NULL; name++)
        expect_keys(json_object_get(health, *name), component_keys);
    json_decref(status);
    json_t *statistics = get(f, "/api/v1/pool/statistics", 200);
    expect_keys(statistics, statistics_keys);
    expect_keys(json_object_get(statistics, "share_statistics"), share_keys);
    json_decref(statistics);
    json_t *blocks = get(f, "/api/v1/blocks?limit=3", 200);
    assert_int_equal(json_array_size(json_object_get(blocks, "blocks")), 0);
    json_decref(blocks);
    json_decref(get(f, "/api/v1/validators", 200));
    json_decref(get(f, "/api/v1/pools", 200));
    char path[256];
    snprintf(path, sizeof path, "/api/v1/accounts/%s", f->address);
    json_decref(get(f, path, 404));
    json_decref(get(f, "/api/v1/accounts/%22%3C", 404));
    json_decref(get(f, "/api/v1/nothing", 404));
    stop_well(f);
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    char *headers = context;
    size_t used = strlen(headers);
    snprintf(headers + used, TEXT_BYTES - used, "%.*s", (int)(size * count), data);
    return size * count;
}

/* The answer's status; its headers as one text. */
static long fetch_headers(const struct fixture *f, const char *path, const char *known,
                          char headers_r[TEXT_BYTES])
{
    static struct reply reply;
    char url[512], condition[128];
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *list = NULL;
    memset(&reply, 0, sizeof reply);
    headers_r[0] = '\0';
    snprintf(url, sizeof url, "http://%s%s", f->http, path);
    if (known != NULL) {
        snprintf(condition, sizeof condition, "If-None-Match: %s", known);
        list = curl_slist_append(list, condition);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, headers_r);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(list);
    return status;
}

static void the_dashboard_comes_with_its_policy_and_is_not_sent_twice(void **state)
{
    struct fixture *f = *state;
    static const char *const files[][2] = {
        { "/", "text/html; charset=utf-8" },
        { "/site/style.css", "text/css; charset=utf-8" },
        { "/site/main.js", "text/javascript; charset=utf-8" },
        { "/site/favicon.svg", "image/svg+xml; charset=utf-8" },
    };
    start_well(f);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char headers[TEXT_BYTES], tag[64];
        assert_int_equal(fetch_headers(f, files[i][0], NULL, headers), 200);
        static const char *const wanted[] = { "default-src 'none'", "nosniff", "no-referrer",
                                              "cache-control: no-cache" };
        for (size_t j = 0; j < sizeof wanted / sizeof *wanted; j++)
            assert_non_null(strstr(headers, wanted[j]));
        assert_non_null(strstr(headers, files[i][1]));
        assert_null(strstr(headers, "unsafe"));
        const char *found = strstr(headers, "etag: ");
        assert_non_null(found);
        snprintf(tag, sizeof tag, "%.*s", (int)strcspn(found + 6, "\r\n"), found + 6);
        assert_int_equal(fetch_headers(f, files[i][0], tag, headers), 304);
        assert_int_equal(fetch_headers(f, files[i][0], "\"another\"", headers), 200);
    }
    json_decref(get(f, "/site/nothing.js", 404));
    json_t *series = get(f, "/api/v1/pool/series?step=3600", 200);
    assert_int_equal(json_integer_value(json_object_get(series, "step")), 3600);
    assert_true(json_is_array(json_object_get(series, "points")));
    json_decref(series);
    char path[256];
    static const char *const lists[] = { "series", "workers/x/series", "earnings.csv", "outlook" };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        snprintf(path, sizeof path, "/api/v1/accounts/%s/%s", f->address, lists[i]);
        json_decref(get(f, path, 404));
    }
    stop_well(f);
}

static struct store *open_store(const struct fixture *f)
{
    char url[TEXT_BYTES];
    struct error error = { .text = "" };
    path_of(f, "adit.db", url);
    memmove(url + strlen("sqlite:"), url, strlen(url) + 1);
    memcpy(url, "sqlite:", strlen("sqlite:"));
    struct store *store = store_open(url, 10000, &error);
    if (store == NULL || !account_declare(store, &error))
        fail_msg("%s", error.text);
    return store;
}

/* What gateways and auth do: the miner's account, paid to that address. Returns its id. */
static uint64_t pay_to(const struct fixture *f, const char *address)
{
    struct error error = { .text = "" };
    struct identity_key key;
    struct identity_account miner, paid;
    struct account account;
    const struct coin_profile *coin = coin_profile_find(span_text("devnet-blake2s"));
    assert_non_null(coin);
    assert_true(hex_decode(SECRET, strlen(SECRET), key.bytes, sizeof key.bytes));
    assert_true(identity_resolve(coin, span_text(f->address), &miner, NULL) == IDENTITY_OK &&
                identity_resolve(coin, span_text(address), &paid, NULL) == IDENTITY_OK);
    struct store *store = open_store(f);
    account_of_address(identity_account_id(&key, &miner), coin, &miner, 1, &account);
    assert_int_equal(account_bind(store, &account, &account, NULL, &error), ACCOUNT_BOUND);
    struct account_payout payout = account_payout(&account, coin);
    snprintf(payout.address, sizeof payout.address, "%.*s", (int)sizeof payout.address - 1,
             paid.canonical);
    payout.script = paid.script;
    account_set_payout(&account, coin, &payout);
    assert_int_equal(account_save(store, &account, &error), STORE_DONE);
    store_close(store);
    return account.id;
}

static bool is_paid_to(const struct fixture *f, const char *header, const char *address)
{
    static struct reply reply;
    char url[512];
    json_error_t trouble;
    snprintf(url, sizeof url, "http://%s/api/v1/accounts/%s", f->http, f->address);
    assert_true(fetch_with(url, header, NULL, &reply));
    json_t *document = json_loads(reply.text, 0, &trouble);
    const char *shown = json_string_value(json_object_get(document, "payout_address"));
    if (reply.status != 200 || shown == NULL)
        fail_msg("%ld %s", reply.status, reply.text);
    const bool yes = strcmp(shown, address) == 0;
    json_decref(document);
    return yes;
}

static void an_account_is_told_again_for_a_moment_and_anew_to_who_asks_so(void **state)
{
    struct fixture *f = *state;
    char addresses[2][128], path[256];
    bool told_again = false;
    start_well(f);
    new_address(f, addresses[0]);
    new_address(f, addresses[1]);
    pay_to(f, addresses[1]);
    snprintf(path, sizeof path, "/api/v1/accounts/%s", f->address);
    json_decref(get(f, path, 200));
    /* A machine that is slow asks twice within the second at a later turn. */
    unsigned turn = 0;
    for (int waited = 0; waited < DEADLINE_MS && !told_again; waited += 20, turn++) {
        const char *before = addresses[(turn + 1) % 2], *now = addresses[turn % 2];
        assert_true(is_paid_to(f, "Cache-Control: no-cache", before));
        pay_to(f, now);
        told_again = is_paid_to(f, NULL, before);
        assert_true(is_paid_to(f, "Cache-Control: no-cache", now));
        assert_true(is_paid_to(f, NULL, now)); /* who asks behind is told no older one */
        pause_ms(20);
    }
    assert_true(told_again);
    pay_to(f, addresses[turn % 2]);
    bool fresh = false;
    for (int waited = 0; waited < DEADLINE_MS && !fresh; waited += 20) {
        fresh = is_paid_to(f, NULL, addresses[turn % 2]);
        pause_ms(20);
    }
    assert_true(fresh);
    stop_well(f);
}

struct walked {
    const char *path; /* %s: the account */
    const char *list;
    size_t rows;      /* of the whole list */
    bool passes_over; /* a page may have fewer rows than it could, or none */
    bool grows;       /* blocks are found while it is walked */
};

/* The pages behind each other, as one array. */
static json_t *walk_pages(const struct fixture *f, const struct walked *walked, const char *path,
                          size_t limit)
{
    char asked[TEXT_BYTES], next[HTTP_PAGE_TEXT_BYTES] = "";
    json_t *rows = json_array();
    for (unsigned page = 0; page <= 4 * PAGES_ROWS; page++) {
        snprintf(asked, sizeof asked, "%s?limit=%zu%s%s", path, limit,
                 next[0] != '\0' ? "&page=" : "", next);
        json_t *answer = get(f, asked, 200);
        const json_t *part = json_object_get(answer, walked->list);
        const char *text = json_string_value(json_object_get(answer, "next"));
        size_t count = json_array_size(part);
        assert_true(count <= limit && (count == limit || text == NULL || walked->passes_over));
        assert_int_equal(json_array_extend(rows, (json_t *)part), 0);
        snprintf(next, sizeof next, "%s", text != NULL ? text : "");
        json_decref(answer);
        if (next[0] == '\0')
            return rows;
        if (page == 1 && walked->grows) { /* newer than all: no row of before is missed or twice */
            static unsigned number = 100;
            struct store *store = open_store(f);
            pages_add_block(store, number++);
            store_close(store);
        }
    }
    fail_msg("%s by %zu does not end", path, limit);
    return rows;
}

static void a_list_is_the_same_by_pages_of_any_size(void **state)
{
    static const struct walked lists[] = {
        { "/api/v1/blocks", "blocks", PAGES_ROWS, false, true },
        { "/api/v1/disputes", "disputes", PAGES_ROWS, false, false },
        { "/api/v1/proofs", "proofs", PAGES_ROWS, false, false },
        { "/api/v1/accounts/%s/workers", "workers", PAGES_ROWS, false, false },
        { "/api/v1/accounts/%s/credits", "credits", 2 * (PAGES_ROWS - PAGES_ROWS / 4), true,
          false },
        { "/api/v1/accounts/%s/payments", "payments", PAGES_ROWS - PAGES_ROWS / 3, true, false },
        { "/api/v1/accounts/%s/proofs", "proofs", PAGES_ROWS - PAGES_ROWS / 4, true, false },
    };
    static const size_t limits[] = { 1, 2, 7 };
    static char *const unlimited[] = { "ADIT_SCHEDULER__PROOFS_PER_S=0",
                                       "ADIT_SERVICE__REQUESTS_PER_S=0", NULL };
    struct fixture *f = *state;
    start_with(f, unlimited);
    uint64_t account = pay_to(f, f->address);
    struct store *store = open_store(f);
    pages_fill(store, account);
    store_close(store);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char path[256], asked[TEXT_BYTES];
        snprintf(path, sizeof path, lists[i].path, f->address);
        for (size_t j = 0; j < 3; j++) {
            snprintf(asked, sizeof asked, "%s?limit=500", path);
            json_t *whole = get(f, asked, 200), *rows;
            assert_true(json_is_null(json_object_get(whole, "next")));
            if (!lists[i].grows)
                assert_int_equal(json_array_size(json_object_get(whole, lists[i].list)),
                                 lists[i].rows);
            rows = walk_pages(f, &lists[i], path, limits[j]);
            if (!json_equal(rows, json_object_get(whole, lists[i].list)))
                fail_msg("%s by %zu is another list", path, limits[j]);
            json_decref(rows);
            json_decref(whole);
        }
        static const char *const broken[] = { "page=",    "page=7",    "page=x",   "page=7-zz",
                                              "limit=0",  "limit=501", "limit=-1", "limit=1x",
                                              "before=x", "after=-1",  "page=0-" };
        /* Workers' ids alone may be any number. */
        size_t count = sizeof broken / sizeof *broken - (strstr(path, "workers") != NULL);
        for (size_t j = 0; j < count; j++) {
            snprintf(asked, sizeof asked, "%s?%s", path, broken[j]);
            json_t *problem = get(f, asked, 400);
            const char *field = json_string_value(json_object_get(problem, "field"));
            assert_non_null(field);
            assert_int_equal(strncmp(field, broken[j], strlen(field)), 0);
            json_decref(problem);
        }
    }
    stop_well(f);
}

/* What auth does: an operator, whose account is the miner's, and the header that says so. Returns
 * the account's id. `keys` is the setting that names the keys' file. */
static uint64_t make_operator(const struct fixture *f, char keys[TEXT_BYTES],
                              char header_r[TOKEN_TEXT_BYTES + 32])
{
    char path[TEXT_BYTES], token[TOKEN_TEXT_BYTES];
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    struct token_verifier verifier = { .count = 0 };
    struct error error = { .text = "" };
    struct account account;
    path_of(f, "token.key", path);
    struct token_signer *signer = token_signer_open(path, &error);
    if (signer == NULL)
        fail_msg("%s", error.text);
    token_signer_public(signer, public_key);
    path_of(f, "token.pub", path);
    assert_true(token_verifier_add(&verifier, public_key));
    assert_true(token_publish(&verifier, path, &error));
    snprintf(keys, TEXT_BYTES, "ADIT_PAYOUT__AUTH_KEYS=%.4000s", path);
    const uint64_t id = pay_to(f, f->address), now_s = (uint64_t)time(NULL);
    struct store *store = open_store(f);
    assert_int_equal(account_get(store, id, &account, &error), STORE_DONE);
    account.roles |= ACCOUNT_ROLE_OPERATOR;
    assert_int_equal(account_save(store, &account, &error), STORE_DONE);
    store_close(store);
    struct token_claims claims = { .scopes = TOKEN_SCOPE_OPERATOR | TOKEN_SCOPE_READ,
                                   .account_id = id,
                                   .issued_s = now_s,
                                   .not_before_s = now_s,
                                   .expires_s = now_s + 3600 };
    token_sign(signer, &claims, token);
    token_signer_close(signer);
    snprintf(header_r, TOKEN_TEXT_BYTES + 32, "Authorization: Bearer %s", token);
    return id;
}

static void who_hears_no_gateway_does_not_say_that_there_is_none(void **state)
{
    struct fixture *f = *state;
    static char keys[TEXT_BYTES], header[TOKEN_TEXT_BYTES + 32];
    static const char path[] = "/api/v1/operator/bans";
    char listen[] = "ADIT_SCHEDULER__LISTEN=ipc://%d/run/second.rep";
    char publish[] = "ADIT_SCHEDULER__PUBLISH=ipc://%d/run/second.pub";
    char *const settings[] = { keys, NULL }, *const others[] = { keys, listen, publish, NULL };
    make_operator(f, keys, header);
    start_with(f, settings);
    bool complete = false;
    for (int waited = 0; waited < DEADLINE_MS && !complete; waited += 50) {
        json_t *bans = get_with(f, path, header, 200);
        assert_int_equal(json_array_size(json_object_get(bans, "gateways")), 0);
        complete = json_is_true(json_object_get(bans, "complete"));
        json_decref(bans);
        pause_ms(50);
    }
    assert_true(complete);
    struct fixture second = *f;
    pid_t pid = start_one(f, "second.log", others);
    await_in(f, "second.log", "http.listen address=", second.http, sizeof second.http);
    json_decref(get(&second, path, 401));
    json_decref(get_with(&second, path, header, 503));
    /* Until it leads. */
    kill(f->scheduler, SIGKILL);
    wait_exit(&f->scheduler);
    await_in(f, "second.log", "job.published", NULL, 0);
    json_decref(get_with(&second, path, header, 200));
    end(&pid);
}

/* So many more that wait, all of one account or each of its own. */
static void ask_withdrawals(const struct fixture *f, uint64_t account, bool own, unsigned from,
                            unsigned count)
{
    static const struct store_collection *const collections[] = { &withdrawal_collection };
    struct error error = { .text = "" };
    struct store *store = open_store(f);
    assert_true(store_declare(store, collections, 1, &error));
    for (unsigned i = from; i < from + count; i++) {
        struct withdrawal withdrawal = { .account = own ? account : account + 1 + i,
                                         .state = WITHDRAWAL_OPEN,
                                         .amount = { 10 },
                                         .created_ms = UINT64_C(1700000000000) + i };
        snprintf(withdrawal.request, sizeof withdrawal.request, "w%u", i);
        if (withdrawal_insert(store, &withdrawal, &error) != STORE_DONE)
            fail_msg("%s", error.text);
    }
    store_close(store);
}

static void expect_withdrawals(const struct fixture *f, const char *path, const char *header,
                               size_t count, bool complete)
{
    json_t *answer = get_with(f, path, header, 200);
    assert_int_equal(json_array_size(json_object_get(answer, "withdrawals")), count);
    assert_int_equal(json_is_true(json_object_get(answer, "complete")), complete);
    json_decref(answer);
}

static void lists_of_what_waits_say_where_they_are_cut(void **state)
{
    struct fixture *f = *state;
    static char keys[TEXT_BYTES], header[TOKEN_TEXT_BYTES + 32];
    static const char of_all[] = "/api/v1/operator/payments", of_one[] = "/api/v1/withdrawals";
    enum { MOST = 200 };
    char *const settings[] = { keys, NULL };
    const uint64_t account = make_operator(f, keys, header);
    start_with(f, settings);
    ask_withdrawals(f, account, false, 0, MOST / 2);
    ask_withdrawals(f, account, true, MOST / 2, MOST / 2);
    expect_withdrawals(f, of_all, header, MOST, true);
    expect_withdrawals(f, of_one, header, MOST / 2, true);
    ask_withdrawals(f, account, false, MOST, 1);
    expect_withdrawals(f, of_all, header, MOST, false);
    expect_withdrawals(f, of_one, header, MOST / 2, true); /* the others' are not its */
    ask_withdrawals(f, account, true, MOST + 1, MOST / 2);
    expect_withdrawals(f, of_one, header, MOST, true);
    ask_withdrawals(f, account, true, 2 * MOST, 1);
    expect_withdrawals(f, of_one, header, MOST, false);
    stop_well(f);
}

static void every_route_is_described_and_every_description_is_served(void **state)
{
    struct fixture *f = *state;
    size_t count = 0;
    for (const struct http_route *route = api_routes; route->path != NULL; route++) {
        char path[128] = "";
        for (const char *at = route->path; *at != '\0'; at++) /* {} stands for something */
            if (*at != '{')
                snprintf(path + strlen(path), sizeof path - strlen(path), "%c",
                         *at == '}' ? 'x' : *at);
        if (strncmp(path, "/api/", 5) != 0)
            continue;
        count++;
        const char *method = route->method == HTTP_METHOD_GET ? "get" : "post";
        assert_true(route->method == HTTP_METHOD_GET || route->method == HTTP_METHOD_POST);
        if (!contract_has(f->contract, method, path))
            fail_msg("%s is not in docs/api/openapi.yaml", path);
    }
    assert_int_equal(contract_count(f->contract, "pool"), count);
}

static void it_stops_in_order_also_while_node_and_redis_hang(void **state)
{
    struct fixture *f = *state;
    start_well(f);
    kill(f->node, SIGSTOP);
    kill(f->redis, SIGSTOP);
    pause_ms(1500); /* so that calls to both are under way */
    stop_well(f);
    kill(f->node, SIGCONT);
    kill(f->redis, SIGCONT);
}

static void a_second_start_has_a_higher_epoch_and_other_job_ids(void **state)
{
    struct fixture *f = *state;
    char first[40], second[40], epoch[2][24];
    start_well(f);
    await(f, "leader.taken epoch=", epoch[0], sizeof epoch[0]);
    await(f, "job.published job=", first, sizeof first);
    kill(f->scheduler, SIGKILL);
    wait_exit(&f->scheduler);
    start_well(f);
    await(f, "leader.taken epoch=", epoch[1], sizeof epoch[1]);
    await(f, "job.published job=", second, sizeof second);
    assert_true(strtoul(epoch[1], NULL, 10) > strtoul(epoch[0], NULL, 10));
    assert_true(strcmp(first, second) < 0);
    stop_well(f);
}

/* It does not start under these settings (%s: chain.address), says why in one sentence, and ends
 * with this code. */
struct refusal {
    const char *setting; /* a second one may stand on a line below */
    int code;
    const char *words;
};

static void expect_refusal(struct fixture *f, const struct refusal *refusal)
{
    static char log[1 << 16];
    const char *second = strchr(refusal->setting, '\n');
    char setting[256], other[256], deadline[] = "ADIT_STARTUP__DEADLINE_S=1";
    char *settings[] = { deadline, setting, second != NULL ? other : NULL, NULL };
    struct timespec began, ended;
    const char *address = strstr(refusal->setting, "%s");
    snprintf(setting, sizeof setting, "%.*s%s",
             (int)(address != NULL ? address - refusal->setting : 200), refusal->setting,
             address != NULL ? f->address : "");
    snprintf(other, sizeof other, "%s", second != NULL ? second + 1 : "");
    setting[strcspn(setting, "\n")] = '\0';
    clock_gettime(CLOCK_MONOTONIC, &began);
    start_scheduler(f, settings);
    int code = wait_exit(&f->scheduler);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    read_file(f, "scheduler.log", log, sizeof log);
    /* A store's or node's trouble may pass: it is tried until the deadline. */
    long took_ms = (ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000;
    assert_true((code != 1 && code != 2) || took_ms >= 1000);
    assert_null(strstr(log, "user:wrong")); /* no password is shown */
    size_t sentences = 0;                   /* for people; the log's lines begin with the time */
    bool says = false;
    for (const char *line = log; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "inode-scheduler: ", 17) != 0)
            continue;
        const char *words = strstr(line, refusal->words);
        says = words != NULL && words < line + strcspn(line, "\n");
        sentences++;
    }
    if (code != refusal->code || sentences != 1 || !says)
        fail_msg("%s: exit code %d\n%s", refusal->setting, code, log);
}

/* As two hosts would have it whose processes were given one name. */
static void another_of_the_same_name_deposes_nobody_and_says_so(void **state)
{
    struct fixture *f = *state;
    static char log[1 << 16];
    char listen[] = "ADIT_SCHEDULER__LISTEN=ipc://%d/run/second.rep";
    char publish[] = "ADIT_SCHEDULER__PUBLISH=ipc://%d/run/second.pub";
    char *const settings[] = { listen, publish, NULL };
    start_well(f);
    pid_t second = start_one(f, "second.log", settings);
    await_in(f, "second.log", "another inode-scheduler leads under this one's name", NULL, 0);
    assert_true(read_file(f, "second.log", log, sizeof log));
    assert_null(strstr(log, "leader.taken"));
    assert_true(read_file(f, "scheduler.log", log, sizeof log));
    assert_null(strstr(log, "took the leadership"));
    json_decref(get(f, "/api/v1/pool/status", 200)); /* the first one's */
    /* It is no worse a successor. */
    kill(f->scheduler, SIGKILL);
    wait_exit(&f->scheduler);
    await_in(f, "second.log", "leader.taken", NULL, 0);
    end(&second);
}

/* A node that wants a password, and the setting that names it with another. */
static pid_t start_guarded_node(const struct fixture *f, char setting_r[256])
{
    char program[TEXT_BYTES], data[TEXT_BYTES], login[TEXT_BYTES], endpoint[96] = "";
    write_file(f, "login", "user:right\n");
    snprintf(program, sizeof program, "%s/bin/devnode", getenv("ADIT_BUILD"));
    path_of(f, "guarded", data);
    path_of(f, "login", login);
    char *const arguments[] = { program, "--listen",        "127.0.0.1:0", "--data",
                                data,    "--rpc-auth-file", login,         NULL };
    pid_t pid = start(f, "guarded.log", arguments, no_settings);
    for (int i = 0; i < 6000 && !read_file(f, "guarded/endpoint", endpoint, sizeof endpoint); i++)
        pause_ms(10);
    endpoint[strcspn(endpoint, "\r\n")] = '\0';
    snprintf(setting_r, 256, "ADIT_CHAIN__NODES=http://user:wrong@%s", endpoint);
    return pid;
}

static void each_failure_to_start_has_its_sentence_and_its_code(void **state)
{
    struct fixture *f = *state;
    char guarded_url[256];
    pid_t guarded = start_guarded_node(f, guarded_url);
    const struct refusal refusals[] = {
        { "ADIT_CHAIN__NODES=http://127.0.0.1:1", 2, "127.0.0.1:1" },
        { "ADIT_CHAIN__PROFILE=bitcoin-testnet4\nADIT_CHAIN__ADDRESS="
          "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
          2, "follows the chain" },
        { guarded_url, 2, "user and password" },
        { "ADIT_STORE__URL=sqlite:/proc/none/adit.db", 1, "/proc/none/adit.db" },
        { "ADIT_STORE__URL=mongodb://127.0.0.1:1/adit\nADIT_STORE__TIMEOUT_MS=500", 1,
          "127.0.0.1:1" },
        { "ADIT_CHAIN__PROFILE=bitcoin", 64, "chain.address" },
        { "ADIT_CHAIN__PROFILE=dogecoin", 64, "chain.profile" },
        { "ADIT_CHAIN__ADDRESS=bcrt1qqqq", 64, "chain.address" },
        { "ADIT_CHAIN__VERSION_MASK=xyz", 64, "chain.version_mask" },
        { "ADIT_CHAIN__TAG=a tag that is much longer than thirty-two bytes", 64, "chain.tag" },
        { "ADIT_SERVICE__PUBLISH_URL=ipc:///proc/none/pub", 65, "/proc/none/pub" },
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        expect_refusal(f, &refusals[i]);
    end(&guarded);
}

#define TOGETHER "emission.fee, emission.pools and emission.validators must be 10000 together"

/* Also where no payment is followed: a split that is wrong is found before it matters. */
static void emission_settings_that_make_no_sense_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct refusal refusals[] = {
        { "ADIT_EMISSION__FEE=1801", 64, TOGETHER },
        { "ADIT_EMISSION__POOLS=4099", 64, TOGETHER },
        { "ADIT_EMISSION__VALIDATORS=0", 64, TOGETHER },
        { "ADIT_EMISSION__FEE=10000", 64, TOGETHER },
        { "ADIT_EMISSION__FEE=18.00", 64, "ADIT_EMISSION__FEE is" },
        { "ADIT_EMISSION__POOLS=10001", 64, "emission.pools is 10001" },
        { "ADIT_EMISSION__VALIDATORS=-1", 64, "emission.validators is -1" },
        { "ADIT_EMISSION__ADDRESS=nonsense", 64, "emission.address" },
        /* of another network, and of another coin */
        { "ADIT_EMISSION__ADDRESS=1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", 64, "emission.address" },
        { "ADIT_EMISSION__ADDRESS=ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", 64,
          "emission.address" },
        { "ADIT_EMISSION__ADDRESS=%s", 64, "emission.address must be another than chain.address" },
        { "ADIT_EMISSION__REWARD_ADDRESS=nonsense", 64, "emission.reward_address" },
        { "ADIT_EMISSION__LEAST=0", 64, "emission.least is 0" },
        { "ADIT_EMISSION__LEAST=9000000000000001", 64, "emission.least is 9000000000000001" },
        { "ADIT_EMISSION__LEAST=many", 64, "ADIT_EMISSION__LEAST is" },
        { "ADIT_EMISSION__CONFIRMATIONS=0", 64, "emission.confirmations is 0" },
        { "ADIT_EMISSION__CONFIRMATIONS=1001", 64, "emission.confirmations is 1001" },
        { "ADIT_EMISSION__START_HEIGHT=-1", 64, "emission.start_height is -1" },
        { "ADIT_TIME__DECAY=0", 64, "time.decay is 0" },
        { "ADIT_TIME__VALIDATOR_DECAY=86401", 64, "time.validator_decay is 86401" },
        { "ADIT_SCHEDULER__OWN_STAKE=10001", 64, "scheduler.own_stake is 10001" },
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        expect_refusal(f, &refusals[i]);
}

static int run_client(const struct fixture *f, const char *how)
{
    char command[TEXT_BYTES];
    snprintf(command, sizeof command,
             "cd '%s' && /usr/bin/python3 '%s/services/inode-scheduler/testing/inode_client' %s",
             f->folder, getenv("ADIT_SOURCE"), how);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What stands before the last '1' of an address says of which coin it is (BIP 173). */
static void hrp_of(const struct fixture *f, char hrp_r[16])
{
    const char *end = strrchr(f->address, '1');
    snprintf(hrp_r, 16, "%.*s", end != NULL ? (int)(end - f->address) : 0, f->address);
}

static void outside_validators_speak_over_websocket(void **state)
{
    struct fixture *f = *state;
    char hrp[16], how[512], from[256], pool[160];
    static struct reply reply;
    hrp_of(f, hrp);
    snprintf(how, sizeof how, "list %s > validators.json", hrp);
    int status = run_client(f, how);
    if (status == 77) {
        print_message("SKIPPED: python3-websockets or python3-cryptography is not installed\n");
        skip();
    }
    assert_int_equal(status, 0);
    snprintf(from, sizeof from, "ADIT_SCHEDULER__VALIDATORS_FROM=file:%s/validators.json",
             f->folder);
    char *const settings[] = { from, "ADIT_MAX_CONCURRENT__VALIDATORS=40",
                               "ADIT_SCHEDULER__INODE_SKEW_S=600", NULL };
    start_scheduler(f, settings);
    await(f, "http.listen address=", f->http, sizeof f->http);
    await(f, "job.published", NULL, 0);
    /* Until the list is taken in. */
    size_t known = 0;
    for (int waited = 0; waited < DEADLINE_MS && known < 40; waited += 20) {
        json_t *document = get(f, "/api/v1/validators", 200);
        known = json_array_size(json_object_get(document, "validators"));
        json_decref(document);
        pause_ms(20);
    }
    assert_int_equal(known, 40);
    json_t *pools = get(f, "/api/v1/pools", 200);
    pool[0] = '\0';
    for (size_t i = 0; i < json_array_size(json_object_get(pools, "pools")); i++) {
        json_t *entry = json_array_get(json_object_get(pools, "pools"), i);
        if (json_is_true(json_object_get(entry, "own")))
            snprintf(pool, sizeof pool, "%s", json_string_value(json_object_get(entry, "id")));
    }
    json_decref(pools);
    assert_string_equal(pool, f->address);
    snprintf(how, sizeof how, "run ws://%s/inode http://%s %s %s", f->http, f->http, hrp, pool);
    assert_int_equal(run_client(f, how), 0);
    /* What is no handshake is told so. */
    snprintf(how, sizeof how, "http://%s/inode", f->http);
    assert_true(fetch(how, NULL, &reply));
    assert_int_equal(reply.status, 426);
    stop_well(f);
}

/* How many validators there are, and how many of them are marked stale. */
static size_t validators(struct fixture *f, size_t *stale_r)
{
    json_t *document = get(f, "/api/v1/validators", 200);
    const json_t *list = json_object_get(document, "validators");
    const size_t count = json_array_size(list);
    *stale_r = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        *stale_r += json_is_true(json_object_get(entry, "stale"));
        assert_string_equal(json_string_value(json_object_get(entry, "source")), "list");
    }
    json_decref(document);
    return count;
}

static void serve_list(struct fixture *f, const char *mode, bool stale)
{
    enum { LISTED = 40 };
    size_t marked = 0, count = 0;
    write_file(f, "mode.new", mode);
    char from[TEXT_BYTES], to[TEXT_BYTES];
    path_of(f, "mode.new", from);
    path_of(f, "mode", to);
    assert_int_equal(rename(from, to), 0);
    for (int waited = 0; waited < DEADLINE_MS; waited += 50) {
        count = validators(f, &marked);
        if (count == LISTED && marked == (stale ? LISTED : 0))
            return;
        pause_ms(50);
    }
    fail_msg("the list's server is %s: %zu validators, %zu of them stale", mode, count, marked);
}

static void a_list_by_https_is_taken_whole_or_what_was_there_stays_marked_stale(void **state)
{
    static const char *const bad[] = { "missing",   "other",    "moved",  "cut",
                                       "untrusted", "misnamed", "expired" };
    struct fixture *f = *state;
    char hrp[16], port[16] = "", from[128], authority[TEXT_BYTES], script[TEXT_BYTES];
    hrp_of(f, hrp);
    write_file(f, "mode", "missing");
    snprintf(script, sizeof script, "%s/services/inode-scheduler/testing/list_server",
             getenv("ADIT_SOURCE"));
    char python[] = "/usr/bin/python3";
    char *arguments[] = { python, script, f->folder, hrp, NULL };
    pid_t server = start(f, "list_server.log", arguments, no_settings);
    for (int waited = 0; waited < DEADLINE_MS && !read_file(f, "port", port, sizeof port);
         waited += 20) {
        int status;
        if (waitpid(server, &status, WNOHANG) == server) {
            assert_int_equal(WEXITSTATUS(status), 77);
            print_message("SKIPPED: python3-cryptography is not installed\n");
            skip();
        }
        pause_ms(20);
    }
    snprintf(from, sizeof from, "ADIT_SCHEDULER__VALIDATORS_FROM=https://localhost:%lu/list.json",
             strtoul(port, NULL, 10));
    snprintf(authority, sizeof authority, "ADIT_SCHEDULER__VALIDATORS_CA_FILE=%s/ca.pem",
             f->folder);
    char *const settings[] = { from, authority, "ADIT_TIME__FETCH_VALIDATORS=1",
                               "no_proxy=localhost", NULL };
    start_scheduler(f, settings);
    await(f, "http.listen address=", f->http, sizeof f->http);
    await(f, "validators.stale reason=", NULL, 0);
    serve_list(f, "good", false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        serve_list(f, bad[i], true);
        serve_list(f, "good", false);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    serve_list(f, "dead", true);
    stop_well(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_answers_with_the_fields_that_are_promised, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(the_dashboard_comes_with_its_policy_and_is_not_sent_twice,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(
            an_account_is_told_again_for_a_moment_and_anew_to_who_asks_so, open_fixture,
            close_fixture),
        cmocka_unit_test_setup_teardown(a_list_is_the_same_by_pages_of_any_size, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(who_hears_no_gateway_does_not_say_that_there_is_none,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(lists_of_what_waits_say_where_they_are_cut, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(every_route_is_described_and_every_description_is_served,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(it_stops_in_order_also_while_node_and_redis_hang,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_second_start_has_a_higher_epoch_and_other_job_ids,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(another_of_the_same_name_deposes_nobody_and_says_so,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(outside_validators_speak_over_websocket, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(
            a_list_by_https_is_taken_whole_or_what_was_there_stays_marked_stale, open_fixture,
            close_fixture),
        cmocka_unit_test_setup_teardown(each_failure_to_start_has_its_sentence_and_its_code,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(emission_settings_that_make_no_sense_are_refused,
                                        open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
