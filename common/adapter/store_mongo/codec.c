#include "adapter/store_mongo/inside.h"

void mongo_append_fields(bson_t *document, const struct store_collection *collection,
                         const struct store_record *record)
{
    bool fits = true;
    for (size_t i = 0; i < collection->field_count; i++) {
        const char *name = collection->fields[i].name;
        const struct store_value *value = &record->values[i];
        int length = (int)value->bytes.length; /* the rules bound it */
        const void *data = length == 0 ? "" : (const void *)value->bytes.data;
        switch (collection->fields[i].type) {
        case STORE_INT:
            fits = fits && bson_append_int64(document, name, -1, value->integer);
            break;
        case STORE_TEXT:
            fits = fits && bson_append_utf8(document, name, -1, data, length);
            break;
        case STORE_BYTES:
            fits = fits && bson_append_binary(document, name, -1, BSON_SUBTYPE_BINARY, data,
                                              (uint32_t)length);
            break;
        }
    }
    ASSERT(fits); /* the rules bound a record far below a document's limit */
}

static bool read_value(const bson_iter_t *at, enum store_type type, struct store_value *value_r)
{
    uint32_t length = 0;
    switch (type) {
    case STORE_INT:
        /* a tool may have rewritten it as the shorter integer */
        if (!BSON_ITER_HOLDS_INT64(at) && !BSON_ITER_HOLDS_INT32(at))
            return false;
        value_r->integer = bson_iter_as_int64(at);
        return true;
    case STORE_TEXT: {
        if (!BSON_ITER_HOLDS_UTF8(at))
            return false;
        const char *text = bson_iter_utf8(at, &length);
        value_r->bytes = span_of(text, length);
        return true;
    }
    case STORE_BYTES: {
        bson_subtype_t subtype;
        const uint8_t *data = NULL;
        if (!BSON_ITER_HOLDS_BINARY(at))
            return false;
        bson_iter_binary(at, &subtype, &length, &data);
        value_r->bytes = span_of(data == NULL ? (const void *)"" : data, length);
        return true;
    }
    }
    return false;
}

bool mongo_read(const bson_t *document, const struct store_collection *collection,
                struct store_record *record_r, struct error *error)
{
    record_r->id = NULL;
    record_r->version = 0;
    for (size_t i = 0; i < collection->field_count; i++)
        record_r->values[i] = (struct store_value){ .bytes = span_of("", 0) };
    bson_iter_t at;
    if (!bson_iter_init(&at, document))
        return error_set(error, ERROR_INVALID, "the store answered with a damaged document");
    while (bson_iter_next(&at)) {
        const char *key = bson_iter_key(&at);
        if (strcmp(key, "_id") == 0 && BSON_ITER_HOLDS_UTF8(&at))
            record_r->id = bson_iter_utf8(&at, NULL);
        else if (strcmp(key, "v") == 0)
            record_r->version = (uint64_t)bson_iter_as_int64(&at);
        for (size_t i = 0; i < collection->field_count; i++) {
            if (strcmp(key, collection->fields[i].name) != 0)
                continue;
            if (!read_value(&at, collection->fields[i].type, &record_r->values[i]))
                return error_set(error, ERROR_INVALID,
                                 "field %s of a record of %s is not of its type", key,
                                 collection->name);
            break;
        }
    }
    if (record_r->id == NULL || record_r->version == 0)
        return error_set(error, ERROR_INVALID, "a document of %s is no record of ours",
                         collection->name);
    return true;
}
