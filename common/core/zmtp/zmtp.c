/*   greeting (64) ──▶ READY (a command) ──▶ messages: frames with MORE, the last without
 *
 *   frame: flags (1) · length (1, or 8 with LONG) · body;  MORE 1, LONG 2, COMMAND 4 */
#include "core/zmtp/zmtp.h"

enum { GREETING, FLAGS, LENGTH, BODY, OVER };
enum { FLAG_MORE = 1, FLAG_LONG = 2, FLAG_COMMAND = 4 };
enum { VERSION_AT = 10, MECHANISM_AT = 12, MECHANISM_BYTES = 20 };

static const uint8_t mechanism[MECHANISM_BYTES] = "NULL";

const char *zmtp_event_text(enum zmtp_event event)
{
    static const char *const texts[] = {
#define X(name, text) text,
        ZMTP_EVENTS(X)
#undef X
    };
    ASSERT((size_t)event < sizeof texts / sizeof *texts);
    return texts[event];
}

static void expect(struct zmtp *zmtp, int stage, size_t wanted)
{
    zmtp->stage = stage;
    zmtp->filled = 0;
    zmtp->wanted = wanted;
}

void zmtp_begin(struct zmtp *zmtp)
{
    memset(zmtp, 0, sizeof *zmtp);
    expect(zmtp, GREETING, ZMTP_GREETING_BYTES);
}

static enum zmtp_event end(struct zmtp *zmtp, enum zmtp_event event)
{
    zmtp->stage = OVER;
    zmtp->flags = (uint8_t)event;
    return event;
}

/* Signature, version 3 or later, mechanism; what follows is of no concern to a client. */
static enum zmtp_event read_greeting(struct zmtp *zmtp)
{
    const uint8_t *at = zmtp->held;
    if (at[0] != 0xff || at[9] != 0x7f || at[VERSION_AT] < 3)
        return end(zmtp, ZMTP_NO_ZMTP);
    if (memcmp(at + MECHANISM_AT, mechanism, MECHANISM_BYTES) != 0)
        return end(zmtp, ZMTP_MECHANISM);
    expect(zmtp, FLAGS, 1);
    return ZMTP_GREETED;
}

/* The value of a property in READY's metadata: name length (1), name, value length (4), value. */
static struct span property(const uint8_t *at, size_t length, const char *name)
{
    while (length > 0) {
        size_t name_bytes = at[0];
        if (length < 1 + name_bytes + 4)
            break;
        size_t value_bytes = load_be32(at + 1 + name_bytes);
        if (length - 1 - name_bytes - 4 < value_bytes)
            break;
        struct span value = span_of(at + 1 + name_bytes + 4, value_bytes);
        if (span_equal(span_of(at + 1, name_bytes), span_text(name)))
            return value;
        at += 1 + name_bytes + 4 + value_bytes;
        length -= 1 + name_bytes + 4 + value_bytes;
    }
    return span_of(NULL, 0);
}

/* READY says what the other side is; others (PING of later versions) may stay unanswered. */
static enum zmtp_event read_command(struct zmtp *zmtp)
{
    const uint8_t *at = zmtp->held;
    size_t length = zmtp->wanted, name = length > 0 ? at[0] : 0;
    if (length < 1 + name)
        return end(zmtp, ZMTP_BAD_FRAME);
    struct span command = span_of(at + 1, name);
    expect(zmtp, FLAGS, 1);
    if (span_equal(command, span_text("ERROR")))
        return end(zmtp, ZMTP_REFUSED);
    if (!span_equal(command, span_text("READY")))
        return ZMTP_MORE;
    struct span type = property(at + 1 + name, length - 1 - name, "Socket-Type");
    if (!span_equal(type, span_text("PUB")) && !span_equal(type, span_text("XPUB")))
        return end(zmtp, ZMTP_NO_PUBLISHER);
    return ZMTP_READY;
}

static enum zmtp_event read_body(struct zmtp *zmtp)
{
    if ((zmtp->flags & FLAG_COMMAND) != 0)
        return read_command(zmtp);
    if (zmtp->count == ZMTP_PARTS_MAX)
        return end(zmtp, ZMTP_TOO_LONG);
    struct zmtp_part *part = &zmtp->parts[zmtp->count++];
    part->length = (uint8_t)zmtp->wanted;
    memcpy(part->data, zmtp->held, zmtp->wanted);
    expect(zmtp, FLAGS, 1);
    return (zmtp->flags & FLAG_MORE) != 0 ? ZMTP_MORE : ZMTP_MESSAGE;
}

static enum zmtp_event read_length(struct zmtp *zmtp)
{
    uint64_t length = zmtp->wanted == 8 ? load_be64(zmtp->held) : zmtp->held[0];
    if (length > ZMTP_FRAME_BYTES_MAX)
        return end(zmtp, ZMTP_TOO_LONG);
    expect(zmtp, BODY, (size_t)length);
    return ZMTP_MORE;
}

/* What was waited for is there. */
static enum zmtp_event go_on(struct zmtp *zmtp)
{
    switch (zmtp->stage) {
    case GREETING:
        return read_greeting(zmtp);
    case FLAGS:
        zmtp->flags = zmtp->held[0];
        if ((zmtp->flags & ~(FLAG_MORE | FLAG_LONG | FLAG_COMMAND)) != 0 ||
            (zmtp->flags & (FLAG_MORE | FLAG_COMMAND)) == (FLAG_MORE | FLAG_COMMAND))
            return end(zmtp, ZMTP_BAD_FRAME);
        expect(zmtp, LENGTH, (zmtp->flags & FLAG_LONG) != 0 ? 8 : 1);
        return ZMTP_MORE;
    case LENGTH:
        return read_length(zmtp);
    default:
        return read_body(zmtp);
    }
}

enum zmtp_event zmtp_next(struct zmtp *zmtp, struct span *input)
{
    if (zmtp->stage == OVER)
        return (enum zmtp_event)zmtp->flags;
    if (zmtp->stage == FLAGS && zmtp->filled == 0 && (zmtp->flags & FLAG_MORE) == 0)
        zmtp->count = 0; /* a new message */
    for (;;) {
        size_t take = zmtp->wanted - zmtp->filled;
        if (take > input->length)
            take = input->length;
        if (take > 0)
            memcpy(zmtp->held + zmtp->filled, input->data, take);
        zmtp->filled += take;
        *input = span_of(input->data + take, input->length - take);
        if (zmtp->filled < zmtp->wanted)
            return ZMTP_MORE;
        enum zmtp_event event = go_on(zmtp);
        if (event != ZMTP_MORE)
            return event;
    }
}

size_t zmtp_print_greeting(uint8_t bytes_r[ZMTP_SEND_BYTES_MAX])
{
    memset(bytes_r, 0, ZMTP_GREETING_BYTES);
    bytes_r[0] = 0xff;
    bytes_r[9] = 0x7f;
    bytes_r[VERSION_AT] = 3;
    memcpy(bytes_r + MECHANISM_AT, mechanism, MECHANISM_BYTES);
    return ZMTP_GREETING_BYTES;
}

size_t zmtp_print_ready(uint8_t bytes_r[ZMTP_SEND_BYTES_MAX])
{
    static const uint8_t ready[] = "\4\x19\5READY\13Socket-Type\0\0\0\3SUB";
    memcpy(bytes_r, ready, sizeof ready - 1);
    return sizeof ready - 1;
}

size_t zmtp_print_subscription(struct span topic, uint8_t bytes_r[ZMTP_SEND_BYTES_MAX])
{
    ASSERT(topic.length <= ZMTP_TOPIC_BYTES_MAX);
    bytes_r[0] = 0;
    bytes_r[1] = (uint8_t)(topic.length + 1);
    bytes_r[2] = 1;
    memcpy(bytes_r + 3, topic.data, topic.length);
    return topic.length + 3;
}
