/* Which nodes are left aside, and when they are taken back. Time is the test's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "loop/testing/virtual_clock.h"
#include "services/inode-scheduler/nodes.h"

#include <stdio.h>
#include <string.h>

enum { NODES = 3, PATIENCE_MS = 60000, HARD_BITS = 0x1b0404cb, EASY_BITS = 0x207fffff };

struct fixture {
    struct loop *loop;
    struct metrics *metrics;
    struct nodes nodes;
    struct follow_result seen;
    bool usable[NODES];
    unsigned changes, differed;
};

static void on_usable(void *context, size_t node, bool usable)
{
    struct fixture *f = context;
    assert_int_not_equal(f->usable[node], usable);
    f->usable[node] = usable;
    f->changes++;
}

static void on_differ(void *context)
{
    ((struct fixture *)context)->differed++;
}

static const char *name_of(void *context, size_t node)
{
    (void)context;
    return (const char *const[]){ "a:1", "b:2", "c:3" }[node];
}

static struct node_tip tip(uint8_t block, uint32_t work)
{
    struct node_tip made = { .height = work, .bits = HARD_BITS, .is_tip = true };
    memset(made.hash, block, sizeof made.hash);
    store_be64(made.chain_work + 24, work);
    return made;
}

static void tell(struct fixture *f, size_t node, uint8_t block, uint32_t work)
{
    const struct node_tip told = tip(block, work);
    nodes_tip(&f->nodes, node, &told);
    f->seen.nodes[node].reached = true;
    memcpy(f->seen.nodes[node].tip, told.hash, 32);
}

static void setup_nodes(struct fixture *f, bool retargets)
{
    struct error error;
    memset(f, 0, sizeof *f);
    virtual_clock_begin();
    f->loop = loop_create(&error);
    f->metrics = metrics_create();
    assert_non_null(f->loop);
    nodes_start(&f->nodes,
                &(struct nodes_options){ .loop = f->loop,
                                         .metrics = f->metrics,
                                         .count = NODES,
                                         .patience_ms = PATIENCE_MS,
                                         .slow_ms = 100,
                                         .retargets = retargets,
                                         .on_usable = on_usable,
                                         .on_differ = on_differ,
                                         .context = f },
                name_of);
    for (size_t i = 0; i < NODES; i++) {
        nodes_template(&f->nodes, i, NULL);
        nodes_pulse(&f->nodes, i, NODE_OK, 1000, NULL);
        tell(f, i, 1, 10);
        assert_true(f->usable[i]);
    }
    assert_null(nodes_trouble(&f->nodes));
}

static void end_nodes(struct fixture *f)
{
    nodes_stop(&f->nodes);
    metrics_destroy(f->metrics);
    loop_destroy(f->loop);
    virtual_clock_end();
}

static void pass_time(struct fixture *f, uint64_t ms)
{
    const uint64_t end_ms = loop_now_ms(f->loop) + ms;
    while (loop_now_ms(f->loop) < end_ms)
        loop_run_once(f->loop, 100);
}

static void follow(struct fixture *f)
{
    nodes_followed(&f->nodes, &f->seen);
}

/* What holds of a node, and that health names it. */
static void expect(struct fixture *f, size_t node, enum nodes_standing standing, bool usable)
{
    assert_string_equal(nodes_standing_word(f->nodes.list[node].standing),
                        nodes_standing_word(standing));
    assert_int_equal(f->usable[node], usable);
    if (standing == NODES_WELL)
        return;
    assert_non_null(strstr(nodes_trouble(&f->nodes), nodes_standing_word(standing)));
    assert_non_null(strstr(nodes_trouble(&f->nodes), name_of(NULL, node)));
}

static void a_node_that_stays_behind_is_left_aside_until_it_has_caught_up(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    tell(&f, 0, 2, 11);
    tell(&f, 1, 2, 11);
    pass_time(&f, PATIENCE_MS - 2000);
    expect(&f, 2, NODES_WELL, true);
    assert_true(f.differed > 0); /* the chain worker was asked how they stand */
    f.seen.nodes[2].branch = FOLLOW_BEHIND;
    follow(&f);
    pass_time(&f, 3000);
    expect(&f, 2, NODES_STUCK, false);
    expect(&f, 0, NODES_WELL, true);
    /* One block is not enough while the others go on. */
    tell(&f, 0, 3, 12);
    tell(&f, 1, 3, 12);
    tell(&f, 2, 2, 11);
    expect(&f, 2, NODES_STUCK, false);
    tell(&f, 2, 3, 12);
    expect(&f, 2, NODES_WELL, true);
    assert_null(nodes_trouble(&f.nodes));
    end_nodes(&f);
}

static void a_node_that_lags_a_little_at_each_block_is_well(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    for (uint8_t block = 2; block < 20; block++) {
        tell(&f, 0, block, 10u + block);
        pass_time(&f, 20000);
        tell(&f, 1, block, 10u + block);
        tell(&f, 2, block, 10u + block);
        pass_time(&f, 100000);
    }
    assert_int_equal(f.changes, NODES);
    end_nodes(&f);
}

static void a_node_on_a_branch_of_its_own_is_named_so(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    tell(&f, 0, 2, 12);
    tell(&f, 1, 2, 12);
    tell(&f, 2, 9, 11);
    f.seen.nodes[2].branch = FOLLOW_FORKED;
    follow(&f);
    pass_time(&f, PATIENCE_MS + 2000);
    expect(&f, 2, NODES_FORKED, false);
    end_nodes(&f);
}

static void most_work_that_most_others_refuse_counts_for_nothing(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    tell(&f, 0, 7, 50);
    f.seen.nodes[1].branch = f.seen.nodes[2].branch = FOLLOW_REFUSES_BEST;
    follow(&f);
    pass_time(&f, PATIENCE_MS - 2000);
    expect(&f, 0, NODES_WELL, true); /* they may only be slow to look at it */
    pass_time(&f, 3000);
    expect(&f, 0, NODES_ALONE, false);
    expect(&f, 1, NODES_WELL, true);
    expect(&f, 2, NODES_WELL, true);
    /* It stays so while nothing changes, and ends when it comes back. */
    follow(&f);
    pass_time(&f, 10 * PATIENCE_MS);
    expect(&f, 0, NODES_ALONE, false);
    tell(&f, 0, 1, 10);
    expect(&f, 0, NODES_WELL, true);
    end_nodes(&f);
}

static void most_work_that_others_have_not_heard_of_is_believed(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    tell(&f, 0, 7, 50);
    f.seen.nodes[1].branch = f.seen.nodes[2].branch = FOLLOW_BEHIND;
    follow(&f);
    pass_time(&f, PATIENCE_MS + 2000);
    expect(&f, 0, NODES_WELL, true);
    assert_false(f.usable[1] || f.usable[2]);
    end_nodes(&f);
}

static void one_against_one_proves_nothing(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    nodes_pulse(&f.nodes, 2, NODE_UNAVAILABLE, 0, "no route");
    tell(&f, 0, 7, 50);
    f.seen.nodes[1].branch = FOLLOW_REFUSES_BEST;
    follow(&f);
    pass_time(&f, PATIENCE_MS + 2000);
    expect(&f, 0, NODES_WELL, true);
    end_nodes(&f);
}

static void a_node_that_syncs_or_is_of_another_chain_or_lies_is_left_aside_at_once(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    f.seen.nodes[0].syncing = true;
    snprintf(f.seen.nodes[0].trouble, FOLLOW_TEXT_BYTES, "it is still syncing");
    follow(&f);
    expect(&f, 0, NODES_SYNCING, false);
    f.seen.nodes[0].syncing = false;
    f.seen.nodes[0].other_chain = true;
    follow(&f);
    expect(&f, 0, NODES_OTHER_CHAIN, false);
    f.seen.nodes[0].other_chain = false;
    follow(&f);
    expect(&f, 0, NODES_WELL, true);
    nodes_pulse(&f.nodes, 1, NODE_REFUSED, 1000, "the header it shows has another hash");
    expect(&f, 1, NODES_FALSE_TIP, false);
    nodes_pulse(&f.nodes, 1, NODE_OK, 1000, NULL);
    expect(&f, 1, NODES_WELL, true);
    struct node_tip easy = tip(8, 1000);
    easy.bits = EASY_BITS;
    nodes_tip(&f.nodes, 2, &easy);
    expect(&f, 2, NODES_FALSE_TIP, false);
    expect(&f, 0, NODES_WELL, true);
    tell(&f, 2, 1, 10);
    expect(&f, 2, NODES_WELL, true);
    nodes_template(&f.nodes, 2, "its template is refused: \"bits\" is missing");
    expect(&f, 2, NODES_NO_TEMPLATE, false);
    nodes_pulse(&f.nodes, 2, NODE_UNKNOWN, 1000, "no answer");
    expect(&f, 2, NODES_UNREACHED, false);
    end_nodes(&f);
}

static void an_account_that_others_contradict_is_a_false_tip_at_once(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    for (size_t i = 0; i < NODES; i++)
        tell(&f, i, 2, 11);
    tell(&f, 2, 1, 5000); /* the block before, with more work than it had */
    expect(&f, 2, NODES_FALSE_TIP, false);
    expect(&f, 0, NODES_WELL, true);
    tell(&f, 2, 2, 11);
    expect(&f, 2, NODES_WELL, true);
    /* A block of long ago, which the others are asked about. */
    tell(&f, 2, 9, 5000);
    expect(&f, 2, NODES_WELL, true);
    for (size_t i = 0; i < 2; i++) {
        f.seen.nodes[i].knows_best = true;
        f.seen.nodes[i].best = tip(9, 3);
    }
    follow(&f);
    expect(&f, 2, NODES_FALSE_TIP, false);
    end_nodes(&f);
}

static void what_others_tell_of_the_tip_mined_on_convicts_its_teller(void **state)
{
    struct fixture f;
    size_t node;
    (void)state;
    setup_nodes(&f, true);
    tell(&f, 2, 9, 5000); /* an old block of which nobody told before */
    const struct node_tip *claim = nodes_claim(&f.nodes, &node);
    assert_int_equal(node, 2);
    assert_int_equal(claim->height, 5000);
    memcpy(f.seen.nodes[2].tip, tip(1, 10).hash, 32); /* to the chain worker it tells the truth */
    for (size_t i = 0; i < 2; i++) {
        f.seen.nodes[i].knows_claim = true;
        f.seen.nodes[i].claim = tip(9, 3);
    }
    follow(&f);
    expect(&f, 2, NODES_FALSE_TIP, false);
    expect(&f, 0, NODES_WELL, true);
    assert_int_equal(nodes_claim(&f.nodes, &node)->height, 10);
    assert_true(node < 2);
    end_nodes(&f);
}

/* Where the coin lets any block be easy, a flood of them is proven and pushes out what is older. */
static void what_nodes_stand_by_outlasts_a_flood(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, false);
    for (uint32_t i = 0; i < FACTS_MAX + 50; i++) {
        struct node_tip easy = tip(8, 11);
        easy.bits = EASY_BITS;
        store_le32(easy.hash, i);
        memset(easy.prev_hash, 1, sizeof easy.prev_hash);
        nodes_tip(&f.nodes, 2, &easy);
    }
    tell(&f, 2, 1, 5000);
    expect(&f, 2, NODES_FALSE_TIP, false);
    expect(&f, 0, NODES_WELL, true);
    expect(&f, 1, NODES_WELL, true);
    end_nodes(&f);
}

static void every_node_that_is_not_well_is_named(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    nodes_pulse(&f.nodes, 0, NODE_UNAVAILABLE, 0, "no route");
    nodes_pulse(&f.nodes, 2, NODE_REFUSED, 1000, "the header it shows has another hash");
    expect(&f, 0, NODES_UNREACHED, false);
    expect(&f, 2, NODES_FALSE_TIP, false);
    assert_string_equal(nodes_trouble(&f.nodes), "a:1 unreached: no route; c:3 false tip: the "
                                                 "header it shows has another hash");
    end_nodes(&f);
}

static void a_template_of_a_block_that_was_left_is_wrong_when_it_comes_again(void **state)
{
    struct fixture f;
    const char *why;
    (void)state;
    setup_nodes(&f, true);
    const struct node_tip old = tip(1, 10), new = tip(2, 11);
    assert_int_equal(nodes_judge_template(&f.nodes, 0, old.hash, 11, &why), NODES_TEMPLATE_FITS);
    assert_int_equal(nodes_judge_template(&f.nodes, 0, old.hash, 1011, &why), NODES_TEMPLATE_WRONG);
    assert_non_null(strstr(why, "height"));
    tell(&f, 0, 2, 11);
    assert_int_equal(nodes_judge_template(&f.nodes, 0, old.hash, 11, &why), NODES_TEMPLATE_LATE);
    assert_int_equal(nodes_judge_template(&f.nodes, 0, old.hash, 11, &why), NODES_TEMPLATE_WRONG);
    assert_non_null(strstr(why, "has left"));
    assert_int_equal(nodes_judge_template(&f.nodes, 0, new.hash, 12, &why), NODES_TEMPLATE_FITS);
    /* One that goes back itself may build on what it went back to. */
    tell(&f, 0, 1, 10);
    assert_int_equal(nodes_judge_template(&f.nodes, 0, old.hash, 11, &why), NODES_TEMPLATE_FITS);
    end_nodes(&f);
}

static void a_node_that_hangs_is_seen_before_its_call_fails(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    f.nodes.options.polled = true;
    for (int i = 0; i < 40; i++) {
        nodes_pulse(&f.nodes, 0, NODE_OK, 1000, NULL);
        nodes_pulse(&f.nodes, 1, NODE_OK, 1000, NULL);
        pass_time(&f, NODES_SILENT_MS / 20);
    }
    expect(&f, 2, NODES_UNREACHED, false);
    expect(&f, 0, NODES_WELL, true);
    nodes_pulse(&f.nodes, 2, NODE_OK, 1000, NULL);
    expect(&f, 2, NODES_WELL, true);
    end_nodes(&f);
}

static void where_any_block_may_be_easy_an_easy_tip_is_no_lie(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, false);
    struct node_tip easy = tip(8, 11);
    easy.bits = EASY_BITS;
    nodes_tip(&f.nodes, 2, &easy);
    expect(&f, 2, NODES_WELL, true);
    end_nodes(&f);
}

static void a_node_is_slow_after_three_slow_answers_and_quick_after_three_quick_ones(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    for (int round = 0; round < 2; round++) {
        nodes_pulse(&f.nodes, 0, NODE_OK, 200000, NULL);
        nodes_pulse(&f.nodes, 0, NODE_OK, 200000, NULL);
        expect(&f, 0, NODES_WELL, true);
        nodes_pulse(&f.nodes, 0, NODE_OK, 200000, NULL);
        expect(&f, 0, NODES_SLOW, false);
        nodes_pulse(&f.nodes, 0, NODE_OK, 1000, NULL);
        nodes_pulse(&f.nodes, 0, NODE_OK, 1000, NULL);
        expect(&f, 0, NODES_SLOW, false);
        nodes_pulse(&f.nodes, 0, NODE_OK, 1000, NULL);
        expect(&f, 0, NODES_WELL, true);
    }
    end_nodes(&f);
}

static void where_nobody_is_well_a_poor_node_is_better_than_none(void **state)
{
    struct fixture f;
    (void)state;
    setup_nodes(&f, true);
    nodes_pulse(&f.nodes, 0, NODE_UNAVAILABLE, 0, "no route");
    nodes_pulse(&f.nodes, 1, NODE_REFUSED, 0, "a lie");
    for (int i = 0; i < NODES_SLOW_IN_A_ROW; i++)
        nodes_pulse(&f.nodes, 2, NODE_OK, 500000, NULL);
    expect(&f, 0, NODES_UNREACHED, false);
    assert_false(f.usable[1]); /* a liar is worse than none */
    assert_string_equal(nodes_standing_word(f.nodes.list[2].standing), "slow");
    assert_true(f.usable[2]);
    nodes_pulse(&f.nodes, 0, NODE_OK, 1000, NULL);
    assert_true(f.usable[0]);
    assert_false(f.usable[2]);
    end_nodes(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_stays_behind_is_left_aside_until_it_has_caught_up),
        cmocka_unit_test(a_node_that_lags_a_little_at_each_block_is_well),
        cmocka_unit_test(a_node_on_a_branch_of_its_own_is_named_so),
        cmocka_unit_test(most_work_that_most_others_refuse_counts_for_nothing),
        cmocka_unit_test(most_work_that_others_have_not_heard_of_is_believed),
        cmocka_unit_test(one_against_one_proves_nothing),
        cmocka_unit_test(a_node_that_syncs_or_is_of_another_chain_or_lies_is_left_aside_at_once),
        cmocka_unit_test(an_account_that_others_contradict_is_a_false_tip_at_once),
        cmocka_unit_test(what_others_tell_of_the_tip_mined_on_convicts_its_teller),
        cmocka_unit_test(what_nodes_stand_by_outlasts_a_flood),
        cmocka_unit_test(every_node_that_is_not_well_is_named),
        cmocka_unit_test(a_template_of_a_block_that_was_left_is_wrong_when_it_comes_again),
        cmocka_unit_test(a_node_that_hangs_is_seen_before_its_call_fails),
        cmocka_unit_test(where_any_block_may_be_easy_an_easy_tip_is_no_lie),
        cmocka_unit_test(a_node_is_slow_after_three_slow_answers_and_quick_after_three_quick_ones),
        cmocka_unit_test(where_nobody_is_well_a_poor_node_is_better_than_none),
    };
    return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
