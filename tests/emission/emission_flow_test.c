/* The scheduler's follower reads a chain in memory and writes reward events; payout's engine posts
 * them; the audit computes everything again. Any write may fail, anybody may die between any two,
 * and the chain may leave what was credited. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_fake/node_fake.h"
#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "base/test_random.h"
#include "record/account/account.h"
#include "record/emission/emission_record.h"
#include "record/event/event.h"
#include "record/leader/leader.h"
#include "record/member/member.h"
#include "core/score/score.h"
#include "service/log.h"
#include "services/inode-scheduler/books.h"
#include "services/inode-scheduler/follow.h"
#include "services/inode-scheduler/scheduler.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"
#include "tests/emission/oracle.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONFIRMATIONS = 5, TRANSACTIONS_MAX = 128, PAYMENT_PLACES_MAX = 256 };

#define POOL "bcrt1q6z64a43mjgkcq0ul2znwneq3spghrlau9slefp"
#define WALLET_1 "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define WALLET_2 "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry"
#define WALLET_3 "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"

struct place {
    uint8_t txid[32], block[32];
};

/* Among whom a payment is to be split, by the members as they stood when its record was made. */
struct kept {
    bool there;
    struct emission_record record;
    struct emission_receiver pools[ORACLE_RECEIVERS_MAX], validators[ORACLE_RECEIVERS_MAX];
};

struct world {
    struct store *store;
    struct loop *loop;
    struct window_fake *shares;
    struct window_reader *window;
    struct node_fake_chain *chain;
    struct node *node;
    struct follower *follower;
    struct engine *engine;
    struct engine_options engine_options;
    struct coin_profile coin;
    struct identity_key key;
    struct output_script ours, mined;
    uint32_t confirmations;
    uint64_t least, epoch, now_ms;
    const char *fee_address;
    struct place places[PAYMENT_PLACES_MAX];
    size_t place_count;
    uint64_t transactions;
    struct kept kept[TRANSACTIONS_MAX]; /* by the number of the transaction */
};

static struct error error;

static void open_follower(struct world *w)
{
    assert_int_equal(leader_take(w->store, SCHEDULER_ROLE, "1", w->epoch + 1, 1, &w->epoch, &error),
                     STORE_DONE);
    w->follower = follower_create(&(struct follow_options){
        .store = w->store,
        .nodes = &w->node,
        .nodes_count = 1,
        .role = SCHEDULER_ROLE,
        .epoch = w->epoch,
        .chain = "regtest",
        .script = w->mined,
        .rules = { .confirmations = 100, .follow_depth = 206 },
        .receiving = { .script = w->ours,
                       .terms = { 1800, 4100, 4100 },
                       .fee_address = w->fee_address,
                       .confirmations = w->confirmations,
                       .start_height = 1,
                       .least = w->least,
                       .coin = &w->coin,
                       .key = &w->key },
    });
}

static void open_engine(struct world *w)
{
    w->engine = engine_open(&w->engine_options, w->store, w->window, NULL, w->now_ms, &error);
    if (w->engine == NULL)
        fail_msg("%s", error.text);
}

static void open_world(struct world *w, uint32_t confirmations)
{
    *w = (struct world){ .store = store_fake_create(),
                         .loop = loop_create(&error),
                         .chain = node_fake_chain_create("regtest", 0x207fffff),
                         .coin = *coin_profile_find(span_text("bitcoin-regtest")),
                         .key = { { 7 } },
                         .ours = { .data = { 0x00, 0x14, 0xee }, .length = 22 },
                         .mined = { .data = { 0x00, 0x14, 0xdd }, .length = 22 },
                         .confirmations = confirmations,
                         .least = 1,
                         .fee_address = "",
                         .now_ms = loop_unix_ms() };
    w->shares = window_fake_create(w->loop);
    w->window = window_fake_reader(w->shares);
    w->node = node_fake_open(w->chain, "node");
    assert_true(scheduler_declare(w->store, &error) && engine_declare(w->store, &error));
    w->engine_options = (struct engine_options){ .instance = "1",
                                                 .boot_id = 1,
                                                 .coin = &w->coin,
                                                 .scheme = REWARD_PPLNS,
                                                 .window_percent = 100,
                                                 .threshold = { 1000 },
                                                 .outputs_max = 10,
                                                 .fee_rate_max = 500,
                                                 .push_interval_ms = 1000,
                                                 .trim_interval_ms = 5000,
                                                 .candidate_wait_ms = 1000 };
    open_follower(w);
    open_engine(w);
}

static void close_world(struct world *w)
{
    engine_close(w->engine);
    follower_destroy(w->follower);
    node_close(w->node);
    node_fake_chain_destroy(w->chain);
    window_reader_close(w->window);
    window_fake_destroy(w->shares);
    loop_destroy(w->loop);
    store_close(w->store);
}

static void add_member(struct world *w, enum member_kind kind, enum member_source source,
                       const char *id, const char *wallet, uint32_t stake, uint32_t score)
{
    struct member member = { .kind = kind, .source = source, .stake = stake, .score = score };
    snprintf(member.id, sizeof member.id, "%s", id);
    snprintf(member.wallet, sizeof member.wallet, "%s", wallet);
    assert_int_equal(member_insert(w->store, &member, w->epoch, &error), STORE_DONE);
}

static void add_everybody(struct world *w)
{
    add_member(w, MEMBER_POOL, MEMBER_OWN, POOL, POOL, 0, 60);
    add_member(w, MEMBER_POOL, MEMBER_LISTED, WALLET_1, WALLET_1, 0, 40);
    add_member(w, MEMBER_POOL, MEMBER_GONE, WALLET_3, WALLET_3, 0, 90);
    add_member(w, MEMBER_VALIDATOR, MEMBER_LISTED, WALLET_2, WALLET_2, 3000, 1);
    add_member(w, MEMBER_VALIDATOR, MEMBER_LISTED, WALLET_3, WALLET_3, 1000, 1);
    add_member(w, MEMBER_VALIDATOR, MEMBER_LISTED, WALLET_1, WALLET_1, 500, 0); /* not active */
    add_member(w, MEMBER_VALIDATOR, MEMBER_OWN, "own:1", "", 100, 1);
}

/* Somebody pays us in a block of its own on the tip. */
static void pay_again(struct world *w, const uint8_t txid[32], uint64_t amount)
{
    struct place *place = &w->places[w->place_count++];
    uint32_t height;
    assert_true(w->place_count < PAYMENT_PLACES_MAX);
    node_fake_mine(w->chain, 1);
    node_fake_pay(w->chain, txid, output_script_span(&w->ours), amount);
    node_fake_tip(w->chain, place->block, &height);
    memcpy(place->txid, txid, 32);
}

static void pay(struct world *w, uint64_t amount, uint8_t txid_r[32])
{
    memset(txid_r, 0, 32);
    store_le64(txid_r, ++w->transactions);
    pay_again(w, txid_r, amount);
}

static struct follow_result follow(struct world *w)
{
    struct follow_result result;
    struct error why = { .text = "" };
    follow_pass(w->follower, NULL, 0, &result, &why);
    return result;
}

static void replace_follower(struct world *w)
{
    follower_destroy(w->follower);
    open_follower(w);
}

static void post(struct world *w)
{
    struct error why = { .text = "" };
    w->now_ms += 1500;
    enum step step = engine_tick(w->engine, w->now_ms, &why);
    if (step == STEP_BROKEN)
        fail_msg("%s", why.text);
}

static void settle(struct world *w)
{
    struct follow_result result;
    do {
        result = follow(w);
        assert_true(result.whole);
    } while (result.payments_behind > 0);
    post(w);
    post(w);
}

static int64_t available(struct world *w, struct ledger_account account)
{
    struct balance_record record;
    assert_int_not_equal(balance_get(w->store, &account, &record, &error), STORE_FAILED);
    assert_int_equal(record.amounts.immature, 0);
    return record.amounts.available;
}

static int64_t house(struct world *w, enum ledger_owner owner)
{
    return available(w, ledger_house(owner));
}

static uint64_t account_of(const struct world *w, const char *address)
{
    struct identity_account identity;
    assert_int_equal(identity_resolve(&w->coin, span_text(address), &identity, NULL), IDENTITY_OK);
    return identity_account_id(&w->key, &identity);
}

static int64_t wallet(struct world *w, const char *address)
{
    struct account account;
    uint64_t id = account_of(w, address);
    int64_t amount = available(w, ledger_miner(id));
    /* Who is credited can be paid. */
    if (amount != 0) {
        assert_int_equal(account_get(w->store, id, &account, &error), STORE_DONE);
        assert_string_equal(account.name, address);
    }
    return amount;
}

static void audit(struct world *w)
{
    struct payout_audit_report report;
    assert_true(payout_audit(w->store, NULL, NULL, &report, &error));
    if (report.differences != 0)
        fail_msg("%s", report.first);
}

static void a_payment_is_split_when_it_is_deep_enough_and_once(void **state)
{
    struct world w;
    uint8_t txid[32];
    (void)state;
    open_world(&w, CONFIRMATIONS);
    add_everybody(&w);
    node_fake_mine(w.chain, 10);
    settle(&w);
    pay(&w, 1000003, txid);
    node_fake_mine(w.chain, CONFIRMATIONS - 2);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), 0);
    node_fake_mine(w.chain, 1);
    settle(&w);
    /* fee 180001, pools 410001 (60 : 40), validators 410001 (3000 : 1000 : 100); ours are the
     * pool's own */
    assert_int_equal(house(&w, LEDGER_NETWORK), -1000003);
    assert_int_equal(wallet(&w, WALLET_1), 164000);
    assert_int_equal(wallet(&w, WALLET_2), 300001);
    assert_int_equal(wallet(&w, WALLET_3), 100000);
    assert_int_equal(house(&w, LEDGER_FEE), 180001 + 246001 + 10000);
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_POOLS), 0);
    node_fake_mine(w.chain, 20);
    settle(&w);
    /* nor by others who begin to lead, and by a payout that starts anew */
    replace_follower(&w);
    engine_close(w.engine);
    open_engine(&w);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), -1000003);
    audit(&w);
    close_world(&w);
}

static void the_fee_goes_to_its_address_where_one_is_named(void **state)
{
    struct world w;
    uint8_t txid[32];
    (void)state;
    open_world(&w, 1);
    w.fee_address = WALLET_3;
    replace_follower(&w);
    add_member(&w, MEMBER_VALIDATOR, MEMBER_LISTED, WALLET_3, WALLET_3, 3000, 1);
    pay(&w, 10000, txid);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_FEE), 0);
    assert_int_equal(wallet(&w, WALLET_3), 1800 + 4100); /* and its part as a validator */
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_POOLS), 4100);
    audit(&w);
    close_world(&w);
}

/* As it is where nothing is set. */
static void without_an_address_nothing_is_split(void **state)
{
    struct world w;
    uint8_t txid[32];
    (void)state;
    open_world(&w, 1);
    const struct output_script ours = w.ours;
    w.ours.length = 0;
    replace_follower(&w);
    add_everybody(&w);
    w.ours = ours;
    pay(&w, 1000003, txid);
    node_fake_mine(w.chain, CONFIRMATIONS);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), 0);
    struct track track;
    assert_int_equal(track_get(w.store, "emission", &track, &error), STORE_MISSING);
    audit(&w);
    close_world(&w);
}

static void what_has_no_receiver_waits_visibly_for_the_next_emission(void **state)
{
    struct world w;
    uint8_t txid[32];
    (void)state;
    open_world(&w, 1);
    pay(&w, 10000, txid);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_FEE), 1800);
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_POOLS), 4100);
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_VALIDATORS), 4100);
    audit(&w);
    add_member(&w, MEMBER_POOL, MEMBER_LISTED, WALLET_1, WALLET_1, 0, 1);
    pay(&w, 10000, txid);
    settle(&w);
    assert_int_equal(wallet(&w, WALLET_1), 8200);
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_POOLS), 0);
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_VALIDATORS), 8200);
    audit(&w);
    close_world(&w);
}

static void a_payment_that_leaves_the_chain_is_taken_back_and_comes_back(void **state)
{
    struct world w;
    uint8_t txid[32], tip[32];
    uint32_t height;
    (void)state;
    for (uint32_t depth = 1; depth <= 6; depth++) {
        open_world(&w, 1);
        add_everybody(&w);
        node_fake_mine(w.chain, 20);
        settle(&w);
        pay(&w, 1000003, txid);
        node_fake_mine(w.chain, depth - 1);
        settle(&w);
        assert_int_equal(wallet(&w, WALLET_2), 300001);
        node_fake_tip(w.chain, tip, &height);
        node_fake_reorganise(w.chain, depth);
        settle(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), 0);
        assert_int_equal(house(&w, LEDGER_FEE), 0);
        assert_int_equal(wallet(&w, WALLET_2), 0);
        audit(&w);
        /* the first branch again: credited again, among the same, though scores have changed */
        add_member(&w, MEMBER_VALIDATOR, MEMBER_LISTED, "late", WALLET_1, 5000, 1);
        assert_true(node_fake_bring_back(w.chain, tip));
        settle(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), -1000003);
        assert_int_equal(wallet(&w, WALLET_2), 300001);
        audit(&w);
        close_world(&w);
    }
}

static void a_carry_that_was_given_and_then_lost_its_emission_is_made_up_for(void **state)
{
    struct world w;
    uint8_t first[32], second[32];
    (void)state;
    open_world(&w, 1);
    node_fake_mine(w.chain, 5);
    pay(&w, 10000, first);
    settle(&w);
    add_member(&w, MEMBER_POOL, MEMBER_LISTED, WALLET_1, WALLET_1, 0, 1);
    pay(&w, 10000, second); /* gives out 8200 */
    settle(&w);
    assert_int_equal(wallet(&w, WALLET_1), 8200);
    node_fake_reorganise(w.chain, 2);
    pay_again(&w, second, 10000); /* the second alone is mined again */
    settle(&w);
    assert_int_equal(wallet(&w, WALLET_1), 8200);
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_POOLS), -4100);
    assert_int_equal(house(&w, LEDGER_NETWORK), -10000);
    audit(&w);
    pay(&w, 10000, first); /* fills it up, and nobody gets anything of the pools' part */
    settle(&w);
    assert_int_equal(wallet(&w, WALLET_1), 8200);
    assert_int_equal(house(&w, LEDGER_UNALLOCATED_POOLS), 0);
    audit(&w);
    close_world(&w);
}

static void a_node_that_is_behind_takes_nothing_back(void **state)
{
    struct world w;
    uint8_t txid[32];
    (void)state;
    open_world(&w, 1);
    node_fake_mine(w.chain, 20);
    pay(&w, 10000, txid);
    node_fake_mine(w.chain, 3);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), -10000);
    node_fake_lag(w.node, 10);
    (void)follow(&w);
    node_fake_trouble(w.node, NODE_FAKE_AWAY);
    (void)follow(&w);
    node_fake_trouble(w.node, NODE_FAKE_SILENT);
    (void)follow(&w);
    post(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), -10000);
    node_fake_trouble(w.node, NODE_FAKE_WELL);
    node_fake_lag(w.node, 0);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), -10000);
    audit(&w);
    close_world(&w);
}

/* Whether a block is on the best chain, deep enough. */
static bool counts(struct world *w, const uint8_t block[32])
{
    struct node_block seen;
    return node_block(w->node, block, &seen, &error) == NODE_OK &&
           seen.confirmations >= (int32_t)w->confirmations;
}

static bool is_mined(struct world *w, const uint8_t txid[32])
{
    struct node_block seen;
    for (size_t i = 0; i < w->place_count; i++)
        if (memcmp(w->places[i].txid, txid, 32) == 0 &&
            node_block(w->node, w->places[i].block, &seen, &error) == NODE_OK &&
            seen.confirmations >= 1)
            return true;
    return false;
}

static uint64_t amount_of(const uint8_t txid[32])
{
    return 1000 + load_le64(txid) * 7919;
}

/* Who has a share of a kind's part by the rule, in the order of accounts. */
struct sharers {
    const struct world *world;
    struct emission_receiver list[ORACLE_RECEIVERS_MAX];
    size_t count;
};

static bool gather_sharer(void *context, const struct member *member)
{
    struct sharers *sharers = context;
    bool pool = member->kind == MEMBER_POOL;
    if (member->source == MEMBER_GONE || member->score == 0 ||
        (!pool && (member->score != 1 || member->stake == 0)))
        return true;
    bool ours = member->source == MEMBER_OWN && (pool || member->wallet[0] == '\0');
    uint64_t account = ours ? 0 : account_of(sharers->world, member->wallet);
    uint32_t weight = pool ? member->score : member->stake;
    size_t at = 0;
    while (at < sharers->count && sharers->list[at].account < account)
        at++;
    if (at < sharers->count && sharers->list[at].account == account) {
        sharers->list[at].weight += weight;
        return true;
    }
    assert_true(sharers->count < ORACLE_RECEIVERS_MAX);
    memmove(&sharers->list[at + 1], &sharers->list[at],
            (sharers->count - at) * sizeof *sharers->list);
    sharers->list[at] = (struct emission_receiver){ .account = account, .weight = weight };
    sharers->count++;
    return true;
}

static void expect_sharers(const struct world *w, enum member_kind kind,
                           const struct emission_receiver *receivers, size_t count)
{
    struct sharers sharers = { .world = w };
    assert_int_equal(member_walk(w->store, kind, gather_sharer, &sharers, &error), STORE_DONE);
    assert_int_equal(count, sharers.count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(receivers[i].account, sharers.list[i].account);
        assert_int_equal(receivers[i].weight, sharers.list[i].weight);
    }
}

/* After each look at the chain, and before a score changes: the records that were made are split
 * among whom they must be. */
static void keep_new_records(struct world *w)
{
    static uint8_t memory[EMISSION_ARENA_BYTES];
    for (uint64_t i = 1; i <= w->transactions; i++) {
        struct kept *kept = &w->kept[i];
        struct arena arena = arena_over(memory, sizeof memory);
        uint8_t txid[32] = { 0 };
        store_le64(txid, i);
        enum store_outcome outcome =
            kept->there ? STORE_MISSING
                        : emission_get(w->store, txid, &arena, &kept->record, &error);
        assert_int_not_equal(outcome, STORE_FAILED);
        if (outcome == STORE_MISSING)
            continue;
        struct emission_record *record = &kept->record;
        expect_sharers(w, MEMBER_POOL, record->pools, record->pool_count);
        expect_sharers(w, MEMBER_VALIDATOR, record->validators, record->validator_count);
        memcpy(kept->pools, record->pools, record->pool_count * sizeof *record->pools);
        memcpy(kept->validators, record->validators,
               record->validator_count * sizeof *record->validators);
        record->pools = kept->pools;
        record->validators = kept->validators;
        kept->there = true;
    }
}

/* What the events say, computed again. */
struct replay {
    const struct world *world;
    struct oracle_split splits[TRANSACTIONS_MAX];
    bool split[TRANSACTIONS_MAX];
    struct oracle_carry carry;
    uint64_t wallets[3];
    int64_t amounts[3], fee;
};

static void give(struct replay *replay, uint64_t account, int64_t amount)
{
    size_t i = 0;
    if (account == 0) {
        replay->fee += amount;
        return;
    }
    while (i < 3 && replay->wallets[i] != account)
        i++;
    assert_true(i < 3);
    replay->amounts[i] += amount;
}

static bool replay_event(void *context, const struct wire_reward_event *event)
{
    struct replay *replay = context;
    if (event->kind != WIRE_REWARD_RECEIVED && event->kind != WIRE_REWARD_RETRACTED)
        return true;
    uint64_t number = load_le64(event->block_hash);
    int sign = event->kind == WIRE_REWARD_RECEIVED ? 1 : -1;
    const struct emission_record *record = &replay->world->kept[number].record;
    struct oracle_split *split = &replay->splits[number];
    assert_true(replay->world->kept[number].there);
    if (!replay->split[number])
        oracle_split(record, &replay->carry, split);
    replay->split[number] = true;
    oracle_carry_on(&replay->carry, split, sign);
    give(replay, record->fee_account, sign * (int64_t)split->fee);
    for (size_t i = 0; i < record->pool_count; i++)
        give(replay, record->pools[i].account, sign * (int64_t)split->pools[i]);
    for (size_t i = 0; i < record->validator_count; i++)
        give(replay, record->validators[i].account, sign * (int64_t)split->validators[i]);
    return true;
}

/* What the chain says must be credited, against the ledger's network account; and what everybody
 * has, against the rules of the parts. */
static void check(struct world *w)
{
    static const char *const wallets[] = { WALLET_1, WALLET_2, WALLET_3 };
    static struct replay replay;
    int64_t due = 0;
    audit(w);
    for (size_t i = 0; i < w->place_count; i++)
        if (counts(w, w->places[i].block))
            due += (int64_t)amount_of(w->places[i].txid);
    assert_int_equal(house(w, LEDGER_NETWORK), -due);
    replay = (struct replay){ .world = w };
    for (size_t i = 0; i < 3; i++)
        replay.wallets[i] = account_of(w, wallets[i]);
    assert_int_equal(event_walk(w->store, 0, 10000, replay_event, &replay, &error), STORE_DONE);
    int64_t given = replay.fee + replay.carry.pools + replay.carry.validators;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wallet(w, wallets[i]), replay.amounts[i]);
        given += replay.amounts[i];
    }
    assert_int_equal(house(w, LEDGER_FEE), replay.fee);
    assert_int_equal(house(w, LEDGER_UNALLOCATED_POOLS), replay.carry.pools);
    assert_int_equal(house(w, LEDGER_UNALLOCATED_VALIDATORS), replay.carry.validators);
    assert_int_equal(given, due);
    assert_int_equal(house(w, LEDGER_LOSS), 0); /* nobody was paid anything yet */
}

struct picked {
    enum member_kind kind;
    size_t left; /* how many to pass by */
    bool found;
    struct member member;
};

static bool pick(void *context, const struct member *member)
{
    struct picked *picked = context;
    picked->member = *member;
    picked->found = true;
    return picked->left-- > 0;
}

/* A report is accepted, somebody is proved wrong, or a turn of decay comes; and any write of it may
 * fail, as all others. */
static void scores_move(struct world *w, struct test_random *random)
{
    struct books books = { .store = w->store, .role = SCHEDULER_ROLE, .epoch = w->epoch };
    struct picked picked = { .kind =
                                 test_random_below(random, 2) == 0 ? MEMBER_POOL : MEMBER_VALIDATOR,
                             .left = test_random_below(random, 6) };
    uint32_t score = SCORE_NONE;
    if (test_random_below(random, 3) == 0) {
        w->now_ms += 1000;
        (void)!books_decay(&books, picked.kind, 1000, w->now_ms, NULL, &error);
        return;
    }
    assert_int_equal(member_walk(w->store, picked.kind, pick, &picked, &error), STORE_DONE);
    assert_true(picked.found);
    struct member *member = &picked.member;
    if (member->source == MEMBER_GONE)
        return;
    if (picked.kind == MEMBER_POOL)
        score = score_pool_reported(member->score, 1 + (uint32_t)test_random_below(random, 10000));
    else if (test_random_below(random, 4) > 0)
        score = SCORE_VALIDATOR_ACTIVE;
    (void)!member_set_score(w->store, member, score, test_random_u64(random), w->epoch, &error);
}

static void chain_moves(struct world *w, struct test_random *random)
{
    uint8_t txid[32];
    uint32_t height;
    uint8_t tip[32];
    switch (test_random_below(random, 8)) {
    case 0:
    case 1:
    case 2:
        node_fake_mine(w->chain, (uint32_t)test_random_below(random, 3));
        break;
    case 3:
    case 4:
        if (w->transactions + 1 < TRANSACTIONS_MAX)
            pay(w, amount_of((uint8_t[32]){ [0] = (uint8_t)(w->transactions + 1) }), txid);
        break;
    case 5: /* one that lost its block is mined again */
        if (w->place_count > 0) {
            memcpy(txid, w->places[test_random_below(random, w->place_count)].txid, 32);
            if (!is_mined(w, txid))
                pay_again(w, txid, amount_of(txid));
        }
        break;
    case 6:
        node_fake_tip(w->chain, tip, &height);
        if (height > 12)
            node_fake_reorganise(w->chain, 1 + (uint32_t)test_random_below(random, 6));
        break;
    default:
        if (w->place_count > 0) {
            const struct place *place = &w->places[test_random_below(random, w->place_count)];
            if (!is_mined(w, place->txid))
                (void)!node_fake_bring_back(w->chain, place->block);
        }
    }
}

static bool has_doubles(struct world *w)
{
    struct node_block a, b;
    for (size_t i = 0; i < w->place_count; i++)
        for (size_t k = 0; k < i; k++)
            if (memcmp(w->places[i].txid, w->places[k].txid, 32) == 0 &&
                node_block(w->node, w->places[i].block, &a, &error) == NODE_OK &&
                node_block(w->node, w->places[k].block, &b, &error) == NODE_OK &&
                a.confirmations >= 1 && b.confirmations >= 1)
                return true;
    return false;
}

static void whatever_chain_and_scores_do_and_whoever_dies_the_ledger_is_the_chains(void **state)
{
    (void)state;
    struct test_random random = test_random_begin("emission_flow_test");
    const char *many = getenv("ADIT_EMISSION_RUNS");
    const unsigned runs = many != NULL ? (unsigned)strtoul(many, NULL, 10) : 6;
    for (unsigned run = 0; run < runs; run++) {
        struct world w;
        open_world(&w, 2);
        add_everybody(&w);
        /* several of one wallet, which are one receiver */
        add_member(&w, MEMBER_POOL, MEMBER_LISTED, "another", WALLET_1, 0, 20);
        add_member(&w, MEMBER_VALIDATOR, MEMBER_LISTED, "another", WALLET_2, 700, 1);
        add_member(&w, MEMBER_VALIDATOR, MEMBER_OWN, "own:2", "", 100, 0);
        node_fake_mine(w.chain, 10);
        for (unsigned step = 0; step < 60 && w.place_count < PAYMENT_PLACES_MAX - 2; step++) {
            chain_moves(&w, &random);
            if (has_doubles(&w)) /* a chain there cannot be */
                break;
            if (test_random_below(&random, 3) == 0)
                store_fake_inject_random(w.store, test_random_u64(&random), 60);
            (void)follow(&w);
            post(&w);
            store_fake_inject_random(w.store, 0, 0);
            keep_new_records(&w);
            for (uint64_t i = test_random_below(&random, 4); i > 0; i--) {
                if (test_random_below(&random, 3) == 0)
                    store_fake_inject_random(w.store, test_random_u64(&random), 60);
                scores_move(&w, &random);
                store_fake_inject_random(w.store, 0, 0);
            }
            if (test_random_below(&random, 6) == 0)
                replace_follower(&w);
            if (test_random_below(&random, 6) == 0) {
                engine_close(w.engine);
                open_engine(&w);
            }
            if (test_random_below(&random, 4) == 0) {
                settle(&w);
                keep_new_records(&w);
                check(&w);
            }
        }
        if (!has_doubles(&w)) {
            settle(&w);
            keep_new_records(&w);
            check(&w);
        }
        close_world(&w);
    }
}

/* Everybody is there, and somebody has just paid. */
static void open_paid_world(struct world *w, uint8_t txid_r[32])
{
    open_world(w, 1);
    add_everybody(w);
    node_fake_mine(w->chain, 3);
    settle(w);
    pay(w, 1000003, txid_r);
}

/* One write fails, or its answer is lost, at each place in turn. */
static void whatever_write_fails_or_is_doubtful_it_is_credited_once(void **state)
{
    (void)state;
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE };
    for (size_t fault = 0; fault < 3; fault++)
        for (size_t skip = 0; skip < 25; skip++) {
            struct world w;
            uint8_t txid[32];
            open_paid_world(&w, txid);
            store_fake_inject(w.store, faults[fault], skip, 1);
            (void)follow(&w);
            post(&w);
            /* the scheduler dies there, too */
            store_fake_inject(w.store, STORE_FAKE_FAIL, 0, 0);
            if (skip % 2 == 0) {
                replace_follower(&w);
            }
            for (int i = 0; i < 3; i++) {
                (void)follow(&w);
                post(&w);
            }
            settle(&w);
            assert_int_equal(house(&w, LEDGER_NETWORK), -1000003);
            assert_int_equal(wallet(&w, WALLET_2), 300001);
            audit(&w);
            close_world(&w);
        }
}

/* A node whose chain moves on right before one of its answers. */
struct moody {
    struct node port;
    struct node *inner;
    struct world *world;
    unsigned calls, at;
};

static struct node *ask(struct node *node)
{
    struct moody *moody = (struct moody *)node;
    struct world *w = moody->world;
    if (++moody->calls == moody->at) {
        const uint8_t back[32] = { 2 };
        node_fake_reorganise(w->chain, 4);
        pay_again(w, back, amount_of(back));
        node_fake_mine(w->chain, 1);
    }
    return moody->inner;
}

static const char *m_name(const struct node *node)
{
    return node_name(((const struct moody *)node)->inner);
}
static enum node_answer m_chain(struct node *node, struct node_chain *chain_r, struct error *why)
{
    return node_chain(ask(node), chain_r, why);
}
static enum node_answer m_tip(struct node *node, const uint8_t hash[32], struct node_tip *tip_r,
                              struct error *why)
{
    return node_tip(ask(node), hash, tip_r, why);
}
static enum node_answer m_block_hash(struct node *node, uint32_t height, uint8_t hash_r[32],
                                     struct error *why)
{
    return node_block_hash(ask(node), height, hash_r, why);
}
static enum node_answer m_block(struct node *node, const uint8_t hash[32],
                                struct node_block *block_r, struct error *why)
{
    return node_block(ask(node), hash, block_r, why);
}
static enum node_answer m_paid(struct node *node, const uint8_t hash[32], struct span script,
                               node_paid_visitor visit, void *context, struct error *why)
{
    return node_paid(ask(node), hash, script, visit, context, why);
}
static void m_interrupt(struct node *node)
{
    (void)node;
}
static void m_close(struct node *node)
{
    (void)node;
}

/* One was credited long ago, two are about to be; then the branch of all three is left, and the
 * second alone stands in the other. */
static void whenever_the_chain_moves_during_a_look_the_ledger_is_the_chains(void **state)
{
    (void)state;
    static const struct node_ops ops = { .name = m_name,
                                         .chain = m_chain,
                                         .tip = m_tip,
                                         .block_hash = m_block_hash,
                                         .block = m_block,
                                         .paid = m_paid,
                                         .interrupt = m_interrupt,
                                         .close = m_close };
    bool moved = true;
    for (unsigned at = 1; moved; at++) {
        struct world w;
        uint8_t txid[32];
        open_world(&w, 1);
        add_everybody(&w);
        struct node *inner = w.node;
        struct moody moody = { .port = { &ops }, .inner = inner, .world = &w };
        w.node = &moody.port;
        replace_follower(&w);
        node_fake_mine(w.chain, 8);
        pay(&w, amount_of((uint8_t[32]){ 1 }), txid);
        node_fake_mine(w.chain, 1);
        settle(&w);
        keep_new_records(&w);
        pay(&w, amount_of((uint8_t[32]){ 2 }), txid);
        pay(&w, amount_of((uint8_t[32]){ 3 }), txid);
        moody.calls = 0;
        moody.at = at;
        (void)follow(&w);
        moved = moody.calls >= at;
        moody.at = 0;
        keep_new_records(&w);
        settle(&w);
        keep_new_records(&w);
        check(&w);
        w.node = inner;
        close_world(&w);
    }
}

/* It dies while it goes back to the fork, and the first branch is the best again when the next one
 * looks: what was taken back by then must not pass for read. */
static void a_branch_that_is_back_before_it_was_left_for_good_is_read_again(void **state)
{
    (void)state;
    for (uint32_t depth = 1; depth <= 6; depth++)
        for (size_t skip = 0; skip < 16; skip++) {
            struct world w;
            uint8_t txid[32], tip[32];
            uint32_t height;
            open_paid_world(&w, txid);
            node_fake_mine(w.chain, depth - 1);
            settle(&w);
            node_fake_tip(w.chain, tip, &height);
            node_fake_reorganise(w.chain, depth);
            store_fake_inject(w.store, STORE_FAKE_FAIL, skip, 1000);
            (void)follow(&w);
            store_fake_inject(w.store, STORE_FAKE_FAIL, 0, 0);
            assert_true(node_fake_bring_back(w.chain, tip));
            replace_follower(&w);
            settle(&w);
            assert_int_equal(house(&w, LEDGER_NETWORK), -1000003);
            assert_int_equal(wallet(&w, WALLET_2), 300001);
            audit(&w);
            close_world(&w);
        }
}

/* It may be about to credit, and about to take back. */
static void a_deposed_scheduler_credits_nothing_and_takes_nothing_back(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        struct world w;
        uint8_t txid[32];
        uint64_t epoch;
        open_paid_world(&w, txid);
        if (back == 1) {
            settle(&w);
            node_fake_reorganise(w.chain, 1);
        }
        assert_int_equal(leader_take(w.store, SCHEDULER_ROLE, "2", 99, 1, &epoch, &error),
                         STORE_DONE);
        size_t writes = store_fake_writes(w.store);
        assert_true(follow(&w).deposed);
        assert_int_equal(store_fake_writes(w.store), writes);
        post(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), back == 1 ? -1000003 : 0);
        replace_follower(&w);
        settle(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), back == 1 ? 0 : -1000003);
        audit(&w);
        close_world(&w);
    }
}

static bool take_event(void *context, const struct wire_reward_event *event)
{
    *(struct wire_reward_event *)context = *event;
    return true;
}

/* The newest event says that the chain paid a unit more. */
static void raise_newest_event(struct world *w)
{
    _Alignas(16) uint8_t memory[4096];
    uint8_t body[512];
    char id[24];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_reward_event event;
    struct store_write write = { .verb = STORE_REPLACE, .collection = &event_collection };
    assert_int_equal(event_walk(w->store, 0, 1000, take_event, &event, &error), STORE_DONE);
    snprintf(id, sizeof id, "%020llu", (unsigned long long)event.sequence);
    assert_int_equal(store_get(w->store, &event_collection, id, &arena, &write.record, &error),
                     STORE_DONE);
    event.reward++;
    size_t length = wire_encode_reward_event(&event, body, sizeof body);
    assert_true(length > 0);
    for (size_t i = 0; i < event_collection.field_count; i++)
        if (strcmp(event_collection.fields[i].name, "body") == 0)
            write.record.values[i].bytes = span_of(body, length);
    assert_int_equal(store_apply(w->store, &write, 1, &error), STORE_DONE);
}

static void the_audit_sees_a_changed_emission(void **state)
{
    (void)state;
    for (int change = 0; change < 5; change++) {
        struct world w;
        uint8_t txid[32], *memory = malloc(EMISSION_ARENA_BYTES);
        struct arena arena = arena_over(memory, EMISSION_ARENA_BYTES);
        struct emission_record emission;
        struct payout_audit_report report;
        open_world(&w, 1);
        add_everybody(&w);
        pay(&w, 1000003, txid);
        settle(&w);
        audit(&w);
        assert_int_equal(emission_get(w.store, txid, &arena, &emission, &error), STORE_DONE);
        if (change == 0)
            emission.reward.units++;
        else if (change == 1)
            emission.validators[1].weight++;
        else if (change == 2)
            emission.terms = (struct emission_terms){ 1700, 4200, 4100 };
        else if (change == 3)
            emission.generation--;
        else
            raise_newest_event(&w);
        assert_int_equal(emission_save(w.store, &emission, &error), STORE_DONE);
        assert_true(payout_audit(w.store, NULL, NULL, &report, &error));
        assert_int_equal(report.differences > 0, change != 3); /* a death in between is no lie */
        free(memory);
        close_world(&w);
    }
}

/* Its events are there and the track is not, wherever it died: the block leaves the chain, and what
 * it paid is mined later on the other branch, or never. */
static void what_is_credited_for_a_block_that_never_was_on_the_track_is_taken_back(void **state)
{
    (void)state;
    const uint8_t other[32] = { [31] = 1 };
    for (size_t skip = 0; skip < 20; skip++) {
        struct world w;
        uint8_t txid[32];
        open_paid_world(&w, txid);
        node_fake_pay(w.chain, other, output_script_span(&w.ours), 2000006);
        store_fake_inject(w.store, STORE_FAKE_FAIL, skip, 1000);
        (void)follow(&w);
        store_fake_inject(w.store, STORE_FAKE_FAIL, 0, 0);
        node_fake_reorganise(w.chain, 1);
        replace_follower(&w);
        settle(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), 0);
        assert_int_equal(wallet(&w, WALLET_2), 0);
        replace_follower(&w);
        settle(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), 0);
        pay_again(&w, txid, 1000003);
        settle(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), -1000003);
        assert_int_equal(wallet(&w, WALLET_2), 300001);
        audit(&w);
        close_world(&w);
    }
}

/* No write succeeds: reading what the block pays takes it in whole before the first. */
static void no_number_of_payments_in_a_block_ends_the_process(void **state)
{
    (void)state;
    static const uint32_t many[] = { (1 << 17) + 1, (1 << 20) + 1 };
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        const uint8_t txid[32] = { 9 };
        open_world(&w, 1);
        node_fake_mine(w.chain, 4);
        settle(&w);
        node_fake_mine(w.chain, 1);
        node_fake_pay_often(w.chain, txid, output_script_span(&w.ours), 5, many[i]);
        store_fake_inject(w.store, STORE_FAKE_FAIL, 0, 1000);
        for (int pass = 0; pass < 2; pass++) {
            struct follow_result result;
            struct error why = { .text = "" };
            follow_pass(w.follower, NULL, 0, &result, &why);
            assert_false(result.whole);
            assert_int_equal(strstr(why.text, "more than 1048576 payments") != NULL, i == 1);
        }
        store_fake_inject(w.store, STORE_FAKE_FAIL, 0, 0);
        node_fake_reorganise(w.chain, 1);
        settle(&w);
        assert_int_equal(house(&w, LEDGER_NETWORK), 0);
        audit(&w);
        close_world(&w);
    }
}

/* More at one height than are read at first. */
static void a_block_of_many_payments_is_credited_and_taken_back(void **state)
{
    (void)state;
    enum { MANY = 1500 };
    struct world w;
    const uint8_t txid[32] = { 9 };
    open_world(&w, 1);
    add_everybody(&w);
    node_fake_mine(w.chain, 4);
    settle(&w);
    node_fake_mine(w.chain, 1);
    node_fake_pay_often(w.chain, txid, output_script_span(&w.ours), 1000003, MANY);
    settle(&w);
    for (int i = 0; i < 200 && house(&w, LEDGER_NETWORK) > -(int64_t)MANY * 1000003; i++)
        post(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), -(int64_t)MANY * 1000003);
    assert_int_equal(wallet(&w, WALLET_2), (int64_t)MANY * 300001);
    node_fake_reorganise(w.chain, 1);
    settle(&w);
    for (int i = 0; i < 200 && house(&w, LEDGER_NETWORK) < 0; i++)
        post(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), 0);
    audit(&w);
    close_world(&w);
}

static void dust_costs_no_write_and_is_credited_to_nobody(void **state)
{
    (void)state;
    struct world w;
    uint8_t txid[32];
    const uint8_t dust[32] = { 9 };
    open_world(&w, 1);
    w.least = 100000;
    replace_follower(&w);
    add_everybody(&w);
    node_fake_mine(w.chain, 4);
    settle(&w);
    size_t before = store_fake_writes(w.store);
    node_fake_mine(w.chain, 1);
    (void)follow(&w);
    size_t of_a_block = store_fake_writes(w.store) - before;
    node_fake_mine(w.chain, 1);
    node_fake_pay_often(w.chain, dust, output_script_span(&w.ours), 99999, 5000);
    (void)follow(&w);
    assert_int_equal(store_fake_writes(w.store) - before, 2 * of_a_block);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), 0);
    pay(&w, 100000, txid);
    node_fake_pay_often(w.chain, dust, output_script_span(&w.ours), 99999, 5);
    settle(&w);
    assert_int_equal(house(&w, LEDGER_NETWORK), -100000);
    audit(&w);
    close_world(&w);
}

int main(void)
{
    log_open("emission-flow", "1", getenv("ADIT_SIM_LOG") != NULL ? LOG_INFO : LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payment_is_split_when_it_is_deep_enough_and_once),
        cmocka_unit_test(the_fee_goes_to_its_address_where_one_is_named),
        cmocka_unit_test(without_an_address_nothing_is_split),
        cmocka_unit_test(what_has_no_receiver_waits_visibly_for_the_next_emission),
        cmocka_unit_test(a_payment_that_leaves_the_chain_is_taken_back_and_comes_back),
        cmocka_unit_test(a_carry_that_was_given_and_then_lost_its_emission_is_made_up_for),
        cmocka_unit_test(a_node_that_is_behind_takes_nothing_back),
        cmocka_unit_test(whatever_chain_and_scores_do_and_whoever_dies_the_ledger_is_the_chains),
        cmocka_unit_test(whatever_write_fails_or_is_doubtful_it_is_credited_once),
        cmocka_unit_test(what_is_credited_for_a_block_that_never_was_on_the_track_is_taken_back),
        cmocka_unit_test(no_number_of_payments_in_a_block_ends_the_process),
        cmocka_unit_test(a_block_of_many_payments_is_credited_and_taken_back),
        cmocka_unit_test(dust_costs_no_write_and_is_credited_to_nobody),
        cmocka_unit_test(whenever_the_chain_moves_during_a_look_the_ledger_is_the_chains),
        cmocka_unit_test(a_branch_that_is_back_before_it_was_left_for_good_is_read_again),
        cmocka_unit_test(a_deposed_scheduler_credits_nothing_and_takes_nothing_back),
        cmocka_unit_test(the_audit_sees_a_changed_emission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
