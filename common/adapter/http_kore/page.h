/* Pages of a list over HTTP. A list has a total order, by a number (a time, a sequence) and among
 * equal ones by an id. An answer's `next` names the place of its last row as a text, which
 * `?page=` takes: the following answer begins right behind it. So a walk has every row that was
 * there when it began exactly once, however many share a number and whatever is added meanwhile.
 * The text is "<number>-<id in hex>" and nobody's but ours to read.
 *
 * Pure; touches no exchange. */
#pragma once
#include "base/bytes.h"

enum { HTTP_PAGE_ID_BYTES = 161, HTTP_PAGE_TEXT_BYTES = 20 + 1 + 2 * 160 + 1 };

struct http_page {
    uint64_t number;
    char id[HTTP_PAGE_ID_BYTES]; /* "" where the number alone is the place; no control characters */
};

/* What an id may be in the list asked for. */
enum http_page_id {
    HTTP_PAGE_NO_ID, /* the number alone is the place */
    HTTP_PAGE_COUNT, /* a number of rows with that number, of 1 to 10 digits */
    HTTP_PAGE_ID,    /* a record's */
};

/* A parameter's raw text in the raw query, the first of its name; data NULL where there is none. */
struct span http_parameter(const char *query, const char *name);
/* Digits and nothing else, at most `max`. */
MUST_CHECK bool http_number(struct span text, uint64_t max, uint64_t *number_r);

/* False for what http_page_format did not write for such a list. */
MUST_CHECK bool http_page_parse(struct span text, enum http_page_id kind, uint64_t number_max,
                                struct http_page *page_r);
void http_page_format(const struct http_page *page, char text_r[HTTP_PAGE_TEXT_BYTES]);
