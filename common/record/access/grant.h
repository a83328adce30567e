/* Grants: API keys and read-only links. Each is known by its id and a hash of its secret, which was
 * shown once; what it may do are the scopes of adapter/token_sodium, as bits.
 *
 * Blocking, like the store; structs hold no memory of others. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection grant_collection;

enum { GRANT_ID_BYTES = 17, GRANT_NAME_BYTES = 65 };

enum grant_kind {
    GRANT_KEY = 1,  /* an API key */
    GRANT_LINK = 2, /* a link through which anybody may look at one account */
};

struct grant {
    char id[GRANT_ID_BYTES]; /* 16 hex digits at random */
    uint64_t account_id;
    enum grant_kind kind;
    uint8_t secret[ACCESS_HASH_BYTES]; /* a keyed hash of it */
    uint64_t scopes;
    char name[GRANT_NAME_BYTES]; /* the owner's word for it */
    uint64_t created_ms;
    uint64_t used_ms; /* 0: never */
    uint64_t version;
};

/* Whether it counts, for an account whose grants count from `from_ms` on. */
bool grant_is_live(const struct grant *grant, uint64_t from_ms);

MUST_CHECK enum store_outcome grant_insert(struct store *store, struct grant *grant,
                                           struct error *error);
MUST_CHECK enum store_outcome grant_get(struct store *store, const char *id, struct grant *grant_r,
                                        struct error *error);
MUST_CHECK enum store_outcome grant_save(struct store *store, struct grant *grant,
                                         struct error *error);
MUST_CHECK enum store_outcome grant_delete(struct store *store, const struct grant *grant,
                                           struct error *error);
/* An account's grants of both kinds, at most `limit`. */
MUST_CHECK enum store_outcome grant_list(struct store *store, uint64_t account_id, size_t limit,
                                         struct grant *grants_r, size_t *count_r,
                                         struct error *error);
