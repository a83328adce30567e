#include "record/packed/packed.h"

#include "core/pow/sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void packed_id(const struct packed_list *list, uint32_t record, char *id_r)
{
    ASSERT(record < PACKED_RECORDS_MAX);
    int length = snprintf(id_r, PACKED_ID_BYTES_MAX, "%s:%06" PRIu32, list->name, record);
    ASSERT(length > 0 && length < PACKED_ID_BYTES_MAX);
}

void packed_hash(size_t item_bytes, packed_writer writer, const void *items, size_t count,
                 uint8_t hash_r[32])
{
    struct sha256_state state;
    uint8_t packed[PACKED_ITEM_BYTES_MAX];
    ASSERT(item_bytes <= sizeof packed);
    sha256_init(&state);
    for (size_t i = 0; i < count; i++) {
        writer(items, i, packed);
        sha256_update(&state, span_of(packed, item_bytes));
    }
    sha256_final(&state, hash_r);
}

enum store_outcome packed_insert(struct store *store, const struct packed_list *list,
                                 packed_writer writer, const void *items, size_t count,
                                 struct error *error)
{
    size_t most = list->items_a_record;
    enum store_outcome outcome = STORE_DONE;
    uint8_t *packed = malloc(most * list->item_bytes);
    ASSERT(packed != NULL && count <= most * PACKED_RECORDS_MAX);
    for (size_t first = 0; first < count && outcome == STORE_DONE; first += most) {
        char id[PACKED_ID_BYTES_MAX];
        size_t many = count - first < most ? count - first : most;
        for (size_t i = 0; i < many; i++)
            writer(items, first + i, packed + i * list->item_bytes);
        packed_id(list, (uint32_t)(first / most), id);
        struct store_write write = { .verb = STORE_INSERT, .collection = list->collection };
        write.record.id = id;
        write.record.values[0] = store_bytes(span_of(packed, many * list->item_bytes));
        outcome = store_apply(store, &write, 1, error);
    }
    free(packed);
    return outcome;
}

enum store_outcome packed_find(struct store *store, const struct packed_list *list, uint32_t first,
                               uint32_t last, store_visitor visitor, void *context,
                               struct error *error)
{
    char low[PACKED_ID_BYTES_MAX], high[PACKED_ID_BYTES_MAX];
    packed_id(list, first, low);
    packed_id(list, last, high);
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high) };
    return store_find(store, list->collection, &query, visitor, context, error);
}

struct reading {
    const struct packed_list *list;
    packed_reader reader;
    void *items;
    size_t capacity;
    size_t count;
    bool damaged;
    struct sha256_state hash;
};

static bool read_record(void *context, const struct store_record *record)
{
    struct reading *reading = context;
    struct span packed = record->values[0].bytes;
    size_t item_bytes = reading->list->item_bytes, many = packed.length / item_bytes;
    reading->damaged = packed.length % item_bytes != 0 || many > reading->capacity - reading->count;
    if (reading->damaged)
        return false;
    sha256_update(&reading->hash, packed);
    for (size_t i = 0; i < many; i++)
        reading->reader(packed.data + i * item_bytes, reading->items, reading->count++);
    return true;
}

enum store_outcome packed_read(struct store *store, const struct packed_list *list,
                               packed_reader reader, void *items_r, size_t count,
                               const uint8_t hash[32], struct error *error)
{
    struct reading reading = {
        .list = list, .reader = reader, .items = items_r, .capacity = count
    };
    uint8_t found[32];
    sha256_init(&reading.hash);
    enum store_outcome outcome =
        packed_find(store, list, 0, PACKED_RECORDS_MAX - 1, read_record, &reading, error);
    if (outcome != STORE_DONE)
        return outcome;
    sha256_final(&reading.hash, found);
    if (!reading.damaged && reading.count == count && memcmp(found, hash, sizeof found) == 0)
        return STORE_DONE;
    error_fill(error, ERROR_INVALID, "%s are not what the header says", list->what);
    return STORE_FAILED;
}

struct walk {
    const struct packed_header *kind;
    void *room;
    packed_header_visitor visitor; /* NULL: the first is enough */
    void *context;
    bool found, damaged;
};

static bool on_header(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    walk->damaged = !walk->kind->decode(record, walk->room);
    walk->found = !walk->damaged;
    return walk->found && walk->visitor != NULL && walk->visitor(walk->context, walk->room);
}

static enum store_outcome run(struct store *store, const struct store_query *query,
                              struct walk *walk, struct error *error)
{
    enum store_outcome outcome =
        store_find(store, walk->kind->collection, query, on_header, walk, error);
    if (outcome != STORE_DONE || !walk->damaged)
        return outcome;
    error_fill(error, ERROR_INVALID, "%s", walk->kind->damaged);
    return STORE_FAILED;
}

enum store_outcome packed_header_walk(struct store *store, const struct packed_header *kind,
                                      const struct store_query *query, void *room,
                                      packed_header_visitor visitor, void *context,
                                      struct error *error)
{
    struct walk walk = { .kind = kind, .room = room, .visitor = visitor, .context = context };
    return run(store, query, &walk, error);
}

enum store_outcome packed_header_first(struct store *store, const struct packed_header *kind,
                                       const struct store_query *query, void *header_r,
                                       struct error *error)
{
    struct walk walk = { .kind = kind, .room = header_r };
    enum store_outcome outcome = run(store, query, &walk, error);
    return outcome == STORE_DONE && !walk.found ? STORE_MISSING : outcome;
}
