/* Work that is done again and again, by numbered turns: turn 1, 2, 3, … of a named thing ("decay").
 * The leader first makes the next turn durable, then does what is to be done, each part of it
 * marked with the turn's number, and last says that the turn is whole. So a turn that was cut off
 * is done to its end by whoever leads next, and no part of it twice; the time of the next turn
 * outlives the process too.
 *
 * Blocking, like the store. Structs hold no memory of others; any thread, one at a time per store
 * handle. */
#pragma once
#include "port/store.h"

extern const struct store_collection turn_collection;

enum { TURN_NAME_BYTES = 32 };

struct turn {
    char name[TURN_NAME_BYTES];
    uint64_t number; /* the newest that began; 0: none */
    bool whole;      /* all of it is done */
    uint64_t due_ms; /* unix: when the next may begin */
    uint64_t epoch;  /* of the leader that wrote it last */
    uint64_t version;
};

/* STORE_DONE, STORE_MISSING (*turn_r is turn 0, whole, due at once), STORE_FAILED. */
MUST_CHECK enum store_outcome turn_get(struct store *store, const char *name, struct turn *turn_r,
                                       struct error *error);
/* Whether the next may begin at `now_ms`. A clock that was set back by more than `interval_ms` does
 * not stop the turns. */
bool turn_is_due(const struct turn *turn, uint64_t interval_ms, uint64_t now_ms);
/* Begins turn->number + 1, due again `interval_ms` from now. STORE_DONE; STORE_CONFLICT where it is
 * another leader's by now (nothing changed: read it again); STORE_UNKNOWN, STORE_FAILED. The turn
 * before must be whole. */
MUST_CHECK enum store_outcome turn_begin(struct store *store, struct turn *turn,
                                         uint64_t interval_ms, uint64_t now_ms, uint64_t epoch,
                                         struct error *error);
/* Says that it is whole. As turn_begin. */
MUST_CHECK enum store_outcome turn_end(struct store *store, struct turn *turn, uint64_t epoch,
                                       struct error *error);
