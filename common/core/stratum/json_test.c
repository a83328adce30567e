#include "base/test_random.h"
#include "core/stratum/json.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static struct json json;

static enum json_outcome parse(const char *text)
{
    return json_parse(span_text(text), &json);
}

static void what_is_json_is_read(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "-1.5e+10",
        "1E5",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\\u00e9\\n\"",
        "[]",
        "{}",
        " [ 1 , [ ] , { \"a\" : { } } ] ",
        "{\"a\":1,\"b\":[true,false,null]}\r",
        "[[[[[[[[1]]]]]]]]",
        "\"\xc3\xa9\xff\"",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(parse(good[i]), JSON_OK);
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"\n\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "[] []",
        "'a'",
        "GET / HTTP/1.1",
        "\x16\x03\x01",
        "[1]]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i]), JSON_MALFORMED);
    assert_int_equal(json_parse(span_of("[1\0]", 4), &json), JSON_MALFORMED);
}

static void depth_and_number_of_values_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse("[[[[[[[[[1]]]]]]]]]"), JSON_TOO_DEEP);
    char text[1024] = "[";
    for (unsigned i = 0; i < JSON_TOKENS_MAX; i++)
        strcat(text, i == 0 ? "1" : ",1");
    strcat(text, "]");
    assert_int_equal(parse(text), JSON_TOO_MANY);
    text[2 * (JSON_TOKENS_MAX - 1)] = ']';
    text[2 * (JSON_TOKENS_MAX - 1) + 1] = '\0';
    assert_int_equal(parse(text), JSON_OK);
    assert_int_equal(json.tokens[0].count, JSON_TOKENS_MAX - 1);
}

static void members_and_elements_are_found_and_the_last_of_two_names_counts(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"id\":1,\"x\":{\"id\":2},\"p\":[[1,2],\"b\",{\"c\":3}],\"id\":\"z\"}"), JSON_OK);
    assert_true(json_is_text(&json, json_member(&json, 0, "id"), "z"));
    assert_int_equal(json_member(&json, 0, "y"), 0);
    unsigned p = json_member(&json, 0, "p");
    assert_int_equal(json.tokens[p].count, 3);
    assert_true(json_is_text(&json, json_element(&json, p, 1), "b"));
    unsigned c = json_member(&json, json_element(&json, p, 2), "c");
    assert_true(span_equal(json_text(&json, c), span_text("3")));
    assert_int_equal(json_element(&json, p, 3), 0);
    assert_int_equal(json_element(&json, 0, 0), 0);
    assert_int_equal(parse("{\"m\\u0065thod\":1}"), JSON_OK);
    assert_int_equal(json_member(&json, 0, "method"), 2);
}

static void escapes_are_resolved(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *text; /* NULL: refused */
    } cases[] = {
        { "\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz" },
        { "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\"\\ud83d\"", "\xef\xbf\xbd" },
        { "\"\\ud83dx\"", "\xef\xbf\xbdx" },
        { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                                "A" },
        { "\"\\ude00\"", "\xef\xbf\xbd" },
        { "\"\\u0000\"", NULL },
        { "12", NULL },
        { "\"12345678901234567890\"", NULL },
        { "\"1234567890123456789\"", "1234567890123456789" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[20];
        size_t length;
        assert_int_equal(parse(cases[i].json), JSON_OK);
        bool copied = json_copy_text(&json, 0, text, sizeof text, &length);
        assert_int_equal(copied, cases[i].text != NULL);
        if (copied) {
            assert_string_equal(text, cases[i].text);
            assert_int_equal(length, strlen(text));
        }
    }
}

/* Every token lies inside its parent, and they are in the order of the text. */
static void check_tokens(size_t length)
{
    for (unsigned i = 0; i < json.count; i++) {
        const struct json_token *t = &json.tokens[i];
        assert_true(t->start < t->end && t->end <= length);
        assert_true(t->next > i && t->next <= json.count);
        if (i > 0)
            assert_true(t->start > json.tokens[i - 1].start);
        if (t->next < json.count)
            assert_true(json.tokens[t->next].start >= t->end);
    }
}

static void mutilated_lines_never_lead_outside(void **state)
{
    (void)state;
    static const char line[] =
        "{\"id\":\"a\\u0041\",\"method\":\"mining.submit\",\"params\":[\"w\",\"0000000000000001\","
        "\"0000000000000000\",\"4966bc61\",\"9962e301\",{\"x\":[1.5e3,true,null]}]}";
    struct test_random random = test_random_begin("json_test");
    for (unsigned i = 0; i < 100000; i++) {
        size_t length = test_random_below(&random, sizeof line);
        char *text = malloc(length + 1); /* of its exact size, so that a sanitizer sees one byte */
        memcpy(text, line, length);
        for (uint64_t change = test_random_below(&random, 4); change > 0 && length > 0; change--)
            text[test_random_below(&random, length)] =
                "\"\\{}[]:,0u\x80\0"[test_random_below(&random, 12)];
        char *exact = realloc(text, length > 0 ? length : 1);
        if (json_parse(span_of(exact, length), &json) == JSON_OK) {
            check_tokens(length);
            char copy[64];
            for (unsigned t = 0; t < json.count; t++)
                (void)!json_copy_text(&json, t, copy, sizeof copy, NULL);
            (void)json_member(&json, 0, "params");
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json_is_read),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(depth_and_number_of_values_are_bounded),
        cmocka_unit_test(members_and_elements_are_found_and_the_last_of_two_names_counts),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(mutilated_lines_never_lead_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
