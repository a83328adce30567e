/* Two inode-schedulers of a pool over HTTP: the one that stands by answers every question, says in
 * a header that it does not lead, takes no order, and takes all once the other is gone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/inode-scheduler/api.h"
#include "tests/fixture/pool_fixture.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SECOND_PORT_AFTER = 100, RECOVERY_S = 60, TEXT_BYTES = 4096 };

static struct pool_fixture pool;
static unsigned ports[2];
static const char *const instances[] = { "1", "2" };

struct answer {
    long status; /* 0: none */
    bool standby;
    bool streams;
    char text[TEXT_BYTES];
};

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    if (size * count > 31 && strncasecmp(data, "content-type: text/event-stream", 31) == 0)
        answer->streams = true;
    return size * count;
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    size_t used = strlen(answer->text);
    if (answer->streams) /* it would never end */
        return 0;
    snprintf(answer->text + used, sizeof answer->text - used, "%.*s", (int)(size * count), data);
    return size * count;
}

/* By a method of HTTP, or "WEBSOCKET", which is a GET that asks for one. */
static void ask(unsigned port, const char *method, const char *path, struct answer *answer_r)
{
    char url[512];
    struct curl_header *header;
    struct curl_slist *upgrade = NULL;
    CURL *curl = curl_easy_init();
    *answer_r = (struct answer){ .status = 0 };
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer_r);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer_r);
    if (strcmp(method, "WEBSOCKET") == 0) {
        static const char *const lines[] = { "Connection: Upgrade", "Upgrade: websocket",
                                             "Sec-WebSocket-Version: 13",
                                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" };
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
            upgrade = curl_slist_append(upgrade, lines[i]);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, upgrade);
    } else if (strcmp(method, "GET") != 0) {
        if (strcmp(method, "DELETE") != 0) /* which is taken without a body */
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "{}");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    }
    if (curl_easy_perform(curl) == CURLE_OK || answer_r->streams)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer_r->status);
    answer_r->standby =
        curl_easy_header(curl, "Adit-Standby", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
        strcmp(header->value, "true") == 0;
    curl_easy_cleanup(curl);
    curl_slist_free_all(upgrade);
}

/* Both answer, and which of them leads; -1: not so yet. */
static int leading(void)
{
    struct answer answers[2];
    for (size_t i = 0; i < 2; i++) {
        ask(ports[i], "GET", "/api/v1/pool/status", &answers[i]);
        if (answers[i].status != 200)
            return -1;
    }
    return answers[0].standby == answers[1].standby ? -1 : answers[0].standby ? 1 : 0;
}

static bool one_leads(const struct pool_fixture *self, void *context)
{
    (void)self;
    *(int *)context = leading();
    return *(int *)context >= 0;
}

static int wait_for_leader(void)
{
    int leader = -1;
    pool_wait(&pool, "one of the two leads and the other stands by", RECOVERY_S, one_leads,
              &leader);
    return leader;
}

static void path_of(const struct http_route *route, char path_r[256])
{
    size_t used = 0;
    for (const char *at = route->path; *at != '\0' && used < 250; at++) {
        if (*at == '{')
            continue;
        path_r[used++] = *at == '}' ? 'x' : *at;
    }
    path_r[used] = '\0';
}

static bool is_refused(const struct answer *answer)
{
    return answer->status == 503 && strstr(answer->text, "\"Stands by\"") != NULL;
}

static void one_that_stands_by_answers_questions_and_takes_no_orders(void **state)
{
    (void)state;
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
    unsigned port = ports[1 - wait_for_leader()], questions = 0, orders = 0;
    for (const struct http_route *route = api_routes; route->path != NULL; route++) {
        struct answer answer;
        char path[256];
        /* Validators prove themselves to the one that judges them. */
        bool socket = strcmp(route->path, "/inode") == 0;
        bool order = route->method != HTTP_METHOD_GET || socket;
        const char *method = socket ? "WEBSOCKET" : methods[route->method];
        path_of(route, path);
        ask(port, method, path, &answer);
        if (!answer.standby || is_refused(&answer) != order)
            fail_msg("%s %s: %ld, Adit-Standby %d: %s", method, path, answer.status, answer.standby,
                     answer.text);
        questions += !order;
        orders += order;
    }
    assert_true(questions > 0 && orders > 0);
    /* Nor what there is no route for. */
    for (size_t i = 1; i < sizeof methods / sizeof *methods; i++) {
        struct answer answer;
        ask(port, methods[i], "/api/v1/pool/status", &answer);
        if (!is_refused(&answer))
            fail_msg("%s: %ld %s", methods[i], answer.status, answer.text);
    }
}

static void it_knows_what_is_in_the_store_and_says_that_it_stands_by(void **state)
{
    (void)state;
    int leader = wait_for_leader();
    static struct answer answers[2];
    for (size_t i = 0; i < 2; i++) {
        ask(ports[i], "GET", "/api/v1/blocks", &answers[i]);
        assert_int_equal(answers[i].status, 200);
    }
    assert_string_equal(answers[0].text, answers[1].text);
    ask(ports[1 - leader], "GET", "/api/v1/pool/status", &answers[0]);
    assert_non_null(strstr(answers[0].text, "\"standby\""));
}

/* Until then it refuses each. */
static bool takes_orders(const struct pool_fixture *self, void *context)
{
    struct answer answer;
    (void)self;
    ask(*(const unsigned *)context, "POST", "/api/v1/withdrawals", &answer);
    assert_true(is_refused(&answer) || (!answer.standby && answer.status / 100 == 4));
    return !is_refused(&answer);
}

static void the_one_that_takes_over_takes_orders_too(void **state)
{
    (void)state;
    int leader = wait_for_leader();
    struct answer answer;
    ask(ports[leader], "POST", "/api/v1/withdrawals", &answer);
    assert_int_equal(answer.status / 100, 4); /* it was looked at, and says what is wrong with it */
    ask(ports[leader], "GET", "/inode", &answer);
    assert_int_equal(answer.status, 426); /* likewise */
    pid_t pid = pool_signal(&pool, "inode-scheduler", instances[leader], SIGSTOP);
    unsigned successor = ports[1 - leader];
    pool_wait(&pool, "the other takes orders", RECOVERY_S, takes_orders, &successor);
    pool_signal_pid(pid, SIGCONT);
    assert_int_equal(wait_for_leader(), 1 - leader); /* the deposed one stands by */
    ask(ports[leader], "POST", "/api/v1/withdrawals", &answer);
    assert_true(is_refused(&answer));
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool,
               "{\"payout\":{\"enabled\":false},\"scheduler\":{\"instances\":2,\"lease_ms\":1000}}",
               false);
    ports[0] = pool.api_port;
    ports[1] = pool.api_port + SECOND_PORT_AFTER;
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_stands_by_answers_questions_and_takes_no_orders),
        cmocka_unit_test(it_knows_what_is_in_the_store_and_says_that_it_stands_by),
        cmocka_unit_test(the_one_that_takes_over_takes_orders_too),
    };
    return cmocka_run_group_tests_name("one that stands by", tests, begin, end);
}
