#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "base/test_random.h"
#include "record/ledger/ledger_record.h"

#include <stdlib.h>

static struct store *store;
static struct error error;

static int set_up(void **state)
{
    static const struct store_collection *const all[] = { &set_collection, &entry_collection,
                                                          &balance_collection, &snapshot_collection,
                                                          &snapshot_part_collection };
    (void)state;
    store = store_fake_create();
    return store_declare(store, all, 5, &error) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    store_fake_verify(store);
    store_close(store);
    return 0;
}

static struct set_record set_of_number(uint64_t seq)
{
    struct set_record set = { .seq = seq, .state = SET_OPEN, .epoch = 3, .time_ms = 99 };
    set.cause = ledger_cause_payment(LEDGER_INTENT, seq, 1);
    set.digest = ledger_digest(&set.cause, NULL, 0);
    return set;
}

static void a_place_in_the_log_is_given_once(void **state)
{
    (void)state;
    struct set_record set = set_of_number(1), rival = set_of_number(1), read;
    rival.event_sequence = 7;
    assert_int_equal(set_newest(store, &read, &error), STORE_MISSING);
    assert_int_equal(set_insert(store, &set, &error), STORE_DONE);
    assert_int_equal(set_insert(store, &rival, &error), STORE_EXISTS);
    assert_int_equal(set_get(store, 1, &read, &error), STORE_DONE);
    assert_true(read.event_sequence == 0 && read.epoch == 3 && read.state == SET_OPEN &&
                read.time_ms == 99 && read.version == 1);
    assert_memory_equal(read.digest.hash, set.digest.hash, 32);
    assert_int_equal(set_of_cause(store, &set.cause, &read, &error), STORE_DONE);
    assert_int_equal(set_newest_of_events(store, &read, &error), STORE_MISSING);
    rival = set_of_number(10);
    rival.event_sequence = 7;
    assert_int_equal(set_insert(store, &rival, &error), STORE_DONE);
    assert_int_equal(set_newest(store, &read, &error), STORE_DONE);
    assert_int_equal(read.seq, 10);
    assert_int_equal(set_newest_of_events(store, &read, &error), STORE_DONE);
    assert_int_equal(read.event_sequence, 7);
}

static void a_set_is_advanced_by_who_read_it_last(void **state)
{
    (void)state;
    struct set_record set = set_of_number(1);
    assert_int_equal(set_insert(store, &set, &error), STORE_DONE);
    struct set_record stale = set;
    assert_int_equal(set_advance(store, &set, SET_CLOSED, &error), STORE_DONE);
    assert_int_equal(set_advance(store, &stale, SET_CLOSED, &error), STORE_CONFLICT);
    assert_int_equal(set_advance(store, &set, SET_APPLIED, &error), STORE_DONE);
}

enum { MINERS = 700 };

static struct ledger_legs many_legs(struct ledger_leg *memory, struct ledger_credit *credits)
{
    struct ledger_legs legs = ledger_legs_over(memory, MINERS + 3);
    for (size_t i = 0; i < MINERS; i++)
        credits[i] = (struct ledger_credit){ UINT64_MAX - 7 * i, { i + 1 } };
    const struct ledger_reward reward = { .reward = { MINERS * (MINERS + 1) / 2 + 5 },
                                          .fee = { 5 } };
    assert_true(ledger_build_found(&reward, credits, MINERS, &legs));
    return legs;
}

static bool count_entries(void *context, const struct entry_record *entry)
{
    (void)entry;
    ++*(size_t *)context;
    return true;
}

static bool count_balances(void *context, const struct balance_record *balance)
{
    (void)balance;
    ++*(size_t *)context;
    return true;
}

static void entries_read_back_in_order_however_often_they_are_written(void **state)
{
    (void)state;
    static struct ledger_leg memory[MINERS + 3], read[MINERS + 3];
    static struct ledger_credit credits[MINERS];
    struct ledger_legs legs = many_legs(memory, credits);
    size_t count;
    store_fake_inject(store, STORE_FAKE_UNKNOWN_DONE, 2, 1);
    assert_int_equal(entry_insert_all(store, 4, legs.legs, legs.count, &error), STORE_UNKNOWN);
    for (int i = 0; i < 2; i++)
        assert_int_equal(entry_insert_all(store, 4, legs.legs, legs.count, &error), STORE_DONE);
    assert_int_equal(entry_insert_all(store, 44, legs.legs, 2, &error), STORE_DONE);
    assert_int_equal(entry_read_all(store, 4, read, NULL, MINERS + 3, &count, &error), STORE_DONE);
    assert_int_equal(count, legs.count);
    struct ledger_cause cause = ledger_cause_payment(LEDGER_INTENT, 1, 1);
    struct ledger_digest digest = ledger_digest(&cause, legs.legs, legs.count);
    assert_true(ledger_legs_verify(&cause, &digest, read, count));
    assert_int_equal(entry_read_all(store, 4, read, NULL, 5, &count, &error), STORE_FAILED);
    size_t seen = 0;
    assert_int_equal(entry_walk(store, 5, count_entries, &seen, &error), STORE_DONE);
    assert_int_equal(seen, 2);
    /* What the balances have taken in, nobody may write any more. */
    assert_int_equal(balance_apply_all(store, 4, LEDGER_FOUND, legs.legs, legs.count, &error),
                     STORE_DONE);
    assert_int_equal(entry_insert_all(store, 4, legs.legs, legs.count, &error), STORE_CONFLICT);
    assert_int_equal(entry_insert_all(store, 3, legs.legs, legs.count, &error), STORE_CONFLICT);
}

enum { HISTORIES = 40, HISTORY_SETS = 4 * LEDGER_ERA_SETS };

/* What an account's entries must be, newest first. */
struct history {
    const bool *in; /* by set */
    uint64_t next;  /* the newest that is not visited yet */
    size_t count;
    unsigned kind; /* of this set's, from the last down */
};

static bool follow(void *context, const struct entry_record *entry)
{
    struct history *history = context;
    while (history->next > 0 && !history->in[history->next])
        history->next--;
    assert_true(entry->seq == history->next && entry->leg.amount != 0);
    assert_int_equal(entry->leg.kind, history->kind);
    history->kind = history->kind == LEDGER_AVAILABLE ? LEDGER_IMMATURE : LEDGER_AVAILABLE;
    history->next -= history->kind == LEDGER_AVAILABLE;
    history->count++;
    return true;
}

static size_t sets_up_to(const bool *in, uint64_t newest)
{
    size_t count = 0;
    for (uint64_t seq = 1; seq <= newest; seq++)
        count += in[seq];
    return count;
}

/* Two legs an account, as a maturing has; few accounts in some sets, all in others, so that pages
 * of entries are full or nearly empty. */
/* A page that begins with the owner of the greatest number is still the last. */
static void entries_of_the_last_owner_come_last(void **state)
{
    enum { LEGS = 257 }; /* one more than a page */
    static struct ledger_leg legs[LEGS], read[LEGS];
    (void)state;
    size_t count;
    for (size_t i = 0; i < LEGS; i++)
        legs[i] = (struct ledger_leg){ .account = { .owner = LEDGER_MINER, .id = i + 1 },
                                       .kind = LEDGER_AVAILABLE,
                                       .amount = 1 };
    legs[LEGS - 1].account =
        (struct ledger_account){ .owner = LEDGER_UNALLOCATED_VALIDATORS, .id = 0 };
    assert_int_equal(entry_insert_all(store, 9, legs, LEGS, &error), STORE_DONE);
    assert_int_equal(entry_read_all(store, 9, read, NULL, LEGS, &count, &error), STORE_DONE);
    assert_int_equal(count, LEGS);
    for (size_t i = 0; i < LEGS; i++)
        assert_int_equal(ledger_account_compare(&legs[i].account, &read[i].account), 0);
}

static void an_account_s_entries_are_found_from_any_set_on(void **state)
{
    (void)state;
    static bool in[HISTORIES][HISTORY_SETS + 1];
    static struct ledger_leg memory[2 * HISTORIES + 1];
    struct test_random random = test_random_begin("record_ledger_test");
    memset(in, 0, sizeof in);
    for (uint64_t seq = 1; seq <= HISTORY_SETS; seq++) {
        struct ledger_legs legs = ledger_legs_over(memory, 2 * HISTORIES + 1);
        for (unsigned i = 0; i < HISTORIES; i++) {
            in[i][seq] = test_random_below(&random, 1 + i * i) == 0;
            struct ledger_account account = ledger_miner((uint64_t)i << 59 | i);
            ledger_legs_add(&legs, account, LEDGER_IMMATURE, in[i][seq]);
            ledger_legs_add(&legs, account, LEDGER_AVAILABLE, in[i][seq]);
            ledger_legs_add(&legs, ledger_house(LEDGER_NETWORK), LEDGER_AVAILABLE, -2 * in[i][seq]);
        }
        assert_true(ledger_legs_close(&legs));
        assert_int_equal(entry_insert_all(store, seq, legs.legs, legs.count, &error), STORE_DONE);
        assert_int_equal(balance_apply_all(store, seq, LEDGER_FOUND, legs.legs, legs.count, &error),
                         STORE_DONE);
    }
    for (unsigned i = 0; i < HISTORIES; i++) {
        struct ledger_account account = ledger_miner((uint64_t)i << 59 | i);
        for (int k = 0; k < 20; k++) {
            uint64_t newest = k == 0 ? HISTORY_SETS : test_random_below(&random, HISTORY_SETS) + 1;
            struct history history = { in[i], newest, 0, LEDGER_AVAILABLE };
            size_t all = 2 * sets_up_to(in[i], newest), limit = 1 + (size_t)k;
            assert_int_equal(entry_walk_account(store, &account, k == 0 ? 0 : newest, 0, follow,
                                                &history, &error),
                             STORE_DONE);
            assert_int_equal(history.count, all);
            history = (struct history){ in[i], newest, 0, LEDGER_AVAILABLE };
            assert_int_equal(
                entry_walk_account(store, &account, newest, limit, follow, &history, &error),
                STORE_DONE);
            assert_int_equal(history.count, all < limit ? all : limit);
        }
    }
}

static void a_balance_is_put_only_over_what_was_read(void **state)
{
    (void)state;
    struct ledger_account account = ledger_miner(7), other = ledger_miner(9);
    struct balance_record read, stale;
    assert_int_equal(balance_get(store, &account, &read, &error), STORE_MISSING);
    stale = read;
    struct ledger_balance amounts = { .available = 12, .applied_seq = 3 };
    assert_int_equal(balance_put(store, &read, &amounts, &error), STORE_DONE);
    assert_int_equal(balance_put(store, &stale, &amounts, &error), STORE_CONFLICT);
    assert_int_equal(balance_get(store, &account, &read, &error), STORE_DONE);
    assert_true(ledger_balance_equal(&read.amounts, &amounts) && read.version == 1);
    /* A neighbour in its page does not concern it. */
    assert_int_equal(balance_get(store, &other, &stale, &error), STORE_MISSING);
    assert_int_equal(balance_put(store, &stale, &amounts, &error), STORE_DONE);
    amounts.paid = 1;
    assert_int_equal(balance_put(store, &read, &amounts, &error), STORE_DONE);
    assert_int_equal(balance_put(store, &read, &amounts, &error), STORE_CONFLICT);
    size_t seen = 0;
    assert_int_equal(balance_walk_available(store, 13, count_balances, &seen, &error), STORE_DONE);
    assert_int_equal(seen, 0);
    assert_int_equal(balance_walk_available(store, 12, count_balances, &seen, &error), STORE_DONE);
    assert_int_equal(seen, 2);
}

static void balances_take_a_set_in_once_through_any_trouble(void **state)
{
    (void)state;
    static struct ledger_leg memory[MINERS + 3];
    static struct ledger_credit credits[MINERS];
    struct ledger_legs legs = many_legs(memory, credits);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        store_fake_inject_random(store, seq, 30);
        enum store_outcome outcome = STORE_FAILED;
        for (int i = 0; i < 1000 && outcome != STORE_DONE; i++)
            outcome = balance_apply_all(store, seq, LEDGER_FOUND, legs.legs, legs.count, &error);
        store_fake_inject_random(store, 0, 0);
        assert_int_equal(outcome, STORE_DONE);
        assert_int_equal(balance_apply_all(store, seq, LEDGER_FOUND, legs.legs, legs.count, &error),
                         STORE_DONE);
        for (size_t i = 0; i < MINERS; i++) {
            struct balance_record balance;
            struct ledger_account account = ledger_miner(credits[i].account);
            assert_int_equal(balance_get(store, &account, &balance, &error), STORE_DONE);
            assert_int_equal(balance.amounts.immature, (i + 1) * seq);
        }
    }
    struct ledger_leg below[2] = { { ledger_miner(5), LEDGER_AVAILABLE, -1 },
                                   { ledger_house(LEDGER_FEE), LEDGER_AVAILABLE, 1 } };
    assert_int_equal(balance_apply_all(store, 9, LEDGER_INTENT, below, 2, &error), STORE_FAILED);
    assert_int_equal(error.code, ERROR_INVALID);
}

static void a_snapshot_counts_with_its_header_and_is_kept_whole(void **state)
{
    (void)state;
    enum { PARTS = 9000 };
    struct pplns_part *parts = calloc(PARTS, sizeof *parts), *read = calloc(PARTS, sizeof *read);
    assert_true(parts != NULL && read != NULL);
    for (size_t i = 0; i < PARTS; i++)
        parts[i] = (struct pplns_part){ .account = 1 + i * 11,
                                        .work = ((u128)i << 70) + 1,
                                        .amount = i * 3 };
    struct snapshot_record snapshot = { .block_hash = { 9 },
                                        .height = 12,
                                        .reward = { 77 },
                                        .network_work = (u128)5 << 90,
                                        .window_work = (u128)6 << 90,
                                        .filled = (u128)4 << 90,
                                        .shares = 8,
                                        .end = { 5, 6, 7 },
                                        .oldest = { 1, 2, 3 },
                                        .scheme = "pplns" };
    struct snapshot_record got, begun = snapshot;
    /* One that was begun under other settings and cut off before its header. */
    store_fake_inject(store, STORE_FAKE_FAIL, 2, 1);
    parts[0].amount = 999;
    assert_int_equal(snapshot_insert(store, &begun, parts, PARTS, &error), STORE_FAILED);
    parts[0].amount = 0;
    assert_int_equal(snapshot_get(store, snapshot.block_hash, &got, &error), STORE_MISSING);
    assert_int_equal(snapshot_insert(store, &snapshot, parts, PARTS, &error), STORE_DONE);
    assert_int_equal(snapshot_insert(store, &begun, parts, 1, &error), STORE_EXISTS);
    assert_int_equal(snapshot_get(store, snapshot.block_hash, &got, &error), STORE_DONE);
    assert_true(got.accounts == PARTS && got.filled == snapshot.filled && got.end.index == 7 &&
                got.reward.units == 77);
    assert_int_equal(snapshot_parts(store, &got, read, &error), STORE_DONE);
    for (size_t i = 0; i < PARTS; i++)
        assert_true(read[i].account == parts[i].account && read[i].work == parts[i].work &&
                    read[i].amount == parts[i].amount);
    got.hash[0] ^= 1;
    assert_int_equal(snapshot_parts(store, &got, read, &error), STORE_FAILED);
    free(parts);
    free(read);
}

struct raw {
    uint8_t bytes[128];
    size_t length;
};

static bool copy_raw(void *context, const struct store_record *record)
{
    struct raw *raw = context;
    raw->length = record->values[0].bytes.length;
    assert_true(raw->length <= sizeof raw->bytes);
    memcpy(raw->bytes, record->values[0].bytes.data, raw->length);
    return true;
}

/* Where and how parts are kept does not change: snapshots are read years later. */
static void parts_lie_where_they_always_lay(void **state)
{
    static const char id[] = "0000000000000000000000000000000000000000000000000000000000000009:"
                             "ab2332bb1a7285d6:000000",
                      packed[] = "05000000000000000300000000000000400000000000000009000000000000000"
                                 "700000000000000020000000000000000000000000000000800000000000000";
    const struct pplns_part parts[] = { { .account = 5, .work = ((u128)1 << 70) + 3, .amount = 9 },
                                        { .account = 7, .work = 2, .amount = 8 } };
    struct snapshot_record snapshot = { .block_hash = { 9 }, .scheme = "pplns" };
    struct raw raw = { .length = 0 };
    char hex[257];
    (void)state;
    assert_int_equal(snapshot_insert(store, &snapshot, parts, 2, &error), STORE_DONE);
    struct store_query query = store_query_of(id);
    assert_int_equal(store_find(store, &snapshot_part_collection, &query, copy_raw, &raw, &error),
                     STORE_DONE);
    hex_encode(span_of(raw.bytes, raw.length), hex);
    assert_string_equal(hex, packed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_place_in_the_log_is_given_once),
        TEST(a_set_is_advanced_by_who_read_it_last),
        TEST(entries_read_back_in_order_however_often_they_are_written),
        TEST(entries_of_the_last_owner_come_last),
        TEST(an_account_s_entries_are_found_from_any_set_on),
        TEST(a_balance_is_put_only_over_what_was_read),
        TEST(balances_take_a_set_in_once_through_any_trouble),
        TEST(a_snapshot_counts_with_its_header_and_is_kept_whole),
        TEST(parts_lie_where_they_always_lay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
