/* The list of validators of the settings, names expanded to all their addresses: `tcp://name:port`
 * becomes one URL for each address the name has now, asked again every few seconds on a thread of
 * its own, so that validators can come and go behind a name. One thread (the loop's). */
#pragma once
#include "loop/worker.h"
#include "services/stratum-gateway/dispatcher.h"

struct resolver;

/* Hands the addresses to the dispatcher before it returns (without names) and whenever they change.
 * NULL and *error on failure. Caller owns; `urls` must outlive it. */
MUST_CHECK struct resolver *resolver_create(struct loop *loop, struct dispatcher *dispatcher,
                                            char **urls, size_t count, struct error *error);
void resolver_destroy(struct resolver *resolver);

/* Splits "tcp://name:port" where the host is a name that must be asked for; false for anything
 * else (ipc, numeric addresses), which is used as it is. */
MUST_CHECK bool resolver_split(const char *url, char *host_r, size_t host_bytes, char *port_r,
                               size_t port_bytes);
