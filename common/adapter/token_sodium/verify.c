#include "adapter/token_sodium/inside.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

const char *token_outcome_text(enum token_outcome outcome)
{
    static const char *const texts[] = {
#define X(name, text) text,
        TOKEN_OUTCOMES(X)
#undef X
    };
    ASSERT((size_t)outcome < sizeof texts / sizeof *texts);
    return texts[outcome];
}

bool token_verifier_add(struct token_verifier *verifier,
                        const uint8_t public_key[TOKEN_PUBLIC_BYTES])
{
    for (size_t i = 0; i < verifier->count; i++)
        if (memcmp(verifier->keys[i].public_key, public_key, TOKEN_PUBLIC_BYTES) == 0)
            return true;
    if (verifier->count == TOKEN_KEYS_MAX)
        return false;
    memcpy(verifier->keys[verifier->count].public_key, public_key, TOKEN_PUBLIC_BYTES);
    token_kid(public_key, verifier->keys[verifier->count++].kid);
    return true;
}

/* libsodium's decoder takes some bytes above 127 for letters (it computes with a signed char), so
 * the alphabet is looked at here: a token has one spelling. */
static bool is_base64url(struct span part)
{
    for (size_t i = 0; i < part.length; i++) {
        uint8_t c = part.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return part.length > 0;
}

bool token_base64url(struct span part, uint8_t *bytes_r, size_t capacity, size_t *length_r)
{
    return is_base64url(part) &&
           sodium_base642bin(bytes_r, capacity, (const char *)part.data, part.length, NULL,
                             length_r, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* NULL where it is not exactly one JSON object without double keys. */
static json_t *decode_object(struct span part)
{
    uint8_t bytes[TOKEN_BYTES_MAX];
    size_t length;
    if (!token_base64url(part, bytes, sizeof bytes, &length))
        return NULL;
    json_t *object = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, NULL);
    if (object == NULL || json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) && strcmp(json_string_value(value), wanted) == 0;
}

/* Which of the verifier's keys it names. */
static enum token_outcome read_header(const struct token_verifier *verifier, struct span part,
                                      size_t *key_r)
{
    json_t *header = decode_object(part);
    if (header == NULL)
        return TOKEN_MALFORMED;
    enum token_outcome outcome = TOKEN_UNKNOWN_KEY;
    const json_t *typ = json_object_get(header, "typ");
    const json_t *kid = json_object_get(header, "kid");
    size_t known = 1; /* alg */
    known += typ != NULL;
    known += kid != NULL;
    if (!is_text(header, "alg", "EdDSA"))
        outcome = TOKEN_BAD_ALGORITHM;
    else if (json_object_size(header) != known || (typ != NULL && !is_text(header, "typ", "JWT")))
        outcome = TOKEN_MALFORMED;
    for (size_t i = 0; outcome == TOKEN_UNKNOWN_KEY && i < verifier->count; i++) {
        if (is_text(header, "kid", verifier->keys[i].kid)) {
            *key_r = i;
            outcome = TOKEN_OK;
        }
    }
    json_decref(header);
    return outcome;
}

static bool read_time(const json_t *claims, const char *key, uint64_t *seconds_r)
{
    const json_t *value = json_object_get(claims, key);
    json_int_t seconds = json_integer_value(value);
    /* Far from where sums with the leeway could wrap. */
    if (!json_is_integer(value) || seconds < 0 || seconds > INT64_MAX / 2)
        return false;
    *seconds_r = (uint64_t)seconds;
    return true;
}

/* Words that are not known mean nothing here; each stands between spaces. */
static uint32_t read_scopes(const char *text)
{
    uint32_t scopes = 0;
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, " ");
#define X(name, bit, word)                                                                         \
    if (length == sizeof word - 1 && memcmp(text, word, length) == 0)                              \
        scopes |= (bit);
        TOKEN_SCOPES(X)
#undef X
        text += length + (text[length] == ' ');
    }
    return scopes;
}

static bool has_word(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text != NULL && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

static bool read_claims(const json_t *claims, struct token_claims *claims_r)
{
    const char *subject = json_string_value(json_object_get(claims, "sub"));
    const char *id = json_string_value(json_object_get(claims, "jti"));
    if (subject == NULL || strlen(subject) != 16 ||
        !hex_decode_u64(subject, 16, &claims_r->account_id) || claims_r->account_id == 0)
        return false;
    if (id == NULL || strlen(id) != TOKEN_ID_BYTES - 1)
        return false;
    memcpy(claims_r->id, id, TOKEN_ID_BYTES);
    const char *session = json_string_value(json_object_get(claims, "sid"));
    if (session != NULL && strlen(session) != TOKEN_ID_BYTES - 1)
        return false;
    snprintf(claims_r->session, sizeof claims_r->session, "%s", session != NULL ? session : "");
    claims_r->scopes = read_scopes(json_string_value(json_object_get(claims, "scope")));
    claims_r->second_factor_on = json_is_true(json_object_get(claims, "mfa_on"));
    claims_r->second_factor_given = has_word(json_object_get(claims, "amr"), "mfa");
    return read_time(claims, "iat", &claims_r->issued_s) &&
           read_time(claims, "nbf", &claims_r->not_before_s) &&
           read_time(claims, "exp", &claims_r->expires_s);
}

static enum token_outcome check_claims(const json_t *claims, uint64_t now_s,
                                       struct token_claims *claims_r)
{
    if (!is_text(claims, "iss", TOKEN_ISSUER))
        return TOKEN_WRONG_ISSUER;
    if (!is_text(claims, "aud", TOKEN_AUDIENCE))
        return TOKEN_WRONG_AUDIENCE;
    if (!read_claims(claims, claims_r))
        return TOKEN_MALFORMED;
    if (claims_r->expires_s <= claims_r->not_before_s ||
        claims_r->expires_s <= claims_r->issued_s ||
        claims_r->expires_s - claims_r->issued_s > TOKEN_LIFE_S_MAX)
        return TOKEN_MALFORMED;
    if (claims_r->not_before_s > now_s + TOKEN_LEEWAY_S ||
        claims_r->issued_s > now_s + TOKEN_LEEWAY_S)
        return TOKEN_NOT_YET;
    return claims_r->expires_s + TOKEN_LEEWAY_S <= now_s ? TOKEN_EXPIRED : TOKEN_OK;
}

/* Cuts at the two dots; false where there are not exactly two. */
static bool cut(struct span text, struct span parts_r[3])
{
    size_t part = 0, from = 0;
    for (size_t i = 0; i <= text.length; i++) {
        if (i < text.length && text.data[i] != '.')
            continue;
        if (part == 3)
            return false;
        parts_r[part++] = span_of(text.data + from, i - from);
        from = i + 1;
    }
    return part == 3;
}

enum token_outcome token_verify(const struct token_verifier *verifier, struct span text,
                                uint64_t now_s, struct token_claims *claims_r)
{
    struct span parts[3];
    uint8_t signature[crypto_sign_BYTES];
    size_t key = 0, length;
    if (text.length > TOKEN_BYTES_MAX || !cut(text, parts))
        return TOKEN_MALFORMED;
    enum token_outcome outcome = read_header(verifier, parts[0], &key);
    if (outcome != TOKEN_OK)
        return outcome;
    if (!token_base64url(parts[2], signature, sizeof signature, &length) ||
        length != sizeof signature ||
        crypto_sign_verify_detached(signature, text.data, parts[0].length + 1 + parts[1].length,
                                    verifier->keys[key].public_key) != 0)
        return TOKEN_BAD_SIGNATURE;
    json_t *claims = decode_object(parts[1]);
    if (claims == NULL)
        return TOKEN_MALFORMED;
    outcome = check_claims(claims, now_s, claims_r);
    json_decref(claims);
    return outcome;
}

bool token_verifier_read(struct token_verifier *verifier, const char *path, struct error *error)
{
    char line[256];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_system(error, errno, "%s", path);
    bool good = true;
    size_t keys = 0;
    while (good && fgets(line, sizeof line, file) != NULL) {
        uint8_t key[TOKEN_PUBLIC_BYTES];
        size_t length = strcspn(line, "\r\n");
        if (length == 0)
            continue;
        good = hex_decode(line, length, key, sizeof key) && token_verifier_add(verifier, key);
        keys += good;
    }
    fclose(file);
    return (good && keys > 0) ||
           error_set(error, ERROR_INVALID, "%s does not hold public keys of 64 hex digits", path);
}
