#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "port/suite/store/suite.h"

#include <stdio.h>

static struct store *shared;

static struct store *open_store(const char *url, struct error *error)
{
    (void)url;
    (void)error;
    return store_fake_share(shared);
}

static const struct store_field fields[] = { { "number", STORE_INT, true } };
static const struct store_collection things = { "things", fields, 1 };

static struct store *fresh(void)
{
    const struct store_collection *const all[] = { &things };
    struct store *store = store_fake_create();
    struct error error;
    assert_true(store_declare(store, all, 1, &error));
    return store;
}

static enum store_outcome put(struct store *store, enum store_verb verb, const char *id,
                              uint64_t version)
{
    struct store_write write = { verb, &things, { .id = id, .version = version }, 0 };
    struct error error = { 0 };
    enum store_outcome outcome = store_apply(store, &write, 1, &error);
    assert_true(outcome == STORE_DONE || outcome == STORE_CONFLICT || error.text[0] != '\0');
    return write.outcome;
}

static bool is_there(struct store *store, const char *id)
{
    uint8_t memory[256];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    struct error error;
    return store_get(store, &things, id, &arena, &record, &error) == STORE_DONE;
}

static void a_fault_comes_where_it_was_ordered(void **state)
{
    (void)state;
    struct store *store = fresh();
    store_fake_inject(store, STORE_FAKE_FAIL, 1, 1);
    assert_int_equal(put(store, STORE_INSERT, "a", 0), STORE_DONE);
    assert_int_equal(put(store, STORE_INSERT, "b", 0), STORE_FAILED);
    assert_false(is_there(store, "b"));
    assert_int_equal(put(store, STORE_INSERT, "b", 0), STORE_DONE);
    store_fake_inject(store, STORE_FAKE_UNKNOWN_DONE, 0, 1);
    assert_int_equal(put(store, STORE_INSERT, "c", 0), STORE_UNKNOWN);
    assert_true(is_there(store, "c"));
    assert_int_equal(put(store, STORE_INSERT, "c", 0), STORE_EXISTS);
    store_fake_inject(store, STORE_FAKE_UNKNOWN_NOT_DONE, 0, 1);
    assert_int_equal(put(store, STORE_INSERT, "d", 0), STORE_UNKNOWN);
    assert_false(is_there(store, "d"));
    store_fake_inject(store, STORE_FAKE_CONFLICT, 0, 1);
    assert_int_equal(put(store, STORE_REPLACE, "a", 1), STORE_CONFLICT);
    assert_int_equal(put(store, STORE_REPLACE, "a", 2), STORE_DONE);
    assert_int_equal(store_fake_writes(store), 8);
    store_fake_verify(store);
    store_close(store);
}

static void away_nothing_answers_and_nothing_is_lost(void **state)
{
    (void)state;
    struct store *store = fresh();
    struct error error;
    assert_int_equal(put(store, STORE_INSERT, "a", 0), STORE_DONE);
    store_fake_away(store, true);
    assert_int_equal(put(store, STORE_INSERT, "b", 0), STORE_FAILED);
    assert_false(store_ping(store, &error));
    assert_false(is_there(store, "a"));
    store_fake_away(store, false);
    assert_true(store_ping(store, &error));
    assert_true(is_there(store, "a"));
    assert_false(is_there(store, "b"));
    store_close(store);
}

static void random_faults_follow_from_their_seed(void **state)
{
    (void)state;
    enum store_outcome outcomes[2][300];
    for (int run = 0; run < 2; run++) {
        struct store *store = fresh();
        store_fake_inject_random(store, 42, 250);
        for (int i = 0; i < 300; i++) {
            char id[8];
            snprintf(id, sizeof id, "%d", i % 40);
            outcomes[run][i] = put(store, i % 3 == 0 ? STORE_REPLACE : STORE_INSERT, id, 1);
        }
        store_fake_verify(store);
        store_close(store);
    }
    assert_memory_equal(outcomes[0], outcomes[1], sizeof outcomes[0]);
    int faults = 0;
    for (int i = 0; i < 300; i++)
        faults += outcomes[0][i] == STORE_FAILED || outcomes[0][i] == STORE_UNKNOWN;
    assert_in_range(faults, 20, 100);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_comes_where_it_was_ordered),
        cmocka_unit_test(away_nothing_answers_and_nothing_is_lost),
        cmocka_unit_test(random_faults_follow_from_their_seed),
    };
    int failed = cmocka_run_group_tests_name("store_fake alone", tests, NULL, NULL);
    shared = store_fake_create();
    const struct store_suite suite = { "store_fake", open_store, NULL };
    failed += store_suite_main(argc, argv, &suite);
    store_fake_verify(shared);
    store_close(shared);
    return failed;
}
