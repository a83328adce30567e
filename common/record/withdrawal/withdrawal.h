/* Withdrawals an account (or the pool itself, account 0) asked for: one record each, under the
 * asker's own name for it, so that asking twice is asking once. Kept for good.
 *
 * Blocking, like the store. Structs hold no memory of others; any thread, one at a time per store
 * handle. */
#pragma once
#include "core/address/address.h"
#include "core/money/money.h"
#include "port/store.h"

extern const struct store_collection withdrawal_collection;

enum {
    WITHDRAWAL_NAME_BYTES = 65, /* of the request, with its NUL */
    WITHDRAWAL_ID_BYTES = 17 + WITHDRAWAL_NAME_BYTES,
    WITHDRAWAL_REASON_BYTES = 160,
    WITHDRAWAL_DAY_MS = 24 * 3600 * 1000,
};

/* Stored; never renumber. */
enum withdrawal_state {
    WITHDRAWAL_OPEN = 1,    /* not looked at, or it waits for the wallet's funds or for tomorrow */
    WITHDRAWAL_PLANNED = 2, /* a payment answers it; what becomes of it stands there */
    WITHDRAWAL_REFUSED = 3, /* never; the reason says why */
};
const char *withdrawal_state_name(enum withdrawal_state state); /* static */

struct withdrawal {
    uint64_t account; /* 0: the pool itself */
    char request[WITHDRAWAL_NAME_BYTES];
    enum withdrawal_state state;
    struct money amount;              /* 0: everything available */
    char address[ADDRESS_TEXT_BYTES]; /* of the pool's own; else "" */
    uint64_t asked_by;                /* of the pool's own: the operator; else 0 */
    uint64_t payment;                 /* PLANNED: its number */
    char reason[WITHDRAWAL_REASON_BYTES];
    uint64_t created_ms;
    uint64_t version; /* the store's; as read */
};

/* Letters, digits, '-' and '_', one to 64 of them. */
bool withdrawal_name_is_good(const char *request);
/* "<16 hex digits>:<request>": the record's id, and what the payment that answers it carries. */
void withdrawal_id(uint64_t account, const char *request, char id_r[WITHDRAWAL_ID_BYTES]);

/* STORE_DONE (durable), STORE_EXISTS when it was asked before, STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome withdrawal_insert(struct store *store, struct withdrawal *withdrawal,
                                                struct error *error);
/* Replaces it as read: STORE_DONE, STORE_CONFLICT, STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome withdrawal_save(struct store *store, struct withdrawal *withdrawal,
                                              struct error *error);
/* STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome withdrawal_get(struct store *store, uint64_t account,
                                             const char *request, struct withdrawal *withdrawal_r,
                                             struct error *error);
/* By its id, as a payment carries it. STORE_DONE, STORE_MISSING, STORE_FAILED. */
MUST_CHECK enum store_outcome withdrawal_of_id(struct store *store, const char *id,
                                               struct withdrawal *withdrawal_r,
                                               struct error *error);
/* How many of an account are open, and how many it asked for on this day (unix days, UTC); counted
 * up to `limit`. STORE_DONE, STORE_FAILED. */
MUST_CHECK enum store_outcome withdrawal_count(struct store *store, uint64_t account, uint64_t day,
                                               size_t limit, size_t *open_r, size_t *of_day_r,
                                               struct error *error);
/* The open ones, at most `limit` (0: all); false from the visitor ends the walk. It must not call
 * the store.
 */
typedef bool (*withdrawal_visitor)(void *context, const struct withdrawal *withdrawal);
MUST_CHECK enum store_outcome withdrawal_walk_open(struct store *store, size_t limit,
                                                   withdrawal_visitor visit, void *context,
                                                   struct error *error);
