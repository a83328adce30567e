/* Which route a request's path means. Pure text: knows neither Kore nor the loop. The path is cut
 * at its slashes first and percent-decoded after, so that an encoded slash never makes a segment.
 */
#pragma once
#include "base/bytes.h"

enum { ROUTER_PATH_BYTES_MAX = 512, ROUTER_SEGMENTS_MAX = 8 };

enum router_outcome {
    ROUTER_FOUND,
    ROUTER_UNKNOWN,   /* no route has this path: 404 */
    ROUTER_METHOD,    /* one has, with other methods: 405 */
    ROUTER_MALFORMED, /* a percent sign without two hex digits, or an encoded NUL: 400 */
};

struct router_match {
    size_t route; /* index; only when found */
    size_t segment_count;
    const char *segments[ROUTER_SEGMENTS_MAX]; /* what stood for each `{}`, decoded; in `storage` */
    unsigned methods;                          /* a bit for each method that the path has */
    char storage[ROUTER_PATH_BYTES_MAX + 1];
};

/* True when the path fits the pattern ("/a/{}/b"); a `{}` takes one segment that is not empty. */
MUST_CHECK bool router_fits(const char *pattern, const char *path);

/* A parameter of a query ("a=1&b=2", percent-encoded), by its name; the first, where there are
 * more. */
enum router_query {
    ROUTER_QUERY_NONE,
    ROUTER_QUERY_FOUND,     /* decoded in value_r, with a NUL */
    ROUTER_QUERY_MALFORMED, /* a percent sign without two hex digits, an encoded NUL, too long */
};
MUST_CHECK enum router_query router_query(const char *query, const char *name, char *value_r,
                                          size_t bytes);

/* The route at `index`: its pattern and method (< 32), or false behind the last. */
typedef bool (*router_table)(const void *table, size_t index, const char **pattern_r,
                             unsigned *method_r);

MUST_CHECK enum router_outcome router_find(router_table next, const void *table, const char *path,
                                           unsigned method, struct router_match *match_r);
