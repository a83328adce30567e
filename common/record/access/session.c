#include "record/access/session.h"

enum session_field {
    ACCOUNT,
    REFRESH,
    GENERATION,
    CREATED_MS,
    USED_MS,
    EXPIRES_MS,
    FACTOR_GIVEN,
    CLIENT,
    FIELDS
};

static const struct store_field fields[FIELDS] = {
    [ACCOUNT] = { "account", STORE_TEXT, true },
    [REFRESH] = { "refresh", STORE_BYTES, false },
    [GENERATION] = { "generation", STORE_INT, false },
    [CREATED_MS] = { "created_ms", STORE_INT, false },
    [USED_MS] = { "used_ms", STORE_INT, false },
    [EXPIRES_MS] = { "expires_ms", STORE_INT, false },
    [FACTOR_GIVEN] = { "factor_given", STORE_INT, false },
    [CLIENT] = { "client", STORE_TEXT, false },
};

const struct store_collection session_collection = { "sessions", fields, FIELDS };

bool session_is_live(const struct session *session, uint64_t from_ms, uint64_t now_ms)
{
    return now_ms < session->expires_ms && session->created_ms >= from_ms;
}

/* `account` holds the account's id for as long as the record is used. */
static struct store_record record_of(const struct session *session, char account[ACCOUNT_ID_BYTES])
{
    account_id_text(session->account_id, account);
    struct store_record record = { .id = session->id, .version = session->version };
    record.values[ACCOUNT] = store_text(account);
    record.values[REFRESH] = store_bytes(span_of(session->refresh, sizeof session->refresh));
    record.values[GENERATION] = store_int((int64_t)session->generation);
    record.values[CREATED_MS] = store_int((int64_t)session->created_ms);
    record.values[USED_MS] = store_int((int64_t)session->used_ms);
    record.values[EXPIRES_MS] = store_int((int64_t)session->expires_ms);
    record.values[FACTOR_GIVEN] = store_int(session->factor_given);
    record.values[CLIENT] = store_text(session->client);
    return record;
}

static bool read(const struct store_record *record, struct session *session_r, struct error *error)
{
    const struct store_value *values = record->values;
    memset(session_r, 0, sizeof *session_r);
    bool valid = strlen(record->id) == SESSION_ID_BYTES - 1 &&
                 field_account(&values[ACCOUNT], &session_r->account_id) &&
                 field_bytes(&values[REFRESH], session_r->refresh, sizeof session_r->refresh) &&
                 field_number(&values[GENERATION], &session_r->generation) &&
                 field_number(&values[CREATED_MS], &session_r->created_ms) &&
                 field_number(&values[USED_MS], &session_r->used_ms) &&
                 field_number(&values[EXPIRES_MS], &session_r->expires_ms) &&
                 field_text(&values[CLIENT], session_r->client, sizeof session_r->client);
    if (!valid)
        return field_damaged(error, "session", record->id);
    memcpy(session_r->id, record->id, sizeof session_r->id);
    session_r->factor_given = values[FACTOR_GIVEN].integer != 0;
    session_r->version = record->version;
    return true;
}

enum store_outcome session_insert(struct store *store, struct session *session, struct error *error)
{
    char account[ACCOUNT_ID_BYTES];
    struct store_record record = record_of(session, account);
    enum store_outcome outcome =
        versioned_write(store, STORE_INSERT, &session_collection, &record, error);
    if (outcome == STORE_DONE)
        session->version = 1;
    return outcome;
}

enum store_outcome session_get(struct store *store, const char *id, struct session *session_r,
                               struct error *error)
{
    uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome = store_get(store, &session_collection, id, &arena, &record, error);
    return outcome == STORE_DONE && !read(&record, session_r, error) ? STORE_FAILED : outcome;
}

enum store_outcome session_save(struct store *store, struct session *session, struct error *error)
{
    char account[ACCOUNT_ID_BYTES];
    struct store_record record = record_of(session, account);
    enum store_outcome outcome =
        versioned_write(store, STORE_REPLACE, &session_collection, &record, error);
    session->version += outcome == STORE_DONE;
    return outcome;
}

enum store_outcome session_delete(struct store *store, const struct session *session,
                                  struct error *error)
{
    return versioned_delete(store, &session_collection, session->id, session->version, error);
}

static bool read_one(const struct store_record *record, void *session_r, struct error *error)
{
    return read(record, session_r, error);
}

enum store_outcome session_list(struct store *store, uint64_t account_id, size_t limit,
                                struct session *sessions_r, size_t *count_r, struct error *error)
{
    return field_list(store, &session_collection, account_id, limit, read_one, sessions_r,
                      sizeof *sessions_r, count_r, error);
}
