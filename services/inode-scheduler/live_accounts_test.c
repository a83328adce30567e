/* Which accounts are held to be told of: many come and go, and who watches now has room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loop/testing/virtual_clock.h"
#include "services/inode-scheduler/live_inside.h"

#include <stdlib.h>

static struct scheduler scheduler;
static struct live *live;
static struct loop_timer passing;

static int set_up(void **state)
{
    (void)state;
    struct error error;
    virtual_clock_begin();
    scheduler = (struct scheduler){ .options.loop = loop_create(&error) };
    assert_non_null(scheduler.options.loop);
    live = calloc(1, sizeof *live);
    assert_non_null(live);
    live->scheduler = &scheduler;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_accounts_stop(live);
    assert_int_equal(live->worker_count, 0);
    free(live);
    loop_destroy(scheduler.options.loop);
    virtual_clock_end();
    return 0;
}

static void on_passed(void *context)
{
    loop_stop(context);
}

/* Time passes, and nothing else is done. */
static void pass(uint64_t ms)
{
    struct loop *loop = scheduler.options.loop;
    passing = (struct loop_timer){ .on_due = on_passed, .context = loop };
    loop_timer_start(loop, &passing, ms, 0);
    loop_run(loop);
}

static const struct live_account *held(uint64_t id)
{
    for (size_t i = 0; i < live->account_count; i++)
        if (live->accounts[i]->id == id)
            return live->accounts[i];
    return NULL;
}

/* Somebody looks at it and leaves, a moment later. */
static void visit(uint64_t id)
{
    struct live_account *account = live_account_take(live, id, "visited");
    assert_non_null(account);
    live_account_release(live, account);
    pass(1);
}

static void name(struct live_account *account, size_t count)
{
    static struct live_worker workers[LIVE_WORKERS_MAX];
    for (size_t i = 0; i < count; i++)
        workers[i] = (struct live_worker){ .id = i + 1 };
    live_account_name(live, account, workers, count);
}

static void who_watches_has_room_however_many_were_looked_at_before(void **state)
{
    (void)state;
    enum { FRESH = 100 };
    struct live_account *watched = live_account_take(live, 1, "watched");
    assert_non_null(watched);
    for (uint64_t id = 2; id <= LIVE_ACCOUNTS_MAX; id++)
        visit(id);
    visit(2); /* somebody came back to it: it was left last */
    assert_int_equal(live->account_count, LIVE_ACCOUNTS_MAX);
    for (uint64_t id = 100001; id <= 100000 + FRESH; id++)
        assert_non_null(live_account_take(live, id, "fresh"));
    assert_int_equal(live->account_count, LIVE_ACCOUNTS_MAX);
    /* Those that were left first have gone, and none that is watched. */
    assert_ptr_equal(held(1), watched);
    assert_non_null(held(2));
    for (uint64_t id = 3; id <= LIVE_ACCOUNTS_MAX; id++)
        assert_int_equal(held(id) != NULL, id >= 3 + FRESH);
}

static void where_all_are_watched_there_is_no_room(void **state)
{
    (void)state;
    struct live_account *accounts[LIVE_ACCOUNTS_MAX];
    for (uint64_t i = 0; i < LIVE_ACCOUNTS_MAX; i++) {
        accounts[i] = live_account_take(live, i + 1, "watched");
        assert_non_null(accounts[i]);
    }
    assert_null(live_account_take(live, 100001, "one more"));
    assert_ptr_equal(live_account_take(live, 7, "watched"), accounts[6]); /* it is there already */
    live_account_release(live, accounts[6]);
    assert_null(live_account_take(live, 100001, "one more")); /* one watches it still */
    live_account_release(live, accounts[6]);
    assert_non_null(live_account_take(live, 100001, "one more"));
    assert_null(held(7));
    assert_int_equal(live->account_count, LIVE_ACCOUNTS_MAX);
}

static void workers_of_who_watches_have_room_too(void **state)
{
    (void)state;
    enum { FULL = LIVE_WORKERS_ALL / LIVE_WORKERS_MAX };
    for (uint64_t id = 1; id <= FULL; id++) {
        struct live_account *account = live_account_take(live, id, "visited");
        name(account, LIVE_WORKERS_MAX);
        live_account_release(live, account);
        pass(1);
    }
    /* The names of one that nobody watches push nobody out. */
    struct live_account *unwatched = live_account_take(live, 100001, "unwatched");
    live_account_release(live, unwatched);
    name(unwatched, LIVE_WORKERS_MAX);
    assert_int_equal(unwatched->worker_count, 0);
    assert_int_equal(live->account_count, FULL + 1);
    /* Those of one that is watched do, but for itself, as many as need be. */
    struct live_account *watched = live_account_take(live, 100002, "watched");
    name(watched, LIVE_WORKERS_MAX);
    assert_int_equal(watched->worker_count, LIVE_WORKERS_MAX);
    assert_null(held(1));
    assert_non_null(held(2));
    assert_true(live->worker_count <= LIVE_WORKERS_ALL);
    for (uint64_t id = 2; id <= FULL; id++)
        assert_non_null(live_account_take(live, id, "watched again"));
    /* And where all is watched, none. */
    struct live_account *late = live_account_take(live, 100003, "late");
    name(late, LIVE_WORKERS_MAX);
    assert_int_equal(late->worker_count, 0);
    assert_non_null(held(100001)); /* to forget it would help nobody */
    assert_int_equal(held(2)->worker_count, LIVE_WORKERS_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_watches_has_room_however_many_were_looked_at_before),
        TEST(where_all_are_watched_there_is_no_room),
        TEST(workers_of_who_watches_have_room_too),
    };
    return cmocka_run_group_tests_name("live accounts", tests, NULL, NULL);
}
