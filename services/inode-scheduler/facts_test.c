#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/inode-scheduler/facts.h"

#include "core/difficulty/difficulty.h"

#include <string.h>

enum { BITS = 0x1f00ffff };

static struct facts facts;

/* The nth block of a chain whose blocks all have the same work, and of branch `branch`. */
static struct node_tip block(uint32_t n, uint8_t branch)
{
    struct node_tip made = { .height = n, .bits = BITS, .is_tip = true };
    struct u256 target, work;
    store_le32(made.hash, n);
    made.hash[31] = branch;
    store_le32(made.prev_hash, n - 1);
    made.prev_hash[31] = branch;
    assert_true(difficulty_target_from_bits(BITS, &target));
    assert_false(u256_multiply_u64(difficulty_network_work(target), n, &work));
    u256_store_be(work, made.chain_work);
    return made;
}

static void tell(size_t node, struct node_tip told)
{
    facts_tell(&facts, node, &told);
}

static bool contradicts(size_t node, struct node_tip told)
{
    return facts_contradict(&facts, node, &told) != NULL;
}

static int begin(void **state)
{
    (void)state;
    memset(&facts, 0, sizeof facts);
    return 0;
}

static struct node_tip with_work(struct node_tip block_, uint8_t first)
{
    block_.chain_work[0] = first;
    return block_;
}

static void the_account_of_more_nodes_counts(void **state)
{
    (void)state;
    const struct node_tip truth = block(9, 0), lie = with_work(truth, 0x7f);
    tell(2, lie);
    assert_false(contradicts(2, lie));
    tell(0, truth);
    assert_false(contradicts(2, lie)); /* one against one */
    assert_false(contradicts(0, truth));
    assert_null(facts_find(&facts, 0, truth.hash));
    tell(1, truth);
    assert_true(contradicts(2, lie));
    assert_false(contradicts(0, truth));
    assert_int_equal(facts_find(&facts, 2, truth.hash)->chain_work[0], 0);
}

static void what_a_node_told_while_it_was_honest_is_held_against_it(void **state)
{
    (void)state;
    struct node_tip higher = block(9, 0);
    higher.height += 1000;
    tell(0, block(9, 0));
    tell(1, block(9, 0));
    tell(1, higher);
    tell(0, block(10, 0));
    assert_true(contradicts(1, higher));
    assert_false(contradicts(0, block(10, 0)));
}

static void a_block_follows_from_the_one_below_it(void **state)
{
    (void)state;
    struct node_tip more = with_work(block(10, 0), 1), higher = block(10, 0), easier = more;
    higher.height++;
    easier.bits = 0;
    tell(0, block(9, 0));
    tell(1, block(9, 0));
    assert_false(contradicts(2, block(10, 0)));
    assert_true(contradicts(2, more));
    assert_true(contradicts(2, higher));
    assert_true(contradicts(2, easier));
    assert_false(contradicts(2, with_work(block(30, 0), 1))); /* nobody knows what it stands on */
}

/* One against one, lie upon lie: the block that both told of before proves what stands on it. */
static void a_chain_of_lies_is_seen_at_every_block(void **state)
{
    (void)state;
    tell(0, block(9, 0));
    tell(1, block(9, 0));
    for (uint32_t n = 10; n < 20; n++) {
        struct node_tip lie = block(n, 0);
        lie.height += 1000;
        tell(1, lie);
        assert_true(contradicts(1, lie));
        assert_int_equal(facts_find(&facts, 1, lie.hash)->height, n);
        if (n % 2 == 0)
            tell(0, block(n, 0));
        assert_false(contradicts(0, block(n, 0)));
    }
}

static void the_word_of_one_other_node_condemns_nobody(void **state)
{
    (void)state;
    tell(2, with_work(block(9, 0), 0x7f)); /* a lie about the block below */
    assert_false(contradicts(0, block(10, 0)));
    tell(0, block(10, 0));
    assert_null(facts_find(&facts, 0, block(9, 0).hash));
    assert_non_null(facts_find(&facts, 2, block(9, 0).hash)); /* but counts for itself */
    assert_true(contradicts(2, block(10, 0)));
}

static void a_flood_of_one_node_forgets_nothing_that_two_told(void **state)
{
    (void)state;
    tell(0, block(9, 0));
    tell(1, block(9, 0));
    for (uint32_t i = 0; i < 3 * FACTS_MAX; i++)
        tell(2, block(i + 1, 7));
    assert_non_null(facts_find(&facts, 2, block(9, 0).hash));
    for (uint32_t i = 100; i < 100 + 3 * FACTS_MAX; i++)
        for (size_t node = 0; node < 2; node++)
            tell(node, block(i, 0));
    assert_null(facts_find(&facts, 0, block(9, 0).hash));
    assert_non_null(facts_find(&facts, 0, block(99 + 3 * FACTS_MAX, 0).hash));
    tell(0, block(0, 0)); /* a first block is not taken down */
    assert_null(facts_find(&facts, 0, block(0, 0).hash));
}

static void the_word_of_one_alone_about_a_tip_condemns_nobody(void **state)
{
    (void)state;
    tell(2, with_work(block(9, 0), 0x7f));
    assert_false(contradicts(0, block(9, 0)));
    assert_false(contradicts(1, block(9, 0)));
}

/* The nth of the headers that anybody can make up on a block in no time. */
static struct node_tip made_up(struct node_tip below, uint32_t n)
{
    struct node_tip easy = block(below.height + 1, 9);
    store_le32(easy.hash + 8, n);
    memcpy(easy.prev_hash, below.hash, sizeof easy.prev_hash);
    easy.bits = 0x207fffff;
    return easy;
}

static void a_flood_of_easy_headers_on_the_true_tip_forgets_nothing_that_two_told(void **state)
{
    (void)state;
    const struct node_tip truth = block(9, 0), lie = with_work(truth, 0x7f);
    facts.retargets = true;
    tell(0, truth);
    tell(1, truth);
    for (uint32_t i = 0; i < 300; i++)
        tell(2, made_up(truth, i));
    assert_null(facts_find(&facts, 0, made_up(truth, 299).hash)); /* one node's word */
    assert_non_null(facts_find(&facts, 0, truth.hash));
    tell(2, lie);
    assert_true(contradicts(2, lie));
    assert_false(contradicts(0, truth));
    assert_false(contradicts(1, truth));
    /* One four times easier may be: so much a retarget allows. */
    struct node_tip eased = made_up(truth, 0);
    eased.bits = 0x1f03fffc;
    tell(2, eased);
    assert_non_null(facts_find(&facts, 0, eased.hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_account_of_more_nodes_counts, begin),
        cmocka_unit_test_setup(what_a_node_told_while_it_was_honest_is_held_against_it, begin),
        cmocka_unit_test_setup(a_block_follows_from_the_one_below_it, begin),
        cmocka_unit_test_setup(a_chain_of_lies_is_seen_at_every_block, begin),
        cmocka_unit_test_setup(the_word_of_one_other_node_condemns_nobody, begin),
        cmocka_unit_test_setup(a_flood_of_one_node_forgets_nothing_that_two_told, begin),
        cmocka_unit_test_setup(the_word_of_one_alone_about_a_tip_condemns_nobody, begin),
        cmocka_unit_test_setup(
            a_flood_of_easy_headers_on_the_true_tip_forgets_nothing_that_two_told, begin),
    };
    return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
