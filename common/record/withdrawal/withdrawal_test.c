#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/withdrawal/withdrawal.h"

#include <stdio.h>

static bool count(void *context, const struct withdrawal *withdrawal)
{
    (void)withdrawal;
    ++*(unsigned *)context;
    return true;
}

static void asking_twice_is_asking_once_and_an_answer_ends_it(void **state)
{
    (void)state;
    static const struct store_collection *const collections[] = { &withdrawal_collection };
    struct store *store = store_fake_create();
    struct error error;
    struct withdrawal read;
    unsigned open = 0;
    assert_true(store_declare(store, collections, 1, &error));
    struct withdrawal one = { .account = 0xabc,
                              .request = "may_1-a",
                              .state = WITHDRAWAL_OPEN,
                              .amount = { 77 },
                              .created_ms = 5 };
    assert_int_equal(withdrawal_insert(store, &one, &error), STORE_DONE);
    struct withdrawal again = one;
    again.amount.units = 99;
    assert_int_equal(withdrawal_insert(store, &again, &error), STORE_EXISTS);
    again.account = 0; /* another's of the same name is another */
    assert_int_equal(withdrawal_insert(store, &again, &error), STORE_DONE);
    assert_int_equal(withdrawal_walk_open(store, 0, count, &open, &error), STORE_DONE);
    assert_int_equal(open, 2);
    struct withdrawal stale = one;
    one.state = WITHDRAWAL_PLANNED;
    one.payment = 12;
    assert_int_equal(withdrawal_save(store, &one, &error), STORE_DONE);
    assert_int_equal(withdrawal_save(store, &stale, &error), STORE_CONFLICT);
    assert_int_equal(withdrawal_get(store, 0xabc, "may_1-a", &read, &error), STORE_DONE);
    assert_int_equal(read.account, 0xabc);
    assert_string_equal(read.request, "may_1-a");
    assert_int_equal(read.state, WITHDRAWAL_PLANNED);
    assert_int_equal(read.payment, 12);
    assert_int_equal(read.amount.units, 77);
    open = 0;
    assert_int_equal(withdrawal_walk_open(store, 0, count, &open, &error), STORE_DONE);
    assert_int_equal(open, 1);
    assert_int_equal(withdrawal_get(store, 0xabc, "other", &read, &error), STORE_MISSING);
    store_close(store);
}

static void names_are_short_and_plain(void **state)
{
    (void)state;
    char name[80];
    memset(name, 'a', sizeof name);
    name[64] = '\0';
    assert_true(withdrawal_name_is_good(name));
    name[64] = 'a';
    name[65] = '\0';
    assert_false(withdrawal_name_is_good(name));
    assert_false(withdrawal_name_is_good(""));
    assert_false(withdrawal_name_is_good("a:b"));
    assert_false(withdrawal_name_is_good("a b"));
    assert_true(withdrawal_name_is_good("A-z_09"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asking_twice_is_asking_once_and_an_answer_ends_it),
        cmocka_unit_test(names_are_short_and_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
