/* What an account's owner changes in it: addresses (one a coin), threshold, e-mail, workers'
 * password; and its end. Whatever could take the owner's money wants the password again, and a code
 * where there is a second factor; the owner is told by letter. */
#include "services/auth/endpoint.h"
#include "services/auth/letters.h"
#include "services/auth/grants.h"
#include "services/auth/binding.h"
#include "services/auth/tickets.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { PASSWORD, CODE, MORE, FIELDS };
#define SHOWN                                                                                      \
    [PASSWORD] = { "password", 1, PASSWORD_BYTES_MAX, false }, [CODE] = { "code", 0, 32, true }

/* What all that must be proven have in common. */
#define PROVEN PROVEN_WITH(FIELDS)
#define PROVEN_WITH(fields)                                                                        \
    .needs = ENDPOINT_TOKEN | ENDPOINT_PASSWORD | ENDPOINT_CODE, .scopes = TOKEN_SCOPE_ACCOUNT,    \
    .client_max = PEOPLE_ADDRESS_FAILURES, .account_max = PEOPLE_NAME_FAILURES,                    \
    .failures_only = true, .field_count = (fields)

/* The coin that is meant: the pool's own where none is named. */
static bool read_coin(struct visit *visit, size_t field)
{
    const struct span name = visit->form.values[field];
    visit->coin = name.data == NULL ? visit->people->options.coin : coin_profile_find(name);
    return visit->coin != NULL ||
           visit_trouble(visit, 400, "Bad request", "this is no coin the pool knows", "coin");
}

enum { COIN = FIELDS, ADDRESS_FIELDS };
static const struct form_field address_fields[ADDRESS_FIELDS] = {
    SHOWN,
    [MORE] = { "payout_address", 0, ADDRESS_TEXT_BYTES - 1, false },
    [COIN] = { "coin", 1, ACCOUNT_COIN_BYTES - 1, true },
};

/* By the rules of its coin; an empty one takes the address away. */
static bool read_address(struct visit *visit)
{
    if (!read_coin(visit, COIN))
        return false;
    if (visit->form.values[MORE].length == 0)
        return true;
    enum address_outcome outcome =
        address_parse(visit->coin, visit->form.values[MORE], &visit->script, visit->address);
    return outcome == ADDRESS_OK || visit_trouble(visit, 400, "Bad request",
                                                  address_outcome_text(outcome), "payout_address");
}

static bool act_address(struct visit *visit, struct store *store, struct error *error)
{
    struct account *account = &visit->account;
    char detail[EVENT_DETAIL_BYTES];
    uint64_t hours = (uint64_t)visit->people->options.settings->auth_address_lock_hours;
    struct account_payout payout = account_payout(account, visit->coin);
    if (strcmp(payout.address, visit->address) == 0)
        return true;
    snprintf(detail, sizeof detail, "%s: %.66s to %.66s", visit->coin->name,
             payout.address[0] != '\0' ? payout.address : "none",
             visit->address[0] != '\0' ? visit->address : "none");
    payout.script = visit->script;
    memcpy(payout.address, visit->address, sizeof payout.address);
    payout.lock_until_ms = loop_unix_ms() + hours * 3600000;
    account_set_payout(account, visit->coin, &payout);
    if (!visit_wrote(visit, account_save(store, account, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "address", "owner", detail);
    letters_tell(visit, store, LETTER_ADDRESS, NULL);
    return true;
}

void people_set_address(void *context, struct http_exchange *exchange)
{
    static const struct endpoint set = { PROVEN_WITH(ADDRESS_FIELDS), .what = "address",
                                         .fields = address_fields, .read = read_address,
                                         .act = act_address };
    endpoint_begin(context, exchange, &set);
}

static const struct form_field email_fields[FIELDS] = {
    SHOWN,
    [MORE] = { "email", 3, ACCOUNT_EMAIL_BYTES - 1, false },
};

static bool read_email(struct visit *visit)
{
    return form_email(visit->form.values[MORE], visit->email) ||
           visit_trouble(visit, 400, "Bad request", "this is not an address of e-mail", "email");
}

static bool act_email(struct visit *visit, struct store *store, struct error *error)
{
    struct account *account = &visit->account;
    char before[ACCOUNT_EMAIL_BYTES];
    memcpy(before, account->email, sizeof before);
    memcpy(account->email, visit->email, sizeof account->email);
    account->email_confirmed = account->email_confirmed && strcmp(before, account->email) == 0;
    if (!visit_wrote(visit, account_save(store, account, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "email", "owner", "");
    if (strcmp(before, account->email) != 0)
        letters_tell(visit, store, LETTER_EMAIL, before);
    return account->email_confirmed || tickets_issue(visit, store, TICKET_EMAIL, error);
}

void people_set_email(void *context, struct http_exchange *exchange)
{
    static const struct endpoint set = { PROVEN, .what = "email", .fields = email_fields,
                                         .read = read_email, .act = act_email };
    endpoint_begin(context, exchange, &set);
}

static const struct form_field worker_fields[FIELDS] = {
    SHOWN,
    [MORE] = { "worker_password", 0, 64, false },
};

static bool read_worker(struct visit *visit)
{
    const struct span password = visit->form.values[MORE];
    for (size_t i = 0; i < password.length; i++)
        if (password.data[i] <= ' ' || password.data[i] >= 0x7f)
            return visit_trouble(visit, 400, "Bad request",
                                 "miners can show printable ASCII without spaces alone",
                                 "worker_password");
    return password.length == 0 || password.length >= 8 ||
           visit_trouble(visit, 400, "Bad request", "8 characters at the least, or none at all",
                         "worker_password");
}

static bool act_worker(struct visit *visit, struct store *store, struct error *error)
{
    struct account *account = &visit->account;
    const struct span password = visit->form.values[MORE];
    account->has_worker_password = password.length > 0;
    binding_password_hash(&visit->people->secrets, account->id, password, account->worker_password);
    if (!visit_wrote(visit, account_save(store, account, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "worker password", "owner", password.length > 0 ? "set" : "none");
    return true;
}

void people_set_worker_password(void *context, struct http_exchange *exchange)
{
    static const struct endpoint set = { PROVEN, .what = "worker", .fields = worker_fields,
                                         .read = read_worker, .act = act_worker };
    endpoint_begin(context, exchange, &set);
}

/* Keys and links open nothing any more, because the account is closed; they are cleared away. */
static bool act_close(struct visit *visit, struct store *store, struct error *error)
{
    struct account *account = &visit->account;
    account->state = ACCOUNT_CLOSED;
    account->sessions_from_ms = loop_unix_ms() + 1;
    if (!visit_wrote(visit, account_save(store, account, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "closed", "owner", "");
    letters_tell(visit, store, LETTER_CLOSED, NULL);
    grants_tidy(visit, store);
    return true;
}

void people_close(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = { SHOWN };
    static const struct endpoint end = { .what = "close",
                                         .needs =
                                             ENDPOINT_TOKEN | ENDPOINT_PASSWORD | ENDPOINT_CODE,
                                         .scopes = TOKEN_SCOPE_ACCOUNT,
                                         .client_max = PEOPLE_ADDRESS_FAILURES,
                                         .account_max = PEOPLE_NAME_FAILURES,
                                         .failures_only = true,
                                         .fields = fields,
                                         .field_count = MORE,
                                         .act = act_close };
    endpoint_begin(context, exchange, &end);
}

enum { THRESHOLD, THRESHOLD_COIN, THRESHOLD_FIELDS };

static bool read_threshold(struct visit *visit)
{
    const struct span text = visit->form.values[THRESHOLD];
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return visit_trouble(visit, 400, "Bad request", "a whole number of base units is meant",
                                 "threshold");
    return read_coin(visit, THRESHOLD_COIN);
}

static bool act_threshold(struct visit *visit, struct store *store, struct error *error)
{
    char detail[EVENT_DETAIL_BYTES];
    const char *digits = (const char *)visit->form.values[THRESHOLD].data;
    struct account_payout payout = account_payout(&visit->account, visit->coin);
    /* At most 16 digits, which the money's bound has too. */
    payout.threshold = strtoull(digits, NULL, 10);
    account_set_payout(&visit->account, visit->coin, &payout);
    snprintf(detail, sizeof detail, "%s: %s", visit->coin->name, digits);
    if (!visit_wrote(visit, account_save(store, &visit->account, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "threshold", "owner", detail);
    return true;
}

void people_set_threshold(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[THRESHOLD_FIELDS] = {
        [THRESHOLD] = { "threshold", 1, 16, false },
        [THRESHOLD_COIN] = { "coin", 1, ACCOUNT_COIN_BYTES - 1, true },
    };
    static const struct endpoint set = { .what = "threshold",
                                         .needs = ENDPOINT_TOKEN,
                                         .scopes = TOKEN_SCOPE_ACCOUNT,
                                         .client_max = ENDPOINT_CLIENT_MAX,
                                         .account_max = ENDPOINT_ACCOUNT_MAX,
                                         .fields = fields,
                                         .field_count = THRESHOLD_FIELDS,
                                         .read = read_threshold,
                                         .act = act_threshold };
    endpoint_begin(context, exchange, &set);
}
