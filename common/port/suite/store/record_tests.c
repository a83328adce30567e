/* One record at a time: what goes in comes out, and nothing happens but what the outcome says. */
#include "port/suite/store/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SUITE_COLLECTION(plain, "suite_plain");

static void the_store_answers(void **state)
{
    struct store *store = suite_open(state);
    struct error error = { 0 };
    assert_true(store_ping(store, &error));
    store_close(store);
}

static void a_record_comes_back_as_it_was_inserted(void **state)
{
    struct store *store = suite_open_declared(state, &plain);
    uint8_t all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    static const int64_t numbers[] = { 0,
                                       1,
                                       -1,
                                       INT64_MAX,
                                       INT64_MIN,
                                       1ll << 53,
                                       (1ll << 53) + 1,
                                       -(1ll << 53) - 1,
                                       0x123456789abcdef0 };
    static const char *const texts[] = { "",     "a",  "'\"\\%_$.{}[]",    "größer als ∑ 🙂",
                                         "null", "  ", "line\nbreak\ttab", "0123" };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            char id[32];
            snprintf(id, sizeof id, "r%zu.%zu", i, k);
            struct store_record record = suite_record(id, numbers[i], texts[k]), back;
            record.values[BLOB] = store_bytes(span_of(all, i * 32 % sizeof all));
            record.values[PLAIN] = store_int(numbers[(i + k) % 9]);
            assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_DONE);
            assert_int_equal(suite_get(store, &plain, id, &back), STORE_DONE);
            record.version = 1;
            suite_assert_same(&record, &back);
        }
    store_close(store);
}

static void an_insert_over_a_record_changes_nothing(void **state)
{
    struct store *store = suite_open_declared(state, &plain);
    struct store_record first = suite_record("insert", 1, "first"), back;
    struct store_record second = suite_record("insert", 2, "second");
    assert_int_equal(suite_write(store, STORE_INSERT, &plain, &first), STORE_DONE);
    assert_int_equal(suite_write(store, STORE_INSERT, &plain, &second), STORE_EXISTS);
    assert_int_equal(suite_get(store, &plain, "insert", &back), STORE_DONE);
    first.version = 1;
    suite_assert_same(&first, &back);
    store_close(store);
}

static void only_the_version_that_is_there_is_replaced_or_deleted(void **state)
{
    struct store *store = suite_open_declared(state, &plain);
    struct store_record record = suite_record("versions", 1, "one"), back;
    record.version = 1;
    assert_int_equal(suite_write(store, STORE_REPLACE, &plain, &record), STORE_CONFLICT);
    assert_int_equal(suite_write(store, STORE_DELETE, &plain, &record), STORE_CONFLICT);
    assert_int_equal(suite_get(store, &plain, "versions", &back), STORE_MISSING);
    assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_DONE);
    for (uint64_t version = 1; version <= 5; version++) {
        record.values[NUMBER].integer = (int64_t)version * 100;
        record.version = version;
        assert_int_equal(suite_write(store, STORE_REPLACE, &plain, &record), STORE_DONE);
        assert_int_equal(suite_write(store, STORE_REPLACE, &plain, &record), STORE_CONFLICT);
        assert_int_equal(suite_write(store, STORE_DELETE, &plain, &record), STORE_CONFLICT);
        record.version = version + 2;
        assert_int_equal(suite_write(store, STORE_REPLACE, &plain, &record), STORE_CONFLICT);
        assert_int_equal(suite_write(store, STORE_DELETE, &plain, &record), STORE_CONFLICT);
        assert_int_equal(suite_get(store, &plain, "versions", &back), STORE_DONE);
        assert_int_equal(back.version, version + 1);
        assert_int_equal(back.values[NUMBER].integer, version * 100);
    }
    record.version = 6;
    assert_int_equal(suite_write(store, STORE_DELETE, &plain, &record), STORE_DONE);
    assert_int_equal(suite_write(store, STORE_DELETE, &plain, &record), STORE_CONFLICT);
    assert_int_equal(suite_get(store, &plain, "versions", &back), STORE_MISSING);
    assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_DONE);
    assert_int_equal(suite_get(store, &plain, "versions", &back), STORE_DONE);
    assert_int_equal(back.version, 1);
    store_close(store);
}

static void a_replace_to_the_same_values_is_a_new_version(void **state)
{
    struct store *store = suite_open_declared(state, &plain);
    struct store_record record = suite_record("same", 1, "same"), back;
    assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_DONE);
    record.version = 1;
    assert_int_equal(suite_write(store, STORE_REPLACE, &plain, &record), STORE_DONE);
    assert_int_equal(suite_get(store, &plain, "same", &back), STORE_DONE);
    assert_int_equal(back.version, 2);
    store_close(store);
}

static void ids_of_any_script_are_kept_apart(void **state)
{
    struct store *store = suite_open_declared(state, &plain);
    char longest[STORE_ID_BYTES_MAX + 1];
    memset(longest, 'x', STORE_ID_BYTES_MAX);
    longest[STORE_ID_BYTES_MAX] = '\0';
    /* the two é are one letter composed and decomposed: other bytes, another id */
    const char *const ids[] = { "é",         "e\xcc\x81", "E",    "e",   "Ω",
                                "鉱山",      "🪙",      "$set", "a.b", "with space",
                                "a:b/c?d=e", "--",        longest };
    const size_t count = sizeof ids / sizeof *ids;
    for (size_t i = 0; i < count; i++) {
        struct store_record record = suite_record(ids[i], (int64_t)i, "");
        assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_DONE);
    }
    for (size_t i = 0; i < count; i++) {
        struct store_record back;
        assert_int_equal(suite_get(store, &plain, ids[i], &back), STORE_DONE);
        assert_int_equal(back.values[NUMBER].integer, i);
    }
    store_close(store);
}

static void what_is_no_record_is_refused_and_the_rest_is_written(void **state)
{
    struct store *store = suite_open_declared(state, &plain);
    char too_long[STORE_ID_BYTES_MAX + 2];
    memset(too_long, 'x', STORE_ID_BYTES_MAX + 1);
    too_long[STORE_ID_BYTES_MAX + 1] = '\0';
    const char *const ids[] = { "", too_long, "a\nb", "\x7f", "\xff", "\xc0\x80", "\xed\xa0\x80" };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char good[32];
        snprintf(good, sizeof good, "beside%zu", i);
        struct store_write writes[2] = {
            { STORE_INSERT, &plain, suite_record(ids[i], 1, ""), 0 },
            { STORE_INSERT, &plain, suite_record(good, 1, ""), 0 },
        };
        struct error error = { 0 };
        assert_int_equal(store_apply(store, writes, 2, &error), STORE_FAILED);
        assert_int_equal(error.code, ERROR_INVALID);
        assert_int_equal(writes[0].outcome, STORE_FAILED);
        assert_int_equal(writes[1].outcome, STORE_DONE);
    }
    struct store_record record = suite_record("text", 1, "\xfe");
    assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_FAILED);
    record.values[NAME] = store_bytes(span_of("a\0b", 3));
    assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_FAILED);
    record.values[NAME] = store_text("");
    assert_int_equal(suite_write(store, STORE_REPLACE, &plain, &record), STORE_FAILED);
    store_close(store);
}

static void values_of_megabytes_are_kept(void **state)
{
    struct store *store = suite_open_declared(state, &plain);
    const size_t bytes = 5 << 20;
    uint8_t *large = malloc(bytes);
    assert_non_null(large);
    uint64_t random = suite_seed();
    for (size_t i = 0; i < bytes; i++)
        large[i] = (uint8_t)suite_random(&random);
    for (size_t length = 1 << 20; length <= bytes; length += 1 << 22) {
        char id[32];
        snprintf(id, sizeof id, "large%zu", length);
        struct store_record record = suite_record(id, 1, ""), back;
        record.values[BLOB] = store_bytes(span_of(large, length));
        assert_int_equal(suite_write(store, STORE_INSERT, &plain, &record), STORE_DONE);
        assert_int_equal(suite_get(store, &plain, id, &back), STORE_DONE);
        record.version = 1;
        suite_assert_same(&record, &back);
        assert_int_equal(suite_write(store, STORE_REPLACE, &plain, &record), STORE_DONE);
    }
    uint8_t memory[4096];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record back;
    struct error error = { 0 };
    assert_int_equal(store_get(store, &plain, "large1048576", &arena, &back, &error), STORE_FAILED);
    assert_int_equal(error.code, ERROR_FULL);
    free(large);
    store_close(store);
}

static void each_write_of_a_call_has_its_own_outcome(void **state)
{
    SUITE_COLLECTION(calls, "suite_calls");
    SUITE_COLLECTION(others, "suite_others");
    struct store *store = suite_open_declared(state, &calls);
    suite_declare(store, &others);
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        struct store_record record = suite_record(id, i, "before");
        assert_int_equal(suite_write(store, STORE_INSERT, &calls, &record), STORE_DONE);
    }
    struct store_write writes[] = {
        { STORE_INSERT, &calls, suite_record("0", 10, "after"), 0 }, /* exists */
        { STORE_INSERT, &calls, suite_record("new", 10, "after"), 0 },
        { STORE_REPLACE, &calls, suite_record("1", 10, "after"), 0 },
        { STORE_REPLACE, &calls, suite_record("2", 10, "after"), 0 }, /* another version */
        { STORE_DELETE, &calls, suite_record("3", 0, ""), 0 },
        { STORE_DELETE, &calls, suite_record("4", 0, ""), 0 }, /* another version */
        { STORE_REPLACE, &calls, suite_record("gone", 10, "after"), 0 },
        { STORE_INSERT, &others, suite_record("0", 10, "after"), 0 },
    };
    static const enum store_outcome expected[] = { STORE_EXISTS,   STORE_DONE, STORE_DONE,
                                                   STORE_CONFLICT, STORE_DONE, STORE_CONFLICT,
                                                   STORE_CONFLICT, STORE_DONE };
    enum { COUNT = sizeof writes / sizeof *writes };
    for (size_t i = 0; i < COUNT; i++)
        writes[i].record.version = i == 3 || i == 5 ? 7 : 1;
    struct error error = { 0 };
    assert_int_equal(store_apply(store, writes, COUNT, &error), STORE_CONFLICT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(writes[i].outcome, expected[i]);
    static const char *const names[] = { "before", "after", "before", NULL, "before", "before" };
    for (int i = 0; i < 6; i++) {
        char id[8];
        struct store_record back;
        snprintf(id, sizeof id, "%d", i);
        enum store_outcome outcome = suite_get(store, &calls, id, &back);
        assert_int_equal(outcome, names[i] == NULL ? STORE_MISSING : STORE_DONE);
        if (names[i] != NULL)
            assert_true(span_equal(back.values[NAME].bytes, span_text(names[i])));
    }
    assert_int_equal(store_apply(store, NULL, 0, &error), STORE_DONE);
    store_close(store);
}

/* Many replaces and deletes in one call, some of them stale: each is told the truth. */
static void a_large_call_tells_each_write_the_truth(void **state)
{
    SUITE_COLLECTION(large, "suite_large");
    enum { COUNT = 1500 };
    struct store *store = suite_open_declared(state, &large);
    struct store_write *writes = calloc(COUNT, sizeof *writes);
    char(*ids)[16] = calloc(COUNT, sizeof *ids);
    assert_true(writes != NULL && ids != NULL);
    struct error error = { 0 };
    uint64_t random = suite_seed();
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "%zu", i);
        writes[i] = (struct store_write){ STORE_INSERT, &large, suite_record(ids[i], 0, ""), 0 };
    }
    assert_int_equal(store_apply(store, writes, COUNT, &error), STORE_DONE);
    for (int round = 0; round < 3; round++) {
        size_t stale = 0;
        for (size_t i = 0; i < COUNT; i++) {
            bool old = suite_random(&random) % 20 == 0 || (round == 1 && i == 700);
            struct store_record back;
            writes[i].verb = i % 100 == 99 && round == 2 ? STORE_DELETE : STORE_REPLACE;
            writes[i].record.values[NUMBER].integer = round + 1;
            assert_int_equal(suite_get(store, &large, ids[i], &back), STORE_DONE);
            writes[i].record.version = back.version - (old && back.version > 1 ? 1 : 0);
            stale += writes[i].record.version != back.version;
        }
        enum store_outcome total = store_apply(store, writes, COUNT, &error);
        assert_int_equal(total, stale == 0 ? STORE_DONE : STORE_CONFLICT);
        for (size_t i = 0; i < COUNT; i++) {
            struct store_record back;
            enum store_outcome there = suite_get(store, &large, ids[i], &back);
            bool done = writes[i].outcome == STORE_DONE;
            assert_true(done || writes[i].outcome == STORE_CONFLICT);
            if (done && writes[i].verb == STORE_DELETE) {
                assert_int_equal(there, STORE_MISSING);
                continue;
            }
            assert_int_equal(there, STORE_DONE);
            assert_int_equal(back.version, writes[i].record.version + 1);
            assert_true(done == (back.values[NUMBER].integer == round + 1));
            stale -= !done;
        }
        assert_int_equal(stale, 0);
    }
    free(writes);
    free(ids);
    store_close(store);
}

/* Random writes against a model of what a store is: an array of versions and numbers. */
static void any_sequence_of_writes_does_what_the_model_does(void **state)
{
    SUITE_COLLECTION(model, "suite_model");
    enum { IDS = 20, STEPS = 1500 };
    uint64_t version[IDS] = { 0 };
    int64_t number[IDS] = { 0 };
    struct store *store = suite_open_declared(state, &model);
    uint64_t random = suite_seed();
    for (int step = 0; step < STEPS; step++) {
        size_t which = suite_random(&random) % IDS;
        char id[8];
        snprintf(id, sizeof id, "%zu", which);
        enum store_verb verb = (enum store_verb)(suite_random(&random) % 3);
        struct store_record record = suite_record(id, (int64_t)suite_random(&random), "x"), back;
        record.version = 1 + suite_random(&random) % 3;
        if (suite_random(&random) % 2 == 0 && version[which] > 0)
            record.version = version[which];
        bool expected =
            verb == STORE_INSERT ? version[which] == 0 : version[which] == record.version;
        enum store_outcome outcome = suite_write(store, verb, &model, &record);
        assert_int_equal(outcome, expected               ? STORE_DONE
                                  : verb == STORE_INSERT ? STORE_EXISTS
                                                         : STORE_CONFLICT);
        if (expected) {
            version[which] = verb == STORE_DELETE ? 0 : version[which] + 1;
            number[which] = record.values[NUMBER].integer;
        }
        outcome = suite_get(store, &model, id, &back);
        assert_int_equal(outcome, version[which] == 0 ? STORE_MISSING : STORE_DONE);
        if (outcome == STORE_DONE) {
            assert_int_equal(back.version, version[which]);
            assert_int_equal(back.values[NUMBER].integer, number[which]);
        }
    }
    store_close(store);
}

enum { MORE_NUMBER = FIELDS, MORE_NAME, MORE_BLOB, MORE_FIELDS };
static const struct store_field more_fields[MORE_FIELDS] = {
    SUITE_FIELDS,
    [MORE_NUMBER] = { "more_number", STORE_INT, true },
    [MORE_NAME] = { "more_name", STORE_TEXT, true },
    [MORE_BLOB] = { "more_blob", STORE_BYTES, false },
};

static bool count_one(void *context, const struct store_record *record)
{
    (void)record;
    ++*(size_t *)context;
    return true;
}

static void fields_added_to_the_end_read_as_nothing_in_old_records(void **state)
{
    SUITE_COLLECTION(old, "suite_extended");
    static const struct store_collection extended = { "suite_extended", more_fields, MORE_FIELDS };
    struct store *store = suite_open_declared(state, &old);
    struct store_record record = suite_record("old", 5, "five"), back;
    assert_int_equal(suite_write(store, STORE_INSERT, &old, &record), STORE_DONE);
    store_close(store);
    for (int again = 0; again < 2; again++) {
        store = suite_open_declared(state, &extended);
        assert_int_equal(suite_get(store, &extended, "old", &back), STORE_DONE);
        record.version = 1;
        suite_assert_same(&record, &back);
        assert_int_equal(back.values[MORE_NUMBER].integer, 0);
        assert_int_equal(back.values[MORE_NAME].bytes.length, 0);
        assert_int_equal(back.values[MORE_BLOB].bytes.length, 0);
        const struct store_query query = { .field = "more_number",
                                           .has_low = true,
                                           .has_high = true,
                                           .low = store_int(0),
                                           .high = store_int(0) };
        size_t count = 0;
        struct error error = { 0 };
        assert_int_equal(store_find(store, &extended, &query, count_one, &count, &error),
                         STORE_DONE);
        assert_int_equal(count, 1);
        store_close(store);
    }
}

static void another_schema_is_refused_in_one_sentence(void **state)
{
    SUITE_COLLECTION(there, "suite_schema");
    static const struct store_field renamed[] = { { "nummer", STORE_INT, true } };
    static const struct store_field retyped[] = { { "number", STORE_TEXT, true } };
    static const struct store_field keyword[] = { { "version", STORE_TEXT, true } };
    static const struct store_field byte_index[] = { { "blob", STORE_BYTES, true } };
    static const struct store_collection wrong[] = {
        { "suite_schema", renamed, 1 },      { "suite_schema", retyped, 1 },
        { "suite_schema", suite_fields, 2 }, /* what a newer version wrote */
        { "suite_new", keyword, 1 },         { "suite_new", byte_index, 1 },
        { "suite new", renamed, 1 },
    };
    struct store *store = suite_open_declared(state, &there);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct store_collection *collection = &wrong[i];
        struct error error = { 0 };
        assert_false(store_declare(store, &collection, 1, &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_true(strlen(error.text) > 10);
        assert_null(strchr(error.text, '\n'));
    }
    suite_declare(store, &there);
    store_close(store);
}

const struct CMUnitTest suite_record_tests[] = {
    cmocka_unit_test(the_store_answers),
    cmocka_unit_test(a_record_comes_back_as_it_was_inserted),
    cmocka_unit_test(an_insert_over_a_record_changes_nothing),
    cmocka_unit_test(only_the_version_that_is_there_is_replaced_or_deleted),
    cmocka_unit_test(a_replace_to_the_same_values_is_a_new_version),
    cmocka_unit_test(ids_of_any_script_are_kept_apart),
    cmocka_unit_test(what_is_no_record_is_refused_and_the_rest_is_written),
    cmocka_unit_test(values_of_megabytes_are_kept),
    cmocka_unit_test(each_write_of_a_call_has_its_own_outcome),
    cmocka_unit_test(a_large_call_tells_each_write_the_truth),
    cmocka_unit_test(any_sequence_of_writes_does_what_the_model_does),
    cmocka_unit_test(fields_added_to_the_end_read_as_nothing_in_old_records),
    cmocka_unit_test(another_schema_is_refused_in_one_sentence),
    { 0 },
};
