/* What the records of this folder share: fields read from the store, checked. Pure but for
 * access_declare. */
#pragma once
#include "record/account/account.h"
#include "record/versioned/versioned.h"

enum { ACCESS_HASH_BYTES = 32, ACCESS_CLIENT_BYTES = 48, ACCESS_RECORD_BYTES = 4096 };

/* For store_declare: sessions, grants, tickets, factors, name_claims, security_events,
 * registrations, letters. */
MUST_CHECK bool access_declare(struct store *store, struct error *error);

/* A text that fits, with a NUL; bytes of exactly that many; a whole number from 0 on; an account's
 * id. False where it is not so. */
MUST_CHECK bool field_text(const struct store_value *value, char *text_r, size_t bytes);
MUST_CHECK bool field_bytes(const struct store_value *value, uint8_t *bytes_r, size_t bytes);
MUST_CHECK bool field_number(const struct store_value *value, uint64_t *number_r);
MUST_CHECK bool field_account(const struct store_value *value, uint64_t *id_r);

/* One record into an item; false with *error where it is damaged. */
typedef bool (*field_reader)(const struct store_record *record, void *item_r, struct error *error);
/* The records of an account in a collection that is indexed by `account`: at most `limit` items of
 * item_bytes; how many in *count_r. */
MUST_CHECK enum store_outcome field_list(struct store *store,
                                         const struct store_collection *collection,
                                         uint64_t account_id, size_t limit, field_reader read,
                                         void *items_r, size_t item_bytes, size_t *count_r,
                                         struct error *error);
/* false, with *error: "the record of … is damaged". */
bool field_damaged(struct error *error, const char *what, const char *id);
