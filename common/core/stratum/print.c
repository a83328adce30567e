#include "core/stratum/print.h"

void print_bytes(struct print *print, struct span bytes)
{
    if (print->failed || print->capacity_bytes - print->used_bytes < bytes.length) {
        print->failed = true;
        return;
    }
    if (bytes.length > 0)
        memcpy(print->text + print->used_bytes, bytes.data, bytes.length);
    print->used_bytes += bytes.length;
}

void print_hex(struct print *print, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";
    if (print->failed || (print->capacity_bytes - print->used_bytes) / 2 < bytes.length) {
        print->failed = true;
        return;
    }
    char *at = print->text + print->used_bytes;
    for (size_t i = 0; i < bytes.length; i++) {
        *at++ = digits[bytes.data[i] >> 4];
        *at++ = digits[bytes.data[i] & 15];
    }
    print->used_bytes += 2 * bytes.length;
}

void print_hex_number(struct print *print, uint64_t value, unsigned digits)
{
    char text[16];
    for (unsigned i = digits; i > 0; i--, value >>= 4)
        text[i - 1] = "0123456789abcdef"[value & 15];
    print_bytes(print, span_of(text, digits));
}

void print_number(struct print *print, uint64_t value)
{
    char text[20];
    size_t at = sizeof text;
    do
        text[--at] = (char)('0' + (int)(value % 10));
    while ((value /= 10) != 0);
    print_bytes(print, span_of(text + at, sizeof text - at));
}

void print_safe_string(struct print *print, const char *text, size_t max)
{
    print_text(print, "\"");
    for (size_t i = 0; text[i] != '\0' && i < max; i++) {
        char c = text[i];
        if ((unsigned char)c < 0x20 || c == '"' || c == '\\' || (unsigned char)c >= 0x7f)
            c = '?';
        print_bytes(print, span_of(&c, 1));
    }
    print_text(print, "\"");
}
