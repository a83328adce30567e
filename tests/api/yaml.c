/* Reads the plain kind of YAML that docs/api is written in. What it does not know it refuses, so
 * nothing is read otherwise than any other reader of YAML would. */
#include "tests/api/contract.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

struct reader {
    char *at; /* its own copy */
    size_t line;
    size_t depth;
};

/* Skips empty lines and comments; the indentation of the next line, or -1 at the end. */
static int next_line(struct reader *reader)
{
    while (*reader->at != '\0') {
        size_t spaces = strspn(reader->at, " ");
        char c = reader->at[spaces];
        if (c != '\n' && c != '#' && c != '\0')
            return c == '\t' ? -1 : (int)spaces;
        reader->at += strcspn(reader->at, "\n");
        if (*reader->at == '\n')
            reader->at++;
        reader->line++;
    }
    return -1;
}

static void end_line(struct reader *reader)
{
    reader->at += strcspn(reader->at, "\n");
    if (*reader->at == '\n')
        reader->at++;
    reader->line++;
}

/* A double-quoted text, escapes as JSON has them. */
static json_t *read_quoted(const char **at)
{
    const char *from = *at, *end = from + 1;
    while (*end != '"' && *end != '\n' && *end != '\0')
        end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
    if (*end != '"')
        return NULL;
    *at = end + 1;
    return json_loadb(from, (size_t)(end + 1 - from), JSON_DECODE_ANY, NULL);
}

static json_t *plain(const char *from, size_t length)
{
    static const struct {
        const char *text;
        int kind;
    } words[] = { { "true", 1 }, { "false", 2 }, { "null", 3 } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].text) == length && memcmp(words[i].text, from, length) == 0)
            return words[i].kind == 1   ? json_true()
                   : words[i].kind == 2 ? json_false()
                                        : json_null();
    size_t digits = 0;
    while (digits < length && from[digits] >= '0' && from[digits] <= '9')
        digits++;
    if (digits == length && length > 0 && length < 16)
        return json_integer(strtoll(from, NULL, 10));
    /* what begins something else in YAML */
    if (length == 0 || strchr("[]{}&*!|>'%@`,?", *from) != NULL)
        return NULL;
    return json_stringn(from, length);
}

/* A scalar up to one of `ends`. */
static json_t *read_scalar(const char **at, const char *ends)
{
    if (**at == '"')
        return read_quoted(at);
    size_t length = strcspn(*at, ends);
    const char *comment = memchr(*at, '#', length);
    if (comment != NULL && comment > *at && comment[-1] == ' ')
        return NULL;
    const char *from = *at;
    *at += length;
    while (length > 0 && from[length - 1] == ' ')
        length--;
    return plain(from, length);
}

static json_t *read_flow(const char **at)
{
    json_t *list = json_array();
    ++*at;
    for (;;) {
        *at += strspn(*at, " ");
        if (**at == ']') {
            ++*at;
            return list;
        }
        json_t *item = read_scalar(at, ",]\n");
        if (item == NULL || json_array_append_new(list, item) != 0)
            break;
        *at += strspn(*at, " ");
        if (**at == ',')
            ++*at;
        else if (**at != ']')
            break;
    }
    json_decref(list);
    return NULL;
}

static json_t *read_block(struct reader *reader, int indent);

/* What stands behind "key:" or "-" on its line, or below it. */
static json_t *read_value(struct reader *reader, int indent)
{
    reader->at += strspn(reader->at, " ");
    if (*reader->at == '\n' || *reader->at == '\0') {
        end_line(reader);
        int below = next_line(reader);
        return below > indent ? read_block(reader, below) : NULL;
    }
    const char *at = reader->at;
    json_t *value = *at == '[' ? read_flow(&at) : read_scalar(&at, "\n");
    reader->at += at - reader->at;
    if (value == NULL || (*at != '\n' && *at != '\0')) {
        json_decref(value);
        return NULL;
    }
    end_line(reader);
    return value;
}

static json_t *read_list(struct reader *reader, int indent)
{
    json_t *list = json_array();
    while (next_line(reader) == indent && reader->at[indent] == '-') {
        if (reader->at[indent + 1] != ' ')
            goto broken;
        const char *inside = reader->at + indent + 2;
        const char *end = inside + strcspn(inside, "\n");
        const char *colon = strstr(inside, ": ");
        json_t *item;
        if (*inside != '"' && *inside != '[' &&
            ((colon != NULL && colon < end) || (end > inside && end[-1] == ':'))) {
            /* A map whose first key stands behind the hyphen: as if it stood alone. */
            reader->at[indent] = ' ';
            item = read_block(reader, indent + 2);
        } else {
            reader->at += indent + 2;
            item = read_value(reader, indent);
        }
        if (item == NULL || json_array_append_new(list, item) != 0)
            goto broken;
    }
    return list;
broken:
    json_decref(list);
    return NULL;
}

static json_t *read_map(struct reader *reader, int indent)
{
    json_t *map = json_object();
    while (next_line(reader) == indent) {
        const char *at = reader->at + indent;
        json_t *key = read_scalar(&at, ":\n");
        const char *name = json_is_integer(key) ? NULL : json_string_value(key);
        if (name == NULL || *at != ':' || json_object_get(map, name) != NULL) {
            json_decref(key);
            goto broken;
        }
        reader->at += at + 1 - reader->at;
        json_t *value = read_value(reader, indent);
        int set = value != NULL ? json_object_set_new(map, name, value) : -1;
        json_decref(key);
        if (set != 0)
            goto broken;
    }
    return map;
broken:
    json_decref(map);
    return NULL;
}

static json_t *read_block(struct reader *reader, int indent)
{
    if (++reader->depth > DEPTH_MAX)
        return NULL;
    json_t *value =
        reader->at[indent] == '-' ? read_list(reader, indent) : read_map(reader, indent);
    reader->depth--;
    return value;
}

json_t *yaml_read(const char *text, size_t *line_r)
{
    char *copy = strdup(text);
    struct reader reader = { copy, 1, 0 };
    int indent = copy != NULL ? next_line(&reader) : -1;
    json_t *document = indent == 0 ? read_block(&reader, 0) : NULL;
    if (document != NULL && next_line(&reader) != -1) {
        json_decref(document);
        document = NULL;
    }
    if (document != NULL && *reader.at != '\0') {
        json_decref(document);
        document = NULL;
    }
    *line_r = reader.line;
    free(copy);
    return document;
}
