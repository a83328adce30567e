#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/maturity/maturity.h"

static const struct maturity_rules rules = { .confirmations = 3, .follow_depth = 6 };
static const enum block_state states[] = { BLOCK_CANDIDATE, BLOCK_ACCEPTED, BLOCK_MATURED,
                                           BLOCK_ORPHANED, BLOCK_REJECTED };

static bool on_chain(enum block_state state)
{
    return state == BLOCK_ACCEPTED || state == BLOCK_MATURED;
}

/* Calls `check` with every block and observation of a small world: heights 8 to 12, tips 0 to 20.
 */
static void for_every_case(void (*check)(const struct maturity_block *,
                                         const struct maturity_observation *,
                                         const struct maturity_verdict *))
{
    for (size_t s = 0; s < sizeof states / sizeof *states; s++)
        for (uint32_t height = 8; height <= 12; height += 4)
            for (uint32_t generation = 0; generation <= 2; generation++)
                for (uint32_t seen = 0; seen <= 20; seen += 2)
                    for (int place = 0; place <= 2; place++)
                        for (uint32_t tip = 0; tip <= 20; tip++)
                            for (int refused = 0; refused <= 1; refused++) {
                                struct maturity_block block = { states[s], height, generation,
                                                                seen };
                                struct maturity_observation observation = {
                                    (enum maturity_place)place, tip, 0, refused == 1
                                };
                                if (place == MATURITY_ON_CHAIN) {
                                    if (tip < height)
                                        continue;
                                    observation.confirmations = tip - height + 1;
                                }
                                struct maturity_verdict verdict =
                                    maturity_step(&rules, &block, &observation);
                                check(&block, &observation, &verdict);
                            }
}

static void check_events(const struct maturity_block *block,
                         const struct maturity_observation *observation,
                         const struct maturity_verdict *verdict)
{
    bool was = on_chain(block->state);
    bool is = on_chain(verdict->next.state);
    assert_int_equal(verdict->event == MATURITY_FOUND, !was && is);
    assert_int_equal(verdict->event == MATURITY_ORPHANED, was && !is);
    assert_int_equal(verdict->event == MATURITY_MATURED,
                     block->state == BLOCK_ACCEPTED && verdict->next.state == BLOCK_MATURED);
    assert_int_equal(verdict->next.generation,
                     block->generation + (verdict->event == MATURITY_FOUND ? 1 : 0));
    assert_int_equal(verdict->next.height, block->height);
    assert_true(verdict->next.seen_tip >= block->seen_tip);
    if (verdict->event == MATURITY_ORPHANED) {
        assert_int_equal(observation->place, MATURITY_REPLACED);
        assert_true(observation->tip_height >= block->seen_tip);
    }
    if (verdict->event == MATURITY_MATURED)
        assert_true(observation->confirmations >= rules.confirmations);
    if (verdict->event == MATURITY_FOUND || verdict->event == MATURITY_MATURED)
        assert_int_equal(observation->place, MATURITY_ON_CHAIN);
    assert_false(verdict->settled && verdict->event != MATURITY_NOTHING);
    assert_false(verdict->settled && verdict->again);
}

static void an_event_is_exactly_a_change_of_side_with_its_proof(void **state)
{
    (void)state;
    for_every_case(check_events);
}

static void check_unseen(const struct maturity_block *block,
                         const struct maturity_observation *observation,
                         const struct maturity_verdict *verdict)
{
    if (observation->place != MATURITY_UNSEEN)
        return;
    assert_int_equal(verdict->event, MATURITY_NOTHING);
    assert_false(verdict->settled);
    if (block->state != BLOCK_CANDIDATE || !observation->refused)
        assert_memory_equal(&verdict->next, block, sizeof *block);
}

static void a_node_that_shows_nothing_proves_nothing(void **state)
{
    (void)state;
    for_every_case(check_unseen);
}

static void check_rest(const struct maturity_block *block,
                       const struct maturity_observation *observation,
                       const struct maturity_verdict *verdict)
{
    (void)block;
    struct maturity_block at = verdict->next;
    for (int i = 0; i < 4; i++) {
        struct maturity_verdict next = maturity_step(&rules, &at, observation);
        if (next.event == MATURITY_NOTHING) {
            assert_memory_equal(&next.next, &at, sizeof at);
            return;
        }
        assert_true(i < 3);
        at = next.next;
    }
    fail_msg("the same observation never comes to rest");
}

static void the_same_observation_again_changes_nothing_after_few_steps(void **state)
{
    (void)state;
    for_every_case(check_rest);
}

static void check_again(const struct maturity_block *block,
                        const struct maturity_observation *observation,
                        const struct maturity_verdict *verdict)
{
    (void)block;
    struct maturity_verdict next = maturity_step(&rules, &verdict->next, observation);
    if (!verdict->again)
        assert_int_equal(next.event, MATURITY_NOTHING);
    else
        assert_true(next.event != MATURITY_NOTHING || next.settled);
}

static void again_is_said_exactly_where_the_observation_proves_more(void **state)
{
    (void)state;
    for_every_case(check_again);
}

static void check_replay(const struct maturity_block *block,
                         const struct maturity_observation *observation,
                         const struct maturity_verdict *verdict)
{
    if (verdict->event == MATURITY_NOTHING)
        return;
    struct maturity_block once =
        maturity_replay(block, verdict->event, verdict->next.generation, verdict->next.seen_tip);
    assert_memory_equal(&once, &verdict->next, sizeof once);
    struct maturity_block twice =
        maturity_replay(&once, verdict->event, verdict->next.generation, verdict->next.seen_tip);
    assert_memory_equal(&twice, &once, sizeof once);
    /* Hence a node that is behind orphans it no sooner than without the crash. */
    for (uint32_t tip = 0; tip < verdict->next.seen_tip; tip++) {
        const struct maturity_observation behind = { MATURITY_REPLACED, tip, 0, false };
        assert_int_not_equal(maturity_step(&rules, &once, &behind).event, MATURITY_ORPHANED);
    }
    (void)observation;
}

static void a_recorded_event_leads_to_the_same_block_however_often_it_is_taken_in(void **state)
{
    (void)state;
    for_every_case(check_replay);
}

/* Every history of up to 8 observations from a small set: events alternate legally. */
static void no_history_of_the_chain_makes_an_illegal_order_of_events(void **state)
{
    (void)state;
    static const struct maturity_observation seen[] = {
        { MATURITY_UNSEEN, 0, 0, false },    { MATURITY_ON_CHAIN, 10, 1, false },
        { MATURITY_ON_CHAIN, 12, 3, false }, { MATURITY_REPLACED, 11, 0, false },
        { MATURITY_REPLACED, 12, 0, false }, { MATURITY_ON_CHAIN, 16, 7, false },
        { MATURITY_REPLACED, 17, 0, true },
    };
    enum { KINDS = sizeof seen / sizeof *seen, LENGTH = 7 };
    unsigned histories = 1;
    for (int i = 0; i < LENGTH; i++)
        histories *= KINDS;
    for (unsigned history = 0; history < histories; history++) {
        struct maturity_block block = { .state = BLOCK_CANDIDATE, .height = 10 };
        enum maturity_event last = MATURITY_ORPHANED;
        uint32_t generation = 0;
        unsigned rest = history;
        for (int i = 0; i < LENGTH; i++, rest /= KINDS) {
            struct maturity_verdict verdict;
            do {
                verdict = maturity_step(&rules, &block, &seen[rest % KINDS]);
                if (verdict.event == MATURITY_FOUND) {
                    assert_int_equal(last, MATURITY_ORPHANED);
                    assert_int_equal(verdict.next.generation, ++generation);
                } else if (verdict.event == MATURITY_MATURED) {
                    assert_int_equal(last, MATURITY_FOUND);
                } else if (verdict.event == MATURITY_ORPHANED) {
                    assert_true(last == MATURITY_FOUND || last == MATURITY_MATURED);
                }
                if (verdict.event != MATURITY_NOTHING)
                    last = verdict.event;
                assert_int_equal(verdict.next.generation, generation);
                block = verdict.next;
            } while (verdict.again);
        }
    }
}

static void a_block_buried_while_nobody_looked_is_found_and_then_matures(void **state)
{
    (void)state;
    struct maturity_block block = { .state = BLOCK_CANDIDATE, .height = 10 };
    struct maturity_observation observation = { MATURITY_ON_CHAIN, 30, 21, false };
    struct maturity_verdict verdict = maturity_step(&rules, &block, &observation);
    assert_int_equal(verdict.event, MATURITY_FOUND);
    assert_true(verdict.again);
    verdict = maturity_step(&rules, &verdict.next, &observation);
    assert_int_equal(verdict.event, MATURITY_MATURED);
    assert_true(verdict.again);
    verdict = maturity_step(&rules, &verdict.next, &observation);
    assert_int_equal(verdict.event, MATURITY_NOTHING);
    assert_true(verdict.settled);
}

static void stored_states_are_read_back_and_others_refused(void **state)
{
    (void)state;
    enum block_state read;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        assert_true(block_state_from_stored((int64_t)states[i], &read));
        assert_int_equal(read, states[i]);
        assert_string_not_equal(block_state_name(read), "unknown");
    }
    assert_false(block_state_from_stored(0, &read));
    assert_false(block_state_from_stored(6, &read));
    assert_false(block_state_from_stored(-1, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_exactly_a_change_of_side_with_its_proof),
        cmocka_unit_test(a_node_that_shows_nothing_proves_nothing),
        cmocka_unit_test(the_same_observation_again_changes_nothing_after_few_steps),
        cmocka_unit_test(again_is_said_exactly_where_the_observation_proves_more),
        cmocka_unit_test(a_recorded_event_leads_to_the_same_block_however_often_it_is_taken_in),
        cmocka_unit_test(no_history_of_the_chain_makes_an_illegal_order_of_events),
        cmocka_unit_test(a_block_buried_while_nobody_looked_is_found_and_then_matures),
        cmocka_unit_test(stored_states_are_read_back_and_others_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
