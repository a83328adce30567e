/* No bytes from a stranger are a token, and none make the verifier read where it must not. Each
 * input is taken as a token, and as the header and payload of a token signed with the right key. */
#include "base/fuzz.h"
#include "adapter/token_sodium/inside.h"

#include <stdio.h>


struct key {
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    char header[128];
    struct token_verifier verifier;
};

/* Made once: a million inputs are tried. */
static const struct key *the_key(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = { 7 };
    static struct key key;
    if (key.verifier.count == 0) {
        uint8_t public_key[TOKEN_PUBLIC_BYTES];
        crypto_sign_seed_keypair(public_key, key.secret, seed);
        ASSERT(token_verifier_add(&key.verifier, public_key));
        snprintf(key.header, sizeof key.header, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}",
                 key.verifier.keys[0].kid);
    }
    return &key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    const struct key *key = the_key();
    const struct token_verifier *verifier = &key->verifier;
    char text[TOKEN_BYTES_MAX + 1];
    struct token_claims claims;
    ASSERT(token_verify(verifier, span_of(data, length), 1500, &claims) != TOKEN_OK);
    bool as_header = length > 0 && data[0] == '{' && length % 2 == 0;
    if (as_header &&
        token_compact(key->secret, span_of(data, length), span_text("{}"), text, sizeof text))
        ASSERT(token_verify(verifier, span_text(text), 1500, &claims) != TOKEN_OK);
    if (!as_header &&
        token_compact(key->secret, span_text(key->header), span_of(data, length), text,
                      sizeof text) &&
        token_verify(verifier, span_text(text), 1500, &claims) == TOKEN_OK)
        ASSERT(claims.account_id != 0 && claims.expires_s + TOKEN_LEEWAY_S > 1500 &&
               claims.not_before_s <= 1500 + TOKEN_LEEWAY_S);
    return 0;
}
