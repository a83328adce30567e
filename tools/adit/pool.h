/* What the running pool says over its HTTP API, for people at a terminal. Calls block for at most
 * a second; libcurl and jansson stay in here. One thread at a time. */
#pragma once
#include "base/bytes.h"

#include <jansson.h>

struct pool; /* a connection that is kept open */

struct pool *pool_open(const char *http_address); /* "host:port"; caller owns; NULL: no memory */
void pool_close(struct pool *pool);

/* The JSON at a path; NULL when the pool does not answer or says no. Caller owns (json_decref). */
json_t *pool_get(struct pool *pool, const char *path);

/* One JSON-RPC call to a node without a password (the devnode), its `result`; NULL and *error. */
json_t *pool_node_call(const char *url, const char *method, struct error *error);
