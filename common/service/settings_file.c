/* The settings file. jansson parses it; where a key stands is found by a second walk over the
 * text, because jansson keeps no lines. */
#include "service/settings_table.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20 };

struct settings_text {
    const char *file;
    char *text; /* NUL-terminated */
    char origin[1200];
};

static bool read_whole(struct settings_text *whole, struct error *error)
{
    int fd = open(whole->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "the settings file %s cannot be read", whole->file);
    whole->text = malloc(FILE_BYTES_MAX + 1);
    ASSERT(whole->text != NULL);
    size_t used = 0;
    ssize_t got = 0;
    while (used < FILE_BYTES_MAX && (got = read(fd, whole->text + used, FILE_BYTES_MAX - used)) > 0)
        used += (size_t)got;
    int cause = errno;
    close(fd);
    if (got < 0)
        return error_system(error, cause, "the settings file %s cannot be read", whole->file);
    if (used == FILE_BYTES_MAX)
        return error_set(error, ERROR_INVALID, "%s is larger than 1 MiB: no settings file",
                         whole->file);
    whole->text[used] = '\0';
    if (strlen(whole->text) != used)
        return error_set(error, ERROR_INVALID, "%s holds a NUL byte: no settings file",
                         whole->file);
    return true;
}

/* `at` stands on an opening quote; the character behind the closing one. */
static const char *behind_string(const char *at)
{
    for (at++; *at != '"' && *at != '\0'; at++)
        if (*at == '\\' && at[1] != '\0')
            at++;
    return *at == '"' ? at + 1 : at;
}

/* "FILE:LINE" of `section`, or of `key` in it; the text is known to be good JSON. */
static const char *origin_of(struct settings_text *whole, const char *section, const char *key)
{
    unsigned line = 1;
    int depth = 0;
    bool inside = false;
    for (const char *at = whole->text; *at != '\0';) {
        if (*at == '\n')
            line++;
        if (*at == '{' || *at == '[')
            depth++;
        if (*at == '}' || *at == ']')
            depth--;
        if (*at != '"') {
            at++;
            continue;
        }
        const char *end = behind_string(at);
        const char *next = end + strspn(end, " \t\r\n");
        size_t length = (size_t)(end - at) - 2;
        const char *wanted = depth == 1 ? section : key;
        bool same = *next == ':' && wanted != NULL && strlen(wanted) == length &&
                    strncmp(wanted, at + 1, length) == 0;
        if (*next == ':' && depth == 1)
            inside = same;
        if (same && ((depth == 1 && key == NULL) || (depth == 2 && inside))) {
            snprintf(whole->origin, sizeof whole->origin, "%.1000s:%u", whole->file, line);
            return whole->origin;
        }
        at = end;
    }
    snprintf(whole->origin, sizeof whole->origin, "%.1000s", whole->file);
    return whole->origin;
}

static const char *kind_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

static bool wrong_kind(const struct setting_row *row, const char *wanted, const json_t *value,
                       const char *origin, struct error *error)
{
    return error_set(error, ERROR_INVALID, "%s: %s.%s is %s, and must be %s", origin, row->section,
                     row->key, kind_of(value), wanted);
}

static bool put_list(struct settings *settings, const struct setting_row *row, const json_t *value,
                     const char *origin, struct error *error)
{
    if (!json_is_array(value))
        return wrong_kind(row, "a list of texts", value, origin, error);
    const char *items[SETTINGS_LIST_MAX];
    size_t count = json_array_size(value);
    if (count > SETTINGS_LIST_MAX)
        return error_set(error, ERROR_INVALID, "%s: %s.%s has %zu items, and must have at most %d",
                         origin, row->section, row->key, count, SETTINGS_LIST_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item))
            return wrong_kind(row, "a list of texts", item, origin, error);
        if (!setting_check_text(row, json_string_length(item), origin, error))
            return false;
        items[i] = json_string_value(item);
    }
    setting_put_list(settings, row, items, count);
    return true;
}

static bool put_value(struct settings *settings, const struct setting_row *row, const json_t *value,
                      const char *origin, struct error *error)
{
    switch (row->kind) {
    case SETTING_NUMBER:
        if (!json_is_integer(value))
            return wrong_kind(row, "a whole number", value, origin, error);
        if (!setting_check_number(row, json_integer_value(value), origin, error))
            return false;
        setting_put_number(settings, row, json_integer_value(value));
        return true;
    case SETTING_FLAG:
        if (!json_is_boolean(value))
            return wrong_kind(row, "true or false", value, origin, error);
        setting_put_number(settings, row, json_is_true(value));
        return true;
    case SETTING_TEXT:
        if (!json_is_string(value))
            return wrong_kind(row, "a text", value, origin, error);
        if (!setting_check_text(row, json_string_length(value), origin, error))
            return false;
        setting_put_text(settings, row, json_string_value(value), json_string_length(value));
        return true;
    case SETTING_LIST:
        return put_list(settings, row, value, origin, error);
    }
    return false;
}

static bool section_known(const char *section)
{
    for (const struct setting_row *row = settings_table; row->section != NULL; row++)
        if (strcmp(row->section, section) == 0)
            return true;
    return false;
}

static bool put_section(struct settings *settings, struct settings_text *whole, const char *section,
                        json_t *keys, struct error *error)
{
    if (!section_known(section)) {
        const char *nearest = NULL;
        char name[160];
        const char *key;
        json_t *value;
        json_object_foreach(keys, key, value)
        {
            nearest = settings_nearest(section, key, name, sizeof name);
            if (nearest != NULL)
                break;
        }
        return error_set(error, ERROR_INVALID, "%s: section %.64s is not known%s%.*s%s",
                         origin_of(whole, section, NULL), section,
                         nearest != NULL ? "; did you mean " : "; remove it",
                         nearest != NULL ? (int)strcspn(nearest, ".") : 0,
                         nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    }
    if (!json_is_object(keys))
        return error_set(error, ERROR_INVALID, "%s: %s is %s, and must be an object of its keys",
                         origin_of(whole, section, NULL), section, kind_of(keys));
    const char *key;
    json_t *value;
    json_object_foreach(keys, key, value)
    {
        const char *origin = origin_of(whole, section, key);
        const struct setting_row *row = settings_find(section, key);
        if (row == NULL)
            return setting_unknown(section, key, origin, error);
        if (!put_value(settings, row, value, origin, error))
            return false;
    }
    return true;
}

bool settings_read_file(struct settings *settings, const char *file, struct error *error)
{
    struct settings_text whole = { .file = file };
    json_t *root = NULL;
    bool good = false;
    if (!read_whole(&whole, error))
        goto end;
    json_error_t problem;
    root = json_loads(whole.text, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL) {
        error_fill(error, ERROR_INVALID, "%s:%d: %s", file, problem.line, problem.text);
        goto end;
    }
    if (!json_is_object(root)) {
        error_fill(error, ERROR_INVALID, "%s is %s, and must be an object of sections", file,
                   kind_of(root));
        goto end;
    }
    good = true;
    const char *section;
    json_t *keys;
    json_object_foreach(root, section, keys)
    {
        good = put_section(settings, &whole, section, keys, error);
        if (!good)
            break;
    }
end:
    json_decref(root);
    free(whole.text);
    return good;
}
