#include "tests/vectors/consensus_vectors.h"

#include <stdio.h>
#include <stdlib.h>

void vectors_open(struct vectors *vectors)
{
    vectors_open_file(vectors, "consensus.txt");
}

void vectors_open_file(struct vectors *vectors, const char *name)
{
    char path[4096];
    const char *source = getenv("ADIT_SOURCE");
    size_t capacity = 1 << 20;
    snprintf(path, sizeof path, "%s/tests/vectors/%s", source == NULL ? "." : source, name);
    *vectors = (struct vectors){ .text = malloc(capacity) };
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fprintf(stderr, "cannot open %s\n", path);
    ASSERT(file != NULL && vectors->text != NULL);
    size_t length = fread(vectors->text, 1, capacity - 1, file);
    ASSERT(length > 0 && length < capacity - 1);
    fclose(file);
    vectors->text[length] = 0;
    vectors->next = vectors->text;
}

void vectors_close(struct vectors *vectors)
{
    free(vectors->text);
}

/* Cuts `name=value` or `name="value with spaces"` off the line. */
static char *cut_field(struct vectors *vectors, char *at)
{
    char *equals = strchr(at, '=');
    ASSERT(equals != NULL && vectors->field_count < VECTORS_FIELDS_MAX);
    *equals = 0;
    char *value = equals + 1;
    bool quoted = *value == '"';
    value += quoted;
    char *end = value + strcspn(value, quoted ? "\"" : " ");
    char *next = *end == 0 ? end : end + 1;
    *end = 0;
    vectors->fields[vectors->field_count].name = at;
    vectors->fields[vectors->field_count++].value = value;
    return next + (*next == ' ');
}

bool vectors_next(struct vectors *vectors)
{
    while (*vectors->next != 0) {
        char *line = vectors->next;
        char *end = line + strcspn(line, "\n");
        vectors->next = *end == 0 ? end : end + 1;
        *end = 0;
        vectors->line++;
        if (*line == 0 || *line == '#')
            continue;
        char *at = line + strcspn(line, " ");
        if (*at != 0)
            *at++ = 0;
        vectors->kind = line;
        vectors->field_count = 0;
        while (*at != 0)
            at = cut_field(vectors, at);
        return true;
    }
    return false;
}

bool vectors_is(const struct vectors *vectors, const char *kind)
{
    return strcmp(vectors->kind, kind) == 0;
}

const char *vectors_find(const struct vectors *vectors, const char *name)
{
    for (size_t i = 0; i < vectors->field_count; i++)
        if (strcmp(vectors->fields[i].name, name) == 0)
            return vectors->fields[i].value;
    return NULL;
}

const char *vectors_get(const struct vectors *vectors, const char *name)
{
    const char *value = vectors_find(vectors, name);
    if (value == NULL)
        fprintf(stderr, "the vectors' line %u has no field %s\n", vectors->line, name);
    ASSERT(value != NULL);
    return value;
}

uint64_t vectors_number(const struct vectors *vectors, const char *name)
{
    return strtoull(vectors_get(vectors, name), NULL, 10);
}

void vectors_bytes(const struct vectors *vectors, const char *name, uint8_t *bytes_r, size_t length)
{
    const char *hex = vectors_get(vectors, name);
    bool good = hex_decode(hex, strlen(hex), bytes_r, length);
    ASSERT(good);
}

void vectors_reversed(const struct vectors *vectors, const char *name, uint8_t *bytes_r,
                      size_t length)
{
    uint8_t bytes[64];
    ASSERT(length <= sizeof bytes);
    vectors_bytes(vectors, name, bytes, length);
    bytes_reverse(bytes, length, bytes_r);
}

uint8_t *vectors_unhex(const char *hex, size_t hex_length, size_t *length_r)
{
    *length_r = hex_length / 2;
    uint8_t *bytes = malloc(*length_r + 1);
    bool good = bytes != NULL && hex_decode(hex, hex_length, bytes, *length_r);
    ASSERT(good);
    return bytes;
}

size_t vectors_each(const struct vectors *vectors, const char *name,
                    void (*part)(void *context, size_t index, const uint8_t *bytes, size_t length),
                    void *context)
{
    size_t count = 0;
    const char *at = vectors_get(vectors, name);
    while (*at != 0) {
        size_t length = strcspn(at, ",");
        size_t bytes_length;
        uint8_t *bytes = vectors_unhex(at, length, &bytes_length);
        part(context, count++, bytes, bytes_length);
        free(bytes);
        at += length + (at[length] == ',');
    }
    return count;
}
