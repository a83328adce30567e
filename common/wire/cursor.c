#include "wire/cursor.h"

void wire_put_blob(struct cursor_writer *writer, struct span blob, size_t max)
{
    if (blob.length > max) {
        writer->failed = true;
        return;
    }
    cursor_put_u32(writer, (uint32_t)blob.length);
    cursor_put(writer, blob.data, blob.length);
}

void wire_put_text(struct cursor_writer *writer, const char *text, size_t max)
{
    size_t length = text == NULL ? 0 : strlen(text);
    if (length > max) {
        writer->failed = true;
        return;
    }
    cursor_put_u16(writer, (uint16_t)length);
    cursor_put(writer, text, length);
}

bool wire_put_count(struct cursor_writer *writer, uint32_t count, uint32_t max)
{
    if (count > max)
        writer->failed = true;
    cursor_put_u32(writer, count);
    return !writer->failed;
}

static struct span get_span(struct wire_reader *reader, size_t length, size_t max)
{
    reader->cursor.failed = reader->cursor.failed || length > max;
    return cursor_get_span(&reader->cursor, length);
}

struct span wire_get_blob(struct wire_reader *reader, size_t max)
{
    uint32_t length = cursor_get_u32(&reader->cursor);
    return get_span(reader, length, max);
}

const char *wire_get_text(struct wire_reader *reader, size_t max)
{
    uint16_t length = cursor_get_u16(&reader->cursor);
    struct span text = get_span(reader, length, max);
    if (reader->cursor.failed || (text.length > 0 && memchr(text.data, 0, text.length) != NULL)) {
        reader->cursor.failed = true;
        return "";
    }
    if (text.length == 0)
        return "";
    const char *copy = arena_text(reader->arena, text);
    if (copy == NULL) {
        reader->cursor.failed = true;
        return "";
    }
    return copy;
}

void *wire_get_list(struct wire_reader *reader, uint32_t max, size_t element_bytes,
                    uint32_t *count_r)
{
    uint32_t count = cursor_get_u32(&reader->cursor);
    *count_r = 0;
    /* No record is shorter than a byte, so a count beyond the rest of the message is a lie; said
     * before memory is asked for. */
    if (reader->cursor.failed || count > max || count > reader->cursor.rest.length) {
        reader->cursor.failed = true;
        return NULL;
    }
    if (count == 0)
        return NULL;
    void *list = arena_take(reader->arena, count * element_bytes);
    if (list == NULL) {
        reader->cursor.failed = true;
        return NULL;
    }
    *count_r = count;
    return list;
}
