/* API keys and read-only links: shown once, exchanged for short access tokens, which every process
 * can check alone. */
#include "services/auth/grants.h"

#include "services/auth/endpoint.h"
#include "services/auth/letters.h"

#include "service/log.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

enum { ID_DIGITS = GRANT_ID_BYTES - 1, USED_STEP_MS = 60000, ATTEMPTS = 3 };
static const char prefix[] = "adit_";

/* The scopes of keys, by the words people know them by. */
static const struct {
    const char *word;
    uint32_t scopes;
} scopes[] = {
    { "read", TOKEN_SCOPE_READ },
    { "withdraw-propose", TOKEN_SCOPE_WITHDRAW_PROPOSE },
    { "operator", TOKEN_SCOPE_OPERATOR },
};
enum { SCOPES = sizeof scopes / sizeof *scopes };

/* 0 where a word is not known. */
static uint32_t read_scopes(struct span text)
{
    uint32_t all = 0;
    for (size_t from = 0; from < text.length;) {
        size_t end = from, i = 0;
        while (end < text.length && text.data[end] != ' ')
            end++;
        while (i < SCOPES && (strlen(scopes[i].word) != end - from ||
                              memcmp(scopes[i].word, text.data + from, end - from) != 0))
            i++;
        if (i == SCOPES)
            return 0;
        all |= scopes[i].scopes;
        from = end + 1;
    }
    return all;
}

static json_t *show_scopes(uint64_t all)
{
    json_t *list = json_array();
    for (size_t i = 0; i < SCOPES; i++)
        if ((all & scopes[i].scopes) == scopes[i].scopes)
            json_array_append_new(list, json_string(scopes[i].word));
    return list;
}

/* *left_r of others stay. False where the store failed. */
static bool clear(struct visit *visit, struct store *store, size_t *left_r, struct error *error)
{
    static _Thread_local struct grant all[GRANTS_MAX];
    const struct account *account = &visit->account;
    size_t count;
    if (grant_list(store, account->id, GRANTS_MAX, all, &count, error) != STORE_DONE)
        return false;
    *left_r = count;
    for (size_t i = 0; i < count; i++)
        if (account->state != ACCOUNT_ACTIVE || !grant_is_live(&all[i], account->grants_from_ms)) {
            if (grant_delete(store, &all[i], error) == STORE_FAILED)
                return false;
            (*left_r)--;
        }
    return true;
}

void grants_tidy(struct visit *visit, struct store *store)
{
    size_t left;
    struct error error;
    if (!clear(visit, store, &left, &error))
        log_warn("grants.left", "account=%016llx", (unsigned long long)visit->account.id);
}

static bool insert(struct visit *visit, struct store *store, struct grant *grant,
                   struct error *error)
{
    char text[SECRETS_TEXT_BYTES];
    size_t count;
    if (!clear(visit, store, &count, error))
        return false;
    if (count == GRANTS_MAX) {
        (void)visit_trouble(visit, 409, "Conflict",
                            "there are 20 keys and links already: remove one first", NULL);
        return true;
    }
    secrets_random_id(grant->id, ID_DIGITS);
    grant->account_id = visit->account.id;
    grant->created_ms = loop_unix_ms();
    secrets_opaque_make(visit->people->secrets.grant, prefix, grant->id, grant->secret, text);
    bool kept = grant_insert(store, grant, error) == STORE_DONE;
    visit->status = 201;
    visit->reply = json_pack("{s:s, s:s, s:s}", "id", grant->id, "name", grant->name,
                             grant->kind == GRANT_KEY ? "key" : "link", text);
    if (kept && grant->kind == GRANT_KEY)
        json_object_set_new(visit->reply, "scopes", show_scopes(grant->scopes));
    sodium_memzero(text, sizeof text);
    return kept;
}

enum key_field { PASSWORD, CODE, NAME, KEY_SCOPES, KEY_FIELDS };

static bool read_key(struct visit *visit)
{
    return read_scopes(visit->form.values[KEY_SCOPES]) != 0 ||
           visit_trouble(visit, 400, "Bad request",
                         "scopes are words of: read, withdraw-propose, operator", "scopes");
}

static bool act_key(struct visit *visit, struct store *store, struct error *error)
{
    struct grant grant = { .kind = GRANT_KEY,
                           .scopes = read_scopes(visit->form.values[KEY_SCOPES]) };
    if ((grant.scopes & TOKEN_SCOPE_OPERATOR) != 0 &&
        (visit->account.roles & ACCOUNT_ROLE_OPERATOR) == 0) {
        (void)visit_trouble(visit, 403, "Forbidden", "this account is not an operator's", "scopes");
        return true;
    }
    snprintf(grant.name, sizeof grant.name, "%s", (const char *)visit->form.values[NAME].data);
    if (!insert(visit, store, &grant, error))
        return false;
    if (visit->trouble.status == 0) {
        visit_note(visit, "key.made", "owner", grant.id);
        letters_tell(visit, store, LETTER_KEY, NULL);
    }
    return true;
}

void people_make_key(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[KEY_FIELDS] = {
        [PASSWORD] = { "password", 1, PASSWORD_BYTES_MAX, false },
        [CODE] = { "code", 0, 32, true },
        [NAME] = { "name", 1, GRANT_NAME_BYTES - 1, false },
        [KEY_SCOPES] = { "scopes", 1, 64, false },
    };
    static const struct endpoint make = { .what = "key",
                                          .needs =
                                              ENDPOINT_TOKEN | ENDPOINT_PASSWORD | ENDPOINT_CODE,
                                          .scopes = TOKEN_SCOPE_ACCOUNT,
                                          .client_max = PEOPLE_ADDRESS_FAILURES,
                                          .account_max = PEOPLE_NAME_FAILURES,
                                          .failures_only = true,
                                          .fields = fields,
                                          .field_count = KEY_FIELDS,
                                          .read = read_key,
                                          .act = act_key };
    endpoint_begin(context, exchange, &make);
}

static bool act_link(struct visit *visit, struct store *store, struct error *error)
{
    struct grant grant = { .kind = GRANT_LINK, .scopes = TOKEN_SCOPE_VIEW };
    snprintf(grant.name, sizeof grant.name, "%s", (const char *)visit->form.values[0].data);
    if (!insert(visit, store, &grant, error))
        return false;
    if (visit->trouble.status == 0)
        visit_note(visit, "link.made", "owner", grant.id);
    return true;
}

void people_make_link(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = { { "name", 1, GRANT_NAME_BYTES - 1, false } };
    static const struct endpoint make = { .what = "link",
                                          .needs = ENDPOINT_TOKEN,
                                          .scopes = TOKEN_SCOPE_ACCOUNT,
                                          .client_max = ENDPOINT_CLIENT_MAX,
                                          .account_max = ENDPOINT_ACCOUNT_MAX,
                                          .fields = fields,
                                          .field_count = 1,
                                          .act = act_link };
    endpoint_begin(context, exchange, &make);
}

static json_t *show(const struct grant *grant)
{
    json_t *one = json_pack("{s:s, s:s, s:I, s:o}", "id", grant->id, "name", grant->name, "created",
                            (json_int_t)(grant->created_ms / 1000), "used",
                            grant->used_ms != 0 ? json_integer((json_int_t)(grant->used_ms / 1000))
                                                : json_null());
    if (grant->kind == GRANT_KEY)
        json_object_set_new(one, "scopes", show_scopes(grant->scopes));
    return one;
}

static bool act_list(struct visit *visit, struct store *store, struct error *error)
{
    static _Thread_local struct grant all[GRANTS_MAX];
    size_t count;
    if (grant_list(store, visit->account.id, GRANTS_MAX, all, &count, error) != STORE_DONE)
        return false;
    json_t *keys = json_array(), *links = json_array();
    for (size_t i = 0; i < count; i++)
        if (grant_is_live(&all[i], visit->account.grants_from_ms))
            json_array_append_new(all[i].kind == GRANT_KEY ? keys : links, show(&all[i]));
    visit->reply = json_pack("{s:o, s:o}", "keys", keys, "links", links);
    return true;
}

void people_grants(void *context, struct http_exchange *exchange)
{
    static const struct endpoint list = ENDPOINT_OF_OWNER("keys", act_list);
    endpoint_begin(context, exchange, &list);
}

static bool act_remove(struct visit *visit, struct store *store, struct error *error)
{
    const char *id = http_segment(visit->exchange, 0);
    struct grant grant;
    enum store_outcome outcome =
        strlen(id) == ID_DIGITS ? grant_get(store, id, &grant, error) : STORE_MISSING;
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    if (outcome == STORE_MISSING || grant.account_id != visit->account.id) {
        (void)visit_trouble(visit, 404, "Not found", "there is no such key or link", "id");
        return true;
    }
    /* Its use may be written down just now: it goes all the same. */
    outcome = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS && outcome == STORE_CONFLICT; i++) {
        outcome = grant_delete(store, &grant, error);
        if (outcome == STORE_CONFLICT && grant_get(store, id, &grant, error) == STORE_MISSING)
            outcome = STORE_DONE;
    }
    if (!visit_wrote(visit, outcome))
        return visit->trouble.status != 0;
    visit_note(visit, grant.kind == GRANT_KEY ? "key.removed" : "link.removed", "owner", grant.id);
    return true;
}

void people_remove_grant(void *context, struct http_exchange *exchange)
{
    static const struct endpoint remove = ENDPOINT_OF_OWNER("keys", act_remove);
    endpoint_begin(context, exchange, &remove);
}

/* The key's account and what it is good for now, into the visit's claims. */
static bool act_exchange(struct visit *visit, struct store *store, struct error *error)
{
    struct grant grant;
    char id[GRANT_ID_BYTES];
    uint8_t hash[ACCESS_HASH_BYTES];
    enum store_outcome outcome = STORE_MISSING;
    if (secrets_opaque_read(visit->people->secrets.grant, prefix, visit->form.values[0], ID_DIGITS,
                            id, hash))
        outcome = grant_get(store, id, &grant, error);
    if (outcome == STORE_DONE && !secrets_same(hash, grant.secret, sizeof hash))
        outcome = STORE_MISSING;
    if (outcome == STORE_DONE)
        outcome = account_get(store, grant.account_id, &visit->account, error);
    if (outcome != STORE_DONE && outcome != STORE_MISSING)
        return false;
    if (outcome == STORE_MISSING || visit->account.state != ACCOUNT_ACTIVE ||
        !grant_is_live(&grant, visit->account.grants_from_ms)) {
        (void)visit_trouble(visit, 401, "Unauthorized", "there is no such key", "key");
        return true;
    }
    visit->claims.scopes = (uint32_t)grant.scopes;
    if ((visit->account.roles & ACCOUNT_ROLE_OPERATOR) == 0)
        visit->claims.scopes &= ~(uint32_t)TOKEN_SCOPE_OPERATOR;
    if (factor_get(store, visit->account.id, &visit->factor, error) != STORE_DONE)
        return false;
    uint64_t now_ms = loop_unix_ms();
    if (now_ms < grant.used_ms + USED_STEP_MS)
        return true;
    grant.used_ms = now_ms;
    outcome = grant_save(store, &grant, error); /* who writes it first does for both */
    return outcome != STORE_FAILED && outcome != STORE_UNKNOWN;
}

static void after_exchange(struct visit *visit)
{
    const struct people *people = visit->people;
    uint64_t now_s = loop_unix_ms() / 1000;
    uint64_t life_s = (uint64_t)people->options.settings->auth_token_minutes * 60;
    char token[TOKEN_TEXT_BYTES];
    /* The second factor was not shown: what needs it is not for keys. */
    struct token_claims claims = { .scopes = visit->claims.scopes,
                                   .second_factor_on = visit->factor.state == FACTOR_ON,
                                   .account_id = visit->account.id,
                                   .issued_s = now_s,
                                   .not_before_s = now_s,
                                   .expires_s = now_s + life_s };
    token_sign(token_ring_signer(people->ring, now_s), &claims, token);
    visit->reply = json_pack("{s:s, s:s, s:I}", "access_token", token, "token_type", "Bearer",
                             "expires_in", (json_int_t)life_s);
    sodium_memzero(token, sizeof token);
}

void people_exchange_key(void *context, struct http_exchange *exchange)
{
    static const struct form_field fields[] = { { "key", 1, SECRETS_TEXT_BYTES, false } };
    static const struct endpoint token = { .what = "token",
                                           .fields = fields,
                                           .field_count = 1,
                                           .client_max = 1000,
                                           .act = act_exchange,
                                           .after = after_exchange };
    endpoint_begin(context, exchange, &token);
}
