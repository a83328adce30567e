#include "record/access/registration.h"

enum registration_field { SECRET, EXPIRES_MS, NAME, EMAIL, PASSWORD, PAYOUT_ADDRESS, FIELDS };

static const struct store_field fields[FIELDS] = {
    [SECRET] = { "secret", STORE_BYTES, false },
    [EXPIRES_MS] = { "expires_ms", STORE_INT, true },
    [NAME] = { "name", STORE_TEXT, false },
    [EMAIL] = { "email", STORE_TEXT, false },
    [PASSWORD] = { "password", STORE_TEXT, false },
    [PAYOUT_ADDRESS] = { "payout_address", STORE_TEXT, false },
};

const struct store_collection registration_collection = { "registrations", fields, FIELDS };

enum { SWEPT_MAX = 16 };

enum store_outcome registration_insert(struct store *store, const struct registration *registration,
                                       struct error *error)
{
    struct store_record record = { .id = registration->id };
    record.values[SECRET] = store_bytes(span_of(registration->secret, sizeof registration->secret));
    record.values[EXPIRES_MS] = store_int((int64_t)registration->expires_ms);
    record.values[NAME] = store_text(registration->name);
    record.values[EMAIL] = store_text(registration->email);
    record.values[PASSWORD] = store_text(registration->password);
    record.values[PAYOUT_ADDRESS] = store_text(registration->payout_address);
    return versioned_write(store, STORE_INSERT, &registration_collection, &record, error);
}

enum store_outcome registration_get(struct store *store, const char *id,
                                    struct registration *registration_r, struct error *error)
{
    uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    memset(registration_r, 0, sizeof *registration_r);
    enum store_outcome outcome =
        store_get(store, &registration_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome;
    const struct store_value *values = record.values;
    struct registration *one = registration_r;
    one->version = record.version;
    if (field_text(&(struct store_value){ .bytes = span_text(record.id) }, one->id,
                   sizeof one->id) &&
        field_bytes(&values[SECRET], one->secret, sizeof one->secret) &&
        field_number(&values[EXPIRES_MS], &one->expires_ms) &&
        field_text(&values[NAME], one->name, sizeof one->name) &&
        field_text(&values[EMAIL], one->email, sizeof one->email) &&
        field_text(&values[PASSWORD], one->password, sizeof one->password) &&
        field_text(&values[PAYOUT_ADDRESS], one->payout_address, sizeof one->payout_address))
        return STORE_DONE;
    (void)field_damaged(error, "registration", id);
    return STORE_FAILED;
}

enum store_outcome registration_delete(struct store *store, const struct registration *registration,
                                       struct error *error)
{
    return versioned_delete(store, &registration_collection, registration->id,
                            registration->version, error);
}

struct dead {
    char id[REGISTRATION_ID_BYTES];
    uint64_t version;
};

struct sweep {
    struct dead dead[SWEPT_MAX];
    size_t count;
};

static bool visit(void *context, const struct store_record *record)
{
    struct sweep *sweep = context;
    struct dead *dead = &sweep->dead[sweep->count];
    const struct store_value id = { .bytes = span_text(record->id) };
    dead->version = record->version;
    sweep->count += field_text(&id, dead->id, sizeof dead->id);
    return sweep->count < SWEPT_MAX;
}

enum store_outcome registration_sweep(struct store *store, uint64_t now_ms, size_t limit,
                                      struct error *error)
{
    struct sweep sweep = { .count = 0 };
    const struct store_query query = { .field = "expires_ms",
                                       .has_high = true,
                                       .high = store_int((int64_t)now_ms),
                                       .limit = limit < SWEPT_MAX ? limit : SWEPT_MAX };
    enum store_outcome outcome =
        store_find(store, &registration_collection, &query, visit, &sweep, error);
    for (size_t i = 0; i < sweep.count && outcome == STORE_DONE; i++) {
        outcome = versioned_delete(store, &registration_collection, sweep.dead[i].id,
                                   sweep.dead[i].version, error);
        if (outcome == STORE_CONFLICT) /* another took it away */
            outcome = STORE_DONE;
    }
    return outcome;
}
