/* SHA-256 (FIPS 180-4) and its double, which transaction ids, merkle trees and Bitcoin's block
 * hashes use. Runs the processor's SHA instructions where it has them, portable C elsewhere; both
 * give the same bytes. A state is a plain value: copying it keeps the hash of a prefix (midstate).
 * Pure; the caller's memory; any thread. */
#pragma once
#include "base/bytes.h"

struct sha256_state {
    uint32_t h[8];
    uint64_t length_bytes;
    uint8_t block[64]; /* the last length_bytes % 64 bytes are in here */
};

void sha256_init(struct sha256_state *state);
void sha256_update(struct sha256_state *state, struct span bytes);
/* Ends the hash; the state is used up. */
void sha256_final(struct sha256_state *state, uint8_t hash_r[32]);
/* The same, then hashed once more. */
void sha256d_final(struct sha256_state *state, uint8_t hash_r[32]);

void sha256(struct span bytes, uint8_t hash_r[32]);
void sha256d(struct span bytes, uint8_t hash_r[32]);
/* sha256d of exactly 64 bytes: one merkle step (left hash, right hash). hash_r may be inside
 * `pair`. */
void sha256d_pair(const uint8_t pair[64], uint8_t hash_r[32]);
/* sha256d of exactly 80 bytes: a block header. */
void sha256d_header(const uint8_t header[80], uint8_t hash_r[32]);

/* The compression function over `count` 64-byte blocks, for tests that hold one against the other.
 * sha256_blocks_shani may only be called where sha256_shani_available() says so. */
void sha256_blocks_portable(uint32_t h[8], const uint8_t *blocks, size_t count);
void sha256_blocks_shani(uint32_t h[8], const uint8_t *blocks, size_t count);
bool sha256_shani_available(void);
