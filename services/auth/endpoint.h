/* What most requests of people have in common, as a table a request: which fields its body has,
 * what must be shown, how often it may be tried, and what it does. It then goes its way in one
 * order: form, token, limits, the records, the password, and last, on the store's thread, what it
 * is for.
 *
 * Handlers of one request see its visit one after another, never at once. */
#pragma once
#include "services/auth/visit.h"

enum {
    ENDPOINT_TOKEN = 1,    /* an access token with one of `scopes`, of a session that counts */
    ENDPOINT_PASSWORD = 2, /* field 0 is the account's password */
    ENDPOINT_CODE = 4,     /* field 1 is a code of the second factor, needed where that is on */
    ENDPOINT_FRESH = 8,    /* field `fresh` is a password to be hashed into visit->hash */
};

enum { /* requests that show a token, per LIMITER_WINDOW_S */
       ENDPOINT_CLIENT_MAX = 6000,
       ENDPOINT_ACCOUNT_MAX = 3000,
};

struct endpoint {
    const char *what; /* names its limits */
    const struct form_field *fields;
    size_t field_count; /* 0: no body is read */
    unsigned needs;
    uint32_t scopes; /* any of them will do */
    size_t fresh;
    unsigned client_max, account_max; /* tries, per LIMITER_WINDOW_S; 0: as many as one likes */
    bool failures_only;               /* a try that succeeds is not counted */
    /* On the loop: looks at the form; may set identity, for the limits. False in trouble. */
    bool (*read)(struct visit *visit);
    /* On the store's thread, where there is no token: reads what it is about. */
    bool (*load)(struct visit *visit, struct store *store, struct error *error);
    /* On the store's thread: does it. True, also in trouble; false where the store failed. */
    bool (*act)(struct visit *visit, struct store *store, struct error *error);
    /* On the loop, when it was done: what is to be sent or logged. May be NULL. */
    void (*after)(struct visit *visit);
};

/* One that shows a token of the account's own, and asks for nothing else. */
#define ENDPOINT_OF_OWNER(what_, act_)                                                             \
    {                                                                                              \
        .what = (what_), .needs = ENDPOINT_TOKEN, .scopes = TOKEN_SCOPE_ACCOUNT,                   \
        .client_max = ENDPOINT_CLIENT_MAX, .account_max = ENDPOINT_ACCOUNT_MAX, .act = (act_)      \
    }

void endpoint_begin(void *people, struct http_exchange *exchange, const struct endpoint *endpoint);

/* Whether there is a good access token with one of the scopes; false with the visit answered. */
MUST_CHECK bool endpoint_token(struct visit *visit, uint32_t scopes);
/* Reads account, session and second factor of the token; in trouble where they do not count. On the
 * store's thread. */
MUST_CHECK bool endpoint_load(struct visit *visit, struct store *store, struct error *error);
