/* One that has taken the leadership, and whose store is slow, or hangs, before it leads. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/bus_fake/bus_fake.h"
#include "adapter/node_fake/node_fake.h"
#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "loop/testing/until.h"
#include "record/leader/leader.h"
#include "services/inode-scheduler/scheduler.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A store whose calls take their time, or do not return at all. */
struct pace {
    atomic_uint call_ms;
    atomic_bool shut;
};

struct slow_store {
    struct store port;
    struct store *inner;
    struct pace *pace;
};

static struct store *pass(struct store *store)
{
    struct slow_store *slow = (struct slow_store *)store;
    usleep(atomic_load(&slow->pace->call_ms) * 1000);
    while (atomic_load(&slow->pace->shut))
        usleep(1000);
    return slow->inner;
}

static bool slow_declare(struct store *store, const struct store_collection *const *collections,
                         size_t count, struct error *error)
{
    return store_declare(pass(store), collections, count, error);
}

static enum store_outcome slow_apply(struct store *store, struct store_write *writes, size_t count,
                                     struct error *error)
{
    return store_apply(pass(store), writes, count, error);
}

static enum store_outcome slow_get(struct store *store, const struct store_collection *collection,
                                   const char *id, struct arena *arena,
                                   struct store_record *record_r, struct error *error)
{
    return store_get(pass(store), collection, id, arena, record_r, error);
}

static enum store_outcome slow_find(struct store *store, const struct store_collection *collection,
                                    const struct store_query *query, store_visitor visitor,
                                    void *context, struct error *error)
{
    return store_find(pass(store), collection, query, visitor, context, error);
}

static bool slow_ping(struct store *store, struct error *error)
{
    return store_ping(pass(store), error);
}

static bool slow_writable(struct store *store, struct error *error)
{
    return store_writable(pass(store), error);
}

static void slow_close(struct store *store)
{
    store_close(((struct slow_store *)store)->inner);
    free(store);
}

static const struct store_ops slow_ops = { slow_declare, slow_apply,    slow_get,  slow_find,
                                           slow_ping,    slow_writable, slow_close };

/* One scheduler of two, with all that is its own: they share the store alone. */
struct side {
    struct store *shared;
    struct pace pace, lease_pace;
    const char *instance;
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    struct settings settings;
    struct node_fake_chain *chain;
    struct window_fake *window;
    struct scheduler scheduler;
    bool open;
    unsigned boots, deposed, led;
    char trouble[512]; /* of the leadership, as health has it */
};

static struct store *open_paced(struct side *side, struct pace *pace)
{
    struct slow_store *slow = calloc(1, sizeof *slow);
    assert_non_null(slow);
    *slow = (struct slow_store){ { &slow_ops }, store_fake_share(side->shared), pace };
    return &slow->port;
}

static struct store *open_store(void *context, struct error *error)
{
    (void)error;
    return open_paced(context, &((struct side *)context)->pace);
}

static struct store *open_lease_store(void *context, struct error *error)
{
    (void)error;
    return open_paced(context, &((struct side *)context)->lease_pace);
}

static struct node *open_node(void *context, size_t index, struct error *error)
{
    (void)index;
    (void)error;
    return node_fake_open(((struct side *)context)->chain, "a");
}

static struct window_reader *open_window(void *context, struct error *error)
{
    (void)error;
    return window_fake_reader(((struct side *)context)->window);
}

static void on_trouble(void *context, const char *what, const char *reason)
{
    struct side *side = context;
    if (strcmp(what, "leadership") != 0)
        return;
    snprintf(side->trouble, sizeof side->trouble, "%s", reason != NULL ? reason : "");
}

static void on_leading(void *context)
{
    ((struct side *)context)->led++;
}

static void on_deposed(void *context)
{
    ((struct side *)context)->deposed++;
}

static void start(struct side *side)
{
    struct error error;
    struct scheduler_options options = {
        .loop = side->loop,
        .bus = side->bus,
        .metrics = side->metrics,
        .settings = &side->settings,
        .coin = *coin_profile_find(span_text("bitcoin-regtest")),
        .script = { .length = 22, .data = { 0, 20 } },
        .world = { .open_store = open_store,
                   .open_lease_store = open_lease_store,
                   .open_node = open_node,
                   .open_window = open_window,
                   .context = side,
                   .nodes_count = 1 },
        .instance = side->instance,
        .boot_id = ++side->boots,
        .on_trouble = on_trouble,
        .on_leading = on_leading,
        .on_deposed = on_deposed,
        .context = side,
    };
    if (!scheduler_open(&side->scheduler, &options, &error))
        fail_msg("%s", error.text);
    side->open = true;
}

static void stop(struct side *side)
{
    if (side->open)
        scheduler_close(&side->scheduler);
    side->open = false;
}

static void prepare(struct side *side, struct store *shared, const char *instance,
                    unsigned lease_ms)
{
    struct error error;
    memset(side, 0, sizeof *side);
    side->shared = shared;
    side->instance = instance;
    side->loop = loop_create(&error);
    side->bus = bus_fake_create(side->loop);
    side->metrics = metrics_create();
    side->chain = node_fake_chain_create("regtest", 0x207fffff);
    side->window = window_fake_create(side->loop);
    assert_true(settings_load(&side->settings, NULL, "/nowhere", instance, &error));
    side->settings.scheduler_lease_ms = lease_ms;
    node_fake_mine(side->chain, 10);
}

static void put_away(struct side *side)
{
    stop(side);
    loop_run_once(side->loop, 0);
    bus_destroy(side->bus);
    window_fake_destroy(side->window);
    node_fake_chain_destroy(side->chain);
    metrics_destroy(side->metrics);
    settings_deinit(&side->settings);
    loop_destroy(side->loop);
}

/* The one that leads first, and the one that takes over. */
struct pair {
    struct store *store;
    struct side first, second;
};

static void turn(struct pair *pair)
{
    loop_run_once(pair->second.loop, 2);
    loop_run_once(pair->first.loop, 2);
}

#define UNTIL(pair, condition) UNTIL_BY(turn(pair), condition, "")

static void lead(struct pair *pair, struct side *side)
{
    struct jobs_view view;
    UNTIL(pair, side->scheduler.leading);
    UNTIL(pair, (jobs_look(side->scheduler.jobs, &view), view.any));
    assert_int_equal(view.job_id >> 32, side->scheduler.epoch);
}

/* The first leads, and the second stands by. */
static void open_pair(struct pair *pair, unsigned lease_ms)
{
    pair->store = store_fake_create();
    prepare(&pair->first, pair->store, "1", lease_ms);
    prepare(&pair->second, pair->store, "2", lease_ms);
    start(&pair->first);
    lead(pair, &pair->first);
    start(&pair->second);
    assert_int_equal(pair->second.scheduler.epoch, 0);
}

static void close_pair(struct pair *pair)
{
    put_away(&pair->first);
    put_away(&pair->second);
    store_close(pair->store);
}

static struct leader leader_now(const struct pair *pair)
{
    struct leader leader;
    struct error error;
    assert_int_equal(leader_read(pair->store, SCHEDULER_ROLE, &leader, &error), STORE_DONE);
    return leader;
}

/* The first ends in order, and the second has taken the leadership and reads. */
static void hand_over(struct pair *pair)
{
    stop(&pair->first);
    UNTIL(pair, pair->second.scheduler.epoch != 0);
    assert_true(scheduler_begins(&pair->second.scheduler));
}

/* It reads for longer than a lease, and another watches. */
static void hands_change_once_though_the_store_is_slow(void **state)
{
    (void)state;
    static struct pair pair;
    const unsigned lease_ms = 2500;
    open_pair(&pair, lease_ms);
    atomic_store(&pair.second.pace.call_ms, 1000);
    atomic_store(&pair.second.lease_pace.call_ms, 300);
    const uint64_t began_ms = loop_clock_ns() / 1000000u;
    hand_over(&pair);
    const uint64_t beat = leader_now(&pair).beat;
    start(&pair.first);
    assert_int_equal(pair.first.scheduler.epoch, 0);
    lead(&pair, &pair.second);
    assert_true(loop_clock_ns() / 1000000u - began_ms > lease_ms);
    atomic_store(&pair.second.pace.call_ms, 0);
    assert_string_equal(pair.second.trouble, "");
    assert_true(leader_now(&pair).beat > beat);
    const uint64_t looked = leader_now(&pair).beat;
    UNTIL(&pair, leader_now(&pair).beat > looked);
    assert_int_equal(leader_now(&pair).epoch, 2);
    assert_int_equal(pair.first.scheduler.epoch, 0);
    assert_int_equal(pair.second.led, 1);
    assert_int_equal(pair.second.deposed, 0);
    close_pair(&pair);
}

static void one_whose_store_hangs_gives_up_and_the_other_leads(void **state)
{
    (void)state;
    static struct pair pair;
    open_pair(&pair, 400);
    pair.second.settings.scheduler_opening_s = 2;
    atomic_store(&pair.second.pace.shut, true);
    hand_over(&pair);
    UNTIL(&pair, pair.second.trouble[0] != '\0'); /* health says what is waited for */
    UNTIL(&pair, pair.second.deposed > 0);
    assert_int_equal(leader_now(&pair).epoch, 2);
    assert_true(pair.second.scheduler.lead_failed);
    assert_non_null(strstr(pair.second.scheduler.lead_error.text, "scheduler.opening_s"));
    assert_int_equal(pair.second.scheduler.lead_error.code, ERROR_TIMEOUT);
    start(&pair.first);
    lead(&pair, &pair.first); /* while the call still hangs */
    assert_int_equal(leader_now(&pair).epoch, 3);
    atomic_store(&pair.second.pace.shut, false);
    stop(&pair.second);
    assert_int_equal(pair.second.led, 0);
    assert_int_equal(leader_now(&pair).epoch, 3);
    assert_false(leader_now(&pair).released);
    close_pair(&pair);
}

static void one_that_is_deposed_while_it_reads_never_leads(void **state)
{
    (void)state;
    static struct pair pair;
    struct error error;
    uint64_t epoch;
    open_pair(&pair, 400);
    atomic_store(&pair.second.pace.shut, true);
    hand_over(&pair);
    assert_int_equal(leader_take(pair.store, SCHEDULER_ROLE, "3", 99, 1, &epoch, &error),
                     STORE_DONE);
    UNTIL(&pair, pair.second.deposed > 0);
    atomic_store(&pair.second.pace.shut, false);
    UNTIL(&pair, !pair.second.scheduler.opening.reading);
    assert_int_equal(pair.second.led, 0);
    assert_false(pair.second.scheduler.lead_failed);
    assert_null(pair.second.scheduler.jobs);
    stop(&pair.second);
    assert_int_equal(leader_now(&pair).epoch, epoch);
    assert_false(leader_now(&pair).released);
    close_pair(&pair);
}

static void one_that_is_stopped_while_it_reads_leaves_the_leadership_free(void **state)
{
    (void)state;
    static struct pair pair;
    open_pair(&pair, 400);
    atomic_store(&pair.second.pace.call_ms, 300);
    hand_over(&pair);
    stop(&pair.second);
    assert_int_equal(pair.second.led, 0);
    assert_int_equal(leader_now(&pair).epoch, 2);
    assert_true(leader_now(&pair).released);
    start(&pair.first);
    lead(&pair, &pair.first);
    assert_int_equal(leader_now(&pair).epoch, 3);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_change_once_though_the_store_is_slow),
        cmocka_unit_test(one_whose_store_hangs_gives_up_and_the_other_leads),
        cmocka_unit_test(one_that_is_deposed_while_it_reads_never_leads),
        cmocka_unit_test(one_that_is_stopped_while_it_reads_leaves_the_leadership_free),
    };
    return cmocka_run_group_tests_name("taking over", tests, NULL, NULL);
}
