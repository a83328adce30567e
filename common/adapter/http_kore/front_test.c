/* What Kore's thread settles by itself, without Kore: exchanges as it makes them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/http_kore/front.h"
#include "adapter/http_kore/http.h"
#include "service/metrics.h"
#include "service/settings.h"

#include <stdio.h>
#include <stdlib.h>

static struct settings_list no_proxies;
static struct http_site site;
static struct front *front;
static uint64_t now_us;
static unsigned made; /* how often the handler was called */

static void answered(struct http_exchange *exchange)
{
    (void)exchange;
}

static int set_up(void **state)
{
    (void)state;
    site.answered = answered;
    now_us = 1000000;
    made = 0;
    front = front_create(&(struct front_options){ .seed = 7, .proxies = &no_proxies });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    front_destroy(front);
    return 0;
}

static struct http_exchange *question(const char *path, const char *query, const char *header,
                                      const char *value)
{
    struct http_exchange *exchange =
        exchange_create(&site, EXCHANGE_GET, path, query, "203.0.113.9");
    assert_non_null(exchange);
    if (header != NULL)
        exchange_add_header(exchange, header, value);
    return exchange;
}

/* As kore_side.c does: answered by the front, or by a handler that says how long it may be kept. */
static struct http_exchange *ask(struct http_exchange *exchange, unsigned keep_ms, const char *body)
{
    if (!front_answers(front, exchange, now_us)) {
        made++;
        http_keep(exchange, keep_ms);
        exchange->made_us = now_us; /* the test's clock */
        http_add_header(exchange, "etag", "\"tag-of-it\"");
        http_reply(exchange, 200, "application/json", span_text(body));
    }
    front_back(front, exchange, now_us);
    return exchange;
}

static void expect(struct http_exchange *exchange, int status, const char *body)
{
    assert_int_equal(exchange->status, status);
    assert_int_equal(exchange->answer_length, strlen(body));
    assert_memory_equal(exchange->answer, body, strlen(body));
    exchange_free(exchange);
}

static const char *header_of(const struct http_exchange *exchange, const char *name)
{
    for (size_t i = 0; i < exchange->answer_header_count; i++)
        if (strcmp(exchange->answer_headers[i].name, name) == 0)
            return exchange->answer_headers[i].value;
    return NULL;
}

static void an_answer_is_given_again_while_it_is_good_and_not_longer(void **state)
{
    (void)state;
    expect(ask(question("/a", "", NULL, NULL), 250, "first"), 200, "first");
    now_us += 249999;
    struct http_exchange *again = ask(question("/a", "", NULL, NULL), 250, "second");
    assert_string_equal(header_of(again, "etag"), "\"tag-of-it\"");
    assert_string_equal(again->content_type, "application/json");
    expect(again, 200, "first");
    assert_int_equal(made, 1);
    now_us += 1;
    expect(ask(question("/a", "", NULL, NULL), 250, "third"), 200, "third");
    assert_int_equal(made, 2);
}

/* A handler has answered; the answer is on its way to front_back. */
static struct http_exchange *under_way(const char *path, unsigned keep_ms, const char *body)
{
    struct http_exchange *exchange = question(path, "", NULL, NULL);
    assert_false(front_answers(front, exchange, now_us));
    http_keep(exchange, keep_ms);
    exchange->made_us = now_us;
    http_reply(exchange, 200, "text/plain", span_text(body));
    return exchange;
}

/* An answer that was long under way is not good for longer by that. */
static void what_an_answer_says_is_never_older_than_it_may_be(void **state)
{
    (void)state;
    struct http_exchange *slow = under_way("/a", 250, "slow");
    now_us += 249999;
    front_back(front, slow, now_us);
    expect(slow, 200, "slow");
    expect(ask(question("/a", "", NULL, NULL), 250, "unmade"), 200, "slow");
    now_us += 1;
    expect(ask(question("/a", "", NULL, NULL), 250, "fresh"), 200, "fresh");
    /* One that comes back when its time is over is nobody else's. */
    struct http_exchange *late = under_way("/b", 250, "late");
    now_us += 250000;
    front_back(front, late, now_us);
    expect(late, 200, "late");
    expect(ask(question("/b", "", NULL, NULL), 250, "new"), 200, "new");
}

static void an_answer_that_was_overtaken_does_not_come_back(void **state)
{
    (void)state;
    struct http_exchange *old = under_way("/a", 1000, "old");
    now_us += 1000;
    expect(ask(question("/a", "", NULL, NULL), 1000, "newer"), 200, "newer");
    now_us += 1000;
    front_back(front, old, now_us);
    expect(old, 200, "old");
    expect(ask(question("/a", "", NULL, NULL), 1000, "unmade"), 200, "newer");
}

static void who_wants_it_anew_gets_it_anew_and_so_do_all_behind(void **state)
{
    (void)state;
    static const char *const wishes[] = { "no-cache", "max-age=0", "No-Store", "foo, no-cache" };
    expect(ask(question("/a", "", NULL, NULL), 250, "first"), 200, "first");
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        char body[16];
        snprintf(body, sizeof body, "anew %zu", i);
        now_us++;
        expect(ask(question("/a", "", "cache-control", wishes[i]), 250, body), 200, body);
        expect(ask(question("/a", "", NULL, NULL), 250, "unmade"), 200, body);
    }
    expect(ask(question("/a", "", "cache-control", "max-age=60"), 250, "unmade"), 200, "anew 3");
    assert_int_equal(made, 5);
    /* One that stands on a line of its own (RFC 9110, 5.3). */
    struct http_exchange *two = question("/a", "", "Cache-Control", "max-age=60");
    exchange_add_header(two, "CACHE-CONTROL", "no-cache");
    now_us++;
    expect(ask(two, 250, "of two"), 200, "of two");
}

static void only_the_very_question_is_answered_so(void **state)
{
    (void)state;
    expect(ask(question("/a", "x=1", NULL, NULL), 250, "first"), 200, "first");
    expect(ask(question("/a", "x=2", NULL, NULL), 250, "second"), 200, "second");
    expect(ask(question("/a", "", NULL, NULL), 250, "third"), 200, "third");
    expect(ask(question("/b", "", NULL, NULL), 250, "fourth"), 200, "fourth");
    /* One with a token never, nor is what it gets given to anybody. */
    expect(ask(question("/c", "", "authorization", "Bearer x"), 250, "mine"), 200, "mine");
    expect(ask(question("/c", "", NULL, NULL), 250, "all"), 200, "all");
    expect(ask(question("/c", "", "authorization", "Bearer x"), 250, "mine"), 200, "mine");
    assert_int_equal(made, 7);
    /* What its handler did not call everybody's is made each time. */
    expect(ask(question("/d", "", NULL, NULL), 0, "fifth"), 200, "fifth");
    expect(ask(question("/d", "", NULL, NULL), 0, "sixth"), 200, "sixth");
    assert_int_equal(made, 9);
}

static void who_has_it_is_told_so_kept_or_not(void **state)
{
    (void)state;
    for (unsigned keep_ms = 0; keep_ms <= 250; keep_ms += 250) {
        expect(ask(question("/a", "", "if-none-match", "\"other\""), keep_ms, "x"), 200, "x");
        expect(ask(question("/a", "", "if-none-match", "\"tag-of-it\""), keep_ms, "x"), 304, "");
        expect(ask(question("/a", "", "if-none-match", "W/\"y\", \"tag-of-it\""), keep_ms, "x"),
               304, "");
        expect(ask(question("/a", "", "if-none-match", "*"), keep_ms, "x"), 304, "");
        expect(ask(question("/a", "", NULL, NULL), keep_ms, "x"), 200, "x");
    }
}

static void memory_is_bounded_whatever_is_asked(void **state)
{
    (void)state;
    static char body[FRONT_BODY_MAX + 2], query[32];
    memset(body, 'x', FRONT_SMALL_MAX);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(query, sizeof query, "page=%u", i);
        expect(ask(question("/a", query, NULL, NULL), 1000, body), 200, body);
        assert_true(front_bytes(front) <= FRONT_BYTES_MAX);
        now_us += 100;
    }
    assert_true(front_bytes(front) > FRONT_BYTES_MAX / 2);
    memset(body, 'x', FRONT_BODY_MAX + 1); /* too much for one */
    size_t before = front_bytes(front);
    expect(ask(question("/big", "", NULL, NULL), 1000, body), 200, body);
    assert_true(front_bytes(front) <= before);
    assert_int_equal(made, 3001);
}

/* Who asks for a large list under a thousand queries takes nothing of what all ask for. */
static void large_answers_leave_room_for_the_small_ones(void **state)
{
    (void)state;
    static char body[FRONT_BODY_MAX + 1], query[32];
    memset(body, 'x', FRONT_BODY_MAX);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(query, sizeof query, "page=%u", i);
        expect(ask(question("/a", query, NULL, NULL), 1000, body), 200, body);
    }
    assert_true(front_bytes(front) > 0 && front_bytes(front) <= FRONT_BYTES_MAX / 4);
    expect(ask(question("/small", "", NULL, NULL), 1000, "x"), 200, "x");
    expect(ask(question("/small", "", NULL, NULL), 1000, "unmade"), 200, "x");
}

static void who_asks_too_often_waits_also_for_what_is_kept(void **state)
{
    (void)state;
    front_destroy(front);
    front = front_create(&(struct front_options){ .seed = 7, .per_s = 5, .proxies = &no_proxies });
    struct metrics *metrics = metrics_create();
    static char text[65536];
    front_measure(front, metrics);
    unsigned good = 0;
    struct http_exchange *exchange;
    for (;;) {
        exchange = ask(question("/a", "", NULL, NULL), 60000, "x");
        if (exchange->status != 200)
            break;
        good++;
        exchange_free(exchange);
    }
    assert_int_equal(good, 50); /* ten seconds of it at once */
    assert_int_equal(made, 1);
    assert_int_equal(exchange->status, 429);
    assert_string_equal(exchange->content_type, "application/problem+json");
    unsigned wait_s = (unsigned)atoi(header_of(exchange, "retry-after"));
    assert_true(wait_s >= 1);
    exchange_free(exchange);
    now_us += (uint64_t)wait_s * 1000000;
    expect(ask(question("/a", "", NULL, NULL), 60000, "x"), 200, "x");
    assert_true(metrics_print(metrics, text, sizeof text) > 0);
    assert_non_null(strstr(text, "adit_http_limited_total 1\n"));
    assert_non_null(strstr(text, "adit_http_kept_total 50\n"));
    assert_non_null(strstr(text, "adit_http_answers_total{status=\"2xx\"} 51\n"));
    assert_non_null(strstr(text, "adit_http_answers_total{status=\"4xx\"} 1\n"));
    assert_non_null(strstr(text, "adit_http_answer_seconds_count 52\n"));
    front_measure(front, NULL);
    metrics_destroy(metrics);
    exchange_free(ask(question("/a", "", NULL, NULL), 60000, "x")); /* counts no more */
}

static void the_proxies_it_was_told_are_its_own(void **state)
{
    (void)state;
    char *proxy = strdup("203.0.113.9");
    struct settings_list proxies = { .items = &proxy, .count = 1 };
    front_destroy(front);
    front = front_create(&(struct front_options){ .seed = 7, .per_s = 5, .proxies = &proxies });
    memset(proxy, 'x', strlen(proxy)); /* the service that had them has ended */
    proxies.count = 0;
    char client[32];
    for (unsigned i = 0; i < 200; i++) { /* each client is one of its own still */
        snprintf(client, sizeof client, "198.51.100.%u", i);
        expect(ask(question("/a", "", "x-forwarded-for", client), 60000, "x"), 200, "x");
    }
    free(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_given_again_while_it_is_good_and_not_longer,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_answer_says_is_never_older_than_it_may_be, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_was_overtaken_does_not_come_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_wants_it_anew_gets_it_anew_and_so_do_all_behind, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_the_very_question_is_answered_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_it_is_told_so_kept_or_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_bounded_whatever_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_answers_leave_room_for_the_small_ones, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_asks_too_often_waits_also_for_what_is_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_proxies_it_was_told_are_its_own, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("http front", tests, NULL, NULL);
}
