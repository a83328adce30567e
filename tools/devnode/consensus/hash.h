/* The hashes of the chain: block ids and merkle trees are SHA-256 twice whatever the algorithm;
 * the proof of work is one of three. Pure functions over the caller's memory; any thread. */
#pragma once
#include "base/bytes.h"

#define HEADER_BYTES 80

enum hash_algorithm {
    HASH_BLAKE2S, /* BLAKE2s-256 of the header, unkeyed (RFC 7693) */
    HASH_SHA256D, /* SHA-256 twice */
    HASH_SCRYPT,  /* scrypt(header, header, N=1024, r=1, p=1), 32 bytes (RFC 7914) */
};

/* False where the name is none of blake2s, sha256d, scrypt. */
MUST_CHECK bool hash_algorithm_parse(const char *name, enum hash_algorithm *algorithm_r);
const char *hash_algorithm_name(enum hash_algorithm algorithm);

void hash_sha256d(struct span bytes, uint8_t digest_r[32]);
/* RIPEMD-160 of SHA-256. */
void hash_160(struct span bytes, uint8_t digest_r[20]);
/* The proof of work of a header, in the digest's own byte order, which is read as a little-endian
 * number when it is compared with a target. */
void hash_pow(enum hash_algorithm algorithm, const uint8_t header[HEADER_BYTES],
              uint8_t digest_r[32]);

/* The merkle root of `count` leaves of 32 bytes, which are overwritten. *mutated_r says that two
 * neighbours of some level were equal, so that another list of leaves has the same root
 * (CVE-2012-2459). No leaves give 32 zero bytes. */
void hash_merkle_root(uint8_t *leaves, size_t count, uint8_t root_r[32], bool *mutated_r);
