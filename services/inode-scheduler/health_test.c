/* Who is alive and what is wrong, in words. Time is the test's, so that what is said of seconds is
 * exact on any machine. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "loop/testing/virtual_clock.h"
#include "record/leader/leader.h"
#include "services/inode-scheduler/condition.h"
#include "services/inode-scheduler/restarts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct loop *loop;
static struct health health;
static struct recovery recovery;

static void tick(void *context)
{
    *(bool *)context = true;
}

static void pass(uint64_t ms)
{
    bool over = false;
    struct loop_timer timer = { .on_due = tick, .context = &over };
    loop_timer_start(loop, &timer, ms, 0);
    while (!over)
        loop_run_once(loop, -1);
}

static void beat(enum health_component component, uint64_t boot_id, enum wire_state state,
                 const char *last_error)
{
    const struct wire_heartbeat message = { .service = health_component_name(component),
                                            .instance = "1",
                                            .boot_id = boot_id,
                                            .state = (uint8_t)state,
                                            .last_error = last_error,
                                            .admin_url = "" };
    assert_true(health_beat(&health, &message));
}

static int begin(void **state)
{
    (void)state;
    struct error error;
    virtual_clock_begin();
    loop = loop_create(&error);
    assert_non_null(loop);
    health_init(&health, loop);
    recovery = (struct recovery){ .known = false };
    return 0;
}

static int end(void **state)
{
    (void)state;
    health_deinit(&health);
    loop_destroy(loop);
    virtual_clock_end();
    return 0;
}

static enum health_status of_first(void)
{
    return health_of_instance(&health, &health.instances[0]);
}

/* Whenever within its second it dies, and however late within half a second its beats come. */
static void a_dead_process_is_seen_within_three_seconds_and_one_lost_beat_is_none(void **state)
{
    (void)state;
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++)
        for (uint64_t late_ms = 0; late_ms <= 450; late_ms += 50)
            for (uint64_t dies_ms = 0; dies_ms < 1000; dies_ms += 50) {
                health.count = 0;
                beat((enum health_component)c, 1, WIRE_STATE_RUNNING, "");
                pass(2000 + late_ms); /* one is lost, the next is late */
                assert_int_equal(of_first(), HEALTH_HEALTHY);
                beat((enum health_component)c, 1, WIRE_STATE_RUNNING, "");
                pass(dies_ms); /* after its last beat */
                assert_int_equal(of_first(), HEALTH_HEALTHY);
                pass(3000 - dies_ms);
                assert_int_equal(of_first(), HEALTH_UNHEALTHY);
                assert_int_equal(health_alive(&health, (enum health_component)c), 0);
            }
}

static void an_instance_is_unhealthy_then_in_error_then_back(void **state)
{
    (void)state;
    beat(HEALTH_AUTH, 1, WIRE_STATE_RUNNING, "");
    pass(HEALTH_DEAD_MS);
    assert_int_equal(of_first(), HEALTH_UNHEALTHY);
    pass(1000);
    assert_int_equal(of_first(), HEALTH_ERROR);
    assert_int_equal(health_of_component(&health, HEALTH_AUTH), HEALTH_ERROR);
    beat(HEALTH_AUTH, 2, WIRE_STATE_RUNNING, "");
    assert_int_equal(of_first(), HEALTH_HEALTHY);
    assert_int_equal(health.instances[0].restarts, 1);
    beat(HEALTH_AUTH, 2, WIRE_STATE_DEGRADED, "the store: no answer");
    assert_int_equal(of_first(), HEALTH_UNHEALTHY);
    assert_int_not_equal(health.instances[0].unwell_unix_ms, 0);
    beat(HEALTH_AUTH, 2, WIRE_STATE_RUNNING, "");
    assert_int_equal(health.instances[0].unwell_unix_ms, 0);
}

static size_t look(struct condition_reason *reasons, enum health_status *status_r, bool early)
{
    const struct condition_view view = {
        .health = &health, .recovery = &recovery, .job = true, .early = early
    };
    size_t count = condition_list(&view, reasons, status_r);
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(reasons[i].what[0], '\0');
        assert_int_not_equal(reasons[i].reason[0], '\0');
        assert_int_not_equal(reasons[i].todo[0], '\0');
        assert_true(i == 0 || reasons[i].status <= reasons[i - 1].status);
    }
    return count;
}

static void every_trouble_has_a_reason_and_something_to_do_the_worst_first(void **state)
{
    (void)state;
    struct condition_reason reasons[CONDITION_MAX];
    enum health_status status;
    assert_int_equal(look(reasons, &status, true), 0); /* nobody was to be heard of yet */
    assert_int_equal(status, HEALTH_HEALTHY);
    assert_int_equal(look(reasons, &status, false), HEALTH_COMPONENT_COUNT);
    assert_int_equal(status, HEALTH_ERROR);
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++)
        beat((enum health_component)c, 1, WIRE_STATE_RUNNING, "");
    assert_int_equal(look(reasons, &status, false), 0);
    assert_int_equal(status, HEALTH_HEALTHY);
    beat(HEALTH_PAYOUT, 1, WIRE_STATE_DEGRADED, "the wallet: it does not answer");
    assert_int_equal(look(reasons, &status, false), 2);
    assert_int_equal(status, HEALTH_ERROR);
    assert_string_equal(reasons[0].what, "payout");
    assert_non_null(strstr(reasons[0].reason, "misses something"));
    assert_string_equal(reasons[1].what, "payout 1");
    assert_string_equal(reasons[1].reason, "the wallet: it does not answer");
    beat(HEALTH_PAYOUT, 1, WIRE_STATE_RUNNING, "");
    pass(HEALTH_MISSED_MS + 1);
    assert_int_equal(look(reasons, &status, false), 2 * HEALTH_COMPONENT_COUNT);
    assert_non_null(strstr(reasons[0].reason, "every instance is silent"));
    assert_non_null(strstr(reasons[HEALTH_COMPONENT_COUNT].reason, "not heard of for 2 s"));
}

static void since_when_stays_the_same_while_the_trouble_does(void **state)
{
    (void)state;
    struct condition_reason reasons[CONDITION_MAX];
    enum health_status status;
    pass(1000);
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++)
        beat((enum health_component)c, 1, WIRE_STATE_RUNNING, "");
    const uint64_t began_ms = loop_unix_ms();
    for (unsigned i = 0; i < 10; i++) {
        for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++)
            beat((enum health_component)c, 1,
                 c == HEALTH_GATEWAY || c == HEALTH_AUTH ? WIRE_STATE_DEGRADED : WIRE_STATE_RUNNING,
                 "jobs: there is no job yet");
        assert_int_equal(look(reasons, &status, false), 4);
        assert_string_equal(reasons[0].what, "auth"); /* and its place, too */
        assert_string_equal(reasons[1].what, "stratum-gateway");
        for (size_t k = 0; k < 4; k++)
            assert_true(reasons[k].since_ms == began_ms);
        pass(1000);
    }
    pass(HEALTH_MISSED_MS); /* now silent, too: not well since as long */
    assert_int_equal(look(reasons, &status, false), 2 * HEALTH_COMPONENT_COUNT);
    for (size_t k = 0; k < HEALTH_COMPONENT_COUNT; k++)
        if (strcmp(reasons[k].what, "auth") == 0)
            assert_true(reasons[k].since_ms == began_ms);
}

static void what_others_wait_for_stands_before_those_who_wait(void **state)
{
    (void)state;
    struct condition_reason reasons[CONDITION_MAX];
    enum health_status status;
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++)
        beat((enum health_component)c, 1, WIRE_STATE_RUNNING, "");
    beat(HEALTH_GATEWAY, 1, WIRE_STATE_DEGRADED, "validators: no validator answers");
    pass(1000); /* who suffers says so first */
    beat(HEALTH_PAYOUT, 1, WIRE_STATE_DEGRADED, "instance: a namesake; window: no answer");
    /* one part alone may only be unable to reach it: shares are kept */
    char missed[100];
    assert_null(condition_cause(&health));
    assert_true(condition_missed(&health, HEALTH_PAYOUT, missed, sizeof missed));
    assert_string_equal(missed, "it cannot use redis.window: no answer");
    assert_false(condition_missed(&health, HEALTH_VALIDATOR, missed, sizeof missed));
    size_t count = look(reasons, &status, false);
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(reasons[i].what, "redis.window");
        if (strcmp(reasons[i].what, "payout") == 0)
            assert_non_null(strstr(reasons[i].reason, "it cannot use redis.window: no answer"));
    }
    beat(HEALTH_VALIDATOR, 1, WIRE_STATE_DEGRADED, "redis.window: it does not answer");
    assert_string_equal(condition_cause(&health), "redis.window cannot be used: no share is kept");
    assert_int_equal(look(reasons, &status, false), 7);
    assert_string_equal(reasons[0].what, "redis.window");
    assert_int_equal(reasons[0].status, HEALTH_ERROR);
    assert_non_null(strstr(reasons[0].reason, "share-validator and payout cannot use it"));
    assert_string_equal(reasons[1].what, "share-validator");
    assert_string_equal(reasons[2].what, "payout");
    assert_string_equal(reasons[3].what, "stratum-gateway");
    beat(HEALTH_PAYOUT, 1, WIRE_STATE_RUNNING, "");
    beat(HEALTH_VALIDATOR, 1, WIRE_STATE_DEGRADED, "redis.windowsill: is no such thing");
    assert_null(condition_cause(&health));
    beat(HEALTH_VALIDATOR, 1, WIRE_STATE_RUNNING, "redis.window: it was away"); /* and is back */
    assert_null(condition_cause(&health));
    beat(HEALTH_AUTH, 1, WIRE_STATE_DEGRADED, "store: no answer");
    assert_null(condition_cause(&health)); /* the scheduler and payout use it */
    assert_int_equal(look(reasons, &status, false), 4);
    beat(HEALTH_SCHEDULER, 1, WIRE_STATE_DEGRADED, "store: no answer");
    assert_true(look(reasons, &status, false) > 5);
    assert_string_equal(reasons[0].what, "the store");
}

/* Which words are said to do, of one that is not heard of. */
static void expect_todo(const char *words)
{
    struct condition_reason reasons[CONDITION_MAX];
    enum health_status status;
    size_t count = look(reasons, &status, false);
    for (size_t i = 0; i < count; i++)
        if (strcmp(reasons[i].what, "share-validator 1") == 0 &&
            strstr(reasons[i].todo, words) != NULL)
            return;
    fail_msg("nothing says \"%s\"", words);
}

static void what_becomes_of_a_silent_one_is_told_as_it_is(void **state)
{
    (void)state;
    beat(HEALTH_VALIDATOR, 1, WIRE_STATE_RUNNING, "");
    pass(HEALTH_MISSED_MS + 1);
    expect_todo("not by Compose");
    recovery.known = true;
    expect_todo("not one that ./adit up started here");
    recovery.count = 1;
    recovery.list[0] =
        (struct recovery_process){ .name = "share-validator", .instance = "1", .state = "running" };
    expect_todo("service.hung_s");
    snprintf(recovery.list[0].state, sizeof recovery.list[0].state, "hung");
    expect_todo("is stopping it");
    snprintf(recovery.list[0].state, sizeof recovery.list[0].state, "waiting");
    expect_todo("is starting it again");
}

static void more_troubles_than_there_is_room_for_are_cut(void **state)
{
    (void)state;
    struct condition_reason reasons[CONDITION_MAX];
    enum health_status status;
    for (unsigned i = 0; i < HEALTH_INSTANCES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        const struct wire_heartbeat message = { .service = "share-validator",
                                                .instance = name,
                                                .state = WIRE_STATE_STARTING,
                                                .last_error = "",
                                                .admin_url = "" };
        assert_true(health_beat(&health, &message));
    }
    assert_int_equal(look(reasons, &status, false), CONDITION_MAX);
}

static void the_supervisors_attempts_are_read_and_told(void **state)
{
    (void)state;
    static const char text[] =
        "redis-server 1 11 running 0 0 1700000000000 0 0\n"
        "auth 1 0 waiting 7 3 1700000001000 1700000002000 1700000003000 exit code 1: the store is "
        "away\n"
        "nonsense\n"
        "payout 1 13 running 2 0 1700000001000 1700000002000 0 killed by signal 9\n";
    char path[] = "/tmp/adit-processes-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    recovery_read(&recovery, path);
    unlink(path);
    assert_true(recovery.known);
    assert_int_equal(recovery.count, 3);
    assert_string_equal(recovery.list[1].why, "exit code 1: the store is away");
    assert_int_equal(recovery.list[1].attempts, 3);
    assert_true(recovery.list[1].next_unix_ms == 1700000003000);
    assert_string_equal(recovery.list[0].why, "");
    struct condition_reason reasons[CONDITION_MAX];
    enum health_status status;
    for (int c = 0; c < HEALTH_COMPONENT_COUNT; c++)
        beat((enum health_component)c, 1, WIRE_STATE_RUNNING, "");
    assert_int_equal(look(reasons, &status, false), 1);
    assert_int_equal(status, HEALTH_UNHEALTHY);
    assert_string_equal(reasons[0].what, "auth 1");
    assert_non_null(strstr(reasons[0].reason, "attempt 3"));
    recovery_read(&recovery, NULL);
    assert_false(recovery.known);
    recovery_read(&recovery, path); /* it is gone */
    assert_int_equal(recovery.count, 0);
}

static unsigned restarts_of(enum health_component component)
{
    for (size_t i = 0; i < health.count; i++)
        if (health.instances[i].component == component)
            return health.instances[i].restarts;
    fail_msg("it was not heard");
    return 0;
}

/* As a scheduler that is started again, or takes over: what was kept, by the store's record. */
static void start_scheduler_anew(struct store *store)
{
    static struct restarts_list list;
    struct error error;
    uint64_t version;
    assert_int_equal(restarts_read(store, &list, &version, &error), STORE_DONE);
    list.count = health_list_known(&health, loop_unix_ms(), list.known);
    assert_int_equal(restarts_write(store, &list, &version, &error), STORE_DONE);
    health_deinit(&health);
    health_init(&health, loop);
}

static void recall(struct store *store)
{
    static struct restarts_list list;
    struct error error;
    uint64_t version;
    assert_int_equal(restarts_read(store, &list, &version, &error), STORE_DONE);
    health_recall(&health, list.known, list.count);
}

static void starts_are_counted_also_over_those_of_the_scheduler(void **state)
{
    (void)state;
    struct store *store = store_fake_create();
    const struct store_collection *const all[] = { &restarts_collection };
    struct error error;
    assert_true(store_declare(store, all, 1, &error));
    beat(HEALTH_AUTH, 1, WIRE_STATE_RUNNING, "");
    beat(HEALTH_PAYOUT, 7, WIRE_STATE_RUNNING, "");
    assert_int_equal(restarts_of(HEALTH_AUTH), 0);
    beat(HEALTH_AUTH, 2, WIRE_STATE_STARTING, "");
    beat(HEALTH_AUTH, 2, WIRE_STATE_RUNNING, "");
    beat(HEALTH_AUTH, 3, WIRE_STATE_RUNNING, "");
    assert_int_equal(restarts_of(HEALTH_AUTH), 2);
    assert_int_equal(restarts_of(HEALTH_PAYOUT), 0);
    /* they are heard before what was kept is read, and after; one was started again meanwhile */
    start_scheduler_anew(store);
    beat(HEALTH_AUTH, 4, WIRE_STATE_RUNNING, "");
    assert_int_equal(restarts_of(HEALTH_AUTH), 0);
    beat(HEALTH_AUTH, 5, WIRE_STATE_RUNNING, "");
    recall(store);
    assert_int_equal(restarts_of(HEALTH_AUTH), 4);
    beat(HEALTH_PAYOUT, 7, WIRE_STATE_RUNNING, "");
    assert_int_equal(restarts_of(HEALTH_PAYOUT), 0);
    beat(HEALTH_PAYOUT, 8, WIRE_STATE_RUNNING, "");
    assert_int_equal(restarts_of(HEALTH_PAYOUT), 1);
    /* what it wrote itself is no more than it knows */
    start_scheduler_anew(store);
    recall(store);
    recall(store);
    beat(HEALTH_AUTH, 5, WIRE_STATE_RUNNING, "");
    beat(HEALTH_PAYOUT, 9, WIRE_STATE_RUNNING, "");
    assert_int_equal(restarts_of(HEALTH_AUTH), 4);
    assert_int_equal(restarts_of(HEALTH_PAYOUT), 2);
    recall(store);
    assert_int_equal(restarts_of(HEALTH_AUTH), 4);
    assert_int_equal(restarts_of(HEALTH_PAYOUT), 2);
    store_close(store);
}

/* Until its job is done, on its thread, for which the loop's own clock does not wait. */
static void write_starts(struct restarts *restarts, uint64_t epoch)
{
    restarts_tick(restarts, epoch);
    for (unsigned ms = 0; restarts->asking && ms < 20000; ms++) {
        loop_run_once(loop, 0);
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    assert_false(restarts->asking);
}

static void one_that_was_deposed_writes_no_starts(void **state)
{
    (void)state;
    static struct restarts restarts;
    static struct restarts_list list;
    static const char role[] = "scheduler";
    struct store *store = store_fake_create();
    const struct store_collection *const all[] = { &restarts_collection, &leader_collection };
    struct error error;
    uint64_t epoch, rivals, version;
    assert_true(store_declare(store, all, 2, &error));
    assert_int_equal(leader_take(store, role, "1", 1, 1, &epoch, &error), STORE_DONE);
    struct worker *worker = worker_create(loop, "counting", 1, 4, &error);
    assert_non_null(worker);
    restarts =
        (struct restarts){ .health = &health, .worker = worker, .store = store, .role = role };
    beat(HEALTH_AUTH, 1, WIRE_STATE_RUNNING, "");
    write_starts(&restarts, epoch); /* reads */
    write_starts(&restarts, epoch);
    assert_int_equal(restarts_read(store, &list, &version, &error), STORE_DONE);
    assert_int_equal(version, 1);
    /* what was not written is written next, without a look between */
    beat(HEALTH_AUTH, 2, WIRE_STATE_RUNNING, "");
    store_fake_away(store, true);
    write_starts(&restarts, epoch);
    assert_true(restarts.failed && restarts.read);
    store_fake_away(store, false);
    write_starts(&restarts, epoch);
    assert_int_equal(restarts_read(store, &list, &version, &error), STORE_DONE);
    assert_int_equal(version, 2);
    /* another leads */
    assert_int_equal(leader_take(store, role, "2", 2, 1, &rivals, &error), STORE_DONE);
    beat(HEALTH_AUTH, 3, WIRE_STATE_RUNNING, "");
    for (unsigned i = 0; i < 4; i++)
        write_starts(&restarts, epoch);
    assert_int_equal(restarts_read(store, &list, &version, &error), STORE_DONE);
    assert_int_equal(version, 2);
    worker_destroy(worker);
    store_close(store);
}

static void of_very_many_instances_the_longest_silent_is_not_kept(void **state)
{
    (void)state;
    static struct restarts_list list, again;
    struct store *store = store_fake_create();
    const struct store_collection *const all[] = { &restarts_collection };
    struct error error;
    uint64_t version = 0;
    assert_true(store_declare(store, all, 1, &error));
    for (size_t i = 0; i < HEALTH_INSTANCES_MAX; i++) {
        list.known[i] = (struct health_known){ .component = HEALTH_AUTH,
                                               .boot_id = i + 1,
                                               .restarts = (unsigned)i,
                                               .seen_unix_ms = loop_unix_ms() - 1000 + i };
        memset(list.known[i].instance, 'x', 60);
        snprintf(list.known[i].instance + 60, 5, "%zu", i);
    }
    list.count = HEALTH_INSTANCES_MAX;
    assert_int_equal(restarts_write(store, &list, &version, &error), STORE_DONE);
    assert_int_equal(restarts_read(store, &again, &version, &error), STORE_DONE);
    assert_int_equal(again.count, HEALTH_INSTANCES_MAX);
    for (size_t i = 0; i < again.count; i++) {
        assert_string_equal(again.known[i].instance, list.known[i].instance);
        assert_int_equal(again.known[i].restarts, i);
        assert_true(again.known[i].boot_id == i + 1);
    }
    health_recall(&health, again.known, again.count);
    beat(HEALTH_PAYOUT, 1, WIRE_STATE_RUNNING, "");
    assert_int_equal(health_list_known(&health, loop_unix_ms(), list.known), HEALTH_INSTANCES_MAX);
    for (size_t i = 0; i < HEALTH_INSTANCES_MAX; i++)
        assert_true(list.known[i].component == HEALTH_PAYOUT || list.known[i].boot_id != 1);
    const uint64_t week_ms = (uint64_t)HEALTH_REMEMBER_DAYS * 86400000;
    assert_int_equal(health_list_known(&health, loop_unix_ms() + week_ms, list.known), 0);
    /* what another wrote meanwhile is not written over */
    uint64_t stale = version;
    assert_int_equal(restarts_write(store, &list, &version, &error), STORE_DONE);
    assert_int_equal(restarts_write(store, &list, &stale, &error), STORE_CONFLICT);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_dead_process_is_seen_within_three_seconds_and_one_lost_beat_is_none, begin, end),
        cmocka_unit_test_setup_teardown(an_instance_is_unhealthy_then_in_error_then_back, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            every_trouble_has_a_reason_and_something_to_do_the_worst_first, begin, end),
        cmocka_unit_test_setup_teardown(since_when_stays_the_same_while_the_trouble_does, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_others_wait_for_stands_before_those_who_wait, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_becomes_of_a_silent_one_is_told_as_it_is, begin, end),
        cmocka_unit_test_setup_teardown(more_troubles_than_there_is_room_for_are_cut, begin, end),
        cmocka_unit_test_setup_teardown(the_supervisors_attempts_are_read_and_told, begin, end),
        cmocka_unit_test_setup_teardown(starts_are_counted_also_over_those_of_the_scheduler, begin,
                                        end),
        cmocka_unit_test_setup_teardown(one_that_was_deposed_writes_no_starts, begin, end),
        cmocka_unit_test_setup_teardown(of_very_many_instances_the_longest_silent_is_not_kept,
                                        begin, end),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
