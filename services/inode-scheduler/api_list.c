/* How lists are asked for and how they end: `limit` rows, from behind the place that `page` names
 * or from the number that `before` or `after` does; `next`, where rows are left, names the place of
 * the last one (http_page). */
#include "services/inode-scheduler/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DETAIL_BYTES = 96 };

/* True where the parameter is left out, too. */
static bool number_of(struct http_exchange *exchange, const char *name, uint64_t min, uint64_t max,
                      uint64_t *number_r)
{
    char detail[DETAIL_BYTES];
    struct span text = http_parameter(http_query(exchange), name);
    if (text.data == NULL || (http_number(text, max, number_r) && *number_r >= min))
        return true;
    snprintf(detail, sizeof detail, "%s is a number from %" PRIu64 " to %" PRIu64, name, min, max);
    http_problem(exchange, 400, "Bad request", detail, name);
    return false;
}

bool api_list_asked(struct http_exchange *exchange, const struct api_list *list,
                    struct api_page *page_r)
{
    *page_r = (struct api_page){ .limit = list->limit };
    if (!number_of(exchange, "limit", 1, list->limit_max, &page_r->limit) ||
        !number_of(exchange, "before", 0, INT64_MAX, &page_r->before) ||
        !number_of(exchange, "after", 0, INT64_MAX, &page_r->after))
        return false;
    struct span text = http_parameter(http_query(exchange), "page");
    page_r->behind = text.data != NULL;
    if (!page_r->behind || (http_page_parse(text, list->id, list->number_max, &page_r->place) &&
                            page_r->place.number >= list->number_min))
        return true;
    http_problem(exchange, 400, "Bad request",
                 "page is what an answer of this list gave as next, and nothing else", "page");
    return false;
}

void api_list_begin(struct scheduler *scheduler, struct http_exchange *exchange, const char *name,
                    const struct api_list *list, void (*begin)(struct api_read *read))
{
    struct api_page page;
    if (!api_list_asked(exchange, list, &page))
        return;
    struct api_read *read = api_read_new(scheduler, exchange, begin);
    read->page = page;
    api_read_names(read, name);
    api_read_submit(read);
}

uint64_t api_page_from(const struct api_page *page)
{
    return page->behind ? page->place.number : page->before;
}

const char *api_page_past(const struct api_page *page)
{
    return page->behind ? page->place.id : NULL;
}

bool api_page_takes(struct api_page *page, size_t rows, uint64_t number, const char *id)
{
    page->more = rows >= page->limit;
    if (page->more)
        return false;
    page->last.number = number;
    snprintf(page->last.id, sizeof page->last.id, "%s", id);
    return true;
}

void api_add_next(json_t *document, const struct api_page *page)
{
    char text[HTTP_PAGE_TEXT_BYTES];
    http_page_format(&page->last, text);
    json_object_set_new(document, "next", page->more ? json_string(text) : json_null());
}

void api_link_next(struct http_exchange *exchange, const struct api_page *page)
{
    char text[HTTP_PAGE_TEXT_BYTES], link[HTTP_PAGE_TEXT_BYTES + 64];
    if (!page->more)
        return;
    http_page_format(&page->last, text);
    snprintf(link, sizeof link, "<?limit=%" PRIu64 "&page=%s>; rel=\"next\"", page->limit, text);
    http_add_header(exchange, "link", link);
}
