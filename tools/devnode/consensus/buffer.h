/* Growable bytes for writing and a bounded cursor for reading serialised transactions and blocks.
 * The buffer's memory belongs to it until buffer_deinit; running out of memory aborts, since this
 * program serves demos and tests. A reader borrows its bytes, and once it has failed stays failed,
 * so that a sequence of reads needs one check at its end. One thread at a time. */
#pragma once
#include "base/bytes.h"

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

void buffer_deinit(struct buffer *buffer);
void buffer_put(struct buffer *buffer, const void *data, size_t length);
void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_le32(struct buffer *buffer, uint32_t value);
void buffer_put_le64(struct buffer *buffer, uint64_t value);
/* A length in Bitcoin's compact form (1, 3, 5 or 9 bytes). */
void buffer_put_compact(struct buffer *buffer, uint64_t value);

static inline struct span buffer_span(const struct buffer *buffer)
{
    return span_of(buffer->data, buffer->length);
}

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_over(struct span bytes)
{
    return (struct reader){ bytes.data, bytes.data + bytes.length, false };
}
static inline size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

/* The next `length` bytes, borrowed from the reader's memory; NULL (and failed) where they are not
 * there. */
const uint8_t *reader_take(struct reader *reader, size_t length);
/* 0 where the bytes are not there. */
uint8_t reader_u8(struct reader *reader);
uint32_t reader_le32(struct reader *reader);
uint64_t reader_le64(struct reader *reader);
/* A compact length; only the shortest form is allowed, as Bitcoin's own decoder demands. */
uint64_t reader_compact(struct reader *reader);

/* malloc/calloc that abort when there is no memory; caller owns. */
void *memory_take(size_t bytes);
