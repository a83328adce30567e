/* A node's JSON-RPC over HTTP, as much as a validator uses: `submitblock` is answered with null and
 * the block kept, anything else with an error. Its own thread; on a free port of 127.0.0.1. For
 * tests. */
#pragma once
#include "base/bytes.h"

struct http_node;

/* Aborts when it cannot listen. */
struct http_node *http_node_begin(void);
void http_node_end(struct http_node *node);
unsigned http_node_port(const struct http_node *node);
unsigned http_node_submissions(struct http_node *node);
bool http_node_has(struct http_node *node, struct span block);
