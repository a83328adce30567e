#include "services/auth/password.h"

#include <errno.h>
#include <sodium.h>

_Static_assert(PASSWORD_HASH_BYTES >= crypto_pwhash_STRBYTES, "a hash fits");

bool password_hash(const struct password_cost *cost, struct span password,
                   char hash_r[PASSWORD_HASH_BYTES])
{
    memset(hash_r, 0, PASSWORD_HASH_BYTES);
    return crypto_pwhash_str_alg(hash_r, (const char *)password.data, password.length, cost->passes,
                                 cost->memory_bytes, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

enum password_verdict password_check(const char hash[PASSWORD_HASH_BYTES], struct span password)
{
    errno = 0;
    if (crypto_pwhash_str_verify(hash, (const char *)password.data, password.length) == 0)
        return PASSWORD_RIGHT;
    /* libsodium says EINVAL for a mismatch alone */
    return errno == EINVAL ? PASSWORD_WRONG : PASSWORD_UNDECIDED;
}

bool password_is_old(const struct password_cost *cost, const char hash[PASSWORD_HASH_BYTES])
{
    return crypto_pwhash_str_needs_rehash(hash, cost->passes, cost->memory_bytes) != 0;
}

bool password_dummy(const struct password_cost *cost, char hash_r[PASSWORD_HASH_BYTES])
{
    uint8_t password[32];
    randombytes_buf(password, sizeof password);
    bool made = password_hash(cost, span_of(password, sizeof password), hash_r);
    sodium_memzero(password, sizeof password);
    return made;
}
