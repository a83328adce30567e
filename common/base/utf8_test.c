#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/utf8.h"

#include <stdlib.h>

static void a_text_is_cut_behind_a_whole_character_wherever_it_ends(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1, 2, 3, 4, 1 bytes */
    static const size_t kept[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };
    for (size_t room = 1; room <= sizeof kept / sizeof *kept; room++) {
        char cut[16];
        utf8_keep(text, sizeof text - 1, cut, room);
        assert_int_equal(strlen(cut), kept[room - 1]);
        assert_memory_equal(cut, text, kept[room - 1]);
    }
}

static void what_is_no_utf8_is_made_a_mark(void **state)
{
    (void)state;
    static const struct {
        const char *text, *kept;
    } cases[] = {
        { "\xc3", "?" },
        { "a\xe2\x82", "a??" },
        { "\xc0\xaf", "??" },           /* overlong */
        { "\xe0\x9f\xbf", "???" },      /* overlong */
        { "\xed\xa0\x80", "???" },      /* a surrogate */
        { "\xf4\x90\x80\x80", "????" }, /* above U+10FFFF */
        { "\x80-\xff", "?-?" },
        { "\xc3-\xc3\xa9", "?-\xc3\xa9" }, /* the one behind it stays */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char kept[16];
        utf8_keep(cases[i].text, strlen(cases[i].text), kept, sizeof kept);
        assert_string_equal(kept, cases[i].kept);
    }
    char kept[8];
    assert_string_equal(utf8_keep("a\0b", 3, kept, sizeof kept), "a?b");
    assert_string_equal(utf8_keep(NULL, 0, kept, sizeof kept), "");
}

static void what_is_kept_of_any_bytes_is_utf8_and_fits(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char text[24], kept[24];
        size_t length = (size_t)rand() % sizeof text, room = 1 + (size_t)rand() % sizeof kept;
        for (size_t i = 0; i < length; i++)
            text[i] = (char)(rand() % 3 == 0 ? rand() : 0x80 | rand());
        utf8_keep(text, length, kept, room);
        size_t end = strlen(kept);
        assert_true(end < room);
        for (size_t i = 0; i < end;) {
            size_t size = utf8_character(kept + i, end - i);
            assert_true(size >= 1);
            i += size;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_cut_behind_a_whole_character_wherever_it_ends),
        cmocka_unit_test(what_is_no_utf8_is_made_a_mark),
        cmocka_unit_test(what_is_kept_of_any_bytes_is_utf8_and_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
