/* Proof of work: from the 80 bytes of a block header to the hash that is compared with a target.
 *
 * Pure: no heap, no locks, no I/O; every function may be called from any thread. The only state is
 * which SHA-256 code this processor runs, decided once before main. All memory is the caller's.
 *
 * A hash is 32 bytes in *internal order*: read as a little-endian number (u256_load_le) it is what
 * consensus compares with the target. Display order (explorers, RPC) is the reverse. */
#pragma once
#include "base/bytes.h"

#define POW_HEADER_BYTES 80
#define POW_HASH_BYTES 32

/* X(enum name, wire value, name in settings, difficulty shift k: the difficulty a miner is told is
 * work / 2^k). The wire values are part of stored and sent bytes: never renumber. */
#define POW_ALGORITHMS(X)                                                                          \
    X(POW_SHA256D, 0, "sha256d", 32)                                                               \
    X(POW_BLAKE2S, 1, "blake2s", 32)                                                               \
    X(POW_SCRYPT, 2, "scrypt", 16)

enum pow_algorithm {
#define X(name, value, text, shift) name = value,
    POW_ALGORITHMS(X)
#undef X
};

/* The name as settings spell it, static; NULL for a value that is no algorithm. */
const char *pow_algorithm_name(enum pow_algorithm algorithm);

/* False, with *algorithm_r untouched, for a name that is none of the above. */
MUST_CHECK bool pow_algorithm_from_name(struct span name, enum pow_algorithm *algorithm_r);
MUST_CHECK bool pow_algorithm_from_wire(uint64_t value, enum pow_algorithm *algorithm_r);

/* Bytes of scratch memory pow_hash needs: 0 unless scrypt. POW_SCRATCH_BYTES is enough for all. */
#define POW_SCRATCH_BYTES (4 * 131072 + 64)
size_t pow_scratch_bytes(enum pow_algorithm algorithm);

/* The proof-of-work hash of a header. scratch (borrowed during the call, any alignment, at least
 * pow_scratch_bytes) may be NULL where none is needed. */
void pow_hash(enum pow_algorithm algorithm, const uint8_t header[POW_HEADER_BYTES], void *scratch,
              uint8_t hash_r[POW_HASH_BYTES]);

/* The same for any number of headers, several at once where that is faster; scratch as above. */
void pow_hash_many(enum pow_algorithm algorithm, const uint8_t (*headers)[POW_HEADER_BYTES],
                   size_t count, void *scratch, uint8_t (*hashes_r)[POW_HASH_BYTES]);
