/* Says to every process that checks tokens by itself which keys verify now, in the store
 * (record/access/keys.h): at the start, at once when they changed, and again every few minutes, so
 * that what is said stays fresh. An instance whose ring of keys is older than what another said
 * says nothing but so, in the log and in the health: its tokens are taken nowhere else.
 *
 * One thread, the loop's; the store has a thread of its own. */
#pragma once
#include "core/identity/identity.h"
#include "services/auth/people.h"

struct said_keys;

enum { SAID_KEYS_LOOK_MS = 1000, SAID_KEYS_AGAIN_S = 300 };

struct said_keys_options {
    struct loop *loop;
    struct people *people;          /* whose keys they are; outlives this */
    const struct identity_key *key; /* the deployment's secret; copied */
    struct store *(*open_store)(void *context, struct error *error); /* on the store's thread */
    /* Its keys are older than those that were said, or (reason NULL) not any more. May be NULL. */
    void (*on_trouble)(void *context, const char *what, const char *reason);
    void *context;
};

/* NULL and *error on failure. Caller owns. */
MUST_CHECK struct said_keys *said_keys_create(const struct said_keys_options *options,
                                              struct error *error);
void said_keys_destroy(struct said_keys *said);
