#include "record/notice/audit_report.h"

#include "record/access/field.h"

#include <inttypes.h>
#include <stdio.h>

enum field { TIME_MS, DIFFERENCES, FIRST, SETS, ENTRIES, ACCOUNTS, FIELDS };
enum { ID_BYTES = 24, ATTEMPTS = 8 };

static const struct store_field fields[FIELDS] = {
    [TIME_MS] = { "time_ms", STORE_INT, false },
    [DIFFERENCES] = { "differences", STORE_INT, false },
    [FIRST] = { "first", STORE_TEXT, false },
    [SETS] = { "sets", STORE_INT, false },
    [ENTRIES] = { "entries", STORE_INT, false },
    [ACCOUNTS] = { "accounts", STORE_INT, false },
};
const struct store_collection audit_report_collection = { "audit_reports", fields, FIELDS };

static void show_id(uint64_t number, char id_r[ID_BYTES])
{
    snprintf(id_r, ID_BYTES, "%020" PRIu64, number);
}

static bool on_newest(void *context, const struct store_record *record)
{
    u128 number;
    if (u128_parse(record->id, strlen(record->id), &number))
        *(uint64_t *)context = (uint64_t)number;
    return false;
}

enum store_outcome audit_report_newest(struct store *store, uint64_t *number_r, struct error *error)
{
    const struct store_query query = { .field = "id", .order = STORE_DESCENDING, .limit = 1 };
    *number_r = 0;
    return store_find(store, &audit_report_collection, &query, on_newest, number_r, error);
}

static enum store_outcome insert(struct store *store, const struct audit_report *report,
                                 struct error *error)
{
    char id[ID_BYTES];
    show_id(report->number, id);
    struct store_record record = { .id = id };
    record.values[TIME_MS] = store_int((int64_t)report->time_ms);
    record.values[DIFFERENCES] = store_int((int64_t)report->differences);
    record.values[FIRST] = store_text(report->first);
    record.values[SETS] = store_int((int64_t)report->sets);
    record.values[ENTRIES] = store_int((int64_t)report->entries);
    record.values[ACCOUNTS] = store_int((int64_t)report->accounts);
    return versioned_write(store, STORE_INSERT, &audit_report_collection, &record, error);
}

enum store_outcome audit_report_append(struct store *store, struct audit_report *report,
                                       struct error *error)
{
    enum store_outcome outcome = STORE_EXISTS;
    for (int i = 0; i < ATTEMPTS && outcome == STORE_EXISTS; i++) {
        outcome = audit_report_newest(store, &report->number, error);
        if (outcome != STORE_DONE)
            return outcome;
        report->number++;
        outcome = insert(store, report, error);
    }
    return outcome == STORE_EXISTS ? STORE_CONFLICT : outcome;
}

enum store_outcome audit_report_get(struct store *store, uint64_t number,
                                    struct audit_report *report_r, struct error *error)
{
    _Alignas(max_align_t) uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    char id[ID_BYTES];
    show_id(number, id);
    enum store_outcome outcome =
        store_get(store, &audit_report_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    const struct store_value *values = record.values;
    *report_r = (struct audit_report){ .number = number };
    if (field_number(&values[TIME_MS], &report_r->time_ms) &&
        field_number(&values[DIFFERENCES], &report_r->differences) &&
        field_text(&values[FIRST], report_r->first, sizeof report_r->first) &&
        field_number(&values[SETS], &report_r->sets) &&
        field_number(&values[ENTRIES], &report_r->entries) &&
        field_number(&values[ACCOUNTS], &report_r->accounts))
        return STORE_DONE;
    (void)field_damaged(error, "audit", id);
    return STORE_FAILED;
}
