/* The audit trail, as its owner and operators read it. */
#include "services/auth/endpoint.h"

#include "adapter/http_kore/page.h"

#include <jansson.h>
#include <stdio.h>

enum { PAGE = 100 };

struct trail {
    json_t *list;
    uint64_t limit;
    bool more;
    struct http_page last;
};

static bool gather(void *context, const struct event *event)
{
    struct trail *trail = context;
    trail->more = json_array_size(trail->list) == trail->limit;
    if (trail->more)
        return false;
    trail->last.number = event->time_ms;
    snprintf(trail->last.id, sizeof trail->last.id, "%s", event->id);
    char account[ACCOUNT_ID_BYTES];
    account_id_text(event->account_id, account);
    json_array_append_new(trail->list,
                          json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "id", event->id,
                                    "time_ms", (json_int_t)event->time_ms, "account", account,
                                    "event", event->kind, "actor", event->actor, "address",
                                    event->client, "detail", event->detail));
    return true;
}

struct asked {
    uint64_t limit, before_ms;
    bool behind;
    struct http_page place;
};

static const char *refuse_asked(const struct http_exchange *exchange, struct asked *asked_r)
{
    const char *query = http_query(exchange);
    struct span limit = http_parameter(query, "limit"), before = http_parameter(query, "before"),
                page = http_parameter(query, "page");
    *asked_r = (struct asked){ .limit = PAGE };
    if (limit.data != NULL && (!http_number(limit, PAGE, &asked_r->limit) || asked_r->limit == 0))
        return "limit";
    if (before.data != NULL && !http_number(before, INT64_MAX, &asked_r->before_ms))
        return "before";
    asked_r->behind = page.data != NULL;
    if (asked_r->behind && !http_page_parse(page, HTTP_PAGE_ID, INT64_MAX, &asked_r->place))
        return "page";
    return NULL;
}

static bool read_asked(struct visit *visit)
{
    struct asked asked;
    const char *field = refuse_asked(visit->exchange, &asked);
    return field == NULL ||
           visit_trouble(visit, 400, "Bad request",
                         "limit is a number from 1 to 100, before a time in milliseconds, and page "
                         "what an answer gave as next",
                         field);
}

static bool list(struct visit *visit, struct store *store, bool all, struct error *error)
{
    struct asked asked;
    char next[HTTP_PAGE_TEXT_BYTES];
    ASSERT(refuse_asked(visit->exchange, &asked) == NULL); /* read_asked saw to that */
    struct trail trail = { .list = json_array(), .limit = asked.limit };
    if (access_event_walk(store, visit->account.id, all,
                          asked.behind ? asked.place.number : asked.before_ms,
                          asked.behind ? asked.place.id : NULL, asked.limit + 1, gather, &trail,
                          error) != STORE_DONE) {
        json_decref(trail.list);
        return false;
    }
    http_page_format(&trail.last, next);
    visit->reply = json_pack("{s:o, s:s?}", "events", trail.list, "next", trail.more ? next : NULL);
    return true;
}

static bool act_own(struct visit *visit, struct store *store, struct error *error)
{
    return list(visit, store, false, error);
}

void people_events(void *context, struct http_exchange *exchange)
{
    static const struct endpoint own = { .what = "events",
                                         .needs = ENDPOINT_TOKEN,
                                         .scopes = TOKEN_SCOPE_READ,
                                         .client_max = ENDPOINT_CLIENT_MAX,
                                         .account_max = ENDPOINT_ACCOUNT_MAX,
                                         .read = read_asked,
                                         .act = act_own };
    endpoint_begin(context, exchange, &own);
}

static bool act_all(struct visit *visit, struct store *store, struct error *error)
{
    /* An operator: now, not only when the token was made. */
    if ((visit->account.roles & ACCOUNT_ROLE_OPERATOR) == 0) {
        (void)visit_trouble(visit, 403, "Forbidden", "the token is not an operator's",
                            "authorization");
        return true;
    }
    return list(visit, store, true, error);
}

void people_all_events(void *context, struct http_exchange *exchange)
{
    static const struct endpoint every = { .what = "events",
                                           .needs = ENDPOINT_TOKEN,
                                           .scopes = TOKEN_SCOPE_OPERATOR,
                                           .client_max = ENDPOINT_CLIENT_MAX,
                                           .account_max = ENDPOINT_ACCOUNT_MAX,
                                           .read = read_asked,
                                           .act = act_all };
    endpoint_begin(context, exchange, &every);
}
