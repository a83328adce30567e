#include "core/address/base58.h"
#include "core/pow/sha256.h"

#define CHECKSUM_BYTES 4
#define ADDRESS_BYTES (BASE58_PAYLOAD_BYTES + CHECKSUM_BYTES)
#define NUMBER_BYTES ADDRESS_TEXT_BYTES /* base 58 takes more characters than bytes */

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static int digit_of(uint8_t c)
{
    for (int i = 0; i < 58; i++)
        if (c == (uint8_t)alphabet[i])
            return i;
    return -1;
}

static void checksum(const uint8_t *data, size_t length, uint8_t checksum_r[CHECKSUM_BYTES])
{
    uint8_t hash[32];
    sha256d(span_of(data, length), hash);
    memcpy(checksum_r, hash, CHECKSUM_BYTES);
}

/* The text is a big-endian number in base 58; each leading '1' is one leading zero byte. */
enum address_outcome base58check_decode(struct span text, uint8_t payload_r[BASE58_PAYLOAD_BYTES])
{
    uint8_t number[NUMBER_BYTES] = {0};
    size_t zeros = 0, used = 0; /* `used` bytes at the end of number are not zero */
    if (text.length > NUMBER_BYTES)
        return ADDRESS_TOO_LONG;
    while (zeros < text.length && text.data[zeros] == '1')
        zeros++;
    for (size_t i = zeros; i < text.length; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0)
            return ADDRESS_BAD_CHARACTER;
        unsigned carry = (unsigned)digit;
        for (size_t j = 0; j < used || carry != 0; j++) {
            ASSERT(j < NUMBER_BYTES);
            carry += 58u * number[NUMBER_BYTES - 1 - j];
            number[NUMBER_BYTES - 1 - j] = (uint8_t)carry;
            carry >>= 8;
            if (j == used)
                used++;
        }
    }
    size_t length = zeros + used;
    if (length < CHECKSUM_BYTES + 1 || length > NUMBER_BYTES)
        return ADDRESS_BAD_LENGTH;
    /* The bytes before those used are zero already, so the leading zeros need no copy. */
    const uint8_t *bytes = number + NUMBER_BYTES - length;
    uint8_t expected[CHECKSUM_BYTES];
    checksum(bytes, length - CHECKSUM_BYTES, expected);
    if (memcmp(expected, bytes + length - CHECKSUM_BYTES, CHECKSUM_BYTES) != 0)
        return ADDRESS_BAD_CHECKSUM;
    if (length != ADDRESS_BYTES)
        return ADDRESS_BAD_LENGTH;
    memcpy(payload_r, bytes, BASE58_PAYLOAD_BYTES);
    return ADDRESS_OK;
}

void base58check_encode(const uint8_t payload[BASE58_PAYLOAD_BYTES],
                        char text_r[ADDRESS_TEXT_BYTES])
{
    uint8_t bytes[ADDRESS_BYTES], digits[ADDRESS_BYTES * 2] = {0};
    size_t zeros = 0, used = 0;
    memcpy(bytes, payload, BASE58_PAYLOAD_BYTES);
    checksum(bytes, BASE58_PAYLOAD_BYTES, bytes + BASE58_PAYLOAD_BYTES);
    while (zeros < sizeof bytes && bytes[zeros] == 0)
        zeros++;
    for (size_t i = zeros; i < sizeof bytes; i++) {
        unsigned carry = bytes[i];
        for (size_t j = 0; j < used || carry != 0; j++) {
            carry += 256u * digits[j];
            digits[j] = (uint8_t)(carry % 58);
            carry /= 58;
            if (j == used)
                used++;
        }
    }
    memset(text_r, '1', zeros);
    for (size_t i = 0; i < used; i++)
        text_r[zeros + i] = alphabet[digits[used - 1 - i]];
    text_r[zeros + used] = '\0';
}
