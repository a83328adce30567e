#include "core/maturity/maturity.h"

const char *block_state_name(enum block_state state)
{
    switch (state) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        BLOCK_STATES(X)
#undef X
    }
    return "unknown";
}

bool block_state_from_stored(int64_t value, enum block_state *state_r)
{
    switch (value) {
#define X(name, stored, text)                                                                      \
    case stored:                                                                                   \
        *state_r = name;                                                                           \
        return true;
        BLOCK_STATES(X)
#undef X
    default:
        return false;
    }
}

static bool is_on_chain(enum block_state state)
{
    return state == BLOCK_ACCEPTED || state == BLOCK_MATURED;
}

static struct maturity_verdict unchanged(const struct maturity_block *block)
{
    return (struct maturity_verdict){ .next = *block };
}

static struct maturity_verdict step_on_chain(const struct maturity_rules *rules,
                                             const struct maturity_block *block,
                                             const struct maturity_observation *observation)
{
    struct maturity_verdict verdict = unchanged(block);
    bool deep = observation->confirmations >= rules->confirmations;
    if (observation->tip_height > verdict.next.seen_tip)
        verdict.next.seen_tip = observation->tip_height;
    if (!is_on_chain(block->state)) {
        verdict.next.state = BLOCK_ACCEPTED;
        verdict.next.generation++;
        verdict.event = MATURITY_FOUND;
        verdict.again = deep;
    } else if (block->state == BLOCK_ACCEPTED && deep) {
        verdict.next.state = BLOCK_MATURED;
        verdict.event = MATURITY_MATURED;
        verdict.again = observation->confirmations >= rules->follow_depth;
    } else {
        verdict.settled =
            block->state == BLOCK_MATURED && observation->confirmations >= rules->follow_depth;
    }
    return verdict;
}

static struct maturity_verdict step_replaced(const struct maturity_rules *rules,
                                             const struct maturity_block *block,
                                             const struct maturity_observation *observation)
{
    struct maturity_verdict verdict = unchanged(block);
    bool deep = observation->tip_height >= block->height &&
                observation->tip_height - block->height >= rules->follow_depth;
    if (is_on_chain(block->state)) {
        /* A node below the tip that showed the block may only be behind: it proves nothing. */
        if (observation->tip_height < block->seen_tip)
            return verdict;
        verdict.next.state = BLOCK_ORPHANED;
        verdict.event = MATURITY_ORPHANED;
        verdict.again = deep;
    } else {
        /* It never was on the chain, or its credits are reversed: nothing to tell payout. */
        if (block->state == BLOCK_CANDIDATE && !observation->refused)
            verdict.next.state = BLOCK_ORPHANED;
        else if (block->state == BLOCK_CANDIDATE)
            verdict.next.state = BLOCK_REJECTED;
        verdict.settled = deep;
    }
    return verdict;
}

struct maturity_verdict maturity_step(const struct maturity_rules *rules,
                                      const struct maturity_block *block,
                                      const struct maturity_observation *observation)
{
    ASSERT(rules->confirmations >= 1 && rules->follow_depth >= rules->confirmations);
    switch (observation->place) {
    case MATURITY_ON_CHAIN:
        ASSERT(observation->confirmations >= 1);
        return step_on_chain(rules, block, observation);
    case MATURITY_REPLACED:
        return step_replaced(rules, block, observation);
    case MATURITY_UNSEEN:
        break;
    }
    struct maturity_verdict verdict = unchanged(block);
    if (block->state == BLOCK_CANDIDATE && observation->refused)
        verdict.next.state = BLOCK_REJECTED;
    return verdict;
}

struct maturity_block maturity_replay(const struct maturity_block *block, enum maturity_event event,
                                      uint32_t generation, uint32_t seen_tip)
{
    struct maturity_block next = *block;
    bool taken_in = false;
    switch (event) {
    case MATURITY_FOUND:
        taken_in = !is_on_chain(block->state) && generation == block->generation + 1;
        if (taken_in) {
            next.state = BLOCK_ACCEPTED;
            next.generation = generation;
        }
        break;
    case MATURITY_MATURED:
        taken_in = block->state == BLOCK_ACCEPTED && generation == block->generation;
        if (taken_in)
            next.state = BLOCK_MATURED;
        break;
    case MATURITY_ORPHANED:
        taken_in = is_on_chain(block->state) && generation == block->generation;
        if (taken_in)
            next.state = BLOCK_ORPHANED;
        break;
    case MATURITY_NOTHING:
        break;
    }
    if (taken_in && seen_tip > next.seen_tip)
        next.seen_tip = seen_tip;
    return next;
}
