/* Frames of a client (RFC 6455, 5). A message's payload is handed on as it comes, unmasked where it
 * lies; only a control frame, of 125 bytes at the most, is gathered.
 *
 *   head ─▶ payload ─▶ head …      a text message's bytes pass the UTF-8 reader on the way
 */
#include "core/websocket/websocket.h"

void websocket_reader_init(struct websocket_reader *reader, uint64_t message_max)
{
    memset(reader, 0, sizeof *reader);
    reader->message_max = message_max;
}

/* UTF-8 (RFC 3629), a byte at a time. The state is 0 between characters; else how many bytes are
 * to come (low byte), and the bounds of the next one, by which overlong forms, surrogates and what
 * lies beyond U+10FFFF are told. */
enum { TEXT_BAD = UINT32_MAX >> 1 };

static uint32_t text_state(unsigned left, unsigned low, unsigned high)
{
    return (uint32_t)(left | low << 8 | high << 16);
}

static uint32_t text_first(uint8_t c)
{
    if (c < 0x80)
        return 0;
    if (c >= 0xc2 && c <= 0xdf)
        return text_state(1, 0x80, 0xbf);
    if (c >= 0xe0 && c <= 0xef)
        return text_state(2, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf);
    if (c >= 0xf0 && c <= 0xf4)
        return text_state(3, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf);
    return TEXT_BAD;
}

static uint32_t text_next(uint32_t state, uint8_t c)
{
    unsigned left = state & 0xff, low = state >> 8 & 0xff, high = state >> 16 & 0xff;
    if (left == 0)
        return text_first(c);
    if (c < low || c > high)
        return TEXT_BAD;
    return left > 1 ? text_state(left - 1, 0x80, 0xbf) : 0;
}

static struct websocket_event failed(struct websocket_reader *reader, uint16_t status)
{
    reader->over = true;
    return (struct websocket_event){ .kind = WEBSOCKET_EVENT_FAILED, .status = status };
}

static size_t head_length(const struct websocket_reader *reader)
{
    if (reader->head_bytes < 2)
        return 2;
    unsigned length = reader->head[1] & 0x7f;
    return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + 4;
}

/* The payload's length as the head says; UINT64_MAX where it is not written as short as it can be
 * (5.2), or has its highest bit set. */
static uint64_t payload_length(const uint8_t *head)
{
    unsigned length = head[1] & 0x7f;
    if (length < 126)
        return length;
    if (length == 126) {
        unsigned two = (unsigned)(head[2] << 8 | head[3]);
        return two >= 126 ? two : UINT64_MAX;
    }
    uint64_t eight = load_be64(head + 2);
    return eight > 0xffff && eight >> 63 == 0 ? eight : UINT64_MAX;
}

/* The head is there: is the frame allowed here? 0, or the status to fail with. */
static uint16_t begin_frame(struct websocket_reader *reader)
{
    const uint8_t *head = reader->head;
    uint8_t opcode = head[0] & 15;
    bool fin = (head[0] & 0x80) != 0, control = (opcode & 8) != 0;
    uint64_t length = payload_length(head);
    if ((head[0] & 0x70) != 0 || (head[1] & 0x80) == 0 || length == UINT64_MAX)
        return WEBSOCKET_PROTOCOL; /* reserved bits, no mask, a length spelt wrong */
    if (control ? opcode > WEBSOCKET_PONG : opcode > WEBSOCKET_BINARY)
        return WEBSOCKET_PROTOCOL;
    memcpy(reader->mask, head + head_length(reader) - 4, 4);
    reader->mask_place = 0;
    reader->opcode = opcode;
    reader->left = length;
    reader->control_bytes = 0;
    if (control)
        return !fin || length > WEBSOCKET_CONTROL_MAX ? WEBSOCKET_PROTOCOL : 0;
    if ((opcode == WEBSOCKET_CONTINUATION) != reader->in_message)
        return WEBSOCKET_PROTOCOL;
    if (opcode == WEBSOCKET_BINARY)
        return WEBSOCKET_UNSUPPORTED; /* Stratum is text */
    if (!reader->in_message) {
        reader->message_bytes = 0;
        reader->text_state = 0;
    }
    reader->in_message = true;
    reader->fin = fin;
    if (length > reader->message_max - reader->message_bytes)
        return WEBSOCKET_TOO_BIG;
    reader->message_bytes += length;
    return 0;
}

static void unmask(struct websocket_reader *reader, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] ^= reader->mask[(reader->mask_place + i) & 3];
    reader->mask_place = (uint8_t)((reader->mask_place + length) & 3);
}

/* A close frame's status, to be echoed; 0 where it is malformed (5.5.1, 7.4). */
static uint16_t close_status(const struct websocket_reader *reader)
{
    uint32_t state = 0;
    if (reader->control_bytes == 0)
        return WEBSOCKET_NORMAL;
    if (reader->control_bytes == 1)
        return 0;
    unsigned status = (unsigned)(reader->control[0] << 8 | reader->control[1]);
    bool known = (status >= 1000 && status <= 1003) || (status >= 1007 && status <= 1014) ||
                 (status >= 3000 && status <= 4999);
    for (unsigned i = 2; i < reader->control_bytes && state != TEXT_BAD; i++)
        state = text_next(state, reader->control[i]);
    return known && state == 0 ? (uint16_t)status : 0;
}

static struct websocket_event end_control(struct websocket_reader *reader)
{
    struct websocket_event event = { .payload = span_of(reader->control, reader->control_bytes) };
    reader->in_payload = false;
    if (reader->opcode != WEBSOCKET_CLOSE) {
        event.kind = reader->opcode == WEBSOCKET_PING ? WEBSOCKET_EVENT_PING : WEBSOCKET_EVENT_PONG;
        return event;
    }
    event.status = close_status(reader);
    if (event.status == 0)
        return failed(reader, WEBSOCKET_PROTOCOL);
    event.kind = WEBSOCKET_EVENT_CLOSE;
    reader->over = true;
    return event;
}

/* Part of a message: *length of it are there. */
static struct websocket_event take_data(struct websocket_reader *reader, uint8_t *bytes,
                                        size_t length)
{
    for (size_t i = 0; i < length; i++) {
        reader->text_state = text_next(reader->text_state, bytes[i]);
        if (reader->text_state == TEXT_BAD)
            return failed(reader, WEBSOCKET_NOT_TEXT);
    }
    if (reader->left == 0) {
        reader->in_payload = false;
        if (reader->fin) {
            reader->in_message = false;
            reader->end_due = true;
            if (reader->text_state != 0)
                return failed(reader, WEBSOCKET_NOT_TEXT);
        }
    }
    return (struct websocket_event){ .kind =
                                         length > 0 ? WEBSOCKET_EVENT_DATA : WEBSOCKET_EVENT_NONE,
                                     .payload = span_of(bytes, length) };
}

static struct websocket_event take_payload(struct websocket_reader *reader, uint8_t *bytes,
                                           size_t length, size_t *used)
{
    size_t part = length < reader->left ? length : (size_t)reader->left;
    bool control = (reader->opcode & 8) != 0;
    unmask(reader, bytes, part);
    *used += part;
    reader->left -= part;
    if (!control)
        return take_data(reader, bytes, part);
    memcpy(reader->control + reader->control_bytes, bytes, part);
    reader->control_bytes = (uint8_t)(reader->control_bytes + part);
    return reader->left == 0 ? end_control(reader)
                             : (struct websocket_event){ .kind = WEBSOCKET_EVENT_NONE };
}

struct websocket_event websocket_reader_take(struct websocket_reader *reader, uint8_t *bytes,
                                             size_t length, size_t *used_r)
{
    struct websocket_event event = { .kind = WEBSOCKET_EVENT_NONE };
    *used_r = 0;
    while (!reader->over) {
        if (reader->end_due) {
            reader->end_due = false;
            event.kind = WEBSOCKET_EVENT_END;
            return event;
        }
        /* A frame without payload ends where its head does. */
        if (reader->in_payload && (*used_r < length || reader->left == 0)) {
            event = take_payload(reader, bytes + *used_r, length - *used_r, used_r);
            if (event.kind != WEBSOCKET_EVENT_NONE)
                return event;
            continue;
        }
        if (*used_r == length)
            return event;
        reader->head[reader->head_bytes++] = bytes[(*used_r)++];
        if (reader->head_bytes < 2 || reader->head_bytes < head_length(reader))
            continue;
        uint16_t status = begin_frame(reader);
        if (status != 0)
            return failed(reader, status);
        reader->head_bytes = 0;
        reader->in_payload = true;
    }
    *used_r = length;
    return event;
}

size_t websocket_head_print(enum websocket_opcode opcode, size_t payload_bytes,
                            uint8_t head_r[WEBSOCKET_HEAD_MAX])
{
    head_r[0] = (uint8_t)(0x80 | opcode);
    if (payload_bytes < 126) {
        head_r[1] = (uint8_t)payload_bytes;
        return 2;
    }
    if (payload_bytes <= 0xffff) {
        head_r[1] = 126;
        head_r[2] = (uint8_t)(payload_bytes >> 8);
        head_r[3] = (uint8_t)payload_bytes;
        return 4;
    }
    head_r[1] = 127;
    store_be64(head_r + 2, payload_bytes);
    return 10;
}

size_t websocket_close_print(uint16_t status, uint8_t frame_r[4])
{
    frame_r[0] = 0x80 | WEBSOCKET_CLOSE;
    frame_r[1] = 2;
    frame_r[2] = (uint8_t)(status >> 8);
    frame_r[3] = (uint8_t)status;
    return 4;
}
