#include "record/access/claim.h"

enum claim_field { ACCOUNT, FIELDS };

static const struct store_field fields[FIELDS] = { [ACCOUNT] = { "account", STORE_TEXT, false } };

const struct store_collection claim_collection = { "name_claims", fields, FIELDS };

enum store_outcome claim_get(struct store *store, const char id[CLAIM_ID_BYTES],
                             uint64_t *account_id_r, struct error *error)
{
    uint8_t memory[ACCESS_RECORD_BYTES];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_record record;
    enum store_outcome outcome = store_get(store, &claim_collection, id, &arena, &record, error);
    if (outcome == STORE_DONE && !field_account(&record.values[ACCOUNT], account_id_r)) {
        (void)field_damaged(error, "the look", id);
        return STORE_FAILED;
    }
    return outcome;
}

enum account_outcome claim_bind(struct store *store, const char id[CLAIM_ID_BYTES],
                                uint64_t account_id, struct error *error)
{
    char account[ACCOUNT_ID_BYTES];
    uint64_t owner;
    account_id_text(account_id, account);
    struct store_record record = { .id = id };
    record.values[ACCOUNT] = store_text(account);
    enum store_outcome outcome =
        versioned_write(store, STORE_INSERT, &claim_collection, &record, error);
    if (outcome == STORE_DONE)
        return ACCOUNT_BOUND;
    if (outcome != STORE_EXISTS)
        return outcome == STORE_UNKNOWN ? ACCOUNT_UNKNOWN : ACCOUNT_FAILED;
    if (claim_get(store, id, &owner, error) != STORE_DONE)
        return ACCOUNT_FAILED;
    return owner == account_id ? ACCOUNT_BOUND : ACCOUNT_TAKEN;
}
