#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tools/load/connection.h"
#include "tools/load/histogram.h"

#include <stdio.h>
#include <stdlib.h>

static void a_percentile_is_right_to_a_64th(void **state)
{
    (void)state;
    static struct histogram histogram;
    for (uint64_t value = 1; value <= 100000; value++)
        histogram_add(&histogram, value * 37);
    for (uint32_t percent = 1; percent <= 100; percent++) {
        uint64_t exact = (uint64_t)percent * 1000 * 37;
        uint64_t got = histogram_at(&histogram, percent * 10000);
        assert_in_range(got, exact, exact + exact / 64 + 1);
    }
    assert_int_equal(histogram_at(&histogram, 1000000), 3700000);
}

static void extreme_values_have_a_bucket(void **state)
{
    (void)state;
    static struct histogram histogram;
    histogram_add(&histogram, 0);
    histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(histogram_at(&histogram, 500000), 0);
    assert_true(histogram_at(&histogram, 1000000) == UINT64_MAX);
}

static void an_empty_histogram_says_zero(void **state)
{
    (void)state;
    static const struct histogram histogram;
    assert_int_equal(histogram_at(&histogram, 990000), 0);
}

static enum line_kind kind(const char *line, uint32_t *id_r, int *code_r)
{
    return line_read(line, strlen(line), id_r, code_r);
}

static void lines_are_told_apart_however_they_are_spelt(void **state)
{
    (void)state;
    uint32_t id;
    int code;
    assert_int_equal(kind("{\"id\":123456,\"result\":true,\"error\":null}", &id, &code), LINE_TRUE);
    assert_int_equal(id, 123456);
    assert_int_equal(kind("{\"error\": null, \"id\": 7, \"result\": true}", &id, &code), LINE_TRUE);
    assert_int_equal(id, 7);
    assert_int_equal(
        kind("{\"id\":100001,\"result\":false,\"error\":[23,\"Low difficulty\",null]}", &id, &code),
        LINE_ERROR);
    assert_int_equal(code, 23);
    assert_int_equal(kind("{\"id\":9,\"result\":null,\"error\":[20,\"x\",null]}", &id, &code),
                     LINE_ERROR);
    assert_int_equal(kind("{\"id\":9,\"result\":false,\"error\":null}", &id, &code), LINE_ERROR);
    assert_int_equal(
        kind("{\"params\": [1], \"id\": null, \"method\": \"mining.set_difficulty\"}", &id, &code),
        LINE_DIFFICULTY);
    assert_int_equal(kind("{\"id\":1,\"result\":[[],\"08000002\",4],\"error\":null}", &id, &code),
                     LINE_ANSWER);
    assert_int_equal(kind("", &id, &code), LINE_OTHER);
    assert_int_equal(kind("{\"id\":", &id, &code), LINE_OTHER);
}

static void the_size_of_extranonce2_is_found(void **state)
{
    (void)state;
    static const char *const lines[] = {
        ("{\"id\":1,\"result\":[[[\"mining.set_difficulty\",\"a\"],[\"mining.notify\",\"b\"]],"
         "\"00000001\",8],\"error\":null}"),
        "{\"id\": 1, \"result\": [[\"mining.notify\", \"b\"], \"0a\", 8], \"error\": null}",
        "{\"id\":1,\"result\":[[],\"0a\",8],\"error\":null}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        uint8_t bytes = 0;
        assert_true(line_read_subscribed(lines[i], strlen(lines[i]), &bytes));
        assert_int_equal(bytes, 8);
    }
    uint8_t bytes;
    assert_false(line_read_subscribed("{\"result\":[[", 12, &bytes));
}

static const char notify[] =
    "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"00ab\",\"prev\",\"cb1\",\"cb2\","
    "[\"b1\",\"b2\"],\"20000000\",\"1d00ffff\",\"65000000\",true]}";

static void a_notify_is_read(void **state)
{
    (void)state;
    struct line_job job;
    assert_true(line_read_notify(notify, sizeof notify - 1, &job));
    assert_string_equal(job.id, "00ab");
    assert_string_equal(job.previous, "prev");
    assert_int_equal(job.branches, 2);
    assert_int_equal(job.ntime, 0x65000000);
    assert_true(job.clean);
    const char empty[] = "{\"params\":[\"1\",\"p\",\"a\",\"b\",[],\"2\",\"3\",\"65\",false]}";
    assert_true(line_read_notify(empty, sizeof empty - 1, &job));
    assert_int_equal(job.branches, 0);
    assert_false(job.clean);
}

static void no_cut_of_a_notify_is_read_beyond_its_end(void **state)
{
    (void)state;
    struct line_job job;
    for (size_t length = 0; length < sizeof notify - 1; length++) {
        char *exact = malloc(length + 1); /* so that the sanitizer sees its end */
        memcpy(exact, notify, length);
        /* The last bytes only say whether it is clean. */
        bool read = line_read_notify(exact, length, &job);
        assert_true(!read || length > sizeof notify - 20);
        free(exact);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void no_two_submissions_are_the_same_work(void **state)
{
    (void)state;
    enum { COUNT = 20000, BYTES = 300 };
    static char texts[COUNT][BYTES];
    struct line_submit submit;
    const struct line_job job = { .id = "0001", .ntime = 0x65000000 };
    line_submit_begin(&submit, "account.worker", &job, 8);
    assert_true(submit.length < BYTES);
    for (unsigned i = 0; i < COUNT; i++)
        line_submit_write(&submit, LINES_ID_FIRST, i, texts[i]); /* the id does not matter */
    assert_string_equal(
        texts[17], "{\"id\":100000,\"method\":\"mining.submit\",\"params\":[\"account.worker\","
                   "\"0001\",\"0000000000000001\",\"65000000\",\"81af1551\"]}\n");
    qsort(texts, COUNT, BYTES, by_text);
    for (unsigned i = 1; i < COUNT; i++)
        assert_int_not_equal(strcmp(texts[i - 1], texts[i]), 0);
}

static void answers_find_their_submissions_in_any_order(void **state)
{
    (void)state;
    struct connection connection = { 0 };
    /* Round the end of the ids once. */
    connection.first = connection.next = LINES_IDS - 50;
    for (uint64_t i = 0; i < 100; i++)
        (void)connection_note(&connection, &(struct submission){ .due_ns = 1000 + i });
    assert_int_equal(connection.in_flight, 100);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t which = i * 37 % 100;
        uint32_t id = connection_id_of(LINES_IDS - 50 + which);
        struct submission submission;
        uint64_t number;
        assert_true(connection_answered(&connection, id, &submission, &number));
        assert_int_equal(submission.due_ns, 1000 + which);
        assert_int_equal(number, LINES_IDS - 50 + which);
        assert_false(connection_answered(&connection, id, &submission, &number));
    }
    assert_int_equal(connection.in_flight, 0);
    assert_int_equal(connection.first, connection.next);
    connection_close(&connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentile_is_right_to_a_64th),
        cmocka_unit_test(extreme_values_have_a_bucket),
        cmocka_unit_test(an_empty_histogram_says_zero),
        cmocka_unit_test(lines_are_told_apart_however_they_are_spelt),
        cmocka_unit_test(the_size_of_extranonce2_is_found),
        cmocka_unit_test(a_notify_is_read),
        cmocka_unit_test(no_cut_of_a_notify_is_read_beyond_its_end),
        cmocka_unit_test(no_two_submissions_are_the_same_work),
        cmocka_unit_test(answers_find_their_submissions_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
