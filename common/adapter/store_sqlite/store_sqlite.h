/* The store on one machine: an SQLite file in write-ahead mode, synchronous=FULL, which several
 * processes open at once. A collection is a strict table with one column a field, so that people
 * can read it with the sqlite3 program (but never write to it under a running pool).
 *
 * All writes of one store_apply are one transaction and one fsync; each still has its own outcome.
 * Only the call of a commit that failed in the middle answers STORE_UNKNOWN. One thread at a time
 * per handle; a handle is not taken over a fork. */
#pragma once
#include "port/store.h"

/* Opens the file, or makes it (readable by its owner alone). `timeout_ms` bounds how long a call
 * waits for other writers. NULL with one sentence in *error. Caller owns; ends by store_close. */
MUST_CHECK struct store *store_sqlite_open(const char *path, unsigned timeout_ms,
                                           struct error *error);

/* Copies the database as it stands at one moment, while others go on writing to it, into a new file
 * (readable by its owner alone), synced and checked. False with one sentence: the new file is gone
 * again. Blocking, as long as the disk takes. */
MUST_CHECK bool store_sqlite_copy(const char *path, const char *new_path, struct error *error);
