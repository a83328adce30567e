/* From what the pool sent to headers to hash: jobs, difficulties and their targets. Stratum V1 as
 * miners know it; shares nothing with the pool's own code. Values only; any thread. */
#pragma once
#include "tools/miner/hash.h"

#define WORK_COINBASE_BYTES_MAX 16384
#define WORK_BRANCHES_MAX 32
#define WORK_EXTRANONCE_BYTES_MAX 32
#define WORK_JOB_ID_BYTES_MAX 128

struct work_job {
    char id[WORK_JOB_ID_BYTES_MAX];
    uint8_t previous[32]; /* as it goes into the header */
    uint8_t coinbase1[WORK_COINBASE_BYTES_MAX];
    size_t coinbase1_bytes;
    uint8_t coinbase2[WORK_COINBASE_BYTES_MAX];
    size_t coinbase2_bytes;
    uint8_t branches[WORK_BRANCHES_MAX][32];
    size_t branch_count;
    uint32_t version, bits, time;
    /* what held when the job came */
    uint8_t extranonce1[WORK_EXTRANONCE_BYTES_MAX];
    size_t extranonce1_bytes;
    size_t extranonce2_bytes;
    uint32_t version_mask;
    double difficulty;
    uint8_t target[32];         /* little-endian */
    uint8_t network_target[32]; /* little-endian */
};

/* floor(diff1 / difficulty) exactly, little-endian; diff1 is 0xffff * 2^208, for scrypt 2^16 times
 * that. All ones where it does not fit in 256 bits. False where the difficulty is not positive and
 * finite. */
MUST_CHECK bool work_target(enum miner_algorithm algorithm, double difficulty,
                            uint8_t target_r[32]);
/* The target of a block's compact bits; zeros where they are no target. */
void work_network_target(uint32_t bits, uint8_t target_r[32]);
/* The header for this extranonce2 (its bytes) and these rolled version bits; nonce 0. */
void work_header(const struct work_job *job, const uint8_t *extranonce2, uint32_t version_bits,
                 uint8_t header_r[MINER_HEADER_BYTES]);
