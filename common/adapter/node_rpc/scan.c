#include "adapter/node_rpc/scan.h"

#ifdef __SSE2__ /* every x86-64 has it */
#include <emmintrin.h>
#endif

enum scan_outcome scan_peek(struct scan *scan, char *c_r)
{
    for (; scan->at < scan->end; scan->at++) {
        *c_r = scan->text[scan->at];
        if (*c_r != ' ' && *c_r != '\n' && *c_r != '\r' && *c_r != '\t')
            return SCAN_OK;
    }
    return SCAN_SHORT;
}

enum scan_outcome scan_take(struct scan *scan, char c)
{
    char found;
    enum scan_outcome outcome = scan_peek(scan, &found);
    if (outcome != SCAN_OK)
        return outcome;
    if (found != c)
        return SCAN_BAD;
    scan->at++;
    return SCAN_OK;
}

/* How many bytes from `at` on are plain: printable ASCII but quote and backslash. Sixteen at a
 * time; the rest is the caller's. */
static size_t plain_run(const char *at, const char *end)
{
    const char *start = at;
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        __m128i c = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(c, _mm_set1_epi8('\\')));
        /* As signed bytes, what is below a blank includes everything from 0x80 on. */
        odd = _mm_or_si128(odd, _mm_cmplt_epi8(c, _mm_set1_epi8(0x20)));
        unsigned mask = (unsigned)_mm_movemask_epi8(odd);
        if (mask != 0)
            return (size_t)(at - start) + (unsigned)__builtin_ctz(mask);
    }
#endif
    while (at < end && (signed char)*at >= 0x20 && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - start);
}

/* One sequence of UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
static enum scan_outcome pass_utf8(const char *text, size_t *at, size_t end)
{
    uint8_t first = (uint8_t)text[*at];
    if (first < 0xc2 || first > 0xf4)
        return SCAN_BAD;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < length; i++) {
        if (*at + i == end)
            return SCAN_SHORT;
        uint8_t low = 0x80, high = 0xbf, c = (uint8_t)text[*at + i];
        if (i == 1 && (first == 0xe0 || first == 0xf0))
            low = first == 0xe0 ? 0xa0 : 0x90;
        if (i == 1 && (first == 0xed || first == 0xf4))
            high = first == 0xed ? 0x9f : 0x8f;
        if (c < low || c > high)
            return SCAN_BAD;
    }
    *at += length;
    return SCAN_OK;
}

/* The number of four hex digits; -1 where they are none. */
static int hex4(const char *text)
{
    uint8_t bytes[2];
    return hex_decode(text, 4, bytes, 2) ? bytes[0] << 8 | bytes[1] : -1;
}

/* An escape; its second half too where it is a surrogate pair. Half a pair, and U+0000, are bad. */
static enum scan_outcome pass_escape(const char *text, size_t *at, size_t end)
{
    if (end - *at < 2)
        return SCAN_SHORT;
    char c = text[*at + 1];
    if (c != 'u') {
        *at += 2;
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL ? SCAN_OK : SCAN_BAD;
    }
    if (end - *at < 6)
        return SCAN_SHORT;
    int code = hex4(text + *at + 2);
    if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff))
        return SCAN_BAD;
    *at += 6;
    if (code < 0xd800 || code > 0xdfff)
        return SCAN_OK;
    if (end - *at < 6)
        return SCAN_SHORT;
    int low = hex4(text + *at + 2);
    if (text[*at] != '\\' || text[*at + 1] != 'u' || low < 0xdc00 || low > 0xdfff)
        return SCAN_BAD;
    *at += 6;
    return SCAN_OK;
}

enum scan_outcome scan_text(struct scan *scan, struct scan_string *string_r)
{
    char c;
    enum scan_outcome outcome = scan_peek(scan, &c);
    if (outcome != SCAN_OK)
        return outcome;
    if (c != '"')
        return SCAN_OTHER;
    size_t start = scan->at + 1, at = start;
    string_r->escaped = false;
    for (;;) {
        at += plain_run(scan->text + at, scan->text + scan->end);
        if (at == scan->end)
            return SCAN_SHORT;
        c = scan->text[at];
        if (c == '"')
            break;
        if ((uint8_t)c < 0x20)
            return SCAN_BAD;
        string_r->escaped = string_r->escaped || c == '\\';
        outcome = c == '\\' ? pass_escape(scan->text, &at, scan->end)
                            : pass_utf8(scan->text, &at, scan->end);
        if (outcome != SCAN_OK)
            return outcome;
    }
    string_r->inside = span_of(scan->text + start, at - start);
    scan->at = at + 1;
    return SCAN_OK;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t pass_digits(const struct scan *scan, size_t at)
{
    while (at < scan->end && is_digit(scan->text[at]))
        at++;
    return at;
}

/* Digits that must be there. */
static enum scan_outcome need_digits(const struct scan *scan, size_t *at)
{
    size_t end = pass_digits(scan, *at);
    if (end == *at)
        return end == scan->end ? SCAN_SHORT : SCAN_BAD;
    *at = end;
    return SCAN_OK;
}

static char char_at(const struct scan *scan, size_t at)
{
    return at < scan->end ? scan->text[at] : '\0';
}

/* Where the number that begins at `at` ends, and whether it is an integer's text. */
static enum scan_outcome pass_number(const struct scan *scan, size_t *at, bool *integer_r)
{
    enum scan_outcome outcome;
    *integer_r = true;
    if (char_at(scan, *at) == '-')
        ++*at;
    if (char_at(scan, *at) == '0')
        ++*at;
    else if ((outcome = need_digits(scan, at)) != SCAN_OK)
        return outcome;
    if (char_at(scan, *at) == '.') {
        *integer_r = false;
        ++*at;
        if ((outcome = need_digits(scan, at)) != SCAN_OK)
            return outcome;
    }
    if (char_at(scan, *at) == 'e' || char_at(scan, *at) == 'E') {
        *integer_r = false;
        ++*at;
        if (char_at(scan, *at) == '+' || char_at(scan, *at) == '-')
            ++*at;
        if ((outcome = need_digits(scan, at)) != SCAN_OK)
            return outcome;
    }
    /* At the end of what has come it may go on. */
    return *at == scan->end && !scan->last ? SCAN_SHORT : SCAN_OK;
}

enum scan_outcome scan_integer(struct scan *scan, int64_t *value_r)
{
    char c;
    bool integer;
    enum scan_outcome outcome = scan_peek(scan, &c);
    if (outcome != SCAN_OK)
        return outcome;
    if (c != '-' && !is_digit(c))
        return SCAN_OTHER;
    size_t end = scan->at;
    outcome = pass_number(scan, &end, &integer);
    if (outcome != SCAN_OK)
        return outcome;
    size_t at = scan->at + (c == '-');
    int64_t value = 0;
    scan->at = end;
    /* Below zero all the way, where there is one number more. */
    for (; integer && at < end; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, scan->text[at] - '0', &value))
            return SCAN_OTHER;
    if (!integer || (c != '-' && value == INT64_MIN))
        return SCAN_OTHER;
    *value_r = c == '-' ? value : -value;
    return SCAN_OK;
}

static enum scan_outcome skip_word(struct scan *scan, const char *word)
{
    for (size_t i = 0; word[i] != '\0'; i++) {
        if (scan->at + i == scan->end)
            return SCAN_SHORT;
        if (scan->text[scan->at + i] != word[i])
            return SCAN_BAD;
    }
    scan->at += strlen(word);
    return SCAN_OK;
}

static enum scan_outcome skip_scalar(struct scan *scan, char first)
{
    struct scan_string string;
    bool integer;
    switch (first) {
    case '"':
        return scan_text(scan, &string);
    case 't':
        return skip_word(scan, "true");
    case 'f':
        return skip_word(scan, "false");
    case 'n':
        return skip_word(scan, "null");
    default:
        return pass_number(scan, &scan->at, &integer);
    }
}

/* The arrays and objects that are open, innermost in the lowest bit: 1 an object. */
struct nest {
    uint64_t kinds;
    unsigned depth;
};

/* Behind a value: closes what ends here, then takes what leads to the next value. `first`: an array
 * or object was opened just now. Done when nothing is open. */
static enum scan_outcome lead_on(struct scan *scan, struct nest *nest, bool first)
{
    while (nest->depth > 0) {
        bool object = (nest->kinds & 1) != 0;
        struct scan_string name;
        char c;
        enum scan_outcome outcome = scan_peek(scan, &c);
        if (outcome != SCAN_OK)
            return outcome;
        if (c == (object ? '}' : ']')) {
            scan->at++;
            nest->kinds >>= 1;
            nest->depth--;
            first = false;
            continue;
        }
        if (!first && (outcome = scan_take(scan, ',')) != SCAN_OK)
            return outcome;
        if (!object)
            return SCAN_OK;
        outcome = scan_text(scan, &name);
        return outcome == SCAN_OK      ? scan_take(scan, ':')
               : outcome == SCAN_OTHER ? SCAN_BAD
                                       : outcome;
    }
    return SCAN_OK;
}

static enum scan_outcome skip_value(struct scan *scan)
{
    struct nest nest = { 0 };
    do {
        char c;
        bool opened = false;
        enum scan_outcome outcome = scan_peek(scan, &c);
        if (outcome != SCAN_OK)
            return outcome;
        if (c == '[' || c == '{') {
            if (nest.depth == SCAN_DEPTH_MAX)
                return SCAN_BAD;
            scan->at++;
            nest.kinds = nest.kinds << 1 | (c == '{');
            nest.depth++;
            opened = true;
        } else if ((outcome = skip_scalar(scan, c)) != SCAN_OK) {
            return outcome;
        }
        outcome = lead_on(scan, &nest, opened);
        if (outcome != SCAN_OK)
            return outcome;
    } while (nest.depth > 0);
    return SCAN_OK;
}

enum scan_outcome scan_skip(struct scan *scan)
{
    size_t start = scan->at;
    enum scan_outcome outcome = skip_value(scan);
    if (outcome != SCAN_OK)
        scan->at = start;
    return outcome;
}

/* The escape at *at, which scan_text has found good; its bytes. */
static size_t read_escape(const char *text, size_t *at, char bytes_r[4])
{
    static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char c = text[*at + 1];
    if (c != 'u') {
        const char *found = strchr(names, c);
        bytes_r[0] = found != NULL ? meant[found - names] : c;
        *at += 2;
        return 1;
    }
    unsigned code = (unsigned)hex4(text + *at + 2);
    *at += 6;
    if (code >= 0xd800 && code <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + ((unsigned)hex4(text + *at + 2) - 0xdc00);
        *at += 6;
    }
    return utf8_encode(code, bytes_r);
}

bool scan_copy(const struct scan_string *string, char *text_r, size_t bytes)
{
    const char *text = (const char *)string->inside.data;
    size_t used = 0;
    for (size_t at = 0; at < string->inside.length;) {
        char piece[4] = { text[at] };
        size_t length = 1;
        if (piece[0] == '\\')
            length = read_escape(text, &at, piece);
        else
            at++;
        if (length >= bytes - used)
            return false;
        memcpy(text_r + used, piece, length);
        used += length;
    }
    text_r[used] = '\0';
    return true;
}
