#include "core/pow/pow.h"
#include "core/pow/blake2s.h"
#include "core/pow/scrypt.h"
#include "core/pow/sha256_lanes.h"

_Static_assert(POW_SCRATCH_BYTES >= SCRYPT_SCRATCH_BYTES, "POW_SCRATCH_BYTES is enough for all");

const char *pow_algorithm_name(enum pow_algorithm algorithm)
{
    switch (algorithm) {
#define X(name, value, text, shift)                                                                \
    case name:                                                                                     \
        return text;
        POW_ALGORITHMS(X)
#undef X
    }
    return NULL;
}

bool pow_algorithm_from_name(struct span name, enum pow_algorithm *algorithm_r)
{
#define X(algorithm, value, text, shift)                                                           \
    if (span_equal(name, span_text(text))) {                                                       \
        *algorithm_r = algorithm;                                                                  \
        return true;                                                                               \
    }
    POW_ALGORITHMS(X)
#undef X
    return false;
}

bool pow_algorithm_from_wire(uint64_t value, enum pow_algorithm *algorithm_r)
{
#define X(algorithm, wire, text, shift)                                                            \
    if (value == wire) {                                                                           \
        *algorithm_r = algorithm;                                                                  \
        return true;                                                                               \
    }
    POW_ALGORITHMS(X)
#undef X
    return false;
}

size_t pow_scratch_bytes(enum pow_algorithm algorithm)
{
    return algorithm == POW_SCRYPT ? SCRYPT_SCRATCH_BYTES : 0;
}

void pow_hash(enum pow_algorithm algorithm, const uint8_t header[POW_HEADER_BYTES], void *scratch,
              uint8_t hash_r[POW_HASH_BYTES])
{
    ASSERT(pow_algorithm_name(algorithm) != NULL);
    switch (algorithm) {
    case POW_SHA256D:
        sha256d_header(header, hash_r);
        return;
    case POW_BLAKE2S:
        blake2s_256(span_of(header, POW_HEADER_BYTES), hash_r);
        return;
    case POW_SCRYPT:
        ASSERT(scratch != NULL);
        scrypt_1024_1_1(span_of(header, POW_HEADER_BYTES), scratch, hash_r);
        return;
    }
}

void pow_hash_many(enum pow_algorithm algorithm, const uint8_t (*headers)[POW_HEADER_BYTES],
                   size_t count, void *scratch, uint8_t (*hashes_r)[POW_HASH_BYTES])
{
    if (algorithm == POW_SHA256D) {
        sha256d_headers(headers, count, hashes_r);
        return;
    }
    if (algorithm == POW_SCRYPT) {
        ASSERT(scratch != NULL);
        scrypt_headers(headers, count, scratch, hashes_r);
        return;
    }
    for (size_t i = 0; i < count; i++)
        pow_hash(algorithm, headers[i], scratch, hashes_r[i]);
}
