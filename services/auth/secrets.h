/* The secrets auth hands out and knows again: refresh tokens, API keys, one-time tokens, workers'
 * passwords, the sealed secrets of second factors. The store holds keyed hashes alone; the keys
 * derive from the deployment's secret, one for each use, so nothing made for one opens another.
 *
 * Comparisons take the same time wherever they fail. Pure but for random bytes; any thread. */
#pragma once
#include "core/identity/identity.h"
#include "record/access/factor.h"
#include "record/access/session.h"
#include "record/notice/preference.h"

/* X(member, label): one key for each use */
#define SECRETS_USES(X)                                                                            \
    X(refresh, "adit refresh")                                                                     \
    X(grant, "adit grant")                                                                         \
    X(ticket, "adit ticket")                                                                       \
    X(factor, "adit factor")                                                                       \
    X(recovery, "adit recovery")                                                                   \
    X(letter, "adit letter")                                                                       \
    X(registration, "adit registration")                                                           \
    X(worker, "adit worker")                                                                       \
    X(limit, "adit limit")                                                                         \
    X(notice, "adit notice")                                                                       \
    X(webhook, "adit webhook")                                                                     \
    X(claim, "adit claim")

enum {
    SECRETS_KEY_BYTES = 32,
    SECRETS_TEXT_BYTES = 128,  /* holds every secret's text, and its NUL */
    SECRETS_TOTP_BYTES = 20,   /* RFC 4226, section 4, R6 */
    SECRETS_RANDOM_BYTES = 32, /* what a key or one-time token is made of */
};

struct secrets {
#define X(member, label) uint8_t member[SECRETS_KEY_BYTES];
    SECRETS_USES(X)
#undef X
};

void secrets_derive(const struct identity_key *key, struct secrets *secrets_r);

/* A keyed hash of the parts, their bounds included. */
void secrets_hash(const uint8_t key[SECRETS_KEY_BYTES], const struct span *parts, size_t count,
                  uint8_t *hash_r, size_t hash_bytes);
/* Lower-case hex digits of fresh random bytes: digits + 1 bytes. */
void secrets_random_id(char *id_r, size_t digits);

/* A refresh token of the session's generation, as text; session->refresh becomes its hash. */
void secrets_refresh_make(const struct secrets *secrets, struct session *session,
                          char text_r[SECRETS_TEXT_BYTES]);
/* Of a text: true where this deployment made it, whether or not it may still be used; with the
 * session's id, its generation and its hash. */
MUST_CHECK bool secrets_refresh_read(const struct secrets *secrets, struct span text,
                                     char session_r[SESSION_ID_BYTES], uint64_t *generation_r,
                                     uint8_t hash_r[ACCESS_HASH_BYTES]);

/* A fresh secret for a thing of this id under this key: "<prefix><id>_<43 characters>". */
void secrets_opaque_make(const uint8_t key[SECRETS_KEY_BYTES], const char *prefix, const char *id,
                         uint8_t hash_r[ACCESS_HASH_BYTES], char text_r[SECRETS_TEXT_BYTES]);
/* Takes such a text apart, the id being `id_digits` hex digits, with its hash. */
MUST_CHECK bool secrets_opaque_read(const uint8_t key[SECRETS_KEY_BYTES], const char *prefix,
                                    struct span text, size_t id_digits, char *id_r,
                                    uint8_t hash_r[ACCESS_HASH_BYTES]);
MUST_CHECK bool secrets_same(const uint8_t *a, const uint8_t *b, size_t bytes);

/* The secret of a second factor, for the store; opened only for the same account. */
void secrets_seal(const struct secrets *secrets, uint64_t account_id,
                  const uint8_t secret[SECRETS_TOTP_BYTES], uint8_t sealed_r[FACTOR_SEALED_BYTES]);
MUST_CHECK bool secrets_open(const struct secrets *secrets, uint64_t account_id,
                             const uint8_t sealed[FACTOR_SEALED_BYTES],
                             uint8_t secret_r[SECRETS_TOTP_BYTES]);

/* The secret of a webhook, likewise. */
void secrets_seal_webhook(const struct secrets *secrets, uint64_t account_id,
                          const uint8_t secret[NOTICE_SECRET_BYTES],
                          uint8_t sealed_r[NOTICE_SEALED_BYTES]);
MUST_CHECK bool secrets_open_webhook(const struct secrets *secrets, uint64_t account_id,
                                     const uint8_t sealed[NOTICE_SEALED_BYTES],
                                     uint8_t secret_r[NOTICE_SECRET_BYTES]);

/* With what an account's letters are stopped by whoever holds one: good for that address of e-mail
 * and for nothing else. */
void secrets_stop_make(const struct secrets *secrets, uint64_t account_id, const char *email,
                       char text_r[SECRETS_TEXT_BYTES]);
/* Takes one apart; whether it is good is seen by making it again. */
MUST_CHECK bool secrets_stop_read(struct span text, uint64_t *account_id_r);
