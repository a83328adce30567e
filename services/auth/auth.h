/* auth without the process around it: miners' authorisation over the bus, people's accounts over
 * HTTP, and what the operator may ask. One thread, the loop's; blocking work has threads of its
 * own. */
#pragma once
#include "service/service.h"
#include "services/auth/miners.h"
#include "services/auth/people.h"

struct auth_options {
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    const struct settings *settings; /* borrowed for its life */
    const struct coin_profile *coin; /* borrowed for its life */
    struct identity_key key;
    uint64_t fresh_ms; /* as in struct miners_options */
    /* A fresh handle, on the thread that will use it. */
    struct store *(*open_store)(void *context, struct error *error);
    /* Something it needs is away, or back (reason NULL). May be NULL. */
    void (*on_trouble)(void *context, const char *what, const char *reason);
    void *context;
};

struct auth {
    struct auth_options options;
    struct miners *miners;
    struct people *people; /* the context of people_routes */
};

/* False with *error and the exit code it means; then nothing needs to be closed. */
MUST_CHECK bool auth_open(struct auth *auth, const struct auth_options *options,
                          enum service_exit *code_r, struct error *error);
/* Answers whoever waits; no callback comes any more. */
void auth_close(struct auth *auth);
