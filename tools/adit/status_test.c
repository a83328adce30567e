/* The pool on a terminal, from documents as the API gives them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "status.h"

#include <stdio.h>
#include <stdlib.h>

static char text[1 << 14];
static size_t widest;

static size_t width_of(const char *line)
{
    size_t width = 0;
    for (; *line != '\0'; line++)
        width += ((unsigned char)*line & 0xc0) != 0x80;
    return width;
}

static void put(void *context, const char *line)
{
    size_t used = strlen(text), width = width_of(line);
    (void)context;
    widest = width > widest ? width : widest;
    for (const char *at = line; *at != '\0'; at++)
        assert_true((unsigned char)*at >= ' ');
    snprintf(text + used, sizeof text - used, "%s\n", line);
}

static const char *lines(const char *status, const char *statistics, const char *blocks,
                         unsigned columns)
{
    struct status_picture picture = { json_loads(status, 0, NULL), json_loads(statistics, 0, NULL),
                                      json_loads(blocks, 0, NULL), 1700000100000 };
    text[0] = '\0';
    widest = 0;
    status_lines(&picture, columns, put, NULL);
    json_decref(picture.status);
    json_decref(picture.statistics);
    json_decref(picture.blocks);
    return text;
}

#define TROUBLED                                                                                   \
    "{\"status\":\"error\",\"reason\":\"no share-validator is healthy\",\"connected_miners\":12,"  \
    "\"total_shares\":1000,\"valid_shares\":990,\"exponent\":8,\"ticker\":\"BTC\",\"solvency\":{"  \
    "\"owed\":\"123456789012\",\"in_flight\":\"5\",\"wallet\":\"-100000000\"},"                    \
    "\"health\":{\"status\":\"error\",\"reasons\":[{\"status\":\"error\",\"what\":"                \
    "\"share-validator\",\"since\":1700000090,\"reason\":\"no instance is healthy\",\"do\":"       \
    "\"look at its log\"},{\"status\":\"unhealthy\",\"what\":\"node a\",\"since\":null,"           \
    "\"reason\":\"evil\\u001b[2J\\u0007 text\",\"do\":\"look\"}]},"                                \
    "\"component_health\":{\"stratum-gateway\":{\"status\":\"healthy\",\"error_count\":0,"         \
    "\"last_error\":\"\",\"instances\":[{\"status\":\"healthy\",\"restarts\":0}]},"                \
    "\"share-validator\":{\"status\":\"error\",\"error_count\":3,\"last_error\":\"x\","            \
    "\"instances\":[{\"status\":\"error\",\"restarts\":2}]}},"                                     \
    "\"recovery\":{\"by\":\"adit up\",\"processes\":[{\"name\":\"share-validator\",\"instance\":"  \
    "\"1\",\"state\":\"waiting\",\"restarts\":7,\"attempts\":4,\"ended_ms\":1700000095000,"        \
    "\"next_try_ms\":1700000101600,\"why\":\"exit code 3: redis.window is away\"}]}}"
#define NUMBERS                                                                                    \
    "{\"total_hashrate\":12345678,\"hashrate_errors\":{\"10m\":0.042},\"shares_per_second\":1.5,"  \
    "\"blocks_found\":2}"
#define BLOCKS                                                                                     \
    "{\"exponent\":8,\"blocks\":[{\"height\":7,\"state\":\"matured\",\"found_ms\":1700000000000,"  \
    "\"reward\":\"5000000001\",\"hash\":\"00aa\"}]}"

static void the_worst_comes_first_with_what_to_do(void **state)
{
    (void)state;
    const char *got = lines(TROUBLED, NUMBERS, BLOCKS, 0);
    static const char *const wanted[] = {
        "pool error, error: no share-validator is healthy\n",
        "12 miners   12.3 MH/s ±4.2 %   1.50 shares/s   990 of 1000 shares valid   2 blocks\n",
        "!! share-validator (for 10 s): no instance is healthy\n",
        "     -> look at its log\n",
        " ! node a: evil [2J  text\n",
        "  share-validator  error     0 of 1, 2 restarts, 3 errors   last: x\n",
        "  stratum-gateway  healthy   1 of 1\n",
        "waiting, attempt 4, tries again in 1.6 s: ended 5 s ago: exit code 3: redis.window is",
        "  money   owed 1234.56789012   in flight 0.00000005   wallet -1.00000000 BTC\n",
        "  block 7 matured 100 s ago   50.00000001   00aa\n",
        NULL
    };
    const char *at = got;
    for (size_t i = 0; wanted[i] != NULL; i++) {
        const char *found = strstr(at, wanted[i]);
        if (found == NULL)
            fail_msg("no \"%s\" in its place in\n%s", wanted[i], got);
        at = found;
    }
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    for (unsigned columns = STATUS_COLUMNS_LEAST; columns <= 200; columns++) {
        lines(TROUBLED, NUMBERS, BLOCKS, columns);
        assert_true(widest <= columns);
    }
    lines(TROUBLED, NUMBERS, BLOCKS, 1);
    assert_true(widest <= STATUS_COLUMNS_LEAST);
}

static void reasons_are_whole_however_narrow_it_is(void **state)
{
    (void)state;
    const char *got = lines(TROUBLED, NUMBERS, BLOCKS, 31);
    assert_non_null(strstr(got, "pool error, error: no\n     share-validator is healthy\n"));
    assert_non_null(strstr(got, "!! share-validator (for 10 s):\n     no instance is healthy\n"));
    assert_non_null(strstr(got, "     -> look at its log\n"));
    assert_int_equal(widest, 31);
}

static void what_is_missing_is_left_out(void **state)
{
    (void)state;
    assert_non_null(strstr(lines("{}", "null", "[]", 80), "pool"));
    lines("{\"health\":5,\"component_health\":[1],\"recovery\":{\"processes\":[null]}}", "3", "{}",
          80);
}

static void rates_and_spans_are_short(void **state)
{
    (void)state;
    char out[24];
    assert_string_equal(status_rate(0, out, sizeof out), "0 H/s");
    assert_string_equal(status_rate(999, out, sizeof out), "999 H/s");
    assert_string_equal(status_rate(1000, out, sizeof out), "1.00 kH/s");
    assert_string_equal(status_rate(999999, out, sizeof out), "1.00 MH/s");
    assert_string_equal(status_rate(5.5e20, out, sizeof out), "550 EH/s");
    assert_string_equal(status_noise(NULL, out, sizeof out), "");
    assert_string_equal(status_span(119999, out, sizeof out), "119 s");
    assert_string_equal(status_span(120000, out, sizeof out), "2 min");
    assert_string_equal(status_span(7200000, out, sizeof out), "2 h");
    assert_string_equal(status_span(UINT64_C(864000000), out, sizeof out), "10 d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_comes_first_with_what_to_do),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(reasons_are_whole_however_narrow_it_is),
        cmocka_unit_test(what_is_missing_is_left_out),
        cmocka_unit_test(rates_and_spans_are_short),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
