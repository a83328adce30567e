/* Tickets: one-time tokens that were sent to somebody. One account has one of a kind at the most;
 * the next takes the last one's place. Deleting it, as it was read, is what using it means: of two
 * who use it at once, one does.
 *
 * Blocking, like the store; structs hold no memory of others. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection ticket_collection;

enum ticket_kind {
    TICKET_RESET = 1, /* sets another password */
    TICKET_EMAIL = 2, /* says that the account's owner reads what is sent to `email` */
};

struct ticket {
    uint64_t account_id;
    enum ticket_kind kind;
    uint8_t secret[ACCESS_HASH_BYTES]; /* a keyed hash of it */
    uint64_t expires_ms;
    char email[ACCOUNT_EMAIL_BYTES]; /* where it was sent */
    uint64_t version;
};

/* In place of the last one of its kind. */
MUST_CHECK enum store_outcome ticket_put(struct store *store, const struct ticket *ticket,
                                         struct error *error);
MUST_CHECK enum store_outcome ticket_get(struct store *store, uint64_t account_id,
                                         enum ticket_kind kind, struct ticket *ticket_r,
                                         struct error *error);
MUST_CHECK enum store_outcome ticket_use(struct store *store, const struct ticket *ticket,
                                         struct error *error);
