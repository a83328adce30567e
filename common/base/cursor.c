#include "base/cursor.h"

void cursor_put(struct cursor_writer *writer, const void *data, size_t length)
{
    if (writer->failed)
        return;
    if (writer->memory != NULL) {
        if (length > writer->capacity_bytes - writer->used_bytes) {
            writer->failed = true;
            return;
        }
        if (length > 0)
            memcpy(writer->memory + writer->used_bytes, data, length);
    }
    writer->used_bytes += length;
}

void cursor_put_u8(struct cursor_writer *writer, uint8_t value)
{
    cursor_put(writer, &value, 1);
}

void cursor_put_u16(struct cursor_writer *writer, uint16_t value)
{
    uint8_t bytes[2];
    store_le16(bytes, value);
    cursor_put(writer, bytes, sizeof bytes);
}

void cursor_put_u32(struct cursor_writer *writer, uint32_t value)
{
    uint8_t bytes[4];
    store_le32(bytes, value);
    cursor_put(writer, bytes, sizeof bytes);
}

void cursor_put_u64(struct cursor_writer *writer, uint64_t value)
{
    uint8_t bytes[8];
    store_le64(bytes, value);
    cursor_put(writer, bytes, sizeof bytes);
}

void cursor_put_u128(struct cursor_writer *writer, u128 value)
{
    uint8_t bytes[16];
    store_le64(bytes, (uint64_t)value);
    store_le64(bytes + 8, (uint64_t)(value >> 64));
    cursor_put(writer, bytes, sizeof bytes);
}

struct span cursor_get_span(struct cursor_reader *reader, size_t length)
{
    if (reader->failed || length > reader->rest.length) {
        reader->failed = true;
        return span_of(NULL, 0);
    }
    struct span taken = span_of(reader->rest.data, length);
    if (length > 0)
        reader->rest = span_of(reader->rest.data + length, reader->rest.length - length);
    return taken;
}

void cursor_get(struct cursor_reader *reader, void *data_r, size_t length)
{
    struct span taken = cursor_get_span(reader, length);
    if (reader->failed)
        memset(data_r, 0, length);
    else if (length > 0)
        memcpy(data_r, taken.data, length);
}

uint8_t cursor_get_u8(struct cursor_reader *reader)
{
    uint8_t value;
    cursor_get(reader, &value, 1);
    return value;
}

uint16_t cursor_get_u16(struct cursor_reader *reader)
{
    uint8_t bytes[2];
    cursor_get(reader, bytes, sizeof bytes);
    return load_le16(bytes);
}

uint32_t cursor_get_u32(struct cursor_reader *reader)
{
    uint8_t bytes[4];
    cursor_get(reader, bytes, sizeof bytes);
    return load_le32(bytes);
}

uint64_t cursor_get_u64(struct cursor_reader *reader)
{
    uint8_t bytes[8];
    cursor_get(reader, bytes, sizeof bytes);
    return load_le64(bytes);
}

u128 cursor_get_u128(struct cursor_reader *reader)
{
    uint8_t bytes[16];
    cursor_get(reader, bytes, sizeof bytes);
    return (u128)load_le64(bytes + 8) << 64 | load_le64(bytes);
}
