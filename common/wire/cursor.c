#include "wire/cursor.h"

void wire_put(struct wire_writer *writer, const void *data, size_t length)
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

void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
    wire_put(writer, &value, 1);
}

void wire_put_u16(struct wire_writer *writer, uint16_t value)
{
    uint8_t bytes[2];
    store_le16(bytes, value);
    wire_put(writer, bytes, sizeof bytes);
}

void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
    uint8_t bytes[4];
    store_le32(bytes, value);
    wire_put(writer, bytes, sizeof bytes);
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
    uint8_t bytes[8];
    store_le64(bytes, value);
    wire_put(writer, bytes, sizeof bytes);
}

void wire_put_blob(struct wire_writer *writer, struct span blob, size_t max)
{
    if (blob.length > max) {
        writer->failed = true;
        return;
    }
    wire_put_u32(writer, (uint32_t)blob.length);
    wire_put(writer, blob.data, blob.length);
}

void wire_put_text(struct wire_writer *writer, const char *text, size_t max)
{
    size_t length = text == NULL ? 0 : strlen(text);
    if (length > max) {
        writer->failed = true;
        return;
    }
    wire_put_u16(writer, (uint16_t)length);
    wire_put(writer, text, length);
}

bool wire_put_count(struct wire_writer *writer, uint32_t count, uint32_t max)
{
    if (count > max)
        writer->failed = true;
    wire_put_u32(writer, count);
    return !writer->failed;
}

void wire_get(struct wire_reader *reader, void *data_r, size_t length)
{
    if (reader->failed || length > reader->rest.length) {
        reader->failed = true;
        memset(data_r, 0, length);
        return;
    }
    memcpy(data_r, reader->rest.data, length);
    reader->rest.data += length;
    reader->rest.length -= length;
}

uint8_t wire_get_u8(struct wire_reader *reader)
{
    uint8_t value;
    wire_get(reader, &value, 1);
    return value;
}

uint16_t wire_get_u16(struct wire_reader *reader)
{
    uint8_t bytes[2];
    wire_get(reader, bytes, sizeof bytes);
    return load_le16(bytes);
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
    uint8_t bytes[4];
    wire_get(reader, bytes, sizeof bytes);
    return load_le32(bytes);
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
    uint8_t bytes[8];
    wire_get(reader, bytes, sizeof bytes);
    return load_le64(bytes);
}

static struct span get_span(struct wire_reader *reader, size_t length, size_t max)
{
    if (reader->failed || length > max || length > reader->rest.length) {
        reader->failed = true;
        return (struct span){ NULL, 0 };
    }
    struct span taken = { reader->rest.data, length };
    reader->rest.data += length;
    reader->rest.length -= length;
    return taken;
}

struct span wire_get_blob(struct wire_reader *reader, size_t max)
{
    uint32_t length = wire_get_u32(reader);
    return get_span(reader, length, max);
}

const char *wire_get_text(struct wire_reader *reader, size_t max)
{
    uint16_t length = wire_get_u16(reader);
    struct span text = get_span(reader, length, max);
    if (reader->failed || (text.length > 0 && memchr(text.data, 0, text.length) != NULL)) {
        reader->failed = true;
        return "";
    }
    if (text.length == 0)
        return "";
    const char *copy = arena_text(reader->arena, text);
    if (copy == NULL) {
        reader->failed = true;
        return "";
    }
    return copy;
}

void *wire_get_list(struct wire_reader *reader, uint32_t max, size_t element_bytes,
                    uint32_t *count_r)
{
    uint32_t count = wire_get_u32(reader);
    *count_r = 0;
    /* No record is shorter than a byte, so a count beyond the rest of the message is a lie; said
     * before memory is asked for. */
    if (reader->failed || count > max || count > reader->rest.length) {
        reader->failed = true;
        return NULL;
    }
    if (count == 0)
        return NULL;
    void *list = arena_take(reader->arena, count * element_bytes);
    if (list == NULL) {
        reader->failed = true;
        return NULL;
    }
    *count_r = count;
    return list;
}
