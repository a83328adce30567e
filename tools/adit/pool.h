/* What the running pool says over its HTTP API, for people at a terminal. Calls block for at most
 * a second; libcurl and jansson stay in here. One thread at a time. */
#pragma once
#include "base/bytes.h"
#include "service/settings.h"

#include <jansson.h>

struct pool; /* a connection that is kept open */

/* Of a second inode-scheduler on this machine: the port 100 behind the first's (0 behind 0). */
enum { SECOND_PORT_AFTER = 100 };
void pool_second_address(const struct settings *settings, char *address_r, size_t bytes);

/* Asks whichever inode-scheduler leads. Caller owns; NULL: no memory. */
struct pool *pool_open(const struct settings *settings);
void pool_close(struct pool *pool);

/* The JSON at a path; NULL when the pool does not answer or says no. Caller owns (json_decref). */
json_t *pool_get(struct pool *pool, const char *path);

/* One JSON-RPC call to a node: its first node's URL and cookie are the settings', the wallet too
 * where `wallet` is set. `params` is a JSON array, taken on success and on failure. The `result`
 * (may be null), or NULL and one sentence. Caller owns. */
json_t *pool_node_call(const struct settings *settings, bool wallet, const char *method,
                       json_t *params, struct error *error);

/* Whether a GET of `url` is answered with a 2xx; the answer's text goes to standard output. */
bool pool_probe(const char *url, struct error *error);
