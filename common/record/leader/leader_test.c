#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/leader/leader.h"

#include <stdio.h>
#include <stdlib.h>

static struct store *open_store(void)
{
    static const struct store_collection *const collections[] = { &leader_collection };
    struct store *store = store_fake_create();
    struct error error;
    assert_true(store_declare(store, collections, 1, &error));
    return store;
}

static void each_taking_raises_the_epoch_and_ends_the_one_before(void **state)
{
    struct store *store = open_store();
    struct leader leader;
    struct error error;
    uint64_t epoch;
    (void)state;
    assert_int_equal(leader_read(store, "scheduler", &leader, &error), STORE_MISSING);
    assert_int_equal(leader_still(store, "scheduler", 1, &error), STORE_CONFLICT);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(leader_take(store, "scheduler", "a", i, 100 * i, &epoch, &error),
                         STORE_DONE);
        assert_int_equal(epoch, i);
        assert_int_equal(leader_still(store, "scheduler", i, &error), STORE_DONE);
        assert_int_equal(leader_still(store, "scheduler", i - 1, &error), STORE_CONFLICT);
        assert_int_equal(leader_still(store, "scheduler", i + 1, &error), STORE_CONFLICT);
    }
    assert_int_equal(leader_read(store, "scheduler", &leader, &error), STORE_DONE);
    assert_string_equal(leader.instance, "a");
    assert_int_equal(leader.boot_id, 5);
    assert_int_equal(leader.taken_ms, 500);
    assert_int_equal(leader_take(store, "payout", "a", 1, 1, &epoch, &error), STORE_DONE);
    assert_int_equal(epoch, 1);
    store_close(store);
}

/* Whatever becomes of the writes, an epoch is given to one process only, and epochs only grow. */
static void who_found_a_role_free_takes_it_only_as_it_was_found(void **state)
{
    struct store *store = store_fake_create();
    struct error error;
    struct leader leader;
    uint64_t epoch = 0;
    (void)state;
    assert_true(store_declare(store, (const struct store_collection *const[]){ &leader_collection },
                              1, &error));
    struct leader_claim claim = { "a", 1, 1, "process of a", 0 };
    assert_int_equal(leader_take_as(store, "scheduler", &claim, &epoch, &error), STORE_DONE);
    assert_int_equal(epoch, 1);
    claim = (struct leader_claim){ "b", 2, 1, "", 0 };
    assert_int_equal(leader_take_as(store, "scheduler", &claim, &epoch, &error), STORE_CONFLICT);
    assert_int_equal(leader_read(store, "scheduler", &leader, &error), STORE_DONE);
    assert_string_equal(leader.process, "process of a");
    assert_int_equal(leader_renew(store, "scheduler", 1, &error), STORE_DONE);
    assert_int_equal(leader_read(store, "scheduler", &leader, &error), STORE_DONE);
    assert_string_equal(leader.process, "process of a");
    claim.judged_epoch = 1;
    assert_int_equal(leader_take_as(store, "scheduler", &claim, &epoch, &error), STORE_DONE);
    assert_int_equal(epoch, 2);
    assert_int_equal(leader_read(store, "scheduler", &leader, &error), STORE_DONE);
    assert_string_equal(leader.process, "");
    claim = (struct leader_claim){ "c", 3, 1, "", 1 };
    assert_int_equal(leader_take_as(store, "scheduler", &claim, &epoch, &error), STORE_CONFLICT);
    assert_int_equal(leader_still(store, "scheduler", 2, &error), STORE_DONE);
    store_close(store);
}

static void no_epoch_is_given_twice_under_random_faults(void **state)
{
    (void)state;
    const char *given = getenv("ADIT_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 11u;
    printf("ADIT_SEED=%u\n", seed);
    for (unsigned round = 0; round < 50; round++) {
        struct store *store = open_store();
        uint64_t highest = 0;
        store_fake_inject_random(store, seed + round, 400);
        for (uint64_t boot = 1; boot <= 40; boot++) {
            uint64_t epoch = 0;
            struct error error;
            if (leader_take(store, "scheduler", boot % 2 ? "a" : "b", boot, boot, &epoch, &error) !=
                STORE_DONE)
                continue;
            assert_true(epoch > highest);
            highest = epoch;
        }
        assert_true(highest > 0);
        store_close(store);
    }
}

static void a_write_whose_answer_got_lost_is_recognised_as_our_own(void **state)
{
    struct store *store = open_store();
    struct error error;
    uint64_t epoch;
    (void)state;
    store_fake_inject(store, STORE_FAKE_UNKNOWN_DONE, 0, 1);
    assert_int_equal(leader_take(store, "scheduler", "a", 9, 1, &epoch, &error), STORE_DONE);
    assert_int_equal(epoch, 1);
    store_fake_inject(store, STORE_FAKE_UNKNOWN_NOT_DONE, 0, 1);
    assert_int_equal(leader_take(store, "scheduler", "a", 9, 1, &epoch, &error), STORE_DONE);
    assert_int_equal(epoch, 2);
    store_fake_inject(store, STORE_FAKE_CONFLICT, 0, 1);
    assert_int_equal(leader_take(store, "scheduler", "b", 9, 1, &epoch, &error), STORE_DONE);
    store_fake_away(store, true);
    assert_int_equal(leader_take(store, "scheduler", "a", 9, 1, &epoch, &error), STORE_FAILED);
    assert_int_equal(leader_still(store, "scheduler", 2, &error), STORE_FAILED);
    store_close(store);
}

static void a_renewal_moves_the_record_and_only_its_holder_can(void **state)
{
    struct store *store = open_store();
    struct leader leader;
    struct error error;
    uint64_t epoch;
    (void)state;
    assert_int_equal(leader_renew(store, "payout", 1, &error), STORE_CONFLICT);
    assert_int_equal(leader_take(store, "payout", "a", 1, 1, &epoch, &error), STORE_DONE);
    assert_int_equal(leader_renew(store, "payout", 1, &error), STORE_DONE);
    assert_int_equal(leader_read(store, "payout", &leader, &error), STORE_DONE);
    assert_int_equal(leader.beat, 1);
    assert_int_equal(leader.epoch, 1);
    assert_int_equal(leader_take(store, "payout", "b", 2, 1, &epoch, &error), STORE_DONE);
    assert_int_equal(leader_renew(store, "payout", 1, &error), STORE_CONFLICT);
    assert_int_equal(leader_release(store, "payout", 1, &error), STORE_CONFLICT);
    assert_int_equal(leader_release(store, "payout", 2, &error), STORE_DONE);
    assert_int_equal(leader_read(store, "payout", &leader, &error), STORE_DONE);
    assert_true(leader.released);
    assert_string_equal(leader.instance, "b");
    assert_int_equal(leader_take(store, "payout", "a", 1, 1, &epoch, &error), STORE_DONE);
    assert_int_equal(leader_read(store, "payout", &leader, &error), STORE_DONE);
    assert_false(leader.released);
    store_close(store);
}

/* A look that takes no time. */
static struct leader_look look_at(const char *instance, uint64_t now_ms)
{
    return (struct leader_look){
        .instance = instance, .boot_id = 7, .began_ms = now_ms, .ended_ms = now_ms, .lease_ms = 500
    };
}

static enum leader_watched watch_as(struct leader_watch *watch, const struct leader *leader,
                                    const char *instance, uint64_t now_ms)
{
    const struct leader_look look = look_at(instance, now_ms);
    return leader_watch_look(watch, leader, &look);
}

static void a_role_lapses_only_where_nothing_moved_for_a_lease(void **state)
{
    (void)state;
    struct leader_watch watch = { 0 };
    struct leader leader = { .epoch = 3, .instance = "1" };
    assert_int_equal(watch_as(&watch, &leader, "2", 1000), LEADER_HELD);
    assert_int_equal(watch_as(&watch, &leader, "2", 1499), LEADER_HELD);
    leader.beat++;
    assert_int_equal(watch_as(&watch, &leader, "2", 1500), LEADER_HELD);
    leader.epoch++; /* another took it */
    leader.beat = 1;
    assert_int_equal(watch_as(&watch, &leader, "2", 1999), LEADER_HELD);
    assert_int_equal(watch_as(&watch, &leader, "2", 2498), LEADER_HELD);
    assert_int_equal(watch_as(&watch, &leader, "2", 2499), LEADER_LAPSED);
    leader.beat++; /* it was slow */
    assert_int_equal(watch_as(&watch, &leader, "2", 2600), LEADER_HELD);
    leader.released = true;
    assert_int_equal(watch_as(&watch, &leader, "2", 2601), LEADER_LAPSED);
    assert_int_equal(watch_as(&watch, NULL, "2", 2601), LEADER_LAPSED);
}

static void a_process_that_ended_is_not_waited_for(void **state)
{
    (void)state;
    struct leader_watch watch = { 0 };
    const struct leader leader = { .epoch = 3, .instance = "1" };
    struct leader_look look = look_at("2", 1000);
    assert_int_equal(leader_watch_look(&watch, &leader, &look), LEADER_HELD);
    look.process_ended = true;
    assert_int_equal(leader_watch_look(&watch, &leader, &look), LEADER_LAPSED);
}

/* A watcher that was stopped for an hour has read what was written before or after. */
static void a_time_in_which_the_watcher_stood_still_does_not_count(void **state)
{
    (void)state;
    struct leader_watch watch = { 0 };
    struct leader leader = { .epoch = 3, .instance = "1" };
    struct leader_look look = look_at("2", 1000);
    look.ended_ms = 5000; /* it stood still while it read */
    assert_int_equal(leader_watch_look(&watch, &leader, &look), LEADER_HELD);
    look.began_ms = 5100;
    look.ended_ms = 9000; /* and again: nothing says that the leader did not move meanwhile */
    assert_int_equal(leader_watch_look(&watch, &leader, &look), LEADER_HELD);
    look.began_ms = look.ended_ms = 9001;
    leader.beat++;
    assert_int_equal(leader_watch_look(&watch, &leader, &look), LEADER_HELD);
    look.began_ms = look.ended_ms = 9501;
    assert_int_equal(leader_watch_look(&watch, &leader, &look), LEADER_LAPSED);
}

static void a_living_leader_of_the_same_name_is_told_from_a_predecessor(void **state)
{
    (void)state;
    struct leader_watch watch = { 0 };
    struct leader leader = { .epoch = 3, .instance = "1", .boot_id = 6 };
    assert_int_equal(watch_as(&watch, &leader, "1", 1000), LEADER_HELD);
    leader.beat++; /* the predecessor's last write was on its way */
    assert_int_equal(watch_as(&watch, &leader, "1", 1100), LEADER_HELD);
    assert_int_equal(watch_as(&watch, &leader, "1", 1600), LEADER_LAPSED);
    leader.beat++; /* it does not end */
    assert_int_equal(watch_as(&watch, &leader, "1", 1700), LEADER_NAMESAKE);
    assert_int_equal(watch_as(&watch, &leader, "1", 2199), LEADER_NAMESAKE);
    assert_int_equal(watch_as(&watch, &leader, "1", 2200), LEADER_LAPSED); /* its name saves none */
    leader.beat++;                                                         /* it was slow */
    assert_int_equal(watch_as(&watch, &leader, "1", 2300), LEADER_NAMESAKE);
    struct leader_watch other = { 0 };
    for (unsigned i = 0; i < 10; i++, leader.beat++)
        assert_int_equal(watch_as(&other, &leader, "2", 1700 + 100 * i), LEADER_HELD);
    /* Its own record, which it wrote before it knew. */
    struct leader_watch own = { 0 };
    leader.boot_id = 7;
    for (unsigned i = 0; i < 10; i++, leader.beat++)
        assert_int_equal(watch_as(&own, &leader, "1", 1700 + 100 * i), LEADER_HELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_renewal_moves_the_record_and_only_its_holder_can),
        cmocka_unit_test(a_role_lapses_only_where_nothing_moved_for_a_lease),
        cmocka_unit_test(a_process_that_ended_is_not_waited_for),
        cmocka_unit_test(a_time_in_which_the_watcher_stood_still_does_not_count),
        cmocka_unit_test(a_living_leader_of_the_same_name_is_told_from_a_predecessor),
        cmocka_unit_test(each_taking_raises_the_epoch_and_ends_the_one_before),
        cmocka_unit_test(who_found_a_role_free_takes_it_only_as_it_was_found),
        cmocka_unit_test(no_epoch_is_given_twice_under_random_faults),
        cmocka_unit_test(a_write_whose_answer_got_lost_is_recognised_as_our_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
