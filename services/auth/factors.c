/* The second factor, as its owner turns it on and off. */
#include "services/auth/endpoint.h"
#include "services/auth/letters.h"
#include "services/auth/recovery.h"
#include "services/auth/totp.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>

static const struct form_field fields[] = { { "password", 1, PASSWORD_BYTES_MAX, false },
                                            { "code", 0, 32, true } };

#define PROVEN                                                                                     \
    .scopes = TOKEN_SCOPE_ACCOUNT, .client_max = PEOPLE_ADDRESS_FAILURES,                          \
    .account_max = PEOPLE_NAME_FAILURES, .failures_only = true, .fields = fields, .field_count = 2

/* What an authenticator app reads, as text or from a picture of it (a name's other bytes than
 * letters and digits percent-encoded). */
static void write_uri(const char *name, const char *secret, char *uri_r, size_t bytes)
{
    size_t used = (size_t)snprintf(uri_r, bytes, "otpauth://totp/adit:");
    for (const char *at = name; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        used += (size_t)snprintf(uri_r + used, bytes - used, plain ? "%c" : "%%%02X",
                                 plain ? *at : (uint8_t)*at);
    }
    snprintf(uri_r + used, bytes - used, "?secret=%s&issuer=adit", secret);
}

static bool act_offer(struct visit *visit, struct store *store, struct error *error)
{
    struct factor *factor = &visit->factor;
    uint8_t secret[SECRETS_TOTP_BYTES];
    char text[40], uri[600];
    if (factor->state == FACTOR_ON) {
        (void)visit_trouble(visit, 409, "Conflict", "a second factor is on already", NULL);
        return true;
    }
    randombytes_buf(secret, sizeof secret);
    secrets_seal(&visit->people->secrets, visit->account.id, secret, factor->sealed);
    totp_base32(span_of(secret, sizeof secret), text, sizeof text);
    sodium_memzero(secret, sizeof secret);
    factor->state = FACTOR_OFFERED;
    factor->step = 0;
    write_uri(visit->account.name, text, uri, sizeof uri);
    visit->reply = json_pack("{s:s, s:s}", "secret", text, "uri", uri);
    sodium_memzero(text, sizeof text);
    sodium_memzero(uri, sizeof uri);
    return visit_wrote(visit, factor_save(store, factor, error)) || visit->trouble.status != 0;
}

void people_offer_factor(void *context, struct http_exchange *exchange)
{
    static const struct endpoint offer = { PROVEN, .what = "factor",
                                           .needs = ENDPOINT_TOKEN | ENDPOINT_PASSWORD,
                                           .act = act_offer };
    endpoint_begin(context, exchange, &offer);
}

/* Fresh recovery codes, into the factor and the answer. */
static void give_recovery(struct visit *visit)
{
    char texts[FACTOR_RECOVERY_CODES][RECOVERY_TEXT_BYTES];
    json_t *list = json_array();
    recovery_make(&visit->people->secrets, &visit->factor, texts);
    for (size_t i = 0; i < FACTOR_RECOVERY_CODES; i++)
        json_array_append_new(list, json_string(texts[i]));
    sodium_memzero(texts, sizeof texts);
    visit->reply = json_pack("{s:o}", "recovery_codes", list);
}

static bool act_turn_on(struct visit *visit, struct store *store, struct error *error)
{
    struct factor *factor = &visit->factor;
    uint8_t secret[SECRETS_TOTP_BYTES];
    uint64_t step;
    if (factor->state != FACTOR_OFFERED) {
        (void)visit_trouble(visit, 409, "Conflict", "no second factor was asked for", NULL);
        return true;
    }
    bool right = secrets_open(&visit->people->secrets, visit->account.id, factor->sealed, secret) &&
                 totp_check(span_of(secret, sizeof secret), visit->form.values[0],
                            loop_unix_ms() / 1000, factor->step, &step);
    sodium_memzero(secret, sizeof secret);
    if (!right) {
        (void)visit_trouble(visit, 403, "Forbidden", "the code is wrong", "code");
        return true;
    }
    factor->state = FACTOR_ON;
    factor->step = step;
    factor->wrong = 0;
    give_recovery(visit);
    if (!visit_wrote(visit, factor_save(store, factor, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "factor.on", "owner", "");
    letters_tell(visit, store, LETTER_FACTOR_ON, NULL);
    /* This session has shown it; sessions that have not are asked at their next login. */
    visit->session.factor_given = true;
    return session_save(store, &visit->session, error) != STORE_FAILED;
}

void people_turn_factor_on(void *context, struct http_exchange *exchange)
{
    static const struct form_field code[] = { { "code", TOTP_DIGITS, TOTP_DIGITS, false } };
    static const struct endpoint on = { .what = "factor",
                                        .needs = ENDPOINT_TOKEN,
                                        .scopes = TOKEN_SCOPE_ACCOUNT,
                                        .client_max = PEOPLE_ADDRESS_FAILURES,
                                        .account_max = PEOPLE_NAME_FAILURES,
                                        .failures_only = true,
                                        .fields = code,
                                        .field_count = 1,
                                        .act = act_turn_on };
    endpoint_begin(context, exchange, &on);
}

static bool act_turn_off(struct visit *visit, struct store *store, struct error *error)
{
    struct factor *factor = &visit->factor;
    factor->state = FACTOR_OFF;
    sodium_memzero(factor->sealed, sizeof factor->sealed);
    sodium_memzero(factor->recovery, sizeof factor->recovery);
    if (!visit_wrote(visit, factor_save(store, factor, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "factor.off", "owner", "");
    letters_tell(visit, store, LETTER_FACTOR_OFF, NULL);
    return true;
}

void people_turn_factor_off(void *context, struct http_exchange *exchange)
{
    static const struct endpoint off = { PROVEN, .what = "factor",
                                         .needs =
                                             ENDPOINT_TOKEN | ENDPOINT_PASSWORD | ENDPOINT_CODE,
                                         .act = act_turn_off };
    endpoint_begin(context, exchange, &off);
}

static bool act_recovery(struct visit *visit, struct store *store, struct error *error)
{
    if (visit->factor.state != FACTOR_ON) {
        (void)visit_trouble(visit, 409, "Conflict", "no second factor is on", NULL);
        return true;
    }
    give_recovery(visit);
    if (!visit_wrote(visit, factor_save(store, &visit->factor, error)))
        return visit->trouble.status != 0;
    visit_note(visit, "factor.recovery", "owner", "fresh recovery codes");
    return true;
}

void people_renew_recovery(void *context, struct http_exchange *exchange)
{
    static const struct endpoint renew = { PROVEN, .what = "factor",
                                           .needs =
                                               ENDPOINT_TOKEN | ENDPOINT_PASSWORD | ENDPOINT_CODE,
                                           .act = act_recovery };
    endpoint_begin(context, exchange, &renew);
}
