#include "base/bytes.h"

#ifdef __SSE2__ /* every x86-64 has it */
#include <emmintrin.h>
#endif

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

#ifdef __SSE2__
/* The values of 16 digits as 8 bytes; false where one is no digit. */
static bool decode_sixteen(const char *text, uint8_t data_r[8])
{
    const __m128i nine = _mm_set1_epi8(9), five = _mm_set1_epi8(5);
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)text);
    __m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(c, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, nine), digit);
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, five), letter);
    if (_mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) != 0xffff)
        return false;
    letter = _mm_add_epi8(letter, _mm_set1_epi8(10));
    __m128i value = _mm_or_si128(_mm_and_si128(digit, is_digit), _mm_and_si128(letter, is_letter));
    /* In each 16-bit lane the first digit is the low byte: shift it up, the second down to it. */
    value = _mm_or_si128(_mm_slli_epi16(value, 4), _mm_srli_epi16(value, 8));
    value = _mm_and_si128(value, _mm_set1_epi16(0x00ff));
    _mm_storel_epi64((__m128i *)(void *)data_r, _mm_packus_epi16(value, value));
    return true;
}
#endif

size_t hex_decode_run(const char *text, size_t text_length, uint8_t *data_r, size_t bytes_max)
{
    size_t end = text_length / 2 < bytes_max ? text_length / 2 : bytes_max;
    size_t i = 0;
#ifdef __SSE2__
    while (end - i >= 8 && decode_sixteen(text + 2 * i, data_r + i))
        i += 8;
#endif
    for (uint32_t four; end - i >= 4 && hex_eight(text + 2 * i, &four); i += 4)
        store_le32(data_r + i, four);
    for (; i < end; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            break;
        data_r[i] = (uint8_t)(high << 4 | low);
    }
    return i;
}

bool hex_decode(const char *text, size_t text_length, uint8_t *data_r, size_t length)
{
    return text_length == 2 * length && hex_decode_run(text, text_length, data_r, length) == length;
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

size_t utf8_encode(uint32_t code, char bytes_r[4])
{
    if (code < 0x80) {
        bytes_r[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        bytes_r[i] = (char)(0x80 | (code & 0x3f));
    bytes_r[0] = (char)((length == 2 ? 0xc0u : length == 3 ? 0xe0u : 0xf0u) | code);
    return length;
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
