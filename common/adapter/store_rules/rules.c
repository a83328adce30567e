#include "adapter/store_rules/rules.h"

#include "base/utf8.h"

#include <stdio.h>

static bool is_identifier(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > STORE_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return true;
}

/* Whether it is UTF-8 without bytes below `lowest` (1: without NUL) and without DEL if > 1. */
static bool text_valid(struct span text, uint8_t lowest)
{
    while (text.length > 0) {
        size_t length = utf8_character((const char *)text.data, text.length);
        if (length == 0 || text.data[0] < lowest || (lowest > 1 && text.data[0] == 0x7f))
            return false;
        text = span_of(text.data + length, text.length - length);
    }
    return true;
}

bool store_rules_collection(const struct store_collection *collection, struct error *error)
{
    static const char *const reserved[] = { "id", "version", "v", "w" };
    if (!is_identifier(collection->name))
        return error_set(error, ERROR_INVALID, "'%s' is no name for a collection",
                         collection->name);
    if (collection->field_count > STORE_FIELDS_MAX)
        return error_set(error, ERROR_INVALID, "collection %s has more than %d fields",
                         collection->name, STORE_FIELDS_MAX);
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct store_field *field = &collection->fields[i];
        bool taken = !is_identifier(field->name);
        for (size_t k = 0; k < sizeof reserved / sizeof *reserved; k++)
            taken = taken || strcmp(field->name, reserved[k]) == 0;
        for (size_t k = 0; k < i; k++)
            taken = taken || strcmp(field->name, collection->fields[k].name) == 0;
        if (taken)
            return error_set(error, ERROR_INVALID, "'%s' is no name for a field of %s", field->name,
                             collection->name);
        if (field->indexed && field->type == STORE_BYTES)
            return error_set(error, ERROR_INVALID,
                             "field %s of %s holds bytes and cannot be indexed", field->name,
                             collection->name);
    }
    return true;
}

bool store_rules_id(const char *id)
{
    if (id == NULL)
        return false;
    size_t length = strnlen(id, STORE_ID_BYTES_MAX + 1);
    return length >= 1 && length <= STORE_ID_BYTES_MAX && text_valid(span_of(id, length), 0x20);
}

bool store_rules_write(const struct store_write *write, struct error *error)
{
    const struct store_collection *collection = write->collection;
    const struct store_record *record = &write->record;
    if (!store_rules_id(record->id))
        return error_set(error, ERROR_INVALID, "a record of %s has an id that is no id",
                         collection->name);
    if (write->verb != STORE_INSERT && (record->version == 0 || record->version >= INT64_MAX))
        return error_set(error, ERROR_INVALID,
                         "%s/%s is to be changed without the version that was read",
                         collection->name, record->id);
    if (write->verb == STORE_DELETE)
        return true;
    size_t bytes = 0;
    for (size_t i = 0; i < collection->field_count; i++) {
        if (collection->fields[i].type == STORE_INT)
            continue;
        struct span value = record->values[i].bytes;
        if (value.length > STORE_RECORD_BYTES_MAX - bytes)
            return error_set(error, ERROR_INVALID, "%s/%s is larger than %d bytes",
                             collection->name, record->id, STORE_RECORD_BYTES_MAX);
        bytes += value.length;
        if (collection->fields[i].type == STORE_TEXT && !text_valid(value, 1))
            return error_set(error, ERROR_INVALID, "field %s of %s/%s is not UTF-8 text",
                             collection->fields[i].name, collection->name, record->id);
    }
    return true;
}

bool store_rules_query(const struct store_collection *collection, const struct store_query *query,
                       size_t *field_r, struct error *error)
{
    size_t field = 0;
    if (strcmp(query->field, "id") == 0) {
        *field_r = collection->field_count;
        return true;
    }
    while (field < collection->field_count &&
           strcmp(collection->fields[field].name, query->field) != 0)
        field++;
    if (field == collection->field_count || !collection->fields[field].indexed)
        return error_set(error, ERROR_INVALID, "%s has no indexed field %s", collection->name,
                         query->field);
    bool begins = query->order == STORE_DESCENDING ? query->has_high : query->has_low;
    if (query->past_id != NULL && !begins)
        return error_set(error, ERROR_INVALID, "a walk of %s goes on behind an id, but not a value",
                         collection->name);
    *field_r = field;
    return true;
}

enum store_outcome store_rules_total(const struct store_write *writes, size_t count)
{
    enum store_outcome worst = STORE_DONE;
    for (size_t i = 0; i < count; i++) {
        enum store_outcome outcome = writes[i].outcome;
        ASSERT(outcome >= STORE_DONE && outcome <= STORE_FAILED && outcome != STORE_MISSING);
        /* the enum's order is the order of badness, but for EXISTS, which is as good as DONE */
        if (outcome != STORE_EXISTS && outcome > worst)
            worst = outcome;
    }
    return worst;
}

void store_rules_schema(const struct store_collection *collection,
                        char text_r[STORE_SCHEMA_TEXT_BYTES])
{
    static const char *const types[] = {
        [STORE_INT] = "int", [STORE_TEXT] = "text", [STORE_BYTES] = "bytes"
    };
    size_t used = 0;
    text_r[0] = '\0';
    for (size_t i = 0; i < collection->field_count; i++) {
        int written =
            snprintf(text_r + used, STORE_SCHEMA_TEXT_BYTES - used, "%s%s:%s", i == 0 ? "" : ",",
                     collection->fields[i].name, types[collection->fields[i].type]);
        ASSERT(written > 0 && (size_t)written < STORE_SCHEMA_TEXT_BYTES - used);
        used += (size_t)written;
    }
}

bool store_rules_extends(const struct store_collection *collection, const char *stored,
                         size_t *known_r, struct error *error)
{
    char wanted[STORE_SCHEMA_TEXT_BYTES];
    store_rules_schema(collection, wanted);
    size_t length = strlen(stored);
    bool prefix = strncmp(wanted, stored, length) == 0 &&
                  (wanted[length] == '\0' || wanted[length] == ',' || length == 0);
    if (!prefix)
        return error_set(error, ERROR_INVALID,
                         "collection %s is stored with the fields (%s), which this program does "
                         "not know as such: another version wrote it",
                         collection->name, stored);
    size_t known = length == 0 ? 0 : 1;
    for (size_t i = 0; i < length; i++)
        known += stored[i] == ',';
    *known_r = known;
    return true;
}

bool store_rules_copy(const struct store_collection *collection, const struct store_record *record,
                      struct arena *arena, struct store_record *copy_r, struct error *error)
{
    memset(copy_r, 0, sizeof *copy_r);
    copy_r->version = record->version;
    copy_r->id = arena_text(arena, span_text(record->id));
    bool fits = copy_r->id != NULL;
    for (size_t i = 0; fits && i < collection->field_count; i++) {
        copy_r->values[i].integer = record->values[i].integer;
        if (collection->fields[i].type == STORE_INT)
            continue;
        /* with a NUL behind it, for the convenience of whoever prints a text */
        const char *bytes = arena_text(arena, record->values[i].bytes);
        fits = bytes != NULL;
        copy_r->values[i].bytes = span_of(bytes, record->values[i].bytes.length);
    }
    if (!fits)
        return error_set(error, ERROR_FULL, "%s/%s does not fit into the caller's memory",
                         collection->name, record->id);
    return true;
}
