/* Durable switches an operator turns: "payout.paused". Who turned it last, when and why is kept
 * with it. A switch nobody turned is off.
 *
 * Blocking, like the store. Structs hold no memory of others; any thread, one at a time per store
 * handle. */
#pragma once
#include "port/store.h"

extern const struct store_collection switch_collection;

/* Nothing new is paid while it is on. */
#define SWITCH_PAYOUT_PAUSED "payout.paused"

enum { SWITCH_NAME_BYTES_MAX = 64, SWITCH_BY_BYTES = 64, SWITCH_REASON_BYTES = 200 };

struct switch_record {
    bool on;
    char by[SWITCH_BY_BYTES];
    char reason[SWITCH_REASON_BYTES];
    uint64_t changed_ms; /* unix */
    uint64_t version;    /* the store's; as read; 0: nobody ever turned it */
};

/* STORE_DONE with the switch (off where nobody turned it), STORE_FAILED with *error. */
MUST_CHECK enum store_outcome switch_get(struct store *store, const char *name,
                                         struct switch_record *switch_r, struct error *error);
/* Turns it, whatever it was; `by` and `reason` are cut to their bounds. STORE_DONE, STORE_CONFLICT
 * when another turned it at the same moment, STORE_UNKNOWN, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome switch_turn(struct store *store, const char *name, bool on,
                                          const char *by, const char *reason, uint64_t now_ms,
                                          struct error *error);
