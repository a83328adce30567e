/* RFC 6455's own examples, its rules one by one, and messages cut at random. */
#include "base/test_random.h"
#include "core/websocket/websocket.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const char REQUEST[] = "GET /chat HTTP/1.1\r\n"
                              "Host: server.example.com\r\n"
                              "Upgrade: WebSocket\r\n"
                              "Connection: keep-alive, Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Origin: http://example.com\r\n"
                              "Sec-WebSocket-Protocol: chat, superchat\r\n"
                              "Sec-WebSocket-Version: 13\r\n\r\n";

static void the_documents_handshake_is_answered_as_the_document_does(void **state)
{
    (void)state;
    static const uint8_t HASH[20] = { 0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f, 0x16, 0x90, 0xf6,
                                      0x46, 0x06, 0xcf, 0x38, 0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea };
    struct websocket_request request;
    uint8_t input[WEBSOCKET_ACCEPT_INPUT];
    char accept[29], answer[WEBSOCKET_ANSWER_MAX];
    for (size_t length = 0; length < sizeof REQUEST - 1; length++)
        assert_int_equal(websocket_request_read(span_of(REQUEST, length), &request),
                         WEBSOCKET_REQUEST_MORE);
    assert_int_equal(websocket_request_read(span_text(REQUEST), &request), WEBSOCKET_REQUEST_READ);
    assert_int_equal(request.length, sizeof REQUEST - 1);
    websocket_accept_input(&request, input);
    assert_memory_equal(input, "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                        sizeof input);
    websocket_accept_print(HASH, accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    size_t length = websocket_answer_print(&request, accept, answer);
    static const char EXPECTED[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                   "Sec-WebSocket-Protocol: chat\r\n\r\n";
    assert_int_equal(length, sizeof EXPECTED - 1);
    assert_memory_equal(answer, EXPECTED, length);
}

static enum websocket_request_outcome changed(const char *from, const char *to)
{
    char text[1024];
    struct websocket_request request;
    const char *at = strstr(REQUEST, from);
    assert_non_null(at);
    size_t before = (size_t)(at - REQUEST);
    memcpy(text, REQUEST, before);
    strcpy(text + before, to);
    strcat(text, at + strlen(from));
    return websocket_request_read(span_text(text), &request);
}

static void a_handshake_that_lacks_or_twists_something_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[][2] = {
        { "GET", "POST" },
        { "HTTP/1.1", "HTTP/1.0" },
        { "/chat", "chat" },
        { "/chat", "/ch at" },
        { "Host: server.example.com\r\n", "" },
        { "Host:", "Host: a\r\nHost:" },
        { "Host:", "Host :" },
        { "Host:", " folded\r\nHost:" },
        { "Host:", "Transfer-Encoding: chunked\r\nHost:" },
        { "Host:", "Content-Length: 5\r\nHost:" },
        { "Upgrade: WebSocket", "Upgrade: h2c" },
        { "keep-alive, Upgrade", "keep-alive" },
        { "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=" },
        { "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=!" },
        { "Origin: http", "Origin\r\n" },
        { "Origin:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin:" },
        { "\r\nOrigin", "\nOrigin" },
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (changed(BAD[i][0], BAD[i][1]) != WEBSOCKET_REQUEST_BAD)
            fail_msg("\"%s\" for \"%s\" is not refused", BAD[i][1], BAD[i][0]);
    assert_int_equal(changed("Version: 13", "Version: 8"), WEBSOCKET_REQUEST_VERSION);
    assert_int_equal(changed("Host:", "Content-Length: 0\r\nhOsT:"), WEBSOCKET_REQUEST_READ);
    struct websocket_request request;
    char endless[WEBSOCKET_REQUEST_MAX + 8];
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "GET /", 5);
    assert_int_equal(websocket_request_read(span_of(endless, WEBSOCKET_REQUEST_MAX - 1), &request),
                     WEBSOCKET_REQUEST_MORE);
    assert_int_equal(websocket_request_read(span_of(endless, sizeof endless), &request),
                     WEBSOCKET_REQUEST_BAD);
}

/* One frame from a string; the first event that is not NONE. */
static struct websocket_event one(const char *frame, size_t length)
{
    static uint8_t bytes[4096];
    struct websocket_reader reader;
    size_t used;
    memcpy(bytes, frame, length);
    websocket_reader_init(&reader, 1000);
    return websocket_reader_take(&reader, bytes, length, &used);
}
#define ONE(frame) one(frame, sizeof(frame) - 1)

static void expect_failure(struct websocket_event event, uint16_t status)
{
    assert_int_equal(event.kind, WEBSOCKET_EVENT_FAILED);
    assert_int_equal(event.status, status);
}

static void frames_that_break_the_rules_fail_with_their_status(void **state)
{
    (void)state;
    struct websocket_event hello = ONE("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_int_equal(hello.kind, WEBSOCKET_EVENT_DATA);
    assert_int_equal(hello.payload.length, 5);
    assert_memory_equal(hello.payload.data, "Hello", 5);
    expect_failure(ONE("\x81\x05Hello\0"), WEBSOCKET_PROTOCOL);        /* not masked */
    expect_failure(ONE("\xc1\x80\0\0\0\0"), WEBSOCKET_PROTOCOL);       /* reserved bit */
    expect_failure(ONE("\x83\x80\0\0\0\0"), WEBSOCKET_PROTOCOL);       /* opcode 3 */
    expect_failure(ONE("\x8b\x80\0\0\0\0"), WEBSOCKET_PROTOCOL);       /* opcode 11 */
    expect_failure(ONE("\x80\x80\0\0\0\0"), WEBSOCKET_PROTOCOL);       /* nothing to continue */
    expect_failure(ONE("\x82\x80\0\0\0\0"), WEBSOCKET_UNSUPPORTED);    /* binary */
    expect_failure(ONE("\x09\x80\0\0\0\0"), WEBSOCKET_PROTOCOL);       /* a ping in parts */
    expect_failure(ONE("\x89\xfe\0\x7e\0\0\0\0"), WEBSOCKET_PROTOCOL); /* a ping of 126 */
    expect_failure(ONE("\x81\xfe\0\x7d\0\0\0\0"), WEBSOCKET_PROTOCOL); /* 125 in two bytes */
    expect_failure(ONE("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), WEBSOCKET_PROTOCOL);
    expect_failure(ONE("\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0"), WEBSOCKET_PROTOCOL);
    expect_failure(ONE("\x81\xfe\x03\xe9\0\0\0\0"), WEBSOCKET_TOO_BIG);  /* 1001 bytes */
    expect_failure(ONE("\x88\x81\0\0\0\0\x03"), WEBSOCKET_PROTOCOL);     /* half a status */
    expect_failure(ONE("\x88\x82\0\0\0\0\x03\xed"), WEBSOCKET_PROTOCOL); /* 1005 is never sent */
    expect_failure(ONE("\x81\x82\0\0\0\0\xc0\x80"), WEBSOCKET_NOT_TEXT); /* overlong */
    expect_failure(ONE("\x81\x83\0\0\0\0\xed\xa0\x80"), WEBSOCKET_NOT_TEXT); /* a surrogate */
    expect_failure(ONE("\x81\x81\0\0\0\0\xe2"), WEBSOCKET_NOT_TEXT);         /* ends inside one */
    struct websocket_event end = ONE("\x88\x82\0\0\0\0\x03\xe8");
    assert_int_equal(end.kind, WEBSOCKET_EVENT_CLOSE);
    assert_int_equal(end.status, 1000);
    end = ONE("\x88\x80\0\0\0\0");
    assert_int_equal(end.kind, WEBSOCKET_EVENT_CLOSE);
    assert_int_equal(end.status, 1000);
}

/* A masked frame; its length. */
static size_t put_frame(struct test_random *random, uint8_t first, const uint8_t *payload,
                        size_t length, uint8_t *frame)
{
    uint8_t mask[4];
    size_t head = websocket_head_print(WEBSOCKET_TEXT, length, frame);
    frame[0] = first;
    frame[1] |= 0x80;
    test_random_bytes(random, mask, 4);
    memcpy(frame + head, mask, 4);
    for (size_t i = 0; i < length; i++)
        frame[head + 4 + i] = payload[i] ^ mask[i & 3];
    return head + 4 + length;
}

static void a_message_is_the_same_however_it_is_cut_and_pings_come_between(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("websocket");
    static uint8_t message[70000], wire[200000], heard[70000];
    for (unsigned round = 0; round < 300; round++) {
        size_t length = test_random_below(&random, round % 10 == 0 ? sizeof message : 300);
        size_t wire_bytes = 0, heard_bytes = 0, pings = 0, pongs_due = 0, ends = 0;
        for (size_t i = 0; i < length; i++)
            message[i] = (uint8_t)(0x20 + test_random_below(&random, 0x5f));
        for (size_t at = 0, first = 1;; first = 0) {
            size_t part = test_random_below(&random, length - at + 1);
            bool last = test_random_below(&random, 4) == 0;
            if (last)
                part = length - at;
            wire_bytes += put_frame(&random, (uint8_t)((last ? 0x80 : 0) | (first ? 1 : 0)),
                                    message + at, part, wire + wire_bytes);
            at += part;
            if (last)
                break;
            if (test_random_below(&random, 2) == 0 || wire_bytes > sizeof wire - 80000)
                continue;
            wire_bytes += put_frame(&random, 0x89, message, at < 125 ? at : 125, wire + wire_bytes);
            pings++;
        }
        struct websocket_reader reader;
        websocket_reader_init(&reader, sizeof message);
        for (size_t at = 0; at < wire_bytes;) {
            size_t piece = 1 + test_random_below(&random, wire_bytes - at), used = 0;
            for (size_t done = 0;; done += used) {
                struct websocket_event event =
                    websocket_reader_take(&reader, wire + at + done, piece - done, &used);
                if (event.kind == WEBSOCKET_EVENT_NONE)
                    break;
                assert_int_not_equal(event.kind, WEBSOCKET_EVENT_FAILED);
                pongs_due += event.kind == WEBSOCKET_EVENT_PING;
                ends += event.kind == WEBSOCKET_EVENT_END;
                if (event.kind != WEBSOCKET_EVENT_DATA)
                    continue;
                assert_true(heard_bytes + event.payload.length <= length);
                memcpy(heard + heard_bytes, event.payload.data, event.payload.length);
                heard_bytes += event.payload.length;
            }
            at += piece;
        }
        assert_int_equal(heard_bytes, length);
        assert_memory_equal(heard, message, length);
        assert_int_equal(pongs_due, pings);
        assert_int_equal(ends, 1);
    }
}

static void our_heads_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    uint8_t head[WEBSOCKET_HEAD_MAX], close[4];
    assert_int_equal(websocket_head_print(WEBSOCKET_TEXT, 125, head), 2);
    assert_int_equal(websocket_head_print(WEBSOCKET_TEXT, 126, head), 4);
    assert_memory_equal(head, "\x81\x7e\0\x7e", 4);
    assert_int_equal(websocket_head_print(WEBSOCKET_PONG, 65536, head), 10);
    assert_memory_equal(head, "\x8a\x7f\0\0\0\0\0\1\0\0", 10);
    assert_int_equal(websocket_close_print(WEBSOCKET_AWAY, close), 4);
    assert_memory_equal(close, "\x88\x02\x03\xe9", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_handshake_is_answered_as_the_document_does),
        cmocka_unit_test(a_handshake_that_lacks_or_twists_something_is_refused),
        cmocka_unit_test(frames_that_break_the_rules_fail_with_their_status),
        cmocka_unit_test(a_message_is_the_same_however_it_is_cut_and_pings_come_between),
        cmocka_unit_test(our_heads_are_as_short_as_they_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
