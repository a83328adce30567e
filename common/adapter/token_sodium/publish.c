/* What a verifier knows, written down for others: as a list of keys (RFC 7517, RFC 8037), and as a
 * file of ours. */
#include "adapter/token_sodium/inside.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

void token_jwks(const struct token_verifier *verifier, char *text_r)
{
    size_t used = (size_t)snprintf(text_r, TOKEN_JWKS_BYTES, "{\"keys\":[");
    for (size_t i = 0; i < verifier->count; i++) {
        char x[64];
        sodium_bin2base64(x, sizeof x, verifier->keys[i].public_key, TOKEN_PUBLIC_BYTES,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        used += (size_t)snprintf(text_r + used, TOKEN_JWKS_BYTES - used,
                                 "%s{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"alg\":"
                                 "\"EdDSA\",\"kid\":\"%s\",\"x\":\"%s\"}",
                                 i == 0 ? "" : ",", verifier->keys[i].kid, x);
    }
    used += (size_t)snprintf(text_r + used, TOKEN_JWKS_BYTES - used, "]}");
    ASSERT(used < TOKEN_JWKS_BYTES);
}

enum { LINE_BYTES = 2 * TOKEN_PUBLIC_BYTES + 1 };

bool token_publish(const struct token_verifier *verifier, const char *path, struct error *error)
{
    char text[TOKEN_KEYS_MAX * LINE_BYTES + 1] = "", found[sizeof text + 1] = "", temporary[4200];
    for (size_t i = 0; i < verifier->count; i++) {
        hex_encode(span_of(verifier->keys[i].public_key, TOKEN_PUBLIC_BYTES),
                   text + i * LINE_BYTES);
        text[(i + 1) * LINE_BYTES - 1] = '\n';
    }
    text[verifier->count * LINE_BYTES] = '\0';
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        size_t length = fread(found, 1, sizeof found - 1, file);
        fclose(file);
        if (length == strlen(text) && memcmp(found, text, length) == 0)
            return true;
    }
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    file = fopen(temporary, "we");
    if (file == NULL)
        return error_system(error, errno, "%s", temporary);
    bool written = fputs(text, file) >= 0;
    written = fclose(file) == 0 && written && rename(temporary, path) == 0;
    return written || error_system(error, errno, "%s", path);
}
