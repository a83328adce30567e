/* Bytes on their way in or out of one connection, made only while there are any. Buffers of the
 * usual size are kept for the next connection that needs one. One thread. */
#pragma once
#include "base/bytes.h"

enum { BUFFER_USUAL_BYTES = 4096, BUFFERS_SPARE_MAX = 64 };

struct buffer {
    size_t capacity;
    size_t start;
    size_t end;
    char bytes[];
};

struct buffer_pool {
    struct buffer *spare[BUFFERS_SPARE_MAX];
    unsigned spare_count;
};

/* NULL where there is no memory. */
MUST_CHECK struct buffer *buffer_take(struct buffer_pool *pool, size_t capacity);
/* Gives *buffer back, which may be NULL, and sets it NULL. */
void buffer_give(struct buffer_pool *pool, struct buffer **buffer);
void buffer_pool_deinit(struct buffer_pool *pool);

/* How many bytes are in it; 0 where there is none. */
static inline size_t buffer_used(const struct buffer *buffer)
{
    return buffer != NULL ? buffer->end - buffer->start : 0;
}
/* Moves what is in it to its beginning. */
void buffer_compact(struct buffer *buffer);
/* Room for `bytes` more behind what is in it, in place or in a larger buffer (*buffer may be NULL,
 * and changes). False, and nothing changed, where that is more than `max` or than the memory. */
MUST_CHECK bool buffer_make_room(struct buffer_pool *pool, struct buffer **buffer, size_t bytes,
                                 size_t max);
