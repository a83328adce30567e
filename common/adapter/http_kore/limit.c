#include "adapter/http_kore/limit.h"

#include <stdio.h>

static struct http_limit_place *set_of(struct http_limit *limit, const char *client)
{
    uint64_t mixed = limit->seed;
    for (const char *at = client; *at != '\0'; at++) {
        mixed = (mixed ^ (uint8_t)*at) * UINT64_C(0x9e3779b97f4a7c15);
        mixed ^= mixed >> 29;
    }
    return limit->sets[mixed % HTTP_LIMIT_SETS];
}

/* The address's place, or the one that is least worth keeping. */
static struct http_limit_place *place_of(struct http_limit *limit, const char *client)
{
    struct http_limit_place *set = set_of(limit, client), *least = &set[0];
    for (size_t i = 0; i < HTTP_LIMIT_WAYS; i++) {
        if (strcmp(set[i].client, client) == 0)
            return &set[i];
        if (set[i].ahead_us < least->ahead_us)
            least = &set[i];
    }
    *least = (struct http_limit_place){ .ahead_us = 0 };
    snprintf(least->client, sizeof least->client, "%s", client);
    return least;
}

bool http_limit_take(struct http_limit *limit, const char *client, uint64_t now_ms,
                     unsigned *wait_s_r)
{
    char known[HTTP_LIMIT_TEXT_BYTES];
    if (limit->per_s == 0)
        return true;
    snprintf(known, sizeof known, "%s", client[0] == '\0' ? "?" : client);
    struct http_limit_place *place = place_of(limit, known);
    uint64_t now_us = now_ms * 1000, step_us = 1000000 / limit->per_s;
    uint64_t from_us = place->ahead_us > now_us ? place->ahead_us : now_us;
    uint64_t most_us = now_us + (uint64_t)HTTP_LIMIT_BURST_S * 1000000;
    if (from_us + step_us > most_us) {
        *wait_s_r = (unsigned)((from_us + step_us - most_us + 999999) / 1000000);
        return false;
    }
    place->ahead_us = from_us + step_us;
    return true;
}
