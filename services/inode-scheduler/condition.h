/* How the pool is, in words: what is wrong, since when, what it means and what to do about it, the
 * worst first. Drawn from health (heartbeats), the nodes, and the supervisor's account. On the
 * loop's thread; asks nobody. */
#pragma once
#include "services/inode-scheduler/health.h"
#include "services/inode-scheduler/nodes.h"
#include "services/inode-scheduler/recovery.h"

enum { CONDITION_MAX = 64, CONDITION_WHAT_BYTES = 112, CONDITION_TEXT_BYTES = 600 };

struct condition_reason {
    enum health_status status;       /* unhealthy: a part is; error: it stops the pool's work */
    char what[CONDITION_WHAT_BYTES]; /* "share-validator 2", "node 127.0.0.1:8332" */
    int order;                       /* of those as bad: what others wait for is before them */
    uint64_t since_ms;               /* unix; 0: not known */
    char reason[CONDITION_TEXT_BYTES];
    const char *todo; /* static */
};

struct condition_view {
    const struct health *health;
    const struct nodes *nodes; /* NULL: this one stands by */
    const struct recovery *recovery;
    bool job;   /* there is one */
    bool early; /* right after the start: who was not heard of yet is not missed */
};

/* Returns how many there are in reasons_r (room for CONDITION_MAX); none: all is well. *status_r is
 * the worst of them. */
size_t condition_list(const struct condition_view *view, struct condition_reason *reasons_r,
                      enum health_status *status_r);

/* What is no part of ours and is away, because who writes it misses it or all who use it do, in a
 * sentence; NULL: nothing is. Static. */
const char *condition_cause(const struct health *health);

/* Whether all instances of a part that are heard miss such a thing; then text_r says which and why,
 * though others may use it: "it cannot use redis.window: no answer". */
MUST_CHECK bool condition_missed(const struct health *health, enum health_component component,
                                 char *text_r, size_t bytes);
