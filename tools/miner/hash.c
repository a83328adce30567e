#include "tools/miner/hash.h"

#include <openssl/evp.h>
#include <sodium.h>

static const char *const algorithm_names[] = { "sha256d", "blake2s", "scrypt" };

bool miner_algorithm_parse(const char *name, enum miner_algorithm *algorithm_r)
{
    for (size_t i = 0; i < sizeof algorithm_names / sizeof *algorithm_names; i++)
        if (strcmp(name, algorithm_names[i]) == 0) {
            *algorithm_r = (enum miner_algorithm)i;
            return true;
        }
    return false;
}

const char *miner_algorithm_name(enum miner_algorithm algorithm)
{
    return algorithm_names[algorithm];
}

static inline uint32_t rotate_right(uint32_t value, unsigned by)
{
    return value >> by | value << (32 - by);
}

static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* The same words start SHA-256 and BLAKE2s. */
static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

static void sha256_block(uint32_t state[8], const uint32_t words[16])
{
    uint32_t w[64];
    uint32_t s[8];
    memcpy(w, words, 16 * sizeof *w);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15];
        uint32_t b = w[i - 2];
        w[i] = w[i - 16] + (rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t big1 = rotate_right(s[4], 6) ^ rotate_right(s[4], 11) ^ rotate_right(s[4], 25);
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t one = s[7] + big1 + choice + sha256_k[i] + w[i];
        uint32_t big0 = rotate_right(s[0], 2) ^ rotate_right(s[0], 13) ^ rotate_right(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        s[7] = s[6];
        s[6] = s[5];
        s[5] = s[4];
        s[4] = s[3] + one;
        s[3] = s[2];
        s[2] = s[1];
        s[1] = s[0];
        s[0] = one + big0 + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static const uint8_t blake2s_order[10][16] = {
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    { 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
    { 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
    { 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
    { 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
    { 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
    { 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
    { 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
    { 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
    { 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

#define BLAKE2S_MIX(a, b, c, d, x, y)                                                              \
    do {                                                                                           \
        v[a] += v[b] + (x);                                                                        \
        v[d] = rotate_right(v[d] ^ v[a], 16);                                                      \
        v[c] += v[d];                                                                              \
        v[b] = rotate_right(v[b] ^ v[c], 12);                                                      \
        v[a] += v[b] + (y);                                                                        \
        v[d] = rotate_right(v[d] ^ v[a], 8);                                                       \
        v[c] += v[d];                                                                              \
        v[b] = rotate_right(v[b] ^ v[c], 7);                                                       \
    } while (0)

static void blake2s_block(uint32_t state[8], const uint32_t m[16], uint32_t bytes_so_far, bool last)
{
    uint32_t v[16];
    memcpy(v, state, 32);
    memcpy(v + 8, initial, 32);
    v[12] ^= bytes_so_far;
    if (last)
        v[14] = ~v[14];
    for (int round = 0; round < 10; round++) {
        const uint8_t *o = blake2s_order[round];
        BLAKE2S_MIX(0, 4, 8, 12, m[o[0]], m[o[1]]);
        BLAKE2S_MIX(1, 5, 9, 13, m[o[2]], m[o[3]]);
        BLAKE2S_MIX(2, 6, 10, 14, m[o[4]], m[o[5]]);
        BLAKE2S_MIX(3, 7, 11, 15, m[o[6]], m[o[7]]);
        BLAKE2S_MIX(0, 5, 10, 15, m[o[8]], m[o[9]]);
        BLAKE2S_MIX(1, 6, 11, 12, m[o[10]], m[o[11]]);
        BLAKE2S_MIX(2, 7, 8, 13, m[o[12]], m[o[13]]);
        BLAKE2S_MIX(3, 4, 9, 14, m[o[14]], m[o[15]]);
    }
    for (int i = 0; i < 8; i++)
        state[i] ^= v[i] ^ v[i + 8];
}

void miner_scan_init(struct miner_scan *scan, enum miner_algorithm algorithm,
                     const uint8_t header[MINER_HEADER_BYTES], const uint8_t target[32])
{
    uint32_t words[16];
    scan->algorithm = algorithm;
    memcpy(scan->header, header, MINER_HEADER_BYTES);
    memcpy(scan->target, target, 32);
    memcpy(scan->midstate, initial, sizeof initial);
    if (algorithm == MINER_SHA256D) {
        for (size_t i = 0; i < 16; i++)
            words[i] = load_be32(header + 4 * i);
        sha256_block(scan->midstate, words);
    } else if (algorithm == MINER_BLAKE2S) {
        for (size_t i = 0; i < 16; i++)
            words[i] = load_le32(header + 4 * i);
        scan->midstate[0] ^= 0x01010020; /* 32 bytes out, no key, fan-out and depth 1 */
        blake2s_block(scan->midstate, words, 64, false);
    }
}

/* Digest words of the header with this nonce, in memory order as little-endian words. */
static void digest_with(const struct miner_scan *scan, uint32_t nonce, uint32_t digest_r[8])
{
    uint32_t words[16] = { 0 };
    uint32_t state[8];
    memcpy(state, scan->midstate, sizeof state);
    if (scan->algorithm == MINER_BLAKE2S) {
        for (size_t i = 0; i < 3; i++)
            words[i] = load_le32(scan->header + 64 + 4 * i);
        words[3] = nonce;
        blake2s_block(state, words, 80, true);
        memcpy(digest_r, state, sizeof state);
        return;
    }
    for (size_t i = 0; i < 3; i++)
        words[i] = load_be32(scan->header + 64 + 4 * i);
    words[3] = __builtin_bswap32(nonce);
    words[4] = 0x80000000;
    words[15] = 80 * 8;
    sha256_block(state, words);
    memset(words, 0, sizeof words);
    memcpy(words, state, sizeof state);
    words[8] = 0x80000000;
    words[15] = 32 * 8;
    memcpy(state, initial, sizeof state);
    sha256_block(state, words);
    for (size_t i = 0; i < 8; i++)
        digest_r[i] = __builtin_bswap32(state[i]);
}

bool miner_scan_run(struct miner_scan *scan, uint32_t *nonce, uint32_t count, uint32_t *tried_r)
{
    uint32_t top = load_le32(scan->target + 28);
    for (*tried_r = 0; *tried_r < count;) {
        uint8_t bytes[32];
        (*tried_r)++;
        if (scan->algorithm == MINER_SCRYPT) {
            store_le32(scan->header + 76, *nonce);
            miner_hash_reference(MINER_SCRYPT, scan->header, bytes);
        } else {
            uint32_t digest[8];
            digest_with(scan, *nonce, digest);
            if (digest[7] > top) {
                if (++*nonce == 0)
                    return false;
                continue;
            }
            memcpy(bytes, digest, sizeof bytes);
        }
        if (miner_target_met(bytes, scan->target))
            return true;
        if (++*nonce == 0)
            return false;
    }
    return false;
}

void miner_sha256d(struct span bytes, uint8_t digest_r[32])
{
    uint8_t once[32];
    crypto_hash_sha256(once, bytes.data, bytes.length);
    crypto_hash_sha256(digest_r, once, sizeof once);
}

void miner_hash_reference(enum miner_algorithm algorithm, const uint8_t header[MINER_HEADER_BYTES],
                          uint8_t digest_r[32])
{
    int good = 1;
    if (algorithm == MINER_SHA256D)
        miner_sha256d(span_of(header, MINER_HEADER_BYTES), digest_r);
    else if (algorithm == MINER_BLAKE2S)
        good = EVP_Digest(header, MINER_HEADER_BYTES, digest_r, NULL, EVP_blake2s256(), NULL);
    else
        good = crypto_pwhash_scryptsalsa208sha256_ll(header, MINER_HEADER_BYTES, header,
                                                     MINER_HEADER_BYTES, 1024, 1, 1, digest_r,
                                                     32) == 0;
    ASSERT(good == 1);
}

bool miner_target_met(const uint8_t digest[32], const uint8_t target[32])
{
    for (size_t i = 32; i-- > 0;)
        if (digest[i] != target[i])
            return digest[i] < target[i];
    return true;
}
