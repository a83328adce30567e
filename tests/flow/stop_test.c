/* Each of the five processes is told to stop, by SIGTERM and by SIGINT, while miners mine: it ends
 * within five seconds (printed; a busy machine is given more), in order, and is started again.
 * What was in flight is finished or handed back: every share a miner read `true` for is counted,
 * blocks are known once, and the books agree.
 *
 * ADIT_STOPS: how often each (default 1). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MINERS = 3, WAIT_S = 60, STOPS_MAX = 400 };

static struct pool_fixture pool;
static unsigned stops = 1;

static const char *const processes[] = { "stratum-gateway", "share-validator", "inode-scheduler",
                                         "auth", "payout" };

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool has_ended(const struct pool_fixture *self, void *context)
{
    (void)self;
    return kill(*(const pid_t *)context, 0) != 0 && errno == ESRCH;
}

struct reborn {
    const char *name;
    pid_t before;
};

static bool is_reborn(const struct pool_fixture *self, void *context)
{
    const struct reborn *reborn = context;
    pid_t pid = pool_pid(self, reborn->name, NULL);
    return pid != 0 && pid != reborn->before;
}

/* Waits more finely than pool_wait, which looks 20 times a second. */
static uint64_t await_end(pid_t pid, uint64_t began_ms)
{
    for (int i = 0; i < 5000 && !has_ended(&pool, &pid); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    pool_wait(&pool, "the process that was told to stop has ended", WAIT_S, has_ended, &pid);
    return now_ms() - began_ms;
}

static uint64_t stop_one(const char *name, int signal_number)
{
    json_int_t shares = books_shares(&pool);
    pool_wait(&pool, "shares flow", WAIT_S, books_more_shares, &shares);
    struct reborn reborn = { name, pool_pid(&pool, name, NULL) };
    assert_true(reborn.before > 0);
    const uint64_t began_ms = now_ms();
    assert_int_equal(kill(reborn.before, signal_number), 0);
    const uint64_t took_ms = await_end(reborn.before, began_ms);
    pool_wait(&pool, "it is started again", WAIT_S, is_reborn, &reborn);
    shares = books_shares(&pool);
    pool_wait(&pool, "shares flow again", WAIT_S, books_more_shares, &shares);
    return took_ms;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void every_process_stops_in_order_while_it_works(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof processes / sizeof *processes; i++) {
        static uint64_t took_ms[STOPS_MAX];
        size_t count = 0;
        for (unsigned k = 0; k < 2 * stops && count < STOPS_MAX; k++)
            took_ms[count++] = stop_one(processes[i], k % 2 == 0 ? SIGTERM : SIGINT);
        qsort(took_ms, count, sizeof *took_ms, by_value);
        printf("%s: %zu stops, median %" PRIu64 " ms, longest %" PRIu64 " ms\n", processes[i],
               count, took_ms[count / 2], took_ms[count - 1]);
    }
}

/* Each ended by itself, with 0: the supervisor says how. */
static void each_end_was_an_orderly_one(void **state)
{
    (void)state;
    char path[160], line[1024];
    unsigned ended = 0, orderly = 0;
    snprintf(path, sizeof path, "%s/log/adit.log", pool.data);
    FILE *log = fopen(path, "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL) {
        if (strstr(line, "starting it again") == NULL)
            continue;
        ended++;
        orderly += strstr(line, "exit code 0") != NULL;
        if (strstr(line, "exit code 0") == NULL)
            printf("%s", line);
    }
    fclose(log);
    assert_true(ended >= 2 * stops * sizeof processes / sizeof *processes);
    assert_int_equal(orderly, ended);
}

static bool counts_all(const struct pool_fixture *self, void *context)
{
    return books_shares(self) >= *(const json_int_t *)context;
}

static void nothing_in_flight_was_lost(void **state)
{
    (void)state;
    struct pool_miner_report all = { 0 };
    struct books_sum sum;
    for (size_t i = 0; i < MINERS; i++) {
        struct pool_miner_report one;
        pool_end_miner(&pool, i, &one);
        all.submitted += one.submitted;
        all.accepted += one.accepted;
        all.rejected += one.rejected;
        all.unanswered += one.unanswered;
    }
    json_int_t accepted = (json_int_t)all.accepted;
    pool_wait(&pool, "every share a miner saw accepted is counted", WAIT_S, counts_all, &accepted);
    json_int_t counted = books_shares(&pool);
    printf("submitted %" PRIu64 ", accepted %" PRIu64 ", rejected %" PRIu64 ", unanswered %" PRIu64
           "; counted %lld\n",
           all.submitted, all.accepted, all.rejected, all.unanswered, (long long)counted);
    assert_true(counted <= (json_int_t)(all.accepted + all.unanswered));
    books_bury(&pool);
    pool_wait(&pool, "every block of the chain is known once and matured", 90, books_all_matured,
              &sum);
    books_check_ledger(&pool, &sum);
}

static int begin(void **state)
{
    (void)state;
    pool_start(&pool, "{\"stratum\":{\"share_interval_ms\":100},\"payout\":{\"enabled\":false}}",
               false);
    pool_add_miners(&pool, MINERS, 30000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

int main(void)
{
    stops = books_number("ADIT_STOPS", stops);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_process_stops_in_order_while_it_works),
        cmocka_unit_test(each_end_was_an_orderly_one),
        cmocka_unit_test(nothing_in_flight_was_lost),
    };
    return cmocka_run_group_tests_name("orderly stops", tests, begin, end);
}
