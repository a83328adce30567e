#include "services/inode-scheduler/receiving.h"

#include "record/event/event.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static enum wire_reward_kind kind_of_event(enum maturity_event event)
{
    return event == MATURITY_FOUND     ? WIRE_REWARD_FOUND
           : event == MATURITY_MATURED ? WIRE_REWARD_MATURED
                                       : WIRE_REWARD_ORPHANED;
}

/* What the node shows of a block; trouble with the node is an observation of nothing. */
static struct maturity_observation observe(const struct follower *follower, struct node *node,
                                           uint32_t tip_height, struct block_record *block)
{
    struct maturity_observation observation = { .refused =
                                                    follow_is_refused(follower, block->hash) };
    struct node_block seen;
    struct error error;
    uint8_t other[32];
    if (node == NULL)
        return observation;
    enum node_answer answer = node_block(node, block->hash, &seen, &error);
    if (answer == NODE_OK && seen.confirmations >= 1) {
        observation.place = MATURITY_ON_CHAIN;
        observation.confirmations = (uint32_t)seen.confirmations;
        observation.tip_height = seen.height + observation.confirmations - 1;
        if (block_is_bare(block))
            block_learn(block, seen.height, seen.bits, seen.time);
    } else if ((answer == NODE_OK || answer == NODE_MISSING) &&
               node_block_hash(node, block->chain.height, other, &error) == NODE_OK &&
               memcmp(other, block->hash, 32) != 0) {
        observation.place = MATURITY_REPLACED;
        observation.tip_height = tip_height;
    }
    return observation;
}

static void fill_event(const struct follower *follower, const struct block_record *block,
                       const struct maturity_verdict *verdict, struct wire_reward_event *event_r)
{
    *event_r = (struct wire_reward_event){
        .epoch = follower->options.epoch,
        .kind = (uint8_t)kind_of_event(verdict->event),
        .generation = verdict->next.generation,
        .height = block->chain.height,
        .reward = block->reward,
        .lease_id = block->lease_id,
        .batch_sequence = block->batch_sequence,
        .index = block->share_index,
        .account = block->account,
        .network_work_high = (uint64_t)(block->network_work >> 64),
        .network_work_low = (uint64_t)block->network_work,
        .time_ms = loop_unix_ms(),
        .seen_tip = verdict->next.seen_tip,
    };
    memcpy(event_r->block_hash, block->hash, 32);
}

static void log_step(const struct block_record *block, const struct wire_reward_event *event)
{
    char id[BLOCK_ID_BYTES];
    block_id(block->hash, id);
    log_info(event->kind == WIRE_REWARD_FOUND     ? "block.found"
             : event->kind == WIRE_REWARD_MATURED ? "block.matured"
                                                  : "block.orphaned",
             "block=%s height=%u generation=%u reward=%" PRIu64 " event=%" PRIu64, id,
             event->height, event->generation, event->reward, event->sequence);
}

/* What a found block pays us. A block that pays nothing to our script pays to the one we had when
 * its job was made: its value is then the job's. */
static enum going read_reward(const struct follower *follower, struct node *node,
                              struct block_record *block, struct error *error)
{
    uint64_t reward;
    if (node_received(node, block->hash, output_script_span(&follower->options.script), &reward,
                      error) != NODE_OK)
        return GOING_PAST;
    if (reward == 0)
        log_warn("block.pays_elsewhere", "height=%u value=%" PRIu64, block->chain.height,
                 block->reward);
    else
        block->reward = reward;
    return GOING_ON;
}

/* The event of a step: durable before the block moves. *moved_r false: a rival was first. */
static enum going record_event(struct follower *follower, struct node *node,
                               struct block_record *block, const struct maturity_verdict *verdict,
                               struct follow_result *result, bool *moved_r, struct error *error)
{
    enum going read =
        verdict->event == MATURITY_FOUND ? read_reward(follower, node, block, error) : GOING_ON;
    if (read != GOING_ON)
        return read;
    enum going going = follow_check_leader(follower, error);
    if (going != GOING_ON)
        return going;
    struct wire_reward_event event;
    fill_event(follower, block, verdict, &event);
    going = follow_append(follower, &event, moved_r, error);
    if (going != GOING_ON || !*moved_r)
        return going;
    block->event_sequence = event.sequence;
    result->events++;
    log_step(block, &event);
    return GOING_ON;
}

static enum going step_block(struct follower *follower, struct node *node,
                             struct block_record *block, struct follow_result *result,
                             struct error *error)
{
    struct maturity_observation observation = observe(follower, node, result->height, block);
    for (int i = 0; i < STEPS_MAX; i++) {
        struct maturity_verdict verdict =
            maturity_step(&follower->options.rules, &block->chain, &observation);
        bool moved = true;
        if (verdict.event != MATURITY_NOTHING) {
            enum going going = record_event(follower, node, block, &verdict, result, &moved, error);
            if (going != GOING_ON)
                return going;
        }
        if (!moved) {
            if (block_get(follower->options.store, block->hash, block, error) != STORE_DONE)
                return GOING_FAILED;
            continue;
        }
        uint32_t confirmations = observation.confirmations;
        bool changed =
            memcmp(&verdict.next, &block->chain, sizeof verdict.next) != 0 ||
            verdict.event != MATURITY_NOTHING || verdict.settled == block->open ||
            (observation.place != MATURITY_UNSEEN && confirmations != block->confirmations);
        if (changed) {
            block->chain = verdict.next;
            block->open = !verdict.settled;
            if (observation.place != MATURITY_UNSEEN)
                block->confirmations = confirmations;
            block->epoch = follower->options.epoch;
            enum going going = follow_save(follower, block, error);
            if (going != GOING_ON)
                return going;
        }
        if (!verdict.again)
            return GOING_ON;
    }
    return GOING_ON;
}

static bool on_open(void *context, const struct block_record *block)
{
    struct follower *follower = context;
    follower->open[follower->open_count++] = *block;
    return follower->open_count < OPEN_MAX;
}

static enum going pass(struct follower *follower, struct follow_result *result, struct error *error)
{
    enum going going = follow_check_leader(follower, error);
    if (going == GOING_ON)
        going = follow_catch_up(follower, error);
    if (going == GOING_ON && !follower->took_over)
        going = follow_take_over(follower, error);
    if (going != GOING_ON)
        return going;
    struct node *node = follow_choose_node(follower, result);
    /* A window that is away must not keep us from following what we know. */
    struct error window_error = { 0 };
    enum going adopted = follow_adopt(follower, result, &window_error);
    follower->open_count = 0;
    if (block_walk_open(follower->options.store, on_open, follower, error) != STORE_DONE)
        return GOING_FAILED;
    result->open_blocks = (unsigned)follower->open_count;
    bool left = false;
    for (size_t i = 0; i < follower->open_count; i++) {
        if (atomic_load(&follower->stopped))
            return GOING_PAST;
        going = step_block(follower, node, &follower->open[i], result, error);
        left = left || going == GOING_PAST;
        if (going == GOING_FAILED || going == GOING_DEPOSED)
            return going;
    }
    if (left)
        return GOING_PAST;
    going = receiving_pass(follower, node, result, error);
    if (going != GOING_ON)
        return going;
    if (adopted != GOING_ON) {
        *error = window_error;
        return adopted;
    }
    if (node == NULL && follower->options.nodes_count > 0) {
        error_fill(error, ERROR_UNAVAILABLE, "no node can be asked: %s", result->nodes[0].trouble);
        return GOING_FAILED;
    }
    return GOING_ON;
}

void follow_pass(struct follower *follower, const struct follow_note *notes, size_t notes_count,
                 struct follow_result *result_r, struct error *error)
{
    *result_r = (struct follow_result){ 0 };
    for (size_t i = 0; i < notes_count; i++)
        follow_write_note(follower, &notes[i]);
    enum going going = pass(follower, result_r, error);
    result_r->deposed = going == GOING_DEPOSED;
    result_r->whole = going == GOING_ON;
    result_r->event_sequence = follower->sequence;
    if (going == GOING_DEPOSED)
        error_fill(error, ERROR_REFUSED, "another scheduler leads");
}

struct follower *follower_create(const struct follow_options *options)
{
    ASSERT(options->nodes_count <= FOLLOW_NODES_MAX);
    struct follower *follower = calloc(1, sizeof *follower);
    ASSERT(follower != NULL);
    follower->options = *options;
    follower->claim_node = FOLLOW_NODES_MAX;
    follower->open = calloc(OPEN_MAX, sizeof *follower->open);
    ASSERT(follower->open != NULL);
    return follower;
}

void follower_stop(struct follower *follower)
{
    atomic_store(&follower->stopped, true);
}

void follower_destroy(struct follower *follower)
{
    if (follower == NULL)
        return;
    free(follower->open);
    free(follower->receiving.memory);
    free(follower->receiving.receivers);
    free(follower);
}
