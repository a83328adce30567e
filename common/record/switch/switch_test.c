#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/switch/switch.h"

static void a_switch_is_off_until_somebody_turns_it_and_says_who_and_why(void **state)
{
    (void)state;
    static const struct store_collection *const collections[] = { &switch_collection };
    struct store *store = store_fake_create();
    struct error error;
    struct switch_record now;
    char long_reason[600];
    memset(long_reason, 'x', sizeof long_reason - 1);
    long_reason[sizeof long_reason - 1] = '\0';
    assert_true(store_declare(store, collections, 1, &error));
    assert_int_equal(switch_get(store, "payout.paused", &now, &error), STORE_DONE);
    assert_false(now.on);
    assert_int_equal(switch_turn(store, "payout.paused", true, "ann", "audit", 5, &error),
                     STORE_DONE);
    assert_int_equal(switch_get(store, "payout.paused", &now, &error), STORE_DONE);
    assert_true(now.on);
    assert_string_equal(now.by, "ann");
    assert_string_equal(now.reason, "audit");
    assert_int_equal(now.changed_ms, 5);
    assert_int_equal(switch_turn(store, "payout.paused", false, "", long_reason, 6, &error),
                     STORE_DONE);
    assert_int_equal(switch_get(store, "payout.paused", &now, &error), STORE_DONE);
    assert_false(now.on);
    assert_int_equal(strlen(now.reason), SWITCH_REASON_BYTES - 1);
    assert_int_equal(switch_get(store, "another", &now, &error), STORE_DONE);
    assert_false(now.on);
    store_close(store);
}

/* A reason need not be in ASCII, and what cannot be stored stops nothing. */
static void a_long_reason_is_cut_behind_a_whole_character(void **state)
{
    (void)state;
    static const struct store_collection *const collections[] = { &switch_collection };
    struct store *store = store_fake_create();
    struct error error;
    struct switch_record now;
    char reason[4 * SWITCH_REASON_BYTES] = "";
    for (size_t i = 0; i < SWITCH_REASON_BYTES; i++)
        memcpy(reason + 2 * i, "\xc3\xa9", 3);
    assert_true(store_declare(store, collections, 1, &error));
    assert_int_equal(switch_turn(store, "payout.paused", true, reason, reason, 5, &error),
                     STORE_DONE);
    assert_int_equal(switch_get(store, "payout.paused", &now, &error), STORE_DONE);
    assert_true(now.on);
    assert_int_equal(strlen(now.reason), SWITCH_REASON_BYTES - 2);
    assert_int_equal(strlen(now.by), SWITCH_BY_BYTES - 2);
    assert_memory_equal(now.reason, reason, strlen(now.reason));
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switch_is_off_until_somebody_turns_it_and_says_who_and_why),
        cmocka_unit_test(a_long_reason_is_cut_behind_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
