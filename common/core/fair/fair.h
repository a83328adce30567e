/* A queue that is fair between flows: each flow (a miner's session) waits in a line of its own, and
 * the lines are served in turn, each for the same cost (deficit round robin, Shreedhar and
 * Varghese, SIGCOMM 1995). However much one flow sends, another's item waits behind at most one
 * round of the flows that are waiting.
 *
 * Bounded twice. A flow may have flow_items_max waiting; beyond that its item is refused. All flows
 * together may have items_max; beyond that the longest line loses its newest item to the newcomer,
 * or, where the newcomer's own line would be as long as that, the newcomer is refused. So whoever
 * fills the queue pays for it.
 *
 * Pure. Items are the caller's, who must keep them in place while they wait; the queue's memory is
 * the caller's too. One thread. */
#pragma once
#include "base/bytes.h"

#define FAIR_COST_MAX 16u

struct fair_item { /* the queue's own while it waits */
    struct fair_item *next, *previous;
    struct fair_flow *flow;
    uint32_t cost;
};

struct fair;

/* What fair_init needs for these bounds, each ≥ 1. */
size_t fair_bytes(size_t items_max, size_t flow_items_max);
/* An empty queue in memory (fair_bytes of it, aligned as malloc does; borrowed as long as the queue
 * is used; nothing needs to be undone). */
struct fair *fair_init(void *memory, size_t items_max, size_t flow_items_max);

enum fair_outcome {
    FAIR_TAKEN,    /* it waits */
    FAIR_REFUSED,  /* it does not: its flow has more than its part */
    FAIR_REPLACED, /* it waits, and another, *replaced_r, does not any more */
};

/* Lets an item of that flow and cost (1 to FAIR_COST_MAX) wait. */
MUST_CHECK enum fair_outcome fair_put(struct fair *fair, uint64_t flow, uint32_t cost,
                                      struct fair_item *item, struct fair_item **replaced_r);
/* The item whose turn it is; NULL where none waits. It goes on waiting until it is taken. */
struct fair_item *fair_next(struct fair *fair);
/* The same, and it waits no more. */
struct fair_item *fair_take(struct fair *fair);

size_t fair_count(const struct fair *fair);
/* True where every count and link agrees: for tests. */
bool fair_verify(const struct fair *fair);
