#include "record/access/field.h"

#include "record/access/claim.h"
#include "record/access/event.h"
#include "record/access/factor.h"
#include "record/access/grant.h"
#include "record/access/keys.h"
#include "record/access/letter.h"
#include "record/access/registration.h"
#include "record/access/session.h"
#include "record/access/ticket.h"

bool access_declare(struct store *store, struct error *error)
{
    static const struct store_collection *const all[] = {
        &session_collection,     &grant_collection,        &ticket_collection,
        &factor_collection,      &claim_collection,        &access_event_collection,
        &access_keys_collection, &registration_collection, &letter_collection
    };
    return store_declare(store, all, sizeof all / sizeof *all, error);
}

bool field_text(const struct store_value *value, char *text_r, size_t bytes)
{
    if (value->bytes.length >= bytes)
        return false;
    if (value->bytes.length > 0)
        memcpy(text_r, value->bytes.data, value->bytes.length);
    text_r[value->bytes.length] = '\0';
    return true;
}

bool field_bytes(const struct store_value *value, uint8_t *bytes_r, size_t bytes)
{
    if (value->bytes.length != bytes)
        return false;
    memcpy(bytes_r, value->bytes.data, bytes);
    return true;
}

bool field_number(const struct store_value *value, uint64_t *number_r)
{
    *number_r = (uint64_t)value->integer;
    return value->integer >= 0;
}

bool field_account(const struct store_value *value, uint64_t *id_r)
{
    return value->bytes.length == ACCOUNT_ID_BYTES - 1 &&
           hex_decode_u64((const char *)value->bytes.data, ACCOUNT_ID_BYTES - 1, id_r);
}

struct list {
    field_reader read;
    uint8_t *items;
    size_t item_bytes;
    size_t *count;
    bool damaged;
    struct error *error;
};

static bool visit(void *context, const struct store_record *record)
{
    struct list *list = context;
    list->damaged = !list->read(record, list->items + *list->count * list->item_bytes, list->error);
    *list->count += !list->damaged;
    return !list->damaged;
}

enum store_outcome field_list(struct store *store, const struct store_collection *collection,
                              uint64_t account_id, size_t limit, field_reader read, void *items_r,
                              size_t item_bytes, size_t *count_r, struct error *error)
{
    char account[ACCOUNT_ID_BYTES];
    account_id_text(account_id, account);
    const struct store_query query = { .field = "account",
                                       .has_low = true,
                                       .has_high = true,
                                       .low = store_text(account),
                                       .high = store_text(account),
                                       .limit = limit };
    struct list list = { read, items_r, item_bytes, count_r, false, error };
    *count_r = 0;
    enum store_outcome outcome = store_find(store, collection, &query, visit, &list, error);
    return list.damaged ? STORE_FAILED : outcome;
}

bool field_damaged(struct error *error, const char *what, const char *id)
{
    return error_set(error, ERROR_INVALID, "the record of %s %s is damaged", what, id);
}
