#include "record/access/factor.h"

enum factor_field { STATE, SEALED, STEP, RECOVERY, WRONG, WRONG_FROM_MS, FIELDS };

static const struct store_field fields[FIELDS] = {
    [STATE] = { "state", STORE_INT, false },
    [SEALED] = { "sealed", STORE_BYTES, false },
    [STEP] = { "step", STORE_INT, false },
    [RECOVERY] = { "recovery", STORE_BYTES, false },
    [WRONG] = { "wrong", STORE_INT, false },
    [WRONG_FROM_MS] = { "wrong_from_ms", STORE_INT, false },
};

const struct store_collection factor_collection = { "factors", fields, FIELDS };

enum store_outcome factor_get(struct store *store, uint64_t account_id, struct factor *factor_r,
                              struct error *error)
{
    char id[ACCOUNT_ID_BYTES];
    uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    account_id_text(account_id, id);
    memset(factor_r, 0, sizeof *factor_r);
    factor_r->account_id = account_id;
    enum store_outcome outcome = store_get(store, &factor_collection, id, &arena, &record, error);
    if (outcome != STORE_DONE)
        return outcome == STORE_MISSING ? STORE_DONE : outcome;
    const struct store_value *values = record.values;
    int64_t state = values[STATE].integer;
    bool valid = state >= FACTOR_OFF && state <= FACTOR_ON &&
                 field_bytes(&values[SEALED], factor_r->sealed, sizeof factor_r->sealed) &&
                 field_number(&values[STEP], &factor_r->step) &&
                 field_bytes(&values[RECOVERY], factor_r->recovery[0], sizeof factor_r->recovery) &&
                 field_number(&values[WRONG], &factor_r->wrong) &&
                 field_number(&values[WRONG_FROM_MS], &factor_r->wrong_from_ms);
    if (!valid) {
        (void)field_damaged(error, "second factor", id);
        return STORE_FAILED;
    }
    factor_r->state = (enum factor_state)state;
    factor_r->version = record.version;
    return STORE_DONE;
}

enum store_outcome factor_save(struct store *store, struct factor *factor, struct error *error)
{
    char id[ACCOUNT_ID_BYTES];
    account_id_text(factor->account_id, id);
    struct store_record record = { .id = id, .version = factor->version };
    record.values[STATE] = store_int(factor->state);
    record.values[SEALED] = store_bytes(span_of(factor->sealed, sizeof factor->sealed));
    record.values[STEP] = store_int((int64_t)factor->step);
    record.values[RECOVERY] = store_bytes(span_of(factor->recovery[0], sizeof factor->recovery));
    record.values[WRONG] = store_int((int64_t)factor->wrong);
    record.values[WRONG_FROM_MS] = store_int((int64_t)factor->wrong_from_ms);
    return versioned_save(store, &factor_collection, &record, &factor->version, error);
}
