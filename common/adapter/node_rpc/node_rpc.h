/* A node behind Bitcoin Core's JSON-RPC over HTTP (libcurl, jansson): Bitcoin Core, Knots, Litecoin
 * Core, devnode. One handle, one connection that is kept alive; one thread at a time, except that
 * node_interrupt may come from any. It retries nothing: the port's answers say what a repeat risks.
 *
 * A template is read by a reader of our own while it arrives (template.h); other answers are short
 * and read by jansson. What a node says is not trusted: lengths, counts and ranges are bounded, and a template whose
 * parts contradict each other is refused in one sentence. Credentials never reach a log or an
 * error. Amounts are read from and written to JSON exactly (eight decimals below 2^53 base units).
 */
#pragma once
#include "core/coin/coin.h"
#include "port/node.h"

struct node_rpc_options {
    /* http://[user:password@]host:port; host may be a name, an IPv4 or a [IPv6] address */
    const char *url;
    const char *cookie_file;         /* read anew at each call where the URL has no password; or
                                        NULL or "" */
    const char *wallet;              /* for wallet calls; NULL or "": the node's default wallet */
    const struct coin_profile *coin; /* template rules, decimals; static */
    unsigned connect_timeout_ms;     /* 0: 2000 */
    unsigned call_timeout_ms;        /* 0: 10000 */
    unsigned longpoll_timeout_ms;    /* 0: 90000 */
};

/* NULL and *error where the options are unusable; does not connect. Options are copied. Ended by
 * node_close. */
MUST_CHECK struct node *node_rpc_open(const struct node_rpc_options *options, struct error *error);

/* Bytes of arena that hold any template node_rpc accepts. */
#define NODE_RPC_TEMPLATE_ARENA_BYTES ((size_t)24 << 20)
