/* SHA-256 of several messages at once, in lock step: the shares of a batch, each in its own lane.
 *
 * An engine is a table of functions over one struct sha256_lanes, whose layout is the engine's own:
 * what one engine has begun only that engine goes on with. A lane holds a hash state; `begin` sets
 * all to one state, blocks are compressed into them (a block of its own for each lane, or the same
 * for all, whose message schedule is then computed once), and `digests` reads them. `redigest` and
 * `merkle` take the digest that stands in each lane as the next message.
 *
 * Engines: 16 lanes of AVX-512, 8 of AVX2, four interleaved streams of SHA instructions, and the
 * single-message code one lane after the other, which runs anywhere. All give the same bytes. Which
 * of them this processor has is found once before main, as in sha256.c.
 *
 * Pure; the caller's memory; any thread. */
#pragma once
#include "core/pow/sha256.h"

#define SHA256_LANES_MAX 16

struct sha256_lanes {
    _Alignas(64) uint32_t words[8 * SHA256_LANES_MAX];
};

struct sha256_engine {
    const char *name;
    unsigned lanes; /* it takes counts of 1 to this */

    /* Every lane's state is h. */
    void (*begin)(struct sha256_lanes *lanes, const uint32_t h[8]);
    /* Compresses blocks[i] (64 bytes, any alignment) into lane i < count. */
    void (*blocks)(struct sha256_lanes *lanes, const uint8_t *const *blocks, size_t count);
    /* Compresses one block, given as sha256_schedule has it, into every lane. */
    void (*same_block)(struct sha256_lanes *lanes, const uint32_t schedule[64], size_t count);
    /* The lane becomes the SHA-256 of the 32 bytes of its digest: the second half of a double. */
    void (*redigest)(struct sha256_lanes *lanes, size_t count);
    /* The lane becomes the double SHA-256 of its digest ‖ branch: one merkle step. */
    void (*merkle)(struct sha256_lanes *lanes, const uint8_t branch[32], size_t count);
    /* hashes_r[i] = the digest in lane i < count. */
    void (*digests)(const struct sha256_lanes *lanes, uint8_t (*hashes_r)[32], size_t count);
};

/* The engine that takes the least time for `count` ≥ 1 messages here; it may have fewer lanes. */
const struct sha256_engine *sha256_engine_for(size_t count);

/* Every engine this processor can run, for tests and benchmarks; NULL from the last on. */
const struct sha256_engine *sha256_engine_at(size_t index);

/* The message schedule of a block with the round constants added: w[t] + k[t]. */
void sha256_schedule(const uint8_t block[64], uint32_t schedule_r[64]);

/* hashes_r[i] = sha256d(messages[i]), any lengths, any count; best with many of like length.
 * hashes_r overlaps no message. */
void sha256d_many(const struct span *messages, size_t count, uint8_t (*hashes_r)[32]);
/* hashes_r[i] = sha256d(pairs[i]): merkle steps, any count. hashes_r may begin where pairs do. */
void sha256d_pairs(const uint8_t (*pairs)[64], size_t count, uint8_t (*hashes_r)[32]);
/* hashes_r[i] = sha256d(headers[i]), 80 bytes each, any count. */
void sha256d_headers(const uint8_t (*headers)[80], size_t count, uint8_t (*hashes_r)[32]);
