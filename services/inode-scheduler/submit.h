/* Offering blocks to every node, again and again, until each has taken or refused them for good.
 * The validators submit too, first; a node that has a block twice says "duplicate".
 *
 * On the loop; each node has a worker thread and a handle of its own, so that one that hangs keeps
 * no other waiting. */
#pragma once
#include "loop/loop.h"
#include "port/node.h"

struct submitter;

enum { SUBMIT_BLOCKS_MAX = 64, SUBMIT_ANSWER_BYTES = 160, SUBMIT_NODES_MAX = 64 };

struct submit_options {
    struct loop *loop;
    struct node **nodes; /* taken on success */
    size_t count;
    /* A node's answer, each time it says something new about a block. */
    void (*on_answer)(void *context, const uint8_t hash[32], size_t node, enum node_submit submit,
                      const char *answer);
    /* Every node refused it for good. */
    void (*on_refused)(void *context, const uint8_t hash[32]);
    void *context;
};

MUST_CHECK struct submitter *submitter_create(const struct submit_options *options,
                                              struct error *error);
/* Interrupts the calls and joins the threads; no callback comes any more. */
void submitter_destroy(struct submitter *submitter);

/* Begins to offer a block; `bytes` (from malloc) is taken. False, with nothing done but the bytes
 * freed, when it is being offered already or SUBMIT_BLOCKS_MAX are. */
bool submitter_offer(struct submitter *submitter, const uint8_t hash[32], uint8_t *bytes,
                     size_t length);

/* A line for each node and block lately offered, newest first, for the operator. */
struct submit_history {
    uint8_t hash[32];
    size_t node;
    enum node_submit submit;
    uint64_t at_ms; /* unix */
    uint64_t took_us;
    unsigned attempts;
    char answer[SUBMIT_ANSWER_BYTES];
    bool by_validator; /* heard of, not asked by ourselves */
};
/* A line of what a node answered to a validator. */
void submitter_heard(struct submitter *submitter, const uint8_t hash[32], size_t node,
                     const char *answer, uint64_t took_us);
/* At most `capacity` of them; returns their number. */
size_t submitter_history(const struct submitter *submitter, struct submit_history *history_r,
                         size_t capacity);
