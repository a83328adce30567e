#include "record/notice/watch.h"

#include "record/access/field.h"

enum field { UNTIL_MS, TOLD_MS, STREAK, FIELDS };

static const struct store_field fields[FIELDS] = {
    [UNTIL_MS] = { "until_ms", STORE_INT, false },
    [TOLD_MS] = { "told_ms", STORE_INT, false },
    [STREAK] = { "streak", STORE_INT, false },
};
const struct store_collection notice_watch_collection = { "notice_watches", fields, FIELDS };

enum store_outcome notice_watch_get(struct store *store, uint64_t account,
                                    struct notice_watch_record *watch_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char id[ACCOUNT_ID_BYTES];
    account_id_text(account, id);
    *watch_r = (struct notice_watch_record){ .account = account };
    enum store_outcome outcome =
        store_get(store, &notice_watch_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome == STORE_MISSING ? STORE_DONE : outcome;
    watch_r->version = record.version;
    watch_r->watch.streak = (uint32_t)record.values[STREAK].integer;
    if (field_number(&record.values[UNTIL_MS], &watch_r->watch.until_ms) &&
        field_number(&record.values[TOLD_MS], &watch_r->watch.told_ms))
        return STORE_DONE;
    (void)field_damaged(error, "silences told to", id);
    return STORE_FAILED;
}

enum store_outcome notice_watch_save(struct store *store, struct notice_watch_record *watch,
                                     struct error *error)
{
    char id[ACCOUNT_ID_BYTES];
    account_id_text(watch->account, id);
    struct store_record record = { .id = id, .version = watch->version };
    record.values[UNTIL_MS] = store_int((int64_t)watch->watch.until_ms);
    record.values[TOLD_MS] = store_int((int64_t)watch->watch.told_ms);
    record.values[STREAK] = store_int(watch->watch.streak);
    return versioned_save(store, &notice_watch_collection, &record, &watch->version, error);
}
