#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/turn/turn.h"

enum { INTERVAL = 1000 };

static struct error error;

static struct store *fresh_store(void)
{
    static const struct store_collection *const collections[] = { &turn_collection };
    struct store *store = store_fake_create();
    assert_true(store_declare(store, collections, 1, &error));
    return store;
}

static void turns_are_numbered_and_wait_for_their_time(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    struct turn turn, read;
    assert_int_equal(turn_get(store, "decay", &turn, &error), STORE_MISSING);
    assert_true(turn.whole);
    assert_true(turn_is_due(&turn, INTERVAL, 50000));
    assert_int_equal(turn_begin(store, &turn, INTERVAL, 50000, 1, &error), STORE_DONE);
    assert_int_equal(turn.number, 1);
    assert_int_equal(turn_get(store, "decay", &read, &error), STORE_DONE);
    assert_false(read.whole); /* who leads next goes on with it */
    assert_int_equal(turn_end(store, &read, 2, &error), STORE_DONE);
    assert_int_equal(turn_end(store, &turn, 1, &error), STORE_CONFLICT); /* it was deposed */
    assert_int_equal(turn_get(store, "decay", &turn, &error), STORE_DONE);
    assert_true(turn.whole);
    assert_int_equal(turn.number, 1);
    assert_false(turn_is_due(&turn, INTERVAL, 50999));
    assert_true(turn_is_due(&turn, INTERVAL, 51000));
    assert_true(turn_is_due(&turn, INTERVAL, 20000)); /* the clock was set back */
    store_close(store);
}

static void of_two_leaders_one_begins_a_turn(void **state)
{
    (void)state;
    struct store *store = fresh_store();
    struct turn first, second;
    assert_int_equal(turn_get(store, "decay", &first, &error), STORE_MISSING);
    assert_int_equal(turn_get(store, "decay", &second, &error), STORE_MISSING);
    assert_int_equal(turn_begin(store, &second, INTERVAL, 5, 2, &error), STORE_DONE);
    assert_int_equal(turn_begin(store, &first, INTERVAL, 5, 1, &error), STORE_CONFLICT);
    assert_int_equal(first.number, 0);
    assert_int_equal(turn_end(store, &second, 2, &error), STORE_DONE);
    assert_int_equal(turn_get(store, "decay", &first, &error), STORE_DONE);
    /* a deposed one that reads late may not begin either */
    assert_int_equal(turn_begin(store, &first, INTERVAL, 5000, 1, &error), STORE_CONFLICT);
    assert_int_equal(turn_get(store, "another", &first, &error), STORE_MISSING);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_numbered_and_wait_for_their_time),
        cmocka_unit_test(of_two_leaders_one_begins_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
