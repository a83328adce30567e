/* Regtest addresses: base58check (P2PKH 111, P2SH 196) and bech32 / bech32m with the prefix bcrt
 * (BIP173, BIP350). Pure functions over the caller's memory; any thread. */
#pragma once
#include "base/bytes.h"

#define ADDRESS_SCRIPT_BYTES_MAX 42
#define ADDRESS_TEXT_BYTES 96

struct address {
    uint8_t script[ADDRESS_SCRIPT_BYTES_MAX]; /* the output script it stands for */
    size_t script_bytes;
    int witness_version; /* -1 where it is no witness address */
    bool is_script;      /* P2SH or P2WSH */
};

/* False where the text is no regtest address. */
MUST_CHECK bool address_decode(const char *text, struct address *address_r);
/* The address of an output script with a NUL; false where the script has none. */
MUST_CHECK bool address_encode(struct span script, char text_r[ADDRESS_TEXT_BYTES]);
