/* One thread a node that learns of a new tip before the node has a template for it: by asking for
 * the best block every poll_ms, and at once when tips_nudge says that one was seen. What is told is
 * enough to mine on the tip by the coin's rules (jobs_tip). A node that does not answer is asked
 * again next time. How it answered is told once a second, and at once when that changes. */
#pragma once
#include "loop/loop.h"
#include "port/node.h"

struct tips;

struct tips_options {
    struct loop *loop;
    struct node **nodes; /* taken, also on failure: each belongs to its thread */
    size_t count;
    unsigned poll_ms; /* 0: only when nudged */
    /* On the loop, for each tip of each node once, with when its hash was known (loop_clock_ns). */
    void (*on_tip)(void *context, size_t node, const struct node_tip *tip, uint64_t noticed_ns);
    /* On the loop: how it answered, and in what time; the sentence where it did not. */
    void (*on_pulse)(void *context, size_t node, enum node_answer answer, uint64_t took_us,
                     const char *trouble);
    void *context;
};

/* NULL and *error on failure. Ended by tips_destroy. */
MUST_CHECK struct tips *tips_create(const struct tips_options *options, struct error *error);
/* This node builds on this block now. From any thread. */
void tips_nudge(struct tips *tips, size_t node, const uint8_t hash[32]);
/* Interrupts the calls, joins the threads; no callback comes any more. */
void tips_destroy(struct tips *tips);
