#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/lease/lease.h"

#include <stdio.h>

static struct store *open_store(void)
{
    static const struct store_collection *const collections[] = { &lease_collection };
    struct store *store = store_fake_create();
    struct error error;
    assert_true(store_declare(store, collections, 1, &error));
    return store;
}

static struct lease_record make(uint64_t id)
{
    return (struct lease_record){ .id = id,
                                  .instance = "gateway-1",
                                  .boot_id = UINT64_MAX - id,
                                  .epoch = 3,
                                  .first = (uint32_t)(id * 256),
                                  .count = 256,
                                  .granted_ms = 1000 + id,
                                  .free_ms = LEASE_ALIVE };
}

static void a_lease_is_read_back_as_it_was_granted(void **state)
{
    struct store *store = open_store();
    struct lease_record lease = make(41), read;
    struct error error;
    (void)state;
    lease.first = UINT32_MAX - 255; /* the last values there are */
    assert_int_equal(lease_grant(store, &lease, &error), STORE_DONE);
    assert_int_equal(lease_get(store, 41, &read, &error), STORE_DONE);
    assert_int_equal(read.id, 41);
    assert_string_equal(read.instance, "gateway-1");
    assert_int_equal(read.boot_id, UINT64_MAX - 41);
    assert_int_equal(read.first, lease.first);
    assert_int_equal(read.count, 256);
    assert_true(read.free_ms == LEASE_ALIVE);
    assert_int_equal(read.version, 1);
    assert_int_equal(lease_get(store, 42, &read, &error), STORE_MISSING);
    store_close(store);
}

static void an_id_is_granted_once_and_the_highest_is_known(void **state)
{
    struct store *store = open_store();
    struct error error;
    uint64_t last = 7;
    (void)state;
    assert_int_equal(lease_last_id(store, &last, &error), STORE_DONE);
    assert_int_equal(last, 0);
    for (uint64_t id = 1; id <= 120; id++) {
        struct lease_record lease = make(id);
        assert_int_equal(lease_grant(store, &lease, &error), STORE_DONE);
        lease = make(id);
        assert_int_equal(lease_grant(store, &lease, &error), STORE_EXISTS);
        assert_int_equal(lease_last_id(store, &last, &error), STORE_DONE);
        assert_int_equal(last, id);
    }
    store_close(store);
}

static bool on_held(void *context, const struct lease_record *lease)
{
    (void)lease;
    ++*(unsigned *)context;
    return true;
}

static unsigned held_at(struct store *store, uint64_t now_ms)
{
    unsigned held = 0;
    struct error error;
    assert_int_equal(lease_walk_held(store, now_ms, on_held, &held, &error), STORE_DONE);
    return held;
}

static void an_ended_lease_is_held_until_its_last_job_is_dead(void **state)
{
    struct store *store = open_store();
    struct lease_record lease = make(1), stale;
    struct error error;
    (void)state;
    assert_int_equal(lease_grant(store, &lease, &error), STORE_DONE);
    stale = lease;
    assert_int_equal(held_at(store, UINT64_C(1) << 60), 1);
    assert_int_equal(lease_end(store, &lease, 4, 5000, 6000, &error), STORE_DONE);
    assert_int_equal(lease.version, 2);
    assert_int_equal(held_at(store, 5999), 1);
    assert_int_equal(held_at(store, 6000), 0);
    assert_int_equal(lease_end(store, &stale, 3, 5000, 9000, &error), STORE_CONFLICT);
    assert_int_equal(held_at(store, 6000), 0);
    store_close(store);
}

static void troubles_of_the_store_are_passed_on(void **state)
{
    struct store *store = open_store();
    struct lease_record lease = make(1);
    struct error error;
    uint64_t last;
    (void)state;
    store_fake_inject(store, STORE_FAKE_UNKNOWN_DONE, 0, 1);
    assert_int_equal(lease_grant(store, &lease, &error), STORE_UNKNOWN);
    assert_int_equal(lease_grant(store, &lease, &error), STORE_EXISTS);
    store_fake_away(store, true);
    assert_int_equal(lease_grant(store, &lease, &error), STORE_FAILED);
    assert_int_equal(lease_last_id(store, &last, &error), STORE_FAILED);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_read_back_as_it_was_granted),
        cmocka_unit_test(an_id_is_granted_once_and_the_highest_is_known),
        cmocka_unit_test(an_ended_lease_is_held_until_its_last_job_is_dead),
        cmocka_unit_test(troubles_of_the_store_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
