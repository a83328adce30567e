/* The first byte says how the rest is cut. Whatever comes: a handshake read early is read the same
 * with more behind it, a message's bytes do not depend on how its frames are cut on the way, and
 * nothing follows a close. */
#include "base/fuzz.h"
#include "core/websocket/websocket.h"

#include <stdlib.h>

enum { MESSAGE_MAX = 2000 };

struct heard {
    uint64_t data, hash, ends, controls;
    uint16_t status;
    bool failed;
};

static void hear(struct heard *heard, const struct websocket_event *event)
{
    switch (event->kind) {
    case WEBSOCKET_EVENT_DATA:
        heard->data += event->payload.length;
        for (size_t i = 0; i < event->payload.length; i++)
            heard->hash = (heard->hash ^ event->payload.data[i]) * 0x100000001b3u;
        break;
    case WEBSOCKET_EVENT_END:
        heard->ends++;
        break;
    case WEBSOCKET_EVENT_PING:
    case WEBSOCKET_EVENT_PONG:
        ASSERT(event->payload.length <= WEBSOCKET_CONTROL_MAX);
        heard->controls++;
        break;
    default:
        heard->status = event->status;
        heard->failed = event->kind == WEBSOCKET_EVENT_FAILED;
    }
}

static struct heard read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
    struct heard heard = { .hash = 1 };
    struct websocket_reader reader;
    uint8_t *bytes = malloc(size + 1);
    ASSERT(bytes != NULL);
    memcpy(bytes, data, size);
    websocket_reader_init(&reader, MESSAGE_MAX);
    for (size_t at = 0; at < size && heard.status == 0;) {
        size_t length = piece < size - at ? piece : size - at;
        for (size_t done = 0;;) {
            size_t used;
            struct websocket_event event =
                websocket_reader_take(&reader, bytes + at + done, length - done, &used);
            ASSERT(used <= length - done);
            done += used;
            hear(&heard, &event);
            if (event.kind == WEBSOCKET_EVENT_NONE)
                ASSERT(done == length);
            if (event.kind == WEBSOCKET_EVENT_NONE || heard.status != 0)
                break;
        }
        at += length;
    }
    if (heard.status != 0) {
        size_t used;
        ASSERT(websocket_reader_take(&reader, bytes, size, &used).kind == WEBSOCKET_EVENT_NONE);
    }
    free(bytes);
    return heard;
}

static void read_handshake(const uint8_t *data, size_t size)
{
    struct websocket_request whole, part;
    enum websocket_request_outcome outcome = websocket_request_read(span_of(data, size), &whole);
    if (outcome == WEBSOCKET_REQUEST_MORE)
        ASSERT(size < WEBSOCKET_REQUEST_MAX);
    if (outcome == WEBSOCKET_REQUEST_READ) {
        ASSERT(whole.length <= size);
        ASSERT(websocket_request_read(span_of(data, whole.length), &part) == outcome);
        ASSERT(websocket_request_read(span_of(data, whole.length - 1), &part) ==
               WEBSOCKET_REQUEST_MORE);
        char answer[WEBSOCKET_ANSWER_MAX], accept[29];
        uint8_t input[WEBSOCKET_ACCEPT_INPUT];
        websocket_accept_input(&whole, input);
        websocket_accept_print(input, accept);
        ASSERT(websocket_answer_print(&whole, accept, answer) <= sizeof answer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct heard whole = read_in_pieces(data + 1, size - 1, size);
    struct heard pieces = read_in_pieces(data + 1, size - 1, 1 + data[0] % 16);
    ASSERT(whole.status == pieces.status && whole.failed == pieces.failed);
    /* What came in pieces before a wrong byte was handed on before it was seen. */
    ASSERT(whole.failed || (whole.hash == pieces.hash && whole.data == pieces.data &&
                            whole.ends == pieces.ends && whole.controls == pieces.controls));
    read_handshake(data, size);
    return 0;
}
