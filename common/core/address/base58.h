/* Base58Check: a version byte and 20 bytes behind it, ended by a checksum of four bytes. Private to
 * core/address. */
#pragma once
#include "core/address/address.h"

#define BASE58_PAYLOAD_BYTES 21

/* ADDRESS_OK, BAD_CHARACTER, BAD_CHECKSUM or BAD_LENGTH. */
MUST_CHECK enum address_outcome base58check_decode(struct span text,
                                                   uint8_t payload_r[BASE58_PAYLOAD_BYTES]);

/* NUL-terminated. */
void base58check_encode(const uint8_t payload[BASE58_PAYLOAD_BYTES],
                        char text_r[ADDRESS_TEXT_BYTES]);
