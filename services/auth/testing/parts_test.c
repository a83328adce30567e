/* The small parts of auth by themselves. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/auth/form.h"
#include "services/auth/limiter.h"
#include "services/auth/password.h"

#include <stdio.h>

#define NOW ((uint64_t)1800000000)

static bool take(struct limiter *limiter, unsigned number, unsigned max, uint64_t now_s)
{
    uint8_t bytes[4];
    unsigned wait_s;
    store_le32(bytes, number);
    const struct span key[] = { span_text("test"), span_of(bytes, sizeof bytes) };
    return limiter_take(limiter, key, 2, max, now_s, &wait_s);
}

static void a_key_has_its_count_in_each_window(void **state)
{
    (void)state;
    struct limiter *limiter = limiter_create();
    const struct span key[] = { span_text("a") };
    unsigned wait_s = 0;
    for (int window = 0; window < 3; window++) {
        uint64_t start_s = NOW + (uint64_t)window * LIMITER_WINDOW_S;
        for (unsigned i = 0; i < 5; i++)
            assert_true(limiter_take(limiter, key, 1, 5, start_s + i, &wait_s));
        assert_false(limiter_take(limiter, key, 1, 5, start_s + 5, &wait_s));
        assert_int_equal(wait_s, LIMITER_WINDOW_S - 5);
        assert_false(limiter_take(limiter, key, 1, 5, start_s + LIMITER_WINDOW_S - 1, &wait_s));
        assert_int_equal(wait_s, 1);
    }
    limiter_destroy(limiter);
}

static void a_count_is_given_back_and_forgotten(void **state)
{
    (void)state;
    struct limiter *limiter = limiter_create();
    const struct span key[] = { span_text("a"), span_text("b") };
    unsigned wait_s;
    assert_true(limiter_take(limiter, key, 2, 1, NOW, &wait_s));
    assert_false(limiter_take(limiter, key, 2, 1, NOW, &wait_s));
    limiter_give_back(limiter, key, 2);
    limiter_give_back(limiter, key, 2); /* there is nothing more */
    assert_true(limiter_take(limiter, key, 2, 1, NOW, &wait_s));
    limiter_forget(limiter, key, 2);
    assert_true(limiter_take(limiter, key, 2, 1, NOW, &wait_s));
    /* another cut of the same bytes is another key */
    const struct span other[] = { span_text("ab"), span_text("") };
    assert_true(limiter_take(limiter, other, 2, 1, NOW, &wait_s));
    limiter_destroy(limiter);
}

static void a_flood_of_others_does_not_push_out_who_failed_often(void **state)
{
    (void)state;
    struct limiter *limiter = limiter_create();
    for (unsigned i = 0; i < 10; i++)
        assert_true(take(limiter, 0, 10, NOW));
    /* ten times what the table holds, each once */
    for (unsigned i = 1; i <= 10 * LIMITER_SETS * LIMITER_WAYS; i++)
        assert_true(take(limiter, i, 10, NOW + 1));
    assert_false(take(limiter, 0, 10, NOW + 2));
    assert_true(take(limiter, 0, 10, NOW + LIMITER_WINDOW_S));
    limiter_destroy(limiter);
}

static void a_mail_address_is_known_by_its_shape(void **state)
{
    (void)state;
    static const char *const good[] = { "a@b.c", "A.B+c@Example.ORG", "x_y-z@a-b.co.uk",
                                        "o'neil@1and1.de", "1@2.3" };
    static const char *const bad[] = { "",          "a",        "@",       "a@",
                                       "@b.c",      "a@b",      "a@b.",    "a@.b",
                                       "a@b..c",    "a..b@c.d", "a.@b.c",  "a b@c.d",
                                       "a@b c.d",   "a@b_c.d",  "a@b@c.d", "a@[1.2.3.4]",
                                       "\"a\"@b.c", "a@b.c\n",  "a@-b.c",  "a@b-.c" };
    char email[256];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(form_email(span_text(good[i]), email));
        for (const char *at = email; *at != '\0'; at++)
            assert_false(*at >= 'A' && *at <= 'Z');
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (form_email(span_text(bad[i]), email))
            fail_msg("\"%s\" was taken", bad[i]);
    char with_nul[] = "a@b.c";
    with_nul[1] = '\0';
    assert_false(form_email(span_of(with_nul, 5), email));
    /* 64 before, 63 a label, 254 in all */
    char text[300];
    char *at = text + sprintf(text, "%064d@", 0);
    for (int i = 0; i < 2; i++)
        at += sprintf(at, "%063d.", 0);
    for (int length = 1; length <= 63; length++) {
        int used = (int)(at - text) + sprintf(at, "%0*d", length, 0);
        assert_int_equal(form_email(span_of(text, (size_t)used), email), used <= 254);
    }
    (void)sprintf(at, "%064d", 0);
    assert_false(form_email(span_text(text), email));
    (void)sprintf(text, "%065d@b.c", 0);
    assert_false(form_email(span_text(text), email));
}

static void a_password_fits_its_hash_and_no_other(void **state)
{
    (void)state;
    const struct password_cost cost = { 1, 8192 * 1024 }, dearer = { 2, 8192 * 1024 };
    char hash[PASSWORD_HASH_BYTES], again[PASSWORD_HASH_BYTES];
    const struct span password = span_of("with\0zero", 9);
    assert_true(password_dummy(&cost, hash));
    assert_int_equal(password_check(hash, password), PASSWORD_WRONG);
    assert_true(password_hash(&cost, password, hash));
    assert_true(password_hash(&cost, password, again));
    assert_string_not_equal(hash, again);
    assert_int_equal(password_check(hash, password), PASSWORD_RIGHT);
    assert_int_equal(password_check(hash, span_of("with\0zerO", 9)), PASSWORD_WRONG);
    assert_int_equal(password_check(hash, span_of("with", 4)), PASSWORD_WRONG);
    assert_int_equal(password_check(hash, span_of("", 0)), PASSWORD_WRONG);
    assert_false(password_is_old(&cost, hash));
    assert_true(password_is_old(&dearer, hash));
    assert_true(password_is_old(&cost, (const char[PASSWORD_HASH_BYTES]){ "$argon2id$x" }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_its_count_in_each_window),
        cmocka_unit_test(a_count_is_given_back_and_forgotten),
        cmocka_unit_test(a_flood_of_others_does_not_push_out_who_failed_often),
        cmocka_unit_test(a_mail_address_is_known_by_its_shape),
        cmocka_unit_test(a_password_fits_its_hash_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
