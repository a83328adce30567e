#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/event/event.h"

#include <stdio.h>

static struct store *open_store(void)
{
    static const struct store_collection *const collections[] = { &event_collection };
    struct store *store = store_fake_create();
    struct error error;
    assert_true(store_declare(store, collections, 1, &error));
    return store;
}

static struct wire_reward_event make(uint64_t sequence)
{
    struct wire_reward_event event = { .sequence = sequence,
                                       .epoch = 2,
                                       .kind = WIRE_REWARD_FOUND,
                                       .generation = (uint32_t)sequence,
                                       .height = 9,
                                       .reward = 5000000000,
                                       .lease_id = UINT64_MAX,
                                       .network_work_high = 1,
                                       .network_work_low = 2,
                                       .time_ms = 3 };
    event.block_hash[31] = 0xcd;
    return event;
}

static void events_are_a_log_without_gaps_and_without_doubles(void **state)
{
    struct store *store = open_store();
    struct error error;
    uint64_t newest;
    (void)state;
    assert_int_equal(event_newest(store, &newest, &error), STORE_DONE);
    assert_int_equal(newest, 0);
    for (uint64_t i = 1; i <= 120; i++) {
        struct wire_reward_event event = make(i), read;
        assert_int_equal(event_append(store, &event, &error), STORE_DONE);
        assert_int_equal(event_append(store, &event, &error), STORE_EXISTS);
        assert_int_equal(event_newest(store, &newest, &error), STORE_DONE);
        assert_int_equal(newest, i);
        assert_int_equal(event_get(store, i, &read, &error), STORE_DONE);
        assert_int_equal(read.generation, i);
        assert_int_equal(read.lease_id, UINT64_MAX);
        assert_memory_equal(read.block_hash, event.block_hash, 32);
    }
    store_close(store);
}

struct seen {
    uint64_t last;
    unsigned count;
    unsigned stop_at;
};

static bool on_event(void *context, const struct wire_reward_event *event)
{
    struct seen *seen = context;
    seen->last = event->sequence;
    return ++seen->count != seen->stop_at;
}

static void a_walk_goes_in_order_and_stops_where_it_is_told(void **state)
{
    struct store *store = open_store();
    struct error error;
    (void)state;
    for (uint64_t i = 1; i <= 15; i++) {
        struct wire_reward_event event = make(i);
        assert_int_equal(event_append(store, &event, &error), STORE_DONE);
    }
    struct seen all = { .count = 0 }, some = { .count = 0 }, few = { .stop_at = 2 },
                none = { .count = 0 };
    assert_int_equal(event_walk(store, 0, 0, on_event, &all, &error), STORE_DONE);
    assert_int_equal(all.count, 15);
    assert_int_equal(event_walk(store, 9, 3, on_event, &some, &error), STORE_DONE);
    assert_int_equal(some.last, 12);
    assert_int_equal(event_walk(store, 9, 0, on_event, &few, &error), STORE_DONE);
    assert_int_equal(few.last, 11);
    assert_int_equal(event_walk(store, 15, 0, on_event, &none, &error), STORE_DONE);
    assert_int_equal(none.count, 0);
    store_close(store);
}

static void a_gap_is_a_failure_before_the_event_behind_it(void **state)
{
    struct store *store = open_store();
    struct error error;
    struct seen seen = { .count = 0 };
    (void)state;
    for (uint64_t i = 1; i <= 5; i++) {
        struct wire_reward_event event = make(i);
        if (i != 4)
            assert_int_equal(event_append(store, &event, &error), STORE_DONE);
    }
    assert_int_equal(event_walk(store, 0, 0, on_event, &seen, &error), STORE_FAILED);
    assert_int_equal(seen.last, 3);
    assert_non_null(strstr(error.text, "4"));
    store_close(store);
}

static void causes_tell_block_kind_and_generation_apart(void **state)
{
    char a[EVENT_CAUSE_BYTES], b[EVENT_CAUSE_BYTES];
    uint8_t hash[32] = { 0x01 };
    (void)state;
    event_cause(hash, WIRE_REWARD_FOUND, 1, a);
    assert_string_equal(a,
                        "found:1:0000000000000000000000000000000000000000000000000000000000000001");
    event_cause(hash, WIRE_REWARD_ORPHANED, UINT32_MAX, b);
    assert_string_not_equal(a, b);
    event_cause(hash, WIRE_REWARD_FOUND, 2, b);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_a_log_without_gaps_and_without_doubles),
        cmocka_unit_test(a_walk_goes_in_order_and_stops_where_it_is_told),
        cmocka_unit_test(a_gap_is_a_failure_before_the_event_behind_it),
        cmocka_unit_test(causes_tell_block_kind_and_generation_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
