/* What Bech32 and Cashaddr share: their alphabet of 32 characters, one case for the whole text, and
 * bytes in groups of five bits, the last filled with zeros. Private to core/address. */
#pragma once
#include "core/address/address.h"

enum { BASE32_TEXT_MAX = 90 };

/* The character of a group, 0 to 31. */
char base32_character(unsigned value);
/* The group of a lower-case character; -1: none. */
int base32_value(char character);
/* Copies the text in lower case; ADDRESS_OK, or why not. */
MUST_CHECK enum address_outcome base32_lower_case(struct span text, char lower_r[BASE32_TEXT_MAX]);
/* ADDRESS_BAD_LENGTH where they are more than `capacity` bytes, ADDRESS_BAD_PADDING where what is
 * left over is not fewer than five bits, all zero. */
MUST_CHECK enum address_outcome base32_to_bytes(const uint8_t *values, size_t count,
                                                uint8_t *bytes_r, size_t capacity,
                                                size_t *length_r);
/* The number of groups: (8 count + 4) / 5. */
size_t base32_from_bytes(const uint8_t *bytes, size_t count, uint8_t *values_r);
