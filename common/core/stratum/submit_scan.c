/* The short way for what nearly every line is. It must read what json_parse and submit_read read,
 * or leave the line to them: whatever JSON allows beyond the shape below is left. */
#include "core/stratum/inside.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct scan {
    const char *at;
    const char *end;
};

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end && *scan->at == ' ')
        scan->at++;
}

static bool take(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static inline bool take_text(struct scan *scan, const char *text, size_t length)
{
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0)
        return false;
    scan->at += length;
    return true;
}
#define TAKE(scan, text) take_text(scan, text, sizeof(text) - 1)

/* How many of the bytes at `text` stand before the first quote, backslash or control character:
 * STRIDE where none is among so many. */
#ifdef __SSE2__
enum { STRIDE = 16 };

static unsigned find_special(const char *text)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)text);
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    int found = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(control, quote), backslash));
    return (unsigned)__builtin_ctz((unsigned)found | 1u << STRIDE);
}
#else
enum { STRIDE = 8 };

static unsigned find_special(const char *text)
{
    /* A byte's highest bit tells; a borrow may set bits above the first one, never below. */
    const uint64_t ones = 0x0101010101010101, highs = 0x80 * ones;
    uint64_t bytes = load_le64((const uint8_t *)text);
    uint64_t quote = bytes ^ '"' * ones, backslash = bytes ^ '\\' * ones;
    uint64_t found = (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                      ((bytes - ' ' * ones) & ~bytes)) &
                     highs;
    return found != 0 ? (unsigned)__builtin_ctzll(found) / 8 : STRIDE;
}
#endif

/* What stands up to the closing quote. */
static bool read_inside(struct scan *scan, struct span *text_r)
{
    const char *start = scan->at, *at = start;
    unsigned before = STRIDE;
    while (before == STRIDE && scan->end - at >= STRIDE) {
        before = find_special(at);
        at += before;
    }
    while (at < scan->end && *at != '"' && *at != '\\' && (unsigned char)*at >= ' ')
        at++;
    if (at == scan->end || *at != '"')
        return false;
    *text_r = span_of(start, (size_t)(at - start));
    scan->at = at + 1;
    return true;
}

static bool read_text(struct scan *scan, struct span *text_r)
{
    return take(scan, '"') && read_inside(scan, text_r);
}

static bool read_id(struct scan *scan, struct span *id_r)
{
    const char *start = scan->at;
    struct span inside;
    if (take(scan, '"')) {
        if (!read_inside(scan, &inside))
            return false;
    } else if (!take(scan, '0')) {
        while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
            scan->at++;
    }
    *id_r = span_of(start, (size_t)(scan->at - start));
    return id_r->length > 0 && id_r->length <= STRATUM_ID_BYTES_MAX;
}

static bool read_params(struct scan *scan, struct submit_fields *fields)
{
    struct span *const places[] = { &fields->user,  &fields->job,   &fields->extranonce2,
                                    &fields->ntime, &fields->nonce, &fields->bits };
    unsigned count = 0;
    if (!take(scan, '['))
        return false;
    do {
        skip_blanks(scan);
        if (count == sizeof places / sizeof *places || !read_text(scan, places[count++]))
            return false;
        skip_blanks(scan);
    } while (take(scan, ','));
    fields->enough = true;
    fields->has_bits = count == 6;
    return count >= 5 && take(scan, ']');
}

/* A member's name, the colon and the blanks around it; nothing is taken where one is missing. */
static inline bool take_name(struct scan *scan, const char *name, size_t length)
{
    struct scan behind = *scan;
    if (!take_text(&behind, name, length))
        return false;
    skip_blanks(&behind);
    if (!take(&behind, ':'))
        return false;
    skip_blanks(&behind);
    *scan = behind;
    return true;
}
#define TAKE_NAME(scan, name) take_name(scan, name, sizeof(name) - 1)

enum { ID = 1, METHOD = 2, PARAMS = 4, ALL = 7 };

/* A member that did not stand before; which one, or 0. */
static unsigned read_member(struct scan *scan, unsigned seen, struct span *id_r,
                            struct submit_fields *fields_r)
{
    if ((seen & PARAMS) == 0 && TAKE_NAME(scan, "\"params\""))
        return read_params(scan, fields_r) ? PARAMS : 0;
    if ((seen & ID) == 0 && TAKE_NAME(scan, "\"id\""))
        return read_id(scan, id_r) ? ID : 0;
    if ((seen & METHOD) == 0 && TAKE_NAME(scan, "\"method\""))
        return TAKE(scan, "\"mining.submit\"") ? METHOD : 0;
    return 0;
}

bool submit_scan(struct span line, struct span *id_r, struct submit_fields *fields_r)
{
    struct scan scan = { (const char *)line.data, (const char *)line.data + line.length };
    unsigned seen = 0;
    *fields_r = (struct submit_fields){ .enough = false };
    if (!take(&scan, '{'))
        return false;
    do {
        skip_blanks(&scan);
        unsigned member = read_member(&scan, seen, id_r, fields_r);
        if (member == 0)
            return false;
        seen |= member;
        skip_blanks(&scan);
    } while (take(&scan, ','));
    if (seen != ALL || !take(&scan, '}'))
        return false;
    while (scan.at < scan.end && (*scan.at == ' ' || *scan.at == '\r'))
        scan.at++;
    return scan.at == scan.end;
}
