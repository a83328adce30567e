/* The public keys that tokens are checked with, as auth says them to every process that checks
 * tokens by itself: one record of the store, which auth writes and others read, wherever they run.
 *
 * It is sealed with a key that derives from the deployment's secret (BLAKE2b, RFC 7693, keyed), so
 * who may write the store and no more plants no key of his own. Keys of an earlier generation never
 * replace those of a later one: an instance of auth that was left with an older ring of keys cannot
 * bring back what a rotation took away. It says when auth said so last, so that a record that was
 * put back by a thief of an old key is not believed for long.
 *
 * Blocking, like the store; structs hold no memory of others. */
#pragma once
#include "core/identity/identity.h"
#include "port/store.h"

extern const struct store_collection access_keys_collection;

enum { ACCESS_KEYS_MAX = 8, ACCESS_KEY_BYTES = 32 };

struct access_keys {
    uint64_t generation; /* from which second the newest of them signs (unix) */
    uint64_t said_s;     /* when auth last said that these are its keys (unix) */
    size_t count;        /* at least 1 */
    uint8_t keys[ACCESS_KEYS_MAX][ACCESS_KEY_BYTES];
};

/* STORE_DONE with the keys; STORE_MISSING: none were said yet; STORE_FAILED with *error (INVALID:
 * the record's seal is not this deployment's). */
MUST_CHECK enum store_outcome access_keys_read(struct store *store,
                                               const struct identity_key *secret,
                                               struct access_keys *keys_r, struct error *error);
/* Says them: STORE_DONE, and they are there; STORE_EXISTS: those of a later generation are there,
 * and stay; STORE_CONFLICT where others said theirs at the same moments; STORE_UNKNOWN,
 * STORE_FAILED with *error. A record with a seal of another secret is replaced. */
MUST_CHECK enum store_outcome access_keys_say(struct store *store,
                                              const struct identity_key *secret,
                                              const struct access_keys *keys, struct error *error);
