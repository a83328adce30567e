#include "services/inode-scheduler/follow.h"

#include "record/event/event.h"
#include "record/leader/leader.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    OPEN_MAX = 4096,  /* blocks followed in one pass; the rest in the next */
    REFUSED_MAX = 64, /* blocks every node refused, remembered */
    STEPS_MAX = 8,    /* of one block in one pass */
    ATTEMPTS_MAX = 4, /* of a write whose answer got lost */
};

struct follower {
    struct follow_options options;
    _Atomic bool stopped;
    bool caught_up; /* the newest event has reached its block */
    uint64_t sequence;
    uint8_t refused[REFUSED_MAX][32];
    size_t refused_count;
    struct block_record *open;
    size_t open_count;
};

/* How a step of the pass ended. */
enum going {
    GOING_ON,
    GOING_PAST,   /* *error says why; this block is left for the next pass */
    GOING_FAILED, /* *error says why; the pass ends */
    GOING_DEPOSED,
};

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

static enum wire_reward_kind kind_of_event(enum maturity_event event)
{
    return event == MATURITY_FOUND     ? WIRE_REWARD_FOUND
           : event == MATURITY_MATURED ? WIRE_REWARD_MATURED
                                       : WIRE_REWARD_ORPHANED;
}

/* Brings the block of an event up to it, however often. */
static enum going take_in(struct follower *follower, const struct wire_reward_event *event,
                          struct error *error)
{
    struct store *store = follower->options.store;
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
        block.chain = maturity_replay(&block.chain, event_of_kind(event->kind), event->generation);
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

/* Reads the log to its end; every event there is in its block afterwards. */
static enum going catch_up(struct follower *follower, struct error *error)
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
    }
    follower->sequence = newest;
    follower->caught_up = true;
    return GOING_ON;
}

static enum going check_leader(struct follower *follower, struct error *error)
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

/* Appends the event; *ours_r false: the place was a rival's, whose event is taken in now. */
static enum going append(struct follower *follower, struct wire_reward_event *event, bool *ours_r,
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
        return catch_up(follower, error);
    follower->sequence = event->sequence;
    follower->caught_up = false; /* until its block is saved */
    return GOING_ON;
}

/* The usable node with the most work; NULL: none. */
static struct node *choose_node(struct follower *follower, struct follow_result *result)
{
    struct node *best = NULL;
    uint8_t best_work[32] = { 0 };
    for (size_t i = 0; i < follower->options.nodes_count; i++) {
        struct node *node = follower->options.nodes[i];
        struct follow_node *seen = &result->nodes[i];
        struct node_chain chain;
        struct error error = { 0 };
        if (node_chain(node, &chain, &error) != NODE_OK) {
            snprintf(seen->trouble, sizeof seen->trouble, "%.*s", FOLLOW_TEXT_BYTES - 1,
                     error.text);
            continue;
        }
        seen->reached = true;
        seen->height = chain.height;
        memcpy(seen->tip, chain.tip, 32);
        if (strcmp(chain.chain, follower->options.chain) != 0)
            snprintf(seen->trouble, sizeof seen->trouble, "it follows the chain \"%s\", not \"%s\"",
                     chain.chain, follower->options.chain);
        else if (chain.initial_download)
            snprintf(seen->trouble, sizeof seen->trouble, "it is still syncing");
        else
            seen->usable = true;
        if (seen->usable && (best == NULL || memcmp(chain.chain_work, best_work, 32) > 0)) {
            best = node;
            memcpy(best_work, chain.chain_work, 32);
            result->height = chain.height;
            memcpy(result->tip, chain.tip, 32);
        }
    }
    return best;
}

static bool is_refused(const struct follower *follower, const uint8_t hash[32])
{
    for (size_t i = 0; i < follower->refused_count; i++)
        if (memcmp(follower->refused[i], hash, 32) == 0)
            return true;
    return false;
}

/* What the node shows of a block; trouble with the node is an observation of nothing. */
static struct maturity_observation observe(const struct follower *follower, struct node *node,
                                           uint32_t tip_height, const struct block_record *block)
{
    struct maturity_observation observation = { .refused = is_refused(follower, block->hash) };
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

/* Saves the block as stepped; reads it anew where another wrote or the answer got lost. */
static enum going save(struct follower *follower, struct block_record *block, struct error *error)
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
    enum going going = check_leader(follower, error);
    if (going != GOING_ON)
        return going;
    struct wire_reward_event event;
    fill_event(follower, block, verdict, &event);
    going = append(follower, &event, moved_r, error);
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
            enum going going = save(follower, block, error);
            if (going != GOING_ON)
                return going;
        }
        if (!verdict.again)
            return GOING_ON;
    }
    return GOING_ON;
}

struct adoption {
    struct follower *follower;
    struct block_record *blocks;
    size_t count, capacity;
};

static bool on_candidate(void *context, const struct window_found *found)
{
    struct adoption *adoption = context;
    uint8_t memory[512];
    struct arena arena = arena_over(memory, sizeof memory);
    struct wire_candidate candidate;
    struct error error;
    if (adoption->count == adoption->capacity)
        return false;
    if (!wire_decode_candidate(found->record, &arena, &candidate, &error) ||
        memcmp(candidate.block_hash, found->block_hash, 32) != 0) {
        log_error("candidate.unreadable", "reason=\"%s\"", error.text);
        return true;
    }
    block_from_candidate(&candidate, adoption->follower->options.epoch,
                         &adoption->blocks[adoption->count++]);
    return true;
}

/* Candidates of validators that could not reach us. */
static enum going adopt(struct follower *follower, struct follow_result *result,
                        struct error *error)
{
    enum { ADOPT_MAX = 1024 };
    if (follower->options.window == NULL)
        return GOING_ON;
    struct adoption adoption = { .follower = follower, .capacity = ADOPT_MAX };
    adoption.blocks = calloc(ADOPT_MAX, sizeof *adoption.blocks);
    ASSERT(adoption.blocks != NULL);
    enum going going = GOING_ON;
    if (!window_candidates(follower->options.window, on_candidate, &adoption, error))
        going = GOING_FAILED;
    for (size_t i = 0; going == GOING_ON && i < adoption.count; i++) {
        struct block_record known;
        enum store_outcome outcome =
            block_get(follower->options.store, adoption.blocks[i].hash, &known, error);
        if (outcome == STORE_MISSING) {
            outcome = block_insert(follower->options.store, &adoption.blocks[i], error);
            result->adopted += outcome == STORE_DONE;
        }
        if (outcome == STORE_FAILED)
            going = GOING_FAILED;
    }
    free(adoption.blocks);
    return going;
}

static bool on_open(void *context, const struct block_record *block)
{
    struct follower *follower = context;
    follower->open[follower->open_count++] = *block;
    return follower->open_count < OPEN_MAX;
}

/* Puts the nodes' words down with the block; a note that cannot be written now is only lost for
 * the reader. */
static void write_note(struct follower *follower, const struct follow_note *note)
{
    struct block_record block;
    struct error error;
    if (note->refused && follower->refused_count < REFUSED_MAX && !is_refused(follower, note->hash))
        memcpy(follower->refused[follower->refused_count++], note->hash, 32);
    if (note->text[0] == '\0' ||
        block_get(follower->options.store, note->hash, &block, &error) != STORE_DONE ||
        strstr(block.submissions, note->text) != NULL)
        return;
    size_t used = strlen(block.submissions);
    snprintf(block.submissions + used, sizeof block.submissions - used, "%s%s",
             used > 0 ? "; " : "", note->text);
    if (block_save(follower->options.store, &block, &error) != STORE_DONE)
        log_debug("block.note_lost", "note=\"%s\"", note->text);
}

static enum going pass(struct follower *follower, struct follow_result *result, struct error *error)
{
    enum going going = check_leader(follower, error);
    if (going == GOING_ON)
        going = catch_up(follower, error);
    if (going != GOING_ON)
        return going;
    struct node *node = choose_node(follower, result);
    /* A window that is away must not keep us from following what we know. */
    struct error window_error = { 0 };
    enum going adopted = adopt(follower, result, &window_error);
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
        write_note(follower, &notes[i]);
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
    free(follower);
}
