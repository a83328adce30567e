/* What follows in a list: texts that come back as they went out, and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/http_kore/page.h"
#include "base/test_random.h"

#include <stdio.h>
#include <string.h>

static bool parse(const char *text, enum http_page_id kind, uint64_t max, struct http_page *page_r)
{
    return http_page_parse(span_text(text), kind, max, page_r);
}

static void a_place_comes_back_as_it_was_told(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("page");
    char text[HTTP_PAGE_TEXT_BYTES];
    for (int i = 0; i < 5000; i++) {
        struct http_page page = { .number = test_random_u64(&random) >> (i % 64) }, back;
        size_t length = i % 2 == 0 ? 0 : 1 + (size_t)test_random_below(&random, 160);
        for (size_t k = 0; k < length; k++)
            page.id[k] = (char)('!' + test_random_below(&random, 94));
        http_page_format(&page, text);
        assert_true(parse(text, length == 0 ? HTTP_PAGE_NO_ID : HTTP_PAGE_ID, UINT64_MAX, &back));
        assert_int_equal(back.number, page.number);
        assert_string_equal(back.id, page.id);
        assert_false(parse(text, length == 0 ? HTTP_PAGE_ID : HTTP_PAGE_NO_ID, UINT64_MAX, &back));
        assert_int_equal(strspn(text, "0123456789abcdef-"), strlen(text)); /* needs no escape */
    }
    struct http_page count = { .number = 7, .id = "4294967295" }, back;
    http_page_format(&count, text);
    assert_true(parse(text, HTTP_PAGE_COUNT, 7, &back));
    assert_false(parse(text, HTTP_PAGE_COUNT, 6, &back));
}

static void what_nobody_told_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        "7",
        "-61",
        "7-6",
        "7-6g",
        "+7-61",
        " 7-61",
        "7-61 ",
        "7--61",
        "7-61-",
        "0x7-61",
        "7-00",
        "7-0a",
        "7-ff",
        "7-c3a9",
        "18446744073709551616-61",
        "99999999999999999999999-61",
        "%37-61",
        "7-61%00",
        "7.5-61",
        "7-20",
    };
    struct http_page page;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (parse(texts[i], HTTP_PAGE_ID, UINT64_MAX, &page))
            fail_msg("'%s' was taken", texts[i]);
    assert_true(parse("7-61", HTTP_PAGE_ID, 7, &page));
    assert_false(parse("7-61", HTTP_PAGE_ID, 6, &page));
    assert_false(parse("7-61", HTTP_PAGE_COUNT, 7, &page)); /* no digits in it */
    char text[400] = "7-";
    memset(text + 2, '6', 322); /* 161 bytes: one too many */
    assert_false(parse(text, HTTP_PAGE_ID, 7, &page));
    text[322] = '\0';
    assert_true(parse(text, HTTP_PAGE_ID, 7, &page));
}

static void any_bytes_are_no_trouble(void **state)
{
    (void)state;
    static const char bytes[] = "0123456789abcdef--\xff\n %";
    struct test_random random = test_random_begin("page");
    struct http_page page;
    char text[HTTP_PAGE_TEXT_BYTES];
    for (int i = 0; i < 50000; i++) {
        uint8_t wild[24];
        size_t length = (size_t)test_random_below(&random, sizeof wild + 1);
        for (size_t k = 0; k < length; k++)
            wild[k] = (uint8_t)bytes[test_random_below(&random, sizeof bytes)];
        for (unsigned kind = HTTP_PAGE_NO_ID; kind <= HTTP_PAGE_ID; kind++)
            if (http_page_parse(span_of(wild, length), (enum http_page_id)kind, INT64_MAX, &page)) {
                struct http_page again;
                http_page_format(&page, text);
                assert_true(parse(text, (enum http_page_id)kind, INT64_MAX, &again));
                assert_memory_equal(&page, &again, sizeof page);
            }
    }
}

static void a_parameter_is_the_first_of_its_whole_name(void **state)
{
    (void)state;
    static const struct {
        const char *query, *text; /* NULL: none */
    } cases[] = {
        { "", NULL },
        { "page", NULL },
        { "page=", "" },
        { "page=1", "1" },
        { "a=b&page=2&c", "2" },
        { "page=1&page=2", "1" },
        { "xpage=1", NULL },
        { "pagex=1", NULL },
        { "&&page=3", "3" },
        { "a=page=1", NULL },
        { "page=1-61&b=2", "1-61" },
        { "page=a=b", "a=b" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span text = http_parameter(cases[i].query, "page");
        assert_int_equal(text.data != NULL, cases[i].text != NULL);
        if (cases[i].text != NULL) {
            assert_int_equal(text.length, strlen(cases[i].text));
            assert_memory_equal(text.data, cases[i].text, text.length);
        }
    }
    uint64_t number = 5;
    assert_true(http_number(span_text("18446744073709551615"), UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_false(http_number(span_text("18446744073709551616"), UINT64_MAX, &number));
    assert_false(http_number(span_text("-1"), UINT64_MAX, &number));
    assert_false(http_number(span_text(""), UINT64_MAX, &number));
    assert_false(http_number(span_text("11"), 10, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_comes_back_as_it_was_told),
        cmocka_unit_test(what_nobody_told_is_refused),
        cmocka_unit_test(any_bytes_are_no_trouble),
        cmocka_unit_test(a_parameter_is_the_first_of_its_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
