/* The fields of a message that are more than integers, over base/cursor: what a schema bounds, and
 * what is placed in an arena. As sticky as that. */
#pragma once
#include "base/arena.h"
#include "base/cursor.h"

struct wire_reader {
    struct cursor_reader cursor;
    struct arena *arena; /* lists and texts are placed here */
};

/* They fail where the value is longer than `max`. */
void wire_put_blob(struct cursor_writer *writer, struct span blob, size_t max);
void wire_put_text(struct cursor_writer *writer, const char *text, size_t max);
/* Writes a list's count; false (and failed) when it is over max. */
bool wire_put_count(struct cursor_writer *writer, uint32_t count, uint32_t max);

/* Borrowed from the message itself. */
struct span wire_get_blob(struct wire_reader *reader, size_t max);
/* Borrowed from the arena, NUL-terminated; "" after a failure. A NUL inside is a failure. */
const char *wire_get_text(struct wire_reader *reader, size_t max);
/* Room for a list of `count_r` elements in the arena; NULL when there are none or it failed. */
void *wire_get_list(struct wire_reader *reader, uint32_t max, size_t element_bytes,
                    uint32_t *count_r);
