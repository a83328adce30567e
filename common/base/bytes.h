/* Bytes in memory: spans, byte orders and hex. Knows nothing of what the bytes mean; allocates
 * nothing; every function may be called from any thread. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* gcc and clang both have 128-bit integers on the platforms we build for; sums of work and
 * intermediate products of money need them. */
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

/* Bytes somebody else owns. */
struct span {
    const uint8_t *data;
    size_t length;
};

static inline struct span span_of(const void *data, size_t length)
{
    return (struct span){ (const uint8_t *)data, length };
}
static inline struct span span_text(const char *text)
{
    return (struct span){ (const uint8_t *)text, strlen(text) };
}
static inline bool span_equal(struct span a, struct span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Little-endian and big-endian integers at any address. */
static inline uint16_t load_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}
static inline uint32_t load_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t load_be32(const uint8_t *p)
{
    return __builtin_bswap32(load_le32(p));
}
static inline uint64_t load_be64(const uint8_t *p)
{
    return __builtin_bswap64(load_le64(p));
}
static inline void store_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void store_le32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_le64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_be32(uint8_t *p, uint32_t v)
{
    store_le32(p, __builtin_bswap32(v));
}
static inline void store_be64(uint8_t *p, uint64_t v)
{
    store_le64(p, __builtin_bswap64(v));
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the loads above assume little-endian");

/* Writes 2·length lower-case digits and a NUL to text_r (2·length + 1 bytes). */
void hex_encode(struct span bytes, char *text_r);

/* Reads exactly 2·length hex digits (either case) from text into data_r. False, with data_r
 * undefined, where text_length differs or a character is no hex digit. */
MUST_CHECK bool hex_decode(const char *text, size_t text_length, uint8_t *data_r, size_t length);

/* Decodes pairs of hex digits (either case) from the front of text for as long as both are digits
 * and data_r, of `bytes_max`, has room; returns the bytes written. */
size_t hex_decode_run(const char *text, size_t text_length, uint8_t *data_r, size_t bytes_max);

/* Reads 1 to 8·2 hex digits as a big-endian number; false on anything else. */
MUST_CHECK bool hex_decode_u64(const char *text, size_t text_length, uint64_t *value_r);

/* The UTF-8 of a code point up to U+10FFFF; returns its length, 1 to 4. */
size_t utf8_encode(uint32_t code, char bytes_r[4]);

/* dst_r[i] = src[length-1-i]; the two must not overlap. Display order of hashes is the reverse of
 * their internal order. */
void bytes_reverse(const uint8_t *src, size_t length, uint8_t *dst_r);

/* Decimal text of a 128-bit number with a NUL; text_r holds at least U128_TEXT_BYTES. */
#define U128_TEXT_BYTES 40
void u128_format(u128 value, char *text_r);
/* Reads 1 to 39 decimal digits; false on anything else or overflow. */
MUST_CHECK bool u128_parse(const char *text, size_t text_length, u128 *value_r);
