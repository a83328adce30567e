/* How often one address may ask. A rate, and ten seconds of it at once (the generic cell rate
 * algorithm of ITU-T I.371: one time stamp a place says how far ahead of its rate an address is).
 * Bounded: where a place is needed, the address that is least ahead of its rate is forgotten. One
 * thread; the caller's memory. */
#pragma once
#include "base/bytes.h"

enum {
    HTTP_LIMIT_SETS = 1024,
    HTTP_LIMIT_WAYS = 4,
    HTTP_LIMIT_TEXT_BYTES = 48,
    HTTP_LIMIT_BURST_S = 10
};

struct http_limit_place {
    char client[HTTP_LIMIT_TEXT_BYTES]; /* "": free */
    uint64_t ahead_us;                  /* when it will be even with its rate */
};

struct http_limit { /* zero-initialise, then set these */
    uint64_t seed;  /* so that nobody can choose addresses of one set */
    uint32_t per_s; /* 0: nothing is bounded */
    struct http_limit_place sets[HTTP_LIMIT_SETS][HTTP_LIMIT_WAYS];
};

/* Counts one question of the address (cut at HTTP_LIMIT_TEXT_BYTES - 1), and true; or false, with
 * the seconds (at least 1) until there is room for one. now_ms does not go back. */
MUST_CHECK bool http_limit_take(struct http_limit *limit, const char *client, uint64_t now_ms,
                                unsigned *wait_s_r);
