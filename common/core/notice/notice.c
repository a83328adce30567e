#include "core/notice/notice.h"

enum {
    DAY_MS = 86400000,
    GATHER_MS_MAX = 60000,
    DOUBLINGS_MAX = 3, /* of the quiet time: with half an hour, four hours at the most */
};

const char *notice_type(enum notice_kind kind)
{
    switch (kind) {
#define X(name, value, type, subject)                                                              \
    case name:                                                                                     \
        return type;
        NOTICE_KINDS(X)
#undef X
    }
    return NULL;
}

const char *notice_subject(enum notice_kind kind)
{
    switch (kind) {
#define X(name, value, type, subject)                                                              \
    case name:                                                                                     \
        return subject;
        NOTICE_KINDS(X)
#undef X
    }
    return NULL;
}

bool notice_choice(struct span type, enum notice_kind *kind_r)
{
    for (int kind = 1; kind <= NOTICE_CHOICES; kind++)
        if (span_equal(type, span_text(notice_type((enum notice_kind)kind)))) {
            *kind_r = (enum notice_kind)kind;
            return true;
        }
    return false;
}

uint64_t notice_horizon_ms(const struct notice_patience *patience, uint64_t now_ms)
{
    return now_ms > patience->after_ms ? now_ms - patience->after_ms : 0;
}

/* A farm whose power fails falls silent within the time between two shares of its slowest worker.
 */
static uint64_t gather_ms(const struct notice_patience *patience)
{
    uint64_t half_ms = patience->after_ms / 2;
    return half_ms < GATHER_MS_MAX ? half_ms : GATHER_MS_MAX;
}

uint64_t notice_quiet_ms(const struct notice_watch *watch, const struct notice_patience *patience)
{
    return patience->quiet_ms << (watch->streak < DOUBLINGS_MAX ? watch->streak : DOUBLINGS_MAX);
}

bool notice_is_due(const struct notice_watch *watch, const struct notice_patience *patience,
                   uint64_t oldest_ms, uint64_t steady_ms, uint64_t now_ms)
{
    uint64_t horizon_ms = notice_horizon_ms(patience, now_ms);
    if (oldest_ms <= watch->until_ms || oldest_ms > horizon_ms || steady_ms > horizon_ms ||
        horizon_ms - oldest_ms < gather_ms(patience))
        return false;
    /* A clock that was set back does not silence anybody. */
    return watch->told_ms == 0 || now_ms < watch->told_ms ||
           now_ms - watch->told_ms >= notice_quiet_ms(watch, patience);
}

void notice_told(struct notice_watch *watch, uint64_t until_ms, uint64_t told_ms)
{
    bool again =
        watch->told_ms != 0 && told_ms >= watch->told_ms && told_ms - watch->told_ms < DAY_MS;
    watch->streak = !again ? 0 : watch->streak < DOUBLINGS_MAX ? watch->streak + 1 : DOUBLINGS_MAX;
    watch->told_ms = told_ms;
    if (until_ms > watch->until_ms)
        watch->until_ms = until_ms;
}

uint64_t notice_pause_ms(uint64_t tries, uint64_t first_ms, uint64_t seed)
{
    ASSERT(tries >= 1);
    uint64_t pause_ms = first_ms < DAY_MS ? first_ms : DAY_MS;
    for (uint64_t i = 1; i < tries && pause_ms < DAY_MS; i++)
        pause_ms = pause_ms * 4 < DAY_MS ? pause_ms * 4 : DAY_MS;
    return pause_ms + seed % (pause_ms / 4 + 1);
}

uint64_t notice_allowance(const struct notice_route *route, uint64_t day_max, uint64_t now_ms)
{
    if (route->day != now_ms / DAY_MS)
        return day_max;
    return route->count < day_max ? day_max - route->count : 0;
}

void notice_succeeded(struct notice_route *route, uint64_t now_ms)
{
    uint64_t today = now_ms / DAY_MS;
    route->count = route->day == today ? route->count + 1 : 1;
    route->day = today;
    route->failing_since_ms = route->not_before_ms = route->failures = 0;
}

void notice_failed(struct notice_route *route, uint64_t pause_ms, uint64_t now_ms)
{
    if (route->failures == 0)
        route->failing_since_ms = now_ms;
    route->failures++;
    route->not_before_ms = now_ms + pause_ms;
}

bool notice_is_hopeless(const struct notice_route *route, uint64_t off_ms, uint64_t tries_max,
                        uint64_t now_ms)
{
    return route->failures >= tries_max && now_ms >= route->failing_since_ms &&
           now_ms - route->failing_since_ms >= off_ms;
}
