/* Finding: ranges, order, ties and limits, against a sorted array. */
#include "port/suite/store/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SUITE_COLLECTION(found, "suite_found");

enum { RECORDS = 120, ID_BYTES = 24, NAME_BYTES = 16 };

struct sample {
    char id[ID_BYTES];
    int64_t number;
    char name[NAME_BYTES];
};

static struct sample samples[RECORDS];

/* Few different numbers and names, so that ties abound, and the extremes among them. */
static int fill(void **state)
{
    static const int64_t numbers[] = { INT64_MIN, -5, 0, 1, 7, 7000000000000000000, INT64_MAX };
    static const char *const names[] = { "", "A", "Z", "a", "ab", "b", "é", "𝄞", "0" };
    struct store *store = suite_open_declared(state, &found);
    struct store_write writes[RECORDS];
    uint64_t random = suite_seed();
    for (size_t i = 0; i < RECORDS; i++) {
        struct sample *sample = &samples[i];
        snprintf(sample->id, sizeof sample->id, "%03u-%s", (unsigned)(i * 77 % 1000), names[i % 9]);
        sample->number = numbers[suite_random(&random) % 7];
        snprintf(sample->name, sizeof sample->name, "%s", names[suite_random(&random) % 9]);
        writes[i] =
            (struct store_write){ STORE_INSERT, &found,
                                  suite_record(sample->id, sample->number, sample->name), 0 };
    }
    struct error error = { 0 };
    assert_int_equal(store_apply(store, writes, RECORDS, &error), STORE_DONE);
    store_close(store);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    int order = (x->number > y->number) - (x->number < y->number);
    return order != 0 ? order : strcmp(x->id, y->id);
}
static int by_name(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    int order = strcmp(x->name, y->name); /* compares bytes as unsigned characters */
    return order != 0 ? order : strcmp(x->id, y->id);
}
static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct sample *)a)->id, ((const struct sample *)b)->id);
}

struct walk {
    char ids[RECORDS][ID_BYTES];
    size_t count;
    size_t stop_after;
};

static bool visit(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    assert_true(walk->count < RECORDS);
    assert_int_equal(record->version, 1);
    snprintf(walk->ids[walk->count++], ID_BYTES, "%s", record->id);
    return walk->count != walk->stop_after;
}

/* Whether the sample lies in the query's range. */
static bool in_range(const struct sample *sample, const struct store_query *query)
{
    struct store_value value =
        strcmp(query->field, "name") == 0 ? store_text(sample->name) : store_text(sample->id);
    if (strcmp(query->field, "number") == 0)
        return !(query->has_low && sample->number < query->low.integer) &&
               !(query->has_high && sample->number > query->high.integer);
    const char *text = (const char *)value.bytes.data;
    return !(query->has_low && strcmp(text, (const char *)query->low.bytes.data) < 0) &&
           !(query->has_high && strcmp(text, (const char *)query->high.bytes.data) > 0);
}

static void check(struct store *store, const struct store_query *query)
{
    bool down = query->order == STORE_DESCENDING;
    qsort(samples, RECORDS, sizeof *samples,
          strcmp(query->field, "number") == 0 ? by_number
          : strcmp(query->field, "name") == 0 ? by_name
                                              : by_id);
    static struct walk walk;
    walk.count = walk.stop_after = 0;
    struct error error = { 0 };
    enum store_outcome outcome = store_find(store, &found, query, visit, &walk, &error);
    if (outcome != STORE_DONE)
        fail_msg("%s", error.text);
    size_t expected = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        const struct sample *sample = &samples[down ? RECORDS - 1 - i : i];
        if (!in_range(sample, query) || (query->limit > 0 && expected == query->limit))
            continue;
        assert_true(expected < walk.count);
        assert_string_equal(walk.ids[expected++], sample->id);
    }
    assert_int_equal(walk.count, expected);
}

static void ranges_come_in_order_with_ties_by_id(void **state)
{
    struct store *store = suite_open(state);
    suite_declare(store, &found);
    uint64_t random = suite_seed();
    static const char *const fields[] = { "number", "name", "id" };
    for (int i = 0; i < 150; i++) {
        const struct sample low = samples[suite_random(&random) % RECORDS];
        const struct sample high = samples[suite_random(&random) % RECORDS];
        struct store_query query = {
            .field = fields[suite_random(&random) % 3],
            .has_low = suite_random(&random) % 2 == 0,
            .has_high = suite_random(&random) % 2 == 0,
            .order = suite_random(&random) % 2 == 0 ? STORE_ASCENDING : STORE_DESCENDING,
            .limit = suite_random(&random) % 3 == 0 ? 1 + suite_random(&random) % 30 : 0,
        };
        if (strcmp(query.field, "number") == 0) {
            query.low = store_int(low.number);
            query.high = store_int(high.number);
        } else if (strcmp(query.field, "name") == 0) {
            query.low = store_text(low.name);
            query.high = store_text(high.name);
        } else {
            query.low = store_text(low.id);
            query.high = store_text(high.id);
        }
        check(store, &query);
    }
    store_close(store);
}

/* Pages of so many, each going on where the one before ended, together are the whole walk. */
static void walk_by_pages(struct store *store, const char *field, enum store_order order,
                          size_t page)
{
    static struct walk whole, walk;
    static char past[ID_BYTES];
    struct error error = { 0 };
    struct store_query query = { .field = field, .order = order };
    whole.count = whole.stop_after = walk.count = walk.stop_after = 0;
    assert_int_equal(store_find(store, &found, &query, visit, &whole, &error), STORE_DONE);
    assert_int_equal(whole.count, RECORDS);
    query.limit = page;
    for (size_t before = SIZE_MAX; walk.count != before && walk.count < RECORDS;) {
        before = walk.count;
        if (store_find(store, &found, &query, visit, &walk, &error) != STORE_DONE)
            fail_msg("%s", error.text);
        assert_true(walk.count <= before + page);
        snprintf(past, sizeof past, "%s", walk.ids[walk.count - 1]);
        const struct sample *last = samples;
        while (strcmp(last->id, past) != 0)
            last++;
        struct store_value bound = strcmp(field, "number") == 0 ? store_int(last->number)
                                   : strcmp(field, "name") == 0 ? store_text(last->name)
                                                                : store_text(last->id);
        query.past_id = past;
        query.has_high = order == STORE_DESCENDING;
        query.has_low = order == STORE_ASCENDING;
        query.low = query.high = bound;
    }
    assert_int_equal(walk.count, whole.count);
    for (size_t i = 0; i < whole.count; i++)
        assert_string_equal(walk.ids[i], whole.ids[i]);
    /* Behind the last one there is nothing. */
    size_t all = walk.count;
    assert_int_equal(store_find(store, &found, &query, visit, &walk, &error), STORE_DONE);
    assert_int_equal(walk.count, all);
}

static void a_walk_goes_on_behind_any_of_them_ties_or_not(void **state)
{
    struct store *store = suite_open(state);
    suite_declare(store, &found);
    static const char *const fields[] = { "number", "name", "id" };
    static const size_t pages[] = { 1, 2, 7 };
    for (size_t i = 0; i < 9; i++) {
        walk_by_pages(store, fields[i / 3], STORE_ASCENDING, pages[i % 3]);
        walk_by_pages(store, fields[i / 3], STORE_DESCENDING, pages[i % 3]);
    }
    struct error error = { 0 };
    const struct store_query boundless = { .field = "number", .past_id = "a" };
    assert_int_equal(store_find(store, &found, &boundless, visit, NULL, &error), STORE_FAILED);
    assert_int_equal(error.code, ERROR_INVALID);
    store_close(store);
}

static void a_visitor_ends_the_walk(void **state)
{
    struct store *store = suite_open(state);
    suite_declare(store, &found);
    static struct walk walk;
    walk.count = 0;
    walk.stop_after = 3;
    struct error error = { 0 };
    const struct store_query query = { .field = "number" };
    assert_int_equal(store_find(store, &found, &query, visit, &walk, &error), STORE_DONE);
    assert_int_equal(walk.count, 3);
    walk.count = 0;
    assert_int_equal(store_find(store, &found, &query, visit, &walk, &error), STORE_DONE);
    assert_int_equal(walk.count, 3);
    store_close(store);
}

static void only_indexed_fields_are_found_by(void **state)
{
    struct store *store = suite_open(state);
    suite_declare(store, &found);
    static const char *const fields[] = { "blob", "order", "nothing", "version" };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct store_query query = { .field = fields[i] };
        struct error error = { 0 };
        assert_int_equal(store_find(store, &found, &query, visit, NULL, &error), STORE_FAILED);
        assert_int_equal(error.code, ERROR_INVALID);
    }
    store_close(store);
}

static bool count_one(void *context, const struct store_record *record)
{
    assert_int_equal(record->version, 2);
    ++*(size_t *)context;
    return true;
}

static void a_replaced_record_is_found_by_its_new_value_alone(void **state)
{
    SUITE_COLLECTION(moved, "suite_moved");
    struct store *store = suite_open_declared(state, &moved);
    struct store_record record = suite_record("moved", 1, "a");
    assert_int_equal(suite_write(store, STORE_INSERT, &moved, &record), STORE_DONE);
    record = suite_record("moved", 2, "b");
    record.version = 1;
    assert_int_equal(suite_write(store, STORE_REPLACE, &moved, &record), STORE_DONE);
    for (int64_t number = 1; number <= 2; number++) {
        const struct store_query query = { .field = "number",
                                           .has_low = true,
                                           .has_high = true,
                                           .low = store_int(number),
                                           .high = store_int(number) };
        struct error error = { 0 };
        size_t count = 0;
        assert_int_equal(store_find(store, &moved, &query, count_one, &count, &error), STORE_DONE);
        assert_int_equal(count, number == 2 ? 1 : 0);
    }
    store_close(store);
}

const struct CMUnitTest suite_find_tests[] = {
    cmocka_unit_test_setup(ranges_come_in_order_with_ties_by_id, fill),
    cmocka_unit_test_setup(a_walk_goes_on_behind_any_of_them_ties_or_not, fill),
    cmocka_unit_test(a_visitor_ends_the_walk),
    cmocka_unit_test(only_indexed_fields_are_found_by),
    cmocka_unit_test(a_replaced_record_is_found_by_its_new_value_alone),
    { 0 },
};
