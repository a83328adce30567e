/* The extranonce1 values of one lease: no two live sessions share one, and a value whose session
 * was sent a job rests until that job and all older ones are dead. One thread. */
#pragma once
#include "base/bytes.h"

struct extranonces_resting {
    uint32_t offset;
    uint64_t job; /* ordinal of the newest job at the time its session ended */
};

struct extranonces {
    uint64_t lease; /* whose values they are */
    uint32_t first;
    uint32_t count;
    uint32_t unused; /* offsets from here on were never given */
    uint32_t *fresh; /* a stack of values given back without having mined */
    uint32_t fresh_count;
    struct extranonces_resting *resting; /* a ring, in the order of ending, so of job */
    uint32_t resting_first;
    uint32_t resting_count;
};

/* The values [first, first + count) of a lease. False where there is no memory. */
MUST_CHECK bool extranonces_init(struct extranonces *values, uint64_t lease, uint32_t first,
                                 uint32_t count);
void extranonces_deinit(struct extranonces *values);

/* A value nobody has; `oldest_job` is the ordinal of the oldest job not dead. False where all are
 * in use or resting. */
MUST_CHECK bool extranonces_take(struct extranonces *values, uint64_t oldest_job,
                                 uint32_t *value_r);
/* Takes a value back. `newest_job`: 0 where its session was never sent a job. A value of another
 * lease is ignored, be it in the range of this one or not, and so is one that was never given. */
void extranonces_give_back(struct extranonces *values, uint64_t lease, uint32_t value,
                           uint64_t newest_job);
