/* The audit trail, as its owner and operators read it. */
#include "services/auth/endpoint.h"

#include <jansson.h>
#include <stdlib.h>

enum { PAGE = 100 };

static bool gather(void *context, const struct event *event)
{
    char account[ACCOUNT_ID_BYTES];
    account_id_text(event->account_id, account);
    json_array_append_new(context, json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "id", event->id,
                                             "time_ms", (json_int_t)event->time_ms, "account",
                                             account, "event", event->kind, "actor", event->actor,
                                             "address", event->client, "detail", event->detail));
    return true;
}

/* "before=1234", or nothing. */
static bool read_before(struct visit *visit)
{
    static const char key[] = "before=";
    const char *query = http_query(visit->exchange);
    size_t head = sizeof key - 1;
    if (query[0] == '\0')
        return true;
    size_t digits = strncmp(query, key, head) == 0 ? strspn(query + head, "0123456789") : 0;
    return (digits > 0 && digits < 16 && query[head + digits] == '\0') ||
           visit_trouble(visit, 400, "Bad request",
                         "before is a time in milliseconds, and all there may be", "before");
}

static bool list(struct visit *visit, struct store *store, bool all, struct error *error)
{
    const char *query = http_query(visit->exchange);
    uint64_t before_ms = query[0] != '\0' ? strtoull(strchr(query, '=') + 1, NULL, 10) : 0;
    json_t *events = json_array();
    if (access_event_walk(store, visit->account.id, all, before_ms, PAGE, gather, events, error) !=
        STORE_DONE) {
        json_decref(events);
        return false;
    }
    visit->reply = json_pack("{s:o}", "events", events);
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
                                         .read = read_before,
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
                                           .read = read_before,
                                           .act = act_all };
    endpoint_begin(context, exchange, &every);
}
