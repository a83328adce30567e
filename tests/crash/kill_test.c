/* kill -9 of one process, again and again while miners mine, and then the books:
 *
 *   - every share a miner saw accepted is counted, and beyond these only shares whose answer was in
 *     flight at a kill;
 *   - every block the node has that pays to the pool is known and matured;
 *   - the ledger sums to the rewards of these blocks, to the base unit, and the audit agrees.
 *
 * The process's name is the argument. ADIT_KILLS: how often (default 2). ADIT_SEED: the moments. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/crash/books.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct pool_fixture pool;
static const char *victim;
static unsigned kills = 2;
static unsigned seed;

enum { MINERS = 2, RECOVERY_S = 60 };

struct rebirth {
    pid_t old;
};

static bool reborn(const struct pool_fixture *self, void *context)
{
    pid_t pid = pool_pid(self, victim, NULL);
    return pid != 0 && pid != ((struct rebirth *)context)->old;
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void kill_at_random_moments(void)
{
    for (unsigned i = 0; i < kills; i++) {
        json_int_t before = books_shares(&pool);
        pool_wait(&pool, "shares flow before a kill", RECOVERY_S, books_more_shares, &before);
        seed = seed * 1103515245u + 12345u;
        nanosleep(&(struct timespec){ .tv_nsec = (long)(seed >> 8) % 900000000 }, NULL);
        struct rebirth rebirth = { .old = pool_pid(&pool, victim, NULL) };
        assert_true(rebirth.old > 0);
        uint64_t killed_ms = clock_ms();
        pool_kill(&pool, (const char *const[]){ victim, NULL });
        pool_wait(&pool, "it is started again", RECOVERY_S, reborn, &rebirth);
        before = books_shares(&pool);
        pool_wait(&pool, "shares flow again", RECOVERY_S, books_more_shares, &before);
        printf("%s killed: shares counted again after %" PRIu64 " ms\n", victim,
               clock_ms() - killed_ms);
    }
}

/* The API tells what the window counts a second late. */
static bool counted_at_least(const struct pool_fixture *self, void *context)
{
    return books_shares(self) >= (json_int_t) * (const uint64_t *)context;
}

/* However lucky the miners are: without a block there is nothing to hold the ledger against. */
static bool a_block_is_found(const struct pool_fixture *self, void *context)
{
    (void)context;
    json_t *count = pool_node(self, "getblockcount", "[]");
    bool yes = json_integer_value(count) > 0;
    json_decref(count);
    return yes;
}

static void the_books_are_right_after_kills(void **state)
{
    (void)state;
    struct pool_miner_report reports[MINERS], all = { 0 };
    pool_add_miners(&pool, MINERS, 30000);
    json_int_t none = 10;
    pool_wait(&pool, "the first shares", 30, books_more_shares, &none);
    kill_at_random_moments();
    pool_wait(&pool, "a block is found", 60, a_block_is_found, NULL);
    for (size_t i = 0; i < MINERS; i++) {
        pool_end_miner(&pool, i, &reports[i]);
        all.submitted += reports[i].submitted;
        all.accepted += reports[i].accepted;
        all.rejected += reports[i].rejected;
        all.unanswered += reports[i].unanswered;
    }
    books_bury(&pool);
    struct books_sum sum;
    pool_wait(&pool, "every block of the chain is known and matured", 60, books_all_matured, &sum);
    pool_wait(&pool, "every share a miner saw accepted is counted", 5, counted_at_least,
              &all.accepted);
    uint64_t counted = (uint64_t)books_shares(&pool);
    printf("submitted %" PRIu64 ", accepted %" PRIu64 ", rejected %" PRIu64 ", unanswered %" PRIu64
           "; counted %" PRIu64 "; %u blocks\n",
           all.submitted, all.accepted, all.rejected, all.unanswered, counted, sum.blocks);
    assert_true(counted <= all.accepted + all.unanswered);
    assert_true(sum.blocks > 0);
    books_check_ledger(&pool, &sum);
}

static int begin(void **state)
{
    (void)state;
    /* Payments are tested elsewhere: here every unit stays in the ledger's balances. */
    pool_start(&pool, "{\"payout\":{\"enabled\":false},\"stratum\":{\"share_interval_ms\":200}}",
               false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pool_end(&pool);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "kill_test PROCESS\n");
        return 64;
    }
    victim = argv[1];
    seed = books_seed();
    kills = books_number("ADIT_KILLS", kills);
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_books_are_right_after_kills) };
    return cmocka_run_group_tests_name(victim, tests, begin, end);
}
