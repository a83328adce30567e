/* Registration: is the name free? hash the password; bind the account. */
#include "services/auth/visit.h"

#include "service/log.h"
#include "record/access/claim.h"
#include "services/auth/form.h"
#include "services/auth/guessable.h"
#include "services/auth/letters.h"
#include "services/auth/tickets.h"

#include <jansson.h>
#include <stdio.h>

enum field { NAME, EMAIL, PASSWORD, PAYOUT_ADDRESS, FIELDS };

static const struct form_field fields[FIELDS] = {
    [NAME] = { "name", 1, 4 * NAMES_CHARACTERS_MAX, false },
    [EMAIL] = { "email", 3, ACCOUNT_EMAIL_BYTES - 1, false },
    [PASSWORD] = { "password", PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX, false },
    [PAYOUT_ADDRESS] = { "payout_address", 1, ADDRESS_TEXT_BYTES - 1, false },
};

static void refuse(struct visit *visit, int status, const char *title, const char *detail,
                   const char *field)
{
    metric_add(visit->people->metrics.register_refused, 1);
    visit_problem(visit, status, title, detail, field);
}

/* What the name looks like, as the claim's id: keyed, so that the store tells nobody. */
static bool claim_of(struct visit *visit, const char *name)
{
    char skeleton[NAMES_SKELETON_BYTES];
    uint8_t hash[(CLAIM_ID_BYTES - 1) / 2];
    if (!names_skeleton(visit->people->names, name, skeleton))
        return false;
    const struct span part = span_text(skeleton);
    secrets_hash(visit->people->secrets.claim, &part, 1, hash, sizeof hash);
    hex_encode(span_of(hash, sizeof hash), visit->claim);
    return true;
}

/* What the form says, as an account; false with what is wrong. */
static bool read_account(struct visit *visit, const struct form *form, const char **field_r,
                         const char **detail_r)
{
    const struct coin_profile *coin = visit->people->options.coin;
    struct account *account = &visit->account;
    *field_r = fields[NAME].name;
    char name[IDENTITY_CANONICAL_BYTES];
    enum names_outcome named = names_prepare(visit->people->names, form->values[NAME], name);
    *detail_r = names_outcome_text(named);
    if (named != NAMES_OK)
        return false;
    *detail_r = "this could be meant as an address; choose another";
    if (!people_name(visit->people, span_text(name), &visit->identity) || !claim_of(visit, name))
        return false;
    *field_r = fields[EMAIL].name;
    if (!form_email(form->values[EMAIL], account->email)) {
        *detail_r = "this is not an address of e-mail";
        return false;
    }
    *field_r = fields[PASSWORD].name;
    *detail_r = "this password is among those that are guessed first; choose another";
    if (password_is_guessable(form->values[PASSWORD], span_text(name)))
        return false;
    *field_r = fields[PAYOUT_ADDRESS].name;
    enum address_outcome address = address_parse(coin, form->values[PAYOUT_ADDRESS],
                                                 &account->script, account->payout_address);
    *detail_r = address_outcome_text(address);
    if (address != ADDRESS_OK)
        return false;
    account->id = identity_account_id(&visit->people->key, &visit->identity);
    account->kind = IDENTITY_KIND_ACCOUNT;
    account->state = ACCOUNT_ACTIVE;
    account->roles = ACCOUNT_ROLE_MINER;
    account->created_ms = loop_unix_ms();
    memcpy(account->name, visit->identity.canonical, sizeof account->name);
    return true;
}

static void taken(struct visit *visit)
{
    refuse(visit, 409, "Taken", "this name, or one that looks like it, is taken; choose another",
           fields[NAME].name);
}

static bool ask_bind(struct visit *visit, struct store *store, struct error *error)
{
    struct account bound;
    /* The look first: what was left of a registration that failed is this name's all the same. */
    visit->bound = claim_bind(store, visit->claim, visit->account.id, error);
    if (visit->bound == ACCOUNT_UNKNOWN)
        visit->bound = claim_bind(store, visit->claim, visit->account.id, error);
    if (visit->bound != ACCOUNT_BOUND)
        return visit->bound == ACCOUNT_TAKEN;
    visit->bound = ACCOUNT_UNKNOWN;
    /* A write that may have happened is asked for again; a salt is never twice, so the password's
     * hash tells our own record from a rival's. */
    for (int i = 0; i < 2 && visit->bound == ACCOUNT_UNKNOWN; i++)
        visit->bound = account_bind(store, &visit->account, &bound, &visit->made, error);
    if (visit->bound == ACCOUNT_BOUND && !visit->made)
        visit->made = strcmp(bound.password, visit->account.password) == 0;
    if (visit->bound == ACCOUNT_BOUND && visit->made) {
        visit_note(visit, "registered", "owner", "");
        visit_write_events(visit, store);
        /* A letter that is not sent now is asked for later. */
        if (!tickets_issue(visit, store, TICKET_EMAIL, error))
            log_warn("account.unconfirmed", "account=%016llx",
                     (unsigned long long)visit->account.id);
    }
    return visit->bound == ACCOUNT_BOUND || visit->bound == ACCOUNT_TAKEN;
}

static void after_bind(struct visit *visit)
{
    const struct account *account = &visit->account;
    char id[ACCOUNT_ID_BYTES];
    if (visit->bound != ACCOUNT_BOUND || !visit->made) {
        taken(visit);
        return;
    }
    account_id_text(account->id, id);
    metric_add(visit->people->metrics.registered, 1);
    letters_send(visit);
    log_info("account.registered", "account=%s name=%s", id, account->name);
    visit_reply(visit, 201,
                json_pack("{s:s, s:s, s:s, s:s}", "id", id, "name", account->name, "email",
                          account->email, "payout_address", account->payout_address));
}

static void compute_hash(struct visit *visit)
{
    visit->hashed =
        password_hash(&visit->people->cost, visit->form.values[PASSWORD], visit->account.password);
    visit->verdict = visit->hashed ? PASSWORD_RIGHT : PASSWORD_UNDECIDED;
}

static void after_hash(struct visit *visit)
{
    visit_ask(visit, ask_bind, after_bind);
}

/* Before the password is hashed, because that is dear. */
static bool ask_free(struct visit *visit, struct store *store, struct error *error)
{
    struct account account;
    enum store_outcome outcome = account_get(store, visit->account.id, &account, error);
    visit->found = outcome == STORE_DONE;
    return outcome == STORE_DONE || outcome == STORE_MISSING;
}

static void after_free(struct visit *visit)
{
    if (visit->found)
        taken(visit);
    else
        visit_compute(visit, compute_hash, after_hash);
}

/* Every form that is good counts, so that one address cannot fill the store. */
static void add_limit(struct visit *visit)
{
    const struct span key[] = { span_text("register"), span_text(visit->client) };
    limits_add(visit->people->limits, &visit->limit, PEOPLE_REGISTRATIONS, key, 2);
}

static void find(struct visit *visit)
{
    visit->counted = false; /* whatever becomes of it */
    visit_ask(visit, ask_free, after_free);
}

void people_register(void *context, struct http_exchange *exchange)
{
    struct people *people = context;
    struct form_trouble trouble;
    struct visit *visit = visit_begin(people, exchange);
    if (visit == NULL)
        return;
    visit->unavailable = people->metrics.register_unavailable;
    visit->limited = people->metrics.register_limited;
    if (!form_read(http_body(exchange), http_header(exchange, "content-type"), fields, FIELDS,
                   &visit->form, &trouble)) {
        refuse(visit, trouble.status, "Bad request", trouble.detail, trouble.field);
        return;
    }
    const char *field, *detail;
    if (!read_account(visit, &visit->form, &field, &detail)) {
        refuse(visit, 400, "Bad request", detail, field);
        return;
    }
    add_limit(visit);
    visit_count(visit, find);
}
