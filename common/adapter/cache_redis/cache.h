/* redis.cache, for what may be lost: here counts that live for a while. By hiredis, blocking: for a
 * worker's thread, one at a time. It connects when it is first needed, and again after a failure.
 *
 * No call lasts longer than the time given at opening, and while the server is away most fail at
 * once: it is asked once a second. Nothing here is ever needed to be right: callers go on without.
 */
#pragma once
#include "base/bytes.h"

struct cache;

/* Connects to nothing yet. NULL and *error where the URL (unix:/path, tcp://[:password@]host:port)
 * cannot be read. Caller owns. */
MUST_CHECK struct cache *cache_open(const char *url, unsigned timeout_ms, struct error *error);
void cache_close(struct cache *cache);

enum { CACHE_KEYS_MAX = 4, CACHE_KEY_BYTES_MAX = 64 };

struct cache_count {
    struct span key; /* CACHE_KEY_BYTES_MAX at the most */
    unsigned max;
};

/* Adds one to every count, or to none where one has reached its `max`: *allowed_r says which, and
 * *wait_ms_r when the first full one ends. A count ends `window_ms` after it began. False with
 * *error where the server did not answer; then it may have counted. */
MUST_CHECK bool cache_take(struct cache *cache, const struct cache_count *counts, size_t count,
                           uint64_t window_ms, bool *allowed_r, uint64_t *wait_ms_r,
                           struct error *error);
/* Takes one back from a count that is above 0, or forgets it. */
MUST_CHECK bool cache_give_back(struct cache *cache, struct span key, struct error *error);
MUST_CHECK bool cache_forget(struct cache *cache, struct span key, struct error *error);
