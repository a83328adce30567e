/* BLAKE2b (RFC 7693) with an optional key and any digest length, in one call over a list of parts.
 * Pure; the caller's memory; any thread. */
#pragma once
#include "base/bytes.h"

/* key.length ≤ 64, 1 ≤ digest_bytes ≤ 64 (a bug otherwise: aborts). The parts are hashed as one
 * message, one behind the other. */
void blake2b(struct span key, const struct span *parts, size_t parts_count, uint8_t *digest_r,
             size_t digest_bytes);
