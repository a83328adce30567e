/* The schemas are read twice more here: once to write each message, once to read it. */
#include "wire/messages.h"

#define MESSAGE(name, type, version)                                                               \
    static void put_##name(struct cursor_writer *w, const struct wire_##name *m)                   \
    {
#define RECORD(name) MESSAGE(name, 0, 0)
#define U8(field) cursor_put_u8(w, m->field);
#define U16(field) cursor_put_u16(w, m->field);
#define U32(field) cursor_put_u32(w, m->field);
#define U64(field) cursor_put_u64(w, m->field);
#define BYTES(field, length) cursor_put(w, m->field, length);
#define BLOB(field, max) wire_put_blob(w, m->field, max);
#define TEXT(field, max) wire_put_text(w, m->field, max);
#define LIST(field, record, max)                                                                   \
    if (wire_put_count(w, m->field##_count, max))                                                  \
        for (uint32_t i = 0; i < m->field##_count && !w->failed; i++)                              \
            put_##record(w, &m->field[i]);
#define END(name) }
#include "proto/all.def"
#include "wire/undefine.h"

#define MESSAGE(name, type, version)                                                               \
    static void get_##name(struct wire_reader *r, struct wire_##name *m)                           \
    {
#define RECORD(name) MESSAGE(name, 0, 0)
#define U8(field) m->field = cursor_get_u8(&r->cursor);
#define U16(field) m->field = cursor_get_u16(&r->cursor);
#define U32(field) m->field = cursor_get_u32(&r->cursor);
#define U64(field) m->field = cursor_get_u64(&r->cursor);
#define BYTES(field, length) cursor_get(&r->cursor, m->field, length);
#define BLOB(field, max) m->field = wire_get_blob(r, max);
#define TEXT(field, max) m->field = wire_get_text(r, max);
#define LIST(field, record, max)                                                                   \
    m->field = wire_get_list(r, max, sizeof *m->field, &m->field##_count);                         \
    for (uint32_t i = 0; i < m->field##_count && !r->cursor.failed; i++)                           \
        get_##record(r, &m->field[i]);
#define END(name) }
#include "proto/all.def"
#include "wire/undefine.h"

static size_t finish(const struct cursor_writer *writer)
{
    return writer->failed ? 0 : writer->used_bytes;
}

static void put_header(struct cursor_writer *writer, uint8_t type, uint8_t version)
{
    const uint8_t header[WIRE_HEADER_BYTES] = { WIRE_MAGIC_0, WIRE_MAGIC_1, type, version };
    cursor_put(writer, header, sizeof header);
}

/* Leaves *reader behind the header. */
static bool open_message(struct span bytes, struct arena *arena, uint8_t type, uint8_t version,
                         struct wire_reader *reader, struct error *error)
{
    enum wire_type found;
    if (!wire_peek(bytes, &found, error))
        return false;
    if (found != type)
        return error_set(error, ERROR_INVALID, "a %s message came where a %s was expected",
                         wire_type_name(found), wire_type_name((enum wire_type)type));
    if (bytes.data[3] != version)
        return error_set(error, ERROR_INVALID,
                         "%s message of version %u is not known here (this process speaks %u): "
                         "run the same release everywhere",
                         wire_type_name(found), bytes.data[3], version);
    *reader = (struct wire_reader){
        .cursor = { .rest = { bytes.data + WIRE_HEADER_BYTES, bytes.length - WIRE_HEADER_BYTES } },
        .arena = arena,
    };
    return true;
}

static bool close_message(const struct wire_reader *reader, uint8_t type, struct error *error)
{
    const char *name = wire_type_name((enum wire_type)type);
    if (reader->cursor.failed)
        return error_set(error, ERROR_INVALID, "%s message is truncated or breaks a bound", name);
    if (reader->cursor.rest.length != 0)
        return error_set(error, ERROR_INVALID, "%s message has %zu bytes too many", name,
                         reader->cursor.rest.length);
    return true;
}

#define MESSAGE(name, type, version)                                                               \
    size_t wire_encode_##name(const struct wire_##name *message, uint8_t *memory,                  \
                              size_t capacity_bytes)                                               \
    {                                                                                              \
        struct cursor_writer writer = { .memory = memory, .capacity_bytes = capacity_bytes };      \
        put_header(&writer, type, version);                                                        \
        put_##name(&writer, message);                                                              \
        return finish(&writer);                                                                    \
    }                                                                                              \
    bool wire_decode_##name(struct span bytes, struct arena *arena, struct wire_##name *message_r, \
                            struct error *error)                                                   \
    {                                                                                              \
        struct wire_reader reader;                                                                 \
        if (!open_message(bytes, arena, type, version, &reader, error))                            \
            return false;                                                                          \
        get_##name(&reader, message_r);                                                            \
        return close_message(&reader, type, error);                                                \
    }
#include "wire/ignore_fields.h"
#include "proto/all.def"

bool wire_peek(struct span bytes, enum wire_type *type_r, struct error *error)
{
    if (bytes.length < WIRE_HEADER_BYTES || bytes.data[0] != WIRE_MAGIC_0 ||
        bytes.data[1] != WIRE_MAGIC_1)
        return error_set(error, ERROR_INVALID, "not a message of this pool (%zu bytes)",
                         bytes.length);
    *type_r = (enum wire_type)bytes.data[2];
    return true;
}

#undef MESSAGE
#define MESSAGE(name, type, version)                                                               \
    case type:                                                                                     \
        return #name;
const char *wire_type_name(enum wire_type type)
{
    switch ((int)type) {
#include "proto/all.def"
    default:
        return "unknown";
    }
}
#include "wire/undefine.h"
