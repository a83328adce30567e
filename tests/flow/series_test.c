/* The series of hashrate and shares through deaths, held against the window share by share: a pool
 * on SQLite (or MongoDB: `mongo`) and a real Redis, miners of a fixed difficulty. What the API says
 * of the pool, each account and each worker, over a minute, ten minutes, an hour and a day and
 * point by point, is what a sum over all shares of the window says; also when all five processes
 * were killed at once, while miners mined or not, when the scheduler was killed between two pages
 * of a save, when the window's shares are gone, and when another scheduler took over.
 *
 * ADIT_KILLS: how often of each (default 1, at most 6). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/ferretdb/server.h"
#include "tests/flow/series_look.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HASHRATE = 40000, PATIENCE_S = 120 };

static struct mongo_server mongo; /* url "": it is SQLite */
static unsigned rounds = 1;

static bool is_read(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    return series_look();
}

static bool all_agree(const struct pool_fixture *self, void *context)
{
    (void)self;
    (void)context;
    return series_look() && series_agree();
}

static void expect_nothing_lost(bool same)
{
    if (!series_nothing_lost(same))
        fail_msg("%s", ground.problem);
}

/* What it has read last may be a second older than what the other had. */
static bool is_no_less(const struct pool_fixture *self, void *context)
{
    return is_read(self, context) && series_nothing_lost(false);
}

/* As pool_wait, but that the last thing that was wrong is said. */
static void wait_until(const char *what,
                       bool (*condition)(const struct pool_fixture *self, void *context),
                       void *context)
{
    uint64_t deadline_ms = series_unix_ms() + 1000 * PATIENCE_S;
    while (!condition(&ground.pool, context)) {
        if (series_unix_ms() > deadline_ms) {
            pool_print_logs(&ground.pool);
            fail_msg("still not %s: %s", what, ground.problem);
        }
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
}

/* --- the pool ----------------------------------------------------------------------------- */

static void mine(void)
{
    for (unsigned i = 0; i < SERIES_WORKERS; i++) {
        char user[160];
        snprintf(user, sizeof user, "%s.w%u", ground.accounts[i % SERIES_ACCOUNTS], i);
        pool_add_miner(&ground.pool, user, HASHRATE);
    }
}

/* Of those that mine: what they saw accepted, and at most got no answer to. */
static void end_mining(int64_t *accepted, int64_t *unanswered)
{
    for (size_t i = 0; i < ground.pool.miner_count; i++) {
        struct pool_miner_report report;
        pool_end_miner(&ground.pool, i, &report);
        *accepted += (int64_t)report.accepted;
        *unanswered += (int64_t)report.unanswered;
    }
    ground.pool.miner_count = 0;
}

static bool each_has(const struct pool_fixture *self, void *context)
{
    (void)self;
    return series_look() && (series_least() >= *(const int64_t *)context ||
                             series_wrong("the least has %" PRId64 " shares", series_least()));
}

static void wait_for_more(int64_t more)
{
    int64_t least = more + (series_look() ? series_least() : 0);
    wait_until("enough shares", each_has, &least);
}

static bool is_another(const struct pool_fixture *self, void *context)
{
    pid_t pid = pool_pid(self, "inode-scheduler", NULL);
    return pid > 0 && pid != *(const pid_t *)context;
}

static void kill_all_five(void)
{
    static const char *const names[] = { "stratum-gateway", "share-validator",
                                         "inode-scheduler", "auth",
                                         "payout",          NULL };
    pid_t pid = pool_pid(&ground.pool, "inode-scheduler", NULL);
    pool_kill(&ground.pool, names);
    wait_until("another scheduler", is_another, &pid);
}

static void start(unsigned schedulers)
{
    char settings[1400];
    snprintf(settings, sizeof settings,
             "{\"devnode\":{\"block_interval_s\":30},\"service\":{\"requests_per_s\":0},"
             "\"stratum\":{\"start_difficulty\":\"0.000002\",\"min_difficulty\":\"0.000002\","
             "\"max_difficulty\":\"0.000002\"},"
             "\"time\":{\"keep_series\":1},\"scheduler\":{\"instances\":%u}%s%s%s}",
             schedulers, mongo.url[0] != '\0' ? ",\"store\":{\"url\":\"" : "", mongo.url,
             mongo.url[0] != '\0' ? "\"}" : "");
    pool_start(&ground.pool, settings, false);
    ground.api_port = ground.pool.api_port;
    snprintf(ground.accounts[0], sizeof ground.accounts[0], "%.120s", ground.pool.pool_address);
    json_t *address = pool_node(&ground.pool, "getnewaddress", "[]");
    assert_non_null(json_string_value(address));
    snprintf(ground.accounts[1], sizeof ground.accounts[1], "%.120s", json_string_value(address));
    json_decref(address);
}

/* --- what is shown ------------------------------------------------------------------------ */

/* After mining has ended: the API says what the window has, and no miner saw more or less. */
static void settle(void)
{
    int64_t accepted = 0, unanswered = 0;
    end_mining(&accepted, &unanswered);
    series_read_window();
    wait_until("the same as the window", all_agree, NULL);
    assert_in_range(ground.share_count, accepted, accepted + unanswered);
}

static void every_window_is_the_sum_of_its_shares(void **state)
{
    (void)state;
    mine();
    wait_for_more(5);
    series_read_window();
    for (size_t i = 1; i < ground.share_count;
         i++) /* the work is known: it is that of the difficulty */
        assert_int_equal(ground.shares[i].work, ground.shares[0].work);
}

static void nothing_is_lost_or_doubled_when_all_five_die_while_miners_mine(void **state)
{
    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        wait_until("read", is_read, NULL);
        series_remember();
        kill_all_five();
        wait_until("read again", is_read, NULL);
        expect_nothing_lost(false);
        wait_for_more(2);
    }
}

static bool is_saved(const struct pool_fixture *self, void *context)
{
    (void)self;
    struct series_reached reached = series_reach(context);
    return window_position_compare(&reached.through, &ground.newest) >= 0
               ? true
               : series_wrong("the store is not so far");
}

/* Stopped there, so that it is between two pages when it dies. */
static void kill_between_two_pages(const char *instance)
{
    struct store *store = series_open_store(mongo.url);
    uint64_t deadline_ms = series_unix_ms() + 1000 * PATIENCE_S;
    bool killed = false;
    while (!killed) {
        if (series_unix_ms() > deadline_ms)
            fail_msg("no round of writing was ever seen half done");
        if (!series_is_between(store))
            continue;
        pid_t pid = pool_signal(&ground.pool, "inode-scheduler", instance, SIGSTOP);
        killed = series_is_between(store);
        pool_signal_pid(pid, killed ? SIGKILL : SIGCONT);
    }
    store_close(store);
}

static void a_save_that_is_cut_short_costs_nothing(void **state)
{
    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        wait_until("read", is_read, NULL);
        series_remember();
        pid_t pid = pool_pid(&ground.pool, "inode-scheduler", NULL);
        kill_between_two_pages("1");
        wait_until("another scheduler", is_another, &pid);
        wait_until("read again", is_read, NULL);
        expect_nothing_lost(false);
        wait_for_more(1);
    }
    settle();
}

/* Nobody mines: every bucket is to be as it was, to the share and to its work. */
static void every_series_is_the_same_after_all_five_died(void **state)
{
    (void)state;
    series_remember();
    kill_all_five();
    wait_until("read again", is_read, NULL);
    expect_nothing_lost(true);
    wait_until("the same as the window", all_agree, NULL);
}

/* What is saved needs no window any more. */
static void every_series_is_the_same_where_the_window_has_nothing_left(void **state)
{
    (void)state;
    struct store *store = series_open_store(mongo.url);
    wait_until("saved", is_saved, store);
    store_close(store);
    series_remember();
    series_lose_window();
    kill_all_five();
    wait_until("read again", is_read, NULL);
    expect_nothing_lost(true);
}

static int begin(void **state)
{
    (void)state;
    start(1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&ground.pool);
    return 0;
}

/* --- two schedulers ----------------------------------------------------------------------- */

static const char *const logs[] = { "inode-scheduler", "inode-scheduler-2" };
static const char *const instances[] = { "1", "2" };

static bool log_value(size_t which, const char *words, char value_r[80])
{
    char path[160];
    snprintf(path, sizeof path, "%s/log/%s.log", ground.pool.data, logs[which]);
    return pool_log_value(path, words, value_r);
}

static unsigned long epoch_of(size_t which)
{
    char value[80] = "0";
    (void)log_value(which, " leader.taken epoch=", value);
    return strtoul(value, NULL, 10);
}

static size_t leader(void)
{
    return epoch_of(0) > epoch_of(1) ? 0 : 1;
}

/* From now on that one is asked. */
static void ask(size_t which)
{
    char address[80] = "";
    assert_true(log_value(which, " http.listen address=", address));
    assert_non_null(strrchr(address, ':'));
    ground.api_port = (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10);
}

static bool two_are_there(const struct pool_fixture *self, void *context)
{
    char value[80];
    (void)context;
    for (size_t i = 0; i < 2; i++)
        if (pool_pid_of(self, logs[0], instances[i], NULL) <= 0 ||
            !log_value(i, " http.listen address=", value))
            return series_wrong("scheduler %s is not there", instances[i]);
    return epoch_of(leader()) > 0 && log_value(1 - leader(), " leader.waits", value);
}

static bool another_leads(const struct pool_fixture *self, void *context)
{
    (void)self;
    return epoch_of(leader()) > *(const unsigned long *)context;
}

static int begin_two(void **state)
{
    (void)state;
    start(2);
    wait_until("two schedulers", two_are_there, NULL);
    ask(leader());
    mine();
    wait_for_more(3);
    return 0;
}

static void who_takes_over_has_the_series_of_who_led(void **state)
{
    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        wait_until("two schedulers", two_are_there, NULL);
        size_t led = leader();
        unsigned long epoch = epoch_of(led);
        ask(led);
        wait_until("read", is_read, NULL);
        series_remember();
        if (round % 2 == 1)
            (void)pool_signal(&ground.pool, logs[0], instances[led], SIGKILL);
        else
            kill_between_two_pages(instances[led]);
        wait_until("another leader", another_leads, &epoch);
        ask(leader());
        wait_until("read", is_read, NULL);
        wait_until("no less than the old leader's", is_no_less, NULL);
        wait_for_more(2);
    }
    /* Also the one that stands by. */
    wait_until("two schedulers", two_are_there, NULL);
    ask(leader());
    settle();
    series_remember();
    ask(1 - leader());
    wait_until("the same as the window", all_agree, NULL);
    expect_nothing_lost(true);
}

int main(int argc, char **argv)
{
    struct error error;
    if (getenv("ADIT_BUILD") == NULL) {
        printf("SKIPPED: ADIT_BUILD does not name a build folder\n");
        return 77;
    }
    if (argc > 2 && strcmp(argv[2], "mongo") == 0 && !mongo_server_start(&mongo, &error)) {
        printf("SKIPPED: %s\n", error.text);
        return 77;
    }
    if (getenv("ADIT_KILLS") != NULL)
        rounds = (unsigned)strtoul(getenv("ADIT_KILLS"), NULL, 10);
    rounds = rounds < 1 ? 1 : rounds > 6 ? 6 : rounds;
    const struct CMUnitTest one[] = {
        cmocka_unit_test(every_window_is_the_sum_of_its_shares),
        cmocka_unit_test(nothing_is_lost_or_doubled_when_all_five_die_while_miners_mine),
        cmocka_unit_test(a_save_that_is_cut_short_costs_nothing),
        cmocka_unit_test(every_series_is_the_same_after_all_five_died),
        cmocka_unit_test(every_series_is_the_same_where_the_window_has_nothing_left),
    };
    const struct CMUnitTest two[] = {
        cmocka_unit_test(who_takes_over_has_the_series_of_who_led),
    };
    int failed = argc > 1 && strcmp(argv[1], "takeover") == 0
                     ? cmocka_run_group_tests_name("series of two", two, begin_two, end)
                     : cmocka_run_group_tests_name("series", one, begin, end);
    mongo_server_stop(&mongo);
    return failed;
}
