#include "tools/devnode/consensus/buffer.h"

#include <stdlib.h>

void *memory_take(size_t bytes)
{
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    ASSERT(memory != NULL);
    return memory;
}

void buffer_deinit(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){ 0 };
}

void buffer_put(struct buffer *buffer, const void *data, size_t length)
{
    if (length == 0)
        return;
    if (buffer->length + length > buffer->capacity) {
        size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
        while (capacity < buffer->length + length)
            capacity *= 2;
        uint8_t *grown = realloc(buffer->data, capacity);
        ASSERT(grown != NULL);
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

void buffer_put_u8(struct buffer *buffer, uint8_t value)
{
    buffer_put(buffer, &value, 1);
}

void buffer_put_le32(struct buffer *buffer, uint32_t value)
{
    uint8_t bytes[4];
    store_le32(bytes, value);
    buffer_put(buffer, bytes, sizeof bytes);
}

void buffer_put_le64(struct buffer *buffer, uint64_t value)
{
    uint8_t bytes[8];
    store_le64(bytes, value);
    buffer_put(buffer, bytes, sizeof bytes);
}

void buffer_put_compact(struct buffer *buffer, uint64_t value)
{
    uint8_t bytes[9];
    size_t length;
    if (value < 0xfd) {
        bytes[0] = (uint8_t)value;
        length = 1;
    } else if (value <= 0xffff) {
        bytes[0] = 0xfd;
        store_le16(bytes + 1, (uint16_t)value);
        length = 3;
    } else if (value <= 0xffffffff) {
        bytes[0] = 0xfe;
        store_le32(bytes + 1, (uint32_t)value);
        length = 5;
    } else {
        bytes[0] = 0xff;
        store_le64(bytes + 1, value);
        length = 9;
    }
    buffer_put(buffer, bytes, length);
}

const uint8_t *reader_take(struct reader *reader, size_t length)
{
    if (reader->failed || (size_t)(reader->end - reader->at) < length) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *taken = reader->at;
    reader->at += length;
    return taken;
}

uint8_t reader_u8(struct reader *reader)
{
    const uint8_t *p = reader_take(reader, 1);
    return p == NULL ? 0 : p[0];
}

uint32_t reader_le32(struct reader *reader)
{
    const uint8_t *p = reader_take(reader, 4);
    return p == NULL ? 0 : load_le32(p);
}

uint64_t reader_le64(struct reader *reader)
{
    const uint8_t *p = reader_take(reader, 8);
    return p == NULL ? 0 : load_le64(p);
}

uint64_t reader_compact(struct reader *reader)
{
    uint8_t first = reader_u8(reader);
    if (first < 0xfd)
        return first;
    uint64_t value;
    uint64_t least;
    if (first == 0xfd) {
        const uint8_t *p = reader_take(reader, 2);
        value = p == NULL ? 0 : load_le16(p);
        least = 0xfd;
    } else if (first == 0xfe) {
        value = reader_le32(reader);
        least = 0x10000;
    } else {
        value = reader_le64(reader);
        least = UINT64_C(0x100000000);
    }
    if (value < least)
        reader->failed = true;
    return reader->failed ? 0 : value;
}
