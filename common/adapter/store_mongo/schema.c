/* Schemas: MongoDB has none, so the record of each collection's schema is kept in a collection of
 * its own, in the words of store_rules_schema, and advanced by the same conditional update as any
 * record. Documents written before a field was added get it with its empty value, because a
 * missing field is in no range. */
#include "adapter/store_mongo/inside.h"

enum { ATTEMPTS_MAX = 5 };

enum { FIELDS_TEXT, SCHEMA_FIELDS };
static const struct store_field schema_fields[SCHEMA_FIELDS] = {
    [FIELDS_TEXT] = { "fields", STORE_TEXT, false },
};
static const struct store_collection schemas = { "schemas", schema_fields, SCHEMA_FIELDS };

static bool create_index(struct mongo_store *mongo, const char *collection, const char *field,
                         struct error *error)
{
    bson_t *command =
        BCON_NEW("createIndexes", BCON_UTF8(collection), "indexes", "[", "{", "key", "{", field,
                 BCON_INT32(1), "_id", BCON_INT32(1), "}", "name", BCON_UTF8(field), "}", "]");
    bson_error_t failure;
    bool made = mongoc_client_command_simple(mongo->client, mongo->database, command, NULL, NULL,
                                             &failure) ||
                mongo_trouble(mongo, "make an index in", &failure, error);
    bson_destroy(command);
    return made;
}

/* One command an index: FerretDB 1.24 breaks when two of a command's are there already. */
static bool create_indexes(struct mongo_store *mongo, const struct store_collection *collection,
                           struct error *error)
{
    for (size_t i = 0; i < collection->field_count; i++)
        if (collection->fields[i].indexed &&
            !create_index(mongo, collection->name, collection->fields[i].name, error))
            return false;
    return true;
}

static bool fill_in(struct mongo_store *mongo, const struct store_collection *collection,
                    size_t known, struct error *error)
{
    static const struct store_record empty = { 0 };
    mongoc_collection_t *handle =
        mongoc_client_get_collection(mongo->client, mongo->database, collection->name);
    bool done = true;
    for (size_t i = known; done && i < collection->field_count; i++) {
        const struct store_collection one = { collection->name, &collection->fields[i], 1 };
        bson_t update = BSON_INITIALIZER, set;
        bson_t *missing = BCON_NEW(one.fields->name, "{", "$exists", BCON_BOOL(false), "}");
        BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &set);
        mongo_append_fields(&set, &one, &empty);
        bson_append_document_end(&update, &set);
        bson_error_t failure;
        done = mongoc_collection_update_many(handle, missing, &update, NULL, NULL, &failure) ||
               mongo_trouble(mongo, "extend a collection in", &failure, error);
        bson_destroy(missing);
        bson_destroy(&update);
    }
    mongoc_collection_destroy(handle);
    return done;
}

/* One attempt; *again_r when another process changed the schema meanwhile. */
static bool attempt(struct mongo_store *mongo, const struct store_collection *collection,
                    bool *again_r, struct error *error)
{
    uint8_t memory[STORE_SCHEMA_TEXT_BYTES + 512];
    struct arena arena = arena_over(memory, sizeof memory);
    struct store_write write = { .verb = STORE_REPLACE, .collection = &schemas };
    *again_r = false;
    enum store_outcome outcome =
        store_get(&mongo->store, &schemas, collection->name, &arena, &write.record, error);
    if (outcome == STORE_FAILED)
        return false;
    size_t known = collection->field_count;
    if (outcome == STORE_MISSING) {
        write.verb = STORE_INSERT;
        write.record.id = collection->name;
    } else if (!store_rules_extends(collection,
                                    (const char *)write.record.values[FIELDS_TEXT].bytes.data,
                                    &known, error)) {
        return false;
    }
    if (!create_indexes(mongo, collection, error) || !fill_in(mongo, collection, known, error))
        return false;
    if (outcome == STORE_DONE && known == collection->field_count)
        return true;
    char wanted[STORE_SCHEMA_TEXT_BYTES];
    store_rules_schema(collection, wanted);
    write.record.values[FIELDS_TEXT] = store_text(wanted);
    outcome = store_apply(&mongo->store, &write, 1, error);
    *again_r = write.outcome == STORE_EXISTS || write.outcome == STORE_CONFLICT ||
               write.outcome == STORE_UNKNOWN;
    return outcome == STORE_DONE && write.outcome == STORE_DONE;
}

bool mongo_declare_one(struct mongo_store *mongo, const struct store_collection *collection,
                       struct error *error)
{
    if (!store_rules_collection(collection, error))
        return false;
    if (strcmp(collection->name, schemas.name) == 0)
        return error_set(error, ERROR_INVALID, "the collection name %s is the store's own",
                         schemas.name);
    bool again = true;
    error_fill(error, ERROR_UNAVAILABLE, "the schema of %s is changed by others all the time",
               collection->name);
    for (int i = 0; again && i < ATTEMPTS_MAX; i++)
        if (attempt(mongo, collection, &again, error))
            return true;
    return false;
}
