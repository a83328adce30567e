/* What a block was shared by, and what a stretch of work was bought for, is committed to: its
 * statement (core/proof) is appended to the chain before its credits are posted, once for each,
 * however often that is asked for. From then on nobody's work in it can be told differently.
 *
 * The newest statement is read first, then whether the block has one: what a rival appends in
 * between takes the number that is about to be written, and the next look at the store finds it. */
#include "services/payout/inside.h"

#include "record/proof/proof_record.h"
#include "service/log.h"

#include <inttypes.h>
#include <stdlib.h>

/* The tree of what is in engine->parts; its nodes are the caller's, NULL where there are no parts.
 */
static enum step make_tree(struct engine *engine, const uint8_t subject[32], size_t count,
                           struct proof_tree *tree_r, struct proof_node **nodes_r,
                           struct error *error)
{
    *nodes_r = NULL;
    if (count == 0)
        return STEP_DONE;
    struct proof_node *nodes = malloc(proof_tree_nodes(count) * sizeof *nodes);
    ASSERT(nodes != NULL);
    enum store_outcome outcome = proof_leaf_nodes(engine->store, &engine->options.key, subject,
                                                  engine->parts, count, nodes, error);
    enum step step = engine_step_of(engine, outcome, error);
    if (step == STEP_DONE && !proof_tree_build(tree_r, nodes, count))
        step = engine_broken(error, "the work of a proof has no sum");
    if (step == STEP_DONE)
        *nodes_r = nodes;
    else
        free(nodes);
    return step;
}

/* Puts a statement behind the newest of the chain. */
static enum step append(struct engine *engine, struct proof_link *link,
                        const struct proof_link *newest, struct error *error)
{
    link->epoch = engine->epoch;
    link->time_ms = engine->now_ms;
    link->statement.number = newest == NULL ? 1 : newest->statement.number + 1;
    if (newest != NULL)
        memcpy(link->statement.previous, newest->head, sizeof newest->head);
    enum proof_outcome sound = proof_check_statement(&link->statement);
    if (sound != PROOF_OK)
        return engine_broken(error, "proof %" PRIu64 " cannot be stated: %s",
                             link->statement.number, proof_outcome_text(sound));
    enum step step = engine_lead(engine, error);
    if (step != STEP_DONE)
        return step;
    enum store_outcome outcome = proof_link_append(engine->store, link, error);
    if (outcome == STORE_EXISTS)
        return STEP_AGAIN;
    if (outcome == STORE_DONE) {
        char head[2 * PROOF_HASH_BYTES + 1];
        hex_encode(span_of(link->head, sizeof link->head), head);
        log_info("proof.stated",
                 "number=%" PRIu64 " height=%" PRIu32 " stretch=%" PRIu64 " accounts=%" PRIu32
                 " head=%s",
                 link->statement.number, link->statement.height, proof_stretch_of(&link->statement),
                 link->statement.accounts, head);
    }
    return engine_step_of(engine, outcome, error);
}

/* The newest statement (number 0: none), and whether a subject has one. */
static enum step look(struct engine *engine, const uint8_t subject[32], struct proof_link *newest_r,
                      bool *stated_r, struct error *error)
{
    struct proof_link own;
    enum store_outcome outcome = proof_link_newest(engine->store, newest_r, error);
    if (outcome == STORE_MISSING)
        newest_r->statement.number = 0;
    else if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    outcome = proof_link_of_block(engine->store, subject, &own, error);
    *stated_r = outcome == STORE_DONE;
    return outcome == STORE_MISSING ? STEP_DONE : engine_step_of(engine, outcome, error);
}

enum step engine_prove(struct engine *engine, const uint8_t block_hash[32], struct error *error)
{
    struct proof_link newest, link = { .epoch = 0 };
    struct snapshot_record snapshot;
    struct proof_tree tree;
    struct proof_node *nodes = NULL;
    bool stated;
    enum step step = look(engine, block_hash, &newest, &stated, error);
    if (step != STEP_DONE || stated)
        return step;
    enum store_outcome outcome = snapshot_get(engine->store, block_hash, &snapshot, error);
    if (outcome == STORE_MISSING)
        return STEP_DONE; /* nothing of it was shared */
    if (outcome == STORE_DONE) {
        ENGINE_ROOM(engine, parts, snapshot.accounts + (size_t)1);
        outcome = snapshot_parts(engine->store, &snapshot, engine->parts, error);
    }
    if (outcome != STORE_DONE)
        return engine_step_of(engine, outcome, error);
    step = make_tree(engine, block_hash, snapshot.accounts, &tree, &nodes, error);
    if (step == STEP_DONE) {
        proof_statement_of(&snapshot, nodes != NULL ? &tree : NULL, &link.statement);
        step = append(engine, &link, newest.statement.number == 0 ? NULL : &newest, error);
    }
    free(nodes);
    return step;
}

enum step engine_prove_stretch(struct engine *engine, const struct stretch_record *stretch,
                               struct error *error)
{
    struct proof_link newest, link = { .epoch = 0 };
    struct proof_tree tree;
    struct proof_node *nodes = NULL;
    uint8_t subject[PROOF_HASH_BYTES];
    bool stated;
    if (stretch->accounts == 0)
        return STEP_DONE; /* it marks where buying begins or ends */
    proof_stretch_subject(stretch->number, subject);
    enum step step = look(engine, subject, &newest, &stated, error);
    if (step != STEP_DONE || stated)
        return step;
    ENGINE_ROOM(engine, parts, stretch->accounts);
    proof_parts_of(engine->earnings, stretch->accounts, engine->parts);
    step = make_tree(engine, subject, stretch->accounts, &tree, &nodes, error);
    if (step == STEP_DONE) {
        proof_statement_of_stretch(stretch, &tree, &link.statement);
        step = append(engine, &link, newest.statement.number == 0 ? NULL : &newest, error);
    }
    free(nodes);
    return step;
}
