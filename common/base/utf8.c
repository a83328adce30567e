#include "base/utf8.h"

size_t utf8_character(const char *text, size_t length)
{
    /* Table 3-7 of the Unicode standard: what the second byte may be depends on the first. */
    static const struct {
        uint8_t first, last, least, most, length;
    } rows[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    const uint8_t *bytes = (const uint8_t *)text;
    size_t row = 0, rows_count = sizeof rows / sizeof *rows;
    if (length == 0)
        return 0;
    while (row < rows_count && (bytes[0] < rows[row].first || bytes[0] > rows[row].last))
        row++;
    if (row == rows_count || length < rows[row].length)
        return 0;
    for (size_t i = 1; i < rows[row].length; i++) {
        uint8_t least = i == 1 ? rows[row].least : 0x80, most = i == 1 ? rows[row].most : 0xbf;
        if (bytes[i] < least || bytes[i] > most)
            return 0;
    }
    return rows[row].length;
}

const char *utf8_keep(const char *text, size_t length, char *kept_r, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < length;) {
        size_t size = text[i] == '\0' ? 0 : utf8_character(text + i, length - i);
        size_t step = size == 0 ? 1 : size;
        if (used + step >= bytes)
            break;
        if (size == 0)
            kept_r[used] = '?';
        else
            memcpy(kept_r + used, text + i, size);
        used += step;
        i += step;
    }
    kept_r[used] = '\0';
    return kept_r;
}
