/* A stretch of the window has the same accounts, work and shares in it whether its shares are still
 * in redis.window, or closed into segments and trimmed, or both: random windows, in which payout
 * closes, trims and drops as it goes, against a plain list of all shares. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "base/test_random.h"
#include "record/event/event.h"
#include "record/ledger/ledger_record.h"
#include "service/log.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"
#include "services/payout/view.h"

#include <stdlib.h>

enum { SHARES_MAX = 4000, ACCOUNTS = 9 };

struct known {
    struct window_position position;
    struct window_share share;
    uint64_t sequence;
};

/* What the view reads the window by: half the time, payout goes on between its look at the window
 * and that at the segments. */
struct closing_reader {
    struct window_reader port;
    struct world *world;
};

struct world {
    struct test_random random;
    struct loop *loop;
    struct window_fake *shares;
    struct window_writer *writer;
    struct window_reader *window;
    struct store *store;
    struct engine *engine;
    struct engine_options options;
    struct window_view view;
    struct closing_reader closing;
    struct known known[SHARES_MAX];
    size_t count;
    uint64_t sequence;
    uint64_t now_ms;
    uint64_t events;
};

static void tick(struct world *world);

static bool close_after(struct window_reader *reader, const struct window_position *from,
                        window_batch_visitor visitor, void *context, struct error *error)
{
    struct world *world = ((struct closing_reader *)reader)->world;
    bool walked = window_walk_back(world->window, from, visitor, context, error);
    if (test_random_below(&world->random, 2) == 0)
        tick(world);
    return walked;
}

static const struct window_reader_ops closing_ops = { .walk_back = close_after };

static struct test_random source; /* of every world's own */

static void open_world(struct world *world)
{
    struct error error;
    *world = (struct world){ .random = { test_random_u64(&source) | 1 } };
    world->loop = loop_create(&error);
    world->shares = window_fake_create(world->loop);
    world->writer = window_fake_writer(world->shares, 0);
    world->window = window_fake_reader(world->shares);
    world->store = store_fake_create();
    assert_true(engine_declare(world->store, &error));
    world->now_ms = loop_unix_ms() + 1000000;
    world->options = (struct engine_options){
        .instance = "1",
        .boot_id = 1,
        .coin = coin_profile_find(span_text("bitcoin-regtest")),
        .scheme = REWARD_PPLNS,
        .window_percent = 200,
        .fee_basis_points = 100,
        .payment = { .confirmations = 2, .settle_depth = 6 },
        .threshold = { 1000 },
        .outputs_max = 10,
        .push_interval_ms = 1000,
        .trim_interval_ms = 1,
        .segment_shares = 1 + test_random_below(&world->random, 60),
        .raw_shares = test_random_below(&world->random, 80),
    };
    world->engine =
        engine_open(&world->options, world->store, world->window, NULL, world->now_ms, &error);
    assert_non_null(world->engine);
    world->closing = (struct closing_reader){ { &closing_ops }, world };
    view_open(&world->view, world->store, &world->closing.port);
}

static void close_world(struct world *world)
{
    view_close(&world->view);
    engine_close(world->engine);
    store_close(world->store);
    window_reader_close(world->window);
    window_writer_close(world->writer);
    window_fake_destroy(world->shares);
    loop_destroy(world->loop);
}

struct appended {
    bool done;
    struct window_position first;
};

static void on_appended(void *context, const struct window_result *result)
{
    struct appended *appended = context;
    assert_int_equal(result->outcome, WINDOW_APPENDED);
    *appended = (struct appended){ true, result->position };
}

static void append(struct world *world, const uint8_t *block)
{
    struct window_share shares[20] = { 0 };
    size_t count = 1 + test_random_below(&world->random, 20);
    struct appended appended = { .done = false };
    for (size_t i = 0; i < count; i++) {
        shares[i].account = 1 + test_random_below(&world->random, ACCOUNTS) * 77;
        /* Some count nothing; many the same, so that a target falls on a share's edge. */
        shares[i].work = test_random_below(&world->random, 6) * 10;
        shares[i].time_ms = world->now_ms + i;
    }
    struct window_candidate candidate = { .index = (uint32_t)count - 1,
                                          .credited_index = (int32_t)count - 1 };
    if (block != NULL)
        memcpy(candidate.block_hash, block, 32);
    const struct window_batch batch = { .lease_id = 3,
                                        .sequence = ++world->sequence,
                                        .shares = shares,
                                        .share_count = count,
                                        .candidates = &candidate,
                                        .candidate_count = block != NULL };
    assert_true(window_append(world->writer, &batch, on_appended, &appended));
    while (!appended.done)
        loop_run_once(world->loop, 10);
    for (size_t i = 0; i < count; i++) {
        struct known *known = &world->known[world->count++];
        *known = (struct known){ appended.first, shares[i], world->sequence };
        known->position.index = (uint32_t)i;
    }
}

static void tick(struct world *world)
{
    struct error error = { .text = "" };
    world->now_ms += 100;
    enum step step = engine_tick(world->engine, world->now_ms, &error);
    if (step != STEP_DONE && step != STEP_WAIT)
        fail_msg("%s", error.text);
}

struct plain {
    u128 work[ACCOUNTS];
    uint64_t shares[ACCOUNTS];
    u128 filled;
    uint64_t count;
    size_t oldest;
};

static struct plain compute(const struct world *world, size_t end, const size_t *after, u128 target)
{
    struct plain plain = { .oldest = end };
    for (size_t i = end + 1; i-- > 0 && plain.filled < target && (after == NULL || i > *after);) {
        const struct window_share *share = &world->known[i].share;
        u128 counted = share->work < target - plain.filled ? share->work : target - plain.filled;
        plain.work[(share->account - 1) / 77] += counted;
        plain.shares[(share->account - 1) / 77] += counted > 0;
        plain.count += counted > 0;
        plain.filled += counted;
        plain.oldest = i;
    }
    return plain;
}

static void compare(struct world *world, size_t end, const size_t *after, u128 target)
{
    struct error error = { .text = "" };
    struct view_found found;
    struct pplns_part parts[ACCOUNTS];
    const struct view_range range = { .end = world->known[end].position,
                                      .after =
                                          after != NULL ? &world->known[*after].position : NULL,
                                      .target = target };
    const struct plain plain = compute(world, end, after, target);
    if (view_fill(&world->view, &range, &found, &error) != VIEW_DONE)
        fail_msg("%s", error.text);
    assert_false(found.cut_short);
    assert_true(found.table.filled == plain.filled);
    assert_int_equal(found.table.shares, plain.count);
    assert_int_equal(window_position_compare(&found.oldest, &world->known[plain.oldest].position),
                     0);
    pplns_collect(&found.table, parts);
    size_t next = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (plain.work[i] == 0)
            continue;
        assert_int_equal(parts[next].account, 1 + i * 77);
        assert_true(parts[next].work == plain.work[i]);
        assert_int_equal(parts[next++].shares, plain.shares[i]);
    }
    assert_int_equal(next, found.table.accounts);
}

static void any_stretch_is_what_its_shares_are(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        struct world *world = malloc(sizeof *world);
        assert_non_null(world);
        open_world(world);
        while (world->count + 20 < SHARES_MAX / 4) {
            append(world, NULL);
            if (test_random_below(&world->random, 4) == 0)
                tick(world);
            if (test_random_below(&world->random, 3) != 0)
                continue;
            size_t end = test_random_below(&world->random, world->count);
            size_t after = test_random_below(&world->random, end + 1);
            u128 target = test_random_below(&world->random, 20000);
            compare(world, end, NULL, target);
            compare(world, end, &after, ~(u128)0);
            compare(world, end, &after, target);
        }
        assert_true(engine_counters(world->engine).segments > 0);
        assert_true(engine_counters(world->engine).trimmed > 0);
        close_world(world);
        free(world);
    }
}

struct expected {
    const struct world *world;
    size_t left; /* of the shares, from the oldest */
};

static bool expect(void *context, struct window_position first, uint64_t lease_id,
                   uint64_t sequence, const struct window_share *shares, size_t count)
{
    struct expected *expected = context;
    assert_int_equal(lease_id, 3);
    while (count-- > 0) {
        const struct known *known = &expected->world->known[--expected->left];
        struct window_position here = first;
        here.index = (uint32_t)count;
        assert_int_equal(window_position_compare(&here, &known->position), 0);
        assert_int_equal(sequence, known->sequence);
        assert_int_equal(shares[count].account, known->share.account);
        assert_int_equal(shares[count].work, known->share.work);
        assert_int_equal(shares[count].time_ms, known->share.time_ms);
    }
    return true;
}

static void a_walk_back_meets_every_share_once_across_the_seam(void **state)
{
    (void)state;
    struct world *world = malloc(sizeof *world);
    struct error error;
    assert_non_null(world);
    open_world(world);
    while (world->count < 1500) {
        append(world, NULL);
        if (test_random_below(&world->random, 8) == 0)
            tick(world);
    }
    struct expected expected = { world, world->count };
    assert_int_equal(view_walk_back(&world->view, NULL, expect, &expected, &error), VIEW_DONE);
    assert_int_equal(expected.left, 0);
    for (int i = 0; i < 40; i++) {
        /* The whole batch of the position comes first. */
        size_t from = test_random_below(&world->random, world->count);
        expected.left = from + 1;
        while (expected.left < world->count &&
               world->known[expected.left].sequence == world->known[from].sequence)
            expected.left++;
        assert_int_equal(
            view_walk_back(&world->view, &world->known[from].position, expect, &expected, &error),
            VIEW_DONE);
        assert_int_equal(expected.left, 0);
    }
    close_world(world);
    free(world);
}

static void tell_found(struct world *world, const uint8_t hash[32], uint32_t height)
{
    struct error error;
    struct wire_reward_event event = { .sequence = ++world->events,
                                       .epoch = 1,
                                       .kind = WIRE_REWARD_FOUND,
                                       .generation = 1,
                                       .height = height,
                                       .reward = 1000003,
                                       .network_work_low = 900,
                                       .time_ms = world->now_ms };
    memcpy(event.block_hash, hash, 32);
    assert_int_equal(event_append(world->store, &event, &error), STORE_DONE);
}

/* Blocks found, shared, and followed by so much work that nothing of their windows is needed any
 * more: what they were computed from is still there. */
static void what_a_block_was_shared_by_can_be_computed_for_good(void **state)
{
    enum { BLOCKS = 12 };
    (void)state;
    struct world *world = malloc(sizeof *world);
    struct error error;
    assert_non_null(world);
    open_world(world);
    uint8_t hash[BLOCKS][32] = { { 0 } };
    size_t ends[BLOCKS];
    for (size_t block = 0; block < BLOCKS; block++) {
        hash[block][0] = (uint8_t)(block + 1);
        for (unsigned i = 0; i < 4 + block; i++)
            append(world, NULL);
        append(world, hash[block]);
        ends[block] = world->count - 1;
        if (block % 3 == 1)
            tick(world); /* some are closed over before their event comes */
        tell_found(world, hash[block], (uint32_t)block + 1);
        if (block % 4 != 2)
            tick(world);
    }
    for (unsigned i = 0; i < 100; i++) {
        append(world, NULL);
        tick(world);
    }
    bool dropped = false;
    for (uint64_t number = 1; number <= engine_counters(world->engine).segments; number++) {
        struct segment_record segment;
        assert_int_equal(segment_get(world->store, number, &segment, &error), STORE_DONE);
        dropped |= segment.state != SEGMENT_WHOLE;
    }
    assert_true(dropped || world->options.segment_shares > 30);
    for (size_t block = 0; block < BLOCKS; block++) {
        struct snapshot_record snapshot;
        assert_int_equal(snapshot_get(world->store, hash[block], &snapshot, &error), STORE_DONE);
        assert_int_equal(
            window_position_compare(&snapshot.end, &world->known[ends[block]].position), 0);
        const struct plain plain = compute(world, ends[block], NULL, snapshot.window_work);
        assert_true(plain.filled == snapshot.filled && plain.count == snapshot.shares);
        compare(world, ends[block], NULL, snapshot.window_work);
    }
    close_world(world);
    free(world);
}

/* The snapshot of a block against the plain list; adds its credits to the accounts'. */
static void check_block(struct world *world, const uint8_t hash[32], size_t end,
                        int64_t credited[ACCOUNTS])
{
    struct snapshot_record snapshot;
    struct pplns_part parts[ACCOUNTS];
    struct error error;
    assert_int_equal(snapshot_get(world->store, hash, &snapshot, &error), STORE_DONE);
    assert_true(snapshot.accounts <= ACCOUNTS);
    assert_int_equal(snapshot_parts(world->store, &snapshot, parts, &error), STORE_DONE);
    assert_true(snapshot.filled == snapshot.window_work);
    const struct plain plain = compute(world, end, NULL, snapshot.window_work);
    uint64_t given = 0;
    size_t next = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (plain.work[i] == 0)
            continue;
        assert_int_equal(parts[next].account, 1 + i * 77);
        assert_true(parts[next].work == plain.work[i]);
        credited[i] += (int64_t)parts[next].amount;
        given += parts[next++].amount;
    }
    assert_int_equal(next, snapshot.accounts);
    assert_int_equal(given + snapshot.fee.units, 1000003);
}

/* Payout is dead while the pool finds blocks and does many windows' work; whatever the others do,
 * nothing that it needs goes away. */
static void blocks_found_while_payout_was_dead_are_shared_exactly(void **state)
{
    enum { BLOCKS = 9 };
    (void)state;
    struct world *world = malloc(sizeof *world);
    struct error error = { .text = "" };
    assert_non_null(world);
    open_world(world);
    uint8_t hash[BLOCKS][32] = { { 0 } };
    size_t ends[BLOCKS];
    int64_t credited[ACCOUNTS] = { 0 };
    for (unsigned i = 0; i < 30; i++) {
        append(world, NULL);
        tick(world);
    }
    engine_close(world->engine);
    for (size_t block = 0; block < BLOCKS; block++) {
        hash[block][0] = (uint8_t)(block + 1);
        for (unsigned i = 0; i < 15; i++)
            append(world, NULL);
        append(world, hash[block]);
        ends[block] = world->count - 1;
        tell_found(world, hash[block], (uint32_t)block + 1);
    }
    u128 since = 0;
    for (size_t i = ends[0]; i < world->count; i++)
        since += world->known[i].share.work;
    assert_true(since > 900 * 2 * 3); /* three windows since the first of them */
    world->options.boot_id++;
    world->engine =
        engine_open(&world->options, world->store, world->window, NULL, world->now_ms, &error);
    if (world->engine == NULL)
        fail_msg("%s", error.text);
    for (unsigned i = 0; i < 60; i++) /* it catches up, and closes what piled up */
        tick(world);
    assert_true(engine_counters(world->engine).trimmed > 0);
    for (size_t block = 0; block < BLOCKS; block++)
        check_block(world, hash[block], ends[block], credited);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct balance_record balance;
        struct ledger_account account = ledger_miner(1 + i * 77);
        assert_int_not_equal(balance_get(world->store, &account, &balance, &error), STORE_FAILED);
        assert_int_equal(balance.amounts.immature, credited[i]);
    }
    struct payout_audit_report report;
    assert_true(payout_audit(world->store, NULL, NULL, &report, &error));
    if (report.differences != 0)
        fail_msg("%s", report.first);
    close_world(world);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_stretch_is_what_its_shares_are),
        cmocka_unit_test(a_walk_back_meets_every_share_once_across_the_seam),
        cmocka_unit_test(what_a_block_was_shared_by_can_be_computed_for_good),
        cmocka_unit_test(blocks_found_while_payout_was_dead_are_shared_exactly),
    };
    source = test_random_begin("view");
    log_open("payout-view", "1", getenv("ADIT_SIM_LOG") != NULL ? LOG_INFO : LOG_ERROR);
    return cmocka_run_group_tests_name("payout_view", tests, NULL, NULL);
}
