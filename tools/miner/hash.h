/* Proof-of-work hashing for a CPU miner: sha256d and BLAKE2s with the constant first 64 bytes of
 * the header hashed once, scrypt by libsodium. Written from the standards (FIPS 180-4, RFC 7693,
 * RFC 7914), sharing nothing with the pool's own code, so that the two check each other. Values
 * only; any thread. */
#pragma once
#include "base/bytes.h"

#define MINER_HEADER_BYTES 80

enum miner_algorithm { MINER_SHA256D, MINER_BLAKE2S, MINER_SCRYPT };

/* False where the name is none of sha256d, blake2s, scrypt. */
MUST_CHECK bool miner_algorithm_parse(const char *name, enum miner_algorithm *algorithm_r);
const char *miner_algorithm_name(enum miner_algorithm algorithm);

struct miner_scan {
    enum miner_algorithm algorithm;
    uint8_t header[MINER_HEADER_BYTES];
    uint32_t midstate[8]; /* after the first 64 bytes */
    uint8_t target[32];   /* little-endian, as digests are read */
};

void miner_scan_init(struct miner_scan *scan, enum miner_algorithm algorithm,
                     const uint8_t header[MINER_HEADER_BYTES], const uint8_t target[32]);
/* Tries `count` nonces from *nonce on (wrapping ends it early). True when one meets the target:
 * *nonce is that one. False: *nonce is the next to try. */
bool miner_scan_run(struct miner_scan *scan, uint32_t *nonce, uint32_t count, uint32_t *tried_r);

/* The digest by the libraries' one-shot functions: what a found share is checked with again. */
void miner_hash_reference(enum miner_algorithm algorithm, const uint8_t header[MINER_HEADER_BYTES],
                          uint8_t digest_r[32]);
void miner_sha256d(struct span bytes, uint8_t digest_r[32]);
/* digest <= target, both as little-endian 256-bit numbers. */
bool miner_target_met(const uint8_t digest[32], const uint8_t target[32]);
