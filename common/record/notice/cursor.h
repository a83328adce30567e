/* How far a log of causes was followed: one number a log ("events", "payments", "audits"), which
 * moves on when all notices of what stands before it are durable. And marks: where a log is not
 * told in the order of its numbers, what stands beyond its cursor and was told already, for as long
 * as it stands there. The scheduler that leads writes them. Blocking, like the store; one thread at
 * a time a handle. */
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

/* Marks one of this log's numbers. STORE_DONE, durable, also where it is marked already. */
MUST_CHECK enum store_outcome notice_mark(struct store *store, const char *log, uint64_t number,
                                          struct error *error);
/* Takes the marks of `count` numbers away; what was never marked is none. What is left where the
 * store fails says nothing false. */
MUST_CHECK enum store_outcome notice_unmark(struct store *store, const char *log,
                                            const uint64_t *numbers, size_t count,
                                            struct error *error);
/* All that are marked, in order. The visitor must not call the store. */
typedef void (*notice_mark_visitor)(void *context, uint64_t number);
MUST_CHECK enum store_outcome notice_marks(struct store *store, const char *log,
                                           notice_mark_visitor visit, void *context,
                                           struct error *error);
