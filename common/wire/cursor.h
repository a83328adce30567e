/* Writing and reading the primitive fields of a message. Both cursors are sticky: after the first
 * overflow or truncation every further call does nothing, and the end is checked once. They own
 * nothing; one thread at a time. */
#pragma once
#include "base/arena.h"

struct wire_writer {
    uint8_t *memory; /* borrowed; NULL only counts */
    size_t capacity_bytes;
    size_t used_bytes; /* also counted where memory is NULL */
    bool failed;       /* it did not fit, or a bound of the schema was broken */
};

struct wire_reader {
    struct span rest;
    struct arena *arena; /* lists and texts are placed here */
    bool failed;
};

void wire_put(struct wire_writer *writer, const void *data, size_t length);
void wire_put_u8(struct wire_writer *writer, uint8_t value);
void wire_put_u16(struct wire_writer *writer, uint16_t value);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
void wire_put_blob(struct wire_writer *writer, struct span blob, size_t max);
void wire_put_text(struct wire_writer *writer, const char *text, size_t max);
/* Writes a list's count; false (and failed) when it is over max. */
bool wire_put_count(struct wire_writer *writer, uint32_t count, uint32_t max);

void wire_get(struct wire_reader *reader, void *data_r, size_t length);
uint8_t wire_get_u8(struct wire_reader *reader);
uint16_t wire_get_u16(struct wire_reader *reader);
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
/* Borrowed from the message itself. */
struct span wire_get_blob(struct wire_reader *reader, size_t max);
/* Borrowed from the arena, NUL-terminated; "" after a failure. A NUL inside is a failure. */
const char *wire_get_text(struct wire_reader *reader, size_t max);
/* Room for a list of `count_r` elements in the arena; NULL when there are none or it failed. */
void *wire_get_list(struct wire_reader *reader, uint32_t max, size_t element_bytes,
                    uint32_t *count_r);
