#include "core/identity/blake2b.h"

/* RFC 7693 section 2.6. */
static const uint64_t initial_state[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* RFC 7693 section 2.7; rounds 10 and 11 use the first two again. */
static const uint8_t permutations[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

struct state {
    uint64_t h[8];
    uint64_t counted_bytes;
    uint8_t block[128];
    size_t used; /* a full block waits: only the last one gets the final flag */
};

static inline uint64_t rotate_right(uint64_t x, int bits)
{
    return x >> bits | x << (64 - bits);
}

static inline void mix(uint64_t v[16], int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate_right(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotate_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 63);
}

static void compress(struct state *state, bool last)
{
    uint64_t m[16], v[16];
    for (int i = 0; i < 16; i++)
        m[i] = load_le64(state->block + 8 * i);
    memcpy(v, state->h, sizeof state->h);
    memcpy(v + 8, initial_state, sizeof initial_state);
    v[12] ^= state->counted_bytes;
    if (last)
        v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const uint8_t *s = permutations[round % 10];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++)
        state->h[i] ^= v[i] ^ v[i + 8];
}

static void update(struct state *state, struct span bytes)
{
    while (bytes.length > 0) {
        if (state->used == sizeof state->block) {
            compress(state, false);
            state->used = 0;
        }
        size_t room = sizeof state->block - state->used;
        size_t part = bytes.length < room ? bytes.length : room;
        memcpy(state->block + state->used, bytes.data, part);
        state->used += part;
        state->counted_bytes += part;
        bytes.data += part;
        bytes.length -= part;
    }
}

void blake2b(struct span key, const struct span *parts, size_t parts_count, uint8_t *digest_r,
             size_t digest_bytes)
{
    struct state state = {.counted_bytes = 0};
    ASSERT(key.length <= 64 && digest_bytes >= 1 && digest_bytes <= 64);
    memcpy(state.h, initial_state, sizeof state.h);
    state.h[0] ^= 0x01010000 ^ key.length << 8 ^ digest_bytes; /* fan-out 1, depth 1 */
    if (key.length > 0) {
        uint8_t padded[128] = {0};
        memcpy(padded, key.data, key.length);
        update(&state, span_of(padded, sizeof padded));
    }
    for (size_t i = 0; i < parts_count; i++)
        update(&state, parts[i]);
    memset(state.block + state.used, 0, sizeof state.block - state.used);
    compress(&state, true);

    uint8_t digest[64];
    for (int i = 0; i < 8; i++)
        store_le64(digest + 8 * i, state.h[i]);
    memcpy(digest_r, digest, digest_bytes);
}
