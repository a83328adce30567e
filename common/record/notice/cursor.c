#include "record/notice/cursor.h"

#include "record/access/field.h"

enum field { NUMBER, FIELDS };

static const struct store_field fields[FIELDS] = { [NUMBER] = { "number", STORE_INT, false } };
const struct store_collection notice_cursor_collection = { "notice_cursors", fields, FIELDS };

enum store_outcome notice_cursor_get(struct store *store, struct notice_cursor *cursor,
                                     struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    cursor->number = cursor->version = 0;
    enum store_outcome outcome =
        store_get(store, &notice_cursor_collection, cursor->name, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome == STORE_MISSING ? STORE_DONE : outcome;
    cursor->version = record.version;
    if (field_number(&record.values[NUMBER], &cursor->number))
        return STORE_DONE;
    (void)field_damaged(error, "how far notices follow", cursor->name);
    return STORE_FAILED;
}

enum store_outcome notice_cursor_save(struct store *store, struct notice_cursor *cursor,
                                      struct error *error)
{
    struct store_record record = { .id = cursor->name, .version = cursor->version };
    record.values[NUMBER] = store_int((int64_t)cursor->number);
    return field_save(store, &notice_cursor_collection, &record, &cursor->version, error);
}
