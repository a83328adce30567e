/* A list of addresses of the settings (stratum.validators and others), made into single addresses
 * and kept true while processes come and go:
 *
 *   tcp://name:port         one for each address the name has now, IPv4 and IPv6
 *   …{1..4}…                four, with the number in place of the braces
 *   ipc:///run/v-*.rep      one for each socket that is there (glob(7): * ? [ ])
 *   anything else           itself
 *
 * Names and patterns are looked at again every few seconds on a thread of its own. A name that
 * cannot be asked changes nothing: what is known is kept. A socket that is gone is kept for a few
 * looks, so that a process which restarts is met at once. An address that could not be opened is
 * tried again at the next look, whatever the list. One thread (the loop's). */
#pragma once
#include "loop/worker.h"

enum { RESOLVER_MAX = 64, RESOLVER_URL_BYTES = 256 };

struct resolver;
struct resolver_list;

/* Adds every address of a host by resolver_list_add; false where it cannot be asked now. Called on
 * the resolver's thread. */
typedef bool (*resolver_lookup)(void *context, const char *host, const char *port,
                                struct resolver_list *list);
/* Adds an address; beyond RESOLVER_MAX it is left out. */
void resolver_list_add(struct resolver_list *list, const char *url);

struct resolver_options {
    const char *setting; /* the list's name, for the log; borrowed while the resolver lives */
    char **urls;         /* likewise */
    size_t count;
    uint64_t refresh_ms;
    /* All addresses there are from now on; on the loop's thread. False where one could not be
     * opened now. */
    bool (*use)(void *user, const char (*urls)[RESOLVER_URL_BYTES], size_t count);
    void *user;
    resolver_lookup lookup; /* NULL: getaddrinfo(3) */
    void *context;          /* of lookup */
};

/* Hands the addresses to `use` before it returns (without names) and whenever they change.
 * NULL and *error on failure. Caller owns. */
MUST_CHECK struct resolver *
resolver_create(struct loop *loop, const struct resolver_options *options, struct error *error);
void resolver_destroy(struct resolver *resolver);

/* Splits "tcp://name:port" and "tls+tcp://name:port" where the host is a name that must be asked
 * for; false for anything else (ipc, numeric addresses), which is used as it is. */
MUST_CHECK bool resolver_split(const char *url, char *host_r, size_t host_bytes, char *port_r,
                               size_t port_bytes);
