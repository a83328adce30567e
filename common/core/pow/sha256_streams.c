/* SHA-256 of several messages by x86's SHA extensions, four at a time: a stream of these
 * instructions mostly waits for itself (each takes four cycles, and each needs the one before it),
 * so others beside it cost little. sha256_shani.c explains the instructions. A lane is its eight
 * state words in order. */
#include "core/pow/sha256_engines.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { STREAMS = 4 };

#define SHA_CODE __attribute__((target("sha,sse4.1,ssse3")))
#define SHA_INLINE SHA_CODE static inline __attribute__((always_inline))

/* The streams being hashed: states as the instructions want them, message words four a register. */
struct streams {
    __m128i abef[STREAMS], cdgh[STREAMS];
    __m128i w[STREAMS][4];
};

#define FOR_EACH_STREAM(at, n) _Pragma("GCC unroll 4") for (size_t at = 0; at < (n); at++)

SHA_INLINE __m128i load(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

SHA_INLINE void store(void *at, __m128i value)
{
    _mm_storeu_si128((__m128i *)at, value);
}

SHA_INLINE __m128i swap_bytes(__m128i words)
{
    return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL));
}

SHA_INLINE void load_state(struct streams *s, size_t at, const uint32_t h[8])
{
    __m128i cdab = _mm_shuffle_epi32(load(h), 0xb1), efgh = _mm_shuffle_epi32(load(h + 4), 0x1b);
    s->abef[at] = _mm_alignr_epi8(cdab, efgh, 8);
    s->cdgh[at] = _mm_blend_epi16(efgh, cdab, 0xf0);
}

/* The words a to d and e to h, in order. */
SHA_INLINE void state_words(const struct streams *s, size_t at, __m128i words_r[2])
{
    __m128i feba = _mm_shuffle_epi32(s->abef[at], 0x1b);
    __m128i dchg = _mm_shuffle_epi32(s->cdgh[at], 0xb1);
    words_r[0] = _mm_blend_epi16(feba, dchg, 0xf0);
    words_r[1] = _mm_alignr_epi8(dchg, feba, 8);
}

SHA_INLINE void two_rounds_twice(struct streams *s, size_t at, __m128i sum)
{
    s->cdgh[at] = _mm_sha256rnds2_epu32(s->cdgh[at], s->abef[at], sum);
    s->abef[at] = _mm_sha256rnds2_epu32(s->abef[at], s->cdgh[at], _mm_shuffle_epi32(sum, 0x0e));
}

/* n, as everywhere below, is STREAMS or 1 and known when compiled; every loop over it is unrolled,
 * so that states and words are registers (those that do not fit are spilled, which costs less than
 * waiting). */
SHA_INLINE void compress(struct streams *s, size_t n)
{
    const struct streams before = *s;
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        __m128i k = load(&sha256_round_constants[4 * i]);
        FOR_EACH_STREAM(at, n)
        {
            __m128i *w = s->w[at];
            two_rounds_twice(s, at, _mm_add_epi32(w[i % 4], k));
            if (i < 12) {
                __m128i w7 = _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4);
                __m128i part = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), w7);
                w[i % 4] = _mm_sha256msg2_epu32(part, w[(i + 3) % 4]);
            }
        }
    }
    FOR_EACH_STREAM(at, n)
    {
        s->abef[at] = _mm_add_epi32(s->abef[at], before.abef[at]);
        s->cdgh[at] = _mm_add_epi32(s->cdgh[at], before.cdgh[at]);
    }
}

SHA_INLINE void compress_same(struct streams *s, size_t n, const uint32_t schedule[64])
{
    const struct streams before = *s;
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        __m128i sum = load(&schedule[4 * i]);
        FOR_EACH_STREAM(at, n)
        two_rounds_twice(s, at, sum);
    }
    FOR_EACH_STREAM(at, n)
    {
        s->abef[at] = _mm_add_epi32(s->abef[at], before.abef[at]);
        s->cdgh[at] = _mm_add_epi32(s->cdgh[at], before.cdgh[at]);
    }
}

/* The digests become the first half of the next message, and the states begin anew. */
SHA_INLINE void digest_to_message(struct streams *s, size_t n, const __m128i second_half[2])
{
    FOR_EACH_STREAM(at, n)
    {
        state_words(s, at, s->w[at]);
        s->w[at][2] = second_half[0];
        s->w[at][3] = second_half[1];
        load_state(s, at, sha256_initial_state);
    }
}

SHA_INLINE void rehash(struct streams *s, size_t n)
{
    const __m128i padding[2] = { _mm_set_epi32(0, 0, 0, (int)0x80000000),
                                 _mm_set_epi32(256, 0, 0, 0) };
    digest_to_message(s, n, padding);
    compress(s, n);
}

SHA_INLINE void load_states(struct streams *s, size_t n, const uint32_t *words)
{
    FOR_EACH_STREAM(at, n)
    load_state(s, at, words + 8 * at);
}

SHA_INLINE void store_states(const struct streams *s, size_t n, uint32_t *words)
{
    FOR_EACH_STREAM(at, n)
    {
        __m128i state[2];
        state_words(s, at, state);
        store(words + 8 * at, state[0]);
        store(words + 8 * at + 4, state[1]);
    }
}

SHA_INLINE void blocks_of(uint32_t *words, const uint8_t *const *blocks, size_t n)
{
    struct streams s;
    load_states(&s, n, words);
    FOR_EACH_STREAM(at, n)
    FOR_EACH_STREAM(i, 4)
    s.w[at][i] = swap_bytes(load(blocks[at] + 16 * i));
    compress(&s, n);
    store_states(&s, n, words);
}

SHA_INLINE void same_of(uint32_t *words, const uint32_t schedule[64], size_t n)
{
    struct streams s;
    load_states(&s, n, words);
    compress_same(&s, n, schedule);
    store_states(&s, n, words);
}

SHA_INLINE void rehash_of(uint32_t *words, size_t n)
{
    struct streams s;
    load_states(&s, n, words);
    rehash(&s, n);
    store_states(&s, n, words);
}

SHA_INLINE void merkle_of(uint32_t *words, const uint8_t branch[32], size_t n)
{
    const __m128i right[2] = { swap_bytes(load(branch)), swap_bytes(load(branch + 16)) };
    struct streams s;
    load_states(&s, n, words);
    digest_to_message(&s, n, right);
    compress(&s, n);
    compress_same(&s, n, sha256_padding_schedule);
    rehash(&s, n);
    store_states(&s, n, words);
}

SHA_CODE static void streams_begin(struct sha256_lanes *lanes, const uint32_t h[8])
{
    for (size_t lane = 0; lane < SHA256_LANES_MAX; lane++)
        memcpy(lanes->words + 8 * lane, h, 32);
}

/* Below: a last lane by itself takes one stream; two or three take four, of which some are idle
 * (they hash what stands in the unused lanes). */
SHA_CODE static void streams_blocks(struct sha256_lanes *lanes, const uint8_t *const *blocks,
                                    size_t count)
{
    size_t lane = 0;
    for (; lane + 1 < count; lane += STREAMS) {
        const uint8_t *given[STREAMS];
        for (size_t at = 0; at < STREAMS; at++)
            given[at] = blocks[lane + at < count ? lane + at : lane];
        blocks_of(lanes->words + 8 * lane, given, STREAMS);
    }
    if (lane < count)
        blocks_of(lanes->words + 8 * lane, blocks + lane, 1);
}

SHA_CODE static void streams_same_block(struct sha256_lanes *lanes, const uint32_t schedule[64],
                                        size_t count)
{
    size_t lane = 0;
    for (; lane + 1 < count; lane += STREAMS)
        same_of(lanes->words + 8 * lane, schedule, STREAMS);
    if (lane < count)
        same_of(lanes->words + 8 * lane, schedule, 1);
}

SHA_CODE static void streams_redigest(struct sha256_lanes *lanes, size_t count)
{
    size_t lane = 0;
    for (; lane + 1 < count; lane += STREAMS)
        rehash_of(lanes->words + 8 * lane, STREAMS);
    if (lane < count)
        rehash_of(lanes->words + 8 * lane, 1);
}

SHA_CODE static void streams_merkle(struct sha256_lanes *lanes, const uint8_t branch[32],
                                    size_t count)
{
    size_t lane = 0;
    for (; lane + 1 < count; lane += STREAMS)
        merkle_of(lanes->words + 8 * lane, branch, STREAMS);
    if (lane < count)
        merkle_of(lanes->words + 8 * lane, branch, 1);
}

SHA_CODE static void streams_digests(const struct sha256_lanes *lanes, uint8_t (*hashes_r)[32],
                                     size_t count)
{
    for (size_t lane = 0; lane < count; lane++)
        for (size_t half = 0; half < 2; half++)
            store(hashes_r[lane] + 16 * half, swap_bytes(load(lanes->words + 8 * lane + 4 * half)));
}

const struct sha256_engine sha256_engine_shani = {
    .name = "sha-ni",
    .lanes = SHA256_LANES_MAX,
    .begin = streams_begin,
    .blocks = streams_blocks,
    .same_block = streams_same_block,
    .redigest = streams_redigest,
    .merkle = streams_merkle,
    .digests = streams_digests,
};

#else
const struct sha256_engine sha256_engine_shani = { .name = "none" };
#endif
