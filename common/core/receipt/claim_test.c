/* What receipts prove together, in both directions: an honest pool whose window failed over is
 * never accused, and no omission goes unseen because a share was signed for again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "core/receipt/receipt.h"

enum { OLD = 71, NEW = 72, CLAIMS_MAX = 4096, WORK = 1000 };
#define T UINT64_C(1700000000000)

static struct receipt_claim claims[CLAIMS_MAX];
static size_t claim_count;

static int set_up(void **state)
{
    (void)state;
    claim_count = 0;
    return 0;
}

static struct receipt_claim *claim(uint64_t history, uint64_t sequence, uint64_t at_ms)
{
    struct receipt_claim *one = &claims[claim_count++];
    assert_true(claim_count <= CLAIMS_MAX);
    *one = (struct receipt_claim){ .version = 2,
                                   .history = history,
                                   .share = { .position = { at_ms, 0, 0 },
                                              .lease_id = 5,
                                              .sequence = sequence,
                                              .account = 1,
                                              .work = WORK,
                                              .nonce = (uint32_t)sequence,
                                              .time_ms = T } };
    return one;
}

static struct receipt_tally tally(uint64_t oldest_ms, uint64_t newest_ms)
{
    const struct proof_statement statement = { .oldest = { oldest_ms, 0, 0 },
                                               .newest = { newest_ms, 0, 0 } };
    struct receipt_tally result;
    qsort(claims, claim_count, sizeof *claims, receipt_claim_compare);
    receipt_tally(claims, claim_count, newest_ms == 0 ? NULL : &statement, &result);
    return result;
}

static void a_share_counts_once_however_often_it_was_signed_for(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 10; i++) {
        claim(OLD, i, T + i);
        claim(OLD, i, T + i); /* fetched twice */
        claim(NEW, i, T + i); /* asked for again, and known there */
    }
    for (uint64_t i = 6; i <= 10; i++)
        claim(NEW, i, T + 100 + i); /* the new server lacked these */
    struct receipt_tally all = tally(0, 0), window = tally(T, T + 1000);
    assert_int_equal(all.counted, 10);
    assert_int_equal(window.counted, 10);
    assert_int_equal((uint64_t)window.work, 10 * WORK);
    assert_int_equal(window.again, 5);
    assert_int_equal(window.moved, 0);
    assert_int_equal(window.conflicts, 0);
    assert_int_equal(window.histories, 2);
}

/* Batches 1 to 5 were kept by both, 6 to 10 by the old one alone; a block is found under the new
 * one before all are kept again. */
static void a_block_found_while_shares_are_kept_again_owes_only_what_it_has(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 10; i++)
        claim(OLD, i, T + i);
    for (uint64_t i = 6; i <= 10; i++)
        claim(NEW, i, T + 2000 + i);
    struct receipt_tally window = tally(T, T + 2008);
    assert_int_equal(window.counted, 8); /* 6, 7 and 8 are there again */
    assert_int_equal(window.moved, 2);
    assert_int_equal((uint64_t)window.moved_work, 2 * WORK);
    /* The next block's window has all of them. */
    assert_int_equal(tally(T, T + 5000).counted, 10);
}

/* The block was found while the old history went on: what came later excuses nothing. */
static void a_share_signed_for_again_afterwards_hides_no_omission(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 10; i++)
        claim(OLD, i, T + i);
    claim(OLD, 11, T + 500 + RECEIPT_SKEW_MS + 1);
    for (uint64_t i = 1; i <= 10; i++)
        claim(NEW, i, T + 60000 + i);
    struct receipt_tally window = tally(T, T + 500);
    assert_int_equal(window.counted, 10);
    assert_int_equal(window.moved, 0);
}

static void without_another_history_there_is_no_excuse(void **state)
{
    (void)state;
    claim(OLD, 1, T + 1);
    claim(OLD, 1, T + 1000); /* the same history twice */
    claim(0, 2, T + 1);
    claim(NEW, 2, T + 1000); /* histories nobody knows the names of */
    claim(OLD, 3, T + 1);
    claim(0, 3, T + 1000);
    assert_int_equal(tally(T, T + 500).counted, 3);
}

static void what_is_kept_again_late_is_no_excuse(void **state)
{
    (void)state;
    claim(OLD, 1, T + 1);
    claim(OLD, 2, T + 2);
    claim(NEW, 3, T + 1000); /* the new history begins */
    claim(NEW, 1, T + 1000 + RECEIPT_AGAIN_MS);
    claim(NEW, 2, T + 1000 + RECEIPT_AGAIN_MS + 1);
    struct receipt_tally window = tally(T, T + 5000);
    assert_int_equal(window.counted, 2); /* 2, which came too late, and 3 */
    assert_int_equal(window.moved, 1);
}

/* A pool that claims a failover goes on under the old name for everything else: two at once. */
static void a_history_that_lives_on_was_not_replaced(void **state)
{
    (void)state;
    claim(OLD, 1, T + 1);
    claim(NEW, 1, T + 6000);
    claim(NEW, 2, T + 400);
    struct receipt_tally window = tally(T, T + 500);
    assert_int_equal(window.moved, 1);
    claim(OLD, 3, T + 400 + RECEIPT_AGAIN_MS + 1);
    window = tally(T, T + 500);
    assert_int_equal(window.moved, 0);
    assert_int_equal(window.counted, 2);
}

static void two_shares_under_one_name_are_both_counted_and_told(void **state)
{
    (void)state;
    claim(OLD, 1, T + 1);
    claim(NEW, 1, T + 1000)->share.nonce++;
    struct receipt_tally window = tally(T, T + 5000);
    assert_int_equal(window.counted, 2);
    assert_int_equal(window.conflicts, 1);
}

/* Receipts of the first version know no batch: a position is a share. */
static void the_first_version_counts_by_position(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 4; i++) {
        struct receipt_claim *one = claim(0, 0, T + i / 2);
        one->version = 1;
        one->share.lease_id = 0;
    }
    struct receipt_tally window = tally(T - 1, T + 5000);
    assert_int_equal(window.counted, 3);
    assert_int_equal(window.conflicts, 0);
}

/* A pool whose servers die at random moments: what the next one lacks is kept again at once, as
 * gateways do. One block is found, between two shares or while some are being kept again. */
struct honest {
    struct test_random random;
    uint64_t now, history;
    uint64_t end;  /* of the block's window */
    size_t inside; /* shares that stand in it: the first ones */
};

static void find_block(struct honest *pool, size_t inside, uint64_t of)
{
    if (pool->end == 0 && test_random_below(&pool->random, of) == 0) {
        pool->end = pool->now;
        pool->inside = inside;
    }
}

static void fail_over(struct honest *pool, size_t done)
{
    size_t lack = test_random_below(&pool->random, 12);
    pool->now += test_random_below(&pool->random, 200000);
    pool->history++;
    for (size_t i = done > lack ? done - lack : 0; i < done; i++) {
        find_block(pool, i, 30); /* by a share of somebody else's */
        pool->now += 1 + test_random_below(&pool->random, 2000);
        claim(pool->history, i + 1, pool->now);
    }
}

static void no_honest_pool_is_ever_accused(void **state)
{
    enum { SHARES = 300, ROUNDS = 2000 };
    struct honest pool = { .random = test_random_begin("claims") };
    size_t blocks = 0, moved = 0;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        claim_count = 0;
        pool.now = T;
        pool.history = 1;
        pool.end = 0;
        for (size_t i = 0; i < SHARES; i++) {
            pool.now += 1 + test_random_below(&pool.random, 2000);
            claim(pool.history, i + 1, pool.now);
            find_block(&pool, i + 1, 2 * SHARES);
            if (test_random_below(&pool.random, 60) == 0)
                fail_over(&pool, i + 1);
        }
        if (pool.end == 0)
            continue;
        struct receipt_tally window = tally(T, pool.end);
        assert_true(window.counted <= pool.inside);
        assert_true(window.counted + window.moved >= pool.inside);
        assert_int_equal((uint64_t)window.work, window.counted * WORK);
        assert_int_equal(window.conflicts, 0);
        blocks++;
        moved += window.moved > 0;
    }
    assert_true(blocks > ROUNDS / 4 && moved > ROUNDS / 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_share_counts_once_however_often_it_was_signed_for),
        TEST(a_block_found_while_shares_are_kept_again_owes_only_what_it_has),
        TEST(a_share_signed_for_again_afterwards_hides_no_omission),
        TEST(without_another_history_there_is_no_excuse),
        TEST(what_is_kept_again_late_is_no_excuse),
        TEST(a_history_that_lives_on_was_not_replaced),
        TEST(two_shares_under_one_name_are_both_counted_and_told),
        TEST(the_first_version_counts_by_position),
        TEST(no_honest_pool_is_ever_accused),
    };
    return cmocka_run_group_tests_name("core/receipt claims", tests, NULL, NULL);
}
