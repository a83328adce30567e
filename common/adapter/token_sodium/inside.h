/* What the files of token_sodium share, and its tests look at. */
#pragma once
#include "adapter/token_sodium/token.h"

#include <sodium.h>

enum { SEED_BYTES = crypto_sign_SEEDBYTES, SEED_TEXT_BYTES = 2 * SEED_BYTES + 1 };

/* Lives in libsodium's guarded memory: locked, and wiped when freed. */
struct token_signer {
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    uint8_t public_key[TOKEN_PUBLIC_BYTES];
    char kid[TOKEN_KID_BYTES];
};

void token_signer_fill(struct token_signer *signer, const uint8_t seed[SEED_BYTES]);

/* Signs header and payload as they are: BASE64URL(header).BASE64URL(payload).BASE64URL(signature)
 * with a NUL in text_r; false where they do not fit. */
MUST_CHECK bool token_compact(const uint8_t secret[crypto_sign_SECRETKEYBYTES], struct span header,
                              struct span payload, char *text_r, size_t capacity);

/* keyfile.c: files of secrets, readable by their owner alone. */
enum { KEYFILE_BYTES = 1024 };
/* The file's text with a NUL, line ends at its end cut off; the caller wipes it. False with *error,
 * and whether it was because there is no such file. */
MUST_CHECK bool keyfile_read(const char *path, char text_r[KEYFILE_BYTES], bool *missing_r,
                             struct error *error);
/* Makes one with a fresh seed, and from which second it signs (0: not said); where it is there by
 * now, that is as good. */
MUST_CHECK bool keyfile_make(const char *path, uint64_t from_s, struct error *error);
/* Puts another text in its place, at once and durably. */
MUST_CHECK bool keyfile_replace(const char *path, const char *text, struct error *error);
