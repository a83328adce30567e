#include "services/inode-scheduler/receiving.h"

#include "record/event/event.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char track_name[] = "emission";

/* No block of 64 MB has more transactions; one that had would be an error, again and again. */
enum {
    PAYMENTS_MAX = 1 << 20,
    ROOM_FIRST = 1024,
    ROOM_MAX = 2 * PAYMENTS_MAX, /* of all branches at one height */
    BLOCKS_A_PASS = 100,
    TXID_BYTES = 65
};

/* What a block pays us; what is below the least is only counted. */
struct payment {
    uint8_t txid[32];
    uint64_t amount;
};
struct paid {
    struct payment *payments;
    size_t count, room;
    uint64_t least, below, below_units;
    bool too_many;
};

static bool note_paid(void *context, const uint8_t txid[32], uint64_t amount)
{
    struct paid *paid = context;
    if (amount < paid->least) {
        paid->below++;
        paid->below_units += amount; /* there are not so many units in any coin */
        return true;
    }
    paid->too_many = paid->count == PAYMENTS_MAX;
    if (paid->too_many)
        return false;
    if (paid->count == paid->room) {
        paid->room = paid->room == 0 ? 16 : 2 * paid->room;
        paid->payments = realloc(paid->payments, paid->room * sizeof *paid->payments);
        ASSERT(paid->payments != NULL);
    }
    memcpy(paid->payments[paid->count].txid, txid, 32);
    paid->payments[paid->count++].amount = amount;
    return true;
}

static void show(const uint8_t txid[32], char text_r[TXID_BYTES])
{
    uint8_t shown[32];
    bytes_reverse(txid, sizeof shown, shown);
    hex_encode(span_of(shown, sizeof shown), text_r);
}

static enum going read_emission(struct follower *follower, const uint8_t txid[32],
                                struct emission_record *emission_r, bool *there_r,
                                struct error *error)
{
    if (follower->receiving.memory == NULL) {
        follower->receiving.memory = malloc(EMISSION_ARENA_BYTES);
        ASSERT(follower->receiving.memory != NULL);
    }
    struct arena arena = arena_over(follower->receiving.memory, EMISSION_ARENA_BYTES);
    enum store_outcome outcome =
        emission_get(follower->options.store, txid, &arena, emission_r, error);
    *there_r = outcome == STORE_DONE;
    return outcome == STORE_DONE || outcome == STORE_MISSING ? GOING_ON : GOING_FAILED;
}

enum going receiving_take_in(struct follower *follower, const struct wire_reward_event *event,
                             struct error *error)
{
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        struct emission_record emission;
        bool there;
        enum going going = read_emission(follower, event->block_hash, &emission, &there, error);
        if (going != GOING_ON)
            return going;
        if (!there) {
            error_fill(error, ERROR_INVALID, "event %" PRIu64 " names an emission the store lacks",
                       event->sequence);
            return GOING_FAILED;
        }
        if (emission.event_sequence >= event->sequence)
            return GOING_ON;
        emission.event_sequence = event->sequence;
        emission.generation = event->generation;
        emission.credited = event->kind == WIRE_REWARD_RECEIVED;
        emission.epoch = follower->options.epoch;
        enum store_outcome outcome = emission_save(follower->options.store, &emission, error);
        if (outcome == STORE_DONE)
            return GOING_ON;
        if (outcome == STORE_FAILED)
            return GOING_FAILED;
    }
    error_fill(error, ERROR_UNAVAILABLE, "the emission of event %" PRIu64 " could not be written",
               event->sequence);
    return GOING_FAILED;
}

/* Appends the event that credits an emission, or takes it back, and says so in the record. */
static enum going tell(struct follower *follower, struct emission_record *emission,
                       enum wire_reward_kind kind, struct follow_result *result,
                       struct error *error)
{
    struct wire_reward_event before = { 0 };
    char txid[TXID_BYTES];
    bool ours;
    enum going going = follow_check_leader(follower, error);
    if (going != GOING_ON)
        return going;
    if (follower->sequence > 0 &&
        event_get(follower->options.store, follower->sequence, &before, error) != STORE_DONE)
        return GOING_FAILED;
    struct wire_reward_event event = {
        .epoch = follower->options.epoch,
        .kind = (uint8_t)kind,
        .generation = emission->generation + (kind == WIRE_REWARD_RECEIVED),
        .height = emission->height,
        .reward = emission->reward.units,
        /* Payout learns from the newest event what a block is worth. */
        .network_work_high = before.network_work_high,
        .network_work_low = before.network_work_low,
        .time_ms = loop_unix_ms(),
        .seen_tip = result->height,
    };
    memcpy(event.block_hash, emission->txid, 32);
    going = follow_append(follower, &event, &ours, error);
    if (going != GOING_ON)
        return going;
    if (!ours) {
        error_fill(error, ERROR_UNAVAILABLE, "another scheduler wrote in between");
        return GOING_PAST; /* the next pass looks anew */
    }
    result->events++;
    show(emission->txid, txid);
    log_info(kind == WIRE_REWARD_RECEIVED ? "emission.received" : "emission.retracted",
             "transaction=%s height=%u generation=%u reward=%" PRIu64 " event=%" PRIu64, txid,
             event.height, event.generation, event.reward, event.sequence);
    going = receiving_take_in(follower, &event, error);
    if (going == GOING_ON)
        follower->caught_up = true;
    return going;
}

/* Its record, made where there is none, as of this block. */
static enum going open_emission(struct follower *follower, const struct payment *payment,
                                uint32_t height, const uint8_t block_hash[32],
                                struct emission_record *emission, struct follow_result *result,
                                struct error *error)
{
    bool there;
    enum going going = read_emission(follower, payment->txid, emission, &there, error);
    if (going != GOING_ON)
        return going;
    if (!there)
        return receiving_make_emission(follower, payment->txid, payment->amount, height, block_hash,
                                       emission, error);
    /* A block of another branch holds it now. Where it is credited for the one before, that was
     * done by somebody who died before our track had that block. */
    if (emission->credited && memcmp(emission->block_hash, block_hash, 32) != 0) {
        going = tell(follower, emission, WIRE_REWARD_RETRACTED, result, error);
        if (going == GOING_ON)
            going = read_emission(follower, payment->txid, emission, &there, error);
        if (going != GOING_ON)
            return going;
    }
    if (!emission->credited && memcmp(emission->block_hash, block_hash, 32) != 0) {
        memcpy(emission->block_hash, block_hash, 32);
        emission->height = height;
        emission->epoch = follower->options.epoch;
        enum store_outcome outcome = emission_save(follower->options.store, emission, error);
        if (outcome == STORE_FAILED)
            return GOING_FAILED;
        if (outcome != STORE_DONE) {
            error_fill(error, ERROR_UNAVAILABLE, "an emission's record was written by another");
            return GOING_PAST;
        }
    }
    return GOING_ON;
}

static enum going credit_block(struct follower *follower, struct node *node, uint32_t height,
                               const uint8_t hash[32], struct follow_result *result,
                               struct error *error)
{
    struct paid paid = { .least = follower->options.receiving.least };
    enum going going = GOING_ON;
    if (node_paid(node, hash, output_script_span(&follower->options.receiving.script), note_paid,
                  &paid, error) != NODE_OK)
        going = GOING_PAST;
    if (going == GOING_ON && paid.too_many) {
        error_fill(error, ERROR_FULL,
                   "the block at height %u has more than %d payments at emission.address: none of "
                   "it or later ones are followed",
                   height, PAYMENTS_MAX);
        going = GOING_FAILED;
    }
    follower->receiving.is_split = false;
    for (size_t i = 0; i < paid.count && going == GOING_ON; i++) {
        struct emission_record emission;
        going = open_emission(follower, &paid.payments[i], height, hash, &emission, result, error);
        if (going == GOING_ON && !emission.credited)
            going = tell(follower, &emission, WIRE_REWARD_RECEIVED, result, error);
    }
    free(paid.payments);
    if (going == GOING_ON && paid.below > 0)
        log_info("emission.below_least", "height=%u payments=%" PRIu64 " amount=%" PRIu64, height,
                 paid.below, paid.below_units);
    return going;
}

/* The ids of the emissions at a height, from the heap; NULL with *error. */
static uint8_t (*read_height(struct follower *follower, uint32_t height, size_t *count_r,
                             struct error *error))[32]
{
    for (size_t room = ROOM_FIRST;; room *= 2) {
        uint8_t(*txids)[32] = calloc(room, sizeof *txids);
        ASSERT(txids != NULL);
        if (emission_at_height(follower->options.store, height, txids, room, count_r, error) ==
            STORE_DONE)
            return txids;
        free(txids);
        /* Those of several branches' blocks may stand at one height. */
        if (*count_r <= room || room >= ROOM_MAX)
            return NULL;
    }
}

/* The payments of a block that left the best chain; or (`others`) of any but the one that is on
 * it: credited by somebody who died before our track had that block. */
static enum going retract(struct follower *follower, uint32_t height, const uint8_t hash[32],
                          bool others, struct follow_result *result, struct error *error)
{
    size_t count = 0;
    uint8_t(*txids)[32] = read_height(follower, height, &count, error);
    enum going going = txids != NULL ? GOING_ON : GOING_FAILED;
    for (size_t i = 0; i < count && going == GOING_ON; i++) {
        struct emission_record emission;
        bool there;
        going = read_emission(follower, txids[i], &emission, &there, error);
        if (going == GOING_ON && there && emission.credited &&
            (memcmp(emission.block_hash, hash, 32) != 0) == others)
            going = tell(follower, &emission, WIRE_REWARD_RETRACTED, result, error);
    }
    free(txids);
    return going;
}

static enum going save(struct follower *follower, struct error *error)
{
    enum store_outcome outcome =
        track_save(follower->options.store, track_name, &follower->receiving.track,
                   follower->options.epoch, error);
    if (outcome == STORE_DONE)
        return GOING_ON;
    follower->receiving.known = false; /* read it anew */
    if (outcome == STORE_FAILED)
        return GOING_FAILED;
    error_fill(error, ERROR_UNAVAILABLE, "how far payments were looked for was written by another");
    return GOING_PAST;
}

/* Where reading goes on; at the first start, where it begins: *begun_r false while the chain is not
 * that long. */
static enum going begin(struct follower *follower, struct node *node, uint32_t deep, bool *begun_r,
                        struct error *error)
{
    struct track *track = &follower->receiving.track;
    uint32_t first = follower->options.receiving.start_height;
    *begun_r = true;
    if (follower->receiving.known)
        return GOING_ON;
    enum store_outcome outcome = track_get(follower->options.store, track_name, track, error);
    if (outcome == STORE_FAILED)
        return GOING_FAILED;
    follower->receiving.known = outcome == STORE_DONE;
    if (outcome == STORE_DONE)
        return GOING_ON;
    uint8_t hash[32];
    uint32_t height = first > 0 ? first - 1 : deep;
    enum node_answer answer = node_block_hash(node, height, hash, error);
    *begun_r = answer == NODE_OK;
    if (answer == NODE_MISSING)
        return GOING_ON;
    if (answer != NODE_OK)
        return GOING_PAST;
    *track = (struct track){ 0 };
    track_push(track, hash);
    track->height = height;
    follower->receiving.known = true;
    return save(follower, error);
}

/* Back to where our track and the best chain part. */
static enum going go_back(struct follower *follower, struct node *node,
                          struct follow_result *result, bool *there_r, struct error *error)
{
    struct track *track = &follower->receiving.track;
    *there_r = false;
    while (!atomic_load(&follower->stopped)) {
        uint8_t hash[32];
        enum node_answer answer = node_block_hash(node, track->height, hash, error);
        if (answer == NODE_MISSING) /* the node is behind: it proves nothing */
            return GOING_ON;
        if (answer != NODE_OK)
            return GOING_PAST;
        *there_r = memcmp(hash, track_tip(track), 32) == 0;
        if (*there_r)
            return GOING_ON;
        uint8_t left[32];
        uint32_t height = track->height;
        memcpy(left, track_tip(track), 32);
        if (!track_pop(track)) {
            error_fill(error, ERROR_INVALID,
                       "the chain left what was read of it at height %u, deeper than %d blocks: "
                       "payments at emission.address are not followed any more",
                       height, TRACK_DEPTH);
            return GOING_FAILED;
        }
        /* First: what is not retracted then is when that height is read again, and a block that is
         * back by then is read like any other. The other way round it would pass for read. */
        enum going going = save(follower, error);
        if (going == GOING_ON)
            going = retract(follower, height, left, false, result, error);
        if (going != GOING_ON)
            return going;
    }
    return GOING_ON;
}

/* The next block on our track; *moved_r false where there is none deep enough. */
static enum going go_on(struct follower *follower, struct node *node, uint32_t deep,
                        struct follow_result *result, bool *moved_r, struct error *error)
{
    struct track *track = &follower->receiving.track;
    uint8_t hash[32];
    struct node_block block;
    *moved_r = false;
    if (track->height >= deep)
        return GOING_ON;
    if (node_block_hash(node, track->height + 1, hash, error) != NODE_OK ||
        node_block(node, hash, &block, error) != NODE_OK)
        return GOING_PAST;
    if (memcmp(block.prev_hash, track_tip(track), 32) != 0 || block.confirmations < 1)
        return GOING_ON; /* it moved while we looked: the next pass sees */
    enum going going = retract(follower, track->height + 1, hash, true, result, error);
    if (going == GOING_ON)
        going = credit_block(follower, node, track->height + 1, hash, result, error);
    if (going != GOING_ON)
        return going;
    track_push(track, hash);
    *moved_r = true;
    return save(follower, error);
}

enum going receiving_pass(struct follower *follower, struct node *node,
                          struct follow_result *result, struct error *error)
{
    const struct receiving_options *options = &follower->options.receiving;
    if (options->script.length == 0 || node == NULL || result->height + 1 < options->confirmations)
        return GOING_ON;
    uint32_t deep = result->height + 1 - options->confirmations;
    bool on = true;
    enum going going = begin(follower, node, deep, &on, error);
    if (going == GOING_ON && on)
        going = go_back(follower, node, result, &on, error);
    for (int i = 0; i < BLOCKS_A_PASS && going == GOING_ON && on; i++) {
        if (atomic_load(&follower->stopped)) {
            error_fill(error, ERROR_UNAVAILABLE, "told to stop");
            return GOING_PAST;
        }
        going = go_on(follower, node, deep, result, &on, error);
    }
    result->payments_behind = follower->receiving.known && follower->receiving.track.height < deep
                                  ? deep - follower->receiving.track.height
                                  : 0;
    return going;
}
