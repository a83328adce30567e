/* What nodes told of blocks: at which height a block stands, and how much work its chain has. Both
 * follow from the block itself and never change, so where two accounts of one block differ, one is
 * a lie. The account of more nodes counts; and a block stands one higher than the block below it,
 * with the work of its own bits more (Bitcoin Core's nChainWork): from what two nodes told the same
 * of one block all that stands on it is known, whoever tells of it.
 *
 * What a node told while it was honest is held against it later. Bounded: accounts that only one
 * node gave, and nothing proves, are forgotten first. A header far easier than the block below it
 * costs nothing to make, so it is not proven: a flood of them would push out what is true. Memory
 * is the caller's; touches nothing else. */
#pragma once
#include "port/node.h"

enum { FACTS_MAX = 256, FACTS_NODES_MAX = 64 };

struct fact {
    struct node_tip block;
    uint64_t tellers; /* a bit a node */
    uint64_t since;   /* its place in the order of telling, from 1; 0: free */
    bool proven;      /* it follows from a block two nodes told of the same, or a proven one */
};

struct facts {
    struct fact list[FACTS_MAX];
    uint64_t told;
    bool retargets; /* the coin's bits change slowly: at most fourfold from block to block */
};

/* A chain's first block is not taken down: nodes count its work, we do not (node_rpc). */
void facts_tell(struct facts *facts, size_t node, const struct node_tip *block);
/* Whether a block is more than four times easier than another, below it or of the same hour, which
 * no retarget makes it. By their bits alone; false for bits that are none. */
bool facts_is_too_easy(const struct node_tip *other, const struct node_tip *block);
/* NULL, or why what this node says of its tip cannot be: a sentence for people, static. One other
 * node's word alone never is a reason. */
const char *facts_contradict(const struct facts *facts, size_t node, const struct node_tip *tip);
/* The block as this node or two others gave account of it; NULL: nobody did, or they differ.
 * Borrowed until the next facts_tell. */
const struct node_tip *facts_find(const struct facts *facts, size_t node, const uint8_t hash[32]);
