/* Registration. Nobody learns by its answer whether a name is free, nor by the time it takes: for a
 * name that is taken the same is read, hashed and written. Where letters are sent the truth stands
 * in one, to the address that was given, and the account is made by showing the token of that
 * letter. Where none are sent it is made at once, if it can be, and who can log in with the
 * password has it. docs/decisions/022-no-answer-tells-a-name.md says why. */
#include "services/auth/register.h"

#include "service/log.h"
#include "record/access/claim.h"
#include "record/access/registration.h"
#include "services/auth/form.h"
#include "services/auth/guessable.h"
#include "services/auth/letters.h"
#include "services/auth/tickets.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

enum { SWEPT = 8 }; /* of those too old, with each that comes */
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

static void complete(struct visit *visit)
{
    struct account *account = &visit->account;
    account->id = identity_account_id(&visit->people->key, &visit->identity);
    account->kind = IDENTITY_KIND_ACCOUNT;
    account->state = ACCOUNT_ACTIVE;
    account->roles = ACCOUNT_ROLE_MINER;
    account->created_ms = loop_unix_ms();
    memcpy(account->name, visit->identity.canonical, sizeof account->name);
}

/* Nothing is locked: nothing is owed to it yet. */
static enum address_outcome set_address(struct visit *visit, struct span text)
{
    const struct coin_profile *coin = visit->people->options.coin;
    struct account_payout payout = { .threshold = 0 };
    enum address_outcome outcome = address_parse(coin, text, &payout.script, payout.address);
    if (outcome == ADDRESS_OK)
        account_set_payout(&visit->account, coin, &payout);
    return outcome;
}

/* What the form says, as an account; false with what is wrong. */
static bool read_account(struct visit *visit, const struct form *form, const char **field_r,
                         const char **detail_r)
{
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
    if (!form_email(form->values[EMAIL], visit->account.email)) {
        *detail_r = "this is not an address of e-mail";
        return false;
    }
    *field_r = fields[PASSWORD].name;
    *detail_r = "this password is among those that are guessed first; choose another";
    if (password_is_guessable(form->values[PASSWORD], span_text(name)))
        return false;
    *field_r = fields[PAYOUT_ADDRESS].name;
    enum address_outcome address = set_address(visit, form->values[PAYOUT_ADDRESS]);
    *detail_r = address_outcome_text(address);
    if (address != ADDRESS_OK)
        return false;
    complete(visit);
    return true;
}

static bool sends_letters(const struct visit *visit)
{
    return visit->people->options.settings->auth_mail[0] != '\0';
}

/* False where the store failed; else visit->made says whether the account is this one's. */
static bool bind(struct visit *visit, struct store *store, struct error *error)
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
    return visit->bound == ACCOUNT_BOUND || visit->bound == ACCOUNT_TAKEN;
}

/* A registration for the visit's account. */
static struct registration pending(struct visit *visit, char *token_r)
{
    struct registration one = { .expires_ms =
                                    loop_unix_ms() + (uint64_t)TICKETS_EMAIL_MINUTES * 60000 };
    const struct account *account = &visit->account;
    const struct account_payout payout = account_payout(account, visit->people->options.coin);
    secrets_random_id(one.id, REGISTRATION_ID_BYTES - 1);
    secrets_opaque_make(visit->people->secrets.registration, REGISTER_PREFIX, one.id, one.secret,
                        token_r);
    memcpy(one.name, account->name, sizeof one.name);
    memcpy(one.email, account->email, sizeof one.email);
    memcpy(one.password, account->password, sizeof one.password);
    memcpy(one.payout_address, payout.address, sizeof one.payout_address);
    return one;
}

/* Makes it wait for its letter. One that can come to nothing is written all the same. */
static bool wait_for_letter(struct visit *visit, struct store *store, struct error *error)
{
    char token[SECRETS_TEXT_BYTES];
    struct registration one = pending(visit, token);
    bool kept = registration_insert(store, &one, error) == STORE_DONE &&
                letters_post(visit, store, visit->found ? LETTER_TAKEN : LETTER_REGISTER, NULL,
                             visit->found ? NULL : token, error);
    sodium_memzero(token, sizeof token);
    sodium_memzero(&one, sizeof one);
    return kept;
}

/* Without letters: the account at once, or as many writes that come to nothing. */
static bool decide_now(struct visit *visit, struct store *store, struct error *error)
{
    char token[SECRETS_TEXT_BYTES];
    if (!visit->found)
        return bind(visit, store, error);
    for (int i = 0; i < 2; i++) {
        struct registration nothing = pending(visit, token);
        if (registration_insert(store, &nothing, error) != STORE_DONE)
            return false;
    }
    return true;
}

static bool ask_register(struct visit *visit, struct store *store, struct error *error)
{
    bool letters = sends_letters(visit);
    struct account *account = &visit->account;
    if (registration_sweep(store, loop_unix_ms(), SWEPT, error) == STORE_FAILED ||
        !(letters ? wait_for_letter(visit, store, error) : decide_now(visit, store, error)))
        return false;
    if (letters || !visit->made)
        account->id = 0; /* nobody's event */
    visit_note(visit, visit->made ? "registered" : "registration", "owner",
               letters && !visit->found ? "waits for its letter"
               : visit->made            ? ""
                                        : "the name is taken");
    visit_write_events(visit, store);
    return true;
}

static void log_made(const struct visit *visit)
{
    char id[ACCOUNT_ID_BYTES];
    account_id_text(visit->account.id, id);
    metric_add(visit->people->metrics.registered, 1);
    log_info("account.registered", "account=%s name=%s", id, visit->account.name);
}

static void after_register(struct visit *visit)
{
    bool letters = sends_letters(visit);
    if (visit->made)
        log_made(visit);
    visit_reply(visit, 202,
                json_pack("{s:s, s:s}", "next", letters ? "letter" : "login", "detail",
                          letters ? "a letter is on its way to the address; it says how to go on"
                                  : "log in; where that cannot be, the name was not free"));
}

static void compute_hash(struct visit *visit)
{
    visit->hashed =
        password_hash(&visit->people->cost, visit->form.values[PASSWORD], visit->account.password);
    visit->verdict = visit->hashed ? PASSWORD_RIGHT : PASSWORD_UNDECIDED;
}

static void after_hash(struct visit *visit)
{
    visit_ask(visit, ask_register, after_register);
}

/* Both are read, whatever the first says. */
static bool ask_free(struct visit *visit, struct store *store, struct error *error)
{
    struct account account;
    uint64_t owner;
    enum store_outcome outcome = account_get(store, visit->account.id, &account, error);
    enum store_outcome claimed = claim_get(store, visit->claim, &owner, error);
    visit->found = outcome == STORE_DONE || (claimed == STORE_DONE && owner != visit->account.id);
    return (outcome == STORE_DONE || outcome == STORE_MISSING) &&
           (claimed == STORE_DONE || claimed == STORE_MISSING);
}

static void after_free(struct visit *visit)
{
    visit_compute(visit, compute_hash, after_hash);
}

/* Every form that is good counts, so that one address cannot fill the store, nor all of them
 * somebody's mailbox. */
static void add_limits(struct visit *visit)
{
    const struct span client[] = { span_text("register"), span_text(visit->client) };
    const struct span email[] = { span_text("register for"), span_text(visit->account.email) };
    limits_add(visit->people->limits, &visit->limit, PEOPLE_REGISTRATIONS, client, 2);
    limits_add(visit->people->limits, &visit->limit, PEOPLE_REGISTRATIONS_EMAIL, email, 2);
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
    add_limits(visit);
    visit_count(visit, find);
}

/* The registration of the text in field 0, where it can still be confirmed; else in trouble. */
static bool find_registration(struct visit *visit, struct store *store, struct registration *one_r,
                              struct error *error)
{
    char id[REGISTRATION_ID_BYTES];
    uint8_t hash[ACCESS_HASH_BYTES];
    enum store_outcome outcome = STORE_MISSING;
    if (secrets_opaque_read(visit->people->secrets.registration, REGISTER_PREFIX,
                            visit->form.values[0], REGISTRATION_ID_BYTES - 1, id, hash))
        outcome = registration_get(store, id, one_r, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    bool good = outcome == STORE_DONE && secrets_same(hash, one_r->secret, sizeof hash) &&
                loop_unix_ms() < one_r->expires_ms &&
                people_name(visit->people, span_text(one_r->name), &visit->identity) &&
                claim_of(visit, one_r->name) &&
                set_address(visit, span_text(one_r->payout_address)) == ADDRESS_OK;
    if (!good)
        (void)register_refuse(visit);
    return true;
}

bool register_refuse(struct visit *visit)
{
    return visit_trouble(visit, 400, "Bad request",
                         "this token is wrong, was used, or is too old: ask for another", "token");
}

bool register_is_token(struct span text)
{
    return text.length > sizeof REGISTER_PREFIX &&
           memcmp(text.data, REGISTER_PREFIX, sizeof REGISTER_PREFIX - 1) == 0;
}

bool register_confirm(struct visit *visit, struct store *store, struct error *error)
{
    struct registration one;
    if (!find_registration(visit, store, &one, error))
        return false;
    if (visit->trouble.status != 0)
        return true;
    complete(visit);
    visit->account.email_confirmed = true;
    memcpy(visit->account.email, one.email, sizeof visit->account.email);
    memcpy(visit->account.password, one.password, sizeof visit->account.password);
    sodium_memzero(one.password, sizeof one.password);
    if (!bind(visit, store, error))
        return false;
    /* Used last: a bind that may not have happened is asked for again by the same letter. */
    if (registration_delete(store, &one, error) == STORE_FAILED)
        return false;
    if (!visit->made) { /* somebody was quicker */
        (void)register_refuse(visit);
        visit->account.id = 0;
        visit_note(visit, "registration", "owner", "the name is taken");
        return true;
    }
    visit_note(visit, "registered", "owner", "");
    log_made(visit);
    return true;
}
