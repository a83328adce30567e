#include "record/access/grant.h"

enum grant_field { ACCOUNT, KIND, SECRET, SCOPES, NAME, CREATED_MS, USED_MS, FIELDS };

static const struct store_field fields[FIELDS] = {
    [ACCOUNT] = { "account", STORE_TEXT, true }, [KIND] = { "kind", STORE_INT, false },
    [SECRET] = { "secret", STORE_BYTES, false }, [SCOPES] = { "scopes", STORE_INT, false },
    [NAME] = { "name", STORE_TEXT, false },      [CREATED_MS] = { "created_ms", STORE_INT, false },
    [USED_MS] = { "used_ms", STORE_INT, false },
};

const struct store_collection grant_collection = { "grants", fields, FIELDS };

bool grant_is_live(const struct grant *grant, uint64_t from_ms)
{
    return grant->created_ms >= from_ms;
}

static struct store_record record_of(const struct grant *grant, char account[ACCOUNT_ID_BYTES])
{
    account_id_text(grant->account_id, account);
    struct store_record record = { .id = grant->id, .version = grant->version };
    record.values[ACCOUNT] = store_text(account);
    record.values[KIND] = store_int(grant->kind);
    record.values[SECRET] = store_bytes(span_of(grant->secret, sizeof grant->secret));
    record.values[SCOPES] = store_int((int64_t)grant->scopes);
    record.values[NAME] = store_text(grant->name);
    record.values[CREATED_MS] = store_int((int64_t)grant->created_ms);
    record.values[USED_MS] = store_int((int64_t)grant->used_ms);
    return record;
}

static bool read(const struct store_record *record, struct grant *grant_r, struct error *error)
{
    const struct store_value *values = record->values;
    memset(grant_r, 0, sizeof *grant_r);
    int64_t kind = values[KIND].integer;
    bool valid = strlen(record->id) == GRANT_ID_BYTES - 1 &&
                 (kind == GRANT_KEY || kind == GRANT_LINK) &&
                 field_account(&values[ACCOUNT], &grant_r->account_id) &&
                 field_bytes(&values[SECRET], grant_r->secret, sizeof grant_r->secret) &&
                 field_number(&values[SCOPES], &grant_r->scopes) &&
                 field_text(&values[NAME], grant_r->name, sizeof grant_r->name) &&
                 field_number(&values[CREATED_MS], &grant_r->created_ms) &&
                 field_number(&values[USED_MS], &grant_r->used_ms);
    if (!valid)
        return field_damaged(error, "grant", record->id);
    memcpy(grant_r->id, record->id, sizeof grant_r->id);
    grant_r->kind = (enum grant_kind)kind;
    grant_r->version = record->version;
    return true;
}

enum store_outcome grant_insert(struct store *store, struct grant *grant, struct error *error)
{
    char account[ACCOUNT_ID_BYTES];
    struct store_record record = record_of(grant, account);
    enum store_outcome outcome =
        versioned_write(store, STORE_INSERT, &grant_collection, &record, error);
    if (outcome == STORE_DONE)
        grant->version = 1;
    return outcome;
}

enum store_outcome grant_get(struct store *store, const char *id, struct grant *grant_r,
                             struct error *error)
{
    uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome = store_get(store, &grant_collection, id, &arena, &record, error);
    return outcome == STORE_DONE && !read(&record, grant_r, error) ? STORE_FAILED : outcome;
}

enum store_outcome grant_save(struct store *store, struct grant *grant, struct error *error)
{
    char account[ACCOUNT_ID_BYTES];
    struct store_record record = record_of(grant, account);
    enum store_outcome outcome =
        versioned_write(store, STORE_REPLACE, &grant_collection, &record, error);
    grant->version += outcome == STORE_DONE;
    return outcome;
}

enum store_outcome grant_delete(struct store *store, const struct grant *grant, struct error *error)
{
    return versioned_delete(store, &grant_collection, grant->id, grant->version, error);
}

static bool read_one(const struct store_record *record, void *grant_r, struct error *error)
{
    return read(record, grant_r, error);
}

enum store_outcome grant_list(struct store *store, uint64_t account_id, size_t limit,
                              struct grant *grants_r, size_t *count_r, struct error *error)
{
    return field_list(store, &grant_collection, account_id, limit, read_one, grants_r,
                      sizeof *grants_r, count_r, error);
}
