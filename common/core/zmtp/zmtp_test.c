/* Listening to a publisher: what libzmq 4.3 sends, whole and in pieces, and what nobody may send.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/zmtp/zmtp.h"

/* As libzmq 4.3.4 greets: version 3.1, NULL. */
static const uint8_t greeting[ZMTP_GREETING_BYTES] = { 0xff, 0,    0, 0, 0,   0,   0,   0,
                                                       1,    0x7f, 3, 1, 'N', 'U', 'L', 'L' };
static const char ready[] = "\4\x26\5READY\13Socket-Type\0\0\0\3PUB\10Identity\0\0\0\0";
static const char notice[] = "\1\11hashblock"
                             "\1\40"
                             "0123456789abcdef0123456789abcdef"
                             "\0\4\7\0\0\0";

static size_t say(uint8_t *bytes_r)
{
    size_t length = 0;
    memcpy(bytes_r, greeting, sizeof greeting);
    length += sizeof greeting;
    memcpy(bytes_r + length, ready, sizeof ready - 1);
    length += sizeof ready - 1;
    for (int i = 0; i < 2; i++) {
        memcpy(bytes_r + length, notice, sizeof notice - 1);
        length += sizeof notice - 1;
    }
    return length;
}

static void expect_notice(const struct zmtp *zmtp)
{
    assert_int_equal(zmtp->count, 3);
    assert_int_equal(zmtp->parts[0].length, 9);
    assert_memory_equal(zmtp->parts[0].data, "hashblock", 9);
    assert_int_equal(zmtp->parts[1].length, 32);
    assert_memory_equal(zmtp->parts[1].data, "0123456789abcdef0123456789abcdef", 32);
    assert_int_equal(zmtp->parts[2].length, 4);
}

static void notices_are_read_however_they_are_cut(void **state)
{
    uint8_t bytes[400];
    size_t length = say(bytes);
    (void)state;
    for (size_t piece = 1; piece <= length; piece++) {
        static const enum zmtp_event expected[] = { ZMTP_GREETED, ZMTP_READY, ZMTP_MESSAGE,
                                                    ZMTP_MESSAGE };
        struct zmtp zmtp;
        size_t seen = 0;
        zmtp_begin(&zmtp);
        for (size_t at = 0; at < length; at += piece) {
            struct span input = span_of(bytes + at, length - at < piece ? length - at : piece);
            enum zmtp_event event;
            while ((event = zmtp_next(&zmtp, &input)) != ZMTP_MORE) {
                assert_true(seen < 4);
                assert_int_equal(event, expected[seen++]);
                if (event == ZMTP_MESSAGE)
                    expect_notice(&zmtp);
            }
            assert_int_equal(input.length, 0);
        }
        assert_int_equal(seen, 4);
    }
}

/* The event these bytes end with behind a good greeting and, where asked, READY. */
static enum zmtp_event last_event(bool with_ready, const void *bytes, size_t length)
{
    uint8_t all[1200];
    struct zmtp zmtp;
    size_t used = sizeof greeting;
    memcpy(all, greeting, sizeof greeting);
    if (with_ready) {
        memcpy(all + used, ready, sizeof ready - 1);
        used += sizeof ready - 1;
    }
    memcpy(all + used, bytes, length);
    struct span input = span_of(all, used + length);
    enum zmtp_event event, last = ZMTP_MORE;
    zmtp_begin(&zmtp);
    while ((event = zmtp_next(&zmtp, &input)) != ZMTP_MORE) {
        last = event;
        if (zmtp_is_over(event)) {
            assert_int_equal(zmtp_next(&zmtp, &input), event); /* and stays so */
            break;
        }
    }
    return last;
}

static void what_no_publisher_sends_ends_it_with_a_reason(void **state)
{
    static const uint8_t long_frame[] = { 2, 0, 0, 0, 0, 0, 0, 1, 0 };
    static const uint8_t huge_frame[] = { 2, 255, 255, 255, 255, 255, 255, 255, 255 };
    static const char parts[] = "\1\1a\1\1b\1\1c\1\1d\0\1e";
    static const char subscriber[] = "\4\x19\5READY\13Socket-Type\0\0\0\3SUB";
    static const char nameless[] = "\4\6\5READY";
    static const char cut_name[] = "\4\2\5R";
    static const char refusal[] = "\4\7\5ERROR\0";
    (void)state;
    assert_int_equal(last_event(true, long_frame, sizeof long_frame), ZMTP_TOO_LONG);
    assert_int_equal(last_event(true, huge_frame, sizeof huge_frame), ZMTP_TOO_LONG);
    assert_int_equal(last_event(true, parts, sizeof parts - 1), ZMTP_TOO_LONG);
    assert_int_equal(last_event(true, "\10", 1), ZMTP_BAD_FRAME);
    assert_int_equal(last_event(true, "\5", 1), ZMTP_BAD_FRAME);
    assert_int_equal(last_event(false, subscriber, sizeof subscriber - 1), ZMTP_NO_PUBLISHER);
    assert_int_equal(last_event(false, nameless, sizeof nameless - 1), ZMTP_NO_PUBLISHER);
    assert_int_equal(last_event(false, cut_name, sizeof cut_name - 1), ZMTP_BAD_FRAME);
    assert_int_equal(last_event(false, refusal, sizeof refusal - 1), ZMTP_REFUSED);
    /* An empty frame is one, and a command after READY needs no answer. */
    assert_int_equal(last_event(true, "\0\0", 2), ZMTP_MESSAGE);
    assert_int_equal(last_event(true, "\4\7\4PING\0\0\0\1x", 12), ZMTP_MESSAGE);
}

static void who_speaks_something_else_is_told_apart(void **state)
{
    struct zmtp zmtp;
    uint8_t bytes[ZMTP_GREETING_BYTES];
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
        enum zmtp_event event;
    } wrong[] = { { 0, 'H', ZMTP_NO_ZMTP },
                  { 9, 0, ZMTP_NO_ZMTP },
                  { 10, 1, ZMTP_NO_ZMTP },
                  { 12, 'P', ZMTP_MECHANISM } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(bytes, greeting, sizeof bytes);
        bytes[wrong[i].at] = wrong[i].byte;
        struct span input = span_of(bytes, sizeof bytes);
        zmtp_begin(&zmtp);
        assert_int_equal(zmtp_next(&zmtp, &input), wrong[i].event);
    }
}

static void what_we_say_is_what_the_specification_shows(void **state)
{
    uint8_t bytes[ZMTP_SEND_BYTES_MAX];
    (void)state;
    assert_int_equal(zmtp_print_greeting(bytes), 64);
    assert_memory_equal(bytes, "\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL\0\0", 18);
    assert_int_equal(zmtp_print_ready(bytes), 27);
    assert_memory_equal(bytes, "\4\x19\5READY\13Socket-Type\0\0\0\3SUB", 27);
    assert_int_equal(zmtp_print_subscription(span_text("hashblock"), bytes), 12);
    assert_memory_equal(bytes, "\0\12\1hashblock", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_are_read_however_they_are_cut),
        cmocka_unit_test(what_no_publisher_sends_ends_it_with_a_reason),
        cmocka_unit_test(who_speaks_something_else_is_told_apart),
        cmocka_unit_test(what_we_say_is_what_the_specification_shows),
    };
    return cmocka_run_group_tests_name("ZMTP", tests, NULL, NULL);
}
