/* The book of luck: fed, kept, read again, with the store failing and the process dying anywhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "core/luck/luck.h"
#include "loop/loop.h"
#include "services/inode-scheduler/lucks.h"

#include <stdlib.h>

enum { ACCOUNT = 77, WORKER = 100, OTHER = 101, PARTS = 8 };

static const u128 network = (u128)PARTS << 40; /* a share is an eighth of a block */

struct fixture {
    struct loop *loop;
    struct store *store;
    struct window_fake *window;
    struct window_writer *writer;
    struct window_reader *reader;
    struct lucks *lucks;
    uint64_t sequence, now_ms;
    struct window_position position;
    bool answered;
};

static void on_appended(void *context, const struct window_result *result)
{
    struct fixture *f = context;
    assert_int_equal(result->outcome, WINDOW_APPENDED);
    f->position = result->position;
    f->answered = true;
}

/* A batch of so many shares of a worker; `told`: this process hears of it. */
static void mine(struct fixture *f, uint64_t worker, size_t count, bool told)
{
    static const uint8_t verdicts[1] = { 0 };
    struct window_share shares[64];
    for (size_t i = 0; i < count; i++)
        shares[i] = (struct window_share){ ACCOUNT, worker, UINT64_C(1) << 40, 1, f->now_ms };
    f->sequence++;
    const struct window_batch batch = { .lease_id = 1,
                                        .sequence = f->sequence,
                                        .lowest = f->sequence,
                                        .shares = shares,
                                        .share_count = count,
                                        .verdicts = span_of(verdicts, 1) };
    f->answered = false;
    assert_true(window_append(f->writer, &batch, on_appended, f));
    while (!f->answered)
        loop_run_once(f->loop, 1000);
    if (told)
        lucks_batch(f->lucks, f->position, shares, count, network);
}

static bool tick(struct fixture *f, uint64_t after_ms)
{
    struct error error;
    f->now_ms += after_ms;
    return lucks_tick(f->lucks, f->store, f->reader, network, f->now_ms, &error);
}

/* The process dies; another takes over. */
static void die(struct fixture *f)
{
    lucks_destroy(f->lucks);
    f->lucks = lucks_create();
    assert_non_null(f->lucks);
}

static struct lucks_line line_of(struct fixture *f, uint64_t worker)
{
    struct lucks_line lines[8], none = { .account = 0 };
    size_t count = lucks_worst(f->lucks, lines, 8);
    for (size_t i = 0; i < count; i++)
        if (lines[i].account == ACCOUNT && lines[i].worker == worker)
            return lines[i];
    return none;
}

static uint64_t expected(struct fixture *f, uint64_t worker)
{
    return line_of(f, worker).expected_64ths;
}

/* The blocks there are: so many of each worker. */
static unsigned look(struct fixture *f, unsigned by_worker, unsigned by_other)
{
    lucks_blocks_begin(f->lucks);
    for (unsigned i = 0; i < by_worker; i++)
        lucks_block(f->lucks, ACCOUNT, WORKER, f->now_ms);
    for (unsigned i = 0; i < by_other; i++)
        lucks_block(f->lucks, ACCOUNT, OTHER, f->now_ms);
    lucks_block(f->lucks, 9999, 1, f->now_ms); /* somebody who is not watched */
    return lucks_blocks_end(f->lucks, f->now_ms);
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error error;
    f->loop = loop_create(&error);
    f->store = store_fake_create();
    f->window = window_fake_create(f->loop);
    assert_true(f->loop != NULL && f->window != NULL);
    f->writer = window_fake_writer(f->window, 0);
    f->reader = window_fake_reader(f->window);
    f->lucks = lucks_create();
    f->now_ms = 1700000000000;
    const struct store_collection *const collections[] = { &lucks_collection };
    assert_true(store_declare(f->store, collections, 1, &error));
    assert_true(tick(f, 0));
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    lucks_destroy(f->lucks);
    window_writer_close(f->writer);
    window_reader_close(f->reader);
    window_fake_destroy(f->window);
    store_close(f->store);
    loop_destroy(f->loop);
    free(f);
    return 0;
}

static void work_and_blocks_are_held_against_each_other_by_worker_and_account(void **state)
{
    struct fixture *f = *state;
    mine(f, WORKER, 16, true);
    mine(f, OTHER, 8, true);
    assert_int_equal(look(f, 2, 0), 0);
    assert_int_equal(look(f, 2, 1), 0); /* looked at again they are not more */
    assert_int_equal(expected(f, WORKER), 2 * 64);
    assert_int_equal(expected(f, OTHER), 64);
    assert_int_equal(expected(f, 0), 3 * 64);
    assert_int_equal(line_of(f, WORKER).found, 2);
    assert_int_equal(line_of(f, OTHER).found, 1);
    assert_int_equal(line_of(f, 0).found, 3);
    assert_int_equal(lucks_count(f->lucks), 3);
}

/* Whenever it dies, each share counts once and each block too. */
static void nothing_counts_twice_and_nothing_is_lost_whenever_it_dies(void **state)
{
    struct fixture *f = *state;
    uint64_t shares = 0;
    for (unsigned round = 0; round < 40; round++) {
        bool told = round % 3 != 1; /* the window has what this process never heard of */
        mine(f, round % 2 == 0 ? WORKER : OTHER, 1 + round % 9, told);
        shares += 1 + round % 9;
        if (!told)
            die(f);
        if (round % 5 == 4) {
            /* Some pages are stored, and others not. */
            store_fake_inject(f->store, STORE_FAKE_FAIL, round % 4, 1);
            (void)tick(f, LUCKS_SAVE_MS);
            store_fake_inject(f->store, STORE_FAKE_FAIL, 0, 0);
            if (round % 2 == 0)
                die(f);
        }
        while (!tick(f, 1))
            continue;
        assert_int_equal(look(f, round, 0), 0);
        if (expected(f, 0) != shares * 64 / PARTS)
            fail_msg("round %u: %u of %u", round, (unsigned)expected(f, 0),
                     (unsigned)(shares * 64 / PARTS));
        assert_int_equal(line_of(f, WORKER).found, round);
    }
}

static void an_answer_of_the_store_that_is_lost_counts_nothing_twice(void **state)
{
    struct fixture *f = *state;
    mine(f, WORKER, 24, true);
    store_fake_inject(f->store, STORE_FAKE_UNKNOWN_DONE, 0, 1);
    assert_false(tick(f, LUCKS_SAVE_MS));
    assert_true(tick(f, 1));
    assert_int_equal(expected(f, WORKER), 3 * 64);
    mine(f, WORKER, 8, true);
    store_fake_away(f->store, true);
    assert_false(tick(f, LUCKS_SAVE_MS));
    assert_false(tick(f, 1));
    store_fake_away(f->store, false);
    assert_true(tick(f, 1));
    assert_int_equal(expected(f, WORKER), 4 * 64);
}

static void another_that_leads_is_given_way_to(void **state)
{
    struct fixture *f = *state, other = *f;
    mine(f, WORKER, 8, true);
    assert_true(tick(f, LUCKS_SAVE_MS));
    other.lucks = lucks_create();
    assert_true(tick(&other, 0));
    mine(f, WORKER, 8, true);
    lucks_batch(other.lucks, f->position, &(struct window_share){ ACCOUNT, WORKER, 1, 1, 1 }, 1,
                network);
    assert_true(tick(&other, LUCKS_SAVE_MS));
    assert_false(tick(f, LUCKS_SAVE_MS)); /* it believed that it led */
    assert_true(tick(f, 1));              /* and has what the other wrote */
    lucks_destroy(other.lucks);
}

static void a_withholder_raises_one_alarm_that_is_kept(void **state)
{
    struct fixture *f = *state;
    unsigned alarms = 0, looks = 0;
    /* Twenty blocks' work of each; one hands in his own. */
    for (unsigned i = 0; i < 20; i++) {
        mine(f, WORKER, 8, true);
        mine(f, OTHER, 8, true);
        for (unsigned j = 0; j < LUCKS_LOOKS; j++, looks++)
            alarms += look(f, i + 1, 0);
    }
    assert_int_equal(alarms, 1);
    assert_int_equal(line_of(f, OTHER).alarms, 1);
    assert_int_equal(line_of(f, WORKER).alarms, 0);
    assert_int_equal(line_of(f, 0).alarms, 0);
    struct lucks_line worst;
    assert_int_equal(lucks_worst(f->lucks, &worst, 1), 1);
    assert_int_equal(worst.worker, OTHER);
    assert_true(tick(f, LUCKS_SAVE_MS));
    die(f);
    assert_true(tick(f, 1));
    assert_int_equal(line_of(f, OTHER).alarms, 1);
    assert_true(line_of(f, OTHER).alarm_ms > 0);
    (void)looks;
}

/* Its share was counted before the store has its block. */
static void a_block_that_is_known_late_clears_who_found_it(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 20; i++)
        mine(f, OTHER, 8, true);
    for (unsigned j = 0; j + 1 < LUCKS_LOOKS; j++)
        assert_int_equal(look(f, 0, 0), 0);
    assert_int_equal(look(f, 0, 1), 0);
    for (unsigned j = 0; j < 2 * LUCKS_LOOKS; j++)
        assert_int_equal(look(f, 0, 1), 0);
}

static void memory_is_bounded_and_who_worked_much_stays(void **state)
{
    struct fixture *f = *state;
    mine(f, WORKER, 16, true);
    for (uint64_t i = 1; i <= 3 * (uint64_t)LUCKS_PLACES; i++) {
        const struct window_share share = { i * UINT64_C(0x9e3779b97f4a7c15), 0, 1000, 1, 1 };
        f->position.low++;
        lucks_batch(f->lucks, f->position, &share, 1, network);
    }
    assert_true(lucks_count(f->lucks) <= LUCKS_PLACES);
    assert_true(lucks_count(f->lucks) > LUCKS_PLACES * 9 / 10);
    assert_int_equal(expected(f, WORKER), 2 * 64);
    assert_true(tick(f, LUCKS_SAVE_MS));
    die(f);
    assert_true(tick(f, 1));
    assert_int_equal(expected(f, WORKER), 2 * 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            work_and_blocks_are_held_against_each_other_by_worker_and_account, begin, end),
        cmocka_unit_test_setup_teardown(nothing_counts_twice_and_nothing_is_lost_whenever_it_dies,
                                        begin, end),
        cmocka_unit_test_setup_teardown(an_answer_of_the_store_that_is_lost_counts_nothing_twice,
                                        begin, end),
        cmocka_unit_test_setup_teardown(another_that_leads_is_given_way_to, begin, end),
        cmocka_unit_test_setup_teardown(a_withholder_raises_one_alarm_that_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(a_block_that_is_known_late_clears_who_found_it, begin, end),
        cmocka_unit_test_setup_teardown(memory_is_bounded_and_who_worked_much_stays, begin, end),
    };
    return cmocka_run_group_tests_name("lucks", tests, NULL, NULL);
}
