/* The series are asked from other threads while they are loaded, counted and kept: nobody sees half
 * of what the store has, nor a sum that shrinks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/inode-scheduler/stats_testing.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ACCOUNTS = 20, WORKERS = 10, ROUNDS = 40, ASKERS = 2 };

static struct stats_ground ground;

struct asker {
    pthread_t thread;
    struct stats *stats;
    uint64_t now_ms;
    uint64_t least; /* what the store has: less is seen before it is loaded alone, and is nothing */
    atomic_bool *over;
    bool half, shrank;
};

/* All in one minute, so that no span moves on. */
static void mine(unsigned round)
{
    struct window_share shares[ACCOUNTS * WORKERS];
    for (size_t i = 0; i < ACCOUNTS * WORKERS; i++)
        shares[i] = (struct window_share){ .account = 1 + i / WORKERS,
                                           .worker = 1000 + i,
                                           .work = 1,
                                           .time_ms = ground.now_ms + round };
    stats_ground_append(&ground, shares, ACCOUNTS * WORKERS);
}

static void *ask(void *context)
{
    struct asker *asker = context;
    static _Thread_local struct stats_point points[STATS_HOURS_MAX];
    static _Thread_local struct stats_worker workers[WORKERS];
    uint64_t before = 0;
    while (!atomic_load(asker->over)) {
        struct stats_pool pool;
        struct stats_sums sums;
        stats_of_pool(asker->stats, asker->now_ms, &pool);
        asker->half = asker->half || (pool.sums.accepted > 0 && pool.sums.accepted < asker->least);
        asker->shrank = asker->shrank || pool.sums.accepted < before;
        before = pool.sums.accepted;
        (void)stats_of(asker->stats, 1, 0, asker->now_ms, &sums);
        (void)stats_series(asker->stats, 1, 0, false, asker->now_ms, points);
        size_t count = stats_workers(asker->stats, 1, asker->now_ms, workers, WORKERS);
        asker->half = asker->half || (count > 0 && count < WORKERS && asker->least > 0);
        (void)stats_room(asker->stats);
    }
    return NULL;
}

static void begin(struct asker askers[ASKERS], struct stats *stats, uint64_t least,
                  atomic_bool *over)
{
    atomic_init(over, false);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] =
            (struct asker){ .stats = stats, .now_ms = ground.now_ms, .least = least, .over = over };
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
}

static void end(struct asker askers[ASKERS], atomic_bool *over)
{
    atomic_store(over, true);
    for (size_t i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_false(askers[i].half);
        assert_false(askers[i].shrank);
    }
}

static void nobody_who_asks_sees_half_of_it(void **state)
{
    struct asker askers[ASKERS];
    atomic_bool over;
    struct error error;
    (void)state;
    stats_ground_open(&ground);
    struct stats *stats = stats_ground_born(&ground);
    begin(askers, stats, 0, &over);
    for (unsigned round = 0; round < ROUNDS; round++) {
        mine(round);
        stats_ground_look(&ground, stats);
        stats_keep_every(stats, 0);
        assert_true(
            stats_keep(stats, ground.store, STATS_TEST_ROLE, ground.epoch, ground.now_ms, &error));
    }
    assert_true(stats_ground_keep(&ground, stats, ground.epoch));
    end(askers, &over);
    stats_destroy(stats);
    stats_ground_forget(&ground);
    for (unsigned round = 0; round < ROUNDS; round++) {
        stats = stats_create(ground.now_ms);
        begin(askers, stats, ROUNDS * ACCOUNTS * WORKERS, &over);
        assert_true(stats_load(stats, ground.store, &error));
        stats_ground_look(&ground, stats);
        struct stats_pool pool;
        stats_of_pool(stats, ground.now_ms, &pool);
        assert_int_equal(pool.sums.accepted, ROUNDS * ACCOUNTS * WORKERS);
        end(askers, &over);
        stats_destroy(stats);
    }
    stats_ground_close(&ground);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_who_asks_sees_half_of_it),
    };
    return cmocka_run_group_tests_name("series that are asked meanwhile", tests, NULL, NULL);
}
