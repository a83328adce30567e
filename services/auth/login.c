/* Login. A name that is not there takes the same way as one that is: the store is read, a password
 * is computed, against a hash that fits nobody, and the failure is written down. */
#include "services/auth/code.h"
#include "services/auth/endpoint.h"
#include "services/auth/session.h"

#include "service/log.h"

#include <jansson.h>
#include <stdio.h>

enum field { NAME, PASSWORD, CODE, KEEP, FIELDS };

static const struct form_field fields[FIELDS] = {
    [NAME] = { "name", 1, IDENTITY_USERNAME_BYTES_MAX, false },
    [PASSWORD] = { "password", 1, PASSWORD_BYTES_MAX, false },
    [CODE] = { "code", 0, 32, true },
    [KEEP] = { "keep", 6, 6, true },
};

/* What limits count: an address's failures, those of a name from there, and of a name at all. */
enum { BY_CLIENT, BY_NAME_AND_CLIENT, BY_NAME };

static void add_limits(struct visit *visit)
{
    struct limits *limits = visit->people->limits;
    const struct span keys[] = { span_text("login"), span_text(visit->client),
                                 span_text(visit->identity.canonical) };
    const struct span name[] = { span_text("login of"), span_text(visit->identity.canonical) };
    limits_add(limits, &visit->limit, PEOPLE_ADDRESS_FAILURES, keys, 2);
    limits_add(limits, &visit->limit, PEOPLE_NAME_FAILURES, keys, 3);
    limits_add(limits, &visit->limit, PEOPLE_FAILURES, name, 2);
}

static void count_success(struct visit *visit)
{
    struct limits *limits = visit->people->limits;
    limits_give_back(limits, &visit->limit, BY_CLIENT);
    limits_forget(limits, &visit->limit, BY_NAME_AND_CLIENT);
    limits_give_back(limits, &visit->limit, BY_NAME);
    visit->counted = false;
    metric_add(visit->people->metrics.login_ok, 1);
}

static void finish(struct visit *visit)
{
    const struct visit_trouble trouble = visit->trouble;
    if (trouble.status == 429)
        http_add_header(visit->exchange, "Retry-After", "3600");
    if (trouble.status != 0) {
        visit_problem(visit, trouble.status, trouble.title, trouble.detail, trouble.field);
        return;
    }
    count_success(visit);
    session_finish(visit);
    json_t *reply = visit->reply;
    visit->reply = NULL;
    visit_reply(visit, 200, reply);
}

/* The password was right. */
static bool ask_enter(struct visit *visit, struct store *store, struct error *error)
{
    bool shown;
    if (factor_get(store, visit->account.id, &visit->factor, error) != STORE_DONE ||
        !code_show(visit, store, visit->form.values[CODE], &shown, error))
        return false;
    if (shown) {
        /* A newer hash that was not kept is made again at the next login. */
        if (visit->hashed && account_save(store, &visit->account, error) == STORE_FAILED)
            return false;
        if (!session_begin(visit, store, visit->factor.state == FACTOR_ON, error))
            return false;
        visit_note(visit, "login", "owner", "");
    }
    visit_write_events(visit, store);
    return true;
}

static bool ask_note(struct visit *visit, struct store *store, struct error *error)
{
    (void)error;
    visit_note(visit, "login.failed", "unknown", visit->found ? "" : "no such name");
    visit_write_events(visit, store);
    return true;
}

static void after_note(struct visit *visit)
{
    metric_add(visit->people->metrics.login_wrong, 1);
    http_add_header(visit->exchange, "WWW-Authenticate", "Bearer realm=\"adit\"");
    visit_problem(visit, 401, "Unauthorized", "name or password is wrong", NULL);
}

static void after_check(struct visit *visit)
{
    if (visit->verdict != PASSWORD_RIGHT || !visit->found) {
        if (!visit->found)
            visit->account.id = 0;
        visit_ask(visit, ask_note, after_note);
    } else if (visit->account.state != ACCOUNT_ACTIVE) {
        visit_problem(visit, 403, "Forbidden", "this account is locked or closed", NULL);
    } else {
        visit_ask(visit, ask_enter, finish);
    }
}

static void compute_check(struct visit *visit)
{
    struct people *people = visit->people;
    const struct span password = visit->form.values[PASSWORD];
    visit->verdict =
        password_check(visit->found ? visit->account.password : people->dummy, password);
    if (visit->found && visit->verdict == PASSWORD_RIGHT &&
        password_is_old(&people->cost, visit->account.password)) {
        visit->hashed = password_hash(&people->cost, password, visit->hash);
        if (visit->hashed)
            memcpy(visit->account.password, visit->hash, sizeof visit->account.password);
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

static void find(struct visit *visit)
{
    visit_ask(visit, ask_account, after_find);
}

void people_login(void *context, struct http_exchange *exchange)
{
    struct people *people = context;
    struct visit *visit = visit_begin(people, exchange);
    if (visit == NULL)
        return;
    visit->unavailable = people->metrics.login_unavailable;
    visit->limited = people->metrics.login_limited;
    if (!visit_read_form(visit, fields, FIELDS))
        return;
    visit->by_cookie = visit->form.values[KEEP].data != NULL;
    if (visit->by_cookie && memcmp(visit->form.values[KEEP].data, "cookie", 6) != 0) {
        visit_problem(visit, 400, "Bad request", "keep is \"cookie\" or left out", "keep");
        return;
    }
    /* What can be no account's name is unknown like any other that is not there. */
    visit->has_identity = people_name(people, visit->form.values[NAME], &visit->identity);
    add_limits(visit);
    visit_count(visit, find);
}
