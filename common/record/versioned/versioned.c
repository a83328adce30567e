#include "record/versioned/versioned.h"

enum store_outcome versioned_write(struct store *store, enum store_verb verb,
                                   const struct store_collection *collection,
                                   const struct store_record *record, struct error *error)
{
    struct store_write write = { .verb = verb, .collection = collection, .record = *record };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

enum store_outcome versioned_save(struct store *store, const struct store_collection *collection,
                                  const struct store_record *record, uint64_t *version,
                                  struct error *error)
{
    struct store_record as_read = *record;
    as_read.version = *version;
    enum store_outcome outcome = versioned_write(
        store, *version == 0 ? STORE_INSERT : STORE_REPLACE, collection, &as_read, error);
    *version += outcome == STORE_DONE;
    return outcome == STORE_EXISTS ? STORE_CONFLICT : outcome;
}

enum store_outcome versioned_delete(struct store *store, const struct store_collection *collection,
                                    const char *id, uint64_t version, struct error *error)
{
    const struct store_record record = { .id = id, .version = version };
    return versioned_write(store, STORE_DELETE, collection, &record, error);
}
