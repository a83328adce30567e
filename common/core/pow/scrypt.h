/* scrypt with N = 1024, r = 1, p = 1 and the message as both password and salt (RFC 7914), as
 * Litecoin hashes its headers. Pure; the scratch pad is the caller's; any thread. */
#pragma once
#include "base/bytes.h"

/* 1024 blocks of 128 bytes for each message hashed at once, and room to align them to 64. */
#define SCRYPT_LANES_MAX 4
#define SCRYPT_SCRATCH_BYTES (SCRYPT_LANES_MAX * 131072 + 64)

void scrypt_1024_1_1(struct span bytes, void *scratch, uint8_t hash_r[32]);

/* hashes_r[i] = that of headers[i], 80 bytes each, any count: as many at once as the processor has
 * lanes for. */
void scrypt_headers(const uint8_t (*headers)[80], size_t count, void *scratch,
                    uint8_t (*hashes_r)[32]);

/* PBKDF2-HMAC-SHA-256 with one iteration, the only count scrypt uses; output_bytes ≤ 128. Public so
 * that its own vectors can be tested. */
void scrypt_pbkdf2_once(struct span password, struct span salt, uint8_t *output_r,
                        size_t output_bytes);
