/* Reads one line of JSON into a flat list of tokens, for lines of a few hundred bytes at hundreds
 * of thousands a second. Nothing is copied: tokens are positions in the line, which must live and
 * stay as it is while they are used. RFC 8259, with these bounds: one value a line, JSON_DEPTH_MAX
 * levels, JSON_TOKENS_MAX values. Bytes from 0x80 on are taken as they are inside strings, whether
 * they are UTF-8 or not. A name that stands twice in an object counts where it stands last.
 *
 * Pure; no memory but the caller's; any thread. */
#pragma once
#include "base/bytes.h"

enum { JSON_DEPTH_MAX = 8, JSON_TOKENS_MAX = 160 };

enum json_kind {
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_token {
    uint32_t start; /* where its text begins: the opening quote or bracket included */
    uint32_t end;   /* one behind its last byte */
    uint16_t next;  /* the token behind it and all it contains */
    uint16_t count; /* an array's values, or an object's names and values together */
    uint8_t kind;   /* enum json_kind */
    bool escaped;   /* a string with a backslash in it */
};

struct json {
    const char *text;
    uint16_t count;
    struct json_token tokens[JSON_TOKENS_MAX];
};

enum json_outcome {
    JSON_OK = 0,
    JSON_MALFORMED, /* not JSON */
    JSON_TOO_DEEP,  /* may be JSON, but is beyond the bounds */
    JSON_TOO_MANY,
};

/* Reads the whole line (at most UINT32_MAX bytes, without its newline). On JSON_OK token 0 is the
 * value; otherwise the tokens are undefined. */
MUST_CHECK enum json_outcome json_parse(struct span line, struct json *json_r);

static inline struct span json_text(const struct json *json, unsigned token)
{
    const struct json_token *t = &json->tokens[token];
    return span_of(json->text + t->start, t->end - t->start);
}
/* What stands between a string's quotes, escapes as they are. */
static inline struct span json_inside(const struct json *json, unsigned token)
{
    const struct json_token *t = &json->tokens[token];
    return span_of(json->text + t->start + 1, t->end - t->start - 2);
}

/* The value of `name` in an object, or of place `index` in an array: its token; 0 (which no value
 * inside another has) where there is none or the token is no object or array. */
unsigned json_member(const struct json *json, unsigned object, const char *name);
unsigned json_element(const struct json *json, unsigned array, unsigned index);

/* True where the token is a string that reads `text`. */
bool json_is_text(const struct json *json, unsigned token, const char *text);

/* A string with its escapes resolved (to UTF-8; half a surrogate pair becomes U+FFFD) and a NUL
 * behind it. False, with text_r undefined, where the token is no string, it does not fit into
 * `bytes`, or it contains a NUL. *length_r may be NULL. */
MUST_CHECK bool json_copy_text(const struct json *json, unsigned token, char *text_r, size_t bytes,
                               size_t *length_r);
