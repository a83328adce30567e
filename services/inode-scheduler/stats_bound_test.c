/* What the series may take, in memory and in the store, and who gives way: where one account makes
 * names without end its own do; where addresses without end come, whoever was silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/inode-scheduler/stats_testing.h"

#include <stdio.h>

enum { BATCH = WINDOW_BATCH_SHARES_MAX, HONEST = 500, FLOODER = 999 };

static struct stats_ground ground;
static struct stats *stats;
static struct window_share shares[BATCH];
static size_t waiting;

static void hand_in(void)
{
    if (waiting > 0)
        stats_ground_append(&ground, shares, waiting);
    waiting = 0;
}

static void mine(uint64_t account, uint64_t worker)
{
    shares[waiting++] = (struct window_share){
        .account = account, .worker = worker, .work = 1, .time_ms = ground.now_ms
    };
    if (waiting == BATCH)
        hand_in();
}

static int open_ground(void **state)
{
    (void)state;
    stats_ground_open(&ground);
    stats = stats_ground_born(&ground);
    return 0;
}

static int close_ground(void **state)
{
    (void)state;
    stats_destroy(stats);
    stats_ground_close(&ground);
    return 0;
}

static uint64_t accepted_of(uint64_t account, uint64_t worker)
{
    struct stats_sums sums;
    (void)stats_of(stats, account, worker, ground.now_ms, &sums);
    return sums.accepted;
}

static uint64_t accepted_by_pool(void)
{
    struct stats_pool pool;
    stats_of_pool(stats, ground.now_ms, &pool);
    return pool.sums.accepted;
}

struct pages {
    size_t bytes, largest;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct pages *pages = context;
    for (size_t i = 0; i < stats_collection.field_count; i++)
        if (stats_collection.fields[i].type == STORE_BYTES) {
            size_t length = record->values[i].bytes.length;
            pages->bytes += length;
            pages->largest = length > pages->largest ? length : pages->largest;
        }
    return true;
}

static struct pages kept(void)
{
    struct error error;
    struct pages pages = { 0, 0 };
    const struct store_query all = { .field = "id" };
    assert_int_equal(store_find(ground.store, &stats_collection, &all, on_record, &pages, &error),
                     STORE_DONE);
    return pages;
}

static void a_hundred_thousand_workers_take_what_was_set_aside(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    for (uint64_t i = 0; i < MANY; i++) {
        mine(1 + i % 100, 1000 + i);
        ground.now_ms += i % 4 == 0;
    }
    hand_in();
    stats_ground_look(&ground, stats);
    assert_true(stats_ground_keep(&ground, stats, ground.epoch));
    stats_ground_forget(&ground);
    struct stats_room room = stats_room(stats);
    assert_int_equal(room.series, STATS_SERIES_MAX);
    assert_true(room.dropped >= MANY - STATS_SERIES_MAX);
    assert_true(room.bytes <= STATS_BYTES_MAX);
    stats_destroy(stats);
    stats = stats_ground_born(&ground);
    assert_int_equal(stats_room(stats).series, STATS_SERIES_MAX);
    assert_int_equal(accepted_by_pool(), MANY);
    struct pages pages = kept();
    printf("%d workers: %zu bytes in memory, %zu in pages, the largest %zu\n", MANY, room.bytes,
           pages.bytes, pages.largest);
    assert_true(pages.largest <= STATS_PAGE_BYTES_MAX);
    assert_true(pages.bytes <= (size_t)294 * (STATS_SERIES_MAX + 1) * 32 + STATS_PAGE_BYTES_MAX);
}

/* The most there can be: an account's series is longer than a worker's. */
static void accounts_that_name_no_worker_take_no_more_than_is_stated(void **state)
{
    (void)state;
    for (uint64_t account = 1; account <= 17000; account++)
        mine(account, 0);
    hand_in();
    stats_ground_look(&ground, stats);
    struct stats_room room = stats_room(stats);
    printf("%d accounts: %zu bytes\n", STATS_SERIES_MAX, room.bytes);
    assert_int_equal(room.series, STATS_SERIES_MAX);
    assert_true(room.bytes <= STATS_BYTES_MAX && room.bytes > STATS_BYTES_MAX / 10 * 9);
    assert_int_equal(accepted_by_pool(), 17000);
}

static void who_makes_names_without_end_pushes_out_his_own_alone(void **state)
{
    (void)state;
    enum { NAMES = 20000 };
    for (uint64_t i = 0; i < HONEST; i++) /* ten an account, once, and silent since */
        mine(1 + i / 10, 1000 + i);
    for (uint64_t i = 0; i < NAMES; i++) {
        mine(FLOODER, 1000000 + i);
        ground.now_ms++;
    }
    hand_in();
    stats_ground_look(&ground, stats);
    assert_int_equal(stats_room(stats).series, STATS_SERIES_MAX);
    for (uint64_t i = 0; i < HONEST; i++) {
        assert_int_equal(accepted_of(1 + i / 10, 1000 + i), 1);
        assert_int_equal(accepted_of(1 + i / 10, 0), 10);
    }
    assert_int_equal(accepted_of(FLOODER, 0), NAMES); /* his account's too */
    assert_int_equal(accepted_by_pool(), HONEST + NAMES);
}

/* Each with an account of its own, as addresses cost nothing; a share of each does. */
static void who_mines_keeps_his_series_whoever_comes_and_goes(void **state)
{
    (void)state;
    enum { ROUNDS = 40, COMING = 300, MINING = 20, ROUND_MS = 10000 };
    uint64_t next = 100000;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < MINING; i++)
            mine(1 + i, 1000 + i);
        for (uint64_t i = 0; i < COMING; i++, next++)
            mine(next, next);
        ground.now_ms += ROUND_MS;
    }
    hand_in();
    stats_ground_look(&ground, stats);
    assert_int_equal(stats_room(stats).series, STATS_SERIES_MAX);
    for (uint64_t i = 0; i < MINING; i++) {
        assert_int_equal(accepted_of(1 + i, 1000 + i), ROUNDS);
        assert_int_equal(accepted_of(1 + i, 0), ROUNDS);
    }
    assert_int_equal(accepted_by_pool(), ROUNDS * (MINING + COMING));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hundred_thousand_workers_take_what_was_set_aside,
                                        open_ground, close_ground),
        cmocka_unit_test_setup_teardown(accounts_that_name_no_worker_take_no_more_than_is_stated,
                                        open_ground, close_ground),
        cmocka_unit_test_setup_teardown(who_makes_names_without_end_pushes_out_his_own_alone,
                                        open_ground, close_ground),
        cmocka_unit_test_setup_teardown(who_mines_keeps_his_series_whoever_comes_and_goes,
                                        open_ground, close_ground),
    };
    return cmocka_run_group_tests_name("what the series may take", tests, NULL, NULL);
}
