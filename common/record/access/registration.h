/* Registrations that wait for their letter: what will be the account once whoever reads the letters
 * to its address has shown the token in it. Nothing is kept free for it meanwhile; of several who
 * asked for one name the first to confirm has it.
 *
 * Blocking, like the store; structs hold no memory of others. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection registration_collection;

enum { REGISTRATION_ID_BYTES = 33 };

struct registration {
    char id[REGISTRATION_ID_BYTES];    /* 32 hex digits at random */
    uint8_t secret[ACCESS_HASH_BYTES]; /* a keyed hash of its token's */
    uint64_t expires_ms;
    char name[IDENTITY_CANONICAL_BYTES];
    char email[ACCOUNT_EMAIL_BYTES];
    char password[ACCOUNT_PASSWORD_BYTES]; /* Argon2id */
    char payout_address[ADDRESS_TEXT_BYTES];
    uint64_t version;
};

MUST_CHECK enum store_outcome registration_insert(struct store *store,
                                                  const struct registration *registration,
                                                  struct error *error);
MUST_CHECK enum store_outcome registration_get(struct store *store, const char *id,
                                               struct registration *registration_r,
                                               struct error *error);
MUST_CHECK enum store_outcome registration_delete(struct store *store,
                                                  const struct registration *registration,
                                                  struct error *error);
/* Deletes some, at most `limit`, of those that expired before `now_ms`. STORE_DONE or why not. */
MUST_CHECK enum store_outcome registration_sweep(struct store *store, uint64_t now_ms, size_t limit,
                                                 struct error *error);
