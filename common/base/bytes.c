#include "base/bytes.h"

void hex_encode(struct span bytes, char *text_r)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.length; i++) {
        text_r[2 * i] = digits[bytes.data[i] >> 4];
        text_r[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    text_r[2 * bytes.length] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(const char *text, size_t text_length, uint8_t *data_r, size_t length)
{
    if (text_length != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        data_r[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool hex_decode_u64(const char *text, size_t text_length, uint64_t *value_r)
{
    if (text_length == 0 || text_length > 16)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text_length; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *value_r = value;
    return true;
}

void bytes_reverse(const uint8_t *src, size_t length, uint8_t *dst_r)
{
    for (size_t i = 0; i < length; i++)
        dst_r[i] = src[length - 1 - i];
}

void u128_format(u128 value, char *text_r)
{
    char digits[U128_TEXT_BYTES];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++)
        text_r[i] = digits[count - 1 - i];
    text_r[count] = '\0';
}

bool u128_parse(const char *text, size_t text_length, u128 *value_r)
{
    if (text_length == 0 || text_length > U128_TEXT_BYTES - 1)
        return false;
    u128 value = 0;
    for (size_t i = 0; i < text_length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        unsigned digit = (unsigned)(text[i] - '0');
        if (value > (~(u128)0 - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *value_r = value;
    return true;
}
