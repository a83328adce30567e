/* What only some may ask of a pool's HTTP API, in a whole pool without miners: people register and
 * log in at auth, an operator is named on the machine, and inode-scheduler answers each by its
 * token; what concerns money is passed on to payout, bans to the gateway. Every answer is held
 * against docs/api/openapi.yaml. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/api/contract.h"
#include "tests/fixture/pool_fixture.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOKEN_BYTES = 4096, ANSWER_BYTES = 1 << 16 };

static struct pool_fixture pool;
static struct contract *contract;
static char operator_token[TOKEN_BYTES], miner_token[TOKEN_BYTES];
static json_t *answer; /* of the last request; NULL: none */

struct text {
    char bytes[ANSWER_BYTES];
    size_t length;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct text *text = context;
    size_t bytes = size * count;
    if (bytes >= sizeof text->bytes - text->length)
        return 0;
    memcpy(text->bytes + text->length, data, bytes);
    text->length += bytes;
    text->bytes[text->length] = '\0';
    return bytes;
}

/* The answer's status; its document in `answer`. `token` and `body` may be NULL. */
static int ask(unsigned port, const char *method, const char *path, const char *token,
               const char *body)
{
    static struct text text;
    char url[300], authorization[TOKEN_BYTES + 32], why[600], *type = NULL;
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    text.length = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
        headers = curl_slist_append(headers, authorization);
    }
    if (body != NULL)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 60000L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    if (strcmp(method, "post") == 0)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body != NULL ? body : "");
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    json_decref(answer);
    answer = text.length > 0 ? json_loadb(text.bytes, text.length, 0, NULL) : NULL;
    json_t *request = status < 300 && body != NULL ? json_loads(body, 0, NULL) : NULL;
    const struct contract_answer given = { .method = method,
                                           .path = path,
                                           .status = (int)status,
                                           .content_type = text.length > 0 ? type : NULL,
                                           .request = request,
                                           .document = answer };
    if (!contract_check(contract, &given, why, sizeof why))
        fail_msg("%s: %s", why, text.bytes);
    json_decref(request);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return (int)status;
}

static int get(const char *path, const char *token)
{
    return ask(pool.api_port, "get", path, token, NULL);
}

static int post(const char *path, const char *token, const char *body)
{
    return ask(pool.api_port, "post", path, token, body);
}

static const char *text_of(const char *key)
{
    const char *text = json_string_value(json_object_get(answer, key));
    return text != NULL ? text : "";
}

static void log_in(const char *name, char token_r[TOKEN_BYTES])
{
    char body[200];
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"password\":\"a long enough sentence\"}", name);
    assert_int_equal(ask(pool.auth_port, "post", "/api/v1/login", NULL, body), 200);
    snprintf(token_r, TOKEN_BYTES, "%s", text_of("access_token"));
    assert_int_not_equal(token_r[0], '\0');
}

static void register_one(const char *name)
{
    char body[400];
    snprintf(body, sizeof body,
             "{\"name\":\"%s\",\"email\":\"%s@example.org\",\"password\":\"a long enough "
             "sentence\",\"payout_address\":\"%s\"}",
             name, name, pool.pool_address);
    if (ask(pool.auth_port, "post", "/api/v1/register", NULL, body) != 202)
        fail_msg("%s", text_of("detail"));
}

static void on_the_machine(const char *words)
{
    char command[400];
    snprintf(command, sizeof command, "%s/bin/adit operator --data %s %s", getenv("ADIT_BUILD"),
             pool.data, words);
    assert_int_equal(system(command), 0);
}

static const char *const seen[] = { "/api/v1/operator/nodes",    "/api/v1/operator/ledger",
                                    "/api/v1/operator/payments", "/api/v1/operator/bans",
                                    "/api/v1/operator/luck",     NULL };
static const struct {
    const char *path, *body;
} done[] = {
    { "/api/v1/operator/audit", NULL },
    { "/api/v1/operator/payments", "{\"verb\":\"push\"}" },
    { "/api/v1/operator/payments/1", "{\"verb\":\"approve\"}" },
    { "/api/v1/operator/bans", "{\"verb\":\"lift\",\"whom\":\"203.0.113.9\"}" },
    { "/api/v1/withdrawals", "{\"request\":\"first\",\"amount\":\"0\"}" },
};
enum { DONE = sizeof done / sizeof *done, FOR_OPERATORS = DONE - 1 };

static void nothing_is_told_or_done_without_a_good_token(void **state)
{
    (void)state;
    char wrong[TOKEN_BYTES];
    snprintf(wrong, sizeof wrong, "%s", operator_token);
    char *signature = strrchr(wrong, '.') + 5;
    *signature = *signature == 'A' ? 'B' : 'A';
    for (size_t i = 0; seen[i] != NULL; i++) {
        assert_int_equal(get(seen[i], NULL), 401);
        assert_int_equal(get(seen[i], "x"), 401);
        assert_int_equal(get(seen[i], wrong), 401);
        assert_int_equal(get(seen[i], miner_token), 403);
        assert_int_equal(get(seen[i], operator_token), 200);
    }
    for (size_t i = 0; i < DONE; i++) {
        assert_int_equal(post(done[i].path, NULL, done[i].body), 401);
        assert_int_equal(post(done[i].path, wrong, done[i].body), 401);
        if (i < FOR_OPERATORS)
            assert_int_equal(post(done[i].path, miner_token, done[i].body), 403);
    }
    assert_int_equal(get("/api/v1/withdrawals", NULL), 401);
}

static void bodies_are_read_strictly(void **state)
{
    (void)state;
    static const char path[] = "/api/v1/operator/payments";
    static const char *const bad[] = { "",
                                       "[]",
                                       "{}",
                                       "{\"verb\":1}",
                                       "{\"verb\":\"pause\",\"verb\":\"resume\"}",
                                       "{\"verb\":\"pause\",\"more\":\"x\"}",
                                       "{\"verb\":\"drain\"}",
                                       "{\"verb\":\"pause\",\"reason\":null}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(post(path, operator_token, bad[i]), 400);
    assert_int_equal(post(path, operator_token, NULL), 415);
    assert_int_equal(post("/api/v1/operator/payments/x", operator_token, "{\"verb\":\"bump\"}"),
                     404);
    assert_int_equal(
        post("/api/v1/withdrawals", miner_token, "{\"request\":\"a\",\"amount\":\"-1\"}"), 400);
}

static void an_operator_pauses_payments_and_has_them_go_on(void **state)
{
    (void)state;
    static const char path[] = "/api/v1/operator/payments";
    for (int on = 1; on >= 0; on--) {
        assert_int_equal(post(path, operator_token,
                              on ? "{\"verb\":\"pause\",\"reason\":\"the wallet moves\"}"
                                 : "{\"verb\":\"resume\"}"),
                         200);
        assert_int_equal(get(path, operator_token), 200);
        const json_t *pause = json_object_get(answer, "pause");
        assert_int_equal(json_is_true(json_object_get(pause, "on")), on);
        /* Who did it: payout knows by the token. */
        const char *by = json_string_value(json_object_get(pause, "by"));
        assert_int_equal(strncmp(by, "operator ", 9), 0);
        assert_int_equal(strlen(by), 9 + 16);
    }
    /* There is no such payment: payout says so. */
    assert_int_equal(post("/api/v1/operator/payments/77", operator_token, "{\"verb\":\"approve\"}"),
                     409);
    assert_non_null(strstr(text_of("detail"), "no payment 77"));
}

static void the_books_are_audited_on_demand(void **state)
{
    (void)state;
    assert_int_equal(get("/api/v1/operator/ledger", operator_token), 200);
    assert_true(json_is_object(json_object_get(answer, "books")));
    assert_int_equal(post("/api/v1/operator/audit", operator_token, NULL), 200);
    assert_int_equal(json_integer_value(json_object_get(answer, "differences")), 0);
    assert_int_equal(get("/api/v1/operator/nodes", operator_token), 200);
    const json_t *node = json_array_get(json_object_get(answer, "nodes"), 0);
    assert_true(json_is_true(json_object_get(node, "usable")));
}

/* A gateway of another host, as far as that can be had here: a data folder of its own, and nothing
 * of the pool but its addresses. Its log is gone. */
static pid_t second;
static char second_data[96];

static void set_address(const char *name, const char *form)
{
    char text[200];
    snprintf(text, sizeof text, form, pool.data);
    (void)setenv(name, text, 1);
}

static void start_second(void)
{
    const pid_t parent = getpid();
    snprintf(second_data, sizeof second_data, "%s/second", pool.folder);
    assert_int_equal(mkdir(second_data, 0700), 0);
    second = fork();
    assert_true(second >= 0);
    if (second > 0)
        return;
    char program[400];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    snprintf(program, sizeof program, "%s/bin/stratum-gateway", getenv("ADIT_BUILD"));
    set_address("ADIT_SERVICE__SCHEDULER_URL", "ipc://%s/run/scheduler.rep");
    set_address("ADIT_SERVICE__PUBLISH_URL", "ipc://%s/run/scheduler.pub");
    set_address("ADIT_SERVICE__SECRET_FILE", "%s/secret");
    set_address("ADIT_STRATUM__VALIDATORS", "ipc://%s/run/validator-1.rep");
    set_address("ADIT_STRATUM__AUTH_URL", "ipc://%s/run/auth.rep");
    (void)setenv("ADIT_STRATUM__ADDRESS", "127.0.0.1:0", 1);
    (void)setenv("ADIT_STRATUM__MORE_ADDRESSES", "", 1);
    (void)setenv("ADIT_STRATUM__TLS_ADDRESS", "", 1);
    (void)setenv("ADIT_STRATUM__WEBSOCKET_ADDRESS", "", 1);
    (void)setenv("ADIT_STRATUM__ADMIN_ADDRESS", "127.0.0.1:0", 1);
    int nowhere = open("/dev/null", O_WRONLY);
    (void)dup2(nowhere, STDERR_FILENO);
    execl(program, program, "--config", pool.config, "--data", second_data, "--instance", "far",
          (char *)NULL);
    _exit(127);
}

static void end_second(void)
{
    if (second <= 0)
        return;
    (void)kill(second, SIGKILL);
    (void)waitpid(second, NULL, 0);
    second = 0;
}

/* Of the gateway of that name, by the last answer; NULL where there is none. */
static const json_t *gateway_named(const char *name)
{
    const json_t *gateway;
    size_t i;
    json_array_foreach(json_object_get(answer, "gateways"), i, gateway)
    {
        if (strcmp(json_string_value(json_object_get(gateway, "gateway")), name) == 0)
            return gateway;
    }
    return NULL;
}

static size_t bans_at(const char *name)
{
    const json_t *gateway = gateway_named(name);
    assert_non_null(gateway);
    assert_true(json_is_true(json_object_get(gateway, "answered")));
    assert_int_equal(json_integer_value(json_object_get(gateway, "count")),
                     json_array_size(json_object_get(gateway, "bans")));
    return json_array_size(json_object_get(gateway, "bans"));
}

static bool far_reports(const struct pool_fixture *self, void *context)
{
    (void)self;
    const bool *wanted = context;
    if (get("/api/v1/operator/bans", operator_token) != 200)
        return false;
    const json_t *gateway = gateway_named("far");
    return json_is_true(json_object_get(answer, "complete")) && gateway != NULL &&
           json_is_true(json_object_get(gateway, "answered")) == *wanted;
}

static void a_ban_reaches_the_gateways_of_every_host(void **state)
{
    (void)state;
    static const char path[] = "/api/v1/operator/bans";
    bool wanted = true;
    start_second();
    pool_wait(&pool, "the second gateway reports", 60, far_reports, &wanted);
    assert_int_equal(bans_at("1") + bans_at("far"), 0);
    assert_int_equal(post(path, operator_token,
                          "{\"verb\":\"ban\",\"whom\":\"203.0.113.9\",\"seconds\":\"3600\"}"),
                     200);
    assert_string_equal(text_of("detail"), "done by 2 of 2 gateways");
    assert_int_equal(get(path, operator_token), 200);
    assert_int_equal(bans_at("1"), 1);
    assert_int_equal(bans_at("far"), 1);
    const json_t *ban = json_array_get(json_object_get(gateway_named("far"), "bans"), 0);
    assert_string_equal(json_string_value(json_object_get(ban, "whom")), "203.0.113.9");
    assert_in_range(json_integer_value(json_object_get(ban, "seconds")), 3000, 3600);
    assert_int_equal(post(path, operator_token, "{\"verb\":\"lift\",\"whom\":\"203.0.113.9\"}"),
                     200);
    assert_int_equal(get(path, operator_token), 200);
    assert_int_equal(bans_at("1") + bans_at("far"), 0);
    /* One that ends is told of, and holds up nobody once that is known. */
    end_second();
    wanted = false;
    pool_wait(&pool, "the second gateway is missed", 60, far_reports, &wanted);
    assert_int_equal(post(path, operator_token, "{\"verb\":\"ban\",\"whom\":\"203.0.113.9\"}"),
                     200);
    assert_string_equal(text_of("detail"), "done by 1 of 1 gateways");
    assert_int_equal(post(path, operator_token, "{\"verb\":\"lift\",\"whom\":\"203.0.113.9\"}"),
                     200);
}

static size_t bans(void)
{
    assert_int_equal(get("/api/v1/operator/bans", operator_token), 200);
    const json_t *gateway = json_array_get(json_object_get(answer, "gateways"), 0);
    assert_true(json_is_true(json_object_get(gateway, "answered")));
    return json_array_size(json_object_get(gateway, "bans"));
}

static void a_ban_is_set_seen_and_lifted(void **state)
{
    (void)state;
    static const char path[] = "/api/v1/operator/bans";
    assert_int_equal(bans(), 0);
    assert_int_equal(post(path, operator_token,
                          "{\"verb\":\"ban\",\"whom\":\"203.0.113.9\",\"seconds\":\"3600\"}"),
                     200);
    assert_int_equal(bans(), 1);
    assert_int_equal(post(path, operator_token, "{\"verb\":\"ban\",\"whom\":\"nonsense\"}"), 409);
    assert_int_equal(post(path, operator_token, "{\"verb\":\"lift\",\"whom\":\"203.0.113.9\"}"),
                     200);
    assert_int_equal(bans(), 0);
    assert_int_equal(post(path, operator_token, "{\"verb\":\"lift\",\"whom\":\"203.0.113.9\"}"),
                     409);
}

static void a_withdrawal_is_asked_once_and_told_of_again(void **state)
{
    (void)state;
    static const char path[] = "/api/v1/withdrawals",
                      body[] = "{\"request\":\"rent\",\"amount\":\"0\"}";
    assert_int_equal(post(path, miner_token, body), 200);
    assert_string_equal(text_of("request"), "rent");
    /* Nobody mined: in the end it is refused, once, and says why; before that it is open. */
    bool open = strcmp(text_of("state"), "open") == 0;
    assert_true(open || strcmp(text_of("state"), "refused") == 0);
    assert_int_equal(get(path, miner_token), 200);
    assert_true(json_array_size(json_object_get(answer, "withdrawals")) <= 1);
    /* Another's list has nothing of it. */
    assert_int_equal(get(path, operator_token), 200);
    assert_int_equal(json_array_size(json_object_get(answer, "withdrawals")), 0);
    assert_int_equal(post(path, miner_token, body), 200);
    assert_string_equal(text_of("request"), "rent");
}

static void who_is_no_operator_any_more_is_none_at_once(void **state)
{
    (void)state;
    on_the_machine("remove olga");
    assert_int_equal(get("/api/v1/operator/nodes", operator_token), 403);
    assert_int_equal(post("/api/v1/operator/payments", operator_token, "{\"verb\":\"push\"}"), 403);
    pool_expect_no_errors(&pool, NULL);
}

/* The scheduler has looked at its node, and reaches a payout that leads and the gateway: a process
 * that is ready may not have got so far. */
static bool all_can_be_asked(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    if (get("/api/v1/operator/nodes", operator_token) != 200 ||
        !json_is_true(
            json_object_get(json_array_get(json_object_get(answer, "nodes"), 0), "usable")))
        return false;
    if (get("/api/v1/operator/ledger", operator_token) != 200 ||
        !json_is_object(json_object_get(answer, "books")))
        return false;
    return get("/api/v1/operator/bans", operator_token) == 200 &&
           json_is_true(
               json_object_get(json_array_get(json_object_get(answer, "gateways"), 0), "answered"));
}

static int begin(void **state)
{
    (void)state;
    contract = contract_open();
    assert_non_null(contract);
    pool_start(&pool, "{\"auth\":{\"argon2_memory_kib\":8192,\"argon2_passes\":1}}", false);
    register_one("olga");
    register_one("mats");
    on_the_machine("add olga");
    log_in("olga", operator_token);
    log_in("mats", miner_token);
    pool_wait(&pool, "every part can be asked", 60, all_can_be_asked, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    end_second();
    pool_end(&pool);
    json_decref(answer);
    contract_close(contract);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_told_or_done_without_a_good_token),
        cmocka_unit_test(bodies_are_read_strictly),
        cmocka_unit_test(an_operator_pauses_payments_and_has_them_go_on),
        cmocka_unit_test(the_books_are_audited_on_demand),
        cmocka_unit_test(a_ban_is_set_seen_and_lifted),
        cmocka_unit_test(a_ban_reaches_the_gateways_of_every_host),
        cmocka_unit_test(a_withdrawal_is_asked_once_and_told_of_again),
        cmocka_unit_test(who_is_no_operator_any_more_is_none_at_once),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
