/* What the SHA-256 engines share: constants, and the engines themselves, which only the choice in
 * sha256_lanes.c names. A *_available function may be called anywhere; its engine only where it
 * said true. */
#pragma once
#include "core/pow/sha256_lanes.h"

/* FIPS 180-4 sections 4.2.2 and 5.3.3. */
extern const uint32_t sha256_round_constants[64];
extern const uint32_t sha256_initial_state[8];
/* w[0 … 63] of a block (section 6.2.2). */
void sha256_extend(const uint8_t block[64], uint32_t w_r[64]);
/* The compression function by the code sha256.c has chosen. */
void sha256_blocks(uint32_t h[8], const uint8_t *blocks, size_t count);
/* The state becomes that of the SHA-256 of its own digest; the state of sha256d_pair's digest. */
void sha256_redigest(uint32_t h[8]);
void sha256d_pair_state(const uint8_t pair[64], uint32_t h_r[8]);
/* The schedule of the padding behind a message of 64 bytes. */
extern const uint32_t sha256_padding_schedule[64];

extern const struct sha256_engine sha256_engine_single;
extern const struct sha256_engine sha256_engine_shani;
extern const struct sha256_engine sha256_engine_avx2;
extern const struct sha256_engine sha256_engine_avx512;

bool sha256_avx2_available(void);
bool sha256_avx512_available(void);
