#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/store_fake/fake.h"
#include "record/proof/proof_record.h"

#include <stdio.h>

static const struct identity_key key = { { 7, 7, 7 } };

static struct store *open_store(void)
{
    static const struct store_collection *const collections[] = { &proof_collection,
                                                                  &account_collection };
    struct store *store = store_fake_create();
    struct error error;
    assert_true(store_declare(store, collections, 2, &error));
    return store;
}

static struct proof_link make(uint64_t number, const uint8_t previous[32])
{
    struct proof_link link = { .statement = { .number = number,
                                              .height = (uint32_t)number + 100,
                                              .reward = 10,
                                              .fee = 10,
                                              .empty = true,
                                              .scheme = "pplns" },
                               .epoch = 3,
                               .time_ms = 4 };
    link.statement.block_hash[0] = (uint8_t)number;
    memcpy(link.statement.previous, previous, 32);
    return link;
}

struct seen {
    struct proof_link last;
    size_t count;
};

static bool see(void *context, const struct proof_link *link)
{
    struct seen *seen = context;
    if (seen->count++ > 0)
        assert_int_equal(proof_check_next(&seen->last.statement, &link->statement), PROOF_OK);
    seen->last = *link;
    return true;
}

static void statements_are_a_log_that_is_found_by_number_and_by_block(void **state)
{
    struct store *store = open_store();
    struct error error;
    uint8_t head[32] = { 0 };
    struct proof_link read;
    (void)state;
    assert_int_equal(proof_link_newest(store, &read, &error), STORE_MISSING);
    for (uint64_t i = 1; i <= 40; i++) {
        struct proof_link link = make(i, head);
        assert_int_equal(proof_link_append(store, &link, &error), STORE_DONE);
        assert_int_equal(proof_link_append(store, &link, &error), STORE_EXISTS);
        memcpy(head, link.head, 32);
        assert_int_equal(proof_link_newest(store, &read, &error), STORE_DONE);
        assert_int_equal(read.statement.number, i);
        assert_int_equal(read.epoch, 3);
        assert_int_equal(proof_link_of_block(store, link.statement.block_hash, &read, &error),
                         STORE_DONE);
        assert_int_equal(read.statement.number, i);
        assert_memory_equal(read.head, head, 32);
    }
    struct seen seen = { .count = 0 };
    assert_int_equal(proof_link_walk(store, 0, 0, see, &seen, &error), STORE_DONE);
    assert_int_equal(seen.count, 40);
    assert_memory_equal(seen.last.head, head, 32);
    seen.count = 0;
    assert_int_equal(proof_link_walk(store, 38, 1, see, &seen, &error), STORE_DONE);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.statement.number, 39);
    assert_int_equal(proof_link_get(store, 41, &read, &error), STORE_MISSING);
    uint8_t other[32] = { 0xee };
    assert_int_equal(proof_link_of_block(store, other, &read, &error), STORE_MISSING);
    store_close(store);
}

/* What a record says must hash to the head kept beside it, and no number may be missing. */
static void a_damaged_or_missing_statement_is_a_failure(void **state)
{
    struct store *store = open_store();
    struct error error = { .text = "" };
    uint8_t zeros[32] = { 0 }, body[PROOF_STATEMENT_BYTES];
    struct proof_link link = make(1, zeros), read;
    (void)state;
    assert_int_equal(proof_link_append(store, &link, &error), STORE_DONE);
    link = make(3, zeros);
    assert_int_equal(proof_link_append(store, &link, &error), STORE_DONE);
    struct seen seen = { .count = 0 };
    assert_int_equal(proof_link_walk(store, 0, 0, see, &seen, &error), STORE_FAILED);
    assert_non_null(strstr(error.text, "proof 2 is missing"));
    proof_statement_encode(&link.statement, body);
    body[100] ^= 1;
    struct store_write write = {
        .verb = STORE_REPLACE,
        .collection = &proof_collection,
        .record = { .id = "00000000000000000003",
                    .version = 1,
                    .values = { [0] = store_text(""),
                                [4] = store_bytes(span_of(link.head, 32)),
                                [5] = store_bytes(span_of(body, sizeof body)) } }
    };
    assert_int_equal(store_apply(store, &write, 1, &error), STORE_DONE);
    assert_int_equal(proof_link_newest(store, &read, &error), STORE_FAILED);
    assert_non_null(strstr(error.text, "damaged"));
    store_close(store);
}

static void bind(struct store *store, uint64_t id, enum identity_kind kind)
{
    struct error error;
    struct account bound, account = { .id = id, .kind = kind, .state = ACCOUNT_ACTIVE };
    if (kind == IDENTITY_KIND_ADDRESS)
        account.payouts[0].script = (struct output_script){ { 0, 20, (uint8_t)id }, 22 };
    account.payout_count = kind == IDENTITY_KIND_ADDRESS;
    snprintf(account.name, sizeof account.name, "name-%llu", (unsigned long long)id);
    assert_int_equal(account_bind(store, &account, &bound, NULL, &error), ACCOUNT_BOUND);
}

/* A few parts are looked up one by one, many in one walk: the same leaves either way. */
static void leaves_are_named_after_accounts_however_many_there_are(void **state)
{
    enum { ACCOUNTS = 300 };
    struct store *store = open_store();
    struct error error;
    static struct pplns_part parts[ACCOUNTS];
    static struct proof_node many[ACCOUNTS], one;
    struct snapshot_record snapshot = { .fee_basis_points = 100, .height = 5 };
    (void)state;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        parts[i] = (struct pplns_part){ .account = 3 * i + 1, .work = i + 1, .amount = i };
        /* every fifth is nobody's, and there are accounts without a part */
        if (i % 5 != 0)
            bind(store, 3 * i + 1, i % 2 == 0 ? IDENTITY_KIND_ADDRESS : IDENTITY_KIND_ACCOUNT);
        bind(store, 3 * i + 2, IDENTITY_KIND_ADDRESS);
    }
    assert_int_equal(
        proof_leaf_nodes(store, &key, snapshot.block_hash, parts, ACCOUNTS, many, &error),
        STORE_DONE);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        assert_int_equal(
            proof_leaf_nodes(store, &key, snapshot.block_hash, &parts[i], 1, &one, &error),
            STORE_DONE);
        assert_memory_equal(one.hash, many[i].hash, 32);
        struct account account;
        struct proof_leaf leaf;
        struct proof_node node;
        bool known = account_get(store, parts[i].account, &account, &error) == STORE_DONE;
        assert_int_equal(known, i % 5 != 0);
        proof_leaf_of(&key, snapshot.block_hash, &parts[i], known ? &account : NULL, &leaf);
        assert_int_equal(leaf.kind, !known       ? PROOF_NAME_ID
                                    : i % 2 == 0 ? PROOF_NAME_SCRIPT
                                                 : PROOF_NAME_ACCOUNT);
        proof_leaf_node(&leaf, &node);
        assert_memory_equal(node.hash, many[i].hash, 32);
    }
    store_fake_away(store, true);
    assert_int_equal(
        proof_leaf_nodes(store, &key, snapshot.block_hash, parts, ACCOUNTS, many, &error),
        STORE_FAILED);
    assert_int_equal(proof_leaf_nodes(store, &key, snapshot.block_hash, parts, 1, &one, &error),
                     STORE_FAILED);
    store_close(store);
}

static void salts_differ_by_secret_block_and_account(void **state)
{
    static const struct identity_key other = { { 8 } };
    struct snapshot_record snapshot = { .height = 1 }, later = { .block_hash = { 1 } };
    struct pplns_part alice = { .account = 1, .work = 1 }, bob = { .account = 2, .work = 1 };
    struct proof_leaf leaves[5];
    (void)state;
    proof_leaf_of(&key, snapshot.block_hash, &alice, NULL, &leaves[0]);
    proof_leaf_of(&key, snapshot.block_hash, &bob, NULL, &leaves[1]);
    proof_leaf_of(&key, later.block_hash, &alice, NULL, &leaves[2]);
    proof_leaf_of(&other, snapshot.block_hash, &alice, NULL, &leaves[3]);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(leaves[i].salt, leaves[j].salt, PROOF_SALT_BYTES);
    proof_leaf_of(&key, snapshot.block_hash, &alice, NULL, &leaves[4]);
    assert_memory_equal(leaves[0].salt, leaves[4].salt, PROOF_SALT_BYTES);
}

static void what_goes_to_nobody_is_what_is_left(void **state)
{
    struct snapshot_record snapshot = {
        .reward = { 100 }, .fee = { 1 }, .unallocated = { 99 }, .empty = true, .scheme = "pplns"
    };
    struct proof_statement statement;
    struct proof_node node = { .sums = { 5, 60 } };
    struct proof_tree tree;
    (void)state;
    proof_statement_of(&snapshot, NULL, &statement);
    statement.number = 1;
    assert_int_equal(proof_check_statement(&statement), PROOF_OK);
    assert_int_equal(statement.unallocated, 99);
    assert_true(proof_tree_build(&tree, &node, 1));
    snapshot.empty = false;
    snapshot.end.high = 4;
    proof_statement_of(&snapshot, &tree, &statement);
    assert_int_equal(statement.unallocated, 39);
    assert_int_equal(statement.newest.high, 4);
    assert_int_equal(proof_check_statement(&statement), PROOF_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_a_log_that_is_found_by_number_and_by_block),
        cmocka_unit_test(a_damaged_or_missing_statement_is_a_failure),
        cmocka_unit_test(leaves_are_named_after_accounts_however_many_there_are),
        cmocka_unit_test(salts_differ_by_secret_block_and_account),
        cmocka_unit_test(what_goes_to_nobody_is_what_is_left),
    };
    return cmocka_run_group_tests_name("record/proof", tests, NULL, NULL);
}
