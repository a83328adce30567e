/* What the records of the ledger look like, as a number in the store; and how format 1 kept
 * entries: one record a leg, whose id is "<set>:<owner>:<account>:<kind>"; and balances, one record
 * an account. */
#include "record/ledger/keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum format_field { F_FORMAT, F_COUNT };

static const struct store_field fields[F_COUNT] = {
    [F_FORMAT] = { "format", STORE_INT, false },
};
const struct store_collection format_collection = { "formats", fields, F_COUNT };

static const char record_id[] = "ledger";

enum store_outcome ledger_format_get(struct store *store, uint32_t *format_r, struct error *error)
{
    _Alignas(16) uint8_t memory[256];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    struct set_record newest;
    enum store_outcome outcome =
        store_get(store, &format_collection, record_id, &arena, &record, error);
    if (outcome == STORE_DONE) {
        int64_t format = record.values[F_FORMAT].integer;
        *format_r = format < 0 || format > UINT32_MAX ? UINT32_MAX : (uint32_t)format;
    }
    if (outcome != STORE_MISSING)
        return outcome;
    /* The first format said nothing of itself. */
    outcome = set_newest(store, &newest, error);
    *format_r = outcome == STORE_MISSING ? LEDGER_FORMAT_NONE : 1;
    return outcome == STORE_MISSING ? STORE_DONE : outcome;
}

enum store_outcome ledger_format_put(struct store *store, struct error *error)
{
    struct store_write write = { .verb = STORE_INSERT,
                                 .collection = &format_collection,
                                 .record = { .id = record_id } };
    write.record.values[F_FORMAT] = store_int(LEDGER_FORMAT);
    return store_apply(store, &write, 1, error);
}

bool ledger_format_check(struct store *store, struct error *error)
{
    uint32_t format = 0;
    if (ledger_format_get(store, &format, error) != STORE_DONE)
        return false;
    if (format == 1)
        return error_set(error, ERROR_REFUSED,
                         "the ledger is in format 1: start payout once, which converts it");
    if (format != LEDGER_FORMAT && format != LEDGER_FORMAT_NONE)
        return error_set(error, ERROR_REFUSED,
                         "the ledger is in format %" PRIu32
                         ", and this adit knows formats 1 and %d",
                         format, LEDGER_FORMAT);
    return true;
}

enum old_field { O_PLACE, O_SEQ, O_OWNER, O_ACCOUNT, O_KIND, O_AMOUNT, O_COUNT };

static const struct store_field old_fields[O_COUNT] = {
    [O_PLACE] = { "place", STORE_TEXT, true }, [O_SEQ] = { "seq", STORE_INT, false },
    [O_OWNER] = { "owner", STORE_INT, false }, [O_ACCOUNT] = { "account", STORE_INT, false },
    [O_KIND] = { "kind", STORE_INT, false },   [O_AMOUNT] = { "amount", STORE_INT, false },
};
const struct store_collection entry_1_collection = { "entries", old_fields, O_COUNT };

struct gathering {
    struct ledger_leg *legs;
    size_t capacity, count;
};

static bool gather(void *context, const struct store_record *record)
{
    struct gathering *into = context;
    const struct store_value *values = record->values;
    if (into->count < into->capacity)
        into->legs[into->count] = (struct ledger_leg){
            { (enum ledger_owner)values[O_OWNER].integer, (uint64_t)values[O_ACCOUNT].integer },
            (enum ledger_kind)values[O_KIND].integer,
            values[O_AMOUNT].integer,
        };
    into->count++;
    return into->count <= into->capacity;
}

enum store_outcome entry_1_read_all(struct store *store, uint64_t seq, struct ledger_leg *legs_r,
                                    size_t capacity, size_t *count_r, struct error *error)
{
    char low[KEY_SEQUENCE_BYTES + 1], high[KEY_SEQUENCE_BYTES + 1];
    snprintf(low, sizeof low, "%020" PRIu64 ":", seq);
    snprintf(high, sizeof high, "%020" PRIu64 ";", seq); /* ';' follows ':' */
    struct store_query query = { .field = "id",
                                 .has_low = true,
                                 .has_high = true,
                                 .low = store_text(low),
                                 .high = store_text(high) };
    struct gathering into = { legs_r, capacity, 0 };
    enum store_outcome outcome =
        store_find(store, &entry_1_collection, &query, gather, &into, error);
    *count_r = into.count <= capacity ? into.count : 0;
    return outcome;
}

static const struct store_field old_balance_fields[] = {
    { "owner", STORE_INT, false },       { "account", STORE_INT, false },
    { "immature", STORE_INT, false },    { "available", STORE_INT, true },
    { "in_flight", STORE_INT, false },   { "paid", STORE_INT, false },
    { "applied_seq", STORE_INT, false }, { "waiting_since", STORE_INT, false },
};
static const struct store_collection balance_1_collection = { "balances", old_balance_fields, 8 };

struct doomed {
    struct store_write *writes;
    char (*ids)[STORE_ID_BYTES_MAX + 1];
    size_t count;
};

static bool doom(void *context, const struct store_record *record)
{
    struct doomed *doomed = context;
    char *id = doomed->ids[doomed->count];
    snprintf(id, STORE_ID_BYTES_MAX + 1, "%s", record->id);
    doomed->writes[doomed->count++] =
        (struct store_write){ .verb = STORE_DELETE,
                              .collection = &balance_1_collection,
                              .record = { .id = id, .version = record->version } };
    return true;
}

enum store_outcome balance_1_delete(struct store *store, size_t most, size_t *count_r,
                                    struct error *error)
{
    const struct store_collection *older = &balance_1_collection;
    const struct store_query query = { .field = "id", .limit = most };
    struct doomed doomed = { .writes = calloc(most, sizeof *doomed.writes),
                             .ids = calloc(most, sizeof *doomed.ids) };
    ASSERT(doomed.writes != NULL && doomed.ids != NULL);
    enum store_outcome outcome = STORE_FAILED;
    if (store_declare(store, &older, 1, error))
        outcome = store_find(store, older, &query, doom, &doomed, error);
    *count_r = doomed.count;
    if (outcome == STORE_DONE && doomed.count > 0)
        outcome = store_apply(store, doomed.writes, doomed.count, error);
    free(doomed.writes);
    free(doomed.ids);
    return outcome;
}
