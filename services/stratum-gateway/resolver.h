/* The list of validators of the settings, made into addresses and kept true while validators come
 * and go:
 *
 *   tcp://name:port         one for each address the name has now, IPv4 and IPv6
 *   …{1..4}…                four, with the number in place of the braces
 *   ipc:///run/v-*.rep      one for each socket that is there (glob(7): * ? [ ])
 *   anything else           itself
 *
 * Names and patterns are looked at again every few seconds on a thread of its own. A name that
 * cannot be asked changes nothing: what is known is kept. A socket that is gone is kept for a few
 * looks, so that a validator which restarts is met at once. A validator that could not be opened is
 * tried again at the next look, whatever the list. One thread (the loop's). */
#pragma once
#include "loop/worker.h"
#include "services/stratum-gateway/dispatcher.h"

struct resolver;
struct resolver_list;

/* Adds every address of a host by resolver_list_add; false where it cannot be asked now. Called on
 * the resolver's thread. */
typedef bool (*resolver_lookup)(void *context, const char *host, const char *port,
                                struct resolver_list *list);
/* Adds an address; beyond VALIDATORS_MAX it is left out. */
void resolver_list_add(struct resolver_list *list, const char *url);

struct resolver_options {
    char **urls; /* borrowed while the resolver lives */
    size_t count;
    uint64_t refresh_ms;
    resolver_lookup lookup; /* NULL: getaddrinfo(3) */
    void *context;          /* of lookup */
};

/* Hands the addresses to the dispatcher before it returns (without names) and whenever they change.
 * NULL and *error on failure. Caller owns. */
MUST_CHECK struct resolver *resolver_create(struct loop *loop, struct dispatcher *dispatcher,
                                            const struct resolver_options *options,
                                            struct error *error);
void resolver_destroy(struct resolver *resolver);

/* Splits "tcp://name:port" and "tls+tcp://name:port" where the host is a name that must be asked for; false for anything
 * else (ipc, numeric addresses), which is used as it is. */
MUST_CHECK bool resolver_split(const char *url, char *host_r, size_t host_bytes, char *port_r,
                               size_t port_bytes);
