/* What a pool's and a validator's good name is worth, and how it fades.
 *
 * A pool's score runs from 0 to SCORE_POOL_MAX. Each good report about it, by a validator with
 * enough stake, raises it by
 *
 *     increment = max(1, ceil(stake percent / 100 · 20)),   score = min(100, score + increment),
 *
 * and each turn of decay takes ceil(score / 10) away: a pool nobody vouches for is at 0 after
 * SCORE_POOL_TURNS_MAX turns from the top. A validator's score is 1 from its last accepted report
 * until the next turn of decay, else 0: it says who is active. Whoever a dispute proves wrong has
 * no score until the next good report.
 *
 * Stakes are parts of SCORE_STAKE_WHOLE (1/10,000), so that 1 % is 100; a fraction of that is
 * rounded by who writes the list, never here.
 *
 * Pure values; any thread. No floating point, and nothing can overflow. */
#pragma once
#include "base/bytes.h"

enum {
    SCORE_STAKE_WHOLE = 10000, /* 100 % */
    SCORE_STAKE_MIN = 100,     /* 1 %: who has less may not report */
    SCORE_POOL_MAX = 100,
    SCORE_POOL_INCREMENT_MAX = 20, /* what a report by the holder of all the stake adds */
    SCORE_POOL_TURNS_MAX = 28,     /* after so many turns of decay any score is 0 */
    SCORE_VALIDATOR_ACTIVE = 1,
    SCORE_NONE = 0, /* who was wrong, or has long been silent */
};

/* Whether a stake is large enough for its holder's reports to count. False above
 * SCORE_STAKE_WHOLE: no list that says so can be right. */
MUST_CHECK bool score_may_report(uint32_t stake);

/* What one good report adds to a pool's score. 1 to SCORE_POOL_INCREMENT_MAX; a stake above
 * SCORE_STAKE_WHOLE counts as that. */
uint32_t score_pool_increment(uint32_t stake);

/* A pool's score after one good report by a holder of that stake. At most SCORE_POOL_MAX, also
 * where the score given was above. */
uint32_t score_pool_reported(uint32_t score, uint32_t stake);

/* A pool's score after so many turns of decay: 0 turns change nothing, and decaying by a and then
 * by b turns is decaying by a + b. A score above SCORE_POOL_MAX counts as that. */
uint32_t score_pool_decayed(uint32_t score, uint64_t turns);

/* A validator's score after so many turns of decay: what it was after none, SCORE_NONE after any.
 */
uint32_t score_validator_decayed(uint32_t score, uint64_t turns);
