/* Accepted shares sent again: on the connection they were accepted on, on a new one that resumes
 * the old session, on one that does not, and on one after kill -9 of the gateway, which forgets
 * what it has seen. None may be credited again.
 *
 * The client and its hashing are the test's own, in the simplest form. After each round some fresh
 * shares are mined: they are counted after everything that was sent before them, so the window's
 * total must be exactly theirs higher. Blocks are out of reach, so every job stays alive and no
 * share is refused merely for its age. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SHARES = 40,
    FRESH = 5,
    SHARES_MAX = 128,
    ANSWER_MS = 60000,
    RECOVERY_S = 60,
    COINBASE_MAX = 4096,
    LINE_MAX_BYTES = 65536,
};

static struct pool_fixture pool;

struct job {
    char id[64];
    uint8_t previous[32];
    uint8_t coinbase1[COINBASE_MAX], coinbase2[COINBASE_MAX];
    size_t coinbase1_bytes, coinbase2_bytes;
    uint8_t branches[16][32];
    size_t branch_count;
    uint32_t version, bits, time;
    double difficulty;
};

struct client {
    int fd;
    char input[LINE_MAX_BYTES];
    size_t input_bytes;
    char session[64];
    uint8_t extranonce1[16];
    size_t extranonce1_bytes, extranonce2_bytes;
    double difficulty;
    struct job job;
    bool has_job;
    json_int_t next_id;
};

struct share {
    struct job job;
    uint64_t extranonce2;
    uint32_t nonce;
};

static struct client client;
static struct share shares[SHARES_MAX];
static size_t share_count;
static uint64_t next_extranonce2 = 1; /* never used twice, whatever the connection */

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t read_hex(const json_t *json, uint8_t *bytes_r, size_t most)
{
    const char *text = json_string_value(json);
    assert_non_null(text);
    size_t length = strlen(text);
    assert_true(length % 2 == 0 && length / 2 <= most);
    assert_true(hex_decode(text, length, bytes_r, length / 2));
    return length / 2;
}

static uint32_t read_word(const json_t *json)
{
    uint8_t bytes[4];
    assert_int_equal(read_hex(json, bytes, sizeof bytes), 4);
    return load_be32(bytes);
}

static void take_job(struct client *c, const json_t *params)
{
    struct job *job = &c->job;
    uint8_t words[32];
    *job = (struct job){ .difficulty = c->difficulty };
    snprintf(job->id, sizeof job->id, "%s", json_string_value(json_array_get(params, 0)));
    assert_int_equal(read_hex(json_array_get(params, 1), words, sizeof words), 32);
    for (size_t i = 0; i < 32; i++) /* eight words, each with its bytes reversed */
        job->previous[i] = words[(i & ~(size_t)3) + 3 - (i & 3)];
    job->coinbase1_bytes = read_hex(json_array_get(params, 2), job->coinbase1, COINBASE_MAX);
    job->coinbase2_bytes = read_hex(json_array_get(params, 3), job->coinbase2, COINBASE_MAX);
    const json_t *branches = json_array_get(params, 4);
    job->branch_count = json_array_size(branches);
    assert_true(job->branch_count <= sizeof job->branches / sizeof *job->branches);
    for (size_t i = 0; i < job->branch_count; i++)
        assert_int_equal(read_hex(json_array_get(branches, i), job->branches[i], 32), 32);
    job->version = read_word(json_array_get(params, 5));
    job->bits = read_word(json_array_get(params, 6));
    job->time = read_word(json_array_get(params, 7));
    c->has_job = true;
}

/* Takes in what is a notification; an answer is left to the caller. */
static void take_notification(struct client *c, const json_t *line, const char *method)
{
    const json_t *params = json_object_get(line, "params");
    if (strcmp(method, "mining.notify") == 0)
        take_job(c, params);
    else if (strcmp(method, "mining.set_difficulty") == 0)
        c->difficulty = json_number_value(json_array_get(params, 0));
    else if (strcmp(method, "client.show_message") != 0) /* that it sends what was sent before */
        fail_msg("the pool said %s", method);
}

/* The first whole line of the input; NULL when there is none. Caller owns. */
static json_t *take_line(struct client *c)
{
    char *end = memchr(c->input, '\n', c->input_bytes);
    if (end == NULL)
        return NULL;
    size_t length = (size_t)(end - c->input);
    json_t *line = json_loadb(c->input, length, 0, NULL);
    assert_non_null(line);
    c->input_bytes -= length + 1;
    memmove(c->input, end + 1, c->input_bytes);
    return line;
}

/* The next answer within the time, notifications taken on the way; NULL: none came, or the
 * connection is closed. Caller owns. */
static json_t *next_answer(struct client *c, int timeout_ms)
{
    uint64_t deadline = clock_ms() + (uint64_t)timeout_ms;
    for (;;) {
        for (json_t *line; (line = take_line(c)) != NULL; json_decref(line)) {
            const char *method = json_string_value(json_object_get(line, "method"));
            if (method == NULL)
                return line;
            take_notification(c, line, method);
        }
        uint64_t now = clock_ms();
        struct pollfd poller = { .fd = c->fd, .events = POLLIN };
        if (poll(&poller, 1, now < deadline ? (int)(deadline - now) : 0) <= 0)
            return NULL;
        assert_true(c->input_bytes < sizeof c->input);
        ssize_t got = recv(c->fd, c->input + c->input_bytes, sizeof c->input - c->input_bytes, 0);
        if (got <= 0)
            return NULL;
        c->input_bytes += (size_t)got;
    }
}

/* Sends a request (params taken) and waits for its answer. Caller owns. */
static json_t *ask(struct client *c, const char *method, json_t *params)
{
    json_int_t id = c->next_id++;
    json_t *request = json_pack("{s:I, s:s, s:o}", "id", id, "method", method, "params", params);
    char *text = json_dumps(request, JSON_COMPACT);
    assert_non_null(text);
    size_t length = strlen(text);
    text[length++] = '\n';
    assert_int_equal(send(c->fd, text, length, MSG_NOSIGNAL), (ssize_t)length);
    free(text);
    json_decref(request);
    json_t *answer = next_answer(c, ANSWER_MS);
    if (answer == NULL)
        fail_msg("no answer to %s", method);
    assert_int_equal(json_integer_value(json_object_get(answer, "id")), id);
    return answer;
}

static bool connects(const struct pool_fixture *self, void *context)
{
    struct client *c = context;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)self->stratum_port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    close(c->fd);
    return false;
}

static void take_subscription(struct client *c, const json_t *result)
{
    size_t index;
    json_t *pair;
    json_array_foreach(json_array_get(result, 0), index, pair)
    {
        if (strcmp(json_string_value(json_array_get(pair, 0)), "mining.notify") == 0)
            snprintf(c->session, sizeof c->session, "%s",
                     json_string_value(json_array_get(pair, 1)));
    }
    c->extranonce1_bytes =
        read_hex(json_array_get(result, 1), c->extranonce1, sizeof c->extranonce1);
    c->extranonce2_bytes = (size_t)json_integer_value(json_array_get(result, 2));
    assert_true(c->extranonce2_bytes >= 4 && c->extranonce2_bytes <= 8);
}

/* A mining connection; asks for the session the client had before, where it had one. */
static void open_client(struct client *c)
{
    char old[sizeof c->session];
    memcpy(old, c->session, sizeof old);
    *c = (struct client){ .fd = -1, .next_id = 1 };
    pool_wait(&pool, "the gateway listens", RECOVERY_S, connects, c);
    json_t *params = json_pack("[s]", "resend-test/1");
    if (old[0] != '\0')
        json_array_append_new(params, json_string(old));
    json_t *answer = ask(c, "mining.subscribe", params);
    take_subscription(c, json_object_get(answer, "result"));
    json_decref(answer);
    char user[160];
    snprintf(user, sizeof user, "%s.again", pool.pool_address);
    answer = ask(c, "mining.authorize", json_pack("[s, s]", user, "x"));
    assert_true(json_is_true(json_object_get(answer, "result")));
    json_decref(answer);
    uint64_t deadline = clock_ms() + ANSWER_MS;
    while (!c->has_job && clock_ms() < deadline)
        assert_null(next_answer(c, 50));
    assert_true(c->has_job);
}

static void close_client(struct client *c)
{
    close(c->fd);
    c->fd = -1;
}

static void sha256d(const uint8_t *data, size_t length, uint8_t digest_r[32])
{
    uint8_t once[32];
    assert_int_equal(EVP_Digest(data, length, once, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(EVP_Digest(once, sizeof once, digest_r, NULL, EVP_sha256(), NULL), 1);
}

static void write_extranonce2(const struct client *c, uint64_t number, uint8_t bytes_r[8])
{
    for (size_t i = 0; i < c->extranonce2_bytes; i++)
        bytes_r[i] = (uint8_t)(number >> (8 * (c->extranonce2_bytes - 1 - i)));
}

/* The header this connection's extranonce makes of a share; its nonce included. */
static void build_header(const struct client *c, const struct share *share, uint8_t header_r[80])
{
    const struct job *job = &share->job;
    uint8_t coinbase[2 * COINBASE_MAX + 32], pair[64];
    size_t length = job->coinbase1_bytes;
    memcpy(coinbase, job->coinbase1, length);
    memcpy(coinbase + length, c->extranonce1, c->extranonce1_bytes);
    length += c->extranonce1_bytes;
    write_extranonce2(c, share->extranonce2, coinbase + length);
    length += c->extranonce2_bytes;
    memcpy(coinbase + length, job->coinbase2, job->coinbase2_bytes);
    length += job->coinbase2_bytes;
    sha256d(coinbase, length, pair);
    for (size_t i = 0; i < job->branch_count; i++) {
        memcpy(pair + 32, job->branches[i], 32);
        sha256d(pair, sizeof pair, pair);
    }
    store_le32(header_r, job->version);
    memcpy(header_r + 4, job->previous, 32);
    memcpy(header_r + 36, pair, 32);
    store_le32(header_r + 68, job->time);
    store_le32(header_r + 72, job->bits);
    store_le32(header_r + 76, share->nonce);
}

/* Of the hash only its top 64 bits; a thousandth below the target is asked for, so that rounding
 * never says yes where the pool says no. */
static bool meets(const uint8_t header[80], double difficulty)
{
    uint8_t digest[32];
    assert_int_equal(EVP_Digest(header, 80, digest, NULL, EVP_blake2s256(), NULL), 1);
    double target = 65535.0 * 65536.0 / difficulty;
    return (double)load_le64(digest + 24) < target * 0.999;
}

/* Error code of the answer, 0 for accepted. */
static json_int_t submit(struct client *c, const struct share *share)
{
    char user[160], extranonce2[17], time_text[9], nonce[9];
    uint8_t bytes[8];
    write_extranonce2(c, share->extranonce2, bytes);
    hex_encode(span_of(bytes, c->extranonce2_bytes), extranonce2);
    snprintf(user, sizeof user, "%s.again", pool.pool_address);
    snprintf(time_text, sizeof time_text, "%08x", share->job.time);
    snprintf(nonce, sizeof nonce, "%08x", share->nonce);
    json_t *answer =
        ask(c, "mining.submit",
            json_pack("[s, s, s, s, s]", user, share->job.id, extranonce2, time_text, nonce));
    json_int_t code = json_is_true(json_object_get(answer, "result"))
                          ? 0
                          : json_integer_value(json_array_get(json_object_get(answer, "error"), 0));
    if (code == 0)
        assert_true(json_is_null(json_object_get(answer, "error")));
    else
        assert_true(code >= 20 && code <= 25);
    json_decref(answer);
    return code;
}

/* Mines one share for the newest job. */
static void mine(struct client *c, struct share *share_r)
{
    uint8_t header[80];
    for (;;) {
        assert_null(next_answer(c, 0)); /* only takes in what is new */
        *share_r = (struct share){ .job = c->job, .extranonce2 = next_extranonce2++ };
        build_header(c, share_r, header);
        for (share_r->nonce = 0; share_r->nonce < 1u << 16; share_r->nonce++) {
            store_le32(header + 76, share_r->nonce);
            if (meets(header, share_r->job.difficulty))
                return;
        }
    }
}

static void mine_accepted(struct client *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(share_count < SHARES_MAX);
        mine(c, &shares[share_count]);
        json_int_t code = submit(c, &shares[share_count]);
        if (code != 0)
            fail_msg("a good share was refused with %d", (int)code);
        share_count++;
    }
}

static bool counted(const struct pool_fixture *self, void *context)
{
    return books_shares(self) >= *(const json_int_t *)context;
}

/* Everything accepted is counted, and nothing else. */
static void check_total(void)
{
    json_int_t want = (json_int_t)share_count;
    pool_wait(&pool, "what was accepted is counted", RECOVERY_S, counted, &want);
    assert_int_equal(books_shares(&pool), want);
}

/* Sends every accepted share once more. A share that by chance is a good one under this
 * connection's extranonce too would be new work, and is left out. */
static void send_all_again(struct client *c, const char *where, bool other_extranonce)
{
    size_t before = share_count, sent = 0;
    unsigned codes[26] = { 0 };
    for (size_t i = 0; i < before; i++) {
        uint8_t header[80];
        build_header(c, &shares[i], header);
        if (other_extranonce && meets(header, shares[i].job.difficulty / 1.01))
            continue;
        codes[submit(c, &shares[i])]++;
        sent++;
    }
    printf("%s: %zu sent again: accepted %u, other %u, stale %u, duplicate %u, low %u\n", where,
           sent, codes[0], codes[20], codes[21], codes[22], codes[23]);
    assert_int_equal(codes[0], 0);
    assert_true(sent + 1 >= before);
    mine_accepted(c, FRESH);
    check_total();
}

static void shares_sent_again_on_the_same_connection_are_not_credited(void **state)
{
    (void)state;
    open_client(&client);
    mine_accepted(&client, SHARES);
    check_total();
    send_all_again(&client, "the same connection", false);
}

static void expect_another_extranonce(const struct client *c, const uint8_t old[16])
{
    if (memcmp(c->extranonce1, old, sizeof c->extranonce1) == 0)
        fail_msg("the old session's extranonce was given again");
}

static bool nobody_is_connected(const struct pool_fixture *self, void *context)
{
    char log[160];
    (void)context;
    snprintf(log, sizeof log, "%s/log/stratum-gateway.log", self->data);
    return pool_metric(log, "adit_gateway_connects_total") > 0 &&
           pool_metric(log, "adit_gateway_connections") == 0;
}

/* The gateway still has the session, its extranonce and its set of submissions. */
static void shares_sent_again_on_a_resumed_session_are_not_credited(void **state)
{
    (void)state;
    uint8_t old[16];
    memcpy(old, client.extranonce1, sizeof old);
    close_client(&client);
    pool_wait(&pool, "the gateway sees the end", RECOVERY_S, nobody_is_connected, NULL);
    open_client(&client);
    assert_memory_equal(client.extranonce1, old, client.extranonce1_bytes);
    send_all_again(&client, "a resumed session", false);
}

static void shares_sent_again_on_a_new_connection_are_not_credited(void **state)
{
    (void)state;
    uint8_t old[16];
    memcpy(old, client.extranonce1, sizeof old);
    close_client(&client);
    client.session[0] = '\0';
    open_client(&client);
    expect_another_extranonce(&client, old);
    send_all_again(&client, "a new connection", true);
}

static bool gateway_reborn(const struct pool_fixture *self, void *context)
{
    pid_t pid = pool_pid(self, "stratum-gateway", NULL);
    return pid != 0 && pid != *(const pid_t *)context;
}

static void shares_sent_again_after_the_gateway_was_killed_are_not_credited(void **state)
{
    (void)state;
    uint8_t old[16];
    memcpy(old, client.extranonce1, sizeof old);
    pid_t gateway = pool_pid(&pool, "stratum-gateway", NULL);
    assert_true(gateway > 0);
    assert_int_equal(kill(gateway, SIGKILL), 0);
    pool_wait(&pool, "the gateway is started again", RECOVERY_S, gateway_reborn, &gateway);
    close_client(&client);
    open_client(&client);
    expect_another_extranonce(&client, old);
    send_all_again(&client, "after kill -9 of the gateway", true);
}

static int begin(void **state)
{
    (void)state;
    /* The devnode's difficulty follows the demo's hash rate: blocks are out of reach. Vardiff aims
     * at what this client mines, so its difficulty stays about where it begins. */
    pool_start(&pool,
               "{\"payout\":{\"enabled\":false},\"demo\":{\"hashrate\":1000000000},"
               "\"stratum\":{\"share_interval_ms\":100,\"start_difficulty\":\"0.00001\"}}",
               false);
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
        cmocka_unit_test(shares_sent_again_on_the_same_connection_are_not_credited),
        cmocka_unit_test(shares_sent_again_on_a_resumed_session_are_not_credited),
        cmocka_unit_test(shares_sent_again_on_a_new_connection_are_not_credited),
        cmocka_unit_test(shares_sent_again_after_the_gateway_was_killed_are_not_credited),
    };
    return cmocka_run_group_tests_name("resend", tests, begin, end);
}
