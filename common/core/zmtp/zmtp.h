/* The subscriber's side of ZMTP 3.0 (rfc.zeromq.org/spec/23) with the NULL mechanism, as much as
 * listening to a node's notices takes: the greeting, READY, one subscription, and messages of a few
 * short frames. Bytes in, events out; nothing longer than ZMTP_FRAME_BYTES_MAX is held or waited
 * for. Pure; the caller's memory; any thread. */
#pragma once
#include "base/bytes.h"

enum {
    ZMTP_GREETING_BYTES = 64,
    ZMTP_FRAME_BYTES_MAX = 255, /* of a frame's body; a notice has 32 */
    ZMTP_PARTS_MAX = 4,         /* of a message; a notice has 3 */
    ZMTP_TOPIC_BYTES_MAX = 64,
    ZMTP_SEND_BYTES_MAX = 128, /* of anything we say */
};

/* X(enum name, what it means, or why the other side is not listened to any more) */
#define ZMTP_EVENTS(X)                                                                             \
    X(ZMTP_MORE, "it has not ended yet")                                                           \
    X(ZMTP_GREETED, "the other side greets")                                                       \
    X(ZMTP_READY, "the other side is ready")                                                       \
    X(ZMTP_MESSAGE, "a message")                                                                   \
    X(ZMTP_NO_ZMTP, "it does not speak ZMTP 3")                                                    \
    X(ZMTP_MECHANISM, "it wants another mechanism than NULL")                                      \
    X(ZMTP_NO_PUBLISHER, "it is no publisher")                                                     \
    X(ZMTP_TOO_LONG, "it sends more than any notice has")                                          \
    X(ZMTP_BAD_FRAME, "it sends a frame that makes no sense")                                      \
    X(ZMTP_REFUSED, "it refuses us")

enum zmtp_event {
#define X(name, text) name,
    ZMTP_EVENTS(X)
#undef X
};
/* Static. */
const char *zmtp_event_text(enum zmtp_event event);
/* From there on nothing is read any more. */
static inline bool zmtp_is_over(enum zmtp_event event)
{
    return event > ZMTP_MESSAGE;
}

struct zmtp_part {
    uint8_t length;
    uint8_t data[ZMTP_FRAME_BYTES_MAX];
};

struct zmtp {
    /* the last whole message, with ZMTP_MESSAGE */
    struct zmtp_part parts[ZMTP_PARTS_MAX];
    size_t count;
    /* private */
    int stage;
    uint8_t flags;
    size_t filled, wanted;
    uint8_t held[ZMTP_FRAME_BYTES_MAX + 1];
};

void zmtp_begin(struct zmtp *zmtp);
/* Reads on and takes what it has read off `input`. ZMTP_MORE: all of it. Call again after each
 * other event that is not the end. */
enum zmtp_event zmtp_next(struct zmtp *zmtp, struct span *input);

/* What we say: at once; after ZMTP_GREETED; after ZMTP_READY. Returns the bytes. `topic` is at most
 * ZMTP_TOPIC_BYTES_MAX long. */
size_t zmtp_print_greeting(uint8_t bytes_r[ZMTP_SEND_BYTES_MAX]);
size_t zmtp_print_ready(uint8_t bytes_r[ZMTP_SEND_BYTES_MAX]);
size_t zmtp_print_subscription(struct span topic, uint8_t bytes_r[ZMTP_SEND_BYTES_MAX]);
