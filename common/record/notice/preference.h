/* What an account wants to be told, and by which channel; auth alone writes it. The webhook's
 * secret is sealed by auth, and is nothing to others.
 *
 * Blocking, like the store; structs hold no memory of others; one thread at a time a handle. */
#pragma once
#include "core/identity/identity.h"
#include "core/notice/notice.h"
#include "port/store.h"

extern const struct store_collection notice_preference_collection;

enum {
    NOTICE_URL_BYTES = 512,
    NOTICE_SECRET_BYTES = 32, /* between 24 and 64, as Standard Webhooks has it */
    NOTICE_SEALED_BYTES = 24 + 16 + NOTICE_SECRET_BYTES, /* nonce, authenticator, secret */
};

struct notice_preference {
    uint64_t account;
    char name[IDENTITY_CANONICAL_BYTES]; /* the account's, which never changes */
    uint32_t letters;                    /* bits of the kinds it is told by e-mail, … */
    uint32_t webhooks;                   /* … and by its webhook */
    uint64_t after_ms;                   /* a worker is offline after so long */
    uint64_t from_ms;           /* nothing is told that was before: the choice was made then */
    char url[NOTICE_URL_BYTES]; /* of the webhook; "": it has none */
    uint8_t sealed[NOTICE_SEALED_BYTES]; /* its secret */
    uint64_t url_ms;  /* when it was set; what was for another before does not go there */
    uint64_t off_ms;  /* when it was switched off, because it had failed for long; 0: it is on */
    uint64_t version; /* the store's; as read; 0: nothing was ever chosen */
};

/* STORE_DONE, with nothing chosen where there is no record; STORE_FAILED. */
MUST_CHECK enum store_outcome notice_preference_get(struct store *store, uint64_t account,
                                                    struct notice_preference *preference_r,
                                                    struct error *error);
/* In place of what was read, or a first one; STORE_CONFLICT where another changed it. */
MUST_CHECK enum store_outcome notice_preference_save(struct store *store,
                                                     struct notice_preference *preference,
                                                     struct error *error);

/* Those who want anything, in no promised order; false ends the walk. The visitor must not call the
 * store. One that is damaged is left out. */
typedef bool (*notice_preference_visitor)(void *context,
                                          const struct notice_preference *preference);
MUST_CHECK enum store_outcome notice_preference_walk(struct store *store,
                                                     notice_preference_visitor visit, void *context,
                                                     struct error *error);
