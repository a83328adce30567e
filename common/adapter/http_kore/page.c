#include "adapter/http_kore/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct span http_parameter(const char *query, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = query; at != NULL && *at != '\0'; at = strchr(at, '&')) {
        at += *at == '&';
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            return span_of(at + length + 1, strcspn(at + length + 1, "&"));
    }
    return span_of(NULL, 0);
}

bool http_number(struct span text, uint64_t max, uint64_t *number_r)
{
    u128 value;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    if (text.length == 0 || text.length > 20 ||
        !u128_parse((const char *)text.data, text.length, &value) || value > max)
        return false;
    *number_r = (uint64_t)value;
    return true;
}

static bool id_valid(const char *id, size_t length, enum http_page_id kind)
{
    if (kind == HTTP_PAGE_COUNT)
        return length >= 1 && length <= 10 && strspn(id, "0123456789") == length;
    for (size_t i = 0; i < length; i++)
        if (id[i] <= ' ' || id[i] > '~')
            return false;
    return kind == HTTP_PAGE_ID ? length > 0 : length == 0;
}

bool http_page_parse(struct span text, enum http_page_id kind, uint64_t number_max,
                     struct http_page *page_r)
{
    const uint8_t *dash = text.length > 0 ? memchr(text.data, '-', text.length) : NULL;
    memset(page_r, 0, sizeof *page_r);
    if (dash == NULL)
        return false;
    const size_t digits = (size_t)(dash - text.data), hex = text.length - digits - 1;
    const size_t length = hex / 2;
    return http_number(span_of(text.data, digits), number_max, &page_r->number) && hex % 2 == 0 &&
           length < sizeof page_r->id &&
           hex_decode((const char *)dash + 1, hex, (uint8_t *)page_r->id, length) &&
           id_valid(page_r->id, length, kind);
}

void http_page_format(const struct http_page *page, char text_r[HTTP_PAGE_TEXT_BYTES])
{
    const size_t length = strlen(page->id);
    const int used = snprintf(text_r, HTTP_PAGE_TEXT_BYTES, "%" PRIu64 "-", page->number);
    hex_encode(span_of(page->id, length), text_r + used);
    text_r[(size_t)used + 2 * length] = '\0';
}
