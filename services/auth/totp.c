#include "services/auth/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>

uint32_t totp_code(struct span secret, uint64_t step, unsigned digits)
{
    uint8_t counter[8], digest[EVP_MAX_MD_SIZE];
    unsigned length = sizeof digest;
    store_be64(counter, step);
    const uint8_t *made =
        HMAC(EVP_sha1(), secret.data, (int)secret.length, counter, sizeof counter, digest, &length);
    ASSERT(made != NULL && length == 20);
    /* RFC 4226, section 5.3: dynamic truncation */
    uint32_t number = load_be32(digest + (digest[19] & 15)) & 0x7fffffff;
    uint32_t bound = 1;
    for (unsigned i = 0; i < digits; i++)
        bound *= 10;
    sodium_memzero(digest, sizeof digest);
    return number % bound;
}

bool totp_check(struct span secret, struct span code, uint64_t now_s, uint64_t last_step,
                uint64_t *step_r)
{
    uint64_t now_step = now_s / TOTP_PERIOD_S;
    bool found = false;
    if (code.length != TOTP_DIGITS)
        return false;
    /* Every step is looked at, whichever fits. */
    for (uint64_t step = now_step - TOTP_DRIFT_STEPS; step <= now_step + TOTP_DRIFT_STEPS; step++) {
        char text[TOTP_DIGITS + 2];
        snprintf(text, sizeof text, "%06u", totp_code(secret, step, TOTP_DIGITS) % 1000000);
        if (sodium_memcmp(text, code.data, TOTP_DIGITS) == 0 && step > last_step && !found) {
            *step_r = step;
            found = true;
        }
        sodium_memzero(text, sizeof text);
    }
    return found;
}

void totp_base32(struct span bytes, char *text_r, size_t capacity)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    size_t used = 0;
    uint32_t held = 0;
    unsigned bits = 0;
    ASSERT(capacity > (bytes.length * 8 + 4) / 5);
    for (size_t i = 0; i < bytes.length; i++) {
        held = (held << 8 | bytes.data[i]) & 0xffff;
        for (bits += 8; bits >= 5; bits -= 5)
            text_r[used++] = alphabet[held >> (bits - 5) & 31];
    }
    if (bits > 0)
        text_r[used++] = alphabet[held << (5 - bits) & 31];
    text_r[used] = '\0';
}
