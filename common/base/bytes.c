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

/* Eight digits at once, first byte lowest: in each of the eight bytes of `text` the comparisons
 * leave their answer in the highest bit. False where one is no hex digit. */
static bool hex_eight(const char *text, uint32_t *bytes_r)
{
    const uint64_t ones = 0x0101010101010101, highs = 0x80 * ones;
    uint64_t x = load_le64((const uint8_t *)text);
    uint64_t lower = x | 0x20 * ones;
    uint64_t is_digit = (x + (0x80 - '0') * ones) & ~(x + (0x80 - '9' - 1) * ones);
    uint64_t is_letter = (lower + (0x80 - 'a') * ones) & ~(lower + (0x80 - 'f' - 1) * ones);
    is_letter &= highs;
    if ((x & highs) != 0 || ((is_digit & highs) | is_letter) != highs)
        return false;
    uint64_t digits = (x & 0x0f * ones) + (is_letter >> 7) * 9;
    uint64_t pairs = (digits << 4 | digits >> 8) & 0x00ff00ff00ff00ff;
    pairs = (pairs | pairs >> 8) & 0x0000ffff0000ffff;
    *bytes_r = (uint32_t)(pairs | pairs >> 16);
    return true;
}

bool hex_decode(const char *text, size_t text_length, uint8_t *data_r, size_t length)
{
    uint32_t four;
    size_t i = 0;
    if (text_length != 2 * length)
        return false;
    for (; i + 4 <= length; i += 4) {
        if (!hex_eight(text + 2 * i, &four))
            return false;
        store_le32(data_r + i, four);
    }
    for (; i < length; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        data_r[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool hex_decode_u64(const char *text, size_t text_length, uint64_t *value_r)
{
    uint32_t four;
    size_t i = 0;
    if (text_length == 0 || text_length > 16)
        return false;
    uint64_t value = 0;
    for (; i + 8 <= text_length; i += 8) {
        if (!hex_eight(text + i, &four))
            return false;
        value = value << 32 | __builtin_bswap32(four);
    }
    for (; i < text_length; i++) {
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
