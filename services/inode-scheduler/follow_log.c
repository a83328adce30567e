#include "services/inode-scheduler/receiving.h"

#include "record/event/event.h"
#include "record/leader/leader.h"

#include <inttypes.h>

static enum maturity_event event_of_kind(uint8_t kind)
{
    switch (kind) {
    case WIRE_REWARD_FOUND:
        return MATURITY_FOUND;
    case WIRE_REWARD_MATURED:
        return MATURITY_MATURED;
    case WIRE_REWARD_ORPHANED:
        return MATURITY_ORPHANED;
    default:
        return MATURITY_NOTHING;
    }
}

/* Brings the block of an event up to it, however often. */
static enum going take_in(struct follower *follower, const struct wire_reward_event *event,
                          struct error *error)
{
    struct store *store = follower->options.store;
    if (event->kind == WIRE_REWARD_TAKEN_OVER)
        return GOING_ON; /* it has no block */
    if (event->kind == WIRE_REWARD_RECEIVED || event->kind == WIRE_REWARD_RETRACTED)
        return receiving_take_in(follower, event, error);
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        struct block_record block;
        enum store_outcome outcome = block_get(store, event->block_hash, &block, error);
        if (outcome == STORE_MISSING) {
            error_fill(error, ERROR_INVALID, "event %" PRIu64 " names a block the store lacks",
                       event->sequence);
            return GOING_FAILED;
        }
        if (outcome != STORE_DONE)
            return GOING_FAILED;
        if (block.event_sequence >= event->sequence)
            return GOING_ON;
        block.chain = maturity_replay(&block.chain, event_of_kind(event->kind), event->generation,
                                      event->seen_tip);
        block.event_sequence = event->sequence;
        block.epoch = follower->options.epoch;
        block.open = true;
        block.reward = event->reward;
        outcome = block_save(store, &block, error);
        if (outcome == STORE_DONE)
            return GOING_ON;
        if (outcome == STORE_FAILED)
            return GOING_FAILED;
    }
    error_fill(error, ERROR_UNAVAILABLE, "the block of event %" PRIu64 " could not be written",
               event->sequence);
    return GOING_FAILED;
}

enum going follow_catch_up(struct follower *follower, struct error *error)
{
    struct store *store = follower->options.store;
    uint64_t newest;
    if (event_newest(store, &newest, error) != STORE_DONE)
        return GOING_FAILED;
    /* Whoever appended an event had taken in the one before it. */
    uint64_t first = follower->caught_up ? follower->sequence + 1 : newest;
    for (uint64_t sequence = first; sequence >= 1 && sequence <= newest; sequence++) {
        struct wire_reward_event event;
        if (event_get(store, sequence, &event, error) != STORE_DONE)
            return GOING_FAILED;
        enum going going = take_in(follower, &event, error);
        if (going != GOING_ON)
            return going;
        /* Ours, whose answer got lost. */
        if (event.kind == WIRE_REWARD_TAKEN_OVER && event.epoch == follower->options.epoch)
            follower->took_over = true;
    }
    follower->sequence = newest;
    follower->caught_up = true;
    return GOING_ON;
}

enum going follow_check_leader(struct follower *follower, struct error *error)
{
    if (atomic_load(&follower->stopped)) {
        error_fill(error, ERROR_UNAVAILABLE, "told to stop");
        return GOING_FAILED;
    }
    switch (leader_still(follower->options.store, follower->options.role, follower->options.epoch,
                         error)) {
    case STORE_DONE:
        return GOING_ON;
    case STORE_CONFLICT:
        return GOING_DEPOSED;
    default:
        return GOING_FAILED;
    }
}

static bool same_cause(const struct wire_reward_event *a, const struct wire_reward_event *b)
{
    return a->kind == b->kind && a->generation == b->generation && a->epoch == b->epoch &&
           memcmp(a->block_hash, b->block_hash, 32) == 0;
}

enum going follow_append(struct follower *follower, struct wire_reward_event *event, bool *ours_r,
                         struct error *error)
{
    struct store *store = follower->options.store;
    event->sequence = follower->sequence + 1;
    enum store_outcome outcome = STORE_UNKNOWN;
    for (int i = 0; i < ATTEMPTS_MAX && outcome == STORE_UNKNOWN; i++)
        outcome = event_append(store, event, error);
    *ours_r = outcome == STORE_DONE;
    if (outcome == STORE_EXISTS) {
        struct wire_reward_event there;
        if (event_get(store, event->sequence, &there, error) != STORE_DONE)
            return GOING_FAILED;
        *ours_r = same_cause(&there, event);
    } else if (outcome != STORE_DONE) {
        return GOING_FAILED;
    }
    if (!*ours_r)
        return follow_catch_up(follower, error);
    follower->sequence = event->sequence;
    follower->caught_up = false; /* until its block is saved */
    return GOING_ON;
}

enum going follow_take_over(struct follower *follower, struct error *error)
{
    for (int i = 0; i < TAKE_OVER_MAX && !follower->took_over; i++) {
        struct wire_reward_event before = { 0 };
        if (follower->sequence > 0 &&
            event_get(follower->options.store, follower->sequence, &before, error) != STORE_DONE)
            return GOING_FAILED;
        struct wire_reward_event event = {
            .epoch = follower->options.epoch,
            .kind = WIRE_REWARD_TAKEN_OVER,
            .generation = (uint32_t)follower->options.epoch,
            /* Payout learns from the newest event what a block is worth. */
            .network_work_high = before.network_work_high,
            .network_work_low = before.network_work_low,
            .time_ms = loop_unix_ms(),
        };
        enum going going = follow_check_leader(follower, error);
        if (going == GOING_ON)
            going = follow_append(follower, &event, &follower->took_over, error);
        if (going != GOING_ON)
            return going;
    }
    if (!follower->took_over) {
        error_fill(error, ERROR_UNAVAILABLE, "others keep writing reward events");
        return GOING_FAILED;
    }
    follower->caught_up = true; /* no block waits for this event */
    return GOING_ON;
}

enum going follow_save(struct follower *follower, struct block_record *block, struct error *error)
{
    struct block_record wanted = *block;
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        wanted.version = block->version;
        enum store_outcome outcome = block_save(follower->options.store, &wanted, error);
        if (outcome == STORE_DONE) {
            *block = wanted;
            follower->caught_up = true;
            return GOING_ON;
        }
        if (outcome == STORE_FAILED ||
            block_get(follower->options.store, block->hash, block, error) != STORE_DONE)
            return GOING_FAILED;
        if (block->event_sequence > wanted.event_sequence)
            return GOING_ON; /* a rival knows more: the next pass sees */
    }
    error_fill(error, ERROR_UNAVAILABLE, "a block's record could not be written");
    return GOING_FAILED;
}
