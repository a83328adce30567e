#include "port/suite/store/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct store_field suite_fields[FIELDS] = { SUITE_FIELDS };

struct store *suite_open(void **state)
{
    const struct store_suite *suite = *state;
    struct error error = { 0 };
    struct store *store = suite->open(suite->url, &error);
    if (store == NULL)
        fail_msg("%s", error.text);
    return store;
}

void suite_declare(struct store *store, const struct store_collection *collection)
{
    struct error error = { 0 };
    if (!store_declare(store, &collection, 1, &error))
        fail_msg("%s", error.text);
}

struct store *suite_open_declared(void **state, const struct store_collection *collection)
{
    struct store *store = suite_open(state);
    suite_declare(store, collection);
    return store;
}

uint64_t suite_seed(void)
{
    const char *set = getenv("ADIT_SEED");
    uint64_t seed = set != NULL ? strtoull(set, NULL, 10) : 20240131;
    print_message("ADIT_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

uint64_t suite_random(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 31;
}

struct store_record suite_record(const char *id, int64_t number, const char *name)
{
    struct store_record record = { .id = id };
    record.values[NUMBER] = store_int(number);
    record.values[NAME] = store_text(name);
    return record;
}

enum store_outcome suite_write(struct store *store, enum store_verb verb,
                               const struct store_collection *collection,
                               const struct store_record *record)
{
    struct store_write write = { .verb = verb, .collection = collection, .record = *record };
    struct error error = { 0 };
    enum store_outcome total = store_apply(store, &write, 1, &error);
    assert_int_equal(total, write.outcome == STORE_EXISTS ? STORE_DONE : write.outcome);
    if (total == STORE_FAILED || total == STORE_UNKNOWN)
        print_message("%s\n", error.text);
    return write.outcome;
}

enum store_outcome suite_get(struct store *store, const struct store_collection *collection,
                             const char *id, struct store_record *record_r)
{
    static uint8_t memory[8 << 20];
    struct arena arena = arena_over(memory, sizeof memory);
    struct error error = { 0 };
    enum store_outcome outcome = store_get(store, collection, id, &arena, record_r, &error);
    if (outcome == STORE_FAILED)
        fail_msg("%s", error.text);
    return outcome;
}

void suite_assert_same(const struct store_record *a, const struct store_record *b)
{
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->version, b->version);
    for (size_t i = 0; i < FIELDS; i++) {
        if (suite_fields[i].type == STORE_INT)
            assert_int_equal(a->values[i].integer, b->values[i].integer);
        else
            assert_true(span_equal(a->values[i].bytes, b->values[i].bytes));
    }
}

int store_suite_main(int argc, char **argv, const struct store_suite *suite)
{
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return suite_child(suite, argv[2]);
    enum { TESTS_MAX = 64 };
    struct CMUnitTest tests[TESTS_MAX];
    const struct CMUnitTest *const lists[] = { suite_record_tests, suite_find_tests,
                                               suite_together_tests };
    size_t count = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct CMUnitTest *test = lists[i]; test->test_func != NULL; test++) {
            ASSERT(count < TESTS_MAX);
            tests[count] = *test;
            tests[count++].initial_state = (void *)(uintptr_t)suite;
        }
    return _cmocka_run_group_tests(suite->name, tests, count, NULL, NULL);
}
