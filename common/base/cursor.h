/* Writing and reading bytes in turn: integers little-endian, everything bounded. Both cursors are
 * sticky: after the first overflow or lack every further call does nothing (a read gives zeros),
 * and the end is checked once. They own nothing; one thread at a time. */
#pragma once
#include "base/bytes.h"

struct cursor_writer {
    uint8_t *memory; /* borrowed; NULL only counts */
    size_t capacity_bytes;
    size_t used_bytes; /* also counted where memory is NULL */
    bool failed;       /* it did not fit */
};

void cursor_put(struct cursor_writer *writer, const void *data, size_t length);
void cursor_put_u8(struct cursor_writer *writer, uint8_t value);
void cursor_put_u16(struct cursor_writer *writer, uint16_t value);
void cursor_put_u32(struct cursor_writer *writer, uint32_t value);
void cursor_put_u64(struct cursor_writer *writer, uint64_t value);
void cursor_put_u128(struct cursor_writer *writer, u128 value);

struct cursor_reader {
    struct span rest; /* borrowed */
    bool failed;      /* there was less than was asked for */
};

void cursor_get(struct cursor_reader *reader, void *data_r, size_t length);
uint8_t cursor_get_u8(struct cursor_reader *reader);
uint16_t cursor_get_u16(struct cursor_reader *reader);
uint32_t cursor_get_u32(struct cursor_reader *reader);
uint64_t cursor_get_u64(struct cursor_reader *reader);
u128 cursor_get_u128(struct cursor_reader *reader);
/* The next `length` bytes, borrowed from the reader's own; empty after a lack. */
struct span cursor_get_span(struct cursor_reader *reader, size_t length);
/* Whether nothing lacked and nothing is left. */
static inline bool cursor_ended(const struct cursor_reader *reader)
{
    return !reader->failed && reader->rest.length == 0;
}
