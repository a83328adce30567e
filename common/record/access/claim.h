/* Claims on looks: the skeleton of a registered name (what it looks like), which one account has.
 * A name that looks like another is refused by finding its claim taken, also where two register at
 * once. Claims are never given back.
 *
 * Blocking, like the store. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection claim_collection;

enum { CLAIM_ID_BYTES = 33 };

/* STORE_DONE with whose it is, STORE_MISSING where it is nobody's; else *error. */
MUST_CHECK enum store_outcome claim_get(struct store *store, const char id[CLAIM_ID_BYTES],
                                        uint64_t *account_id_r, struct error *error);
/* ACCOUNT_BOUND where the account has it, now or since before; ACCOUNT_TAKEN where another has. */
MUST_CHECK enum account_outcome claim_bind(struct store *store, const char id[CLAIM_ID_BYTES],
                                           uint64_t account_id, struct error *error);
