/* BLAKE2s-256, unkeyed (RFC 7693), in one call. Pure; the caller's memory; any thread. The digest
 * is in RFC order, which pow.h reads as a little-endian number. */
#pragma once
#include "base/bytes.h"

void blake2s_256(struct span bytes, uint8_t hash_r[32]);
