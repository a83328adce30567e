#include "record/lease/lease.h"

#include <stdio.h>

enum {
    FIELD_INSTANCE,
    FIELD_BOOT_ID,
    FIELD_EPOCH,
    FIELD_FIRST,
    FIELD_VALUES,
    FIELD_GRANTED_MS,
    FIELD_ENDED_MS,
    FIELD_FREE_MS,
    FIELD_COUNT
};

static const struct store_field fields[FIELD_COUNT] = {
    [FIELD_INSTANCE] = { "instance", STORE_TEXT, false },
    [FIELD_BOOT_ID] = { "boot_id", STORE_INT, false },
    [FIELD_EPOCH] = { "epoch", STORE_INT, false },
    [FIELD_FIRST] = { "first", STORE_INT, false },
    [FIELD_VALUES] = { "count", STORE_INT, false },
    [FIELD_GRANTED_MS] = { "granted_ms", STORE_INT, false },
    [FIELD_ENDED_MS] = { "ended_ms", STORE_INT, false },
    [FIELD_FREE_MS] = { "free_ms", STORE_INT, true },
};
const struct store_collection lease_collection = { "leases", fields, FIELD_COUNT };

enum { ID_BYTES = 24, READ_BYTES = 4096 };

static void show_id(uint64_t id, char text_r[ID_BYTES])
{
    snprintf(text_r, ID_BYTES, "%020llu", (unsigned long long)id);
}

static bool decode(const struct store_record *record, struct lease_record *lease_r,
                   struct error *error)
{
    const struct store_value *values = record->values;
    struct span instance = values[FIELD_INSTANCE].bytes;
    u128 id;
    *lease_r = (struct lease_record){ .version = record->version };
    if (!u128_parse(record->id, strlen(record->id), &id) || id == 0 || id > UINT64_MAX ||
        values[FIELD_FIRST].integer < 0 || values[FIELD_FIRST].integer > UINT32_MAX ||
        values[FIELD_VALUES].integer < 1 || values[FIELD_VALUES].integer > UINT32_MAX ||
        instance.length >= sizeof lease_r->instance)
        return error_set(error, ERROR_INVALID, "the store's lease \"%s\" is damaged", record->id);
    lease_r->id = (uint64_t)id;
    if (instance.length > 0)
        memcpy(lease_r->instance, instance.data, instance.length);
    lease_r->boot_id = (uint64_t)values[FIELD_BOOT_ID].integer;
    lease_r->epoch = (uint64_t)values[FIELD_EPOCH].integer;
    lease_r->first = (uint32_t)values[FIELD_FIRST].integer;
    lease_r->count = (uint32_t)values[FIELD_VALUES].integer;
    lease_r->granted_ms = (uint64_t)values[FIELD_GRANTED_MS].integer;
    lease_r->ended_ms = (uint64_t)values[FIELD_ENDED_MS].integer;
    lease_r->free_ms = values[FIELD_FREE_MS].integer;
    return true;
}

static enum store_outcome write(struct store *store, enum store_verb verb,
                                const struct lease_record *lease, struct error *error)
{
    char id[ID_BYTES];
    show_id(lease->id, id);
    struct store_write write = {
        .verb = verb,
        .collection = &lease_collection,
        .record = { .id = id,
                    .version = lease->version,
                    .values = { [FIELD_INSTANCE] = store_text(lease->instance),
                                [FIELD_BOOT_ID] = store_int((int64_t)lease->boot_id),
                                [FIELD_EPOCH] = store_int((int64_t)lease->epoch),
                                [FIELD_FIRST] = store_int(lease->first),
                                [FIELD_VALUES] = store_int(lease->count),
                                [FIELD_GRANTED_MS] = store_int((int64_t)lease->granted_ms),
                                [FIELD_ENDED_MS] = store_int((int64_t)lease->ended_ms),
                                [FIELD_FREE_MS] = store_int(lease->free_ms) } }
    };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

struct walk {
    lease_visitor visit;
    void *context;
    struct error *error;
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct lease_record lease;
    if (!decode(record, &lease, walk->error)) {
        walk->damaged = true;
        return false;
    }
    return walk->visit(walk->context, &lease);
}

static bool on_last(void *context, const struct lease_record *lease)
{
    *(uint64_t *)context = lease->id;
    return false;
}

static enum store_outcome walk_leases(struct store *store, const struct store_query *query,
                                      lease_visitor visit, void *context, struct error *error)
{
    struct walk walk = { visit, context, error, false };
    enum store_outcome outcome =
        store_find(store, &lease_collection, query, on_record, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}

enum store_outcome lease_last_id(struct store *store, uint64_t *id_r, struct error *error)
{
    struct store_query query = { .field = "id", .order = STORE_DESCENDING, .limit = 1 };
    *id_r = 0;
    return walk_leases(store, &query, on_last, id_r, error);
}

enum store_outcome lease_walk_held(struct store *store, uint64_t now_ms, lease_visitor visit,
                                   void *context, struct error *error)
{
    struct store_query query = { .field = "free_ms",
                                 .has_low = true,
                                 .low = store_int((int64_t)now_ms + 1) };
    return walk_leases(store, &query, visit, context, error);
}

enum store_outcome lease_grant(struct store *store, struct lease_record *lease, struct error *error)
{
    ASSERT(lease->id >= 1 && lease->count >= 1 &&
           lease->first + (uint64_t)lease->count <= LEASE_EXTRANONCE1_VALUES);
    lease->version = 0;
    enum store_outcome outcome = write(store, STORE_INSERT, lease, error);
    if (outcome == STORE_DONE)
        lease->version = 1;
    return outcome;
}

enum store_outcome lease_get(struct store *store, uint64_t id, struct lease_record *lease_r,
                             struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[READ_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char text[ID_BYTES];
    show_id(id, text);
    enum store_outcome outcome = store_get(store, &lease_collection, text, &arena, &record, error);
    if (outcome == STORE_DONE && !decode(&record, lease_r, error))
        return STORE_FAILED;
    return outcome;
}

enum store_outcome lease_end(struct store *store, struct lease_record *lease, uint64_t epoch,
                             uint64_t now_ms, uint64_t free_ms, struct error *error)
{
    ASSERT(lease->ended_ms == 0 && free_ms >= now_ms);
    struct lease_record ended = *lease;
    ended.epoch = epoch;
    ended.ended_ms = now_ms;
    ended.free_ms = (int64_t)free_ms;
    enum store_outcome outcome = write(store, STORE_REPLACE, &ended, error);
    if (outcome == STORE_DONE) {
        ended.version++;
        *lease = ended;
    }
    return outcome;
}
