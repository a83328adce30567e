/* Leases between a store and a share window that outlive schedulers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "loop/testing/until.h"
#include "record/leader/leader.h"
#include "services/inode-scheduler/leases.h"

#include <stdio.h>

struct fixture {
    struct loop *loop;
    struct store *store;
    struct window_fake *window;
    struct window_writer *writer;
    struct window_reader *reader; /* the test's */
    struct window_reader *records_window;
    struct worker *worker;
    struct leases *leases;
    unsigned answers;
    enum window_outcome outcome;
};

#define UNTIL(f, condition) LOOP_UNTIL((f)->loop, condition, "")

static void open_fixture(struct fixture *f)
{
    static const struct store_collection *const collections[] = { &lease_collection,
                                                                  &leader_collection };
    uint64_t epoch;
    struct error error;
    *f = (struct fixture){ .loop = loop_create(&error), .store = store_fake_create() };
    assert_non_null(f->loop);
    assert_true(store_declare(f->store, collections, 2, &error));
    assert_int_equal(leader_take(f->store, "scheduler", "1", 1, 1, &epoch, &error), STORE_DONE);
    assert_int_equal(epoch, 1);
    f->window = window_fake_create(f->loop);
    f->writer = window_fake_writer(f->window, 0);
    f->reader = window_fake_reader(f->window);
}

static void start(struct fixture *f)
{
    struct error error;
    f->records_window = window_fake_reader(f->window);
    f->worker = worker_create(f->loop, "records", 1, 64, &error);
    assert_non_null(f->worker);
    f->leases = leases_create(&(struct leases_options){ .loop = f->loop,
                                                        .worker = f->worker,
                                                        .store = f->store,
                                                        .window = f->records_window,
                                                        .role = "scheduler",
                                                        .epoch = 1,
                                                        .values = 256,
                                                        .memory_ms = 100,
                                                        .silence_ms = 50 });
    assert_true(leases_read(f->leases, &error));
    leases_start(f->leases);
}

static void stop(struct fixture *f)
{
    worker_destroy(f->worker);
    leases_destroy(f->leases);
    window_reader_close(f->records_window);
}

static void close_fixture(struct fixture *f)
{
    window_reader_close(f->reader);
    window_writer_close(f->writer);
    window_fake_destroy(f->window);
    store_close(f->store);
    loop_destroy(f->loop);
}

static void grant(struct fixture *f, uint64_t id, bool ended, int64_t free_ms)
{
    struct error error;
    struct lease_record lease = { .id = id,
                                  .instance = "g",
                                  .boot_id = id,
                                  .epoch = 1,
                                  .first = (uint32_t)id * 256,
                                  .count = 256,
                                  .granted_ms = 1,
                                  .free_ms = LEASE_ALIVE };
    assert_int_equal(lease_grant(f->store, &lease, &error), STORE_DONE);
    if (ended)
        assert_int_equal(lease_end(f->store, &lease, 1, 2, (uint64_t)free_ms, &error), STORE_DONE);
}

static void on_appended(void *context, const struct window_result *result)
{
    struct fixture *f = context;
    f->answers++;
    f->outcome = result->outcome;
}

static enum window_outcome append(struct fixture *f, uint64_t lease_id, uint64_t sequence)
{
    static const struct window_share share = { .account = 1, .work = 1 };
    const struct window_batch batch = { .lease_id = lease_id,
                                        .sequence = sequence,
                                        .lowest = 1,
                                        .shares = &share,
                                        .share_count = 1,
                                        .verdicts = span_text("v") };
    unsigned answers = f->answers;
    assert_true(window_append(f->writer, &batch, on_appended, f));
    UNTIL(f, f->answers > answers);
    return f->outcome;
}

struct looking {
    uint64_t id;
    bool ended;
};

static bool look(void *context, uint64_t lease_id, bool ended)
{
    struct looking *looking = context;
    if (lease_id == looking->id)
        looking->ended = ended;
    return true;
}

static bool over(struct fixture *f, uint64_t lease_id)
{
    struct looking looking = { .id = lease_id };
    struct error error;
    return window_leases(f->reader, look, &looking, &error) && looking.ended;
}

static void a_lease_ends_in_the_window_when_its_values_become_free(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    grant(&f, 1, false, 0);
    assert_int_equal(append(&f, 1, 1), WINDOW_APPENDED);
    start(&f);
    assert_int_equal(leases_alive(f.leases), 1);
    UNTIL(&f, leases_alive(f.leases) == 0); /* nobody names it in a heartbeat */
    struct lease_record lease;
    struct error error;
    assert_int_equal(lease_get(f.store, 1, &lease, &error), STORE_DONE);
    assert_true(lease.ended_ms != 0);
    /* While the window is away it is tried again. */
    window_fake_readers_fail(f.window, true);
    uint64_t until_ms = loop_now_ms(f.loop) + 2500;
    UNTIL(&f, loop_now_ms(f.loop) > until_ms);
    window_fake_readers_fail(f.window, false);
    assert_false(over(&f, 1));
    UNTIL(&f, over(&f, 1));
    assert_true((int64_t)loop_unix_ms() >= lease.free_ms);
    assert_int_equal(append(&f, 1, 1), WINDOW_REFUSED); /* was applied, and a late copy comes */
    assert_int_equal(append(&f, 1, 2), WINDOW_REFUSED);
    stop(&f);
    close_fixture(&f);
}

static void what_became_free_while_no_scheduler_ran_ends_at_the_next_start(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    grant(&f, 1, true, 10);                                /* free long ago */
    grant(&f, 2, true, (int64_t)loop_unix_ms() + 3600000); /* not free yet */
    grant(&f, 3, false, 0);                                /* alive */
    for (uint64_t id = 1; id <= 4; id++)                   /* 4: the store forgot it */
        assert_int_equal(append(&f, id, 1), WINDOW_APPENDED);
    start(&f);
    UNTIL(&f, over(&f, 1));
    stop(&f);
    assert_false(over(&f, 2));
    assert_false(over(&f, 3));
    assert_false(over(&f, 4));
    assert_int_equal(append(&f, 4, 1), WINDOW_REPEATED);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_ends_in_the_window_when_its_values_become_free),
        cmocka_unit_test(what_became_free_while_no_scheduler_ran_ends_at_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
