/* The dashboard's files over HTTP. Every number on its pages comes from the API, by the same routes
 * anybody may ask; the files themselves know nothing of the pool. */
#include "services/inode-scheduler/site.h"

#include "services/inode-scheduler/api.h"

#include <stdio.h>

const struct site_entry *site_find(const char *name)
{
    for (const struct site_entry *entry = site_entries; entry->name != NULL; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

static void reply_file(const struct scheduler *scheduler, struct http_exchange *exchange,
                       const struct site_entry *entry)
{
    const char *auth = scheduler->options.settings->auth_origin;
    char policy[600];
    /* Nothing but our own files, no inline code, in nobody's frame; besides our own API that of
     * auth is asked, where it is another origin. (http_reply adds nosniff.) */
    snprintf(policy, sizeof policy,
             "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
             "connect-src 'self'%s%.200s; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'",
             settings_is_origin(auth) ? " " : "", settings_is_origin(auth) ? auth : "");
    http_add_header(exchange, "content-security-policy", policy);
    http_add_header(exchange, "referrer-policy", "no-referrer");
    http_add_header(exchange, "cross-origin-opener-policy", "same-origin");
    /* Files name each other without a version: all are asked for again, and a pool that was
     * upgraded never mixes old and new. */
    http_add_header(exchange, "cache-control", "no-cache");
    http_add_header(exchange, "etag", entry->tag);
    const char *known = http_header(exchange, "if-none-match");
    if (known != NULL && strstr(known, entry->tag) != NULL)
        http_reply(exchange, 304, entry->type, span_of(NULL, 0));
    else
        http_reply(exchange, 200, entry->type, span_of(entry->data, entry->length));
}

void site_page(void *context, struct http_exchange *exchange)
{
    reply_file(context, exchange, site_find("index.html"));
}

void site_file(void *context, struct http_exchange *exchange)
{
    const struct site_entry *entry = site_find(http_segment(exchange, 0));
    if (entry != NULL)
        reply_file(context, exchange, entry);
    else
        http_problem(exchange, 404, "Not found", "the dashboard has no such file", NULL);
}
