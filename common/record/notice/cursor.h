/* How far a log of causes was followed: one number a log ("events", "payments", "audits"), which
 * moves on when all notices of what stands before it are durable. The scheduler that leads writes
 * it. Blocking, like the store; one thread at a time a handle. */
#pragma once
#include "port/store.h"

extern const struct store_collection notice_cursor_collection;

struct notice_cursor {
    const char *name; /* static */
    uint64_t number;  /* everything up to here is told */
    uint64_t version; /* 0: nothing was ever followed */
};

/* cursor->name is given. STORE_DONE, with version 0 where there is none; STORE_FAILED. */
MUST_CHECK enum store_outcome notice_cursor_get(struct store *store, struct notice_cursor *cursor,
                                                struct error *error);
/* STORE_CONFLICT where another moved it. */
MUST_CHECK enum store_outcome notice_cursor_save(struct store *store, struct notice_cursor *cursor,
                                                 struct error *error);
