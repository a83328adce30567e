/* Hears a node's notices of new blocks (bitcoind -zmqpubhashblock=tcp://host:port) on the loop: a
 * connection that speaks ZMTP by core/zmtp, made again after a pause whenever it ends. What is
 * heard is a hint, nothing more: whoever acts on it asks the node itself, and goes on asking in
 * case nothing is heard. Reads a bounded number of bytes a round. On the loop's thread; names are
 * looked up on one of its own. */
#pragma once
#include "loop/loop.h"

struct node_zmq;

struct node_zmq_options {
    struct loop *loop;
    const char *address; /* tcp://host:port; copied */
    /* The node's best chain ends with this block (internal byte order). */
    void (*on_block)(void *context, const uint8_t hash[32]);
    /* It is heard from now on (NULL), or not (the sentence); told when that changes. */
    void (*on_state)(void *context, const char *trouble);
    void *context;
};

/* NULL and *error where the address makes no sense or memory is out; it need not be there yet. */
MUST_CHECK struct node_zmq *node_zmq_open(const struct node_zmq_options *options,
                                          struct error *error);
/* No callback comes any more. */
void node_zmq_close(struct node_zmq *zmq);
