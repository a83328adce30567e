/* People's accounts over HTTP: registration, login, tokens.
 *
 * docs/api/openapi.yaml says what each request takes and gives, docs/auth.md what it means.
 *
 * Bounds: PEOPLE_QUEUE_MAX passwords wait for a thread, 503 beyond; 10 failed logins of one name
 * from one address in a quarter of an hour, 200 from everywhere, 100 logins that failed and 20
 * registrations from one address, 429 beyond. One thread: the loop's. */
#pragma once
#include "adapter/http_kore/http.h"
#include "core/identity/identity.h"
#include "port/store.h"

enum {
    PEOPLE_QUEUE_MAX = 32,     /* per thread for passwords */
    PEOPLE_VISITS_MAX = 256,   /* requests that wait for the store */
    PEOPLE_NAME_FAILURES = 10, /* logins of one name from one address, … */
    PEOPLE_ADDRESS_FAILURES = 100,
    PEOPLE_FAILURES = 200,          /* … of one name from everywhere, … */
    PEOPLE_REGISTRATIONS = 20,      /* … by one address, */
    PEOPLE_REGISTRATIONS_EMAIL = 5, /* … for one mailbox: per LIMITER_WINDOW_S */
};

struct people_options {
    struct loop *loop;
    struct metrics *metrics;
    const struct settings *settings;                                 /* borrowed for its life */
    const struct coin_profile *coin;                                 /* borrowed for its life */
    const struct identity_key *key;                                  /* copied */
    struct store *(*open_store)(void *context, struct error *error); /* on the store's thread */
    void (*on_store)(void *context, const char *reason);             /* NULL: it is back */
    void (*on_limits)(void *context, const char *reason); /* of redis.cache; may be NULL */
    /* No letter of one-time tokens, no notice by e-mail can be sent; either may be NULL. */
    void (*on_letters)(void *context, const char *reason);
    void (*on_notices)(void *context, const char *reason);
    void *context;
};

struct people;

/* Ended by one with path NULL; the context is the struct people. */
extern const struct http_route people_routes[];

/* For http_set_guard, with the same context: security headers, and CORS for auth.site alone. */
bool people_guard(void *people, struct http_exchange *exchange);

/* NULL and *error on failure (INVALID, SYSTEM: the token key; FULL: no memory for a password).
 * Takes as long as one password. Caller owns. */
MUST_CHECK struct people *people_create(const struct people_options *options, struct error *error);
struct access_keys;
/* The keys that verify now, and their generation; what else is in it stays. */
void people_keys(const struct people *people, struct access_keys *keys_r);
/* Answers whoever waits. */
void people_destroy(struct people *people);
