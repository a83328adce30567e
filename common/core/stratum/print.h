/* Writes the few kinds of text a Stratum line is made of into memory the caller owns. Sticky: once
 * something did not fit, nothing more is written and `failed` stays. One thread at a time. */
#pragma once
#include "base/bytes.h"

struct print {
    char *text;
    size_t capacity_bytes;
    size_t used_bytes;
    bool failed;
};

void print_bytes(struct print *print, struct span bytes);
static inline void print_text(struct print *print, const char *text)
{
    print_bytes(print, span_text(text));
}
/* Lower-case hex. */
void print_hex(struct print *print, struct span bytes);
/* The low `digits` (1 to 16) hex digits of a number, leading zeros included. */
void print_hex_number(struct print *print, uint64_t value, unsigned digits);
void print_number(struct print *print, uint64_t value);
/* A JSON string of text from another process: quotes, backslashes and control characters become
 * '?', and it is cut at `max` bytes. */
void print_safe_string(struct print *print, const char *text, size_t max);
