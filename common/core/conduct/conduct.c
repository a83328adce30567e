#include "core/conduct/conduct.h"

uint32_t conduct_points(enum conduct_offence offence)
{
    static const uint32_t POINTS[] = {
#define X(name, points, text) points,
        CONDUCT_OFFENCES(X)
#undef X
    };
    return POINTS[offence];
}

const char *conduct_text(enum conduct_offence offence)
{
    static const char *const TEXTS[] = {
#define X(name, points, text) text,
        CONDUCT_OFFENCES(X)
#undef X
    };
    return TEXTS[offence];
}

uint32_t conduct_shared(uint32_t points, uint32_t good)
{
    return points / (good < UINT32_MAX ? good + 1 : good);
}

static void forgive(struct conduct *conduct, uint32_t forgive_ms, uint64_t now_ms)
{
    uint64_t elapsed = now_ms > conduct->since_ms ? now_ms - conduct->since_ms : 0;
    uint64_t points = elapsed / forgive_ms;
    if (conduct->points > points) {
        conduct->points -= (uint32_t)points;
        conduct->since_ms += points * forgive_ms;
        return;
    }
    /* All is forgiven; bans are remembered longer, from the last charge on. */
    if (elapsed >= CONDUCT_BANS_FORGOTTEN_MS)
        conduct->bans = 0;
    if (conduct->points > 0) {
        conduct->since_ms += (uint64_t)conduct->points * forgive_ms;
        conduct->points = 0;
    }
}

/* A step is left where half of what it took is forgiven, so that nobody sways between two. */
static void step_down(struct conduct *conduct)
{
    while (conduct->step > CONDUCT_FINE &&
           conduct->points < (uint32_t)conduct->step * CONDUCT_STEP_POINTS / 2)
        conduct->step--;
}

enum conduct_step conduct_charge(struct conduct *conduct, uint32_t points, uint32_t forgive_ms,
                                 uint64_t now_ms)
{
    const uint32_t most = CONDUCT_BANNED * CONDUCT_STEP_POINTS;
    forgive(conduct, forgive_ms, now_ms);
    step_down(conduct);
    if (conduct->points == 0)
        conduct->since_ms = now_ms;
    conduct->points = points < most - conduct->points ? conduct->points + points : most;
    uint8_t step = (uint8_t)(conduct->points / CONDUCT_STEP_POINTS);
    if (step <= conduct->step)
        return CONDUCT_FINE;
    conduct->step = step;
    if (step < CONDUCT_BANNED)
        return (enum conduct_step)step;
    conduct->step = CONDUCT_FINE;
    conduct->points = 0;
    conduct->since_ms = now_ms;
    if (conduct->bans < CONDUCT_BANS_MAX)
        conduct->bans++;
    return CONDUCT_BANNED;
}

void conduct_praise(struct conduct *conduct)
{
    if (conduct->points > 0)
        conduct->points--;
}

uint64_t conduct_ban_ms(const struct conduct *conduct, uint64_t base_ms)
{
    return base_ms << (conduct->bans > 0 ? conduct->bans - 1 : 0);
}

bool conduct_forgettable(const struct conduct *conduct, uint32_t forgive_ms, uint64_t now_ms)
{
    uint64_t elapsed = now_ms > conduct->since_ms ? now_ms - conduct->since_ms : 0;
    return elapsed / forgive_ms >= conduct->points &&
           (conduct->bans == 0 || elapsed >= CONDUCT_BANS_FORGOTTEN_MS);
}

bool conduct_rate_take(struct conduct_rate *rate, uint32_t a_second, uint32_t burst,
                       uint64_t now_ms)
{
    if (a_second == 0)
        return true;
    uint64_t now_us = now_ms * 1000, one_us = 1000000 / a_second;
    uint64_t ahead_us = rate->ahead_us > now_us ? rate->ahead_us : now_us;
    if (one_us == 0)
        one_us = 1;
    if (ahead_us - now_us > (uint64_t)(burst - 1) * one_us)
        return false;
    rate->ahead_us = ahead_us + one_us;
    return true;
}

bool conduct_rate_allows(const struct conduct_rate *rate, uint32_t a_second, uint32_t burst,
                         uint64_t now_ms)
{
    struct conduct_rate copy = *rate;
    return conduct_rate_take(&copy, a_second, burst, now_ms);
}

bool conduct_rate_is_even(const struct conduct_rate *rate, uint64_t now_ms)
{
    return rate->ahead_us <= now_ms * 1000;
}
