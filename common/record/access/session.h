/* Sessions: one for each login that still counts. Its refresh token is told apart by a generation
 * that grows with each use, and known by a hash alone: what stands here opens nothing.
 *
 * Blocking, like the store. Structs hold no memory of others; any thread, one at a time per store
 * handle. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection session_collection;

enum { SESSION_ID_BYTES = 33 };

struct session {
    char id[SESSION_ID_BYTES]; /* 32 hex digits at random */
    uint64_t account_id;
    uint8_t refresh[ACCESS_HASH_BYTES]; /* of the token that may be used next */
    uint64_t generation;                /* of that token */
    uint64_t created_ms, used_ms, expires_ms;
    bool factor_given;                /* the second factor was shown at its login */
    char client[ACCESS_CLIENT_BYTES]; /* the address it was begun from */
    uint64_t version;                 /* the store's */
};

/* Whether it counts at `now_ms`, for an account whose sessions count from `from_ms` on. */
bool session_is_live(const struct session *session, uint64_t from_ms, uint64_t now_ms);

MUST_CHECK enum store_outcome session_insert(struct store *store, struct session *session,
                                             struct error *error);
MUST_CHECK enum store_outcome session_get(struct store *store, const char *id,
                                          struct session *session_r, struct error *error);
/* Replaces the session as read: STORE_CONFLICT when it is another's by now. */
MUST_CHECK enum store_outcome session_save(struct store *store, struct session *session,
                                           struct error *error);
MUST_CHECK enum store_outcome session_delete(struct store *store, const struct session *session,
                                             struct error *error);
/* An account's sessions, at most `limit`, in sessions_r; how many in *count_r. */
MUST_CHECK enum store_outcome session_list(struct store *store, uint64_t account_id, size_t limit,
                                           struct session *sessions_r, size_t *count_r,
                                           struct error *error);
