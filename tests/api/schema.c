/* As much of JSON Schema (2020-12) as docs/api uses. */
#include "tests/api/contract.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool no(char *why_r, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool no(char *why_r, size_t bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why_r, bytes, format, arguments);
    va_end(arguments);
    return false;
}

static const json_t *follow(const json_t *root, const char *ref)
{
    char name[128];
    if (strncmp(ref, "#/", 2) != 0)
        return NULL;
    for (ref += 2; root != NULL && *ref != '\0';) {
        size_t length = strcspn(ref, "/");
        if (length >= sizeof name)
            return NULL;
        memcpy(name, ref, length);
        name[length] = '\0';
        root = json_object_get(root, name);
        ref += length + (ref[length] == '/');
    }
    return root;
}

static bool is_type(const json_t *value, const char *type)
{
    if (strcmp(type, "object") == 0)
        return json_is_object(value);
    if (strcmp(type, "array") == 0)
        return json_is_array(value);
    if (strcmp(type, "string") == 0)
        return json_is_string(value);
    if (strcmp(type, "integer") == 0)
        return json_is_integer(value);
    if (strcmp(type, "number") == 0)
        return json_is_number(value);
    if (strcmp(type, "boolean") == 0)
        return json_is_boolean(value);
    return strcmp(type, "null") == 0 && json_is_null(value);
}

static bool has_type(const json_t *type, const json_t *value)
{
    if (json_is_string(type))
        return is_type(value, json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++)
        if (is_type(value, json_string_value(json_array_get(type, i))))
            return true;
    return false;
}

static bool is_among(const json_t *list, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), value))
            return true;
    return false;
}

/* Characters, not bytes. */
static json_int_t length_of(const json_t *text)
{
    json_int_t count = 0;
    for (const char *at = json_string_value(text); *at != '\0'; at++)
        count += (*at & 0xc0) != 0x80;
    return count;
}

static bool check_object(const json_t *root, const json_t *schema, const json_t *value, char *why_r,
                         size_t bytes)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required");
    bool closed = json_is_false(json_object_get(schema, "additionalProperties"));
    const char *key;
    json_t *member;
    for (size_t i = 0; i < json_array_size(required); i++)
        if (json_object_get(value, json_string_value(json_array_get(required, i))) == NULL)
            return no(why_r, bytes, "%s is missing",
                      json_string_value(json_array_get(required, i)));
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        const json_t *known = json_object_get(properties, key);
        if (known == NULL && closed)
            return no(why_r, bytes, "%s is not described", key);
        char inner[256];
        if (known != NULL && !schema_check(root, known, member, inner, sizeof inner))
            return no(why_r, bytes, "%s: %s", key, inner);
    }
    return true;
}

/* One keyword of the schema. */
static bool check(const json_t *root, const json_t *schema, const char *key, const json_t *said,
                  const json_t *value, char *why_r, size_t bytes)
{
    static const char *const silent[] = { "description",          "properties", "required",
                                          "additionalProperties", "format",     "examples" };
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (strcmp(key, silent[i]) == 0)
            return true; /* says nothing, or is looked at with its type */
    bool good = false;
    if (strcmp(key, "type") == 0)
        good = has_type(said, value);
    else if (strcmp(key, "enum") == 0)
        good = is_among(said, value);
    else if (strcmp(key, "const") == 0)
        good = json_equal(said, value);
    else if (strcmp(key, "minimum") == 0)
        good = !json_is_number(value) || json_number_value(value) >= json_number_value(said);
    else if (strcmp(key, "minLength") == 0)
        good = !json_is_string(value) || length_of(value) >= json_integer_value(said);
    else if (strcmp(key, "maxLength") == 0)
        good = !json_is_string(value) || length_of(value) <= json_integer_value(said);
    else if (strcmp(key, "items") == 0) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!schema_check(root, said, json_array_get(value, i), why_r, bytes))
                return false;
        good = true;
    } else {
        return no(why_r, bytes, "the schema says \"%s\", which is not checked here", key);
    }
    (void)schema;
    return good || no(why_r, bytes, "it is not of its %s", key);
}

bool schema_check(const json_t *root, const json_t *schema, const json_t *value, char *why_r,
                  size_t bytes)
{
    const json_t *ref = json_object_get(schema, "$ref");
    if (json_is_string(ref)) {
        const json_t *target = follow(root, json_string_value(ref));
        if (target == NULL)
            return no(why_r, bytes, "%s leads nowhere", json_string_value(ref));
        return schema_check(root, target, value, why_r, bytes);
    }
    const char *key;
    json_t *said;
    if (!json_is_object(schema))
        return no(why_r, bytes, "there is no schema");
    json_object_foreach((json_t *)(uintptr_t)schema, key, said)
    {
        if (!check(root, schema, key, said, value, why_r, bytes))
            return false;
    }
    return !json_is_object(value) || check_object(root, schema, value, why_r, bytes);
}
