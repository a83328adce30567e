/* One thread a node that keeps asking it for templates (long polling), and hands what it says to
 * the loop. A node that fails is asked again after a pause that grows from 0.2 to 5 s. */
#pragma once
#include "loop/loop.h"
#include "port/node.h"
#include "services/inode-scheduler/template_box.h"

struct sources;

struct sources_options {
    struct loop *loop;
    struct node **nodes; /* taken, also on failure: each belongs to its thread */
    size_t count;
    /* On the loop. `box` is taken. */
    void (*on_template)(void *context, struct template_box *box);
    /* On the loop: the node's last answer was trouble (its sentence), or none any more (NULL). */
    void (*on_state)(void *context, size_t node, const char *trouble);
    /* On the node's thread: a template begins to arrive and builds on this block. NULL: unwanted.
     */
    void (*on_begin)(void *context, size_t node, const uint8_t tip[32]);
    /* On the loop, of a template that is still arriving (the box is still its thread's): it begins
     * and builds on this block; the next of its transactions; it comes to nothing (the box is gone
     * afterwards). In the end there is on_template or on_draft_ends. */
    void (*on_draft)(void *context, const struct template_box *box, const uint8_t tip[32]);
    void (*on_transactions)(void *context, const struct template_box *box,
                            const struct span *transactions, size_t count);
    void (*on_draft_ends)(void *context, const struct template_box *box);
    void *context;
};

/* NULL and *error on failure. Ended by sources_destroy. */
MUST_CHECK struct sources *sources_create(const struct sources_options *options,
                                          struct error *error);
/* Fetch a fresh template now instead of waiting for the node to have another. */
void sources_refresh(struct sources *sources, size_t node);
/* Interrupts the calls, joins the threads; no callback comes any more. */
void sources_destroy(struct sources *sources);
