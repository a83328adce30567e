/* Miners' authorisation: answers gateways over the bus. A name is bound in the store before its
 * first yes; names seen bound are remembered within a bound, so that the store is asked about each
 * at most once in a while, and so that they go on while it is away.
 *
 * When it is full or slow: questions about one name wait together; MINERS_QUESTIONS_MAX names are
 * asked about at once; nobody waits longer than MINERS_PATIENCE_MS. Then, as while the store is
 * away, a remembered name is a yes and any other is told to try again. One thread: the loop's. */
#pragma once
#include "core/identity/identity.h"
#include "port/bus.h"
#include "port/store.h"
#include "service/metrics.h"

enum {
    MINERS_KNOWN_MAX = 100000,
    MINERS_FRESH_MS = 60000, /* a remembered name is believed so long without asking the store */
    MINERS_QUESTIONS_MAX = 1024,
    MINERS_CALLS_MAX = 512,   /* requests open at once */
    MINERS_PATIENCE_MS = 800, /* gateways wait one second */
    MINERS_MESSAGE_BYTES_MAX = 4096,
};

struct miners_options {
    struct loop *loop;
    struct bus *bus;
    const char *url; /* where to listen */
    struct metrics *metrics;
    const struct coin_profile *coin;                                 /* borrowed for its life */
    const struct identity_key *key;                                  /* copied */
    size_t known_max;                                                /* 0: MINERS_KNOWN_MAX */
    uint64_t fresh_ms;                                               /* 0: MINERS_FRESH_MS */
    struct store *(*open_store)(void *context, struct error *error); /* on the store's thread */
    void (*on_store)(void *context, const char *reason);             /* NULL: it is back */
    /* A request that is not an authorisation; the call is taken. */
    bus_call_handler on_other;
    void *context;
};

struct miners_counts {
    uint64_t yes, no, unavailable, remembered, made;
    size_t known, questions;
    bool store_away;
};

struct miners;

/* NULL and *error on failure (ERROR_SYSTEM or UNAVAILABLE: the address). Caller owns. */
MUST_CHECK struct miners *miners_create(const struct miners_options *options, struct error *error);
/* Everyone who waits is told to try again. */
void miners_destroy(struct miners *miners);
struct miners_counts miners_counts(const struct miners *miners);
