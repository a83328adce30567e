#include "core/pow/sha256_engines.h"

_Alignas(64) const uint32_t sha256_round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const uint32_t sha256_initial_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t rotate_right(uint32_t x, int bits)
{
    return x >> bits | x << (32 - bits);
}

void sha256_extend(const uint8_t block[64], uint32_t w_r[64])
{
    for (int i = 0; i < 16; i++)
        w_r[i] = load_be32(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w_r[i - 15], b = w_r[i - 2];
        uint32_t s0 = rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3;
        uint32_t s1 = rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10;
        w_r[i] = w_r[i - 16] + s0 + w_r[i - 7] + s1;
    }
}

void sha256_blocks_portable(uint32_t h[8], const uint8_t *blocks, size_t count)
{
    for (; count > 0; count--, blocks += 64) {
        uint32_t w[64];
        sha256_extend(blocks, w);
        uint32_t v[8];
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 64; i++) {
            uint32_t a = v[0], e = v[4];
            uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
            uint32_t choice = (e & v[5]) ^ (~e & v[6]);
            uint32_t t1 = v[7] + s1 + choice + sha256_round_constants[i] + w[i];
            uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
            uint32_t majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
            v[7] = v[6];
            v[6] = v[5];
            v[5] = v[4];
            v[4] = v[3] + t1;
            v[3] = v[2];
            v[2] = v[1];
            v[1] = v[0];
            v[0] = t1 + s0 + majority;
        }
        for (int i = 0; i < 8; i++)
            h[i] += v[i];
    }
}

/* Which code compresses, chosen once before main and never changed: asking the processor each time
 * (CPUID) traps under most hypervisors and costs more than the hash. Until then, and elsewhere, the
 * portable code runs, so constructors may hash too. */
static void (*blocks_chosen)(uint32_t h[8], const uint8_t *blocks,
                             size_t count) = sha256_blocks_portable;

__attribute__((constructor)) static void choose_blocks(void)
{
    if (sha256_shani_available())
        blocks_chosen = sha256_blocks_shani;
}

void sha256_blocks(uint32_t h[8], const uint8_t *blocks, size_t count)
{
    blocks_chosen(h, blocks, count);
}

void sha256_init(struct sha256_state *state)
{
    memcpy(state->h, sha256_initial_state, sizeof state->h);
    state->length_bytes = 0;
}

void sha256_update(struct sha256_state *state, struct span bytes)
{
    const uint8_t *data = bytes.data;
    size_t length = bytes.length, used = state->length_bytes % 64;
    if (length == 0)
        return;
    state->length_bytes += length;
    if (used > 0) {
        size_t part = 64 - used < length ? 64 - used : length;
        memcpy(state->block + used, data, part);
        if (used + part < 64)
            return;
        blocks_chosen(state->h, state->block, 1);
        data += part;
        length -= part;
    }
    if (length >= 64)
        blocks_chosen(state->h, data, length / 64);
    if (length % 64 > 0)
        memcpy(state->block, data + length / 64 * 64, length % 64);
}

static void store_digest(const uint32_t h[8], uint8_t hash_r[32])
{
    for (int i = 0; i < 8; i++)
        store_be32(hash_r + 4 * i, h[i]);
}

/* Pads and compresses what is left in the block. */
static void finish(struct sha256_state *state)
{
    size_t used = state->length_bytes % 64;
    state->block[used++] = 0x80;
    if (used > 56) {
        memset(state->block + used, 0, 64 - used);
        blocks_chosen(state->h, state->block, 1);
        used = 0;
    }
    memset(state->block + used, 0, 56 - used);
    store_be64(state->block + 56, state->length_bytes * 8);
    blocks_chosen(state->h, state->block, 1);
}

void sha256_final(struct sha256_state *state, uint8_t hash_r[32])
{
    finish(state);
    store_digest(state->h, hash_r);
}

/* The second hash of a double: of the 32 bytes of a digest. */
void sha256_redigest(uint32_t h[8])
{
    uint8_t block[64] = { 0 };
    store_digest(h, block);
    block[32] = 0x80;
    block[62] = 0x01; /* 256 bits */
    memcpy(h, sha256_initial_state, sizeof sha256_initial_state);
    blocks_chosen(h, block, 1);
}

void sha256d_final(struct sha256_state *state, uint8_t hash_r[32])
{
    finish(state);
    sha256_redigest(state->h);
    store_digest(state->h, hash_r);
}

void sha256(struct span bytes, uint8_t hash_r[32])
{
    struct sha256_state state;
    sha256_init(&state);
    sha256_update(&state, bytes);
    sha256_final(&state, hash_r);
}

void sha256d(struct span bytes, uint8_t hash_r[32])
{
    struct sha256_state state;
    sha256_init(&state);
    sha256_update(&state, bytes);
    sha256d_final(&state, hash_r);
}

void sha256d_pair_state(const uint8_t pair[64], uint32_t h_r[8])
{
    static const uint8_t padding[64] = { [0] = 0x80, [62] = 0x02 }; /* 512 bits */
    memcpy(h_r, sha256_initial_state, sizeof sha256_initial_state);
    blocks_chosen(h_r, pair, 1);
    blocks_chosen(h_r, padding, 1);
    sha256_redigest(h_r);
}

void sha256d_pair(const uint8_t pair[64], uint8_t hash_r[32])
{
    uint32_t h[8];
    sha256d_pair_state(pair, h);
    store_digest(h, hash_r);
}

void sha256d_header(const uint8_t header[80], uint8_t hash_r[32])
{
    uint8_t blocks[128] = {0};
    uint32_t h[8];
    memcpy(blocks, header, 80);
    blocks[80] = 0x80;
    store_be64(blocks + 120, 80 * 8);
    memcpy(h, sha256_initial_state, sizeof h);
    blocks_chosen(h, blocks, 2);
    sha256_redigest(h);
    store_digest(h, hash_r);
}
