/* The miner's Stratum client against a server that says exactly what a test wants it to. Random
 * rounds run again from ADIT_SEED. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tools/miner/client.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
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
    struct client client;
    char url[64];
    int listener;
    int pool; /* the server's end of the connection */
    unsigned jobs, accepted, rejected;
    bool authorized;
    char reason[256];
    struct work_job job;
};

static void on_authorized(void *context, bool accepted, const char *reason)
{
    (void)reason;
    ((struct fixture *)context)->authorized = accepted;
}

static void on_job(void *context, const struct work_job *job, bool clean)
{
    struct fixture *f = context;
    (void)clean;
    f->job = *job;
    f->jobs++;
}

static void on_answer(void *context, const struct client_share *share, const char *reason)
{
    struct fixture *f = context;
    assert_string_equal(share->job_id, "j1");
    *(reason == NULL ? &f->accepted : &f->rejected) += 1;
    snprintf(f->reason, sizeof f->reason, "%s", reason == NULL ? "" : reason);
}

static void on_message(void *context, const char *text)
{
    (void)context;
    (void)text;
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    struct error error;
    assert_non_null(f);
    f->pool = -1;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(f->listener, 4), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &length), 0);
    snprintf(f->url, sizeof f->url, "stratum+tcp://127.0.0.1:%u", ntohs(address.sin_port));
    const struct client_events events = { on_authorized, on_job, on_answer, on_message, f };
    assert_true(
        client_init(&f->client, f->url, "who.me", "x", MINER_SHA256D, true, &events, &error));
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    client_deinit(&f->client);
    if (f->pool >= 0)
        close(f->pool);
    close(f->listener);
    free(f);
    return 0;
}

static void connect_client(struct fixture *f)
{
    struct error error;
    struct timeval limit = { .tv_sec = 5 };
    if (f->pool >= 0)
        close(f->pool);
    assert_true(client_connect(&f->client, &error));
    f->pool = accept(f->listener, NULL, NULL);
    assert_true(f->pool >= 0);
    int on = 1;
    setsockopt(f->pool, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(f->pool, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* The next line the client sent, as JSON. Caller owns. */
static json_t *next_line(struct fixture *f)
{
    char line[4096];
    size_t length = 0;
    while (length < sizeof line - 1 && recv(f->pool, line + length, 1, 0) == 1)
        if (line[length++] == '\n')
            break;
    json_t *json = json_loadb(line, length, 0, NULL);
    assert_non_null(json);
    return json;
}

static void expect_method(struct fixture *f, const char *method, json_int_t *id_r)
{
    json_t *line = next_line(f);
    assert_string_equal(json_string_value(json_object_get(line, "method")), method);
    *id_r = json_integer_value(json_object_get(line, "id"));
    json_decref(line);
}

/* Sends a line and lets the client read until it has all of it. */
static bool say(struct fixture *f, struct error *error_r, const char *format, ...)
    PRINTF_LIKE(3, 4);
static bool say(struct fixture *f, struct error *error_r, const char *format, ...)
{
    char line[8192];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    assert_int_equal(send(f->pool, line, (size_t)length, MSG_NOSIGNAL), length);
    /* On loopback what was sent is there; the deadline is for a loaded machine. */
    for (int i = 0; i < 60000; i++) {
        char peek;
        if (recv(f->client.fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return client_read(&f->client, error_r);
}

#define PREVIOUS "0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000"
#define NOTIFY(id)                                                                                 \
    "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"" id "\",\"" PREVIOUS                 \
    "\",\"0102\",\"0304\",[],\"20000000\",\"1d00ffff\",\"4966bc61\",true]}"

static void log_in(struct fixture *f)
{
    struct error error;
    json_int_t id;
    connect_client(f);
    expect_method(f, "mining.configure", &id);
    assert_true(say(f, &error,
                    "{\"id\":%lld,\"result\":{\"version-rolling\":true,"
                    "\"version-rolling.mask\":\"1fffe000\"},\"error\":null}",
                    (long long)id));
    expect_method(f, "mining.subscribe", &id);
    assert_true(say(f, &error,
                    "{\"id\":%lld,\"result\":[[[\"mining.set_difficulty\",\"d\"],"
                    "[\"mining.notify\",\"session7\"]],\"aabbccdd\",4],\"error\":null}",
                    (long long)id));
    expect_method(f, "mining.extranonce.subscribe", &id);
    expect_method(f, "mining.authorize", &id);
    assert_true(say(f, &error, "{\"id\":%lld,\"result\":true,\"error\":null}", (long long)id));
    assert_true(f->authorized);
}

static void difficulty_and_extranonce_count_from_the_next_job_on(void **state)
{
    struct fixture *f = *state;
    struct error error;
    log_in(f);
    assert_true(
        say(f, &error, "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[2]}"));
    assert_true(say(f, &error, NOTIFY("j1")));
    assert_int_equal(f->jobs, 1);
    assert_true(f->job.difficulty == 2);
    assert_int_equal(f->job.extranonce1_bytes, 4);
    assert_int_equal(f->job.extranonce2_bytes, 4);
    assert_int_equal(f->job.version_mask, 0x1fffe000);
    assert_true(
        say(f, &error, "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[0.5]}"));
    assert_true(say(f, &error,
                    "{\"id\":null,\"method\":\"mining.set_extranonce\",\"params\":[\"0102\",8]}"));
    assert_int_equal(f->jobs, 1);
    assert_true(f->job.difficulty == 2);
    assert_true(say(f, &error, NOTIFY("j2")));
    assert_true(f->job.difficulty == 0.5);
    assert_int_equal(f->job.extranonce1_bytes, 2);
    assert_int_equal(f->job.extranonce2_bytes, 8);
}

static void a_share_is_sent_as_the_protocol_spells_it(void **state)
{
    struct fixture *f = *state;
    struct error error;
    struct client_share share = { .job_id = "j1",
                                  .extranonce2 = { 1, 2, 3, 4 },
                                  .extranonce2_bytes = 4,
                                  .time = 0x4966bc61,
                                  .nonce = 0x9962e301,
                                  .version_bits = 0x2000,
                                  .with_version = true };
    log_in(f);
    assert_true(say(f, &error, NOTIFY("j1")));
    static const char *const expected[] = { "who.me",   "j1",       "01020304",
                                            "4966bc61", "9962e301", "00002000" };
    json_int_t ids[2];
    for (size_t i = 0; i < 2; i++) {
        assert_true(client_submit(&f->client, &share, &error));
        json_t *line = next_line(f);
        const json_t *params = json_object_get(line, "params");
        assert_int_equal(json_array_size(params), 6);
        for (size_t j = 0; j < 6; j++)
            assert_string_equal(json_string_value(json_array_get(params, j)), expected[j]);
        ids[i] = json_integer_value(json_object_get(line, "id"));
        json_decref(line);
    }
    /* Answers may come in any order. */
    assert_true(say(f, &error, "{\"id\":%lld,\"result\":false,\"error\":[22,\"Duplicate\",null]}",
                    (long long)ids[1]));
    assert_string_equal(f->reason, "22 Duplicate");
    assert_true(say(f, &error, "{\"id\":%lld,\"result\":true,\"error\":null}", (long long)ids[0]));
    assert_int_equal(f->accepted, 1);
    assert_int_equal(f->rejected, 1);
    assert_int_equal(f->client.pending_count, 0);
}

static void a_session_is_asked_for_again(void **state)
{
    struct fixture *f = *state;
    json_int_t id;
    log_in(f);
    miner_client_close(&f->client);
    connect_client(f);
    expect_method(f, "mining.configure", &id);
    json_t *line = next_line(f);
    assert_string_equal(json_string_value(json_array_get(json_object_get(line, "params"), 1)),
                        "session7");
    json_decref(line);
}

static void a_pool_that_sends_rubbish_is_left_with_a_sentence(void **state)
{
    struct fixture *f = *state;
    static const char *const lines[] = {
        "rubbish",
        "[1,2]",
        "{\"method\":\"mining.notify\",\"params\":[]}",
        "{\"method\":\"mining.notify\",\"params\":[\"x\",\"00\",\"\",\"\",[],\"0\",\"0\",\"0\",0]}",
        "{\"method\":\"mining.set_difficulty\",\"params\":[0]}",
        "{\"method\":\"mining.set_difficulty\",\"params\":[-5]}",
        "{\"method\":\"mining.set_difficulty\",\"params\":[\"1\"]}",
        "{\"method\":\"mining.set_extranonce\",\"params\":[\"zz\",4]}",
        "{\"method\":\"mining.set_extranonce\",\"params\":[\"00\",900]}",
        "{\"method\":\"client.reconnect\",\"params\":[\"elsewhere.example\",1]}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct error error = { 0 };
        log_in(f);
        assert_false(say(f, &error, "%s", lines[i]));
        assert_true(strlen(error.text) > 0);
        miner_client_close(&f->client);
    }
}

static void any_change_to_a_job_line_is_survived(void **state)
{
    struct fixture *f = *state;
    bool connected = false;
    for (int i = 0; i < 2000; i++) {
        struct error error;
        char line[] = NOTIFY("j1");
        for (uint64_t changes = 1 + draw(3); changes > 0; changes--) {
            char c = (char)(32 + draw(95));
            line[draw(sizeof line - 1)] = c;
        }
        if (!connected) {
            miner_client_close(&f->client);
            log_in(f);
        }
        connected = say(f, &error, "%s", line);
    }
}

int main(void)
{
    const char *given = getenv("ADIT_SEED");
    seed = given == NULL ? (uint64_t)time(NULL) * 2654435761 + 1 : strtoull(given, NULL, 10);
    printf("ADIT_SEED=%llu\n", (unsigned long long)seed);
#define WITH_A_POOL(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_A_POOL(difficulty_and_extranonce_count_from_the_next_job_on),
        WITH_A_POOL(a_share_is_sent_as_the_protocol_spells_it),
        WITH_A_POOL(a_session_is_asked_for_again),
        WITH_A_POOL(a_pool_that_sends_rubbish_is_left_with_a_sentence),
        WITH_A_POOL(any_change_to_a_job_line_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
