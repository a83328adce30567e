/* Access tokens: JSON Web Tokens (RFC 7519) in the compact form, signed with Ed25519 (RFC 8037),
 * by libsodium. auth signs them; any process that has the public key checks them without asking.
 *
 * What is checked is narrow on purpose, because tokens come from strangers: the algorithm is EdDSA
 * and nothing else, whatever the token says; the header knows alg, typ and kid only; issuer and
 * audience are this pool's; no key stands twice; times are whole seconds and all three are there.
 *
 * A signer and a verifier own their memory (the secret key's is locked and wiped). After they are
 * made, any thread may use them. Nothing here reads a clock. */
#pragma once
#include "base/bytes.h"

#define TOKEN_ISSUER "adit"
#define TOKEN_AUDIENCE "adit"

enum {
    TOKEN_TEXT_BYTES = 1024, /* holds every token that is made here, and its NUL */
    TOKEN_BYTES_MAX = 4096,  /* a longer one is refused unread */
    TOKEN_LEEWAY_S = 60,     /* clocks of two machines may differ so much */
    TOKEN_LIFE_S_MAX = 86400 + TOKEN_LEEWAY_S,
    TOKEN_KEYS_MAX = 8,   /* a verifier knows, and a ring holds */
    TOKEN_KID_BYTES = 17, /* 16 hex digits of the public key's SHA-256, and a NUL */
    TOKEN_ID_BYTES = 33,
    TOKEN_JWKS_BYTES = 2048, /* holds a list of TOKEN_KEYS_MAX keys */
    TOKEN_PUBLIC_BYTES = 32,
};

/* What the bearer may do, as bits. X(enum name, bit, word in the "scope" claim, RFC 8693) */
#define TOKEN_SCOPES(X)                                                                            \
    X(TOKEN_SCOPE_WITHDRAW_PROPOSE, 1,                                                             \
      "withdraw-propose")                  /* ask payout for a withdrawal of the */                \
                                           /* own account, to its own address */                   \
    X(TOKEN_SCOPE_OPERATOR, 2, "operator") /* see what operators see; approve payments, ask for */ \
                                           /* what the pool earned */                              \
    X(TOKEN_SCOPE_READ, 4, "read")         /* see what the own account has and does */             \
    X(TOKEN_SCOPE_ACCOUNT, 8, "account")   /* change the own account: only who logged in */        \
    X(TOKEN_SCOPE_VIEW, 32, "view")        /* see what the own account mines and is paid, no more */

enum token_scope {
#define X(name, bit, word) name = bit,
    TOKEN_SCOPES(X)
#undef X
};

/* Times in unix seconds. */
struct token_claims {
    uint32_t scopes;
    bool second_factor_on;    /* the account has one ("mfa_on") */
    bool second_factor_given; /* and it was shown at this login ("amr" has "mfa", RFC 8176) */
    uint64_t account_id;      /* sub: 16 hex digits */
    uint64_t issued_s;
    uint64_t not_before_s;
    uint64_t expires_s;
    char id[TOKEN_ID_BYTES]; /* jti: 32 hex digits at random; made by token_sign */
    /* sid: the session it was made in, 32 hex digits, so that auth can end it; "": none */
    char session[TOKEN_ID_BYTES];
};

/* X(enum name, sentence) */
#define TOKEN_OUTCOMES(X)                                                                          \
    X(TOKEN_OK, "the token is valid")                                                              \
    X(TOKEN_MALFORMED, "this is no token of this pool")                                            \
    X(TOKEN_BAD_ALGORITHM, "the token is not signed with EdDSA")                                   \
    X(TOKEN_UNKNOWN_KEY, "the token is signed with a key this pool does not use")                  \
    X(TOKEN_BAD_SIGNATURE, "the token's signature is wrong")                                       \
    X(TOKEN_WRONG_ISSUER, "the token was issued by somebody else")                                 \
    X(TOKEN_WRONG_AUDIENCE, "the token is meant for somebody else")                                \
    X(TOKEN_NOT_YET, "the token is not valid yet")                                                 \
    X(TOKEN_EXPIRED, "the token has expired")

enum token_outcome {
#define X(name, text) name,
    TOKEN_OUTCOMES(X)
#undef X
};
/* Static. */
const char *token_outcome_text(enum token_outcome outcome);

struct token_signer;

/* The key of a file (64 hex digits, the seed of RFC 8032; readable by its owner alone), which is
 * made where there is none; of several processes that make it at once one wins, and all use it.
 * NULL and *error on failure. Caller owns. */
MUST_CHECK struct token_signer *token_signer_open(const char *path, struct error *error);
void token_signer_close(struct token_signer *signer);
void token_signer_public(const struct token_signer *signer, uint8_t public_r[TOKEN_PUBLIC_BYTES]);

/* Signs the claims (their id is filled) into text_r, TOKEN_TEXT_BYTES. */
void token_sign(const struct token_signer *signer, struct token_claims *claims, char *text_r);

/* An Ed25519 signature (RFC 8032) over any bytes, with the same kind of key; and whether one is
 * right. Never use one key for tokens and for something else. */
enum { TOKEN_SIGNATURE_BYTES = 64 };
void token_sign_bytes(const struct token_signer *signer, struct span bytes,
                      uint8_t signature_r[TOKEN_SIGNATURE_BYTES]);
MUST_CHECK bool token_verify_bytes(const uint8_t public_key[TOKEN_PUBLIC_BYTES], struct span bytes,
                                   const uint8_t signature[TOKEN_SIGNATURE_BYTES]);

/* The name of a public key in tokens. */
void token_kid(const uint8_t public_key[TOKEN_PUBLIC_BYTES], char kid_r[TOKEN_KID_BYTES]);

/* Zero-initialise; holds public values only. */
struct token_verifier {
    struct {
        uint8_t public_key[TOKEN_PUBLIC_BYTES];
        char kid[TOKEN_KID_BYTES];
    } keys[TOKEN_KEYS_MAX];
    size_t count;
};
/* False when it has no room. A key it knows already is not added again. */
MUST_CHECK bool token_verifier_add(struct token_verifier *verifier,
                                   const uint8_t public_key[TOKEN_PUBLIC_BYTES]);

/* Its keys as RFC 7517 lists them, for /.well-known/jwks.json, into text_r, TOKEN_JWKS_BYTES. */
void token_jwks(const struct token_verifier *verifier, char *text_r);
/* Writes them (64 hex digits a line) to a file that those who check tokens read, unless it says so
 * already. False with *error. */
MUST_CHECK bool token_publish(const struct token_verifier *verifier, const char *path,
                              struct error *error);

/* Base64url without padding (RFC 4648, section 5) into bytes_r: true where the text is exactly
 * that, in its one canonical spelling, and fits; *length_r bytes. */
MUST_CHECK bool token_base64url(struct span text, uint8_t *bytes_r, size_t capacity,
                                size_t *length_r);

/* TOKEN_OK with the claims, or what is wrong, with *claims_r undefined. */
MUST_CHECK enum token_outcome token_verify(const struct token_verifier *verifier, struct span text,
                                           uint64_t now_s, struct token_claims *claims_r);

/* Adds the public keys of a file, 64 hex digits a line. False with *error where it cannot be read
 * or holds something else. */
MUST_CHECK bool token_verifier_read(struct token_verifier *verifier, const char *path,
                                    struct error *error);
