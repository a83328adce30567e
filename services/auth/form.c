#include "services/auth/form.h"

#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static void wipe_and_free(void *block)
{
    if (block == NULL)
        return;
    explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

void form_wipe_memory(void)
{
    json_set_alloc_funcs(malloc, wipe_and_free);
}

static bool trouble(struct form_trouble *trouble_r, int status, const char *field,
                    const char *detail)
{
    trouble_r->status = status;
    snprintf(trouble_r->field, sizeof trouble_r->field, "%s", field);
    snprintf(trouble_r->detail, sizeof trouble_r->detail, "%s", detail);
    return false;
}

/* "application/json", alone or with parameters. */
static bool is_json(const char *content_type)
{
    static const char wanted[] = "application/json";
    size_t length = sizeof wanted - 1;
    return content_type != NULL && strncasecmp(content_type, wanted, length) == 0 &&
           (content_type[length] == '\0' || content_type[length] == ';' ||
            content_type[length] == ' ');
}

/* jansson's own sentence quotes what was sent, which may be a password: only a double key is named,
 * and only where it is one of ours. */
static bool not_json(const json_error_t *error, const struct form_field *fields, size_t field_count,
                     struct form_trouble *trouble_r)
{
    char quoted[80], where[96];
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        for (size_t i = 0; i < field_count; i++) {
            snprintf(quoted, sizeof quoted, "near '\"%s\"'", fields[i].name);
            if (strstr(error->text, quoted) != NULL)
                return trouble(trouble_r, 400, fields[i].name, "the field is there twice");
        }
        return trouble(trouble_r, 400, "body", "a field is there twice");
    case json_error_invalid_utf8:
        return trouble(trouble_r, 400, "body", "the text is not UTF-8");
    default:
        snprintf(where, sizeof where, "this is not JSON, from line %d, column %d on", error->line,
                 error->column);
        return trouble(trouble_r, 400, "body", where);
    }
}

static bool read_fields(const json_t *document, const struct form_field *fields, size_t field_count,
                        struct form *form, struct form_trouble *trouble_r)
{
    char detail[96];
    for (size_t i = 0; i < field_count; i++) {
        const struct form_field *field = &fields[i];
        const json_t *value = json_object_get(document, field->name);
        if (value == NULL && field->optional)
            continue;
        if (value == NULL)
            return trouble(trouble_r, 400, field->name, "the field is missing");
        if (!json_is_string(value))
            return trouble(trouble_r, 400, field->name, "the field is not a text");
        size_t length = json_string_length(value);
        if (length < field->bytes_min || length > field->bytes_max) {
            snprintf(detail, sizeof detail, "the field must have %zu to %zu bytes",
                     field->bytes_min, field->bytes_max);
            return trouble(trouble_r, 400, field->name, detail);
        }
        form->values[i] = span_of(json_string_value(value), length);
    }
    return true;
}

static bool only_known(json_t *document, const struct form_field *fields, size_t field_count,
                       struct form_trouble *trouble_r)
{
    const char *key;
    json_t *value;
    json_object_foreach(document, key, value)
    {
        size_t i = 0;
        while (i < field_count && strcmp(fields[i].name, key) != 0)
            i++;
        if (i == field_count) {
            /* cut behind a whole character, so that it stays UTF-8 */
            size_t length = strlen(key);
            if (length >= sizeof trouble_r->field)
                for (length = sizeof trouble_r->field - 1; (key[length] & 0xc0) == 0x80;)
                    length--;
            (void)trouble(trouble_r, 400, "", "there is no such field");
            memcpy(trouble_r->field, key, length);
            trouble_r->field[length] = '\0';
            return false;
        }
    }
    return true;
}

/* No form is deep; what is costs the parser a call for each level. */
static bool is_deep(struct span body)
{
    size_t depth = 0;
    bool text = false;
    for (size_t i = 0; i < body.length; i++) {
        uint8_t c = body.data[i];
        if (text) {
            i += c == '\\'; /* what is escaped ends no text */
            text = c != '"';
        } else if (c == '"') {
            text = true;
        } else if (c == '{' || c == '[') {
            if (++depth > FORM_DEPTH_MAX)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

bool form_read(struct span body, const char *content_type, const struct form_field *fields,
               size_t field_count, struct form *form_r, struct form_trouble *trouble_r)
{
    json_error_t error;
    ASSERT(field_count <= FORM_FIELDS_MAX);
    if (!is_json(content_type))
        return trouble(trouble_r, 415, "content-type", "the body must be application/json");
    if (body.length > FORM_BYTES_MAX)
        return trouble(trouble_r, 413, "body", "the body is longer than 16384 bytes");
    if (is_deep(body))
        return trouble(trouble_r, 400, "body", "the body is nested more deeply than any form");
    memset(form_r, 0, sizeof *form_r);
    json_t *document =
        json_loadb((const char *)body.data, body.length, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        return not_json(&error, fields, field_count, trouble_r);
    bool read = json_is_object(document)
                    ? only_known(document, fields, field_count, trouble_r) &&
                          read_fields(document, fields, field_count, form_r, trouble_r)
                    : trouble(trouble_r, 400, "body", "this is not a JSON object");
    form_r->document = document;
    if (!read)
        form_free(form_r);
    return read;
}

void form_free(struct form *form)
{
    json_decref(form->document);
    form->document = NULL;
}

static bool is_atom(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* RFC 5321's Dot-string: atoms joined by single dots. */
static bool is_local_part(const char *text, size_t length)
{
    if (length == 0 || length > 64)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool dot = text[i] == '.';
        if (dot ? i == 0 || i + 1 == length || text[i - 1] == '.' : !is_atom((uint8_t)text[i]))
            return false;
    }
    return true;
}

static bool is_domain(const char *text)
{
    size_t labels = 0, length = 0;
    for (size_t i = 0;; i++) {
        char c = text[i];
        if (c == '.' || c == '\0') {
            if (length == 0 || length > 63 || text[i - 1] == '-')
                return false;
            labels++;
            length = 0;
            if (c == '\0')
                return labels >= 2;
        } else {
            bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
            if (!letter_or_digit && (c != '-' || length == 0))
                return false;
            length++;
        }
    }
}

bool form_email(struct span text, char *email_r)
{
    if (text.length > FORM_EMAIL_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        email_r[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    email_r[text.length] = '\0';
    const char *at = strchr(email_r, '@');
    return strlen(email_r) == text.length && at != NULL &&
           is_local_part(email_r, (size_t)(at - email_r)) && is_domain(at + 1);
}
