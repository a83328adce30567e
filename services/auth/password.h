/* Passwords: Argon2id by libsodium. Slow and large by purpose; on a thread for it. Passwords are
 * bytes; nothing here keeps one. Any thread. */
#pragma once
#include "base/bytes.h"

enum { PASSWORD_BYTES_MIN = 8, PASSWORD_BYTES_MAX = 1024, PASSWORD_HASH_BYTES = 128 };

struct password_cost {
    unsigned long long passes;
    size_t memory_bytes;
};

enum password_verdict {
    PASSWORD_RIGHT = 1,
    PASSWORD_WRONG,
    PASSWORD_UNDECIDED, /* there was no memory for it */
};

/* False when there is no memory for it. */
MUST_CHECK bool password_hash(const struct password_cost *cost, struct span password,
                              char hash_r[PASSWORD_HASH_BYTES]);
MUST_CHECK enum password_verdict password_check(const char hash[PASSWORD_HASH_BYTES],
                                                struct span password);
/* Whether it was made at another cost, and should be made anew while the password is here. */
bool password_is_old(const struct password_cost *cost, const char hash[PASSWORD_HASH_BYTES]);
/* A hash nobody knows a password of: checking against it costs what any check costs. */
MUST_CHECK bool password_dummy(const struct password_cost *cost, char hash_r[PASSWORD_HASH_BYTES]);
