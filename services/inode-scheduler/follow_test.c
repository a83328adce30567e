#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_fake/node_fake.h"
#include "adapter/store_fake/fake.h"
#include "adapter/window_fake/window_fake.h"
#include "core/pow/sha256.h"
#include "record/event/event.h"
#include "record/leader/leader.h"
#include "services/inode-scheduler/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

enum { BITS = 0x207fffff, HISTORY_MAX = 64 };
#define REWARD ((uint64_t)5000000000)

struct fixture {
    struct store *store;
    struct node_fake_chain *chain;
    struct node *nodes[2];
    size_t nodes_count;
    struct follower *follower;
    uint64_t epoch;
    struct output_script script;
    uint8_t ours[32];  /* the block */
    struct loop *loop; /* of the window, where there is one */
    struct window_fake *window;
    struct window_reader *reader;
    unsigned appended;
};

static void open_follower(struct fixture *f)
{
    f->follower = follower_create(&(struct follow_options){
        .store = f->store,
        .nodes = f->nodes,
        .nodes_count = f->nodes_count,
        .window = f->reader,
        .role = SCHEDULER_ROLE,
        .epoch = f->epoch,
        .chain = "regtest",
        .script = f->script,
        .rules = { .confirmations = 3, .follow_depth = 12 },
    });
}

static void lead(struct fixture *f)
{
    struct error error;
    assert_int_equal(leader_take(f->store, SCHEDULER_ROLE, "1", f->epoch + 1, 1, &f->epoch, &error),
                     STORE_DONE);
}

static void open_fixture(struct fixture *f)
{
    struct error error;
    *f = (struct fixture){ .store = store_fake_create(),
                           .chain = node_fake_chain_create("regtest", BITS),
                           .nodes_count = 1 };
    f->script.length = 22;
    memset(f->script.data, 0x5a, 22);
    f->nodes[0] = node_fake_open(f->chain, "a");
    f->nodes[1] = node_fake_open(f->chain, "b");
    node_fake_mine(f->chain, 10);
    assert_true(scheduler_declare(f->store, &error));
    lead(f);
    open_follower(f);
}

static void close_fixture(struct fixture *f)
{
    follower_destroy(f->follower);
    node_close(f->nodes[0]);
    node_close(f->nodes[1]);
    node_fake_chain_destroy(f->chain);
    store_close(f->store);
    if (f->window == NULL)
        return;
    window_reader_close(f->reader);
    window_fake_destroy(f->window);
    loop_destroy(f->loop);
}

/* With a share window, too. */
static void open_fixture_with_window(struct fixture *f)
{
    struct error error;
    open_fixture(f);
    f->loop = loop_create(&error);
    f->window = window_fake_create(f->loop);
    f->reader = window_fake_reader(f->window);
    follower_destroy(f->follower);
    open_follower(f);
}

/* A block of ours on the tip, submitted, and its candidate recorded. */
static void find_block(struct fixture *f)
{
    uint8_t block[200] = { 0 };
    uint8_t tip[32];
    uint32_t height;
    char answer[64];
    struct block_record record;
    struct error error;
    node_fake_tip(f->chain, tip, &height);
    struct wire_candidate candidate = { .height = height + 1,
                                        .coinbase_value = REWARD,
                                        .job_id = 1,
                                        .lease_id = 7,
                                        .sequence = 8,
                                        .index = 9,
                                        .account = 0xa,
                                        .worker = 0xb,
                                        .work = 1000,
                                        .found_ms = 1,
                                        .instance = "1" };
    store_le32(candidate.header, 0x20000000);
    memcpy(candidate.header + 4, tip, 32);
    store_le32(candidate.header + 72, BITS);
    sha256d_header(candidate.header, candidate.block_hash);
    memcpy(block, candidate.header, 80);
    memcpy(block + 100, f->script.data, f->script.length);
    memcpy(f->ours, candidate.block_hash, 32);
    assert_int_equal(node_submit(f->nodes[0], span_of(block, sizeof block), answer, 64),
                     NODE_SUBMIT_ACCEPTED);
    block_from_candidate(&candidate, f->epoch, &record);
    assert_int_equal(block_insert(f->store, &record, &error), STORE_DONE);
}

static struct follow_result pass(struct fixture *f)
{
    struct follow_result result;
    struct error error;
    follow_pass(f->follower, NULL, 0, &result, &error);
    return result;
}

/* The events of blocks, and how often somebody took over. */
struct history {
    struct wire_reward_event events[HISTORY_MAX];
    size_t count;
    uint64_t taken_over;
};

static bool on_event(void *context, const struct wire_reward_event *event)
{
    struct history *history = context;
    assert_int_equal(event->sequence, history->count + history->taken_over + 1);
    if (event->kind == WIRE_REWARD_TAKEN_OVER) {
        history->taken_over++;
        return true;
    }
    assert_true(history->count < HISTORY_MAX);
    history->events[history->count++] = *event;
    return true;
}

static struct history read_history(struct fixture *f)
{
    struct history history = { .count = 0 };
    struct error error;
    assert_int_equal(event_walk(f->store, 0, 0, on_event, &history, &error), STORE_DONE);
    return history;
}

static void expect(struct fixture *f, const char *kinds)
{
    struct history history = read_history(f);
    char seen[HISTORY_MAX + 1] = "";
    for (size_t i = 0; i < history.count; i++)
        seen[i] = event_kind_name((enum wire_reward_kind)history.events[i].kind)[0];
    assert_string_equal(seen, kinds);
}

static struct block_record read_block(struct fixture *f)
{
    struct block_record block;
    struct error error;
    assert_int_equal(block_get(f->store, f->ours, &block, &error), STORE_DONE);
    return block;
}

static void a_block_is_found_once_and_matures_once(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    find_block(&f);
    for (int i = 0; i < 3; i++)
        assert_true(pass(&f).whole);
    expect(&f, "f");
    node_fake_mine(f.chain, 1);
    pass(&f);
    expect(&f, "f");
    node_fake_mine(f.chain, 1);
    for (int i = 0; i < 3; i++)
        assert_true(pass(&f).whole);
    expect(&f, "fm");
    struct history history = read_history(&f);
    const struct wire_reward_event *found = &history.events[0];
    assert_int_equal(found->sequence, 2); /* after that of who leads */
    assert_int_equal(found->generation, 1);
    assert_int_equal(found->reward, REWARD);
    assert_int_equal(found->height, 11);
    assert_int_equal(found->lease_id, 7);
    assert_int_equal(found->batch_sequence, 8);
    assert_int_equal(found->index, 9);
    assert_int_equal(found->account, 0xa);
    assert_true(found->network_work_low >= 1);
    assert_memory_equal(found->block_hash, f.ours, 32);
    assert_int_equal(read_block(&f).chain.state, BLOCK_MATURED);
    assert_int_equal(read_block(&f).event_sequence, 3);
    assert_true(read_block(&f).open);
    node_fake_mine(f.chain, 20);
    pass(&f);
    assert_false(read_block(&f).open);
    close_fixture(&f);
}

static void a_block_that_leaves_and_returns_is_told_with_generations(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    find_block(&f);
    pass(&f);
    node_fake_reorganise(f.chain, 1);
    pass(&f);
    expect(&f, "fo");
    assert_int_equal(read_block(&f).chain.state, BLOCK_ORPHANED);
    assert_true(node_fake_bring_back(f.chain, f.ours));
    pass(&f);
    node_fake_mine(f.chain, 3);
    pass(&f);
    struct history history = read_history(&f);
    expect(&f, "fofm");
    assert_int_equal(history.events[1].generation, 1);
    assert_int_equal(history.events[2].generation, 2);
    assert_int_equal(history.events[3].generation, 2);
    node_fake_reorganise(f.chain, 6);
    pass(&f);
    expect(&f, "fofmo");
    close_fixture(&f);
}

/* Our block at each place of a branch that leaves, of each length: orphaned exactly where it stood
 * on it, found again where that branch returns, and the books agree at every step. */
static void reorganisations_of_every_depth_take_and_return_what_stood_there(void **state)
{
    (void)state;
    for (uint32_t depth = 1; depth <= 6; depth++)
        for (uint32_t above = 0; above < 8; above++) {
            struct fixture f;
            const bool leaves = above < depth, matured = above + 1 >= 3;
            char kinds[16] = "f";
            open_fixture(&f);
            find_block(&f);
            pass(&f);
            node_fake_mine(f.chain, above);
            pass(&f);
            strcat(kinds, matured ? "m" : "");
            expect(&f, kinds);
            node_fake_reorganise(f.chain, depth);
            pass(&f);
            strcat(kinds, leaves ? "o" : !matured && above + 2 >= 3 ? "m" : "");
            expect(&f, kinds);
            assert_true(node_fake_bring_back(f.chain, f.ours));
            pass(&f);
            node_fake_mine(f.chain, 3);
            pass(&f);
            strcat(kinds, leaves ? "fm" : "");
            if (strchr(kinds, 'm') == NULL)
                strcat(kinds, "m");
            expect(&f, kinds);
            assert_int_equal(read_history(&f).events[read_history(&f).count - 1].generation,
                             leaves ? 2 : 1);
            close_fixture(&f);
        }
}

static void a_node_that_is_away_or_behind_or_syncing_orphans_nothing(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    find_block(&f);
    pass(&f);
    expect(&f, "f");
    node_fake_trouble(f.nodes[0], NODE_FAKE_AWAY);
    assert_false(pass(&f).whole);
    node_fake_trouble(f.nodes[0], NODE_FAKE_SILENT);
    assert_false(pass(&f).whole);
    node_fake_trouble(f.nodes[0], NODE_FAKE_SYNCING);
    assert_false(pass(&f).whole);
    node_fake_trouble(f.nodes[0], NODE_FAKE_WELL);
    for (uint32_t lag = 1; lag <= 5; lag++) {
        node_fake_lag(f.nodes[0], lag);
        assert_true(pass(&f).whole);
    }
    expect(&f, "f");
    node_fake_lag(f.nodes[0], 0);
    pass(&f);
    expect(&f, "f");
    close_fixture(&f);
}

static void the_node_with_the_most_work_is_believed(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    follower_destroy(f.follower);
    f.nodes_count = 2;
    open_follower(&f);
    find_block(&f);
    node_fake_lag(f.nodes[0], 4);
    struct follow_result result = pass(&f);
    assert_true(result.whole);
    assert_int_equal(result.height, 11);
    expect(&f, "f");
    node_fake_trouble(f.nodes[1], NODE_FAKE_AWAY);
    result = pass(&f);
    assert_true(result.whole);
    assert_int_equal(result.height, 7);
    assert_false(result.nodes[1].usable);
    expect(&f, "f");
    close_fixture(&f);
}

/* To passes both nodes tell the truth; to who mines on it one names an old block for its tip. */
static void what_a_node_claims_elsewhere_is_asked_of_the_others(void **state)
{
    struct fixture f;
    struct node_tip claim = { .height = 3 };
    struct error error;
    uint8_t hash[32];
    (void)state;
    open_fixture(&f);
    follower_destroy(f.follower);
    f.nodes_count = 2;
    open_follower(&f);
    assert_false(pass(&f).nodes[0].knows_claim);
    assert_int_equal(node_block_hash(f.nodes[0], 3, hash, &error), NODE_OK);
    memcpy(claim.hash, hash, 32);
    claim.chain_work[0] = 0x7f;
    follower_set_claim(f.follower, 1, &claim);
    struct follow_result result = pass(&f);
    assert_true(result.whole);
    assert_int_equal(result.height, 10); /* nobody is believed more for it */
    assert_true(result.nodes[0].knows_claim);
    assert_int_equal(result.nodes[0].claim.height, 3);
    assert_memory_equal(result.nodes[0].claim.hash, hash, 32);
    assert_int_equal(result.nodes[0].claim.chain_work[0], 0);
    assert_int_equal(result.nodes[0].branch, FOLLOW_REFUSES_BEST);
    assert_false(result.nodes[1].knows_claim);
    assert_int_equal(result.nodes[1].branch, FOLLOW_SAME);
    /* One that has less work than they have: they went on from it. */
    claim.chain_work[0] = 0;
    follower_set_claim(f.follower, 1, &claim);
    assert_int_equal(pass(&f).nodes[0].branch, FOLLOW_SAME);
    memset(claim.hash, 0x99, 32); /* of which they have not heard */
    follower_set_claim(f.follower, 1, &claim);
    assert_false(pass(&f).nodes[0].knows_claim);
    follower_set_claim(f.follower, 0, NULL);
    assert_false(pass(&f).nodes[1].knows_claim);
    close_fixture(&f);
}

static void a_block_that_lost_its_race_makes_no_event(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    find_block(&f);
    node_fake_reorganise(f.chain, 1);
    pass(&f);
    expect(&f, "");
    assert_int_equal(read_block(&f).chain.state, BLOCK_ORPHANED);
    close_fixture(&f);
}

/* found, orphaned, found again, matured: with a pass after each move of the chain. */
static void play(struct fixture *f, bool restart)
{
    for (int move = 0; move < 5; move++) {
        if (move == 1)
            node_fake_reorganise(f->chain, 1);
        if (move == 2)
            assert_true(node_fake_bring_back(f->chain, f->ours));
        if (move >= 3)
            node_fake_mine(f->chain, 2);
        for (int i = 0; i < 6; i++) {
            pass(f);
            if (restart) {
                follower_destroy(f->follower);
                open_follower(f);
            }
        }
    }
}

static void whatever_write_fails_or_is_doubtful_the_events_are_the_same(void **state)
{
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE,
                                                    STORE_FAKE_CONFLICT };
    (void)state;
    for (size_t fault = 0; fault < sizeof faults / sizeof *faults; fault++)
        for (size_t times = 1; times <= 5; times += 2)
            for (size_t skip = 0; skip < 12; skip++) {
                struct fixture f;
                open_fixture(&f);
                find_block(&f);
                store_fake_inject(f.store, faults[fault], skip, times);
                play(&f, skip % 2 == 1);
                expect(&f, "fofm");
                assert_int_equal(read_block(&f).chain.state, BLOCK_MATURED);
                assert_int_equal(read_block(&f).chain.generation, 2);
                assert_int_equal(read_block(&f).event_sequence,
                                 read_history(&f).events[3].sequence);
                close_fixture(&f);
            }
}

/* Killed between the event and the block's record: what showed the block is remembered all the
 * same, so a node that is behind, on another branch, orphans nothing. */
static void a_death_between_event_and_record_forgets_no_tip(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    pass(&f); /* its taking over is written */
    find_block(&f);
    node_fake_mine(f.chain, 1);
    store_fake_inject(f.store, STORE_FAKE_FAIL, 1, 1); /* the record, after the event */
    pass(&f);
    expect(&f, "f");
    assert_int_equal(read_block(&f).chain.seen_tip, 0);
    follower_destroy(f.follower);
    lead(&f);
    open_follower(&f);
    node_fake_trouble(f.nodes[0], NODE_FAKE_AWAY); /* so nothing but the event can tell */
    pass(&f);
    assert_int_equal(read_block(&f).chain.state, BLOCK_ACCEPTED);
    assert_int_equal(read_block(&f).chain.seen_tip, 12);
    close_fixture(&f);
}

static void a_deposed_scheduler_writes_nothing_more(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    find_block(&f);
    lead(&f); /* somebody else: the follower still has the old epoch */
    size_t writes = store_fake_writes(f.store);
    struct follow_result result = pass(&f);
    assert_true(result.deposed);
    assert_int_equal(store_fake_writes(f.store), writes);
    expect(&f, "");
    close_fixture(&f);
}

/* A store on which a leader falls asleep just before one of its reward events is written. */
struct sleepy_store {
    struct store port;
    struct store *inner;
    bool armed;
    void (*meanwhile)(struct fixture *f);
    struct fixture *f;
};

static enum store_outcome sleepy_apply(struct store *store, struct store_write *writes,
                                       size_t count, struct error *error)
{
    struct sleepy_store *sleepy = (struct sleepy_store *)store;
    if (sleepy->armed && writes[0].collection == &event_collection) {
        sleepy->armed = false;
        sleepy->meanwhile(sleepy->f);
    }
    return store_apply(sleepy->inner, writes, count, error);
}

static enum store_outcome sleepy_get(struct store *store, const struct store_collection *collection,
                                     const char *id, struct arena *arena,
                                     struct store_record *record_r, struct error *error)
{
    return store_get(((struct sleepy_store *)store)->inner, collection, id, arena, record_r, error);
}

static enum store_outcome sleepy_find(struct store *store,
                                      const struct store_collection *collection,
                                      const struct store_query *query, store_visitor visitor,
                                      void *context, struct error *error)
{
    return store_find(((struct sleepy_store *)store)->inner, collection, query, visitor, context,
                      error);
}

/* Another takes the leadership and looks once; no node can be asked, so it writes of no block. */
static void another_takes_over(struct fixture *f)
{
    struct follower *sleeper = f->follower;
    lead(f);
    open_follower(f);
    node_fake_trouble(f->nodes[0], NODE_FAKE_AWAY);
    assert_false(pass(f).deposed);
    node_fake_trouble(f->nodes[0], NODE_FAKE_WELL);
    follower_destroy(f->follower);
    f->follower = sleeper;
}

static void a_leader_that_slept_through_its_end_cannot_write_what_it_had_decided(void **state)
{
    static const struct store_ops ops = { .apply = sleepy_apply,
                                          .get = sleepy_get,
                                          .find = sleepy_find };
    struct fixture f;
    (void)state;
    open_fixture(&f);
    pass(&f); /* its own taking over is written */
    struct store *store = f.store;
    struct sleepy_store sleepy = { { &ops }, store, true, another_takes_over, &f };
    follower_destroy(f.follower);
    f.store = &sleepy.port;
    sleepy.armed = false;
    open_follower(&f);
    pass(&f);
    f.store = store;
    find_block(&f);
    sleepy.armed = true; /* between asking whether it leads and writing that the block is found */
    struct follow_result result = pass(&f);
    assert_false(sleepy.armed);
    assert_true(result.deposed);
    expect(&f, "");
    assert_int_equal(read_block(&f).chain.state, BLOCK_CANDIDATE);
    /* The one that leads now finds it. */
    follower_destroy(f.follower);
    open_follower(&f);
    assert_true(pass(&f).whole);
    expect(&f, "f");
    close_fixture(&f);
}

static void who_takes_over_says_so_once_whatever_becomes_of_the_writing(void **state)
{
    static const enum store_fake_fault faults[] = { STORE_FAKE_FAIL, STORE_FAKE_UNKNOWN_DONE,
                                                    STORE_FAKE_UNKNOWN_NOT_DONE };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (size_t times = 1; times <= 5; times++) {
            struct fixture f;
            open_fixture(&f);
            find_block(&f);
            store_fake_inject(f.store, faults[i], 0, times);
            for (int passes = 0; passes < 7; passes++)
                pass(&f);
            assert_int_equal(read_history(&f).taken_over, 1);
            expect(&f, "f");
            close_fixture(&f);
        }
}

/* Two that both believe to lead (same epoch: the guard before each write never stops either) move
 * by turns at random, under random faults, over a chain that moves at random. */
static void rivals_keep_the_log_legal(void **state)
{
    (void)state;
    const char *given = getenv("ADIT_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 20240117u;
    printf("ADIT_SEED=%u\n", seed);
    for (unsigned round = 0; round < 60; round++) {
        struct fixture f;
        open_fixture(&f);
        find_block(&f);
        struct follower *both[2] = { f.follower, NULL };
        open_follower(&f);
        both[1] = f.follower;
        srandom(seed + round);
        store_fake_inject_random(f.store, seed + round, 150);
        uint32_t depth = 1;
        for (int i = 0; i < 60; i++) {
            long dice = random() % 10;
            if (dice == 0) {
                node_fake_reorganise(f.chain, depth);
            } else if (dice == 1) {
                assert_true(node_fake_bring_back(f.chain, f.ours));
            } else if (dice == 2) {
                node_fake_mine(f.chain, 1);
            }
            if (dice <= 2) {
                struct node_block seen;
                struct error error;
                assert_int_equal(node_block(f.nodes[0], f.ours, &seen, &error), NODE_OK);
                depth = seen.confirmations > 0 ? (uint32_t)seen.confirmations : 1;
            }
            f.follower = both[random() % 2];
            pass(&f);
        }
        store_fake_inject_random(f.store, 0, 0);
        f.follower = both[0];
        pass(&f);
        struct history history = read_history(&f);
        char last = 'o';
        uint32_t generation = 0;
        for (size_t i = 0; i < history.count; i++) {
            const struct wire_reward_event *event = &history.events[i];
            char kind = event_kind_name((enum wire_reward_kind)event->kind)[0];
            if (kind == 'f') {
                assert_int_equal(last, 'o');
                generation++;
            } else if (kind == 'm') {
                assert_int_equal(last, 'f');
            } else {
                assert_true(last == 'f' || last == 'm');
            }
            assert_int_equal(event->generation, generation);
            last = kind;
        }
        assert_int_equal(read_block(&f).event_sequence,
                         history.count > 0 ? history.events[history.count - 1].sequence : 0);
        follower_destroy(both[1]);
        close_fixture(&f);
    }
}

static void notes_are_put_down_with_the_block_once(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    find_block(&f);
    struct follow_note note = { .text = "a:1=accepted" };
    struct follow_result result;
    struct error error;
    memcpy(note.hash, f.ours, 32);
    follow_pass(f.follower, &note, 1, &result, &error);
    follow_pass(f.follower, &note, 1, &result, &error);
    assert_string_equal(read_block(&f).submissions, "a:1=accepted");
    close_fixture(&f);
}

static void on_appended(void *context, const struct window_result *result)
{
    assert_int_equal(result->outcome, WINDOW_APPENDED);
    ++*(unsigned *)context;
}

/* Candidates with this text for a record. */
static void append_candidates(struct fixture *f, uint64_t sequence,
                              struct window_candidate *candidates, size_t count)
{
    struct window_writer *writer = window_fake_writer(f->window, 0);
    const struct window_batch batch = { .lease_id = 1,
                                        .sequence = sequence,
                                        .lowest = 1,
                                        .verdicts = span_text("v"),
                                        .candidates = candidates,
                                        .candidate_count = count,
                                        .rejected_count = (uint32_t)count };
    unsigned before = f->appended;
    assert_true(window_append(writer, &batch, on_appended, &f->appended));
    while (f->appended == before)
        loop_run_once(f->loop, 10);
    window_writer_close(writer);
}

static bool is_open(struct fixture *f, const uint8_t hash[32], struct block_record *block_r)
{
    struct error error;
    assert_int_equal(block_get(f->store, hash, block_r, &error), STORE_DONE);
    return block_r->open;
}

static void an_unreadable_candidate_is_let_go_when_the_chain_has_passed_it(void **state)
{
    struct fixture f;
    struct block_record block;
    struct error error;
    (void)state;
    open_fixture_with_window(&f);
    struct window_candidate candidate = { .block_hash = { 7 },
                                          .credited_index = -1,
                                          .record = span_text("not a candidate") };
    append_candidates(&f, 1, &candidate, 1);
    /* Without a node nobody knows where the chain stands. */
    node_fake_trouble(f.nodes[0], NODE_FAKE_AWAY);
    pass(&f);
    assert_int_equal(block_get(f.store, candidate.block_hash, &block, &error), STORE_MISSING);
    node_fake_trouble(f.nodes[0], NODE_FAKE_WELL);
    struct follow_result result = pass(&f);
    assert_true(result.whole);
    assert_int_equal(result.adopted, 1);
    assert_true(is_open(&f, candidate.block_hash, &block));
    assert_int_equal(block.chain.state, BLOCK_REJECTED);
    node_fake_mine(f.chain, 12);
    pass(&f);
    assert_true(is_open(&f, candidate.block_hash, &block));
    node_fake_mine(f.chain, 1);
    result = pass(&f);
    assert_int_equal(result.adopted, 0);
    assert_false(is_open(&f, candidate.block_hash, &block));
    assert_int_equal(block.chain.generation, 0); /* so payout needs its window no more */
    expect(&f, "");
    close_fixture(&f);
}

static void an_unreadable_candidate_on_the_chain_is_found_all_the_same(void **state)
{
    struct fixture f;
    struct block_record block;
    struct error error;
    (void)state;
    open_fixture_with_window(&f);
    find_block(&f);
    assert_int_equal(block_get(f.store, f.ours, &block, &error), STORE_DONE);
    const u128 work = block.network_work;
    /* Nothing is known but what the window has. */
    struct store_write forget = { .verb = STORE_DELETE,
                                  .collection = &block_collection,
                                  .record = { .version = block.version } };
    char id[BLOCK_ID_BYTES];
    block_id(f.ours, id);
    forget.record.id = id;
    assert_int_equal(store_apply(f.store, &forget, 1, &error), STORE_DONE);
    struct window_candidate candidate = { .credited_index = -1, .record = span_text("?") };
    memcpy(candidate.block_hash, f.ours, 32);
    append_candidates(&f, 1, &candidate, 1);
    node_fake_mine(f.chain, 1);
    pass(&f);
    expect(&f, "f");
    struct history history = read_history(&f);
    assert_int_equal(history.events[0].height, 11);
    assert_int_equal(history.events[0].reward, REWARD);
    assert_true(history.events[0].network_work_low == (uint64_t)work);
    node_fake_mine(f.chain, 3);
    pass(&f);
    expect(&f, "fm");
    close_fixture(&f);
}

static void every_candidate_is_taken_in_however_many_there_are(void **state)
{
    enum { BATCHES = 3, EACH = 1000 };
    struct fixture f;
    (void)state;
    open_fixture_with_window(&f);
    struct window_candidate *candidates = calloc(EACH, sizeof *candidates);
    assert_non_null(candidates);
    for (uint64_t i = 0; i < BATCHES; i++) {
        for (size_t j = 0; j < EACH; j++) {
            candidates[j] =
                (struct window_candidate){ .credited_index = -1, .record = span_text("?") };
            store_be64(candidates[j].block_hash + 20, i * EACH + j + 1);
        }
        append_candidates(&f, i + 1, candidates, EACH);
    }
    free(candidates);
    struct follow_result result = pass(&f);
    assert_int_equal(result.adopted, BATCHES * EACH);
    assert_int_equal(pass(&f).adopted, 0);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_found_once_and_matures_once),
        cmocka_unit_test(a_block_that_leaves_and_returns_is_told_with_generations),
        cmocka_unit_test(reorganisations_of_every_depth_take_and_return_what_stood_there),
        cmocka_unit_test(a_node_that_is_away_or_behind_or_syncing_orphans_nothing),
        cmocka_unit_test(the_node_with_the_most_work_is_believed),
        cmocka_unit_test(what_a_node_claims_elsewhere_is_asked_of_the_others),
        cmocka_unit_test(a_block_that_lost_its_race_makes_no_event),
        cmocka_unit_test(whatever_write_fails_or_is_doubtful_the_events_are_the_same),
        cmocka_unit_test(a_death_between_event_and_record_forgets_no_tip),
        cmocka_unit_test(a_deposed_scheduler_writes_nothing_more),
        cmocka_unit_test(a_leader_that_slept_through_its_end_cannot_write_what_it_had_decided),
        cmocka_unit_test(who_takes_over_says_so_once_whatever_becomes_of_the_writing),
        cmocka_unit_test(rivals_keep_the_log_legal),
        cmocka_unit_test(notes_are_put_down_with_the_block_once),
        cmocka_unit_test(an_unreadable_candidate_is_let_go_when_the_chain_has_passed_it),
        cmocka_unit_test(an_unreadable_candidate_on_the_chain_is_found_all_the_same),
        cmocka_unit_test(every_candidate_is_taken_in_however_many_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
