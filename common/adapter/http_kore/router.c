#include "adapter/http_kore/router.h"

bool router_fits(const char *pattern, const char *path)
{
    for (;;) {
        size_t wanted = strcspn(pattern, "/");
        size_t given = strcspn(path, "/");
        bool any = wanted == 2 && strncmp(pattern, "{}", 2) == 0;
        if (any ? given == 0 : wanted != given || strncmp(pattern, path, wanted) != 0)
            return false;
        pattern += wanted;
        path += given;
        if (*pattern != *path)
            return false;
        if (*pattern == '\0')
            return true;
        pattern++;
        path++;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Appends the decoded segment and a NUL at *used; false where it is broken, or has no room. */
static bool decode(const char *segment, size_t length, char *storage, size_t room, size_t *used)
{
    for (size_t i = 0; i < length; i++) {
        char c = segment[i];
        if (c == '%') {
            int high = i + 1 < length ? hex_digit(segment[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(segment[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (*used + 1 >= room)
            return false;
        storage[(*used)++] = c;
    }
    if (*used >= room)
        return false;
    storage[(*used)++] = '\0';
    return true;
}

enum router_query router_query(const char *query, const char *name, char *value_r, size_t bytes)
{
    const size_t head = strlen(name);
    while (*query != '\0') {
        size_t length = strcspn(query, "&");
        if (length > head && strncmp(query, name, head) == 0 && query[head] == '=') {
            size_t used = 0;
            return decode(query + head + 1, length - head - 1, value_r, bytes, &used)
                       ? ROUTER_QUERY_FOUND
                       : ROUTER_QUERY_MALFORMED;
        }
        query += length;
        query += *query == '&';
    }
    return ROUTER_QUERY_NONE;
}

/* Walks both again, which are known to fit. */
static bool take_segments(const char *pattern, const char *path, struct router_match *match)
{
    size_t used = 0;
    for (;;) {
        size_t wanted = strcspn(pattern, "/");
        size_t given = strcspn(path, "/");
        if (wanted == 2 && strncmp(pattern, "{}", 2) == 0) {
            ASSERT(match->segment_count < ROUTER_SEGMENTS_MAX);
            match->segments[match->segment_count++] = match->storage + used;
            if (!decode(path, given, match->storage, sizeof match->storage, &used))
                return false;
        }
        pattern += wanted;
        path += given;
        if (*pattern == '\0')
            return true;
        pattern++;
        path++;
    }
}

enum router_outcome router_find(router_table next, const void *table, const char *path,
                                unsigned method, struct router_match *match_r)
{
    *match_r = (struct router_match){ 0 };
    const char *pattern;
    const char *found = NULL;
    unsigned of;
    if (strlen(path) > ROUTER_PATH_BYTES_MAX)
        return ROUTER_UNKNOWN;
    for (size_t i = 0; next(table, i, &pattern, &of); i++) {
        if (!router_fits(pattern, path))
            continue;
        if (of == method && found == NULL) {
            found = pattern;
            match_r->route = i;
        }
        match_r->methods |= 1u << of;
    }
    if (match_r->methods == 0)
        return ROUTER_UNKNOWN;
    if (found == NULL)
        return ROUTER_METHOD;
    return take_segments(found, path, match_r) ? ROUTER_FOUND : ROUTER_MALFORMED;
}
