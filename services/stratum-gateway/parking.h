/* Sessions whose connection ended, kept for a while so that a miner that comes back may go on with
 * its extranonce1 and have its pending shares judged: the set of its submissions is in this process
 * alone, so nobody else could. A parked session's extranonce1 is still in use. All are kept equally
 * long, so the oldest is the first to go; where all places are taken it goes at once. One thread.
 */
#pragma once
#include "core/stratum/stratum.h"

enum { PARKING_PLACES = 4096 };

struct parked {
    uint64_t lease; /* of its extranonce1 */
    uint64_t until_ms;
    struct stratum_session session; /* without what was lent to it */
};

struct parking {
    struct parked *places; /* a ring */
    uint64_t *ids;         /* of the sessions there; 0: taken again */
    uint32_t capacity;
    uint32_t first;
    uint32_t count; /* with those taken again */
    uint64_t keep_ms;
    uint64_t resumed; /* since the start */
};

/* keep_ms 0: nothing is ever kept. False where there is no memory. */
MUST_CHECK bool parking_init(struct parking *parking, uint32_t capacity, uint64_t keep_ms);
void parking_deinit(struct parking *parking);

/* Room for one more; call parking_release before where there is none. */
static inline bool parking_is_full(const struct parking *parking)
{
    return parking->count == parking->capacity;
}
/* Keeps a copy; false where nothing is kept. */
MUST_CHECK bool parking_put(struct parking *parking, const struct stratum_session *session,
                            uint64_t lease, uint64_t now_ms);
/* Takes the session of an id out; false where it is not there. */
MUST_CHECK bool parking_take(struct parking *parking, uint64_t id, struct parked *parked_r);
/* Removes the oldest where its time is over, or `now_ms` is UINT64_MAX. True with it: its
 * extranonce1 is to be given back. */
MUST_CHECK bool parking_release(struct parking *parking, uint64_t now_ms, struct parked *parked_r);
