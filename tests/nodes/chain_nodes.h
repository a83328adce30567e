/* Three real node processes for tests of a pool that mines on them: devnodes of one chain, each
 * with a folder and a port of its own that it keeps through deaths. They have no peers: what one
 * has the others get by chain_nodes_relay, as over a network. Blocking; one thread; a failed
 * expectation fails the test. */
#pragma once
#include "base/bytes.h"

#include <jansson.h>
#include <sys/types.h>

enum { CHAIN_NODES = 3 };

struct chain_nodes {
    char folder[64];
    unsigned ports[CHAIN_NODES];
    pid_t pids[CHAIN_NODES]; /* 0: dead */
    char address[128];       /* of the first one's wallet */
};

/* Starts all, on a chain of some blocks. */
void chain_nodes_begin(struct chain_nodes *nodes);
void chain_nodes_end(struct chain_nodes *nodes);
/* Starts one, which then answers. */
void chain_nodes_revive(struct chain_nodes *nodes, unsigned node);
/* kill -9. */
void chain_nodes_kill(struct chain_nodes *nodes, unsigned node);
/* devnode_fault; milliseconds for `slow`. */
void chain_nodes_fault(const struct chain_nodes *nodes, unsigned node, const char *kind,
                       unsigned ms);
/* A call; NULL on an error, as while the node is dead. Caller owns. */
json_t *chain_nodes_ask(const struct chain_nodes *nodes, unsigned node, const char *method,
                        const char *params);
/* Its height; -1 where it does not answer. */
json_int_t chain_nodes_height(const struct chain_nodes *nodes, unsigned node);
/* Gives one the blocks of the other's best chain that it lacks; whether it has its tip now. */
bool chain_nodes_relay(const struct chain_nodes *nodes, unsigned from, unsigned to);
