/* What a block was shared by is committed to: its statement (core/proof) is appended to the chain
 * before its credits are posted, once for each block, however often that is asked for. From then on
 * nobody's work in it can be told differently.
 *
 * The newest statement is read first, then whether the block has one: what a rival appends in
 * between takes the number that is about to be written, and the next look at the store finds it. */
#include "services/payout/inside.h"

#include "record/proof/proof_record.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

/* The statement of a snapshot whose parts are in engine->parts. */
static enum step state_block(struct engine *engine, const struct snapshot_record *snapshot,
                             struct proof_statement *statement_r, struct error *error)
{
    struct proof_tree tree;
    size_t count = snapshot->accounts;
    if (count == 0) {
        proof_statement_of(snapshot, NULL, statement_r);
        return STEP_DONE;
    }
    struct proof_node *nodes = malloc(proof_tree_nodes(count) * sizeof *nodes);
    ASSERT(nodes != NULL);
    enum store_outcome outcome = proof_leaf_nodes(engine->store, &engine->options.key, snapshot,
                                                  engine->parts, count, nodes, error);
    enum step step = engine_step_of(engine, outcome, error);
    if (step == STEP_DONE && !proof_tree_build(&tree, nodes, count))
        step = engine_broken(error, "the work in the window of height %" PRIu32 " has no sum",
                             snapshot->height);
    if (step == STEP_DONE)
        proof_statement_of(snapshot, &tree, statement_r);
    free(nodes);
    return step;
}

static enum step append(struct engine *engine, const struct snapshot_record *snapshot,
                        const struct proof_link *newest, struct error *error)
{
    struct proof_link link = { .epoch = engine->epoch, .time_ms = engine->now_ms };
    ENGINE_ROOM(engine, parts, snapshot->accounts + (size_t)1);
    enum store_outcome outcome = snapshot_parts(engine->store, snapshot, engine->parts, error);
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    enum step step = state_block(engine, snapshot, &link.statement, error);
    if (step != STEP_DONE)
        return step;
    link.statement.number = newest == NULL ? 1 : newest->statement.number + 1;
    if (newest != NULL)
        memcpy(link.statement.previous, newest->head, sizeof newest->head);
    if (proof_check_statement(&link.statement) != PROOF_OK)
        return engine_broken(error, "the snapshot at height %" PRIu32 " makes no statement: %s",
                             snapshot->height,
                             proof_outcome_text(proof_check_statement(&link.statement)));
    step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    outcome = proof_link_append(engine->store, &link, error);
    if (outcome == STORE_EXISTS)
        return STEP_AGAIN;
    if (outcome == STORE_DONE) {
        char head[2 * PROOF_HASH_BYTES + 1];
        hex_encode(span_of(link.head, sizeof link.head), head);
        log_info("proof.stated",
                 "number=%" PRIu64 " height=%" PRIu32 " accounts=%" PRIu32 " head=%s",
                 link.statement.number, link.statement.height, link.statement.accounts, head);
    }
    return engine_step_of(engine, outcome, error);
}

enum step engine_prove(struct engine *engine, const uint8_t block_hash[32], struct error *error)
{
    struct proof_link newest, own;
    struct snapshot_record snapshot;
    enum store_outcome outcome = proof_link_newest(engine->store, &newest, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    bool any = outcome == STORE_DONE;
    outcome = proof_link_of_block(engine->store, block_hash, &own, error);
    if (outcome != STORE_MISSING)
        return engine_step_of(engine, outcome, error);
    outcome = snapshot_get(engine->store, block_hash, &snapshot, error);
    if (outcome == STORE_MISSING)
        return STEP_DONE; /* nothing of it was shared */
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    return append(engine, &snapshot, any ? &newest : NULL, error);
}
