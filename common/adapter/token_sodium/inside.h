/* What the files of token_sodium share, and its tests look at. */
#pragma once
#include "adapter/token_sodium/token.h"

#include <sodium.h>

/* Signs header and payload as they are: BASE64URL(header).BASE64URL(payload).BASE64URL(signature)
 * with a NUL in text_r; false where they do not fit. */
MUST_CHECK bool token_compact(const uint8_t secret[crypto_sign_SECRETKEYBYTES], struct span header,
                              struct span payload, char *text_r, size_t capacity);
