#include "tools/devnode/consensus/hash.h"

#include <openssl/evp.h>
#include <sodium.h>

static const char *const algorithm_names[] = { "blake2s", "sha256d", "scrypt" };

bool hash_algorithm_parse(const char *name, enum hash_algorithm *algorithm_r)
{
    for (size_t i = 0; i < sizeof algorithm_names / sizeof *algorithm_names; i++)
        if (strcmp(name, algorithm_names[i]) == 0) {
            *algorithm_r = (enum hash_algorithm)i;
            return true;
        }
    return false;
}

const char *hash_algorithm_name(enum hash_algorithm algorithm)
{
    return algorithm_names[algorithm];
}

void hash_sha256d(struct span bytes, uint8_t digest_r[32])
{
    uint8_t once[32];
    crypto_hash_sha256(once, bytes.data, bytes.length);
    crypto_hash_sha256(digest_r, once, sizeof once);
}

static void evp_digest(const EVP_MD *kind, struct span bytes, uint8_t *digest_r)
{
    int ok = EVP_Digest(bytes.data, bytes.length, digest_r, NULL, kind, NULL);
    ASSERT(ok == 1);
}

void hash_160(struct span bytes, uint8_t digest_r[20])
{
    uint8_t once[32];
    crypto_hash_sha256(once, bytes.data, bytes.length);
    evp_digest(EVP_ripemd160(), span_of(once, sizeof once), digest_r);
}

void hash_pow(enum hash_algorithm algorithm, const uint8_t header[HEADER_BYTES],
              uint8_t digest_r[32])
{
    if (algorithm == HASH_BLAKE2S) {
        evp_digest(EVP_blake2s256(), span_of(header, HEADER_BYTES), digest_r);
    } else if (algorithm == HASH_SHA256D) {
        hash_sha256d(span_of(header, HEADER_BYTES), digest_r);
    } else {
        int bad = crypto_pwhash_scryptsalsa208sha256_ll(header, HEADER_BYTES, header, HEADER_BYTES,
                                                        1024, 1, 1, digest_r, 32);
        ASSERT(algorithm == HASH_SCRYPT && bad == 0);
    }
}

void hash_merkle_root(uint8_t *leaves, size_t count, uint8_t root_r[32], bool *mutated_r)
{
    *mutated_r = false;
    if (count == 0) {
        memset(root_r, 0, 32);
        return;
    }
    while (count > 1) {
        size_t parents = 0;
        for (size_t i = 0; i < count; i += 2) {
            uint8_t pair[64];
            memcpy(pair, leaves + 32 * i, 32);
            if (i + 1 < count) {
                memcpy(pair + 32, leaves + 32 * (i + 1), 32);
                if (memcmp(pair, pair + 32, 32) == 0)
                    *mutated_r = true;
            } else {
                memcpy(pair + 32, pair, 32);
            }
            hash_sha256d(span_of(pair, sizeof pair), leaves + 32 * parents++);
        }
        count = parents;
    }
    memcpy(root_r, leaves, 32);
}
