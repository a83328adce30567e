#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_rpc/testing/scripted_node.h"
#include "loop/loop.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void what_was_not_sent_is_unavailable_and_what_got_no_answer_is_unknown(void **state)
{
    struct scripted_node scripted;
    struct node_chain chain;
    struct error error;
    (void)state;
    scripted_node_open(&scripted, "");
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 300);
    atomic_store(&scripted.manner, SCRIPTED_HANGS_UP);
    assert_int_equal(node_chain(node, &chain, &error), NODE_UNKNOWN);
    atomic_store(&scripted.manner, SCRIPTED_IS_SILENT);
    assert_int_equal(node_chain(node, &chain, &error), NODE_UNKNOWN);
    scripted_node_close(&scripted);
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
    struct scripted_node scripted;
    (void)state;
    scripted_node_open(&scripted, "");
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 2000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct node_chain chain;
        struct error error = { 0 };
        scripted_node_put(&scripted, cases[i].status, cases[i].body);
        enum node_answer got = node_chain(node, &chain, &error);
        if (got != cases[i].answer)
            fail_msg("case %zu: %d (%s)", i, got, error.text);
        assert_true(strlen(error.text) > 10);
    }
    node_close(node);
    scripted_node_close(&scripted);
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
    struct scripted_node scripted;
    char answer_text[100];
    (void)state;
    scripted_node_open(&scripted, "");
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 2000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scripted_node_put(&scripted, "200 OK", cases[i].result);
        assert_int_equal(node_submit(node, span_of(block, 90), answer_text, sizeof answer_text),
                         cases[i].submit);
        assert_true(answer_text[0] != '\0');
        assert_true(scripted_node_has_seen(&scripted, "\"submitblock\",\"params\":[\"ab00"));
    }
    node_close(node);
    scripted_node_close(&scripted);
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
    struct scripted_node scripted;
    (void)state;
    scripted_node_open(&scripted, "");
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 2000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[300];
        struct error error;
        snprintf(body, sizeof body,
                 "{\"result\":null,\"error\":{\"code\":%d,\"message\":\"%s\"},\"id\":$id}",
                 cases[i].code, cases[i].words);
        scripted_node_put(&scripted, "200 OK", body);
        assert_int_equal(node_broadcast(node, span_of(raw, 10), &error), cases[i].answer);
    }
    node_close(node);
    scripted_node_close(&scripted);
}

static void credentials_are_sent_and_never_shown(void **state)
{
    struct scripted_node scripted;
    struct node_chain chain;
    struct error error;
    (void)state;
    scripted_node_open(&scripted, "alice:s3cret%40x@");
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 2000);
    scripted_node_put(&scripted, "200 OK",
                      "{\"result\":null,\"error\":{\"code\":-1,\"message\":\"no\"},\"id\":$id}");
    assert_int_equal(node_chain(node, &chain, &error), NODE_REFUSED);
    /* base64 of alice:s3cret@x */
    assert_true(scripted_node_has_seen(&scripted, "Authorization: Basic YWxpY2U6czNjcmV0QHg="));
    assert_false(scripted_node_has_seen(&scripted, "Expect:"));
    assert_null(strstr(error.text, "s3cret"));
    assert_null(strstr(node_name(node), "alice"));
    node_close(node);
    scripted_node_close(&scripted);
}

static void a_cookie_is_read_anew_at_each_call(void **state)
{
    struct scripted_node scripted;
    struct node_chain chain;
    struct error error;
    char path[] = "/tmp/adit-cookie-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0 && write(fd, "__cookie__:one\n", 15) == 15);
    scripted_node_open(&scripted, "");
    scripted_node_put(&scripted, "200 OK",
                      "{\"result\":null,\"error\":{\"code\":-1,\"message\":\"no\"},\"id\":$id}");
    struct node *node = node_rpc_open(
        &(struct node_rpc_options){ .url = scripted.url,
                                    .cookie_file = path,
                                    .coin = coin_profile_find(span_text("bitcoin-regtest")) },
        &error);
    assert_non_null(node);
    assert_int_equal(node_chain(node, &chain, &error), NODE_REFUSED);
    assert_true(scripted_node_has_seen(&scripted, "Basic X19jb29raWVfXzpvbmU="));
    assert_true(pwrite(fd, "__cookie__:two\n", 15, 0) == 15);
    assert_int_equal(node_chain(node, &chain, &error), NODE_REFUSED);
    assert_true(scripted_node_has_seen(&scripted, "Basic X19jb29raWVfXzp0d28="));
    unlink(path);
    assert_int_equal(node_chain(node, &chain, &error), NODE_UNAVAILABLE);
    close(fd);
    node_close(node);
    scripted_node_close(&scripted);
}

struct interrupter {
    struct node *node;
    struct scripted_node *scripted;
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
    struct scripted_node scripted;
    struct error error;
    struct block_template template;
    const char *longpoll;
    pthread_t thread;
    uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    (void)state;
    scripted_node_open(&scripted, "");
    atomic_store(&scripted.manner, SCRIPTED_IS_SILENT);
    struct node *node = scripted_node_connect(scripted.url, "bitcoin-regtest", 120000);
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
    scripted_node_close(&scripted);
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
