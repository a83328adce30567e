/* The server's side of WebSocket (RFC 6455), as text in and events out: the opening handshake read
 * strictly, and a reader of frames that hands a message's bytes on as they come, so that it holds
 * nothing but a control frame. Extensions are never agreed to. Pure; the caller's memory; any
 * thread. */
#pragma once
#include "base/bytes.h"

enum {
    WEBSOCKET_REQUEST_MAX = 4096, /* bytes of a handshake */
    WEBSOCKET_KEY_BYTES = 24,     /* Sec-WebSocket-Key, as it is spelt */
    WEBSOCKET_PROTOCOL_MAX = 64,
    WEBSOCKET_ACCEPT_INPUT = 60, /* what the accept key is the SHA-1 of */
    WEBSOCKET_ANSWER_MAX = 320,
    WEBSOCKET_CONTROL_MAX = 125, /* payload of a control frame (5.5) */
    WEBSOCKET_HEAD_MAX = 10,     /* of a frame we send: it is not masked */
};

/* The handshake (RFC 6455, 4.2; HTTP as RFC 9112 writes it). */

enum websocket_request_outcome {
    WEBSOCKET_REQUEST_MORE,    /* it has not ended yet */
    WEBSOCKET_REQUEST_READ,    /* it is one of `length` bytes */
    WEBSOCKET_REQUEST_VERSION, /* it is one, of a version that is not 13 */
    WEBSOCKET_REQUEST_BAD,     /* it is no handshake, or longer than WEBSOCKET_REQUEST_MAX */
};

struct websocket_request {
    size_t length;
    char key[WEBSOCKET_KEY_BYTES];
    char protocol[WEBSOCKET_PROTOCOL_MAX + 1]; /* the first one offered; "": none */
};

/* Looks at everything that came so far. MORE never lasts beyond WEBSOCKET_REQUEST_MAX bytes. */
MUST_CHECK enum websocket_request_outcome
websocket_request_read(struct span bytes, struct websocket_request *request_r);
/* What SHA-1 and base64 make the accept key of (4.2.2): the key and the GUID. */
void websocket_accept_input(const struct websocket_request *request,
                            uint8_t input_r[WEBSOCKET_ACCEPT_INPUT]);
/* Base64 of the 20 bytes of a SHA-1, with a NUL. */
void websocket_accept_print(const uint8_t hash[20], char text_r[29]);
/* The answer that opens the connection; its length. */
size_t websocket_answer_print(const struct websocket_request *request, const char accept[29],
                              char text_r[WEBSOCKET_ANSWER_MAX]);
/* The answer to what was refused; static. */
struct span websocket_refusal(enum websocket_request_outcome outcome);

/* Frames. */

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

/* Why a connection is closed (7.4.1). */
enum websocket_status {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_AWAY = 1001,
    WEBSOCKET_PROTOCOL = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_NOT_TEXT = 1007,
    WEBSOCKET_TOO_BIG = 1009,
};

enum websocket_event_kind {
    WEBSOCKET_EVENT_NONE,   /* everything was taken; nothing to say */
    WEBSOCKET_EVENT_DATA,   /* payload: the next bytes of a message */
    WEBSOCKET_EVENT_END,    /* the message is whole */
    WEBSOCKET_EVENT_PING,   /* payload: to be sent back in a pong */
    WEBSOCKET_EVENT_PONG,   /* payload: what it says */
    WEBSOCKET_EVENT_CLOSE,  /* status: to be answered with; no more is read */
    WEBSOCKET_EVENT_FAILED, /* status: to be closed with; no more is read */
};

struct websocket_event {
    enum websocket_event_kind kind;
    struct span payload; /* borrowed: of the bytes handed in, or until the next call */
    uint16_t status;
};

struct websocket_reader { /* websocket_reader_init; the fields are the reader's own */
    uint64_t message_max;
    uint64_t message_bytes; /* of the message under way */
    uint64_t left;          /* bytes of the frame's payload still to come */
    uint32_t text_state;    /* of the UTF-8 reader */
    uint8_t mask[4];
    uint8_t mask_place;
    uint8_t head[14];
    uint8_t head_bytes;
    uint8_t opcode; /* of the frame under way */
    uint8_t control_bytes;
    bool in_payload;
    bool in_message;
    bool fin;
    bool end_due; /* WEBSOCKET_EVENT_END comes next */
    bool over;
    uint8_t control[WEBSOCKET_CONTROL_MAX];
};

/* Messages may have up to message_max bytes. */
void websocket_reader_init(struct websocket_reader *reader, uint64_t message_max);
/* Takes bytes up to the next event; *used_r of them are done with. To be called until it says NONE
 * (all bytes are used then), CLOSE or FAILED. `bytes` is unmasked in place. */
struct websocket_event websocket_reader_take(struct websocket_reader *reader, uint8_t *bytes,
                                             size_t length, size_t *used_r);

/* The head of an unfragmented frame with so long a payload; its length. */
size_t websocket_head_print(enum websocket_opcode opcode, size_t payload_bytes,
                            uint8_t head_r[WEBSOCKET_HEAD_MAX]);
/* A whole close frame; its length, 4. */
size_t websocket_close_print(uint16_t status, uint8_t frame_r[4]);
