/* What RFC 9110 and 9112 say of a request's head, as a table; and heads that come byte by byte. */
#include "core/http_head/http_head.h"

#include "base/test_random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct http_head_limits limits = { 22, 1998, 253, 65536 };

/* The outcome of the whole; of every beginning it is MORE or the same. */
static enum http_head_outcome judge(struct span bytes, struct http_head *head_r)
{
    struct http_head early;
    const enum http_head_outcome outcome = http_head_judge(bytes, &limits, head_r);
    for (size_t i = 0; i < bytes.length; i++) {
        const enum http_head_outcome part =
            http_head_judge(span_of(bytes.data, i), &limits, &early);
        if (part == HTTP_HEAD_MORE)
            continue;
        assert_int_equal(part, outcome);
        assert_ptr_equal(early.refusal, head_r->refusal);
        assert_int_equal(early.length, head_r->length);
        break;
    }
    return outcome;
}

static void expect_status(struct span bytes, int status)
{
    struct http_head head;
    const enum http_head_outcome outcome = judge(bytes, &head);
    if (status == 0 && outcome != HTTP_HEAD_READ)
        fail_msg("not read (%d: %s): %.*s", outcome,
                 outcome == HTTP_HEAD_REFUSED ? head.refusal->detail : "", (int)bytes.length,
                 (const char *)bytes.data);
    if (status != 0 && (outcome != HTTP_HEAD_REFUSED || head.refusal->status != status))
        fail_msg("not refused with %d (%d, %d): %.*s", status, outcome,
                 outcome == HTTP_HEAD_REFUSED ? head.refusal->status : 0, (int)bytes.length,
                 (const char *)bytes.data);
}

#define H "Host: x\r\n"
#define E "\r\n"

static void doubt_about_the_framing_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        { "GET / HTTP/1.1\r\n" H E, 0 },
        { "GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n" E, 0 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 65536\r\n" E, 0 },
        { "POST / HTTP/1.1\r\n" H "content-LENGTH:\t005 \r\n" E, 0 },
        /* a body where nobody looks for one: the next request to whoever skips it */
        { "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\n" E, 400 },
        { "HEAD / HTTP/1.1\r\n" H "Content-Length: 44\r\n" E, 400 },
        { "DELETE / HTTP/1.1\r\n" H "Content-Length: 44\r\n" E, 400 },
        { "OPTIONS * HTTP/1.1\r\n" H "Content-Length: 44\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" E, 411 },
        { "DELETE / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n" E, 411 },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" E, 411 },
        { "POST / HTTP/1.1\r\n" H "TRANSFER-ENCODING:\r\n" E, 411 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 0\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length:\r\n" E, 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 65537\r\n" E, 413 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n" E, 413 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999999999\r\n" E, 413 },
        { "POST / HTTP/1.1\r\n" H E, 411 },
        { "PUT / HTTP/1.1\r\n" H E, 411 },
        { "GET / HTTP/1.1\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "host: evil\r\n" E, 400 },
        { "GET / HTTP/1.1\r\nHost:\r\n" E, 400 },
        { "GET / HTTP/1.1\r\nHost: a b\r\n" E, 400 },
        { "GET / HTTP/1.1\r\nHost: a/b\r\n" E, 400 },
        { "GET / HTTP/1.1\r\nHost: u@a\r\n" E, 400 },
        { "GET / HTTP/1.1\r\nHost: a:80x\r\n" E, 400 },
        { "GET / HTTP/1.1\r\nHost: [::1\r\n" E, 400 },
        { "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n" E, 0 },
        { "GET / HTTP/1.1\r\nHost: pool.example:8080 \r\n" E, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_status(span_text(cases[i].text), cases[i].status);
}

static void lines_that_two_readers_could_cut_differently_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        { "GET / HTTP/1.1\nHost: x\n\n", 400 },
        { "GET / HTTP/1.1\r\nHost: x\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "X: a\rY: b\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "X : a\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n X: a\r\n" H E, 400 },
        { "GET / HTTP/1.1\r\n" H ": a\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "X\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "X: \x7f\r\n" E, 400 },
        { "GET / HTTP/1.1\r\n" H "X: \xc3\xa9\r\n" E, 400 },
        { "GET  / HTTP/1.1\r\n" H E, 400 },
        { "GET / HTTP/1.1 \r\n" H E, 400 },
        { "GET /\r\n" H E, 400 },
        { "GET / a HTTP/1.1\r\n" H E, 400 },
        { "GET /\t HTTP/1.1\r\n" H E, 400 },
        { "GET /\xc3\xa9 HTTP/1.1\r\n" H E, 400 },
        { "GET / http/1.1\r\n" H E, 400 },
        { "GET / HTTP/2.0\r\n" H E, 505 },
        { "GET / HTTP/1.0\r\n" H E, 0 },
        { "DELETE / HTTP/1.0\r\n" H E, 501 },
        { "get / HTTP/1.1\r\n" H E, 501 },
        { "CONNECT a:1 HTTP/1.1\r\n" H E, 501 },
        { "GET * HTTP/1.1\r\n" H E, 400 },
        { "GET a HTTP/1.1\r\n" H E, 400 },
        { "OPTIONS * HTTP/1.1\r\n" H E, 0 },
        { "\r\n\r\nGET / HTTP/1.1\r\n" H E, 0 },
        { "\x16\x03\x01", 400 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_status(span_text(cases[i].text), cases[i].status);
    expect_status(span_of("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 28), 400);
    expect_status(span_of("GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n", 33), 400);
}

static void bounds_hold_to_the_byte(void **state)
{
    (void)state;
    char text[4096], path[2100];
    for (unsigned lines = 20; lines < 26; lines++) {
        size_t used = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");
        for (unsigned i = 0; i < lines; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "X-%u: %s\r\n", i,
                                     i % 2 == 0 ? "a" : "");
        snprintf(text + used, sizeof text - used, H E);
        expect_status(span_text(text), lines <= limits.lines_max ? 0 : 431);
    }
    memset(path, 'a', sizeof path);
    for (int length = 1996; length < 2001; length++) {
        snprintf(text, sizeof text, "GET /%.*s HTTP/1.1\r\n" H E, length - 1, path);
        expect_status(span_text(text), (size_t)length <= limits.target_max ? 0 : 414);
    }
    for (int length = 252; length < 256; length++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %.*s\r\n\r\n", length, path);
        expect_status(span_text(text), (size_t)length <= limits.host_max ? 0 : 400);
        snprintf(text, sizeof text, "GET http://%.*s/ HTTP/1.1\r\n" H E, length, path);
        expect_status(span_text(text), (size_t)length <= limits.host_max ? 0 : 400);
    }
}

static void expect_written(const char *text, bool plain, const char *written)
{
    struct http_head head;
    uint8_t bytes[512];
    assert_int_equal(judge(span_text(text), &head), HTTP_HEAD_READ);
    assert_int_equal(head.plain, plain);
    assert_int_equal(head.length, strlen(text));
    const size_t length = http_head_write(span_text(text), &head, NULL, bytes);
    bytes[length] = '\0';
    assert_string_equal((const char *)bytes, written);
}

static void what_is_taken_is_written_in_one_form(void **state)
{
    (void)state;
    expect_written("GET /a?b HTTP/1.1\r\nHost: x\r\nA: b c\r\n\r\n", true,
                   "GET /a?b HTTP/1.1\r\nHost:x\r\nA:b c\r\n\r\n");
    expect_written("\r\nGET / HTTP/1.0\r\nA:\t b\tc \r\nLast-Event-ID: \r\nHost: x\r\n\r\n", false,
                   "GET / HTTP/1.0\r\nHost:x\r\nA:b c\r\n\r\n");
    expect_written("GET / HTTP/1.1\r\nHostess: y\r\nHost: x\r\n\r\n", false,
                   "GET / HTTP/1.1\r\nHost:x\r\nHostess:y\r\n\r\n");
    /* RFC 9112, 3.2.2: the target's host, whatever Host says */
    expect_written("GET http://pool.example:81/a HTTP/1.1\r\nHost: y\r\n\r\n", false,
                   "GET /a HTTP/1.1\r\nHost:pool.example:81\r\n\r\n");
    expect_written("GET HTTPS://x?a=b HTTP/1.1\r\nHost: y\r\n\r\n", false,
                   "GET /?a=b HTTP/1.1\r\nHost:x\r\n\r\n");
    expect_written("GET http://x HTTP/1.1\r\nHost: y\r\n\r\n", false,
                   "GET / HTTP/1.1\r\nHost:x\r\n\r\n");
    expect_status(span_text("GET http:///a HTTP/1.1\r\n" H E), 400);
    expect_status(span_text("GET http://u@x/a HTTP/1.1\r\n" H E), 400);
    expect_status(span_text("GET ftp://x/a HTTP/1.1\r\n" H E), 400);
}

static void what_follows_a_head_is_not_looked_at(void **state)
{
    (void)state;
    struct http_head head;
    static const char text[] = "POST / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}\n\n\r\n\r\n";
    assert_int_equal(judge(span_text(text), &head), HTTP_HEAD_READ);
    assert_int_equal(head.length, strlen(text) - 8);
    assert_int_equal(head.body_length, 2);
    assert_false(head.asks_head);
    assert_int_equal(judge(span_text("HEAD / HTTP/1.1\r\n" H E), &head), HTTP_HEAD_READ);
    assert_true(head.asks_head);
}

/* Pieces of heads in any order: what comes through has one Host and one length at most. */
static void whatever_is_put_together_is_judged_the_same_when_written(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "GET / HTTP/1.1\r\n",
        "POST http://a/b HTTP/1.1\r\n",
        "HEAD /x HTTP/1.0\r\n",
        "Host: x\r\n",
        "Hosts: x\r\n",
        "Content-Length: 7\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X:\r\n",
        "Y: a\tb \r\n",
        "\r\n",
        "\r",
        "\n",
        ": ",
        "Z: z\r\n",
    };
    struct test_random random = test_random_begin("http heads");
    unsigned read = 0;
    for (unsigned round = 0; round < 20000; round++) {
        char text[1024] = "";
        struct http_head head, again;
        uint8_t written[1024];
        strcat(text, pieces[test_random_below(&random, 3)]);
        for (uint64_t i = test_random_below(&random, 8); i > 0; i--)
            strcat(text, pieces[test_random_below(&random, sizeof pieces / sizeof *pieces)]);
        strcat(text, "Host: x\r\n\r\n");
        if (judge(span_text(text), &head) != HTTP_HEAD_READ)
            continue;
        read++;
        const size_t length = http_head_write(span_text(text), &head, NULL, written);
        assert_int_equal(judge(span_of(written, length), &again), HTTP_HEAD_READ);
        assert_true(again.plain);
        assert_int_equal(again.length, length);
        assert_int_equal(again.body_length, head.body_length);
    }
    assert_true(read > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubt_about_the_framing_is_refused),
        cmocka_unit_test(lines_that_two_readers_could_cut_differently_are_refused),
        cmocka_unit_test(bounds_hold_to_the_byte),
        cmocka_unit_test(what_is_taken_is_written_in_one_form),
        cmocka_unit_test(what_follows_a_head_is_not_looked_at),
        cmocka_unit_test(whatever_is_put_together_is_judged_the_same_when_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
