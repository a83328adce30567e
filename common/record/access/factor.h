/* Second factors: an account's secret for one-time codes (sealed; this folder cannot open it), the
 * last time step a code was taken for, and the hashes of its recovery codes. It is replaced as it
 * was read, so a code is taken once, whoever else checks it just then.
 *
 * Blocking, like the store; structs hold no memory of others. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection factor_collection;

enum { FACTOR_SEALED_BYTES = 60, FACTOR_RECOVERY_CODES = 10, FACTOR_RECOVERY_BYTES = 16 };

enum factor_state {
    FACTOR_OFF = 0,     /* none, or taken away */
    FACTOR_OFFERED = 1, /* the secret was shown; no code of it was seen yet */
    FACTOR_ON = 2,
};

struct factor {
    uint64_t account_id;
    enum factor_state state;
    uint8_t sealed[FACTOR_SEALED_BYTES];
    uint64_t step;                                                  /* of the last code taken */
    uint8_t recovery[FACTOR_RECOVERY_CODES][FACTOR_RECOVERY_BYTES]; /* zeroes: used */
    uint64_t wrong;         /* codes in a row that were wrong, … */
    uint64_t wrong_from_ms; /* … the first of them then */
    uint64_t version;       /* 0: not stored yet */
};

/* STORE_DONE also where there is none: FACTOR_OFF and version 0. */
MUST_CHECK enum store_outcome factor_get(struct store *store, uint64_t account_id,
                                         struct factor *factor_r, struct error *error);
/* Inserts or replaces it as it was read: STORE_CONFLICT when it is another by now. */
MUST_CHECK enum store_outcome factor_save(struct store *store, struct factor *factor,
                                          struct error *error);
