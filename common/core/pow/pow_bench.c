/* What a header hash costs, per algorithm, and SHA-256 by either code. Prints nanoseconds; judges
 * nothing. */
#include "core/pow/pow.h"
#include "core/pow/scrypt_engines.h"
#include "core/pow/sha256_engines.h"

#include <stdio.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The best of five rounds, so that a neighbour on the processor does not count. */
static double best_of(double best, double sample)
{
    return best == 0 || sample < best ? sample : best;
}

/* What one block costs a lane, by every engine with all its lanes used: one of each lane's own, one
 * that is the same for all, and a merkle step (three blocks). */
static uint32_t bench_lanes(void)
{
    enum { STEPS = 4096 };
    static const uint8_t branch[32] = { 1 };
    static uint8_t blocks[SHA256_LANES_MAX][64];
    const uint8_t *given[SHA256_LANES_MAX];
    const struct sha256_engine *engine;
    struct sha256_lanes lanes;
    uint32_t used = 0;
    for (size_t i = 0; i < SHA256_LANES_MAX; i++)
        given[i] = blocks[i];
    for (size_t at = 0; (engine = sha256_engine_at(at)) != NULL; at++) {
        double best[3] = { 0 };
        engine->begin(&lanes, sha256_initial_state);
        for (int round = 0; round < 20; round++) {
            double times[4] = { now_ns() };
            for (int i = 0; i < STEPS; i++)
                engine->blocks(&lanes, given, engine->lanes);
            times[1] = now_ns();
            for (int i = 0; i < STEPS; i++)
                engine->same_block(&lanes, sha256_padding_schedule, engine->lanes);
            times[2] = now_ns();
            for (int i = 0; i < STEPS; i++)
                engine->merkle(&lanes, branch, engine->lanes);
            times[3] = now_ns();
            for (int i = 0; i < 3; i++)
                best[i] = best_of(best[i], (times[i + 1] - times[i]) / STEPS / engine->lanes);
        }
        printf("%-8s %2u lanes: %6.1f ns a block, %6.1f the same for all, %6.1f a merkle step\n",
               engine->name, engine->lanes, best[0], best[1], best[2]);
        used ^= lanes.words[0];
    }
    return used;
}

/* A header by each scrypt engine with all its lanes used. */
static void bench_scrypt(void *scratch)
{
    enum { ROUNDS = 200 };
    static const uint8_t headers[SCRYPT_LANES_MAX][POW_HEADER_BYTES];
    uint8_t hashes[SCRYPT_LANES_MAX][POW_HASH_BYTES];
    const struct scrypt_engine *engine;
    for (size_t at = 0; (engine = scrypt_engine_at(at)) != NULL; at++) {
        struct span messages[SCRYPT_LANES_MAX];
        double best = 0;
        for (size_t i = 0; i < engine->lanes; i++)
            messages[i] = span_of(headers[i], POW_HEADER_BYTES);
        for (int i = 0; i < ROUNDS; i++) {
            double start = now_ns();
            scrypt_engine_hash(engine, messages, engine->lanes, scratch, hashes);
            best = best_of(best, (now_ns() - start) / (double)engine->lanes);
        }
        printf("%-8s %2zu lanes: %10.1f ns a header of scrypt\n", engine->name, engine->lanes,
               best);
    }
}

int main(void)
{
    static uint8_t scratch[POW_SCRATCH_BYTES];
    uint8_t header[POW_HEADER_BYTES] = { 1 }, hash[POW_HASH_BYTES];
    printf("SHA instructions: %s\n", sha256_shani_available() ? "yes" : "no");
    for (int algorithm = POW_SHA256D; algorithm <= POW_SCRYPT; algorithm++) {
        const uint32_t count = algorithm == POW_SCRYPT ? 500 : 500000;
        double best = 0;
        for (int round = 0; round < 5; round++) {
            double start = now_ns();
            for (uint32_t nonce = 0; nonce < count; nonce++) {
                store_le32(header + 76, nonce);
                pow_hash((enum pow_algorithm)algorithm, header, scratch, hash);
            }
            best = best_of(best, (now_ns() - start) / count);
        }
        printf("%-8s %10.1f ns a header\n", pow_algorithm_name((enum pow_algorithm)algorithm),
               best);
    }
    static uint8_t blocks[64 * 1024];
    uint32_t h[8] = { 0 };
    for (int code = 0; code < (sha256_shani_available() ? 2 : 1); code++) {
        double best = 0;
        for (int round = 0; round < 20; round++) {
            double start = now_ns();
            (code == 0 ? sha256_blocks_portable : sha256_blocks_shani)(h, blocks, 1024);
            best = best_of(best, (now_ns() - start) / 1024);
        }
        printf("%-8s %10.1f ns a block of SHA-256\n", code == 0 ? "portable" : "sha-ni", best);
    }
    bench_scrypt(scratch);
    h[1] ^= bench_lanes();
    return h[0] == 0; /* keeps the work from being left out */
}
