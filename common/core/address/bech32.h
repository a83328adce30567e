/* Bech32 and Bech32m segwit addresses (BIP 173, BIP 350). Private to core/address. */
#pragma once
#include "core/address/address.h"

#define BECH32_PROGRAM_BYTES_MAX 40

struct bech32_program {
    uint8_t version; /* 0 to 16 */
    uint8_t length;  /* 2 to 40 */
    uint8_t data[BECH32_PROGRAM_BYTES_MAX];
};

/* ADDRESS_OK, or why not; WRONG_NETWORK where text is well-formed for another prefix than hrp. */
MUST_CHECK enum address_outcome bech32_decode(const char *hrp, struct span text,
                                              struct bech32_program *program_r);

/* NUL-terminated, lower case. */
void bech32_encode(const char *hrp, const struct bech32_program *program,
                   char text_r[ADDRESS_TEXT_BYTES]);
