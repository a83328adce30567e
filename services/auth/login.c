/* Login, and what a token opens. A name that is not there takes the same way as one that is: the
 * store is read, and a password is computed, against a hash that fits nobody. */
#include "services/auth/visit.h"

#include "service/log.h"
#include "services/auth/form.h"

#include <jansson.h>
#include <stdio.h>
#include <strings.h>

enum field { NAME, PASSWORD, FIELDS };

static const struct form_field fields[FIELDS] = {
    [NAME] = { "name", 1, IDENTITY_USERNAME_BYTES_MAX },
    [PASSWORD] = { "password", 1, PASSWORD_BYTES_MAX },
};

/* What limits count: an address's failures, and those of a name from there. */
static bool within_limits(struct visit *visit)
{
    struct limiter *limiter = visit->people->limiter;
    const struct span keys[] = { span_text("login"), span_text(visit->client),
                                 span_text(visit->identity.canonical) };
    uint64_t now_s = loop_unix_ms() / 1000;
    unsigned wait_s;
    char text[16];
    visit->limited[0] = limiter_take(limiter, keys, 2, PEOPLE_ADDRESS_FAILURES, now_s, &wait_s);
    visit->limited[1] =
        visit->limited[0] && limiter_take(limiter, keys, 3, PEOPLE_NAME_FAILURES, now_s, &wait_s);
    if (visit->limited[1])
        return true;
    if (visit->limited[0])
        limiter_give_back(limiter, keys, 2);
    metric_add(visit->people->metrics.login_limited, 1);
    snprintf(text, sizeof text, "%u", wait_s);
    http_add_header(visit->exchange, "Retry-After", text);
    visit_problem(visit, 429, "Too many", "too many logins failed; try later", NULL);
    return false;
}

static void count_success(struct visit *visit)
{
    const struct span keys[] = { span_text("login"), span_text(visit->client),
                                 span_text(visit->identity.canonical) };
    limiter_give_back(visit->people->limiter, keys, 2);
    limiter_forget(visit->people->limiter, keys, 3);
    metric_add(visit->people->metrics.login_ok, 1);
}

static void give_token(struct visit *visit)
{
    struct people *people = visit->people;
    uint64_t now_s = loop_unix_ms() / 1000;
    uint64_t life_s = (uint64_t)people->options.settings->auth_token_minutes * 60;
    bool operator_too = (visit->account.roles & ACCOUNT_ROLE_OPERATOR) != 0;
    struct token_claims claims = { .scopes = TOKEN_SCOPE_WITHDRAW |
                                             (operator_too ? TOKEN_SCOPE_PAYOUT : 0u),
                                   .account_id = visit->account.id,
                                   .issued_s = now_s,
                                   .not_before_s = now_s,
                                   .expires_s = now_s + life_s };
    char token[TOKEN_TEXT_BYTES];
    token_sign(people->signer, &claims, token);
    json_t *document = json_pack("{s:s, s:s, s:I}", "access_token", token, "token_type", "Bearer",
                                 "expires_in", (json_int_t)life_s);
    explicit_bzero(token, sizeof token);
    visit_reply(visit, 200, document);
}

/* A newer hash that was not kept is made again at the next login. */
static bool ask_save(struct visit *visit, struct store *store, struct error *error)
{
    enum store_outcome saved = account_save(store, &visit->account, error);
    (void)saved;
    return true;
}

static void after_check(struct visit *visit)
{
    bool right = visit->verdict == PASSWORD_RIGHT && visit->found;
    if (!right) {
        metric_add(visit->people->metrics.login_wrong, 1);
        http_add_header(visit->exchange, "WWW-Authenticate", "Bearer realm=\"adit\"");
        visit_problem(visit, 401, "Unauthorized", "name or password is wrong", NULL);
        return;
    }
    count_success(visit);
    visit->limited[0] = visit->limited[1] = false;
    if (visit->account.state != ACCOUNT_ACTIVE) {
        visit_problem(visit, 403, "Forbidden", "this account is locked or closed", NULL);
        return;
    }
    if (visit->hashed)
        visit_ask(visit, ask_save, give_token);
    else
        give_token(visit);
}

static void compute_check(struct visit *visit)
{
    struct people *people = visit->people;
    const struct span password = span_of(visit->password, visit->password_length);
    visit->verdict =
        password_check(visit->found ? visit->account.password : people->dummy, password);
    if (visit->found && visit->verdict == PASSWORD_RIGHT &&
        password_is_old(&people->cost, visit->account.password)) {
        char hash[PASSWORD_HASH_BYTES];
        visit->hashed = password_hash(&people->cost, password, hash);
        if (visit->hashed)
            memcpy(visit->account.password, hash, sizeof hash);
    }
}

static void after_find(struct visit *visit)
{
    visit_compute(visit, compute_check, after_check);
}

static bool ask_account(struct visit *visit, struct store *store, struct error *error)
{
    uint64_t id = identity_account_id(&visit->people->key, &visit->identity);
    struct account *account = &visit->account;
    enum store_outcome outcome = account_get(store, id, account, error);
    visit->found = outcome == STORE_DONE && visit->has_identity &&
                   account->kind == IDENTITY_KIND_ACCOUNT && account->password[0] != '\0' &&
                   strcmp(account->name, visit->identity.canonical) == 0;
    return outcome == STORE_DONE || outcome == STORE_MISSING;
}

void people_login(void *context, struct http_exchange *exchange)
{
    struct people *people = context;
    struct form form;
    struct form_trouble trouble;
    struct visit *visit = visit_begin(people, exchange);
    if (visit == NULL)
        return;
    visit->unavailable = people->metrics.login_unavailable;
    if (!form_read(http_body(exchange), http_header(exchange, "content-type"), fields, FIELDS,
                   &form, &trouble)) {
        visit_problem(visit, trouble.status, "Bad request", trouble.detail, trouble.field);
        return;
    }
    /* What can be no account's name is unknown like any other that is not there. */
    visit->has_identity = identity_resolve(people->options.coin, form.values[NAME],
                                           &visit->identity, NULL) == IDENTITY_OK &&
                          visit->identity.kind == IDENTITY_KIND_ACCOUNT;
    if (!visit->has_identity)
        visit->identity = (struct identity_account){ .kind = IDENTITY_KIND_ACCOUNT };
    memcpy(visit->password, form.values[PASSWORD].data, form.values[PASSWORD].length);
    visit->password_length = form.values[PASSWORD].length;
    form_free(&form);
    if (within_limits(visit))
        visit_ask(visit, ask_account, after_find);
}

static void refuse_token(struct visit *visit, const char *detail)
{
    http_add_header(visit->exchange, "WWW-Authenticate",
                    "Bearer realm=\"adit\", error=\"invalid_token\"");
    visit_problem(visit, 401, "Unauthorized", detail, "authorization");
}

static const char *state_name(enum account_state state)
{
    switch (state) {
    case ACCOUNT_ACTIVE:
        return "active";
    case ACCOUNT_LOCKED:
        return "locked";
    case ACCOUNT_CLOSED:
        break;
    }
    return "closed";
}

static json_t *roles_of(uint32_t roles)
{
    json_t *list = json_array();
    if ((roles & ACCOUNT_ROLE_MINER) != 0)
        json_array_append_new(list, json_string("miner"));
    if ((roles & ACCOUNT_ROLE_VIEWER) != 0)
        json_array_append_new(list, json_string("viewer"));
    if ((roles & ACCOUNT_ROLE_OPERATOR) != 0)
        json_array_append_new(list, json_string("operator"));
    return list;
}

static void show_account(struct visit *visit)
{
    const struct account *account = &visit->account;
    char id[ACCOUNT_ID_BYTES], threshold[24];
    if (!visit->found) {
        refuse_token(visit, "the token's account is not there");
        return;
    }
    account_id_text(account->id, id);
    snprintf(threshold, sizeof threshold, "%llu", (unsigned long long)account->threshold);
    visit_reply(visit, 200,
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I}", "id", id, "name",
                          account->name, "email", account->email, "payout_address",
                          account->payout_address, "threshold", threshold, "state",
                          state_name(account->state), "roles", roles_of(account->roles), "created",
                          (json_int_t)(account->created_ms / 1000)));
}

static bool ask_me(struct visit *visit, struct store *store, struct error *error)
{
    enum store_outcome outcome = account_get(store, visit->account.id, &visit->account, error);
    visit->found = outcome == STORE_DONE;
    return outcome == STORE_DONE || outcome == STORE_MISSING;
}

void people_me(void *context, struct http_exchange *exchange)
{
    static const char scheme[] = "Bearer ";
    struct people *people = context;
    struct token_claims claims;
    struct visit *visit = visit_begin(people, exchange);
    if (visit == NULL)
        return;
    const char *header = http_header(exchange, "authorization");
    if (header == NULL || strncasecmp(header, scheme, sizeof scheme - 1) != 0) {
        http_add_header(exchange, "WWW-Authenticate", "Bearer realm=\"adit\"");
        visit_problem(visit, 401, "Unauthorized", "an access token is needed: log in first",
                      "authorization");
        return;
    }
    enum token_outcome outcome = token_verify(
        &people->verifier, span_text(header + sizeof scheme - 1), loop_unix_ms() / 1000, &claims);
    if (outcome != TOKEN_OK) {
        refuse_token(visit, token_outcome_text(outcome));
        return;
    }
    visit->account.id = claims.account_id;
    visit_ask(visit, ask_me, show_account);
}
