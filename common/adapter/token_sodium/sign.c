#include "adapter/token_sodium/inside.h"

#include <inttypes.h>
#include <stdio.h>

void token_kid(const uint8_t public_key[TOKEN_PUBLIC_BYTES], char kid_r[TOKEN_KID_BYTES])
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, public_key, TOKEN_PUBLIC_BYTES);
    hex_encode(span_of(digest, (TOKEN_KID_BYTES - 1) / 2), kid_r);
}

void token_signer_fill(struct token_signer *signer, const uint8_t seed[SEED_BYTES])
{
    crypto_sign_seed_keypair(signer->public_key, signer->secret, seed);
    token_kid(signer->public_key, signer->kid);
}

static bool read_seed(const char *path, uint8_t seed_r[SEED_BYTES], bool *missing_r,
                      struct error *error)
{
    char text[KEYFILE_BYTES];
    if (!keyfile_read(path, text, missing_r, error))
        return false;
    bool valid = hex_decode(text, strlen(text), seed_r, SEED_BYTES);
    sodium_memzero(text, sizeof text);
    return valid || error_set(error, ERROR_INVALID,
                              "%s must hold 64 hex digits, and nothing else; moved away, a fresh "
                              "key is made in its place",
                              path);
}

struct token_signer *token_signer_open(const char *path, struct error *error)
{
    uint8_t seed[SEED_BYTES];
    bool missing;
    if (sodium_init() < 0) {
        error_fill(error, ERROR_SYSTEM, "libsodium cannot be started");
        return NULL;
    }
    bool read = read_seed(path, seed, &missing, error);
    if (!read && missing)
        read = keyfile_make(path, 0, error) && read_seed(path, seed, &missing, error);
    if (!read)
        return NULL;
    struct token_signer *signer = sodium_malloc(sizeof *signer);
    if (signer == NULL) {
        error_fill(error, ERROR_SYSTEM, "no locked memory for the token key");
    } else {
        token_signer_fill(signer, seed);
        (void)sodium_mprotect_readonly(signer);
    }
    sodium_memzero(seed, sizeof seed);
    return signer;
}

void token_signer_close(struct token_signer *signer)
{
    sodium_free(signer);
}

void token_signer_public(const struct token_signer *signer, uint8_t public_r[TOKEN_PUBLIC_BYTES])
{
    memcpy(public_r, signer->public_key, TOKEN_PUBLIC_BYTES);
}

/* Appends base64url without padding and a NUL. */
static bool put_base64(struct span bytes, char *text_r, size_t capacity, size_t *used)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t needed = sodium_base64_encoded_len(bytes.length, variant); /* with the NUL */
    if (needed > capacity - *used)
        return false;
    sodium_bin2base64(text_r + *used, capacity - *used, bytes.data, bytes.length, variant);
    *used += needed - 1;
    return true;
}

bool token_compact(const uint8_t secret[crypto_sign_SECRETKEYBYTES], struct span header,
                   struct span payload, char *text_r, size_t capacity)
{
    size_t used = 0;
    uint8_t signature[crypto_sign_BYTES];
    if (!put_base64(header, text_r, capacity, &used) || capacity - used < 2)
        return false;
    text_r[used++] = '.';
    if (!put_base64(payload, text_r, capacity, &used) || capacity - used < 2)
        return false;
    crypto_sign_detached(signature, NULL, (const uint8_t *)text_r, used, secret);
    text_r[used++] = '.';
    return put_base64(span_of(signature, sizeof signature), text_r, capacity, &used);
}

/* The claims that only some tokens have. */
static void put_optional(const struct token_claims *claims, char *text_r, size_t bytes)
{
    size_t used = 0;
    text_r[0] = '\0';
#define X(name, bit, word)                                                                         \
    if ((claims->scopes & (bit)) != 0)                                                             \
        used += (size_t)snprintf(text_r + used, bytes - used, "%s" word,                           \
                                 used == 0 ? ",\"scope\":\"" : " ");
    TOKEN_SCOPES(X)
#undef X
    if (used > 0)
        used += (size_t)snprintf(text_r + used, bytes - used, "\"");
    if (claims->session[0] != '\0')
        used += (size_t)snprintf(text_r + used, bytes - used, ",\"sid\":\"%s\"", claims->session);
    if (claims->second_factor_on)
        used += (size_t)snprintf(text_r + used, bytes - used, ",\"mfa_on\":true");
    if (claims->second_factor_given)
        used += (size_t)snprintf(text_r + used, bytes - used, ",\"amr\":[\"mfa\"]");
    ASSERT(used < bytes);
}

void token_sign(const struct token_signer *signer, struct token_claims *claims, char *text_r)
{
    char header[128], payload[640], optional[256];
    uint8_t id[(TOKEN_ID_BYTES - 1) / 2];
    randombytes_buf(id, sizeof id);
    hex_encode(span_of(id, sizeof id), claims->id);
    snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
             signer->kid);
    put_optional(claims, optional, sizeof optional);
    snprintf(payload, sizeof payload,
             "{\"iss\":\"" TOKEN_ISSUER "\",\"aud\":\"" TOKEN_AUDIENCE "\",\"sub\":\"%016" PRIx64
             "\",\"iat\":%" PRIu64 ",\"nbf\":%" PRIu64 ",\"exp\":%" PRIu64 ",\"jti\":\"%s\"%s}",
             claims->account_id, claims->issued_s, claims->not_before_s, claims->expires_s,
             claims->id, optional);
    bool fits = token_compact(signer->secret, span_text(header), span_text(payload), text_r,
                              TOKEN_TEXT_BYTES);
    ASSERT(fits);
}

void token_sign_bytes(const struct token_signer *signer, struct span bytes,
                      uint8_t signature_r[TOKEN_SIGNATURE_BYTES])
{
    crypto_sign_detached(signature_r, NULL, bytes.data, bytes.length, signer->secret);
}

bool token_verify_bytes(const uint8_t public_key[TOKEN_PUBLIC_BYTES], struct span bytes,
                        const uint8_t signature[TOKEN_SIGNATURE_BYTES])
{
    return crypto_sign_verify_detached(signature, bytes.data, bytes.length, public_key) == 0;
}
