/* What every store adapter checks before it touches its database, so that all of them refuse the
 * same things in the same words: schemas, ids, values, queries. Keeps nothing; any thread. */
#pragma once
#include "port/store.h"

enum {
    STORE_RECORD_BYTES_MAX = 12 << 20, /* MongoDB's documents end at 16 MiB */
    STORE_NAME_BYTES_MAX = 40,         /* of a collection or a field */
    STORE_SCHEMA_TEXT_BYTES = STORE_FIELDS_MAX * (STORE_NAME_BYTES_MAX + 8),
};

/* Names are C identifiers other than id, version, v and w; no field twice; only INT and TEXT are
 * indexed (databases differ in how they order bytes). False with *error. */
MUST_CHECK bool store_rules_collection(const struct store_collection *collection,
                                       struct error *error);

/* The id is 1 to STORE_ID_BYTES_MAX bytes of UTF-8 without control characters. */
MUST_CHECK bool store_rules_id(const char *id);

/* Id, version where the verb needs one, texts (UTF-8 without NUL) and size. False with *error. */
MUST_CHECK bool store_rules_write(const struct store_write *write, struct error *error);

/* Whether the query's field exists and is indexed; *field_r its index, field_count for "id". */
MUST_CHECK bool store_rules_query(const struct store_collection *collection,
                                  const struct store_query *query, size_t *field_r,
                                  struct error *error);

/* What store_apply returns for these outcomes. */
enum store_outcome store_rules_total(const struct store_write *writes, size_t count);

/* The schema as one text: "name:int,script:bytes". */
void store_rules_schema(const struct store_collection *collection,
                        char text_r[STORE_SCHEMA_TEXT_BYTES]);

/* Whether `collection` is what is stored (`stored`, from store_rules_schema), or adds fields to
 * its end: *known_r is then how many of them are stored. False with *error otherwise. */
MUST_CHECK bool store_rules_extends(const struct store_collection *collection, const char *stored,
                                    size_t *known_r, struct error *error);

/* Copies a record with all it points to into the arena. False with *error when it is too small. */
MUST_CHECK bool store_rules_copy(const struct store_collection *collection,
                                 const struct store_record *record, struct arena *arena,
                                 struct store_record *copy_r, struct error *error);
