/* Passwords changed and set anew, addresses confirmed. Who asks for a letter is told the same
 * whether or not there is such an account, and the same work is done. */
#include "services/auth/tickets.h"

#include "services/auth/endpoint.h"
#include "services/auth/grants.h"
#include "services/auth/guessable.h"
#include "services/auth/letters.h"
#include "services/auth/register.h"

#include <jansson.h>
#include <sodium.h>

enum { ATTEMPTS = 3, ID_DIGITS = ACCOUNT_ID_BYTES - 1 };

bool tickets_issue(struct visit *visit, struct store *store, enum ticket_kind kind,
                   struct error *error)
{
    bool reset = kind == TICKET_RESET;
    struct ticket ticket = { .account_id = visit->account.id, .kind = kind };
    char id[ACCOUNT_ID_BYTES], text[SECRETS_TEXT_BYTES];
    uint64_t minutes = reset ? TICKETS_RESET_MINUTES : TICKETS_EMAIL_MINUTES;
    account_id_text(ticket.account_id, id);
    secrets_opaque_make(visit->people->secrets.ticket, "", id, ticket.secret, text);
    ticket.expires_ms = loop_unix_ms() + minutes * 60000;
    memcpy(ticket.email, visit->account.email, sizeof ticket.email);
    bool kept =
        ticket_put(store, &ticket, error) == STORE_DONE &&
        letters_post(visit, store, reset ? LETTER_RESET : LETTER_CONFIRM, NULL, text, error);
    sodium_memzero(text, sizeof text);
    sodium_memzero(&ticket, sizeof ticket);
    return kept;
}

/* The ticket of the text in field 0, and its account; in trouble where it is none. */
static bool find_ticket(struct visit *visit, struct store *store, enum ticket_kind kind,
                        struct ticket *ticket_r, struct error *error)
{
    char id[ACCOUNT_ID_BYTES];
    uint8_t hash[ACCESS_HASH_BYTES];
    enum store_outcome outcome = STORE_MISSING;
    uint64_t account_id = 0;
    if (secrets_opaque_read(visit->people->secrets.ticket, "", visit->form.values[0], ID_DIGITS, id,
                            hash) &&
        hex_decode_u64(id, ID_DIGITS, &account_id))
        outcome = ticket_get(store, account_id, kind, ticket_r, error);
    if (outcome == STORE_DONE && (!secrets_same(hash, ticket_r->secret, sizeof hash) ||
                                  loop_unix_ms() >= ticket_r->expires_ms))
        outcome = STORE_MISSING;
    if (outcome == STORE_DONE)
        outcome = account_get(store, account_id, &visit->account, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    /* A letter to an address of before says nothing of the one of now. */
    if (outcome == STORE_MISSING || visit->account.state != ACCOUNT_ACTIVE ||
        strcmp(visit->account.email, ticket_r->email) != 0)
        (void)register_refuse(visit);
    return true;
}

static bool read_forgot(struct visit *visit)
{
    /* What can be no account's name is unknown like any other that is not there. */
    visit->has_identity = people_name(visit->people, visit->form.values[0], &visit->identity);
    return true;
}

/* For a name that is not there the same is done for nobody's account. */
static bool act_forgot(struct visit *visit, struct store *store, struct error *error)
{
    uint64_t id = identity_account_id(&visit->people->key, &visit->identity);
    enum store_outcome outcome = account_get(store, id, &visit->account, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    bool known = outcome == STORE_DONE && visit->has_identity &&
                 visit->account.state == ACCOUNT_ACTIVE && visit->account.password[0] != '\0' &&
                 strcmp(visit->account.name, visit->identity.canonical) == 0;
    if (!known)
        memset(&visit->account, 0, sizeof visit->account);
    visit_note(visit, "password.forgot", "unknown", known ? "" : "no such name");
    visit->status = 202;
    visit->reply = json_pack("{s:s}", "detail",
                             "if there is such an account, a letter is on its way to its address");
    return tickets_issue(visit, store, TICKET_RESET, error);
}

void people_forgot(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = { { "name", 1, IDENTITY_USERNAME_BYTES_MAX, false } };
    static const struct endpoint forgot = { .what = "forgot",
                                            .fields = fields,
                                            .field_count = 1,
                                            .client_max = 20,
                                            .account_max = 5,
                                            .read = read_forgot,
                                            .act = act_forgot };
    endpoint_begin(context, exchange, &forgot);
}

static bool good_password(struct visit *visit, size_t field)
{
    return !password_is_guessable(visit->form.values[field], span_of(NULL, 0)) ||
           visit_trouble(visit, 400, "Bad request",
                         "this password is among those that are guessed first; choose another",
                         visit->endpoint->fields[field].name);
}

/* What becomes of API keys and links: the field behind the password. A letter's reset means that
 * somebody may have had the account, so they go unless it is asked otherwise; who shows the
 * password keeps them unless. */
static bool revokes(const struct visit *visit)
{
    const struct span keys = visit->form.values[visit->endpoint->fresh + 1];
    return keys.data != NULL ? span_equal(keys, span_text("revoke"))
                             : visit->endpoint->load != NULL;
}

static bool read_fresh(struct visit *visit)
{
    const struct span keys = visit->form.values[visit->endpoint->fresh + 1];
    if (keys.data != NULL && !span_equal(keys, span_text("keep")) &&
        !span_equal(keys, span_text("revoke")))
        return visit_trouble(visit, 400, "Bad request", "keep or revoke is meant", "keys");
    return good_password(visit, visit->endpoint->fresh);
}

/* Looked at before the new password is hashed, because that is dear. */
static bool load_reset(struct visit *visit, struct store *store, struct error *error)
{
    struct ticket ticket;
    return find_ticket(visit, store, TICKET_RESET, &ticket, error);
}

/* visit->hash is the account's password from now on, every session ends, and where keys and links
 * do not stay they count no more with the same write. */
static bool set_password(struct visit *visit, struct store *store, const char *detail,
                         struct error *error)
{
    struct account *account = &visit->account;
    memcpy(account->password, visit->hash, sizeof account->password);
    account->sessions_from_ms = loop_unix_ms() + 1;
    if (revokes(visit))
        account->grants_from_ms = account->sessions_from_ms;
    if (!visit_wrote(visit, account_save(store, account, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "password", "owner", detail);
    if (revokes(visit)) {
        visit_note(visit, "keys.revoked", "owner", detail);
        grants_tidy(visit, store);
    }
    letters_tell(visit, store, revokes(visit) ? LETTER_PASSWORD_KEYS : LETTER_PASSWORD, NULL);
    return true;
}

static bool act_reset(struct visit *visit, struct store *store, struct error *error)
{
    struct ticket ticket;
    if (!find_ticket(visit, store, TICKET_RESET, &ticket, error))
        return false;
    if (visit->trouble.status != 0)
        return true;
    /* Used first: a token that was taken and did nothing harms less than one good twice. */
    if (!visit_wrote(visit, ticket_use(store, &ticket, error)))
        return visit->trouble.status != 0;
    visit->account.email_confirmed = true;
    return set_password(visit, store, "by letter", error);
}

void people_reset(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = {
        { "token", 1, SECRETS_TEXT_BYTES, false },
        { "password", PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX, false },
        { "keys", 1, 8, true },
    };
    static const struct endpoint reset = { .what = "reset",
                                           .needs = ENDPOINT_FRESH,
                                           .fresh = 1,
                                           .fields = fields,
                                           .field_count = 3,
                                           .client_max = 50,
                                           .read = read_fresh,
                                           .load = load_reset,
                                           .act = act_reset };
    endpoint_begin(context, exchange, &reset);
}

static bool act_change(struct visit *visit, struct store *store, struct error *error)
{
    return set_password(visit, store, "by its owner", error);
}

void people_set_password(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = {
        { "password", 1, PASSWORD_BYTES_MAX, false },
        { "code", 0, 32, true },
        { "new_password", PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX, false },
        { "keys", 1, 8, true },
    };
    static const struct endpoint change = { .what = "password",
                                            .needs = ENDPOINT_TOKEN | ENDPOINT_PASSWORD |
                                                     ENDPOINT_CODE | ENDPOINT_FRESH,
                                            .scopes = TOKEN_SCOPE_ACCOUNT,
                                            .fresh = 2,
                                            .fields = fields,
                                            .field_count = 4,
                                            .client_max = PEOPLE_ADDRESS_FAILURES,
                                            .account_max = PEOPLE_NAME_FAILURES,
                                            .failures_only = true,
                                            .read = read_fresh,
                                            .act = act_change };
    endpoint_begin(context, exchange, &change);
}

static bool act_confirm(struct visit *visit, struct store *store, struct error *error)
{
    struct ticket ticket;
    if (register_is_token(visit->form.values[0]))
        return register_confirm(visit, store, error);
    if (!find_ticket(visit, store, TICKET_EMAIL, &ticket, error))
        return false;
    if (visit->trouble.status != 0)
        return true;
    if (!visit_wrote(visit, ticket_use(store, &ticket, error)))
        return visit->trouble.status != 0;
    enum store_outcome outcome = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS && outcome == STORE_CONFLICT; i++) {
        if (account_get(store, ticket.account_id, &visit->account, error) != STORE_DONE)
            return false;
        visit->account.email_confirmed = strcmp(visit->account.email, ticket.email) == 0;
        outcome = account_save(store, &visit->account, error);
    }
    if (!visit_wrote(visit, outcome))
        return visit->trouble.status != 0;
    visit_note(visit, "email.confirmed", "owner", "");
    return true;
}

void people_confirm(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = { { "token", 1, SECRETS_TEXT_BYTES, false } };
    static const struct endpoint confirm = {
        .what = "confirm", .fields = fields, .field_count = 1, .client_max = 50, .act = act_confirm
    };
    endpoint_begin(context, exchange, &confirm);
}

static bool act_again(struct visit *visit, struct store *store, struct error *error)
{
    visit->status = 202;
    visit->reply = json_pack("{s:s}", "detail", "a letter is on its way");
    return visit->account.email_confirmed || tickets_issue(visit, store, TICKET_EMAIL, error);
}

void people_confirm_again(void *context, struct http_exchange *exchange)
{
    static const struct endpoint again = { .what = "confirmation",
                                           .needs = ENDPOINT_TOKEN,
                                           .scopes = TOKEN_SCOPE_ACCOUNT,
                                           .client_max = 20,
                                           .account_max = 5,
                                           .act = act_again };
    endpoint_begin(context, exchange, &again);
}
