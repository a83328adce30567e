/* The engine that runs anywhere: one lane after the other. A lane is its eight state words. */
#include "core/pow/sha256_engines.h"

static uint32_t *state_of(struct sha256_lanes *lanes, size_t lane)
{
    return lanes->words + 8 * lane;
}

static void single_begin(struct sha256_lanes *lanes, const uint32_t h[8])
{
    for (size_t lane = 0; lane < SHA256_LANES_MAX; lane++)
        memcpy(state_of(lanes, lane), h, 32);
}

static void single_blocks(struct sha256_lanes *lanes, const uint8_t *const *blocks, size_t count)
{
    for (size_t lane = 0; lane < count; lane++)
        sha256_blocks(state_of(lanes, lane), blocks[lane], 1);
}

/* The first sixteen words of a schedule are the block. */
static void single_same_block(struct sha256_lanes *lanes, const uint32_t schedule[64], size_t count)
{
    uint8_t block[64];
    for (size_t i = 0; i < 16; i++)
        store_be32(block + 4 * i, schedule[i] - sha256_round_constants[i]);
    for (size_t lane = 0; lane < count; lane++)
        sha256_blocks(state_of(lanes, lane), block, 1);
}

static void single_redigest(struct sha256_lanes *lanes, size_t count)
{
    for (size_t lane = 0; lane < count; lane++)
        sha256_redigest(state_of(lanes, lane));
}

static void single_merkle(struct sha256_lanes *lanes, const uint8_t branch[32], size_t count)
{
    uint8_t pair[64];
    memcpy(pair + 32, branch, 32);
    for (size_t lane = 0; lane < count; lane++) {
        uint32_t *h = state_of(lanes, lane);
        for (size_t i = 0; i < 8; i++)
            store_be32(pair + 4 * i, h[i]);
        sha256d_pair_state(pair, h);
    }
}

static void single_digests(const struct sha256_lanes *lanes, uint8_t (*hashes_r)[32], size_t count)
{
    for (size_t lane = 0; lane < count; lane++)
        for (size_t i = 0; i < 8; i++)
            store_be32(hashes_r[lane] + 4 * i, lanes->words[8 * lane + i]);
}

const struct sha256_engine sha256_engine_single = {
    .name = "single",
    .lanes = SHA256_LANES_MAX,
    .begin = single_begin,
    .blocks = single_blocks,
    .same_block = single_same_block,
    .redigest = single_redigest,
    .merkle = single_merkle,
    .digests = single_digests,
};
