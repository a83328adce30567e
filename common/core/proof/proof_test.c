/* The tree against a second way of computing it, and everything a dishonest pool could try. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/test_random.h"
#include "core/proof/proof.h"

#include <stdio.h>
#include <stdlib.h>

enum { LEAVES_MAX = 300 };

/* A block of `count` random accounts, its tree, and each leaf in the tree's order. */
struct sample {
    struct proof_leaf leaves[LEAVES_MAX];
    struct proof_node nodes[2 * LEAVES_MAX + 32];
    struct proof_tree tree;
    struct proof_statement statement;
    size_t count;
};

static void random_leaf(struct test_random *random, struct proof_leaf *leaf)
{
    *leaf = (struct proof_leaf){ .kind = PROOF_NAME_ACCOUNT, .name_bytes = 8 };
    test_random_bytes(random, leaf->salt, sizeof leaf->salt);
    test_random_bytes(random, leaf->name, leaf->name_bytes);
    leaf->sums.work = ((u128)test_random_magnitude(random) << test_random_below(random, 40)) | 1;
    leaf->sums.amount = test_random_u64(random) >> 24;
}

static void seal(struct sample *sample)
{
    struct proof_statement *statement = &sample->statement;
    statement->accounts = (uint32_t)sample->count;
    statement->root = *proof_tree_root(&sample->tree);
    statement->reward =
        statement->fee + statement->unallocated + sample->statement.root.sums.amount;
}

static void make(struct test_random *random, size_t count, struct sample *sample)
{
    memset(sample, 0, sizeof *sample);
    sample->count = count;
    for (size_t i = 0; i < count; i++) {
        random_leaf(random, &sample->leaves[i]);
        proof_leaf_node(&sample->leaves[i], &sample->nodes[i]);
    }
    assert_true(proof_tree_build(&sample->tree, sample->nodes, count));
    sample->statement = (struct proof_statement){ .number = 1 + test_random_below(random, 1000),
                                                  .height = 7,
                                                  .fee = test_random_below(random, 1 << 20),
                                                  .window_work = test_random_u64(random),
                                                  .network_work = test_random_u64(random),
                                                  .shares = count,
                                                  .newest = { 5, 6, 7 },
                                                  .oldest = { 5, 6, 0 },
                                                  .scheme = "pplns" };
    test_random_bytes(random, sample->statement.previous, 32);
    test_random_bytes(random, sample->statement.block_hash, 32);
    seal(sample);
}

static void prove(const struct sample *sample, size_t leaf, struct proof *proof_r)
{
    struct proof_node node;
    memset(proof_r, 0, sizeof *proof_r);
    proof_r->statement = sample->statement;
    proof_r->leaf = sample->leaves[leaf];
    proof_leaf_node(&proof_r->leaf, &node);
    assert_true(proof_tree_find(&sample->tree, node.hash, &proof_r->place));
    proof_r->path_length = proof_tree_path(&sample->tree, proof_r->place, proof_r->path);
}

/* RFC 9162, 2.1.1, as it stands there: split at the largest power of two below n. */
static struct proof_node hash_of_list(const struct proof_node *leaves, size_t count)
{
    if (count == 1)
        return leaves[0];
    size_t split = 1;
    while (split * 2 < count)
        split *= 2;
    struct proof_node left = hash_of_list(leaves, split);
    struct proof_node right = hash_of_list(leaves + split, count - split);
    struct proof_node both;
    assert_true(proof_join(&left, &right, &both));
    return both;
}

static void every_leaf_of_every_size_is_proven_and_the_root_is_that_of_rfc_9162(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample sample;
    static struct proof proof, again;
    uint8_t bytes[PROOF_BYTES_MAX];
    (void)state;
    for (size_t count = 1; count <= 70; count++) {
        make(&random, count, &sample);
        struct proof_node expected = hash_of_list(sample.nodes, count);
        assert_memory_equal(expected.hash, sample.statement.root.hash, 32);
        assert_true(expected.sums.work == sample.statement.root.sums.work);
        for (size_t i = 0; i < count; i++) {
            prove(&sample, i, &proof);
            assert_int_equal(proof_check(&proof), PROOF_OK);
            size_t length = proof_encode(&proof, bytes);
            assert_true(length <= PROOF_BYTES_MAX);
            assert_true(proof_decode(span_of(bytes, length), &again));
            assert_int_equal(proof_check(&again), PROOF_OK);
            assert_memory_equal(again.statement.root.hash, proof.statement.root.hash, 32);
        }
    }
}

static void the_order_leaves_come_in_changes_nothing(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample sample;
    static struct proof_node nodes[2 * LEAVES_MAX + 32];
    struct proof_tree tree;
    (void)state;
    for (int round = 0; round < 50; round++) {
        make(&random, 1 + test_random_below(&random, LEAVES_MAX), &sample);
        for (size_t i = 0; i < sample.count; i++)
            nodes[i] = sample.nodes[i];
        for (size_t i = sample.count; i-- > 1;) {
            size_t other = test_random_below(&random, i + 1);
            struct proof_node swap = nodes[i];
            nodes[i] = nodes[other];
            nodes[other] = swap;
        }
        assert_true(proof_tree_build(&tree, nodes, sample.count));
        assert_memory_equal(proof_tree_root(&tree)->hash, sample.statement.root.hash, 32);
    }
}

static void any_changed_bit_of_a_proof_is_noticed(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample sample;
    static struct proof proof;
    uint8_t bytes[PROOF_BYTES_MAX], head[32], changed[32];
    (void)state;
    for (size_t count = 1; count < 20; count += 3) {
        make(&random, count, &sample);
        proof_head(&sample.statement, head);
        prove(&sample, test_random_below(&random, count), &proof);
        size_t length = proof_encode(&proof, bytes);
        for (size_t bit = 0; bit < 8 * length; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (proof_decode(span_of(bytes, length), &proof) && proof_check(&proof) == PROOF_OK) {
                /* Only words of the statement that the tree does not know: the head does. */
                proof_head(&proof.statement, changed);
                assert_memory_not_equal(head, changed, 32);
            }
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t cut = 0; cut < length; cut++)
            assert_false(proof_decode(span_of(bytes, cut), &proof));
    }
}

static void a_path_can_be_neither_cut_nor_lengthened_nor_swapped(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample sample;
    static struct proof proof, bad;
    (void)state;
    for (size_t count = 2; count <= 40; count++) {
        make(&random, count, &sample);
        for (size_t i = 0; i < count; i++) {
            prove(&sample, i, &proof);
            bad = proof;
            bad.path_length--;
            assert_int_not_equal(proof_check(&bad), PROOF_OK);
            bad = proof;
            bad.path[bad.path_length++] = sample.nodes[0];
            assert_int_equal(proof_check(&bad), PROOF_BAD_LENGTH);
            for (uint32_t place = 0; place < count; place++) {
                bad = proof;
                bad.place = place;
                assert_int_equal(proof_check(&bad) == PROOF_OK, place == proof.place);
            }
            bad = proof;
            bad.place = sample.statement.accounts;
            assert_int_equal(proof_check(&bad), PROOF_BAD_PLACE);
            if (proof.path_length >= 2 && memcmp(proof.path[0].hash, proof.path[1].hash, 32) != 0) {
                bad = proof;
                bad.path[0] = proof.path[1];
                bad.path[1] = proof.path[0];
                assert_int_not_equal(proof_check(&bad), PROOF_OK);
            }
        }
    }
}

/* CVE-2012-2459: a tree that hashes the last node with itself has one root for two lists. */
static void a_list_with_its_tail_doubled_has_another_root(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample sample;
    static struct proof_node nodes[2 * LEAVES_MAX + 32];
    struct proof_tree tree;
    (void)state;
    for (size_t count = 1; count < 65; count++)
        for (size_t tail = 1; tail <= count; tail++) {
            make(&random, count, &sample);
            memcpy(nodes, sample.nodes, count * sizeof *nodes);
            memcpy(nodes + count, sample.nodes + count - tail, tail * sizeof *nodes);
            for (size_t i = count; i < count + tail; i++)
                nodes[i].sums = (struct proof_sums){ 0, 0 };
            assert_true(proof_tree_build(&tree, nodes, count + tail));
            assert_memory_not_equal(proof_tree_root(&tree)->hash, sample.statement.root.hash, 32);
        }
}

static void sums_that_leave_their_range_are_refused(void **state)
{
    struct proof_node big = { .sums = { ~(u128)0, 1 } }, one = { .sums = { 1, 1 } }, both;
    (void)state;
    assert_false(proof_join(&big, &one, &both));
    assert_false(proof_join(&one, &big, &both));
    big.sums = (struct proof_sums){ 1, INT64_MAX };
    assert_false(proof_join(&big, &one, &both));
    big.sums = (struct proof_sums){ 1, UINT64_MAX };
    assert_false(proof_join(&big, &one, &both));
    big.sums = (struct proof_sums){ ~(u128)0 - 1, INT64_MAX - 1 };
    assert_true(proof_join(&big, &one, &both));
    assert_true(both.sums.work == ~(u128)0 && both.sums.amount == INT64_MAX);
}

/* A pool that wants to hide work: a "negative" leaf (a number near 2^128) that makes the total
 * smaller than its parts. The pool builds such a tree with hashes of its own making. */
static void a_negative_neighbour_cannot_lower_the_total(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample sample;
    static struct proof proof;
    (void)state;
    make(&random, 2, &sample);
    prove(&sample, 0, &proof);
    proof.path[0].sums.work = ~(u128)0 - 4; /* minus five */
    proof.statement.root.sums.work = proof.leaf.sums.work - 5;
    assert_int_equal(proof_check(&proof),
                     proof.leaf.sums.work < 5 ? PROOF_WRONG_SUMS : PROOF_OVERFLOW);
    prove(&sample, 0, &proof);
    proof.statement.root.sums.work = proof.leaf.sums.work - 1;
    if (proof.statement.root.sums.work > 0)
        assert_int_equal(proof_check(&proof), PROOF_WRONG_SUMS);
}

static void amounts_must_sum_to_the_reward(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample sample;
    static struct proof proof;
    (void)state;
    make(&random, 9, &sample);
    prove(&sample, 3, &proof);
    proof.statement.reward++;
    assert_int_equal(proof_check(&proof), PROOF_BAD_TOTALS);
    prove(&sample, 3, &proof);
    proof.statement.fee++;
    assert_int_equal(proof_check(&proof), PROOF_BAD_TOTALS);
    prove(&sample, 3, &proof);
    proof.statement.fee = UINT64_MAX; /* minus one */
    proof.statement.reward = proof.statement.root.sums.amount - 1;
    assert_int_equal(proof_check(&proof), PROOF_BAD_TOTALS);
    struct proof_statement nobody = {
        .number = 1, .reward = 10, .fee = 1, .unallocated = 9, .empty = true, .scheme = "pplns"
    };
    assert_int_equal(proof_check_statement(&nobody), PROOF_OK);
    nobody.root.sums.work = 1;
    assert_int_equal(proof_check_statement(&nobody), PROOF_BAD_TOTALS);
}

static void the_fair_amount_is_the_part_of_the_work_after_the_fee(void **state)
{
    static struct proof proof;
    (void)state;
    proof.statement.reward = 100;
    proof.statement.root.sums.work = (u128)3 << 100;
    proof.leaf.sums.work = (u128)1 << 100;
    assert_int_equal(proof_fair_amount(&proof), 33);
    proof.leaf.fee_basis_points = 100;
    assert_int_equal(proof_fair_amount(&proof), 33);
    proof.leaf.fee_basis_points = 101;
    assert_int_equal(proof_fair_amount(&proof), 32);
    proof.leaf.fee_basis_points = 10000;
    assert_int_equal(proof_fair_amount(&proof), 0);
    proof.leaf.fee_basis_points = 0;
    proof.statement.reward = INT64_MAX;
    proof.leaf.sums.work = proof.statement.root.sums.work = ~(u128)0;
    assert_true(proof_fair_amount(&proof) == INT64_MAX);
}

static void statements_make_one_chain(void **state)
{
    struct test_random random = test_random_begin("proof");
    static struct sample first, second;
    uint8_t bytes[PROOF_STATEMENT_BYTES];
    struct proof_statement read;
    (void)state;
    make(&random, 3, &first);
    make(&random, 4, &second);
    second.statement.number = first.statement.number + 1;
    assert_int_equal(proof_check_next(&first.statement, &second.statement), PROOF_BROKEN_CHAIN);
    proof_head(&first.statement, second.statement.previous);
    assert_int_equal(proof_check_next(&first.statement, &second.statement), PROOF_OK);
    first.statement.unallocated++;
    assert_int_equal(proof_check_next(&first.statement, &second.statement), PROOF_BROKEN_CHAIN);
    proof_statement_encode(&second.statement, bytes);
    assert_true(proof_statement_decode(span_of(bytes, sizeof bytes), &read));
    assert_int_equal(read.number, second.statement.number);
    assert_string_equal(read.scheme, "pplns");
    assert_false(proof_statement_decode(span_of(bytes, sizeof bytes - 1), &read));
    bytes[sizeof bytes - 1] = 'x'; /* behind the scheme's end */
    assert_false(proof_statement_decode(span_of(bytes, sizeof bytes), &read));
}

static void a_coinbase_output_names_number_and_head(void **state)
{
    uint8_t head[32], read[32], script[PROOF_COMMITMENT_BYTES];
    uint32_t number;
    (void)state;
    memset(head, 0xab, sizeof head);
    proof_commitment_write(0x100000007, head, script);
    assert_true(proof_commitment_read(span_of(script, sizeof script), &number, read));
    assert_int_equal(number, 7);
    assert_memory_equal(read, head, 32);
    for (size_t i = 0; i < 6; i++) {
        script[i] ^= 1;
        assert_false(proof_commitment_read(span_of(script, sizeof script), &number, read));
        script[i] ^= 1;
    }
    assert_false(proof_commitment_read(span_of(script, sizeof script - 1), &number, read));
}

/* Fixed forever: a proof that was given must be checkable years later. The numbers were computed
 * with another program (docs/proofs.md shows it). */
static void the_hashes_are_those_of_the_published_example(void **state)
{
    struct proof_leaf alice = { .kind = PROOF_NAME_ACCOUNT,
                                .name = "alice",
                                .account = 17,
                                .name_bytes = 5,
                                .fee_basis_points = 100,
                                .sums = { 6, 60 } };
    struct proof_leaf bob = { .kind = PROOF_NAME_ACCOUNT,
                              .name = "bob",
                              .account = 18,
                              .name_bytes = 3,
                              .fee_basis_points = 100,
                              .sums = { 4, 39 } };
    struct proof_node nodes[3];
    struct proof_tree tree;
    char hex[65];
    (void)state;
    memset(alice.salt, 1, 32);
    memset(bob.salt, 2, 32);
    proof_leaf_node(&alice, &nodes[0]);
    hex_encode(span_of(nodes[0].hash, 32), hex);
    assert_string_equal(hex, "46bddf7886d96bb4737dc855ce07a2160e9e2c4c482c8f92b05417d97711e84e");
    proof_leaf_node(&bob, &nodes[1]);
    assert_true(proof_tree_build(&tree, nodes, 2));
    hex_encode(span_of(proof_tree_root(&tree)->hash, 32), hex);
    assert_string_equal(hex, "1dcc05b971ca9e998b7d0838b3b8eabcf090f0142a3d162d6ce51110f4dbaa58");
    struct proof_statement statement = { .number = 1,
                                         .height = 100,
                                         .reward = 100,
                                         .fee = 1,
                                         .accounts = 2,
                                         .root = *proof_tree_root(&tree),
                                         .oldest = { 1, 0, 0 },
                                         .newest = { 2, 0, 3 },
                                         .window_work = 10,
                                         .network_work = 5,
                                         .shares = 2,
                                         .scheme = "pplns" };
    uint8_t head[32];
    assert_int_equal(proof_check_statement(&statement), PROOF_OK);
    proof_head(&statement, head);
    hex_encode(span_of(head, 32), hex);
    assert_string_equal(hex, "3cc9da956aaee8f934d90f68941d3f258c2d773305ad22cbcd159cc0fc7c0dc5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_leaf_of_every_size_is_proven_and_the_root_is_that_of_rfc_9162),
        cmocka_unit_test(the_order_leaves_come_in_changes_nothing),
        cmocka_unit_test(any_changed_bit_of_a_proof_is_noticed),
        cmocka_unit_test(a_path_can_be_neither_cut_nor_lengthened_nor_swapped),
        cmocka_unit_test(a_list_with_its_tail_doubled_has_another_root),
        cmocka_unit_test(sums_that_leave_their_range_are_refused),
        cmocka_unit_test(a_negative_neighbour_cannot_lower_the_total),
        cmocka_unit_test(amounts_must_sum_to_the_reward),
        cmocka_unit_test(the_fair_amount_is_the_part_of_the_work_after_the_fee),
        cmocka_unit_test(statements_make_one_chain),
        cmocka_unit_test(a_coinbase_output_names_number_and_head),
        cmocka_unit_test(the_hashes_are_those_of_the_published_example),
    };
    return cmocka_run_group_tests_name("core/proof", tests, NULL, NULL);
}
