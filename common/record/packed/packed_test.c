/* record/packed: lists of any size come back as they were, and nothing else is taken for them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "base/test_random.h"
#include "core/pow/sha256.h"
#include "record/packed/packed.h"

#include <stdlib.h>

static const struct store_field packed_fields[] = { { "packed", STORE_BYTES, false } };
static const struct store_collection parts = { "parts", packed_fields, 1 };
static const struct store_field header_fields[] = { { "number", STORE_INT, true } };
static const struct store_collection headers = { "headers", header_fields, 1 };

enum { ITEMS_MAX = 400, GUARD = 0x5a };

static struct store *store;
static struct error error;
static size_t item_bytes; /* of all items under way */

static int set_up(void **state)
{
    static const struct store_collection *const all[] = { &parts, &headers };
    (void)state;
    store = store_fake_create();
    return store_declare(store, all, 2, &error) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    store_fake_verify(store);
    store_close(store);
    return 0;
}

static void write_item(const void *items, size_t index, uint8_t *packed_r)
{
    memcpy(packed_r, (const uint8_t *)items + index * item_bytes, item_bytes);
}

static void read_item(const uint8_t *packed, void *items_r, size_t index)
{
    memcpy((uint8_t *)items_r + index * item_bytes, packed, item_bytes);
}

struct sample {
    struct packed_list list;
    size_t count, records;
    uint8_t items[ITEMS_MAX * PACKED_ITEM_BYTES_MAX];
    uint8_t hash[32];
};

/* Any size, the edges of a record more often. */
static void make(struct test_random *random, const char *name, struct sample *sample_r)
{
    item_bytes = 1 + test_random_below(random, PACKED_ITEM_BYTES_MAX);
    sample_r->list = (struct packed_list){ .collection = &parts,
                                           .name = name,
                                           .item_bytes = item_bytes,
                                           .items_a_record = 1 + test_random_below(random, 40),
                                           .what = "the items" };
    size_t a_record = sample_r->list.items_a_record;
    size_t edge = a_record * test_random_below(random, 10);
    sample_r->count = test_random_below(random, 2) == 0 ? test_random_below(random, ITEMS_MAX)
                      : edge == 0                       ? test_random_below(random, 2)
                                                        : edge - 1 + test_random_below(random, 3);
    sample_r->count = sample_r->count > ITEMS_MAX ? ITEMS_MAX : sample_r->count;
    sample_r->records = (sample_r->count + a_record - 1) / a_record;
    test_random_bytes(random, sample_r->items, sample_r->count * item_bytes);
    packed_hash(item_bytes, write_item, sample_r->items, sample_r->count, sample_r->hash);
}

static enum store_outcome insert(const struct sample *sample)
{
    return packed_insert(store, &sample->list, write_item, sample->items, sample->count, &error);
}

/* Reads as many as the header says, and sees to it that no more was written to. */
static enum store_outcome read(const struct sample *sample, size_t count)
{
    static uint8_t items[(ITEMS_MAX + 8) * PACKED_ITEM_BYTES_MAX];
    memset(items, GUARD, sizeof items);
    enum store_outcome outcome =
        packed_read(store, &sample->list, read_item, items, count, sample->hash, &error);
    for (size_t i = count * item_bytes; i < sizeof items; i++)
        assert_int_equal(items[i], GUARD);
    if (outcome == STORE_DONE)
        assert_memory_equal(items, sample->items, count * item_bytes);
    else
        assert_true(outcome == STORE_FAILED && error.code == ERROR_INVALID);
    return outcome;
}

/* A record's place, by any verb, past the module. */
static void put_record(const struct sample *sample, uint32_t record, struct span bytes, bool there)
{
    char id[PACKED_ID_BYTES_MAX];
    packed_id(&sample->list, record, id);
    struct store_write write = { .verb = bytes.data == NULL ? STORE_DELETE
                                         : there            ? STORE_REPLACE
                                                            : STORE_INSERT,
                                 .collection = &parts,
                                 .record = { .id = id, .version = 1 } };
    write.record.values[0] = store_bytes(bytes);
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    assert_int_equal(write.outcome, STORE_DONE);
}

static void a_list_of_any_size_is_read_as_it_was_written(void **state)
{
    struct test_random random = test_random_begin("packed");
    static struct sample sample;
    uint8_t hash[32];
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        char name[32];
        snprintf(name, sizeof name, "%u:x", round);
        make(&random, name, &sample);
        sha256(span_of(sample.items, sample.count * item_bytes), hash);
        assert_memory_equal(hash, sample.hash, sizeof hash);
        store_fake_inject_random(store, round + 1, 5);
        enum store_outcome outcome = STORE_FAILED;
        for (int i = 0; i < 1000 && outcome != STORE_DONE; i++)
            outcome = insert(&sample);
        store_fake_inject_random(store, 0, 0);
        assert_int_equal(outcome, STORE_DONE);
        assert_int_equal(insert(&sample), STORE_DONE);
        assert_int_equal(read(&sample, sample.count), STORE_DONE);
    }
}

/* A bit, a record too few or too many, its end cut off, more or fewer items than the header says.
 */
static void any_damage_is_noticed(void **state)
{
    struct test_random random = test_random_begin("packed");
    static struct sample sample;
    static uint8_t other[ITEMS_MAX * PACKED_ITEM_BYTES_MAX];
    (void)state;
    for (unsigned round = 0; round < 600; round++) {
        char name[32];
        snprintf(name, sizeof name, "%u:x", round);
        make(&random, name, &sample);
        if (sample.count == 0)
            continue;
        assert_int_equal(insert(&sample), STORE_DONE);
        size_t hit = test_random_below(&random, sample.records);
        size_t first = hit * sample.list.items_a_record, left = sample.count - first;
        size_t many = left < sample.list.items_a_record ? left : sample.list.items_a_record;
        size_t length = many * item_bytes;
        memcpy(other, sample.items + first * item_bytes, length);
        switch (round % 6) {
        case 0:
            other[test_random_below(&random, length)] ^= (uint8_t)(1 << round % 8);
            put_record(&sample, (uint32_t)hit, span_of(other, length), true);
            break;
        case 1:
            put_record(&sample, (uint32_t)hit, span_of(NULL, 0), true);
            break;
        case 2:
            put_record(&sample, (uint32_t)hit, span_of(other, test_random_below(&random, length)),
                       true);
            break;
        case 3:
            put_record(&sample, (uint32_t)(sample.records + round), span_of(other, length), false);
            break;
        case 4:
            assert_int_equal(read(&sample, sample.count - 1), STORE_FAILED);
            assert_int_equal(read(&sample, sample.count + 1), STORE_FAILED);
            sample.hash[round % 32] ^= 1;
            break;
        default:
            put_record(&sample, (uint32_t)(sample.records + 1), span_of(other, 0), false);
            assert_int_equal(read(&sample, sample.count), STORE_DONE); /* nothing more is in it */
            sample.hash[0] ^= 0x80;
        }
        assert_int_equal(read(&sample, sample.count), STORE_FAILED);
        assert_string_equal(error.text, "the items are not what the header says");
    }
}

static void lists_of_names_alike_are_kept_apart(void **state)
{
    struct test_random random = test_random_begin("packed");
    static struct sample one, two;
    (void)state;
    make(&random, "7:ab", &one);
    size_t bytes = item_bytes;
    make(&random, "7:abc", &two);
    two.list.item_bytes = item_bytes = bytes;
    packed_hash(item_bytes, write_item, two.items, two.count, two.hash);
    assert_int_equal(insert(&one), STORE_DONE);
    assert_int_equal(insert(&two), STORE_DONE);
    assert_int_equal(read(&one, one.count), STORE_DONE);
    assert_int_equal(read(&two, two.count), STORE_DONE);
    char id[PACKED_ID_BYTES_MAX];
    packed_id(&one.list, 42, id);
    assert_string_equal(id, "7:ab:000042");
}

/* Headers: one even number each; an odd one is damaged. */
struct number {
    int64_t value;
};

static bool decode(const struct store_record *record, void *header_r)
{
    ((struct number *)header_r)->value = record->values[0].integer;
    return record->values[0].integer % 2 == 0;
}

static const struct packed_header kind = { &headers, decode, "a number in the store is odd" };

static void put_header(const char *id, int64_t value)
{
    struct store_write write = { .verb = STORE_INSERT,
                                 .collection = &headers,
                                 .record = { .id = id } };
    write.record.values[0] = store_int(value);
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
}

struct seen {
    int64_t sum;
    size_t left;
};

static bool see(void *context, const void *header)
{
    struct seen *seen = context;
    seen->sum += ((const struct number *)header)->value;
    return --seen->left > 0;
}

static void headers_are_visited_until_one_is_damaged_or_enough(void **state)
{
    struct store_query all = { .field = "id" }, none = store_query_of("d");
    struct number room;
    (void)state;
    put_header("a", 2);
    put_header("b", 4);
    put_header("c", 5);
    struct seen seen = { .left = 2 };
    assert_int_equal(packed_header_walk(store, &kind, &all, &room, see, &seen, &error), STORE_DONE);
    assert_int_equal(seen.sum, 6);
    seen = (struct seen){ .left = 9 };
    assert_int_equal(packed_header_walk(store, &kind, &all, &room, see, &seen, &error),
                     STORE_FAILED);
    assert_int_equal(seen.sum, 6);
    assert_string_equal(error.text, kind.damaged);
    assert_int_equal(packed_header_first(store, &kind, &all, &room, &error), STORE_DONE);
    assert_int_equal(room.value, 2);
    struct store_query odd = store_query_of("c"), even = store_query_of("b");
    assert_int_equal(packed_header_first(store, &kind, &even, &room, &error), STORE_DONE);
    assert_int_equal(room.value, 4);
    assert_int_equal(packed_header_first(store, &kind, &odd, &room, &error), STORE_FAILED);
    assert_int_equal(packed_header_first(store, &kind, &none, &room, &error), STORE_MISSING);
    store_fake_away(store, true);
    assert_int_equal(packed_header_first(store, &kind, &all, &room, &error), STORE_FAILED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_list_of_any_size_is_read_as_it_was_written),
        TEST(any_damage_is_noticed),
        TEST(lists_of_names_alike_are_kept_apart),
        TEST(headers_are_visited_until_one_is_damaged_or_enough),
    };
    return cmocka_run_group_tests_name("record/packed", tests, NULL, NULL);
}
