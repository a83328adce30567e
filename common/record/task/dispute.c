#include "record/task/dispute.h"

#include <stdio.h>

enum {
    F_KIND,
    F_AT_MS,
    F_FIRST,
    F_CERTAIN,
    F_REPORTER,
    F_FIRST_OUTCOME,
    F_FIRST_BLOCK,
    F_REPORT_VALID,
    F_HONEST_OUTCOMES,
    F_HONEST_BLOCK,
    F_HASH,
    F_HEADER,
    F_LEASE_ID,
    F_SEQUENCE,
    F_PLACE,
    F_ACCOUNT,
    F_WORKER,
    F_WORK,
    F_JOB_ID,
    F_RECEIVED_MS,
    F_TEXT,
    F_BODY,
    F_REPORT,
    F_CREDITED,
    F_COUNT
};
_Static_assert((int)F_COUNT <= (int)STORE_FIELDS_MAX, "a record holds them");

static const struct store_field fields[F_COUNT] = {
    [F_KIND] = { "kind", STORE_INT, false },
    [F_AT_MS] = { "at_ms", STORE_INT, true },
    [F_FIRST] = { "first", STORE_TEXT, false },
    [F_CERTAIN] = { "certain", STORE_INT, false },
    [F_REPORTER] = { "reporter", STORE_TEXT, false },
    [F_FIRST_OUTCOME] = { "first_outcome", STORE_INT, false },
    [F_FIRST_BLOCK] = { "first_block", STORE_INT, false },
    [F_REPORT_VALID] = { "report_valid", STORE_INT, false },
    [F_HONEST_OUTCOMES] = { "honest_outcomes", STORE_INT, false },
    [F_HONEST_BLOCK] = { "honest_block", STORE_INT, false },
    [F_HASH] = { "hash", STORE_BYTES, false },
    [F_HEADER] = { "header", STORE_BYTES, false },
    [F_LEASE_ID] = { "lease_id", STORE_INT, false },
    [F_SEQUENCE] = { "sequence", STORE_INT, false },
    [F_PLACE] = { "place", STORE_INT, false },
    [F_ACCOUNT] = { "account", STORE_INT, false },
    [F_WORKER] = { "worker", STORE_INT, false },
    [F_WORK] = { "work", STORE_INT, false },
    [F_JOB_ID] = { "job_id", STORE_INT, false },
    [F_RECEIVED_MS] = { "received_ms", STORE_INT, false },
    [F_TEXT] = { "text", STORE_TEXT, false },
    [F_BODY] = { "body", STORE_BYTES, false },
    [F_REPORT] = { "report", STORE_BYTES, false },
    [F_CREDITED] = { "credited", STORE_BYTES, false },
};
const struct store_collection dispute_collection = { "disputes", fields, F_COUNT };

const char *dispute_kind_name(enum dispute_kind kind)
{
    switch (kind) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        DISPUTE_KINDS(X)
#undef X
    }
    return "unknown";
}

enum store_outcome dispute_insert(struct store *store, const struct dispute *dispute,
                                  struct error *error)
{
    struct store_write write = {
        .verb = STORE_INSERT,
        .collection = &dispute_collection,
        .record = { .id = dispute->id,
                    .values = { [F_KIND] = store_int(dispute->kind),
                                [F_AT_MS] = store_int((int64_t)dispute->at_ms),
                                [F_FIRST] = store_text(dispute->first),
                                [F_CERTAIN] = store_int(dispute->certain),
                                [F_REPORTER] = store_text(dispute->reporter),
                                [F_FIRST_OUTCOME] = store_int(dispute->first_outcome),
                                [F_FIRST_BLOCK] = store_int(dispute->first_block),
                                [F_REPORT_VALID] = store_int(dispute->report_valid),
                                [F_HONEST_OUTCOMES] = store_int(dispute->honest_outcomes),
                                [F_HONEST_BLOCK] = store_int(dispute->honest_block),
                                [F_HASH] = store_bytes(span_of(dispute->hash, 32)),
                                [F_HEADER] = store_bytes(span_of(dispute->header, 80)),
                                [F_LEASE_ID] = store_int((int64_t)dispute->lease_id),
                                [F_SEQUENCE] = store_int((int64_t)dispute->sequence),
                                [F_PLACE] = store_int(dispute->index),
                                [F_ACCOUNT] = store_int((int64_t)dispute->account),
                                [F_WORKER] = store_int((int64_t)dispute->worker),
                                [F_WORK] = store_int((int64_t)dispute->work),
                                [F_JOB_ID] = store_int((int64_t)dispute->job_id),
                                [F_RECEIVED_MS] = store_int((int64_t)dispute->received_ms),
                                [F_TEXT] = store_text(dispute->text),
                                [F_BODY] = store_bytes(dispute->body),
                                [F_REPORT] = store_bytes(dispute->report),
                                [F_CREDITED] = store_bytes(dispute->credited) } },
    };
    enum store_outcome outcome = store_apply(store, &write, 1, error);
    return outcome == STORE_DONE ? write.outcome : outcome;
}

static bool take_text(struct span text, char *text_r, size_t bytes)
{
    if (text.length >= bytes)
        return false;
    if (text.length > 0)
        memcpy(text_r, text.data, text.length);
    text_r[text.length] = '\0';
    return true;
}

static bool decode(const struct store_record *record, struct dispute *dispute_r,
                   struct error *error)
{
    const struct store_value *values = record->values;
    *dispute_r = (struct dispute){ 0 };
    if (!take_text(span_text(record->id), dispute_r->id, sizeof dispute_r->id) ||
        !take_text(values[F_FIRST].bytes, dispute_r->first, sizeof dispute_r->first) ||
        !take_text(values[F_REPORTER].bytes, dispute_r->reporter, sizeof dispute_r->reporter) ||
        !take_text(values[F_TEXT].bytes, dispute_r->text, sizeof dispute_r->text) ||
        values[F_HASH].bytes.length != sizeof dispute_r->hash ||
        values[F_HEADER].bytes.length != sizeof dispute_r->header)
        return error_set(error, ERROR_INVALID, "the store's dispute \"%s\" is damaged", record->id);
    dispute_r->kind = (enum dispute_kind)values[F_KIND].integer;
    dispute_r->at_ms = (uint64_t)values[F_AT_MS].integer;
    dispute_r->certain = values[F_CERTAIN].integer != 0;
    dispute_r->first_outcome = (uint32_t)values[F_FIRST_OUTCOME].integer;
    dispute_r->first_block = values[F_FIRST_BLOCK].integer != 0;
    dispute_r->report_valid = values[F_REPORT_VALID].integer != 0;
    dispute_r->honest_outcomes = (uint32_t)values[F_HONEST_OUTCOMES].integer;
    dispute_r->honest_block = values[F_HONEST_BLOCK].integer != 0;
    memcpy(dispute_r->hash, values[F_HASH].bytes.data, sizeof dispute_r->hash);
    memcpy(dispute_r->header, values[F_HEADER].bytes.data, sizeof dispute_r->header);
    dispute_r->lease_id = (uint64_t)values[F_LEASE_ID].integer;
    dispute_r->sequence = (uint64_t)values[F_SEQUENCE].integer;
    dispute_r->index = (uint32_t)values[F_PLACE].integer;
    dispute_r->account = (uint64_t)values[F_ACCOUNT].integer;
    dispute_r->worker = (uint64_t)values[F_WORKER].integer;
    dispute_r->work = (uint64_t)values[F_WORK].integer;
    dispute_r->job_id = (uint64_t)values[F_JOB_ID].integer;
    dispute_r->received_ms = (uint64_t)values[F_RECEIVED_MS].integer;
    dispute_r->body = values[F_BODY].bytes;
    dispute_r->report = values[F_REPORT].bytes;
    dispute_r->credited = values[F_CREDITED].bytes;
    return true;
}

struct walk {
    dispute_visitor visit;
    void *context;
    struct error *error;
    bool damaged;
};

static bool on_record(void *context, const struct store_record *record)
{
    struct walk *walk = context;
    struct dispute dispute;
    walk->damaged = !decode(record, &dispute, walk->error);
    return !walk->damaged && walk->visit(walk->context, &dispute);
}

static enum store_outcome walk_disputes(struct store *store, const struct store_query *query,
                                        dispute_visitor visit, void *context, struct error *error)
{
    struct walk walk = { visit, context, error, false };
    enum store_outcome outcome =
        store_find(store, &dispute_collection, query, on_record, &walk, error);
    return walk.damaged ? STORE_FAILED : outcome;
}

enum store_outcome dispute_walk(struct store *store, uint64_t before_ms, const char *past_id,
                                size_t limit, dispute_visitor visit, void *context,
                                struct error *error)
{
    const struct store_query query = { .field = "at_ms",
                                       .has_high = before_ms != 0 || past_id != NULL,
                                       .high = store_int((int64_t)before_ms),
                                       .order = STORE_DESCENDING,
                                       .limit = limit,
                                       .past_id = past_id };
    return walk_disputes(store, &query, visit, context, error);
}

enum store_outcome dispute_find(struct store *store, const char *id, dispute_visitor visit,
                                void *context, struct error *error)
{
    const struct store_query query = store_query_of(id);
    return walk_disputes(store, &query, visit, context, error);
}
