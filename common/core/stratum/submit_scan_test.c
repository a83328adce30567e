/* The short way of reading mining.submit reads what the general way reads, or leaves the line. */
#include "base/test_random.h"
#include "core/stratum/inside.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

enum { LINE_BYTES_MAX = 1024 };

/* As miners' firmware spells it. */
static const char *const spelt[] = {
    /* cgminer, bmminer */
    "{\"params\": [\"bc1qexample.rig1\", \"65f0000000000001\", \"0000000000000001\", \"65f00001\", "
    "\"b2957c02\"], \"id\": 4, \"method\": \"mining.submit\"}",
    /* cgminer with version rolling */
    "{\"params\": [\"bc1qexample.rig1\", \"65f0000000000001\", \"0000000000000001\", \"65f00001\", "
    "\"b2957c02\", \"00002000\"], \"id\": 12345, \"method\": \"mining.submit\"}",
    /* cpuminer */
    "{\"method\": \"mining.submit\", \"params\": [\"user\", \"65f000000000000102\", \"00ff00ff\", "
    "\"65F00001\", \"B2957C02\"], \"id\":4}",
    /* braiins, serde */
    "{\"id\":7,\"method\":\"mining.submit\",\"params\":[\"u.w\",\"65f0000000000001\","
    "\"0000000000000001\",\"65f00001\",\"b2957c02\",\"1fffe000\"]}",
    /* esp-miner */
    "{\"id\": 0, \"method\": \"mining.submit\", \"params\": [\"u\", \"65f0000000000001\", "
    "\"0000000000000001\", \"65f00001\", \"b2957c02\", \"00000000\"]}\r",
    /* a proxy with texts as ids */
    "{\"id\":\"9f-1\",\"method\":\"mining.submit\",\"params\":[\"\",\"j\",\"\",\"\",\"\"]} ",
};

/* What JSON allows beyond it, near misses, and what is no JSON. */
static const char *const others[] = {
    "{\"params\"\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":,\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":4,\"id\":5,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":04,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":4.5,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":null,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\\u0041\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\",null]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\",\"b\",1]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\"]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":[1,2,3,4,5]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":{\"u\":\"j\"}}",
    "{\"id\":4,\"method\":\"mining.submit\"}",
    "{\"id\":4,\"method\":\"mining.authorize\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "{\"id\":4,\"x\":\"2.0\",\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\","
    "\"n\"]}",
    ("{\"id\":\"0123456789012345678901234567890123456789\",\"method\":\"mining.submit\",\"params\":"
     "[\"u\",\"j\",\"e\",\"t\",\"n\"]}"),
    " {\"id\":4,\t\"method\" : \"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}",
    "[{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"u\",\"j\",\"e\",\"t\",\"n\"]}]",
    "{}",
    "",
};

static void same_text(struct span a, struct span b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_true(span_equal(a, b));
}

/* True where the short way took the line; then the general way must have read the same. */
static bool check(struct span line)
{
    struct submit_fields fields, general;
    struct json json;
    struct span id;
    char name[STRATUM_NAME_BYTES_MAX + 1];
    /* Memory of the line's own length, so that a sanitizer sees a read behind it. */
    char *copy = malloc(line.length + (line.length == 0));
    assert_non_null(copy);
    memcpy(copy, line.data, line.length);
    line.data = (const uint8_t *)copy;
    bool taken = submit_scan(line, &id, &fields);
    if (taken) {
        assert_int_equal(json_parse(line, &json), JSON_OK);
        assert_int_equal(json.tokens[0].kind, JSON_OBJECT);
        unsigned method = json_member(&json, 0, "method"), number = json_member(&json, 0, "id");
        unsigned params = json_member(&json, 0, "params");
        assert_true(method != 0 && json_is_text(&json, method, "mining.submit"));
        assert_true(number != 0 && params != 0 && json.tokens[params].kind == JSON_ARRAY);
        same_text(id, json_text(&json, number));
        assert_true(id.length <= STRATUM_ID_BYTES_MAX);
        submit_read(&json, params, name, &general);
        same_text(fields.user, general.user);
        same_text(fields.job, general.job);
        same_text(fields.extranonce2, general.extranonce2);
        same_text(fields.ntime, general.ntime);
        same_text(fields.nonce, general.nonce);
        same_text(fields.bits, general.bits);
        assert_int_equal(fields.has_bits, general.has_bits);
        assert_int_equal(fields.enough, general.enough);
    }
    free(copy);
    return taken;
}

static void what_miners_write_is_taken_and_read_as_by_the_general_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof spelt / sizeof *spelt; i++)
        assert_true(check(span_text(spelt[i])));
}

static void everything_else_is_left_to_the_general_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(check(span_text(others[i])));
}

/* One small change: a byte made another, left out or doubled, a stretch cut, copied elsewhere, or
 * taken from another line. */
static size_t mutate(struct test_random *random, char *line, size_t length)
{
    static const char bytes[] = "\"\\{}[],: \t\r\n0123456789aAfFgzZ.-+eEu\x01\x1f\x7f\x80\xff";
    size_t at = (size_t)test_random_below(random, length + 1);
    size_t span = (size_t)test_random_below(random, 12) + 1;
    size_t from = (size_t)test_random_below(random, length + 1);
    const char *other = spelt[test_random_below(random, sizeof spelt / sizeof *spelt)];
    if (span > length - from)
        span = length - from;
    switch (test_random_below(random, 5)) {
    case 0:
        if (at < length)
            line[at] = bytes[test_random_below(random, sizeof bytes)];
        return length;
    case 1: /* cut */
        memmove(line + from, line + from + span, length - from - span);
        return length - span;
    case 2: { /* copied */
        char piece[12];
        if (length + span > LINE_BYTES_MAX)
            return length;
        memcpy(piece, line + from, span);
        memmove(line + at + span, line + at, length - at);
        memcpy(line + at, piece, span);
        return length + span;
    }
    case 3: /* a byte more */
        if (length == LINE_BYTES_MAX)
            return length;
        memmove(line + at + 1, line + at, length - at);
        line[at] = bytes[test_random_below(random, sizeof bytes)];
        return length + 1;
    default: /* its end is another line's */
        from = (size_t)test_random_below(random, strlen(other));
        if (at + strlen(other) - from > LINE_BYTES_MAX)
            return length;
        memcpy(line + at, other + from, strlen(other) - from);
        return at + strlen(other) - from;
    }
}

static void changed_lines_are_read_alike_or_left(void **state)
{
    (void)state;
    enum { LINES = 300000 };
    struct test_random random = test_random_begin("submit lines");
    unsigned taken = 0;
    for (unsigned i = 0; i < LINES; i++) {
        char line[LINE_BYTES_MAX];
        const char *seed = test_random_below(&random, 4) == 0
                               ? others[test_random_below(&random, sizeof others / sizeof *others)]
                               : spelt[test_random_below(&random, sizeof spelt / sizeof *spelt)];
        size_t length = strlen(seed);
        memcpy(line, seed, length);
        for (uint64_t changes = test_random_below(&random, 4) + 1; changes > 0; changes--)
            length = mutate(&random, line, length);
        taken += check(span_of(line, length));
    }
    assert_in_range(taken, LINES / 20, LINES - LINES / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_miners_write_is_taken_and_read_as_by_the_general_way),
        cmocka_unit_test(everything_else_is_left_to_the_general_way),
        cmocka_unit_test(changed_lines_are_read_alike_or_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
