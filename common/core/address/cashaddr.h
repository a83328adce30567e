/* Cashaddr, the addresses of Bitcoin Cash: a prefix, ":", and 5-bit characters with a checksum of
 * 40 bits (the specification "CashAddr", spec/cashaddr.md of the Bitcoin Cash documents). Private
 * to core/address. */
#pragma once
#include "core/address/address.h"

enum cashaddr_type { CASHADDR_KEY = 0, CASHADDR_SCRIPT = 1 };

struct cashaddr {
    enum cashaddr_type type;
    uint8_t length; /* 20, or 32 for a script's hash */
    uint8_t hash[32];
};

/* Whether a text is meant as one rather than as base58: it has a prefix, or is that long. */
bool cashaddr_is_like(struct span text);
/* ADDRESS_OK, or why not. The prefix may be left out, or be in upper case with the rest. Addresses
 * for wallets that know tokens (types 2 and 3, CHIP-2022-02) mean the same script. */
MUST_CHECK enum address_outcome cashaddr_decode(const char *prefix, struct span text,
                                                struct cashaddr *cashaddr_r);
/* NUL-terminated, lower case, with the prefix. */
void cashaddr_encode(const char *prefix, const struct cashaddr *cashaddr,
                     char text_r[ADDRESS_TEXT_BYTES]);
