#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_rpc/node_rpc.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A node in a few lines: answers each request with what the test has put down. */
enum manner {
    ANSWERS,  /* status and body; "$id" in the body becomes the request's id */
    HANGS_UP, /* reads the request and closes */
    IS_SILENT,
};

struct scripted {
    int listener;
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic int manner;
    _Atomic unsigned requests;
    pthread_mutex_t lock; /* over the rest */
    const char *status;
    const char *body;
    char seen[4096]; /* the last request */
    char url[96];
};

static void put_down(struct scripted *node, const char *status, const char *body)
{
    pthread_mutex_lock(&node->lock);
    node->status = status;
    node->body = body;
    pthread_mutex_unlock(&node->lock);
}

static bool has_seen(struct scripted *node, const char *text)
{
    pthread_mutex_lock(&node->lock);
    bool seen = strstr(node->seen, text) != NULL;
    pthread_mutex_unlock(&node->lock);
    return seen;
}

static void answer(struct scripted *node, int fd)
{
    char body[4096];
    char reply[8192];
    pthread_mutex_lock(&node->lock);
    const char *id = strstr(node->seen, "\"id\":");
    const char *mark = strstr(node->body, "$id");
    snprintf(body, sizeof body, "%s", node->body);
    if (mark != NULL)
        snprintf(body, sizeof body, "%.*s%lu%s", (int)(mark - node->body), node->body,
                 id != NULL ? strtoul(id + 5, NULL, 10) : 0, mark + 3);
    int length = snprintf(reply, sizeof reply,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          node->status, strlen(body), body);
    pthread_mutex_unlock(&node->lock);
    assert_true(write(fd, reply, (size_t)length) == length);
}

/* Reads one request; false at the end. */
static bool read_request(struct scripted *node, int fd)
{
    char text[sizeof node->seen];
    size_t used = 0;
    for (;;) {
        struct pollfd waiting = { .fd = fd, .events = POLLIN };
        while (poll(&waiting, 1, 20) == 0)
            if (atomic_load(&node->stopping))
                return false;
        ssize_t got = read(fd, text + used, sizeof text - 1 - used);
        if (got <= 0)
            return false;
        used += (size_t)got;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (end == NULL || length == NULL || strlen(end + 4) < strtoul(length + 16, NULL, 10))
            continue;
        pthread_mutex_lock(&node->lock);
        memcpy(node->seen, text, used + 1);
        pthread_mutex_unlock(&node->lock);
        atomic_fetch_add(&node->requests, 1);
        return true;
    }
}

static void *serve(void *context)
{
    struct scripted *node = context;
    while (!atomic_load(&node->stopping)) {
        struct pollfd waiting = { .fd = node->listener, .events = POLLIN };
        if (poll(&waiting, 1, 20) <= 0)
            continue;
        int fd = accept(node->listener, NULL, NULL);
        while (fd >= 0 && read_request(node, fd)) {
            if (atomic_load(&node->manner) == HANGS_UP)
                break;
            if (atomic_load(&node->manner) == ANSWERS)
                answer(node, fd);
        }
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

static void open_scripted(struct scripted *node, const char *login)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    *node = (struct scripted){ .status = "200 OK", .body = "" };
    pthread_mutex_init(&node->lock, NULL);
    node->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(node->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(node->listener, 8), 0);
    assert_int_equal(getsockname(node->listener, (struct sockaddr *)&address, &length), 0);
    snprintf(node->url, sizeof node->url, "http://%s127.0.0.1:%u", login, ntohs(address.sin_port));
    assert_int_equal(pthread_create(&node->thread, NULL, serve, node), 0);
}

static void close_scripted(struct scripted *node)
{
    atomic_store(&node->stopping, true);
    pthread_join(node->thread, NULL);
    pthread_mutex_destroy(&node->lock);
    close(node->listener);
}

static struct node *connect_to(const char *url, unsigned call_timeout_ms)
{
    struct error error;
    struct node *node = node_rpc_open(
        &(struct node_rpc_options){ .url = url,
                                    .coin = coin_profile_find(span_text("bitcoin-regtest")),
                                    .call_timeout_ms = call_timeout_ms },
        &error);
    if (node == NULL)
        fail_msg("%s", error.text);
    return node;
}

static void what_was_not_sent_is_unavailable_and_what_got_no_answer_is_unknown(void **state)
{
    struct scripted scripted;
    struct node_chain chain;
    struct error error;
    (void)state;
    open_scripted(&scripted, "");
    struct node *node = connect_to(scripted.url, 300);
    atomic_store(&scripted.manner, HANGS_UP);
    assert_int_equal(node_chain(node, &chain, &error), NODE_UNKNOWN);
    atomic_store(&scripted.manner, IS_SILENT);
    assert_int_equal(node_chain(node, &chain, &error), NODE_UNKNOWN);
    close_scripted(&scripted);
    assert_int_equal(node_chain(node, &chain, &error), NODE_UNAVAILABLE);
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    node_close(node);
}

static void a_node_that_sends_us_away_did_not_carry_it_out(void **state)
{
    static const struct {
        const char *status, *body;
        enum node_answer answer;
    } cases[] = {
        { "401 Unauthorized", "", NODE_UNAVAILABLE },
        { "403 Forbidden", "", NODE_UNAVAILABLE },
        { "503 Service Unavailable", "Work queue depth exceeded", NODE_UNAVAILABLE },
        { "500 Internal Server Error",
          "{\"result\":null,\"error\":{\"code\":-28,\"message\":\"Loading block index\"},"
          "\"id\":$id}",
          NODE_UNAVAILABLE },
        { "500 Internal Server Error",
          "{\"result\":null,\"error\":{\"code\":-1,\"message\":\"no\"},\"id\":$id}", NODE_REFUSED },
        { "200 OK", "<html>", NODE_UNKNOWN },
        { "200 OK", "{\"result\":{},\"error\":null,\"id\":999999}", NODE_UNKNOWN },
        { "200 OK", "{\"result\":{},\"error\":null,\"id\":$id}", NODE_UNKNOWN }, /* no fields */
        { "200 OK", "{\"result\":{\"a\":1,\"a\":2},\"error\":null,\"id\":$id}", NODE_UNKNOWN },
        { "200 OK", "[]", NODE_UNKNOWN },
    };
    struct scripted scripted;
    (void)state;
    open_scripted(&scripted, "");
    struct node *node = connect_to(scripted.url, 2000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct node_chain chain;
        struct error error = { 0 };
        put_down(&scripted, cases[i].status, cases[i].body);
        enum node_answer got = node_chain(node, &chain, &error);
        if (got != cases[i].answer)
            fail_msg("case %zu: %d (%s)", i, got, error.text);
        assert_true(strlen(error.text) > 10);
    }
    node_close(node);
    close_scripted(&scripted);
}

static void words_of_submitblock_mean_what_bip22_says(void **state)
{
    static const struct {
        const char *result;
        enum node_submit submit;
    } cases[] = {
        { "{\"result\":null,\"error\":null,\"id\":$id}", NODE_SUBMIT_ACCEPTED },
        { "{\"result\":\"duplicate\",\"error\":null,\"id\":$id}", NODE_SUBMIT_DUPLICATE },
        { "{\"result\":\"inconclusive\",\"error\":null,\"id\":$id}", NODE_SUBMIT_INCONCLUSIVE },
        { "{\"result\":\"duplicate-invalid\",\"error\":null,\"id\":$id}", NODE_SUBMIT_REJECTED },
        { "{\"result\":\"high-hash\",\"error\":null,\"id\":$id}", NODE_SUBMIT_REJECTED },
        { "{\"result\":\"prev-blk-not-found\",\"error\":null,\"id\":$id}", NODE_SUBMIT_UNREACHED },
        { "{\"result\":7,\"error\":null,\"id\":$id}", NODE_SUBMIT_UNREACHED },
        { "{\"result\":null,\"error\":{\"code\":-22,\"message\":\"Block decode failed\"},"
          "\"id\":$id}",
          NODE_SUBMIT_REJECTED },
        { "{\"result\":null,\"error\":{\"code\":-1,\"message\":\"odd\"},\"id\":$id}",
          NODE_SUBMIT_UNREACHED },
        { "rubbish", NODE_SUBMIT_UNREACHED },
    };
    static const uint8_t block[90] = { 0xab };
    struct scripted scripted;
    char answer_text[100];
    (void)state;
    open_scripted(&scripted, "");
    struct node *node = connect_to(scripted.url, 2000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_down(&scripted, "200 OK", cases[i].result);
        assert_int_equal(node_submit(node, span_of(block, 90), answer_text, sizeof answer_text),
                         cases[i].submit);
        assert_true(answer_text[0] != '\0');
        assert_true(has_seen(&scripted, "\"submitblock\",\"params\":[\"ab00"));
    }
    node_close(node);
    close_scripted(&scripted);
}

static void a_transaction_that_is_there_already_was_broadcast(void **state)
{
    static const struct {
        int code;
        const char *words;
        enum node_answer answer;
    } cases[] = {
        { -27, "Transaction already in block chain", NODE_OK },
        { -27, "Transaction outputs already in utxo set", NODE_OK },
        { -26, "txn-already-known", NODE_OK },
        { -26, "txn-already-in-mempool", NODE_OK },
        { -25, "bad-txns-inputs-missingorspent", NODE_REFUSED },
        { -26, "txn-mempool-conflict", NODE_REFUSED },
        { -26, "min relay fee not met", NODE_REFUSED },
        { -22, "TX decode failed", NODE_REFUSED },
        { -28, "Verifying blocks", NODE_UNAVAILABLE },
    };
    static const uint8_t raw[10] = { 2 };
    struct scripted scripted;
    (void)state;
    open_scripted(&scripted, "");
    struct node *node = connect_to(scripted.url, 2000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[300];
        struct error error;
        snprintf(body, sizeof body,
                 "{\"result\":null,\"error\":{\"code\":%d,\"message\":\"%s\"},\"id\":$id}",
                 cases[i].code, cases[i].words);
        put_down(&scripted, "200 OK", body);
        assert_int_equal(node_broadcast(node, span_of(raw, 10), &error), cases[i].answer);
    }
    node_close(node);
    close_scripted(&scripted);
}

static void credentials_are_sent_and_never_shown(void **state)
{
    struct scripted scripted;
    struct node_chain chain;
    struct error error;
    (void)state;
    open_scripted(&scripted, "alice:s3cret%40x@");
    struct node *node = connect_to(scripted.url, 2000);
    put_down(&scripted, "200 OK",
             "{\"result\":null,\"error\":{\"code\":-1,\"message\":\"no\"},\"id\":$id}");
    assert_int_equal(node_chain(node, &chain, &error), NODE_REFUSED);
    /* base64 of alice:s3cret@x */
    assert_true(has_seen(&scripted, "Authorization: Basic YWxpY2U6czNjcmV0QHg="));
    assert_false(has_seen(&scripted, "Expect:"));
    assert_null(strstr(error.text, "s3cret"));
    assert_null(strstr(node_name(node), "alice"));
    node_close(node);
    close_scripted(&scripted);
}

static void a_cookie_is_read_anew_at_each_call(void **state)
{
    struct scripted scripted;
    struct node_chain chain;
    struct error error;
    char path[] = "/tmp/adit-cookie-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0 && write(fd, "__cookie__:one\n", 15) == 15);
    open_scripted(&scripted, "");
    put_down(&scripted, "200 OK",
             "{\"result\":null,\"error\":{\"code\":-1,\"message\":\"no\"},\"id\":$id}");
    struct node *node = node_rpc_open(
        &(struct node_rpc_options){ .url = scripted.url,
                                    .cookie_file = path,
                                    .coin = coin_profile_find(span_text("bitcoin-regtest")) },
        &error);
    assert_non_null(node);
    assert_int_equal(node_chain(node, &chain, &error), NODE_REFUSED);
    assert_true(has_seen(&scripted, "Basic X19jb29raWVfXzpvbmU="));
    assert_true(pwrite(fd, "__cookie__:two\n", 15, 0) == 15);
    assert_int_equal(node_chain(node, &chain, &error), NODE_REFUSED);
    assert_true(has_seen(&scripted, "Basic X19jb29raWVfXzp0d28="));
    unlink(path);
    assert_int_equal(node_chain(node, &chain, &error), NODE_UNAVAILABLE);
    close(fd);
    node_close(node);
    close_scripted(&scripted);
}

struct interrupter {
    struct node *node;
    struct scripted *scripted;
};

static void *interrupt(void *context)
{
    struct interrupter *interrupter = context;
    while (atomic_load(&interrupter->scripted->requests) == 0) {
        struct timespec pause = { .tv_nsec = 1000000 };
        nanosleep(&pause, NULL);
    }
    node_interrupt(interrupter->node);
    return NULL;
}

static void an_interrupt_ends_a_long_poll_at_once(void **state)
{
    struct scripted scripted;
    struct error error;
    struct block_template template;
    const char *longpoll;
    pthread_t thread;
    uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    (void)state;
    open_scripted(&scripted, "");
    atomic_store(&scripted.manner, IS_SILENT);
    struct node *node = connect_to(scripted.url, 120000);
    struct interrupter interrupter = { node, &scripted };
    uint64_t began = loop_clock_ns();
    assert_int_equal(pthread_create(&thread, NULL, interrupt, &interrupter), 0);
    assert_int_equal(node_get_template(node, "x", &arena, &template, &longpoll, &error),
                     NODE_UNAVAILABLE);
    assert_true(loop_clock_ns() - began < 60000000000u);
    pthread_join(thread, NULL);
    /* One that comes between two calls ends the next. */
    node_interrupt(node);
    assert_int_equal(node_get_template(node, "x", &arena, &template, &longpoll, &error),
                     NODE_UNAVAILABLE);
    node_close(node);
    close_scripted(&scripted);
}

static void a_url_that_is_none_is_refused_without_repeating_it(void **state)
{
    static const char *const bad[] = { "", "127.0.0.1", "ftp://a:1", "http://", "http://u:pw@" };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error error = { 0 };
        struct node *node = node_rpc_open(
            &(struct node_rpc_options){ .url = bad[i],
                                        .coin = coin_profile_find(span_text("bitcoin")) },
            &error);
        if (node != NULL)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_null(strstr(error.text, "pw"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_sent_is_unavailable_and_what_got_no_answer_is_unknown),
        cmocka_unit_test(a_node_that_sends_us_away_did_not_carry_it_out),
        cmocka_unit_test(words_of_submitblock_mean_what_bip22_says),
        cmocka_unit_test(a_transaction_that_is_there_already_was_broadcast),
        cmocka_unit_test(credentials_are_sent_and_never_shown),
        cmocka_unit_test(a_cookie_is_read_anew_at_each_call),
        cmocka_unit_test(an_interrupt_ends_a_long_poll_at_once),
        cmocka_unit_test(a_url_that_is_none_is_refused_without_repeating_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
