/* How often something may be tried, by keys such as an address or a name: counted in redis.cache,
 * so that the count holds for all processes of one name, and in this process alone while that is
 * away. A count lives LIMITER_WINDOW_S from its first. What stands in redis are keyed hashes, never
 * a name or an address.
 *
 * Called on the loop's thread. A call's memory is its caller's until `done`. */
#pragma once
#include "loop/worker.h"
#include "services/auth/limiter.h"
#include "services/auth/secrets.h"

enum { LIMITS_KEYS_MAX = 3, LIMITS_KEY_BYTES = 16, LIMITS_QUEUE_MAX = 512 };

struct limits;

struct limits_options {
    struct loop *loop;
    const char *url;    /* redis.cache; "": in this process alone */
    const uint8_t *key; /* SECRETS_KEY_BYTES, borrowed for its life */
    void (*on_away)(void *context, const char *reason); /* NULL: it is back */
    void *context;
};

struct limits_key {
    uint8_t bytes[LIMITS_KEY_BYTES];
    unsigned max;
};

enum limits_verb { LIMITS_TAKE, LIMITS_GIVE_BACK, LIMITS_FORGET };

struct limits_call {
    struct limits_key keys[LIMITS_KEYS_MAX];
    size_t count;
    void (*done)(struct limits_call *call);
    bool allowed;
    unsigned wait_s; /* where it is not: until the count ends */

    struct worker_job job; /* the limits' own, as the rest */
    struct limits *limits;
    enum limits_verb verb;
    bool counted_here; /* in this process, redis being away */
    bool reached;
    struct error error;
};

/* NULL and *error on failure. Caller owns. */
MUST_CHECK struct limits *limits_create(const struct limits_options *options, struct error *error);
/* Ends the calls under way. */
void limits_destroy(struct limits *limits);

/* Adds a key to a call that has not begun; the parts with their bounds. A `max` of 0: no limit, and
 * nothing is added. */
void limits_add(const struct limits *limits, struct limits_call *call, unsigned max,
                const struct span *parts, size_t count);

/* Counts one against every key, or none where one is full; then `done`, later or at once. */
void limits_take(struct limits *limits, struct limits_call *call);
/* Takes one count back from, or forgets, one key of a call that was allowed; nobody waits for it.
 */
void limits_give_back(struct limits *limits, const struct limits_call *call, size_t key);
void limits_forget(struct limits *limits, const struct limits_call *call, size_t key);
