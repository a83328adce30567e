/* Which node the follower believes: the one with the most work of those that are of our chain, do
 * not sync, are not set aside, and show a tip whose header is one. */
#include "services/inode-scheduler/follow_inside.h"

#include <stdio.h>

/* What the nodes said in one pass. */
struct look {
    struct follower *follower;
    struct follow_result *result;
    struct node_chain chains[FOLLOW_NODES_MAX];
};

static void say(struct follow_node *seen, const char *trouble)
{
    snprintf(seen->trouble, sizeof seen->trouble, "%.*s", FOLLOW_TEXT_BYTES - 1, trouble);
}

static void ask(struct look *look, size_t index)
{
    const struct follow_options *options = &look->follower->options;
    struct follow_node *seen = &look->result->nodes[index];
    struct node_chain *chain = &look->chains[index];
    struct error error = { 0 };
    if (atomic_load(&look->follower->silent[index])) {
        say(seen, "it does not answer");
        return;
    }
    if (node_chain(options->nodes[index], chain, &error) != NODE_OK) {
        say(seen, error.text);
        return;
    }
    seen->reached = true;
    seen->height = chain->height;
    memcpy(seen->tip, chain->tip, 32);
    seen->other_chain = strcmp(chain->chain, options->chain) != 0;
    seen->syncing = chain->initial_download;
    if (seen->other_chain)
        snprintf(seen->trouble, sizeof seen->trouble, "it follows the chain \"%s\", not \"%s\"",
                 chain->chain, options->chain);
    else if (seen->syncing)
        say(seen, "it is still syncing");
    else
        seen->usable = true;
}

/* The usable node with the most work of those set aside or not; FOLLOW_NODES_MAX: none. */
static size_t most_work(const struct look *look, bool aside_too)
{
    size_t best = FOLLOW_NODES_MAX;
    for (size_t i = 0; i < look->follower->options.nodes_count; i++)
        if (look->result->nodes[i].usable &&
            (aside_too || !atomic_load(&look->follower->aside[i])) &&
            (best == FOLLOW_NODES_MAX ||
             memcmp(look->chains[i].chain_work, look->chains[best].chain_work, 32) > 0))
            best = i;
    return best;
}

/* False: the node shows a tip that cannot be a block; it is not usable. */
static bool verify(const struct look *look, size_t index)
{
    struct follower *follower = look->follower;
    struct follow_node *seen = &look->result->nodes[index];
    struct node_tip tip;
    struct error error = { 0 };
    if (memcmp(follower->verified[index], seen->tip, 32) == 0)
        return true;
    enum node_answer answer = node_tip(follower->options.nodes[index], seen->tip, &tip, &error);
    if (answer == NODE_OK) {
        memcpy(follower->verified[index], seen->tip, 32);
        return true;
    }
    seen->usable = false;
    say(seen, answer == NODE_MISSING ? "it does not know its own tip" : error.text);
    return false;
}

static size_t choose(const struct look *look)
{
    for (size_t i = 0; i < 2 * look->follower->options.nodes_count; i++) {
        size_t best = most_work(look, false);
        if (best == FOLLOW_NODES_MAX)
            best = most_work(look, true);
        if (best == FOLLOW_NODES_MAX || verify(look, best))
            return best;
    }
    return FOLLOW_NODES_MAX;
}

/* Whether a node knows the block that another claims the most work for. */
static bool knows(const struct look *look, size_t index, size_t teller, const uint8_t hash[32],
                  struct node_tip *told_r)
{
    struct error error;
    return index != teller &&
           node_tip(look->follower->options.nodes[index], hash, told_r, &error) == NODE_OK;
}

/* What it tells of the blocks most work is claimed for: by `top` here, and to who mines on it. */
static void ask_of_claims(const struct look *look, size_t index, size_t top)
{
    const struct follower *follower = look->follower;
    const struct node_chain *chain = &look->chains[index];
    struct follow_node *seen = &look->result->nodes[index];
    const uint8_t *top_hash = top != FOLLOW_NODES_MAX ? look->chains[top].tip : NULL;
    const struct node_tip *claim = &follower->claim;
    seen->knows_best = top_hash != NULL && knows(look, index, top, top_hash, &seen->best);
    if (seen->knows_best && memcmp(seen->tip, top_hash, 32) != 0)
        seen->branch = FOLLOW_REFUSES_BEST;
    if (follower->claim_node == FOLLOW_NODES_MAX ||
        (top_hash != NULL && memcmp(claim->hash, top_hash, 32) == 0))
        return;
    seen->knows_claim = knows(look, index, follower->claim_node, claim->hash, &seen->claim);
    /* One that has gone on from there since takes it. */
    if (seen->knows_claim && memcmp(seen->tip, claim->hash, 32) != 0 &&
        memcmp(chain->chain_work, claim->chain_work, 32) < 0)
        seen->branch = FOLLOW_REFUSES_BEST;
}

/* How the others' tips stand to the best; `top` has the most work claimed, whoever is believed. */
static void relate(const struct look *look, size_t best, size_t top)
{
    struct node **nodes = look->follower->options.nodes;
    for (size_t i = 0; i < look->follower->options.nodes_count; i++) {
        struct follow_node *seen = &look->result->nodes[i];
        uint8_t there[32];
        struct error error;
        if (!seen->reached || seen->syncing || seen->other_chain)
            continue;
        if (memcmp(seen->tip, look->result->tip, 32) == 0)
            seen->branch = FOLLOW_SAME;
        else if (node_block_hash(nodes[best], seen->height, there, &error) == NODE_OK)
            seen->branch = memcmp(there, seen->tip, 32) == 0 ? FOLLOW_BEHIND : FOLLOW_FORKED;
        else
            seen->branch = FOLLOW_FORKED;
        ask_of_claims(look, i, top);
    }
}

struct node *follow_choose_node(struct follower *follower, struct follow_result *result)
{
    struct look look = { .follower = follower, .result = result };
    for (size_t i = 0; i < follower->options.nodes_count; i++)
        ask(&look, i);
    size_t best = choose(&look);
    if (best == FOLLOW_NODES_MAX)
        return NULL;
    result->height = look.chains[best].height;
    memcpy(result->tip, look.chains[best].tip, 32);
    relate(&look, best, most_work(&look, true));
    return follower->options.nodes[best];
}

void follower_set_claim(struct follower *follower, size_t node, const struct node_tip *tip)
{
    ASSERT(tip == NULL || node < FOLLOW_NODES_MAX);
    follower->claim_node = tip != NULL ? node : FOLLOW_NODES_MAX;
    if (tip != NULL)
        follower->claim = *tip;
}

void follower_set_aside(struct follower *follower, size_t node, bool aside)
{
    ASSERT(node < FOLLOW_NODES_MAX);
    atomic_store(&follower->aside[node], aside);
}

void follower_set_silent(struct follower *follower, size_t node, bool silent)
{
    ASSERT(node < FOLLOW_NODES_MAX);
    atomic_store(&follower->silent[node], silent);
}
