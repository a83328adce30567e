/* The names whose binding in the store was seen, remembered within a bound: the longest unused
 * goes first. A name stands here as 16 bytes of a keyed hash, so that nobody outside can make two
 * names meet. All memory is taken at the start; one thread. */
#pragma once
#include "base/bytes.h"

enum { KNOWN_KEY_BYTES = 16 };

struct known;

/* NULL when there is no memory. Room for `max` ≥ 1 names. Caller owns. */
MUST_CHECK struct known *known_create(size_t max);
void known_destroy(struct known *known);

/* True with the time of its last known_put; it is the most recently used then. */
MUST_CHECK bool known_find(struct known *known, const uint8_t key[KNOWN_KEY_BYTES],
                           uint64_t *seen_ms_r);
/* Remembers, or renews; the longest unused name makes room. */
void known_put(struct known *known, const uint8_t key[KNOWN_KEY_BYTES], uint64_t now_ms);
/* Nothing happens where it is not known. */
void known_remove(struct known *known, const uint8_t key[KNOWN_KEY_BYTES]);
size_t known_count(const struct known *known);
/* Aborts unless lists, table and count agree. For tests. */
void known_verify(const struct known *known);
