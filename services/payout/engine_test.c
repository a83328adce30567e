/* The engine between SQLite and the fakes of window and node that everybody's tests use. What any
 * order of deaths does to it is the simulator's business (tests/sim); here stand the things one
 * wants to read as examples. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_fake/node_fake.h"
#include "adapter/store_sqlite/store_sqlite.h"
#include "adapter/window_fake/window_fake.h"
#include "record/account/account.h"
#include "record/block/block.h"
#include "record/emission/emission_record.h"
#include "record/event/event.h"
#include "record/leader/leader.h"
#include "record/payment/payment_record.h"
#include "record/proof/proof_record.h"
#include "record/withdrawal/withdrawal.h"
#include "service/log.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ALICE = 0x1001, BOB = 0x1002, CAROL = 0x1003, OPERATOR = 0x2001 };

struct bench {
    char folder[64];
    char file[96];
    struct loop *loop;
    struct window_fake *shares;
    struct window_writer *writer;
    struct window_reader *window;
    struct node_fake_chain *chain;
    struct node *node;
    struct store *store;
    struct engine *engine;
    struct engine_options options;
    uint64_t now_ms;
    uint64_t events;
    uint64_t batches;
    unsigned answered;
};

static void bind(struct bench *bench, uint64_t id, const char *address)
{
    struct error error;
    struct account bound,
        account = { .id = id, .kind = IDENTITY_KIND_ADDRESS, .state = ACCOUNT_ACTIVE };
    struct account_payout payout = { .script = { .data = { 0x00, 0x14 }, .length = 22 } };
    store_le64(payout.script.data + 2, id);
    assert_true(
        address_format(bench->options.coin, output_script_span(&payout.script), payout.address));
    if (address != NULL)
        snprintf(payout.address, sizeof payout.address, "%s", address);
    account_set_payout(&account, bench->options.coin, &payout);
    snprintf(account.name, sizeof account.name, "%s", payout.address);
    assert_int_equal(account_bind(bench->store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
}

static void open_engine(struct bench *bench)
{
    struct error error = { .text = "" };
    bench->engine = engine_open(&bench->options, bench->store, bench->window, bench->node,
                                bench->now_ms, &error);
    if (bench->engine == NULL)
        fail_msg("%s", error.text);
}

static int set_up(void **state)
{
    struct error error = { .text = "" };
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    snprintf(bench->folder, sizeof bench->folder, "/tmp/adit-engine-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->file, sizeof bench->file, "%s/db", bench->folder);
    bench->now_ms = loop_unix_ms();
    bench->loop = loop_create(&error);
    bench->shares = window_fake_create(bench->loop);
    bench->writer = window_fake_writer(bench->shares, 0);
    bench->window = window_fake_reader(bench->shares);
    bench->chain = node_fake_chain_create("regtest", 0x207fffff);
    bench->node = node_fake_open(bench->chain, "node");
    bench->store = store_sqlite_open(bench->file, 1000, &error);
    if (bench->store == NULL || !engine_declare(bench->store, &error))
        fail_msg("%s", error.text);
    bench->options = (struct engine_options){
        .instance = "1",
        .boot_id = 1,
        .coin = coin_profile_find(span_text("bitcoin-regtest")),
        .scheme = REWARD_PPLNS,
        .window_percent = 100,
        .fee_basis_points = 100,
        .payment = { 2, 6, 0 },
        .pays = true,
        .fee_rate_max = 500,
        .threshold = { 1000 },
        .outputs_max = 10,
        .push_interval_ms = 1000,
        .trim_interval_ms = 5000,
        .segment_shares = 3,
        .raw_shares = 2,
        .candidate_wait_ms = 30000,
    };
    bind(bench, ALICE, NULL);
    bind(bench, BOB, NULL);
    open_engine(bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    static const char *const endings[] = { "", "-wal", "-shm" };
    char path[128];
    engine_close(bench->engine);
    store_close(bench->store);
    node_close(bench->node);
    node_fake_chain_destroy(bench->chain);
    window_reader_close(bench->window);
    window_writer_close(bench->writer);
    window_fake_destroy(bench->shares);
    loop_destroy(bench->loop);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", bench->file, endings[i]);
        (void)unlink(path);
    }
    (void)rmdir(bench->folder);
    free(bench);
    return 0;
}

static void on_answer(void *context, const struct window_result *result)
{
    assert_int_equal(result->outcome, WINDOW_APPENDED);
    ((struct bench *)context)->answered++;
}

/* Appends shares; with a hash, the last of them found that block. */
static void append(struct bench *bench, const struct window_share *shares, size_t count,
                   const uint8_t *hash)
{
    struct window_candidate candidate = { .index = (uint32_t)count - 1,
                                          .credited_index = (int32_t)count - 1,
                                          .record = span_text("candidate") };
    if (hash != NULL)
        memcpy(candidate.block_hash, hash, 32);
    struct window_batch batch = { .lease_id = 1,
                                  .sequence = ++bench->batches,
                                  .lowest = bench->batches,
                                  .shares = shares,
                                  .share_count = count,
                                  .verdicts = span_text("v"),
                                  .candidates = &candidate,
                                  .candidate_count = hash != NULL };
    unsigned before = bench->answered;
    assert_true(window_append(bench->writer, &batch, on_answer, bench));
    for (int i = 0; i < 1000 && bench->answered == before; i++)
        loop_run_once(bench->loop, 10);
    assert_int_equal(bench->answered, before + 1);
}

static void tell(struct bench *bench, enum wire_reward_kind kind, const uint8_t hash[32],
                 uint64_t reward, uint64_t network_work)
{
    struct error error;
    struct wire_reward_event event = { .sequence = ++bench->events,
                                       .epoch = 1,
                                       .kind = (uint8_t)kind,
                                       .generation = 1,
                                       .height = 7,
                                       .reward = reward,
                                       .network_work_low = network_work,
                                       .time_ms = bench->now_ms };
    memcpy(event.block_hash, hash, 32);
    assert_int_equal(event_append(bench->store, &event, &error), STORE_DONE);
}

static enum step tick(struct bench *bench)
{
    struct error error = { .text = "" };
    bench->now_ms += 1500;
    enum step step = engine_tick(bench->engine, bench->now_ms, &error);
    if (step == STEP_BROKEN || step == STEP_AGAIN || step == STEP_AWAY)
        print_message("%s\n", error.text);
    return step;
}

static struct ledger_balance balance(struct bench *bench, struct ledger_account account)
{
    struct error error;
    struct balance_record record;
    assert_int_not_equal(balance_get(bench->store, &account, &record, &error), STORE_FAILED);
    return record.amounts;
}

static void audit(struct bench *bench)
{
    struct error error;
    struct payout_audit_report report;
    assert_true(payout_audit(bench->store, NULL, NULL, &report, &error));
    if (report.differences != 0)
        fail_msg("%s", report.first);
}

static bool count_candidate(void *context, const struct window_found *found)
{
    (void)found;
    ++*(unsigned *)context;
    return true;
}

static const uint8_t block_a[32] = { 0xaa }, block_b[32] = { 0xbb };

/* A block worth 100000 of a window of 1000: Alice 600, Bob 400 at the boundary; one share after it
 * and much before it that do not count. */
static void share_block(struct bench *bench)
{
    const struct window_share old[] = { { .account = CAROL, .work = 5000 } };
    const struct window_share window[] = { { .account = BOB, .work = 900 },
                                           { .account = ALICE, .work = 350 } };
    const struct window_share last[] = { { .account = ALICE, .work = 250 } };
    const struct window_share later[] = { { .account = CAROL, .work = 70 } };
    append(bench, old, 1, NULL);
    append(bench, window, 2, NULL);
    append(bench, last, 1, block_a);
    append(bench, later, 1, NULL);
    tell(bench, WIRE_REWARD_FOUND, block_a, 100000, 1000);
}

static void a_block_is_shared_by_its_window_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    struct error error;
    unsigned candidates = 0;
    share_block(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).immature, 59400);
    assert_int_equal(balance(bench, ledger_miner(BOB)).immature, 39600);
    assert_int_equal(balance(bench, ledger_miner(CAROL)).immature, 0);
    assert_int_equal(balance(bench, ledger_house(LEDGER_FEE)).immature, 1000);
    assert_int_equal(balance(bench, ledger_house(LEDGER_NETWORK)).immature, -100000);
    assert_true(window_candidates(bench->window, count_candidate, &candidates, &error));
    assert_int_equal(candidates, 0);
    /* Schedulers come and go in between: their events are passed, before and after a restart. */
    static const uint8_t none[32];
    tell(bench, WIRE_REWARD_TAKEN_OVER, none, 0, 1000);
    assert_int_equal(tick(bench), STEP_DONE);
    tell(bench, WIRE_REWARD_MATURED, block_a, 100000, 1000);
    tell(bench, WIRE_REWARD_TAKEN_OVER, none, 0, 1000);
    bench->options.pays = false;
    engine_close(bench->engine);
    open_engine(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 59400);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).immature, 0);
    audit(bench);
}

/* What is in segments leaves the window, whether or not a block still needs it; the block is shared
 * from the segments. */
static void a_window_is_trimmed_to_what_no_segment_holds(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 20; i++)
        append(bench, &(struct window_share){ .account = BOB, .work = 500 }, 1, NULL);
    append(bench, &(struct window_share){ .account = ALICE, .work = 500 }, 1, block_a);
    for (int i = 0; i < 20; i++)
        append(bench, &(struct window_share){ .account = CAROL, .work = 500 }, 1, NULL);
    append(bench, &(struct window_share){ .account = ALICE, .work = 500 }, 1, block_b);
    tell(bench, WIRE_REWARD_FOUND, block_b, 100000, 1000);
    for (int i = 0; i < 9; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    /* 42 shares: 14 segments of 3, of which the newest stays in the window, too. */
    assert_int_equal(engine_counters(bench->engine).segments, 14);
    assert_int_equal(engine_counters(bench->engine).trimmed, 39);
    tell(bench, WIRE_REWARD_FOUND, block_a, 100000, 1000);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).immature, 2 * 49500);
    assert_int_equal(balance(bench, ledger_miner(BOB)).immature, 49500);
    assert_int_equal(balance(bench, ledger_miner(CAROL)).immature, 49500);
    audit(bench);
}

/* Payout is dead for many windows. Nothing that a block found meanwhile needs is dropped, and each
 * is shared by its own window as soon as payout is back, while it closes up. */
static void blocks_found_while_payout_was_dead_are_credited_exactly(void **state)
{
    enum { BLOCKS = 12, BETWEEN = 40 };
    struct bench *bench = *state;
    struct ledger_account who[] = { ledger_miner(ALICE), ledger_miner(BOB), ledger_miner(CAROL) };
    int64_t due[3] = { 0 }, fee = 0;
    uint8_t hash[32] = { 0 };
    engine_close(bench->engine);
    for (uint32_t block = 1; block <= BLOCKS; block++) {
        /* Between two blocks lie ten windows of 1000. */
        for (uint32_t i = 0; i < BETWEEN; i++)
            append(bench, &(struct window_share){ .account = who[i % 3].id, .work = 250 }, 1, NULL);
        /* The block's own: 50 * block of Alice's, and of Bob's and Carol's the rest. */
        uint64_t own = 50 * block;
        const struct window_share window[] = { { .account = CAROL, .work = 700 },
                                               { .account = BOB, .work = 300 },
                                               { .account = ALICE, .work = own } };
        store_be32(hash, block);
        append(bench, window, 3, hash);
        tell(bench, WIRE_REWARD_FOUND, hash, 100000, 1000);
        due[0] += (int64_t)own * 99;
        due[1] += 300 * 99;
        due[2] += (int64_t)(1000 - own - 300) * 99;
        fee += 1000;
    }
    for (uint32_t i = 0; i < 5 * BETWEEN; i++)
        append(bench, &(struct window_share){ .account = BOB, .work = 250 }, 1, NULL);
    bench->now_ms += 7 * 24 * 3600 * UINT64_C(1000);
    open_engine(bench);
    for (int i = 0; i < 4; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(balance(bench, who[i]).immature, due[i]);
    assert_int_equal(balance(bench, ledger_house(LEDGER_FEE)).immature, fee);
    /* It closes up, and what is dropped then nobody needs. */
    uint64_t trimmed = 0;
    for (int i = 0; i < 400 && trimmed < BLOCKS * BETWEEN; i++) {
        assert_int_equal(tick(bench), STEP_DONE);
        trimmed = engine_counters(bench->engine).trimmed;
    }
    assert_true(trimmed >= BLOCKS * BETWEEN);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(balance(bench, who[i]).immature, due[i]);
    audit(bench);
}

/* However many stay before it: a block that is followed no more lets go of its window. */
static void a_candidate_behind_many_others_is_let_go(void **state)
{
    enum { OTHERS = 600 };
    struct bench *bench = *state;
    struct error error;
    unsigned candidates = 0;
    uint8_t hash[32] = { 0 };
    const struct window_share share = { .account = BOB, .work = 500 };
    for (unsigned i = 0; i <= OTHERS; i++) {
        store_be32(hash, i + 1);
        append(bench, &share, 1, hash);
    }
    struct block_record over;
    block_from_hash(hash, 7, 1, bench->now_ms, &over);
    over.open = false;
    assert_int_equal(block_insert(bench->store, &over, &error), STORE_DONE);
    for (int i = 0; i < 6; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_true(window_candidates(bench->window, count_candidate, &candidates, &error));
    assert_int_equal(candidates, OTHERS);
}

static void a_block_without_any_share_is_nobodys(void **state)
{
    struct bench *bench = *state;
    bench->now_ms += 31000;
    tell(bench, WIRE_REWARD_FOUND, block_a, 100000, 1000);
    bench->now_ms -= 31000;
    assert_int_equal(tick(bench), STEP_WAIT); /* its share may be on its way */
    bench->now_ms += 62000;
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_house(LEDGER_UNALLOCATED)).immature, 99000);
    assert_int_equal(balance(bench, ledger_house(LEDGER_FEE)).immature, 1000);
    audit(bench);
}

static void mature(struct bench *bench)
{
    share_block(bench);
    tell(bench, WIRE_REWARD_MATURED, block_a, 100000, 1000);
}

static void what_is_due_is_paid_once_and_confirmed(void **state)
{
    struct bench *bench = *state;
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 59400);
    assert_true(node_fake_broadcasts(bench->chain) >= 1);
    for (int i = 0; i < 8; i++) {
        node_fake_mine(bench->chain, 1);
        assert_int_equal(tick(bench), STEP_DONE);
    }
    assert_int_equal(balance(bench, ledger_miner(ALICE)).paid, 59400);
    assert_int_equal(balance(bench, ledger_miner(BOB)).paid, 39600);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 0);
    struct engine_sums sums;
    struct error error;
    assert_true(engine_sums(bench->store, &sums, &error));
    for (int s = PAYMENT_PLANNED; s <= PAYMENT_VOIDING; s++)
        assert_int_equal(sums.payments[s], 0);
    /* The fee account paid what the transaction cost. */
    assert_int_equal(balance(bench, ledger_house(LEDGER_FEE)).available +
                         balance(bench, ledger_house(LEDGER_COST)).paid,
                     1000);
    audit(bench);
}

static void an_empty_wallet_delays_and_a_bad_address_stops_only_itself(void **state)
{
    struct bench *bench = *state;
    bind(bench, CAROL, "not an address");
    append(bench,
           (const struct window_share[]){ { .account = CAROL, .work = 500 },
                                          { .account = ALICE, .work = 500 } },
           2, block_a);
    tell(bench, WIRE_REWARD_FOUND, block_a, 100000, 1000);
    tell(bench, WIRE_REWARD_MATURED, block_a, 100000, 1000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    node_fake_fund(bench->chain, 49500); /* enough for the output, not for the fee */
    for (int i = 0; i < 4; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 49500);
    node_fake_fund(bench->chain, 1000000);
    assert_int_equal(tick(bench), STEP_DONE);
    node_fake_mine(bench->chain, 1);
    node_fake_mine(bench->chain, 2);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).paid, 49500);
    assert_int_equal(balance(bench, ledger_miner(CAROL)).available, 49500);
    audit(bench);
}

static void what_is_above_the_limit_waits_for_two_operators(void **state)
{
    struct bench *bench = *state;
    struct error error;
    bench->options.approve_above.units = 50000;
    bench->options.approvals = 2;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 59400);
    assert_int_equal(engine_approve(bench->engine, 1, 0xaa, &error), STEP_DONE);
    assert_int_equal(engine_approve(bench->engine, 1, 0xaa, &error), STEP_WAIT);
    assert_int_equal(engine_approve(bench->engine, 2, 0xbb, &error), STEP_WAIT);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(engine_approve(bench->engine, 1, 0xbb, &error), STEP_DONE);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 1);
    assert_int_equal(engine_reject(bench->engine, 1, "too late", &error), STEP_WAIT);
    audit(bench);
}

static void a_rejected_payment_gives_its_money_back_and_is_not_made_again_at_once(void **state)
{
    struct bench *bench = *state;
    struct error error;
    bench->options.approve_above.units = 50000;
    bench->options.approvals = 2;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(engine_reject(bench->engine, 1, "who is that?", &error), STEP_DONE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 59400);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 0);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    audit(bench);
}

static void nothing_new_is_signed_while_payments_are_paused(void **state)
{
    struct bench *bench = *state;
    struct error error;
    node_fake_fund(bench->chain, 10000000);
    assert_int_equal(engine_turn_paused(bench->engine, true, "ann", "stock-taking", &error),
                     STEP_DONE);
    mature(bench);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 59400);
    engine_close(bench->engine); /* a pause outlives the process */
    open_engine(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(engine_turn_paused(bench->engine, false, "ann", "", &error), STEP_DONE);
    bench->now_ms += 10000;
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 1);
}

static struct withdrawal ask_for(struct bench *bench, uint64_t account, const char *request,
                                 uint64_t amount, const char *address)
{
    struct withdrawal withdrawal;
    struct error error;
    const struct engine_asking asking = { .account = account,
                                          .operator_account = account == 0 ? OPERATOR : 0,
                                          .request = request,
                                          .amount = { amount },
                                          .address = address };
    assert_int_equal(engine_withdraw(bench->engine, &asking, &withdrawal, &error), STEP_DONE);
    return withdrawal;
}

/* A second block, of Alice's work alone. */
static void tell_more(struct bench *bench)
{
    append(bench, &(struct window_share){ .account = ALICE, .work = 1000 }, 1, block_b);
    tell(bench, WIRE_REWARD_FOUND, block_b, 100000, 1000);
    tell(bench, WIRE_REWARD_MATURED, block_b, 100000, 1000);
}

static uint64_t newest_payment(struct bench *bench)
{
    struct error error;
    uint64_t newest = 0;
    assert_int_equal(payment_newest(bench->store, &newest, &error), STORE_DONE);
    return newest;
}

/* A dry run shows what would be paid: nothing is planned, reserved, signed or sent, nor is what
 * people ask for. When it is over everything is as if it had never been. */
static void a_dry_run_changes_nothing(void **state)
{
    struct bench *bench = *state;
    bench->options.dry_run = true;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    uint64_t sets = engine_counters(bench->engine).newest_set;
    struct withdrawal asked = ask_for(bench, BOB, "mine", 500, "");
    for (int i = 0; i < 5; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(newest_payment(bench), 0);
    assert_int_equal(engine_counters(bench->engine).newest_set, sets);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 59400);
    assert_int_equal(balance(bench, ledger_miner(BOB)).available, 39600);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(asked.state, WITHDRAWAL_OPEN);
    bench->options.dry_run = false;
    engine_close(bench->engine);
    open_engine(bench);
    for (int i = 0; i < 4; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 59400);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 39600);
    assert_true(node_fake_broadcasts(bench->chain) >= 2); /* what was asked for goes alone */
    audit(bench);
}

/* What was planned before a dry run began is not signed in it. */
static void what_waited_when_a_dry_run_began_is_not_signed_in_it(void **state)
{
    struct bench *bench = *state;
    mature(bench);
    node_fake_fund(bench->chain, 10000000);
    node_fake_trouble(bench->node, NODE_FAKE_AWAY);
    bench->options.approve_above.units = 1;
    bench->options.approvals = 1;
    engine_close(bench->engine);
    node_fake_trouble(bench->node, NODE_FAKE_WELL);
    open_engine(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(newest_payment(bench), 1);
    bench->options.dry_run = true;
    bench->options.approve_above.units = 0;
    engine_close(bench->engine);
    open_engine(bench);
    struct error error;
    assert_int_equal(engine_approve(bench->engine, 1, OPERATOR, &error), STEP_DONE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    bench->options.dry_run = false;
    engine_close(bench->engine);
    open_engine(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 1);
    audit(bench);
}

/* Each hour of a day: new payments begin in those that were named and in no others. */
static void payments_begin_at_their_hours_alone(void **state)
{
    enum { HOUR_MS = 3600000, FROM = 9, TO = 22 };
    struct bench *bench = *state;
    bench->options.hours = 1u << FROM | 1u << TO;
    bench->now_ms -= bench->now_ms % (24 * HOUR_MS);
    bench->now_ms += 24 * HOUR_MS;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    uint64_t midnight = bench->now_ms;
    for (unsigned hour = 0; hour < FROM; hour++)
        for (int end = 0; end < 2; end++) {
            bench->now_ms = midnight + hour * HOUR_MS + (end ? HOUR_MS - 1501 : 0);
            assert_int_equal(tick(bench), STEP_DONE);
            assert_int_equal(newest_payment(bench), 0);
        }
    bench->now_ms = midnight + FROM * HOUR_MS;
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(newest_payment(bench), 1);
    assert_int_equal(node_fake_broadcasts(bench->chain), 1);
    /* What is due later waits for the other hour; what people ask for does not. */
    node_fake_mine(bench->chain, 10);
    assert_int_equal(tick(bench), STEP_DONE);
    tell_more(bench);
    for (unsigned hour = FROM + 1; hour < TO; hour++) {
        bench->now_ms = midnight + hour * HOUR_MS;
        assert_int_equal(tick(bench), STEP_DONE);
        assert_int_equal(newest_payment(bench), 1);
    }
    (void)ask_for(bench, ALICE, "now", 1000, "");
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(newest_payment(bench), 2);
    bench->now_ms = midnight + TO * HOUR_MS;
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(newest_payment(bench), 3);
    audit(bench);
}

static void no_more_than_the_cap_is_paid_in_a_day(void **state)
{
    struct bench *bench = *state;
    bench->options.day_max.units = 60000; /* ALICE's 59400, and not BOB's 39600 with it */
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 59400);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 0);
    bench->now_ms += 24 * 3600 * 1000;
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 39600);
    audit(bench);
}

static void what_is_more_than_a_day_s_is_paid_in_parts(void **state)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct bench *bench = *state;
    bench->options.day_max.units = 30000;
    engine_close(bench->engine);
    open_engine(bench);
    bench->now_ms += DAY_MS - bench->now_ms % DAY_MS;
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 30000);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 0);
    ask_for(bench, BOB, "a", 30001, "");
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(ask_for(bench, BOB, "a", 0, "").state, WITHDRAWAL_REFUSED);
    for (int day = 0; day < 4; day++) {
        bench->now_ms += DAY_MS;
        for (int i = 0; i < 2; i++)
            assert_int_equal(tick(bench), STEP_DONE);
    }
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 59400);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 39600);
    audit(bench);
}

static void who_asks_is_paid_once_whatever_the_threshold(void **state)
{
    struct bench *bench = *state;
    bench->options.threshold.units = 1000000;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(ask_for(bench, ALICE, "a", 10000, "").state, WITHDRAWAL_OPEN);
    assert_int_equal(ask_for(bench, ALICE, "a", 20000, "").amount.units, 10000);
    ask_for(bench, BOB, "a", 39601, "");
    ask_for(bench, BOB, "dust", 100, "");
    ask_for(bench, CAROL, "a", 0, "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 10000);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 49400);
    struct withdrawal answered = ask_for(bench, ALICE, "a", 10000, "");
    assert_int_equal(answered.state, WITHDRAWAL_PLANNED);
    assert_int_equal(answered.payment, 1);
    assert_int_equal(ask_for(bench, BOB, "a", 0, "").state, WITHDRAWAL_REFUSED);
    assert_int_equal(ask_for(bench, BOB, "dust", 0, "").state, WITHDRAWAL_REFUSED);
    assert_int_equal(ask_for(bench, CAROL, "a", 0, "").state, WITHDRAWAL_REFUSED);
    ask_for(bench, BOB, "all", 0, "");
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 39600);
    audit(bench);
}

static void to_an_address_just_changed_nothing_is_paid_until_its_lock_ends(void **state)
{
    struct bench *bench = *state;
    struct account alice;
    struct error error;
    node_fake_fund(bench->chain, 10000000);
    assert_int_equal(account_get(bench->store, ALICE, &alice, &error), STORE_DONE);
    alice.payouts[0].lock_until_ms = bench->now_ms + (uint64_t)48 * 3600 * 1000;
    assert_int_equal(account_save(bench->store, &alice, &error), STORE_DONE);
    mature(bench);
    ask_for(bench, ALICE, "now", 1000, "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 0);
    assert_int_equal(ask_for(bench, ALICE, "now", 0, "").state, WITHDRAWAL_REFUSED);
    assert_true(balance(bench, ledger_miner(BOB)).in_flight > 0); /* others are */
    bench->now_ms = alice.payouts[0].lock_until_ms;
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_true(balance(bench, ledger_miner(ALICE)).in_flight > 0);
    audit(bench);
}

static void a_small_withdrawal_bears_what_it_costs(void **state)
{
    struct bench *bench = *state;
    bench->options.threshold.units = 20000;
    bench->options.hours = 1u << ((bench->now_ms / 3600000 + 12) % 24); /* not now */
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    ask_for(bench, ALICE, "small", 19999, "");
    ask_for(bench, BOB, "large", 20000, "");
    assert_int_equal(tick(bench), STEP_DONE);
    for (int i = 0; i < 3; i++) {
        node_fake_mine(bench->chain, 1);
        assert_int_equal(tick(bench), STEP_DONE);
    }
    int64_t alice = balance(bench, ledger_miner(ALICE)).paid;
    int64_t cost = balance(bench, ledger_house(LEDGER_COST)).paid;
    assert_true(alice > 0 && alice < 19999);
    assert_int_equal(balance(bench, ledger_miner(BOB)).paid, 20000);
    assert_int_equal(balance(bench, ledger_house(LEDGER_FEE)).available,
                     1000 - (cost - (19999 - alice)));
    audit(bench);
}

/* The wallet that adds what is too little for change to the fee takes less from the receivers than
 * their shares of it. */
static void a_payment_that_does_not_come_out_even_stops_nobody(void **state)
{
    struct bench *bench = *state;
    bench->options.threshold.units = 1000000;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    node_fake_excess(bench->chain, 300);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    ask_for(bench, ALICE, "a", 10000, "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 0);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 59400);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    ask_for(bench, ALICE, "again", 10000, "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 10000);
    assert_true(node_fake_broadcasts(bench->chain) > 0);
    audit(bench);
}

static void who_waits_for_funds_keeps_nobody_behind_waiting(void **state)
{
    struct bench *bench = *state;
    char name[8];
    bench->options.threshold.units = 1000000;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 30000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "a%d", i);
        ask_for(bench, ALICE, name, 50000, "");
    }
    bench->now_ms++;
    ask_for(bench, BOB, "b", 20000, "");
    for (int i = 0; i < 5; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(BOB)).in_flight, 20000);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 0);
    node_fake_fund(bench->chain, 100000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 50000);
    audit(bench);
}

/* A store in which a payment appears right after a withdrawal's was looked for: a leader that was
 * stopped before its last write wakes up just then. */
struct late_store {
    struct store port;
    struct store *inner;
    bool armed;
    struct payment_record payment;
};

static bool late_declare(struct store *store, const struct store_collection *const *collections,
                         size_t count, struct error *error)
{
    return store_declare(((struct late_store *)store)->inner, collections, count, error);
}

static enum store_outcome late_apply(struct store *store, struct store_write *writes, size_t count,
                                     struct error *error)
{
    return store_apply(((struct late_store *)store)->inner, writes, count, error);
}

static enum store_outcome late_get(struct store *store, const struct store_collection *collection,
                                   const char *id, struct arena *arena,
                                   struct store_record *record_r, struct error *error)
{
    return store_get(((struct late_store *)store)->inner, collection, id, arena, record_r, error);
}

static enum store_outcome late_find(struct store *store, const struct store_collection *collection,
                                    const struct store_query *query, store_visitor visitor,
                                    void *context, struct error *error)
{
    struct late_store *late = (struct late_store *)store;
    enum store_outcome outcome =
        store_find(late->inner, collection, query, visitor, context, error);
    if (late->armed && collection == &payment_collection && strcmp(query->field, "request") == 0) {
        late->armed = false;
        assert_int_equal(payment_insert(late->inner, &late->payment, error), STORE_DONE);
    }
    return outcome;
}

static void late_close(struct store *store)
{
    store_close(((struct late_store *)store)->inner);
}

static void a_withdrawal_that_a_rival_plans_just_now_is_planned_once(void **state)
{
    static const struct store_ops ops = { .declare = late_declare,
                                          .apply = late_apply,
                                          .get = late_get,
                                          .find = late_find,
                                          .close = late_close };
    struct bench *bench = *state;
    struct error error;
    struct account alice;
    static struct late_store late;
    late = (struct late_store){ .port = { &ops }, .inner = bench->store };
    bench->options.threshold.units = 1000000;
    engine_close(bench->engine);
    bench->store = &late.port;
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    ask_for(bench, ALICE, "a", 10000, "");
    assert_int_equal(account_get(late.inner, ALICE, &alice, &error), STORE_DONE);
    struct payment_output output = { .account = ALICE, .amount = { 10000 } };
    snprintf(output.address, sizeof output.address, "%s", alice.payouts[0].address);
    late.payment = (struct payment_record){ .number = 1,
                                            .state = PAYMENT_PLANNED,
                                            .epoch = 1,
                                            .amount = { 10000 },
                                            .created_ms = bench->now_ms,
                                            .outputs = &output,
                                            .output_count = 1 };
    withdrawal_id(ALICE, "a", late.payment.request);
    late.armed = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_false(late.armed);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 10000);
    assert_true(node_fake_broadcasts(bench->chain) >= 1);
    struct withdrawal answered = ask_for(bench, ALICE, "a", 0, "");
    assert_int_equal(answered.state, WITHDRAWAL_PLANNED);
    assert_int_equal(answered.payment, 1);
    audit(bench);
}

static void what_the_pool_earned_is_withdrawn_by_two(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct account alice;
    bench->options.threshold.units = 1000000;
    bench->options.approvals = 2;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(account_get(bench->store, ALICE, &alice, &error), STORE_DONE);
    ask_for(bench, 0, "own", 600, alice.payouts[0].address);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_house(LEDGER_FEE)).in_flight, 600);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(engine_approve(bench->engine, 1, 1, &error), STEP_DONE);
    assert_int_equal(engine_approve(bench->engine, 1, 2, &error), STEP_DONE);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 1);
    node_fake_mine(bench->chain, 1);
    node_fake_mine(bench->chain, 2);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_house(LEDGER_FEE)).paid, 600);
    audit(bench);
}

static void who_asks_for_a_payment_does_not_approve_it(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct account alice;
    bench->options.threshold.units = 1000000;
    bench->options.approve_above.units = 5000;
    bench->options.approvals = 1;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(account_get(bench->store, ALICE, &alice, &error), STORE_DONE);
    ask_for(bench, 0, "own", 600, alice.payouts[0].address);
    assert_int_equal(tick(bench), STEP_DONE);
    ask_for(bench, ALICE, "much", 6000, "");
    assert_int_equal(tick(bench), STEP_DONE);
    /* The first was asked for by the operator, the second by an account that is one's, too. */
    assert_int_equal(engine_approve(bench->engine, 1, OPERATOR, &error), STEP_WAIT);
    assert_non_null(strstr(error.text, "another approves it"));
    assert_int_equal(engine_approve(bench->engine, 2, ALICE, &error), STEP_WAIT);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    assert_int_equal(engine_approve(bench->engine, 1, ALICE, &error), STEP_DONE);
    assert_int_equal(engine_approve(bench->engine, 2, OPERATOR, &error), STEP_DONE);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(node_fake_broadcasts(bench->chain), 2);
    audit(bench);
}

static enum step try_to_ask(struct bench *bench, uint64_t account, const char *request,
                            struct error *error)
{
    struct withdrawal withdrawal;
    const struct engine_asking asking = {
        .account = account, .request = request, .amount = { 10000 }, .address = ""
    };
    return engine_withdraw(bench->engine, &asking, &withdrawal, error);
}

static void an_account_cannot_ask_without_end(void **state)
{
    struct bench *bench = *state;
    struct error error;
    char name[8];
    bench->options.threshold.units = 1000000;
    bench->options.requests_open = 2;
    bench->options.requests_day = 5;
    engine_close(bench->engine);
    open_engine(bench);
    mature(bench); /* and the wallet has nothing */
    assert_int_equal(try_to_ask(bench, ALICE, "a", &error), STEP_DONE);
    assert_int_equal(try_to_ask(bench, ALICE, "b", &error), STEP_DONE);
    assert_int_equal(try_to_ask(bench, ALICE, "c", &error), STEP_WAIT);
    assert_non_null(strstr(error.text, "wait already"));
    assert_int_equal(try_to_ask(bench, ALICE, "a", &error), STEP_DONE); /* asked before */
    assert_int_equal(try_to_ask(bench, BOB, "c", &error), STEP_DONE);   /* another's */
    /* Refused or planned ones make room, until the day's are used up. */
    node_fake_fund(bench->chain, 10000000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(try_to_ask(bench, ALICE, name, &error), STEP_DONE);
        for (int k = 0; k < 2; k++)
            assert_int_equal(tick(bench), STEP_DONE);
    }
    assert_int_equal(try_to_ask(bench, ALICE, "more", &error), STEP_WAIT);
    assert_non_null(strstr(error.text, "tomorrow"));
    bench->now_ms += 24 * 3600 * 1000;
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(try_to_ask(bench, ALICE, "more", &error), STEP_DONE);
    audit(bench);
}

/* Else the loss would be the pool's, and the payment for nothing. */
static void what_is_not_signed_is_recalled_when_its_block_is_orphaned(void **state)
{
    struct bench *bench = *state;
    bench->options.approve_above.units = 1;
    bench->options.approvals = 1;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 59400);
    tell(bench, WIRE_REWARD_ORPHANED, block_a, 100000, 1000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 0);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 0);
    assert_int_equal(balance(bench, ledger_house(LEDGER_LOSS)).available, 0);
    audit(bench);
}

/* Nor would it be for what was received and left the chain. */
static void what_is_not_signed_is_recalled_when_what_it_came_from_is_retracted(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct emission_receiver alice = { .account = ALICE, .weight = 1 };
    struct emission_record emission = { .txid = { 7 },
                                        .reward = { 100000 },
                                        .terms = { 0, 10000, 0 },
                                        .pools = &alice,
                                        .pool_count = 1 };
    bench->options.approve_above.units = 1;
    bench->options.approvals = 1;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    assert_int_equal(emission_insert(bench->store, &emission, &error), STORE_DONE);
    tell(bench, WIRE_REWARD_RECEIVED, emission.txid, 100000, 1000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 100000);
    tell(bench, WIRE_REWARD_RETRACTED, emission.txid, 100000, 1000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 0);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 0);
    assert_int_equal(balance(bench, ledger_house(LEDGER_LOSS)).available, 0);
    audit(bench);
}

static void a_plan_that_is_not_covered_any_more_is_given_up(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct account alice;
    bench->options.threshold.units = 1000000;
    engine_close(bench->engine);
    open_engine(bench);
    node_fake_fund(bench->chain, 10000000);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(account_get(bench->store, ALICE, &alice, &error), STORE_DONE);
    struct payment_output output = { .account = ALICE, .amount = { 59401 } };
    snprintf(output.address, sizeof output.address, "%s", alice.payouts[0].address);
    struct payment_record payment = { .number = 1,
                                      .state = PAYMENT_PLANNED,
                                      .epoch = 1,
                                      .amount = { 59401 },
                                      .created_ms = bench->now_ms,
                                      .outputs = &output,
                                      .output_count = 1 };
    assert_int_equal(payment_insert(bench->store, &payment, &error), STORE_DONE);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 59400);
    assert_int_equal(node_fake_broadcasts(bench->chain), 0);
    audit(bench);
}

static void without_its_node_only_payments_wait(void **state)
{
    struct bench *bench = *state;
    const char *text;
    node_fake_fund(bench->chain, 10000000);
    node_fake_trouble(bench->node, NODE_FAKE_AWAY);
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(engine_trouble(bench->engine, &text), ENGINE_NODE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 59400);
    node_fake_trouble(bench->node, NODE_FAKE_WELL);
    bench->now_ms += 10000;
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(engine_trouble(bench->engine, &text), ENGINE_NONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).in_flight, 59400);
}

static void without_the_window_only_blocks_wait(void **state)
{
    struct bench *bench = *state;
    const char *text;
    share_block(bench);
    window_fake_readers_fail(bench->shares, true);
    assert_int_equal(tick(bench), STEP_AWAY);
    assert_int_equal(engine_trouble(bench->engine, &text), ENGINE_WINDOW);
    window_fake_readers_fail(bench->shares, false);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).immature, 59400);
}

/* What a failover may still take back is not bought: it would be sent again, and bought again. */
static void work_is_bought_once_whatever_a_failover_takes_back(void **state)
{
    enum { LAG_MS = 60000 };
    struct bench *bench = *state;
    struct error error;
    struct money booked;
    const struct window_share share = { .account = ALICE, .work = 2 };
    bench->options.scheme = REWARD_PPS;
    bench->options.block_reward.units = 1000;
    bench->options.segment_lag_ms = LAG_MS;
    engine_close(bench->engine);
    open_engine(bench);
    assert_int_equal(engine_fund(bench->engine, 1, (struct money){ 1000000 }, &booked, &error),
                     STEP_DONE);
    assert_int_equal(tick(bench), STEP_DONE); /* a run begins */
    append(bench, &share, 1, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).available, 0);
    window_fake_clear(bench->shares); /* another server leads, and lacks it */
    append(bench, &share, 1, NULL);
    bench->now_ms += LAG_MS;
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(bench), STEP_DONE);
    int64_t earned = balance(bench, ledger_miner(ALICE)).available +
                     balance(bench, ledger_house(LEDGER_FEE)).available;
    assert_true(earned > 0 && earned <= 1000);
    assert_int_equal(balance(bench, ledger_house(LEDGER_RESERVE)).available, 1000000 - earned);
    audit(bench);
}

static void bought_work_is_stated_before_it_is_credited(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct money booked;
    struct proof_link link;
    const struct window_share shares[] = { { .account = ALICE, .work = 300 },
                                           { .account = BOB, .work = 100 } };
    bench->options.scheme = REWARD_FPPS;
    engine_close(bench->engine);
    open_engine(bench);
    assert_int_equal(
        engine_fund(bench->engine, 1, (struct money){ MONEY_MAX / 4 }, &booked, &error), STEP_DONE);
    assert_int_equal(tick(bench), STEP_DONE);
    struct window_position before = { 0 };
    for (uint64_t number = 1; number <= 3; number++) {
        append(bench, shares, 2, NULL);
        for (int i = 0; i < 3; i++)
            assert_int_equal(tick(bench), STEP_DONE);
        assert_int_equal(proof_link_newest(bench->store, &link, &error), STORE_DONE);
        const struct proof_statement *statement = &link.statement;
        /* Stretch 1 marks the beginning. */
        assert_int_equal(proof_stretch_of(statement), number + 1);
        assert_int_equal(statement->number, number);
        assert_true(statement->root.sums.work == 400 && statement->accounts == 2);
        assert_int_equal(statement->reward, statement->fee + statement->root.sums.amount);
        assert_string_equal(statement->scheme, "fpps");
        assert_true(statement->oldest.high == before.high && statement->oldest.low == before.low);
        before = (struct window_position){ statement->newest.high, statement->newest.low, 0 };
    }
    audit(bench);
    /* One that was stated otherwise, or never, is found. */
    struct payout_audit_report report;
    link.statement.number = 4;
    memcpy(link.statement.previous, link.head, sizeof link.head);
    assert_int_equal(proof_link_append(bench->store, &link, &error), STORE_DONE);
    assert_true(payout_audit(bench->store, NULL, NULL, &report, &error));
    assert_true(report.differences > 0 && strstr(report.first, "of stretch 4 again") != NULL);
}

static void who_found_a_leader_lapsed_takes_over_from_no_other(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct leader leader;
    assert_int_equal(leader_read(bench->store, ENGINE_ROLE, &leader, &error), STORE_DONE);
    const uint64_t judged = leader.epoch;
    engine_close(bench->engine);
    open_engine(bench); /* another was quicker, and leads */
    assert_null(engine_take_over(&bench->options, bench->store, bench->window, bench->node,
                                 bench->now_ms, judged, &error));
    assert_int_equal(error.code, ERROR_REFUSED);
    assert_int_equal(leader_still(bench->store, ENGINE_ROLE, judged + 1, &error), STORE_DONE);
    engine_close(bench->engine);
    bench->engine = engine_take_over(&bench->options, bench->store, bench->window, bench->node,
                                     bench->now_ms, judged + 1, &error);
    assert_non_null(bench->engine);
    assert_int_equal(leader_still(bench->store, ENGINE_ROLE, judged + 2, &error), STORE_DONE);
}

static void who_lost_the_leadership_writes_nothing(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct engine *first = bench->engine;
    open_engine(bench);
    share_block(bench);
    assert_int_equal(engine_tick(first, bench->now_ms, &error), STEP_LOST);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).immature, 0);
    engine_close(first);
    assert_int_equal(tick(bench), STEP_DONE);
    assert_int_equal(balance(bench, ledger_miner(ALICE)).immature, 59400);
}

/* One base unit moved behind the ledger's back is found, wherever it is. */
static void the_audit_finds_what_was_changed(void **state)
{
    struct bench *bench = *state;
    struct error error;
    struct payout_audit_report report;
    _Alignas(16) uint8_t memory[8192];
    mature(bench);
    assert_int_equal(tick(bench), STEP_DONE);
    const struct store_collection *const collections[] = { &balance_collection, &balance_collection,
                                                           &entry_collection, &entry_collection };
    const char *const ids[] = { "miner:000", "house", "00000000000000000001:1:0000000000001001",
                                "00000000000000000001:1:0000000000001001" };
    /* The first one's immature and available, its amount, the set before. */
    const size_t fields[] = { 1, 1, 0, 0 }, at[] = { 10, 18, 11, 19 };
    for (size_t i = 0; i < 4; i++) {
        struct arena arena = arena_over(memory, sizeof memory);
        struct store_write write = { .verb = STORE_REPLACE, .collection = collections[i] };
        assert_int_equal(
            store_get(bench->store, collections[i], ids[i], &arena, &write.record, &error),
            STORE_DONE);
        uint8_t bytes[4096];
        struct store_value *packed = &write.record.values[fields[i]];
        assert_true(packed->bytes.length <= sizeof bytes);
        memcpy(bytes, packed->bytes.data, packed->bytes.length);
        packed->bytes = span_of(bytes, packed->bytes.length);
        for (int change = 1; change >= -1; change -= 2) {
            bytes[at[i]] = (uint8_t)(bytes[at[i]] + change);
            assert_int_equal(store_apply(bench->store, &write, 1, &error), STORE_DONE);
            write.record.version++;
            assert_true(payout_audit(bench->store, NULL, NULL, &report, &error));
            assert_int_equal(report.differences > 0, change == 1);
        }
    }
}

int main(void)
{
    log_open("payout-engine", "1", getenv("ADIT_SIM_LOG") != NULL ? LOG_INFO : LOG_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_block_is_shared_by_its_window_and_nothing_else),
        TEST(a_window_is_trimmed_to_what_no_segment_holds),
        TEST(blocks_found_while_payout_was_dead_are_credited_exactly),
        TEST(a_candidate_behind_many_others_is_let_go),
        TEST(a_block_without_any_share_is_nobodys),
        TEST(what_is_due_is_paid_once_and_confirmed),
        TEST(an_empty_wallet_delays_and_a_bad_address_stops_only_itself),
        TEST(what_is_above_the_limit_waits_for_two_operators),
        TEST(a_rejected_payment_gives_its_money_back_and_is_not_made_again_at_once),
        TEST(nothing_new_is_signed_while_payments_are_paused),
        TEST(a_dry_run_changes_nothing),
        TEST(what_waited_when_a_dry_run_began_is_not_signed_in_it),
        TEST(payments_begin_at_their_hours_alone),
        TEST(bought_work_is_stated_before_it_is_credited),
        TEST(no_more_than_the_cap_is_paid_in_a_day),
        TEST(what_is_more_than_a_day_s_is_paid_in_parts),
        TEST(who_asks_is_paid_once_whatever_the_threshold),
        TEST(to_an_address_just_changed_nothing_is_paid_until_its_lock_ends),
        TEST(a_small_withdrawal_bears_what_it_costs),
        TEST(a_payment_that_does_not_come_out_even_stops_nobody),
        TEST(who_waits_for_funds_keeps_nobody_behind_waiting),
        TEST(a_withdrawal_that_a_rival_plans_just_now_is_planned_once),
        TEST(what_the_pool_earned_is_withdrawn_by_two),
        TEST(who_asks_for_a_payment_does_not_approve_it),
        TEST(an_account_cannot_ask_without_end),
        TEST(what_is_not_signed_is_recalled_when_its_block_is_orphaned),
        TEST(what_is_not_signed_is_recalled_when_what_it_came_from_is_retracted),
        TEST(a_plan_that_is_not_covered_any_more_is_given_up),
        TEST(without_its_node_only_payments_wait),
        TEST(without_the_window_only_blocks_wait),
        TEST(work_is_bought_once_whatever_a_failover_takes_back),
        TEST(who_found_a_leader_lapsed_takes_over_from_no_other),
        TEST(who_lost_the_leadership_writes_nothing),
        TEST(the_audit_finds_what_was_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
