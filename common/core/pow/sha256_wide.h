/* The body of an engine with one word of each lane in a vector register; included by a source that
 * is compiled for its processor and defines, before the inclusion:
 *
 *   WIDE_LANES                 lanes of a vector, 8 or 16
 *   wide                       the vector type: WIDE_LANES of uint32_t
 *   WIDE_ROTATE(x, n)          to the right
 *   WIDE_XOR3(x, y, z), WIDE_CHOOSE(x, y, z), WIDE_MAJORITY(x, y, z)
 *
 * The eight state words and the last sixteen message words are a vector each. A block that is the
 * same in all lanes comes as its schedule, so that only the 64 rounds are left of it. */
#pragma once
#include "core/pow/sha256_engines.h"

_Static_assert(sizeof(wide) * 8 <= sizeof(struct sha256_lanes), "the states fit");

#define WIDE_SUM0(x) WIDE_XOR3(WIDE_ROTATE(x, 2), WIDE_ROTATE(x, 13), WIDE_ROTATE(x, 22))
#define WIDE_SUM1(x) WIDE_XOR3(WIDE_ROTATE(x, 6), WIDE_ROTATE(x, 11), WIDE_ROTATE(x, 25))
#define WIDE_SIGMA0(x) WIDE_XOR3(WIDE_ROTATE(x, 7), WIDE_ROTATE(x, 18), (x) >> 3)
#define WIDE_SIGMA1(x) WIDE_XOR3(WIDE_ROTATE(x, 17), WIDE_ROTATE(x, 19), (x) >> 10)

#define WIDE_ROUND(a, b, c, d, e, f, g, h, message)                                                \
    do {                                                                                           \
        wide t1 = ((h) + (message)) + (WIDE_SUM1(e) + WIDE_CHOOSE(e, f, g));                       \
        (d) += t1;                                                                                 \
        (h) = t1 + (WIDE_SUM0(a) + WIDE_MAJORITY(a, b, c));                                        \
    } while (0)

/* Eight rounds, after which the names are back in their places. */
#define WIDE_ROUNDS_8(at, MESSAGE)                                                                 \
    do {                                                                                           \
        WIDE_ROUND(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], MESSAGE((at) + 0));             \
        WIDE_ROUND(v[7], v[0], v[1], v[2], v[3], v[4], v[5], v[6], MESSAGE((at) + 1));             \
        WIDE_ROUND(v[6], v[7], v[0], v[1], v[2], v[3], v[4], v[5], MESSAGE((at) + 2));             \
        WIDE_ROUND(v[5], v[6], v[7], v[0], v[1], v[2], v[3], v[4], MESSAGE((at) + 3));             \
        WIDE_ROUND(v[4], v[5], v[6], v[7], v[0], v[1], v[2], v[3], MESSAGE((at) + 4));             \
        WIDE_ROUND(v[3], v[4], v[5], v[6], v[7], v[0], v[1], v[2], MESSAGE((at) + 5));             \
        WIDE_ROUND(v[2], v[3], v[4], v[5], v[6], v[7], v[0], v[1], MESSAGE((at) + 6));             \
        WIDE_ROUND(v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[0], MESSAGE((at) + 7));             \
    } while (0)

static inline __attribute__((always_inline)) wide wide_all(uint32_t value)
{
    return (wide){ 0 } + value;
}

/* The next sixteen message words from the last sixteen. */
static inline __attribute__((always_inline)) void wide_extend(wide w[16])
{
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        w[i] += WIDE_SIGMA0(w[(i + 1) % 16]) + (w[(i + 9) % 16] + WIDE_SIGMA1(w[(i + 14) % 16]));
}

/* w is used up. */
static inline __attribute__((always_inline)) void wide_compress(wide h[8], wide w[16])
{
    wide v[8];
    for (int i = 0; i < 8; i++)
        v[i] = h[i];
    for (int t = 0; t < 64; t += 16) {
        const uint32_t *k = sha256_round_constants + t;
        if (t > 0)
            wide_extend(w);
#define WIDE_WORD(i) (w[i] + k[i])
        WIDE_ROUNDS_8(0, WIDE_WORD);
        WIDE_ROUNDS_8(8, WIDE_WORD);
#undef WIDE_WORD
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static inline __attribute__((always_inline)) void wide_compress_same(wide h[8],
                                                                     const uint32_t schedule[64])
{
    wide v[8];
    for (int i = 0; i < 8; i++)
        v[i] = h[i];
    for (int t = 0; t < 64; t += 8) {
#define WIDE_WORD(i) wide_all(schedule[t + (i)])
        WIDE_ROUNDS_8(0, WIDE_WORD);
#undef WIDE_WORD
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static inline wide *wide_states(struct sha256_lanes *lanes)
{
    return (wide *)(void *)lanes->words;
}

static void wide_begin(struct sha256_lanes *lanes, const uint32_t h[8])
{
    for (int i = 0; i < 8; i++)
        wide_states(lanes)[i] = wide_all(h[i]);
}

static void wide_blocks(struct sha256_lanes *lanes, const uint8_t *const *blocks, size_t count)
{
    wide w[16];
    uint32_t words[16][WIDE_LANES];
    for (size_t lane = 0; lane < WIDE_LANES; lane++) {
        const uint8_t *block = blocks[lane < count ? lane : 0];
        for (size_t i = 0; i < 16; i++)
            words[i][lane] = load_be32(block + 4 * i);
    }
    memcpy(w, words, sizeof w);
    wide_compress(wide_states(lanes), w);
}

static void wide_same_block(struct sha256_lanes *lanes, const uint32_t schedule[64], size_t count)
{
    (void)count;
    wide_compress_same(wide_states(lanes), schedule);
}

static inline __attribute__((always_inline)) void wide_rehash(wide h[8])
{
    wide w[16];
    for (int i = 0; i < 8; i++) {
        w[i] = h[i];
        h[i] = wide_all(sha256_initial_state[i]);
    }
    w[8] = wide_all(0x80000000);
    for (int i = 9; i < 15; i++)
        w[i] = wide_all(0);
    w[15] = wide_all(256); /* bits */
    wide_compress(h, w);
}

static void wide_redigest(struct sha256_lanes *lanes, size_t count)
{
    (void)count;
    wide_rehash(wide_states(lanes));
}

static void wide_merkle(struct sha256_lanes *lanes, const uint8_t branch[32], size_t count)
{
    (void)count;
    wide *states = wide_states(lanes), w[16];
    for (int i = 0; i < 8; i++) {
        w[i] = states[i];
        w[i + 8] = wide_all(load_be32(branch + 4 * i));
        states[i] = wide_all(sha256_initial_state[i]);
    }
    wide_compress(states, w);
    wide_compress_same(states, sha256_padding_schedule);
    wide_rehash(states);
}

static void wide_digests(const struct sha256_lanes *lanes, uint8_t (*hashes_r)[32], size_t count)
{
    for (size_t i = 0; i < 8; i++)
        for (size_t lane = 0; lane < count; lane++)
            store_be32(hashes_r[lane] + 4 * i, lanes->words[i * WIDE_LANES + lane]);
}

#define WIDE_ENGINE(label)                                                                         \
    {                                                                                              \
        .name = (label), .lanes = WIDE_LANES, .begin = wide_begin, .blocks = wide_blocks,          \
        .same_block = wide_same_block, .redigest = wide_redigest, .merkle = wide_merkle,           \
        .digests = wide_digests                                                                    \
    }
