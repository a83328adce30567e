/* Offering a block to the nodes: a thread each, again with a growing pause until the node has it or
 * has refused it for good. */
#include "services/share-validator/block.h"

#include "service/log.h"

#include <inttypes.h>

enum {
    PAUSE_FIRST_MS = 100,
    PAUSE_LONGEST_MS = 5000,
    /* Once one node has the block, the others hear of it anyway. */
    ATTEMPTS_WHEN_SETTLED = 6,
    /* A block that no node has taken by then is history on any chain. The sooner one when so many
     * are open that there may be no room for a new one. */
    GIVE_UP_MS = 6 * 3600 * 1000,
    GIVE_UP_CROWDED_MS = 600 * 1000,
};

static const char *submit_name(enum node_submit result)
{
    static const char *const names[] = { "?",        "accepted", "duplicate", "inconclusive",
                                         "rejected", "unreached" };
    return names[result];
}

static void report_result(struct block *block, const struct offer *offer)
{
    struct blocks *blocks = block->owner;
    uint8_t message[1024];
    const bool accepted =
        offer->result == NODE_SUBMIT_ACCEPTED || offer->result == NODE_SUBMIT_DUPLICATE;
    struct wire_submission_result result = {
        .accepted = accepted,
        .node = node_name(blocks->options.nodes[offer->node]),
        .answer = offer->answer[0] != '\0' ? offer->answer : submit_name(offer->result),
        .took_us = offer->took_us,
    };
    memcpy(result.block_hash, block->hash, sizeof result.block_hash);
    size_t length = wire_encode_submission_result(&result, message, sizeof message);
    if (length == 0 || !outbox_send(blocks->options.outbox, "submission_result",
                                    span_of(message, length), NULL, NULL))
        log_warn("block.answer_unsaid", "block=%s node=%s", block->name, result.node);
}

static void submit_work(struct worker_job *job)
{
    struct offer *offer = (struct offer *)((char *)job - offsetof(struct offer, job));
    struct block *block = offer->block;
    offer->result = NODE_SUBMIT_UNREACHED;
    offer->answer[0] = '\0';
    if (atomic_load(&block->owner->ending))
        return;
    uint64_t began_ns = loop_clock_ns();
    offer->result =
        node_submit(block->owner->options.nodes[offer->node], span_of(block->raw, block->raw_bytes),
                    offer->answer, sizeof offer->answer);
    offer->took_us = (loop_clock_ns() - began_ns) / 1000;
}

static bool all_ended(const struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++)
        if (!block->offers[i].ended)
            return false;
    return true;
}

static void log_answer(const struct block *block, const struct offer *offer)
{
    char safe[ANSWER_BYTES];
    log_text(offer->answer, safe, sizeof safe);
    const char *node = node_name(block->owner->options.nodes[offer->node]);
    if (offer->result == NODE_SUBMIT_REJECTED)
        log_warn("block.rejected", "block=%s node=%s answer=\"%s\"", block->name, node, safe);
    else if (offer->result == NODE_SUBMIT_UNREACHED)
        log_warn("block.unreached", "block=%s node=%s attempt=%u answer=\"%s\"", block->name, node,
                 offer->attempts, safe);
    else
        log_info("block.submitted", "block=%s node=%s result=%s took_us=%" PRIu64, block->name,
                 node, submit_name(offer->result), offer->took_us);
}

static bool give_up_when_old(struct block *block)
{
    struct blocks *blocks = block->owner;
    uint64_t age_ms = loop_now_ms(blocks->options.loop) - block->began_ms;
    const bool crowded = blocks->count > BLOCKS_MAX / 2;
    if (block->settled || block->given_up ||
        age_ms < (crowded ? (uint64_t)GIVE_UP_CROWDED_MS : (uint64_t)GIVE_UP_MS))
        return block->given_up;
    block->given_up = true;
    log_error("block.given_up",
              "block=%s reason=\"no node took it; its file is kept in the spool\"", block->name);
    return true;
}

static void submit_done(struct worker_job *job)
{
    struct offer *offer = (struct offer *)((char *)job - offsetof(struct offer, job));
    struct block *block = offer->block;
    struct blocks *blocks = block->owner;
    offer->under_way = false;
    offer->tried = true;
    if (atomic_load(&blocks->ending))
        return;
    metric_add(blocks->answers[offer->result - 1], 1);
    log_answer(block, offer);
    if (offer->result != NODE_SUBMIT_UNREACHED) {
        offer->ended = true;
        block->settled |= offer->result != NODE_SUBMIT_REJECTED || all_ended(block);
        report_result(block, offer);
    } else if (!give_up_when_old(block)) {
        unsigned shift = offer->attempts < 10 ? offer->attempts - 1 : 9;
        unsigned pause_ms = (unsigned)PAUSE_FIRST_MS << shift;
        loop_timer_start(blocks->options.loop, &offer->again,
                         pause_ms < PAUSE_LONGEST_MS ? pause_ms : PAUSE_LONGEST_MS, 0);
    }
    block_step(block);
}

static void offer_now(struct offer *offer)
{
    struct block *block = offer->block;
    struct blocks *blocks = block->owner;
    if (offer->under_way || offer->ended || block->given_up || block->raw == NULL ||
        atomic_load(&blocks->ending))
        return;
    offer->attempts++;
    offer->under_way = worker_submit(blocks->submitters[offer->node], &offer->job);
    if (!offer->under_way) /* BLOCKS_MAX bounds what can wait there; so this is never seen */
        loop_timer_start(blocks->options.loop, &offer->again, PAUSE_LONGEST_MS, 0);
}

static void on_again(void *context)
{
    struct offer *offer = context;
    offer_now(offer);
}

/* A block that one node has is not held back by another that is away. */
void offers_give_up_late(struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++) {
        struct offer *offer = &block->offers[i];
        if (offer->ended || offer->under_way || offer->attempts < ATTEMPTS_WHEN_SETTLED)
            continue;
        offer->ended = true;
        report_result(block, offer);
    }
}

void offers_init(struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++) {
        struct offer *offer = &block->offers[i];
        offer->block = block;
        offer->node = i;
        offer->job.work = submit_work;
        offer->job.done = submit_done;
        offer->again = (struct loop_timer){ .on_due = on_again, .context = offer };
    }
}

void offers_begin(struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++)
        offer_now(&block->offers[i]);
}

bool offers_busy(const struct block *block)
{
    for (size_t i = 0; i < block->owner->options.node_count; i++)
        if (block->offers[i].under_way || (!block->offers[i].ended && !block->given_up))
            return true;
    return false;
}
