#include "services/auth/secrets.h"

#include "adapter/token_sodium/token.h"
#include "record/account/account.h"

#include <sodium.h>
#include <stdio.h>

enum {
    SID_BYTES = (SESSION_ID_BYTES - 1) / 2,
    REFRESH_RANDOM_BYTES = 24,
    MAC_BYTES = 16,
    NONCE_BYTES = crypto_secretbox_NONCEBYTES,
    SEAL_BYTES = NONCE_BYTES + crypto_secretbox_MACBYTES + SECRETS_TOTP_BYTES,
};
_Static_assert((int)SEAL_BYTES == (int)FACTOR_SEALED_BYTES, "a sealed secret fits its record");

/* What a refresh token is, in bytes, before its text. */
struct refresh {
    uint8_t session[SID_BYTES];
    uint8_t generation[4];
    uint8_t random[REFRESH_RANDOM_BYTES];
    uint8_t mac[MAC_BYTES];
};
_Static_assert(sizeof(struct refresh) == 60, "no padding, and 80 characters of text");

void secrets_hash(const uint8_t key[SECRETS_KEY_BYTES], const struct span *parts, size_t count,
                  uint8_t *hash_r, size_t hash_bytes)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, key, SECRETS_KEY_BYTES, hash_bytes);
    for (size_t i = 0; i < count; i++) {
        uint8_t length[8];
        store_le64(length, parts[i].length);
        crypto_generichash_update(&state, length, sizeof length);
        crypto_generichash_update(&state, parts[i].data, parts[i].length);
    }
    crypto_generichash_final(&state, hash_r, hash_bytes);
    sodium_memzero(&state, sizeof state);
}

void secrets_derive(const struct identity_key *key, struct secrets *secrets_r)
{
    _Static_assert(IDENTITY_KEY_BYTES == SECRETS_KEY_BYTES, "the deployment's secret is a key");
#define X(member, label)                                                                           \
    secrets_hash(key->bytes, &(struct span){ (const uint8_t *)(label), sizeof(label) - 1 }, 1,     \
                 secrets_r->member, SECRETS_KEY_BYTES);
    SECRETS_USES(X)
#undef X
}

void secrets_random_id(char *id_r, size_t digits)
{
    uint8_t bytes[32];
    ASSERT(digits % 2 == 0 && digits / 2 <= sizeof bytes);
    randombytes_buf(bytes, digits / 2);
    hex_encode(span_of(bytes, digits / 2), id_r);
}

bool secrets_same(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    return sodium_memcmp(a, b, bytes) == 0;
}

static void refresh_mac(const struct secrets *secrets, const struct refresh *refresh,
                        uint8_t mac_r[MAC_BYTES])
{
    const struct span whole = span_of((const uint8_t *)refresh, offsetof(struct refresh, mac));
    secrets_hash(secrets->refresh, &whole, 1, mac_r, MAC_BYTES);
}

static void refresh_hash(const struct secrets *secrets, const struct refresh *refresh,
                         uint8_t hash_r[ACCESS_HASH_BYTES])
{
    const struct span whole = span_of((const uint8_t *)refresh, sizeof *refresh);
    secrets_hash(secrets->refresh, &whole, 1, hash_r, ACCESS_HASH_BYTES);
}

void secrets_refresh_make(const struct secrets *secrets, struct session *session,
                          char text_r[SECRETS_TEXT_BYTES])
{
    struct refresh refresh;
    bool valid = hex_decode(session->id, SESSION_ID_BYTES - 1, refresh.session, SID_BYTES);
    ASSERT(valid && session->generation <= UINT32_MAX);
    store_le32(refresh.generation, (uint32_t)session->generation);
    randombytes_buf(refresh.random, sizeof refresh.random);
    refresh_mac(secrets, &refresh, refresh.mac);
    refresh_hash(secrets, &refresh, session->refresh);
    sodium_bin2base64(text_r, SECRETS_TEXT_BYTES, (const uint8_t *)&refresh, sizeof refresh,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(&refresh, sizeof refresh);
}

bool secrets_refresh_read(const struct secrets *secrets, struct span text,
                          char session_r[SESSION_ID_BYTES], uint64_t *generation_r,
                          uint8_t hash_r[ACCESS_HASH_BYTES])
{
    struct refresh refresh;
    uint8_t mac[MAC_BYTES];
    size_t length;
    bool valid = token_base64url(text, (uint8_t *)&refresh, sizeof refresh, &length) &&
                 length == sizeof refresh;
    if (valid) {
        refresh_mac(secrets, &refresh, mac);
        valid = secrets_same(mac, refresh.mac, sizeof mac);
    }
    if (valid) {
        hex_encode(span_of(refresh.session, SID_BYTES), session_r);
        *generation_r = load_le32(refresh.generation);
        refresh_hash(secrets, &refresh, hash_r);
    }
    sodium_memzero(&refresh, sizeof refresh);
    return valid;
}

static void opaque_hash(const uint8_t key[SECRETS_KEY_BYTES], const char *id, const uint8_t *secret,
                        uint8_t hash_r[ACCESS_HASH_BYTES])
{
    const struct span parts[] = { span_text(id), span_of(secret, SECRETS_RANDOM_BYTES) };
    secrets_hash(key, parts, 2, hash_r, ACCESS_HASH_BYTES);
}

void secrets_opaque_make(const uint8_t key[SECRETS_KEY_BYTES], const char *prefix, const char *id,
                         uint8_t hash_r[ACCESS_HASH_BYTES], char text_r[SECRETS_TEXT_BYTES])
{
    uint8_t secret[SECRETS_RANDOM_BYTES];
    char text[64];
    randombytes_buf(secret, sizeof secret);
    opaque_hash(key, id, secret, hash_r);
    sodium_bin2base64(text, sizeof text, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int length = snprintf(text_r, SECRETS_TEXT_BYTES, "%s%s_%s", prefix, id, text);
    ASSERT(length > 0 && length < SECRETS_TEXT_BYTES);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(text, sizeof text);
}

bool secrets_opaque_read(const uint8_t key[SECRETS_KEY_BYTES], const char *prefix, struct span text,
                         size_t id_digits, char *id_r, uint8_t hash_r[ACCESS_HASH_BYTES])
{
    uint8_t secret[SECRETS_RANDOM_BYTES];
    size_t prefix_length = strlen(prefix), head = prefix_length + id_digits + 1, length;
    if (text.length <= head || memcmp(text.data, prefix, prefix_length) != 0 ||
        text.data[head - 1] != '_')
        return false;
    for (size_t i = 0; i < id_digits; i++) {
        char c = (char)text.data[prefix_length + i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        id_r[i] = c;
    }
    id_r[id_digits] = '\0';
    bool valid = token_base64url(span_of(text.data + head, text.length - head), secret,
                                 sizeof secret, &length) &&
                 length == sizeof secret;
    if (valid)
        opaque_hash(key, id_r, secret, hash_r);
    sodium_memzero(secret, sizeof secret);
    return valid;
}

/* A key of the account's own, so that one account's sealed secret is nothing in another's record.
 */
static void seal_key(const uint8_t key[SECRETS_KEY_BYTES], uint64_t account_id,
                     uint8_t key_r[crypto_secretbox_KEYBYTES])
{
    uint8_t id[8];
    store_le64(id, account_id);
    const struct span part = span_of(id, sizeof id);
    secrets_hash(key, &part, 1, key_r, crypto_secretbox_KEYBYTES);
}

static void seal(const uint8_t use[SECRETS_KEY_BYTES], uint64_t account_id, struct span secret,
                 uint8_t *sealed_r)
{
    uint8_t key[crypto_secretbox_KEYBYTES];
    seal_key(use, account_id, key);
    randombytes_buf(sealed_r, NONCE_BYTES);
    crypto_secretbox_easy(sealed_r + NONCE_BYTES, secret.data, secret.length, sealed_r, key);
    sodium_memzero(key, sizeof key);
}

static bool unseal(const uint8_t use[SECRETS_KEY_BYTES], uint64_t account_id, struct span sealed,
                   uint8_t *secret_r)
{
    uint8_t key[crypto_secretbox_KEYBYTES];
    seal_key(use, account_id, key);
    bool opened = crypto_secretbox_open_easy(secret_r, sealed.data + NONCE_BYTES,
                                             sealed.length - NONCE_BYTES, sealed.data, key) == 0;
    sodium_memzero(key, sizeof key);
    return opened;
}

void secrets_seal(const struct secrets *secrets, uint64_t account_id,
                  const uint8_t secret[SECRETS_TOTP_BYTES], uint8_t sealed_r[FACTOR_SEALED_BYTES])
{
    seal(secrets->factor, account_id, span_of(secret, SECRETS_TOTP_BYTES), sealed_r);
}

bool secrets_open(const struct secrets *secrets, uint64_t account_id,
                  const uint8_t sealed[FACTOR_SEALED_BYTES], uint8_t secret_r[SECRETS_TOTP_BYTES])
{
    return unseal(secrets->factor, account_id, span_of(sealed, FACTOR_SEALED_BYTES), secret_r);
}

void secrets_seal_webhook(const struct secrets *secrets, uint64_t account_id,
                          const uint8_t secret[NOTICE_SECRET_BYTES],
                          uint8_t sealed_r[NOTICE_SEALED_BYTES])
{
    _Static_assert((int)NOTICE_SEALED_BYTES ==
                       (int)NONCE_BYTES + (int)crypto_secretbox_MACBYTES + (int)NOTICE_SECRET_BYTES,
                   "a sealed secret fits its record");
    seal(secrets->webhook, account_id, span_of(secret, NOTICE_SECRET_BYTES), sealed_r);
}

bool secrets_open_webhook(const struct secrets *secrets, uint64_t account_id,
                          const uint8_t sealed[NOTICE_SEALED_BYTES],
                          uint8_t secret_r[NOTICE_SECRET_BYTES])
{
    return unseal(secrets->webhook, account_id, span_of(sealed, NOTICE_SEALED_BYTES), secret_r);
}

void secrets_stop_make(const struct secrets *secrets, uint64_t account_id, const char *email,
                       char text_r[SECRETS_TEXT_BYTES])
{
    char id[ACCOUNT_ID_BYTES];
    uint8_t mac[SECRETS_KEY_BYTES];
    account_id_text(account_id, id);
    const struct span parts[] = { span_text("stop"), span_text(id), span_text(email) };
    secrets_hash(secrets->notice, parts, 3, mac, sizeof mac);
    memcpy(text_r, id, ACCOUNT_ID_BYTES - 1);
    sodium_bin2base64(text_r + ACCOUNT_ID_BYTES - 1, SECRETS_TEXT_BYTES - (ACCOUNT_ID_BYTES - 1),
                      mac, sizeof mac, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool secrets_stop_read(struct span text, uint64_t *account_id_r)
{
    return text.length > ACCOUNT_ID_BYTES - 1 && text.length < SECRETS_TEXT_BYTES &&
           hex_decode_u64((const char *)text.data, ACCOUNT_ID_BYTES - 1, account_id_r);
}
