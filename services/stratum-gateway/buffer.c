#include "services/stratum-gateway/buffer.h"

#include <stdlib.h>

struct buffer *buffer_take(struct buffer_pool *pool, size_t capacity)
{
    struct buffer *buffer;
    if (capacity == BUFFER_USUAL_BYTES && pool->spare_count > 0)
        buffer = pool->spare[--pool->spare_count];
    else
        buffer = malloc(sizeof *buffer + capacity);
    if (buffer != NULL)
        *buffer = (struct buffer){ .capacity = capacity };
    return buffer;
}

void buffer_give(struct buffer_pool *pool, struct buffer **buffer)
{
    if (*buffer == NULL)
        return;
    if ((*buffer)->capacity == BUFFER_USUAL_BYTES && pool->spare_count < BUFFERS_SPARE_MAX)
        pool->spare[pool->spare_count++] = *buffer;
    else
        free(*buffer);
    *buffer = NULL;
}

void buffer_pool_deinit(struct buffer_pool *pool)
{
    while (pool->spare_count > 0)
        free(pool->spare[--pool->spare_count]);
}

void buffer_compact(struct buffer *buffer)
{
    memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
    buffer->end -= buffer->start;
    buffer->start = 0;
}

bool buffer_make_room(struct buffer_pool *pool, struct buffer **buffer, size_t bytes, size_t max)
{
    struct buffer *old = *buffer;
    size_t used = buffer_used(old);
    if (used + bytes > max)
        return false;
    if (old != NULL && old->capacity - old->end >= bytes)
        return true;
    if (old != NULL && old->capacity >= used + bytes) {
        buffer_compact(old);
        return true;
    }
    size_t capacity = BUFFER_USUAL_BYTES;
    while (capacity < used + bytes)
        capacity *= 2;
    struct buffer *larger = buffer_take(pool, capacity);
    if (larger == NULL)
        return false;
    if (used > 0)
        memcpy(larger->bytes, old->bytes + old->start, used);
    larger->end = used;
    buffer_give(pool, buffer);
    *buffer = larger;
    return true;
}
