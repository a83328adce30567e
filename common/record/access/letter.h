/* Letters that wait to be sent: an outbox that outlives the process which wrote them. What stands
 * in one is sealed, because one-time tokens are in it. A letter has one of LETTERS_MAX places, so
 * that the outbox is bounded, however many write to it.
 *
 * Who sends takes the letter first, by putting its next try off (which one of several can); who
 * dies with it leaves it to be sent again then.
 *
 * Blocking, like the store; structs hold no memory of others. */
#pragma once
#include "record/access/field.h"

extern const struct store_collection letter_collection;

enum {
    LETTERS_MAX = 4096,
    LETTER_ID_BYTES = 5, /* the place: 4 hex digits */
    LETTER_SEALED_BYTES = 1536,
};

struct letter {
    char id[LETTER_ID_BYTES];
    uint64_t next_ms;    /* it is tried then, … */
    uint64_t expires_ms; /* … and given up behind this */
    uint64_t tries;
    uint8_t sealed[LETTER_SEALED_BYTES];
    uint64_t version;
};

/* In a free place, looked for from `seed` on. STORE_EXISTS: there is none, or nearly none. */
MUST_CHECK enum store_outcome letter_insert(struct store *store, struct letter *letter,
                                            uint64_t seed, struct error *error);
/* The one that has been due longest; STORE_MISSING where none is. */
MUST_CHECK enum store_outcome letter_due(struct store *store, uint64_t now_ms,
                                         struct letter *letter_r, struct error *error);
MUST_CHECK enum store_outcome letter_save(struct store *store, struct letter *letter,
                                          struct error *error);
MUST_CHECK enum store_outcome letter_delete(struct store *store, const struct letter *letter,
                                            struct error *error);
