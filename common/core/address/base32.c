#include "core/address/base32.h"

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

char base32_character(unsigned value)
{
    return alphabet[value & 31];
}

int base32_value(char character)
{
    for (int i = 0; i < 32; i++)
        if (character == alphabet[i])
            return i;
    return -1;
}

enum address_outcome base32_lower_case(struct span text, char lower_r[BASE32_TEXT_MAX])
{
    bool upper = false, lower = false;
    if (text.length > BASE32_TEXT_MAX)
        return ADDRESS_TOO_LONG;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c < 33 || c > 126)
            return ADDRESS_BAD_CHARACTER;
        lower |= c >= 'a' && c <= 'z';
        upper |= c >= 'A' && c <= 'Z';
        lower_r[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return upper && lower ? ADDRESS_MIXED_CASE : ADDRESS_OK;
}

enum address_outcome base32_to_bytes(const uint8_t *values, size_t count, uint8_t *bytes_r,
                                     size_t capacity, size_t *length_r)
{
    unsigned bits = 0, held = 0;
    *length_r = 0;
    for (size_t i = 0; i < count; i++) {
        held = (held << 5 | values[i]) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            if (*length_r == capacity)
                return ADDRESS_BAD_LENGTH;
            bytes_r[(*length_r)++] = (uint8_t)(held >> bits);
        }
    }
    return bits >= 5 || (held & ((1u << bits) - 1)) != 0 ? ADDRESS_BAD_PADDING : ADDRESS_OK;
}

size_t base32_from_bytes(const uint8_t *bytes, size_t count, uint8_t *values_r)
{
    unsigned held = 0, bits = 0;
    size_t groups = 0;
    for (size_t i = 0; i < count || bits > 0;) {
        if (bits < 5 && i < count) {
            held = (held << 8 | bytes[i++]) & 0xffff;
            bits += 8;
        } else if (bits < 5) { /* the end: zeros fill the last group */
            held <<= 5 - bits;
            bits = 5;
        }
        bits -= 5;
        values_r[groups++] = (uint8_t)(held >> bits & 31);
    }
    return groups;
}
