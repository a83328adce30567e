/* The dispatcher against validators over a window, on a bus that loses and cuts: whatever
 * happens, each share has one end, what was judged is in the window once, and what was said to be
 * dropped is never in it. */
#include "service/resolver/resolver.h"
#include "services/stratum-gateway/testing/dispatch_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void a_lone_share_leaves_at_once_and_a_flood_in_batches(void **state)
{
    (void)state;
    unsigned counts[4];
    world_begin(200, 5000);
    world_use(1);
    loop_run_once(w->loop, 0);
    assert_true(world_add());
    UNTIL(w->ended == 1);
    assert_int_equal(w->batches[0], 1);
    while (w->shares < 3000)
        assert_true(world_add());
    UNTIL(w->ended == w->shares);
    assert_true(w->batches[0] <= 2 + 3000 / DISPATCH_BATCH_MAX);
    world_check(counts);
    assert_int_equal(counts[JUDGED], w->shares);
    world_end();
}

static void shares_gather_behind_what_is_under_way(void **state)
{
    (void)state;
    world_begin(2000, 5000);
    world_use(1);
    w->mute[0] = true;
    loop_run_once(w->loop, 0);
    for (unsigned batch = 1; batch <= 3; batch++) {
        unsigned needed = batch == 1 ? 1 : (batch - 1) * 32;
        for (unsigned i = 0; i < needed; i++) {
            assert_int_equal(w->batches[0], batch - 1);
            assert_true(world_add());
            loop_run_once(w->loop, 0);
            loop_run_once(w->loop, 0);
        }
        assert_int_equal(w->batches[0], batch);
    }
    world_end();
}

static void whatever_goes_wrong_each_share_has_one_true_end(void **state)
{
    (void)state;
    unsigned counts[4];
    world_begin(30, 300);
    world_use(VALIDATORS);
    w->trouble = 30;
    for (unsigned round = 0; round < 1500; round++) {
        for (uint64_t burst = test_random_below(&w->random, 12); burst > 0; burst--)
            (void)world_add();
        switch (test_random_below(&w->random, 60)) {
        case 0:
            bus_fake_lose_requests(w->bus, 2);
            break;
        case 1:
            bus_fake_lose_replies(w->bus, 2);
            break;
        /* Requests are not doubled here: the bus delivers each at most once, which is what makes a
         * clear no of every validator that had a batch a proof that it was not applied. */
        case 3:
            bus_fake_cut(w->bus, w->urls[test_random_below(&w->random, VALIDATORS)]);
            break;
        case 4:
            for (unsigned i = 0; i < VALIDATORS; i++)
                bus_fake_mend(w->bus, w->urls[i]);
            break;
        case 5:
            w->not_durable = !w->not_durable;
            break;
        case 6:
            world_use(1 + (unsigned)test_random_below(&w->random, VALIDATORS));
            break;
        default:
            break;
        }
        if (round == 900)
            dispatcher_set_lease(w->dispatcher, 2);
        world_pass(1);
        world_check(counts);
    }
    w->trouble = 0;
    w->not_durable = false;
    world_use(VALIDATORS);
    for (unsigned i = 0; i < VALIDATORS; i++)
        bus_fake_mend(w->bus, w->urls[i]);
    UNTIL(w->ended == w->shares);
    /* Anything still under way somewhere must come to nothing. */
    assert_true(world_add());
    UNTIL(w->ended == w->shares);
    world_pass(100);
    world_check(counts);
    printf("%u shares: %u judged, %u dropped, %u unknown\n", w->shares, counts[JUDGED],
           counts[DROPPED], counts[UNKNOWN]);
    assert_true(counts[JUDGED] > w->shares / 10);
    world_end();
}

static void a_mute_validator_holds_up_nobody_for_long(void **state)
{
    (void)state;
    world_begin(50, 5000);
    world_use(2);
    w->mute[0] = true;
    loop_run_once(w->loop, 0);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(world_add());
        world_pass(1);
    }
    UNTIL(w->ended == w->shares);
    /* After it failed it is tried seldom. */
    unsigned tried = w->batches[0];
    assert_true(tried <= 40);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(world_add());
        UNTIL(w->ended == w->shares);
    }
    assert_true(w->batches[0] <= tried + 5);
    world_end();
}

static void a_lone_validator_whose_batches_time_out_is_no_healthy_one(void **state)
{
    (void)state;
    world_begin(50, 5000);
    world_use(1);
    UNTIL(dispatcher_counts(w->dispatcher).healthy == 1);
    w->mute[0] = true;
    assert_true(world_add());
    UNTIL(dispatcher_counts(w->dispatcher).healthy == 0);
    /* It stays so however often it is tried. */
    const uint64_t timeouts = dispatcher_counts(w->dispatcher).timeouts;
    while (dispatcher_counts(w->dispatcher).timeouts < timeouts + 5) {
        world_pass(1);
        assert_int_equal(dispatcher_counts(w->dispatcher).healthy, 0);
    }
    w->mute[0] = false;
    UNTIL(w->ended == w->shares);
    assert_int_equal(dispatcher_counts(w->dispatcher).healthy, 1);
    world_end();
}

static void a_lone_validator_that_comes_back_is_used_within_a_moment(void **state)
{
    (void)state;
    world_begin(50, 5000);
    world_use(1);
    w->mute[0] = true;
    loop_run_once(w->loop, 0);
    uint64_t end_ns = loop_clock_ns() + 1000000000u;
    while (loop_clock_ns() < end_ns) {
        if (w->shares < 1000)
            assert_true(world_add());
        world_pass(5);
    }
    w->mute[0] = false;
    uint64_t back_ns = loop_clock_ns();
    UNTIL(w->ended == w->shares);
    assert_true(loop_clock_ns() - back_ns < 1000000000u);
    unsigned counts[4];
    world_check(counts);
    assert_int_equal(counts[JUDGED], w->shares);
    world_end();
}

static void what_is_held_is_bounded(void **state)
{
    (void)state;
    world_begin(50, 400);
    loop_run_once(w->loop, 0); /* no validator at all */
    while (world_add())
        ;
    assert_int_equal(w->shares, 4000);
    assert_int_equal(dispatcher_counts(w->dispatcher).held, 4000);
    UNTIL(w->ended == w->shares);
    unsigned counts[4];
    world_check(counts);
    assert_int_equal(counts[DROPPED], w->shares); /* provably: they never left */
    world_end();
}

/* Shares of a steady stream, a millisecond's at a time, until the time is over. */
static void stream(unsigned ms, unsigned shares_a_ms)
{
    for (uint64_t begin_ns = loop_clock_ns(), sent = 0; sent < (uint64_t)ms * shares_a_ms;) {
        uint64_t due = (loop_clock_ns() - begin_ns) / 1000000u * shares_a_ms;
        for (; sent < due && sent < (uint64_t)ms * shares_a_ms; sent++)
            assert_true(world_add());
        loop_run_once(w->loop, 1);
    }
}

static void check_all_judged(void)
{
    unsigned counts[4];
    UNTIL(w->ended == w->shares);
    world_check(counts);
    assert_int_equal(counts[JUDGED], w->shares);
}

static void a_silent_validators_batches_go_elsewhere_long_before_the_time_out(void **state)
{
    (void)state;
    world_begin(5000, 20000);
    world_use(2);
    loop_run_once(w->loop, 0);
    stream(50, 10);
    w->mute[0] = true;
    stream(300, 10);
    uint64_t begin_ns = loop_clock_ns();
    check_all_judged();
    assert_true(loop_clock_ns() - begin_ns < 1000000000u);
    struct dispatcher_counts counts = dispatcher_counts(w->dispatcher);
    assert_true(counts.hedged > 0);
    assert_int_equal(counts.timeouts, 0);
    assert_int_equal(counts.healthy, 1);
    world_end();
}

static void a_lost_validator_is_probed_with_copies_and_used_again_when_it_answers(void **state)
{
    (void)state;
    world_begin(100, 5000);
    world_use(2);
    loop_run_once(w->loop, 0);
    w->mute[0] = true;
    stream(250, 10);
    UNTIL(w->ended == w->shares);
    assert_int_equal(dispatcher_counts(w->dispatcher).healthy, 1);
    /* While it is lost no share waits for it. */
    for (unsigned i = 0; i < 150; i++) {
        uint64_t begin_ns = loop_clock_ns();
        assert_true(world_add());
        UNTIL(w->ended == w->shares);
        assert_true(loop_clock_ns() - begin_ns < 90000000u);
        world_pass(1);
    }
    assert_true(dispatcher_counts(w->dispatcher).probes > 0);
    w->mute[0] = false;
    unsigned before = w->judged[0];
    UNTIL_BY(stream(1, 10), dispatcher_counts(w->dispatcher).healthy == 2, "");
    stream(200, 10);
    check_all_judged();
    assert_true(w->judged[0] > before);
    world_end();
}

static void work_spreads_by_what_each_validator_answers(void **state)
{
    (void)state;
    world_begin(2000, 20000);
    world_use(3);
    w->us_a_share[0] = 10;
    w->us_a_share[1] = 10;
    w->us_a_share[2] = 200;
    loop_run_once(w->loop, 0);
    stream(300, 30);
    check_all_judged();
    printf("judged by the quick ones %u and %u, by the slow one %u\n", w->judged[0], w->judged[1],
           w->judged[2]);
    assert_true(w->judged[2] > 0);
    assert_true(w->judged[0] > 3 * w->judged[2] && w->judged[1] > 3 * w->judged[2]);
    assert_int_equal(dispatcher_counts(w->dispatcher).timeouts, 0);
    world_end();
}

static void a_flood_keeps_quick_and_slow_validators_busy_alike(void **state)
{
    (void)state;
    world_begin(2000, 20000);
    world_use(3);
    w->us_a_share[0] = 20;
    w->us_a_share[1] = 20;
    w->us_a_share[2] = 100;
    loop_run_once(w->loop, 0);
    for (uint64_t end_ns = loop_clock_ns() + 250000000u; loop_clock_ns() < end_ns;) {
        while (w->shares < SHARES_MAX - 1 && world_add())
            continue;
        loop_run_once(w->loop, 1);
    }
    check_all_judged();
    printf("judged by the quick ones %u and %u, by the slow one %u\n", w->judged[0], w->judged[1],
           w->judged[2]);
    for (unsigned i = 0; i < 2; i++) /* a fifth, more or less */
        assert_true(w->judged[2] > w->judged[i] / 15 && w->judged[2] < w->judged[i] / 2);
    assert_int_equal(dispatcher_counts(w->dispatcher).timeouts, 0);
    world_end();
}

static void a_validator_that_says_it_leaves_gets_nothing_more(void **state)
{
    (void)state;
    world_begin(1000, 20000);
    world_use(2);
    loop_run_once(w->loop, 0);
    stream(50, 10);
    w->leaving[0] = true;
    stream(50, 10);
    unsigned told = w->batches[0];
    stream(300, 10);
    check_all_judged();
    assert_int_equal(w->batches[0], told);
    assert_int_equal(dispatcher_counts(w->dispatcher).healthy, 1);
    world_end();
}

static void a_verdict_from_a_newer_list_is_an_unknown_end(void **state)
{
    (void)state;
    unsigned counts[4];
    world_begin(1000, 20000);
    world_use(1);
    w->outcome = SHARE_OUTCOMES_COUNT; /* the first of the next release */
    loop_run_once(w->loop, 0);
    for (unsigned i = 0; i < 2 * DISPATCH_BATCH_MAX; i++)
        assert_true(world_add());
    UNTIL(w->ended == w->shares);
    world_check(counts);
    assert_true(counts[UNKNOWN] > 0 && counts[JUDGED] > 0);
    for (unsigned i = 0; i < w->shares; i++) /* so it must not be sent again */
        assert_true(w->in_window[i] == 1 && w->ends[i] != DROPPED);
    w->outcome = UINT8_MAX;
    unsigned before = counts[UNKNOWN];
    for (unsigned i = 0; i < 2 * DISPATCH_BATCH_MAX; i++)
        assert_true(world_add());
    UNTIL(w->ended == w->shares);
    world_check(counts);
    assert_true(counts[UNKNOWN] > before);
    world_end();
}

/* A name whose addresses change, as behind a headless service. */
struct names {
    _Atomic unsigned count;
    _Atomic bool broken;
};

static bool lookup(void *context, const char *host, const char *port, struct resolver_list *list)
{
    const struct names *names = context;
    assert_string_equal(host, "validators.pool");
    assert_string_equal(port, "9000");
    for (unsigned i = 0; i < names->count && !names->broken; i++) {
        char url[64];
        snprintf(url, sizeof url, "fake://validator-%u", i);
        resolver_list_add(list, url);
    }
    return !names->broken;
}

static bool use(void *dispatcher, const char (*addresses)[RESOLVER_URL_BYTES], size_t count)
{
    return dispatcher_set_validators(dispatcher, addresses, count);
}

static bool are_used(unsigned count)
{
    struct dispatcher_counts counts = dispatcher_counts(w->dispatcher);
    return counts.healthy == count && counts.validators == count;
}

static bool all_judged_more(unsigned count, const unsigned *before)
{
    for (unsigned k = 0; k < count; k++)
        if (w->judged[k] == before[k])
            return false;
    return true;
}

static void validators_behind_a_name_come_and_go_and_every_share_counts_once(void **state)
{
    (void)state;
    char name[] = "tcp://validators.pool:9000";
    char *urls[] = { name };
    static struct names names; /* static: looked at by a thread until it is told to end */
    names.count = 1;
    struct resolver_options options = { .setting = "validators",
                                        .urls = urls,
                                        .count = 1,
                                        .refresh_ms = 50,
                                        .use = use,
                                        .lookup = lookup,
                                        .context = &names };
    static const unsigned steps[] = { 1, 3, 2, 1, 3 };
    struct error error;
    world_begin(400, 20000);
    world_take_real_time();
    options.user = w->dispatcher;
    struct resolver *resolver = resolver_create(w->loop, &options, &error);
    assert_non_null(resolver);
    for (unsigned i = 0; i < VALIDATORS; i++)
        w->us_a_share[i] = 20;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        unsigned before[VALIDATORS];
        names.count = steps[i];
        UNTIL_BY(stream(5, 10), are_used(steps[i]), "");
        UNTIL(w->ended == w->shares); /* those that left have answered what they had */
        memcpy(before, w->judged, sizeof before);
        UNTIL_BY(stream(5, 10), all_judged_more(steps[i], before), "");
        for (unsigned k = steps[i]; k < VALIDATORS; k++)
            assert_int_equal(w->judged[k], before[k]);
    }
    names.broken = true; /* a server of names that is away takes no validator */
    stream(120, 10);
    assert_int_equal(dispatcher_counts(w->dispatcher).validators, 3);
    check_all_judged();
    resolver_destroy(resolver);
    world_end();
}

static void sockets_found_by_a_pattern_and_numbered_ones_are_used(void **state)
{
    (void)state;
    char folder[] = "/tmp/adit-names-XXXXXX", pattern[64], numbered[64], path[96];
    struct error error;
    assert_non_null(mkdtemp(folder));
    snprintf(pattern, sizeof pattern, "ipc://%s/v-*.rep", folder);
    snprintf(numbered, sizeof numbered, "ipc://%s/n-{3..5}.rep", folder);
    char *urls[] = { pattern, numbered };
    struct resolver_options options = {
        .setting = "validators", .urls = urls, .count = 2, .refresh_ms = 100, .use = use
    };
    world_begin(400, 20000);
    world_take_real_time();
    for (char c = 'a'; c <= 'b'; c++) {
        snprintf(path, sizeof path, "%s/v-%c.rep", folder, c);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
    options.user = w->dispatcher;
    struct resolver *resolver = resolver_create(w->loop, &options, &error);
    assert_non_null(resolver);
    assert_int_equal(dispatcher_counts(w->dispatcher).validators, 3 + 2);
    unlink(path); /* kept for a few looks, then let go */
    loop_run_once(w->loop, 150);
    assert_int_equal(dispatcher_counts(w->dispatcher).validators, 3 + 2);
    UNTIL(dispatcher_counts(w->dispatcher).validators == 3 + 1);
    resolver_destroy(resolver);
    world_end();
    snprintf(path, sizeof path, "%s/v-a.rep", folder);
    unlink(path);
    rmdir(folder);
}

/* Those of the old list fill the room until their requests are answered. */
static void a_validator_that_could_not_be_opened_is_tried_again(void **state)
{
    (void)state;
    static char old[VALIDATORS_MAX][VALIDATORS_URL_BYTES];
    char one[] = "fake://validator-0";
    char *urls[] = { one };
    struct resolver_options options = {
        .setting = "validators", .urls = urls, .count = 1, .refresh_ms = 50, .use = use
    };
    struct error error;
    world_begin(400, 20000);
    world_take_real_time();
    for (unsigned i = 0; i < VALIDATORS_MAX; i++)
        snprintf(old[i], sizeof old[i], "fake://old-%u", i);
    assert_true(dispatcher_set_validators(w->dispatcher, (const char(*)[VALIDATORS_URL_BYTES])old,
                                          VALIDATORS_MAX));
    options.user = w->dispatcher;
    struct resolver *resolver = resolver_create(w->loop, &options, &error);
    assert_non_null(resolver);
    assert_int_equal(dispatcher_counts(w->dispatcher).validators, 0);
    UNTIL(dispatcher_counts(w->dispatcher).healthy == 1);
    assert_int_equal(dispatcher_counts(w->dispatcher).validators, 1);
    stream(20, 10);
    check_all_judged();
    resolver_destroy(resolver);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_share_leaves_at_once_and_a_flood_in_batches),
        cmocka_unit_test(shares_gather_behind_what_is_under_way),
        cmocka_unit_test(whatever_goes_wrong_each_share_has_one_true_end),
        cmocka_unit_test(a_mute_validator_holds_up_nobody_for_long),
        cmocka_unit_test(a_lone_validator_whose_batches_time_out_is_no_healthy_one),
        cmocka_unit_test(a_lone_validator_that_comes_back_is_used_within_a_moment),
        cmocka_unit_test(what_is_held_is_bounded),
        cmocka_unit_test(a_silent_validators_batches_go_elsewhere_long_before_the_time_out),
        cmocka_unit_test(a_lost_validator_is_probed_with_copies_and_used_again_when_it_answers),
        cmocka_unit_test(work_spreads_by_what_each_validator_answers),
        cmocka_unit_test(a_flood_keeps_quick_and_slow_validators_busy_alike),
        cmocka_unit_test(a_validator_that_says_it_leaves_gets_nothing_more),
        cmocka_unit_test(a_verdict_from_a_newer_list_is_an_unknown_end),
        cmocka_unit_test(validators_behind_a_name_come_and_go_and_every_share_counts_once),
        cmocka_unit_test(sockets_found_by_a_pattern_and_numbered_ones_are_used),
        cmocka_unit_test(a_validator_that_could_not_be_opened_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
