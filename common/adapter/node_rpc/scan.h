/* JSON text (RFC 8259) read once from front to back while it still arrives: nothing is copied, no
 * tree is built. Every function either reads one whole thing and moves on, or stays where it was:
 * SCAN_SHORT means that the text so far ends inside it, so that the same call may be made again
 * when more has come. Strings must be UTF-8 and hold no U+0000; values that are skipped nest at
 * most SCAN_DEPTH_MAX deep; numbers that are read are 64-bit integers.
 *
 * Pure; no memory but the caller's; private to adapter/node_rpc. */
#pragma once
#include "base/bytes.h"

enum { SCAN_DEPTH_MAX = 32 };

enum scan_outcome {
    SCAN_OK = 0,
    SCAN_SHORT, /* the text ends in the middle; after the last part: it is broken */
    SCAN_BAD,   /* it is no JSON, or beyond the bounds */
    SCAN_OTHER, /* JSON, but of another kind than asked for */
};

struct scan {
    const char *text; /* all that has come, from the beginning */
    size_t at;
    size_t end;
    bool last; /* nothing follows */
};

/* What stands between a string's quotes. */
struct scan_string {
    struct span inside; /* borrowed from the text, escapes as they are */
    bool escaped;       /* it has a backslash */
};

/* The next byte that is no white space, which is skipped; it is not taken. */
MUST_CHECK enum scan_outcome scan_peek(struct scan *scan, char *c_r);
/* Takes this byte behind white space; SCAN_BAD where another stands there. */
MUST_CHECK enum scan_outcome scan_take(struct scan *scan, char c);
MUST_CHECK enum scan_outcome scan_text(struct scan *scan, struct scan_string *string_r);
/* SCAN_OTHER, with the number passed over, where it has a fraction or an exponent, or does not fit.
 */
MUST_CHECK enum scan_outcome scan_integer(struct scan *scan, int64_t *value_r);
/* Passes over one value of any kind. */
MUST_CHECK enum scan_outcome scan_skip(struct scan *scan);

/* The string without its escapes and with a NUL behind it; false where it does not fit. */
MUST_CHECK bool scan_copy(const struct scan_string *string, char *text_r, size_t bytes);
