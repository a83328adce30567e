#include "record/notice/cursor.h"

#include "record/access/field.h"

#include <inttypes.h>
#include <stdio.h>

enum field { NUMBER, FIELDS };
enum { MARK_BYTES = 64, MARKS_AT_ONCE = 64 };

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
    return versioned_save(store, &notice_cursor_collection, &record, &cursor->version, error);
}

/* "<log>:<number>", beside the cursor, which is "<log>". */
static void name_mark(const char *log, uint64_t number, char id_r[MARK_BYTES])
{
    int length = snprintf(id_r, MARK_BYTES, "%s:%020" PRIu64, log, number);
    ASSERT(length < MARK_BYTES);
}

enum store_outcome notice_mark(struct store *store, const char *log, uint64_t number,
                               struct error *error)
{
    char id[MARK_BYTES];
    name_mark(log, number, id);
    struct store_record record = { .id = id };
    record.values[NUMBER] = store_int((int64_t)number);
    enum store_outcome outcome =
        versioned_write(store, STORE_INSERT, &notice_cursor_collection, &record, error);
    return outcome == STORE_EXISTS ? STORE_DONE : outcome;
}

enum store_outcome notice_unmark(struct store *store, const char *log, const uint64_t *numbers,
                                 size_t count, struct error *error)
{
    for (size_t done = 0; done < count;) {
        struct store_write writes[MARKS_AT_ONCE];
        char ids[MARKS_AT_ONCE][MARK_BYTES];
        size_t some = count - done < MARKS_AT_ONCE ? count - done : MARKS_AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            name_mark(log, numbers[done + i], ids[i]);
            writes[i] = (struct store_write){ .verb = STORE_DELETE,
                                              .collection = &notice_cursor_collection,
                                              .record = { .id = ids[i], .version = 1 } };
        }
        enum store_outcome outcome = store_apply(store, writes, some, error);
        if (outcome != STORE_DONE && outcome != STORE_CONFLICT) /* CONFLICT: it is gone */
            return outcome;
        done += some;
    }
    return STORE_DONE;
}

struct marks {
    notice_mark_visitor visit;
    void *context;
};

static bool on_mark(void *context, const struct store_record *record)
{
    const struct marks *marks = context;
    uint64_t number;
    if (field_number(&record->values[NUMBER], &number))
        marks->visit(marks->context, number);
    return true;
}

enum store_outcome notice_marks(struct store *store, const char *log, notice_mark_visitor visit,
                                void *context, struct error *error)
{
    char low[MARK_BYTES], high[MARK_BYTES];
    name_mark(log, 0, low);
    name_mark(log, UINT64_MAX, high);
    const struct store_query query = { .field = "id",
                                       .has_low = true,
                                       .has_high = true,
                                       .low = store_text(low),
                                       .high = store_text(high) };
    struct marks marks = { visit, context };
    return store_find(store, &notice_cursor_collection, &query, on_mark, &marks, error);
}
