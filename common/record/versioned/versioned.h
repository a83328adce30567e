/* One record at a time over the store's port, as most collections are written: what store_apply and
 * the write itself say, as one outcome. Blocking, like the store; one thread at a time a handle. */
#pragma once
#include "port/store.h"

/* Writes one record; what store_apply says of it. */
MUST_CHECK enum store_outcome versioned_write(struct store *store, enum store_verb verb,
                                              const struct store_collection *collection,
                                              const struct store_record *record,
                                              struct error *error);
/* Writes one record as its reader had it, which *version says (the record's own is not looked at):
 * anew where it is 0, else in its place. STORE_DONE, and *version is raised; STORE_CONFLICT where
 * another wrote it meanwhile; STORE_UNKNOWN, STORE_FAILED. */
MUST_CHECK enum store_outcome versioned_save(struct store *store,
                                             const struct store_collection *collection,
                                             const struct store_record *record, uint64_t *version,
                                             struct error *error);
/* Deletes it if its version is still this one. */
MUST_CHECK enum store_outcome versioned_delete(struct store *store,
                                               const struct store_collection *collection,
                                               const char *id, uint64_t version,
                                               struct error *error);
