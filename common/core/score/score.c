#include "core/score/score.h"

bool score_may_report(uint32_t stake)
{
    return stake >= SCORE_STAKE_MIN && stake <= SCORE_STAKE_WHOLE;
}

static uint32_t at_most(uint32_t value, uint32_t max)
{
    return value < max ? value : max;
}

uint32_t score_pool_increment(uint32_t stake)
{
    uint32_t part = at_most(stake, SCORE_STAKE_WHOLE) * SCORE_POOL_INCREMENT_MAX;
    uint32_t ceiling = (part + SCORE_STAKE_WHOLE - 1) / SCORE_STAKE_WHOLE;
    return ceiling > 0 ? ceiling : 1;
}

uint32_t score_pool_reported(uint32_t score, uint32_t stake)
{
    return at_most(at_most(score, SCORE_POOL_MAX) + score_pool_increment(stake), SCORE_POOL_MAX);
}

uint32_t score_pool_decayed(uint32_t score, uint64_t turns)
{
    score = at_most(score, SCORE_POOL_MAX);
    for (uint64_t i = 0; i < turns && score > 0; i++)
        score -= (score + 9) / 10; /* at most the score itself, as that is at least 1 */
    return score;
}

uint32_t score_validator_decayed(uint32_t score, uint64_t turns)
{
    return turns == 0 ? score : SCORE_NONE;
}
