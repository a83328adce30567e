/* What is known of each rejected share goes to redis.cache, from where the API tells the miner what
 * is wrong (core/forensics). Nothing waits for it: traces beyond what a session may leave, beyond
 * the ring, or while redis.cache is away are dropped and counted. One thread; redis is asked on a
 * worker's. */
#pragma once
#include "core/share/outcome.h"
#include "loop/loop.h"
#include "port/reject_log.h"

enum {
    REJECTS_RING = 1024,
    REJECTS_AT_ONCE = 128,
    REJECTS_OF_SESSION = 16, /* at once; one more every REJECTS_OF_SESSION_MS */
    REJECTS_OF_SESSION_MS = 4000,
};

struct connection;
struct gateway;
struct rejects;
struct wire_share;

struct rejects_counts {
    uint64_t kept, dropped;
};

/* `log` is taken on success. NULL and *error on failure. Caller owns. */
MUST_CHECK struct rejects *rejects_create(struct loop *loop, struct reject_log *log,
                                          struct error *error);
/* What is under way is waited for. */
void rejects_destroy(struct rejects *rejects);

/* The last step of this connection's session refused a share (effects.refusal). */
void rejects_refused(struct gateway *gateway, struct connection *connection);
/* A share of it was judged otherwise than accepted. */
void rejects_judged(struct gateway *gateway, struct connection *connection,
                    const struct wire_share *share, enum share_outcome outcome);
/* About once a second. */
void rejects_tick(struct rejects *rejects);
struct rejects_counts rejects_counts(const struct rejects *rejects);
