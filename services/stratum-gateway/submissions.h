/* Submissions between their line and their batch. A few are gathered before the set of known ones
 * is asked, so that what it looks at is on its way from memory while the next lines are read; the
 * end of the round, or the next one when there is no more room, passes them on. One thread. */
#pragma once
#include "loop/loop.h"
#include "services/stratum-gateway/dispatcher.h"

enum { SUBMISSIONS_MAX = 32 };

struct connection;
struct gateway;
struct stratum_effect;

struct submission {
    struct wire_share share;
    struct dispatch_origin origin;
    uint32_t slow_hashes; /* it costs; 0 where the algorithm is fast */
};

struct submissions {
    struct submission list[SUBMISSIONS_MAX];
    unsigned count;
    struct loop_task task;
    bool deferred;
};

void submissions_init(struct gateway *gateway);
/* Takes what the session wants judged; there must be room. */
void submissions_take(struct gateway *gateway, struct connection *connection,
                      const struct stratum_effect *effect);
static inline bool submissions_are_full(const struct submissions *submissions)
{
    return submissions->count == SUBMISSIONS_MAX;
}
/* Known ones are answered, the others join a batch. Not inside a session's step: answers are steps
 * of their sessions. */
void submissions_pass_on(struct gateway *gateway);
