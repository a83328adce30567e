/* One form a name, and no two names that look alike. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/names_icu/names.h"
#include "base/test_random.h"

#include <stdio.h>
#include <string.h>

static struct names *names;

static int setup(void **state)
{
    struct error error;
    (void)state;
    names = names_open(&error);
    return names != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    names_close(names);
    return 0;
}

static void spellings_of_one_name_are_one(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        { "gertrude", "gertrude" },
        { "GERTRUDE", "gertrude" },
        { "a_b-c9", "a_b-c9" },
        { "J\xc3\xbcrgen", "j\xc3\xbcrgen" },
        { "ju\xcc\x88rgen", "j\xc3\xbcrgen" },             /* decomposed */
        { "\xef\xbd\x81\xef\xbd\x82\xef\xbc\xa3", "abc" }, /* full width */
        { "\xce\x9f\xce\x94\xce\x9f\xce\xa3",
          "\xce\xbf\xce\xb4\xce\xbf\xcf\x82" }, /* final sigma */
        { "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd" },
        { "\xe6\x9d\xb1\xe4\xba\xac\xe3\x81\xae", "\xe6\x9d\xb1\xe4\xba\xac\xe3\x81\xae" },
    };
    char name[IDENTITY_CANONICAL_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum names_outcome outcome = names_prepare(names, span_text(cases[i].text), name);
        if (outcome != NAMES_OK || strcmp(name, cases[i].name) != 0)
            fail_msg("%s: %s \"%s\"", cases[i].text, names_outcome_text(outcome), name);
    }
}

static void what_could_pass_for_something_else_is_no_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum names_outcome outcome;
    } cases[] = {
        { "", NAMES_LENGTH },
        { "ab", NAMES_LENGTH },
        { "\xc3\xbc\xc3\xbc", NAMES_LENGTH }, /* two characters, four bytes */
        { "abc\xff", NAMES_NOT_UTF8 },
        { "abc\xed\xa0\x80", NAMES_NOT_UTF8 }, /* a surrogate */
        { "\xc0\xaf"
          "abc",
          NAMES_NOT_UTF8 }, /* a slash, overlong */
        { "a b", NAMES_CHARACTER },
        { "a.b", NAMES_CHARACTER },
        { "-abc", NAMES_CHARACTER },
        { "_abc", NAMES_CHARACTER },
        { "a<b>c", NAMES_CHARACTER },
        { "abc\n", NAMES_CHARACTER },
        { "abc\xe2\x80\x8b", NAMES_CHARACTER }, /* zero-width space */
        { "abc\xe2\x80\x8d"
          "d",
          NAMES_CHARACTER }, /* joiner */
        { "abc\xe2\x80\xae"
          "d",
          NAMES_CHARACTER },                    /* override of direction */
        { "abc\xef\xbb\xbf", NAMES_CHARACTER }, /* byte order mark */
        { "\xef\xac\x81sh", NAMES_CHARACTER },  /* the ligature fi */
        { "x\xc2\xb2y", NAMES_CHARACTER },      /* superscript two */
        { "\xcc\x88"
          "abc",
          NAMES_CHARACTER }, /* begins with a mark */
        { "\xf0\x9f\x98\x80"
          "abc",
          NAMES_CHARACTER }, /* a smile */
        { "\xf0\x9d\x93\xaa"
          "bc",
          NAMES_CHARACTER },              /* mathematical a */
        { "p\xd0\xb0ypal", NAMES_MIXED }, /* Cyrillic a */
        { "g\xce\xbfogle", NAMES_MIXED }, /* Greek o */
        { "abc\xd9\xa1", NAMES_MIXED },   /* an Arabic digit */
        { "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", NAMES_ADDRESS },
        { "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", NAMES_ADDRESS }, /* mistyped */
        { "aaaaaaaaaaaaaaaaaaaaaaaaa", NAMES_ADDRESS },
    };
    char name[IDENTITY_CANONICAL_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum names_outcome outcome = names_prepare(names, span_text(cases[i].text), name);
        if (outcome != cases[i].outcome)
            fail_msg("%zu, %s: %d", i, cases[i].text, outcome);
    }
    /* 24 of them, or with a hyphen, are a name; 50 characters are, 51 are not. */
    assert_int_equal(names_prepare(names, span_text("aaaaaaaaaaaaaaaaaaaaaaaa"), name), NAMES_OK);
    assert_int_equal(names_prepare(names, span_text("aaaaaaaaaaaaaaaaaaaaaaaa-"), name), NAMES_OK);
    char text[128] = "";
    for (int i = 0; i < 51; i++) {
        strcat(text, "\xc3\xbc");
        assert_int_equal(names_prepare(names, span_text(text), name),
                         i + 1 >= 3 && i + 1 <= 50 ? NAMES_OK : NAMES_LENGTH);
    }
}

static void names_that_look_alike_have_one_skeleton(void **state)
{
    (void)state;
    static const char *const alike[][2] = {
        { "paypal", "paypa1" },
        { "scope", "\xd1\x95\xd1\x81\xd0\xbe\xd1\x80\xd0\xb5" }, /* all Cyrillic */
        { "microsoft", "rnicrosoft" },
        { "bob0", "bobo" },
    };
    char one[NAMES_SKELETON_BYTES], other[NAMES_SKELETON_BYTES];
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        assert_true(names_skeleton(names, alike[i][0], one));
        assert_true(names_skeleton(names, alike[i][1], other));
        if (strcmp(one, other) != 0)
            fail_msg("%s and %s: %s, %s", alike[i][0], alike[i][1], one, other);
    }
    assert_true(names_skeleton(names, "gertrude", one));
    assert_true(names_skeleton(names, "gertrud", other));
    assert_string_not_equal(one, other);
}

/* Whatever comes, the form is stable, fits, and is what core/identity takes for this name. */
static void the_form_of_a_form_is_itself(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("names");
    const struct coin_profile *coin = coin_profile_find(span_text("bitcoin"));
    size_t taken = 0;
    for (int i = 0; i < 200000; i++) {
        static const uint32_t bases[] = { 'a',    'A',    '0',    0xc0,    0x100,  0x370,  0x400,
                                          0x5d0,  0x620,  0x900,  0xe00,   0x1100, 0x1e00, 0x3040,
                                          0x4e00, 0xac00, 0xff00, 0x1d400, 0x300,  0x2000 };
        char text[256], name[IDENTITY_CANONICAL_BYTES], again[IDENTITY_CANONICAL_BYTES];
        size_t used = 0;
        uint32_t base = bases[test_random_below(&random, sizeof bases / sizeof *bases)];
        for (uint64_t left = 1 + test_random_below(&random, 30); left > 0; left--) {
            if (test_random_below(&random, 16) == 0)
                base = bases[test_random_below(&random, sizeof bases / sizeof *bases)];
            uint32_t c = base + (uint32_t)test_random_below(&random, 64);
            if (c < 0x80) {
                text[used++] = (char)c;
            } else if (c < 0x800) {
                text[used++] = (char)(0xc0 | c >> 6);
                text[used++] = (char)(0x80 | (c & 63));
            } else if (c < 0x10000) {
                text[used++] = (char)(0xe0 | c >> 12);
                text[used++] = (char)(0x80 | (c >> 6 & 63));
                text[used++] = (char)(0x80 | (c & 63));
            } else {
                text[used++] = (char)(0xf0 | c >> 18);
                text[used++] = (char)(0x80 | (c >> 12 & 63));
                text[used++] = (char)(0x80 | (c >> 6 & 63));
                text[used++] = (char)(0x80 | (c & 63));
            }
        }
        if (names_prepare(names, span_of(text, used), name) != NAMES_OK)
            continue;
        taken++;
        assert_int_equal(names_prepare(names, span_text(name), again), NAMES_OK);
        assert_string_equal(again, name);
        struct identity_account account;
        enum identity_outcome outcome = identity_resolve(coin, span_text(name), &account, NULL);
        if (outcome == IDENTITY_BAD_ADDRESS && memcmp(name, "bc1", 3) == 0)
            continue; /* can only be meant as an address; whoever registers names looks at that too
                       */
        if (outcome != IDENTITY_OK || account.kind != IDENTITY_KIND_ACCOUNT ||
            strcmp(account.canonical, name) != 0)
            fail_msg("%s: %d", name, outcome);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_of_one_name_are_one),
        cmocka_unit_test(what_could_pass_for_something_else_is_no_name),
        cmocka_unit_test(names_that_look_alike_have_one_skeleton),
        cmocka_unit_test(the_form_of_a_form_is_itself),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
