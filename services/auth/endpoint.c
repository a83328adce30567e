#include "services/auth/endpoint.h"

#include "services/auth/code.h"

#include <jansson.h>
#include <sodium.h>
#include <strings.h>

enum { PASSWORD_FIELD = 0, CODE_FIELD = 1 };

static void refuse_token(struct visit *visit, const char *detail)
{
    http_add_header(visit->exchange, "WWW-Authenticate",
                    "Bearer realm=\"adit\", error=\"invalid_token\"");
    visit_problem(visit, 401, "Unauthorized", detail, "authorization");
}

bool endpoint_token(struct visit *visit, uint32_t scopes)
{
    static const char scheme[] = "Bearer ";
    const char *header = http_header(visit->exchange, "authorization");
    if (header == NULL || strncasecmp(header, scheme, sizeof scheme - 1) != 0) {
        http_add_header(visit->exchange, "WWW-Authenticate", "Bearer realm=\"adit\"");
        visit_problem(visit, 401, "Unauthorized", "an access token is needed: log in first",
                      "authorization");
        return false;
    }
    enum token_outcome outcome =
        token_verify(&visit->people->verifier, span_text(header + sizeof scheme - 1),
                     loop_unix_ms() / 1000, &visit->claims);
    if (outcome != TOKEN_OK) {
        refuse_token(visit, token_outcome_text(outcome));
        return false;
    }
    if ((visit->claims.scopes & scopes) == 0) {
        visit_problem(visit, 403, "Forbidden", "this token is not good for that", "authorization");
        return false;
    }
    return true;
}

bool endpoint_load(struct visit *visit, struct store *store, struct error *error)
{
    uint64_t id = visit->claims.account_id;
    enum store_outcome outcome = account_get(store, id, &visit->account, error);
    if (outcome == STORE_MISSING)
        return visit_trouble(visit, 401, "Unauthorized", "the token's account is not there",
                             "authorization") ||
               true;
    if (outcome != STORE_DONE)
        return false;
    visit->found = true;
    if (visit->claims.session[0] != '\0') {
        outcome = session_get(store, visit->claims.session, &visit->session, error);
        if (outcome != STORE_DONE && outcome != STORE_MISSING)
            return false;
        if (outcome == STORE_MISSING || visit->session.account_id != id ||
            !session_is_live(&visit->session, visit->account.sessions_from_ms, loop_unix_ms()))
            (void)visit_trouble(visit, 401, "Unauthorized", "the session has ended: log in again",
                                "authorization");
    } else if (account_token_is_void(&visit->account, false, visit->claims.issued_s)) {
        (void)visit_trouble(visit, 401, "Unauthorized", "the key counts no more", "authorization");
    }
    if (visit->trouble.status == 0 && visit->account.state != ACCOUNT_ACTIVE)
        (void)visit_trouble(visit, 403, "Forbidden", "this account is locked or closed", NULL);
    return factor_get(store, id, &visit->factor, error) == STORE_DONE;
}

static void finish(struct visit *visit)
{
    const struct endpoint *endpoint = visit->endpoint;
    if (visit->trouble.status != 0) {
        const struct visit_trouble trouble = visit->trouble;
        if (trouble.status == 401)
            http_add_header(visit->exchange, "WWW-Authenticate",
                            "Bearer realm=\"adit\", error=\"invalid_token\"");
        if (trouble.status == 429)
            http_add_header(visit->exchange, "Retry-After", "3600");
        visit_problem(visit, trouble.status, trouble.title, trouble.detail, trouble.field);
        return;
    }
    for (size_t i = 0; visit->counted && endpoint->failures_only && i < visit->limit.count; i++)
        limits_give_back(visit->people->limits, &visit->limit, i);
    visit->counted = false;
    if (endpoint->after != NULL)
        endpoint->after(visit);
    json_t *reply = visit->reply;
    visit->reply = NULL;
    visit_reply(visit, visit->status != 0 ? visit->status : reply != NULL ? 200 : 204, reply);
}

static bool ask_act(struct visit *visit, struct store *store, struct error *error)
{
    const struct endpoint *endpoint = visit->endpoint;
    bool shown = true;
    if ((endpoint->needs & ENDPOINT_CODE) != 0 &&
        !code_show(visit, store, visit->form.values[CODE_FIELD], &shown, error))
        return false;
    if (shown && !endpoint->act(visit, store, error))
        return false;
    visit_write_events(visit, store);
    return true;
}

static void act(struct visit *visit)
{
    if (visit->trouble.status != 0)
        finish(visit);
    else
        visit_ask(visit, ask_act, finish);
}

static void compute(struct visit *visit)
{
    const struct endpoint *endpoint = visit->endpoint;
    visit->verdict = PASSWORD_RIGHT;
    if ((endpoint->needs & ENDPOINT_PASSWORD) != 0)
        visit->verdict =
            password_check(visit->account.password, visit->form.values[PASSWORD_FIELD]);
    if (visit->verdict != PASSWORD_RIGHT || (endpoint->needs & ENDPOINT_FRESH) == 0)
        return;
    visit->hashed =
        password_hash(&visit->people->cost, visit->form.values[endpoint->fresh], visit->hash);
    if (!visit->hashed)
        visit->verdict = PASSWORD_UNDECIDED;
}

static bool ask_note(struct visit *visit, struct store *store, struct error *error)
{
    (void)error;
    visit_write_events(visit, store);
    return true;
}

static void after_compute(struct visit *visit)
{
    if (visit->verdict == PASSWORD_RIGHT) {
        act(visit);
        return;
    }
    (void)visit_trouble(visit, 403, "Forbidden", "the password is wrong", "password");
    visit_note(visit, "password.wrong", "owner", visit->endpoint->what);
    visit_ask(visit, ask_note, finish);
}

static void after_load(struct visit *visit)
{
    bool dear = (visit->endpoint->needs & (ENDPOINT_PASSWORD | ENDPOINT_FRESH)) != 0;
    if (visit->trouble.status == 0 && dear)
        visit_compute(visit, compute, after_compute);
    else
        act(visit);
}

static void load(struct visit *visit)
{
    if ((visit->endpoint->needs & ENDPOINT_TOKEN) != 0)
        visit_ask(visit, endpoint_load, after_load);
    else if (visit->endpoint->load != NULL)
        visit_ask(visit, visit->endpoint->load, after_load);
    else
        after_load(visit);
}

/* Counted by the account it is about where that is known, else by the name that was given. */
static void add_limits(struct visit *visit)
{
    const struct endpoint *endpoint = visit->endpoint;
    uint8_t id[8];
    store_le64(id, visit->claims.account_id);
    const struct span account = visit->claims.account_id != 0
                                    ? span_of(id, sizeof id)
                                    : span_text(visit->identity.canonical);
    const struct span by_client[] = { span_text(endpoint->what), span_text("client"),
                                      span_text(visit->client) };
    const struct span by_account[] = { span_text(endpoint->what), span_text("account"), account };
    struct limits *limits = visit->people->limits;
    limits_add(limits, &visit->limit, endpoint->client_max, by_client, 3);
    if (account.length > 0)
        limits_add(limits, &visit->limit, endpoint->account_max, by_account, 3);
}

void endpoint_begin(void *people, struct http_exchange *exchange, const struct endpoint *endpoint)
{
    struct visit *visit = visit_begin(people, exchange);
    if (visit == NULL)
        return;
    visit->endpoint = endpoint;
    if ((endpoint->needs & ENDPOINT_TOKEN) != 0 && !endpoint_token(visit, endpoint->scopes))
        return;
    if (endpoint->field_count > 0 &&
        !visit_read_form(visit, endpoint->fields, endpoint->field_count))
        return;
    if (endpoint->read != NULL && !endpoint->read(visit)) {
        finish(visit);
        return;
    }
    add_limits(visit);
    visit_count(visit, load);
}
