/* Reads consensus.txt (README.md says what its lines mean) for the tests of everything that knows
 * consensus rules. The file is held in memory and cut up in place; texts are borrowed until
 * vectors_close. One thread. */
#pragma once
#include "base/bytes.h"

#define VECTORS_FIELDS_MAX 12

struct vectors {
    char *text;
    char *next; /* the line after the current one */
    unsigned line;
    const char *kind;
    struct {
        const char *name;
        const char *value;
    } fields[VECTORS_FIELDS_MAX];
    size_t field_count;
};

/* Opens the file in the folder of the sources (ADIT_SOURCE, or the current folder); aborts where it
 * is not there. */
void vectors_open(struct vectors *vectors);
/* Likewise another file of the folder, of lines of the same form. */
void vectors_open_file(struct vectors *vectors, const char *name);
void vectors_close(struct vectors *vectors);
/* The next line, whatever its kind; false at the end. */
bool vectors_next(struct vectors *vectors);
bool vectors_is(const struct vectors *vectors, const char *kind);
/* A field of the current line; vectors_get aborts where it is missing, vectors_find gives NULL. */
const char *vectors_get(const struct vectors *vectors, const char *name);
const char *vectors_find(const struct vectors *vectors, const char *name);
uint64_t vectors_number(const struct vectors *vectors, const char *name);
/* A field of exactly `length` bytes in hex, as they stand or reversed (numbers and hashes are
 * written most significant byte first). */
void vectors_bytes(const struct vectors *vectors, const char *name, uint8_t *bytes_r,
                   size_t length);
void vectors_reversed(const struct vectors *vectors, const char *name, uint8_t *bytes_r,
                      size_t length);
/* The bytes of hex text of any length; caller frees. */
uint8_t *vectors_unhex(const char *hex, size_t hex_length, size_t *length_r);
/* Calls for every part of a comma-separated field; returns how many there were. */
size_t vectors_each(const struct vectors *vectors, const char *name,
                    void (*part)(void *context, size_t index, const uint8_t *bytes, size_t length),
                    void *context);
