#include "services/stratum-gateway/transport/transport.h"

#include "core/proxy_header/proxy_header.h"
#include "core/websocket/websocket.h"

#include <openssl/sha.h>
#include <stdlib.h>

enum { TLS_RECORD = 0x16, PIECE_BYTES = 8192 };

enum inner { INNER_FIRST, INNER_LINES, INNER_HANDSHAKE, INNER_FRAMES };

struct transport {
    const struct transport_rules *rules;
    const struct transport_sink *sink; /* during a call */
    struct tls_stream *tls;            /* NULL: none, or not yet */
    struct websocket_reader *frames;   /* made with the handshake */
    uint8_t *head;                     /* of a header or a handshake not whole yet, or NULL */
    size_t head_bytes;
    const char *reason; /* why it ends; NULL: it does not */
    enum inner inner;
    bool proxied;             /* the PROXY header is still to come */
    bool greeted;             /* its first byte was seen */
    bool ends_behind_newline; /* the message under way */
    bool said_close;
};

struct transport *transport_create(const struct transport_rules *rules, bool proxied)
{
    struct transport *transport = calloc(1, sizeof *transport);
    if (transport != NULL)
        *transport = (struct transport){ .rules = rules, .proxied = proxied };
    return transport;
}

void transport_destroy(struct transport *transport)
{
    if (transport == NULL)
        return;
    tls_stream_destroy(transport->tls);
    free(transport->frames);
    free(transport->head);
    free(transport);
}

static bool ends(struct transport *transport, const char *reason)
{
    if (transport->reason == NULL)
        transport->reason = reason;
    return false;
}

/* Gathers a head: adds what came to what is there. False where there is no memory. */
static bool gather(struct transport *transport, const uint8_t *bytes, size_t length, size_t most,
                   size_t *taken_r)
{
    size_t room = most - transport->head_bytes;
    *taken_r = length < room ? length : room;
    if (transport->head == NULL)
        transport->head = malloc(most);
    if (transport->head == NULL)
        return ends(transport, "no memory");
    memcpy(transport->head + transport->head_bytes, bytes, *taken_r);
    transport->head_bytes += *taken_r;
    return true;
}

static void forget_head(struct transport *transport)
{
    free(transport->head);
    transport->head = NULL;
    transport->head_bytes = 0;
}

/* Downwards: text to the wire. */

static bool on_tls_wire(void *context, struct span bytes)
{
    const struct transport *transport = context;
    return transport->sink->on_wire(transport->sink->context, bytes);
}

static bool on_clear(void *context, uint8_t *bytes, size_t length);

static struct tls_sink tls_sink_of(struct transport *transport)
{
    return (struct tls_sink){ .on_clear = on_clear, .on_wire = on_tls_wire, .context = transport };
}

static bool send_inner(struct transport *transport, struct span bytes)
{
    const struct tls_sink sink = tls_sink_of(transport);
    return transport->tls != NULL ? tls_stream_send(transport->tls, bytes, &sink)
                                  : transport->sink->on_wire(transport->sink->context, bytes);
}

/* Frames gathered into pieces, so that TLS makes few records of them. */
struct piece {
    struct transport *transport;
    size_t used;
    bool failed;
    uint8_t bytes[PIECE_BYTES];
};

static void piece_flush(struct piece *piece)
{
    if (piece->used > 0 && !piece->failed)
        piece->failed = !send_inner(piece->transport, span_of(piece->bytes, piece->used));
    piece->used = 0;
}

static void piece_add(struct piece *piece, struct span bytes)
{
    while (bytes.length > 0 && !piece->failed) {
        size_t room = sizeof piece->bytes - piece->used;
        size_t part = bytes.length < room ? bytes.length : room;
        memcpy(piece->bytes + piece->used, bytes.data, part);
        piece->used += part;
        bytes = span_of(bytes.data + part, bytes.length - part);
        if (piece->used == sizeof piece->bytes)
            piece_flush(piece);
    }
}

/* A line becomes a message, without its newline: what a browser's JSON.parse expects. */
static bool send_messages(struct transport *transport, struct span lines)
{
    struct piece piece = { .transport = transport };
    while (lines.length > 0) {
        uint8_t head[WEBSOCKET_HEAD_MAX];
        const uint8_t *newline = memchr(lines.data, '\n', lines.length);
        size_t length = newline != NULL ? (size_t)(newline - lines.data) : lines.length;
        piece_add(&piece, span_of(head, websocket_head_print(WEBSOCKET_TEXT, length, head)));
        piece_add(&piece, span_of(lines.data, length));
        length += newline != NULL;
        lines = span_of(lines.data + length, lines.length - length);
    }
    piece_flush(&piece);
    return !piece.failed;
}

bool transport_send(struct transport *transport, struct span lines,
                    const struct transport_sink *sink)
{
    transport->sink = sink;
    if (transport->inner == INNER_FRAMES)
        return !transport->said_close && send_messages(transport, lines);
    return transport->inner == INNER_LINES && send_inner(transport, lines);
}

static bool send_frame(struct transport *transport, enum websocket_opcode opcode,
                       struct span payload)
{
    uint8_t frame[WEBSOCKET_HEAD_MAX + WEBSOCKET_CONTROL_MAX];
    size_t head = websocket_head_print(opcode, payload.length, frame);
    memcpy(frame + head, payload.data, payload.length);
    return send_inner(transport, span_of(frame, head + payload.length));
}

static void send_close(struct transport *transport, uint16_t status)
{
    uint8_t frame[4];
    if (!transport->said_close)
        (void)send_inner(transport, span_of(frame, websocket_close_print(status, frame)));
    transport->said_close = true;
}

void transport_leave(struct transport *transport, const struct transport_sink *sink)
{
    transport->sink = sink;
    if (transport->inner == INNER_FRAMES)
        send_close(transport, WEBSOCKET_AWAY);
    if (transport->tls != NULL) {
        const struct tls_sink down = tls_sink_of(transport);
        tls_stream_close(transport->tls, &down);
    }
}

/* Upwards: the wire to text. */

static bool on_text(struct transport *transport, struct span bytes)
{
    return transport->sink->on_text(transport->sink->context, bytes) ||
           ends(transport, "no memory");
}

/* False where nothing more is to be read. */
static bool on_event(struct transport *transport, const struct websocket_event *event)
{
    switch (event->kind) {
    case WEBSOCKET_EVENT_DATA:
        transport->ends_behind_newline = event->payload.data[event->payload.length - 1] == '\n';
        return on_text(transport, event->payload);
    case WEBSOCKET_EVENT_END:
        if (!transport->ends_behind_newline && !on_text(transport, span_text("\n")))
            return false;
        transport->ends_behind_newline = false;
        return true;
    case WEBSOCKET_EVENT_PING:
        return send_frame(transport, WEBSOCKET_PONG, event->payload) ||
               ends(transport, "does not read");
    case WEBSOCKET_EVENT_PONG:
        return true;
    case WEBSOCKET_EVENT_CLOSE:
        send_close(transport, event->status);
        return ends(transport, "closed by the miner");
    case WEBSOCKET_EVENT_FAILED:
        send_close(transport, event->status);
        return ends(transport, "WebSocket broken");
    case WEBSOCKET_EVENT_NONE:
        break;
    }
    return true;
}

static bool take_frames(struct transport *transport, uint8_t *bytes, size_t length)
{
    for (size_t done = 0;;) {
        size_t used;
        struct websocket_event event =
            websocket_reader_take(transport->frames, bytes + done, length - done, &used);
        done += used;
        if (!on_event(transport, &event))
            return false;
        if (event.kind == WEBSOCKET_EVENT_NONE)
            return true;
    }
}

static bool answer_handshake(struct transport *transport, const struct websocket_request *request)
{
    uint8_t input[WEBSOCKET_ACCEPT_INPUT], hash[SHA_DIGEST_LENGTH];
    char accept[29], answer[WEBSOCKET_ANSWER_MAX];
    transport->frames = malloc(sizeof *transport->frames);
    if (transport->frames == NULL)
        return ends(transport, "no memory");
    websocket_reader_init(transport->frames, TRANSPORT_MESSAGE_MAX);
    websocket_accept_input(request, input);
    SHA1(input, sizeof input, hash);
    websocket_accept_print(hash, accept);
    size_t length = websocket_answer_print(request, accept, answer);
    transport->inner = INNER_FRAMES;
    return send_inner(transport, span_of(answer, length)) || ends(transport, "does not read");
}

static bool take_handshake(struct transport *transport, uint8_t *bytes, size_t length)
{
    struct websocket_request request;
    size_t before = transport->head_bytes, taken;
    if (!gather(transport, bytes, length, WEBSOCKET_REQUEST_MAX, &taken))
        return false;
    enum websocket_request_outcome outcome =
        websocket_request_read(span_of(transport->head, transport->head_bytes), &request);
    if (outcome == WEBSOCKET_REQUEST_MORE)
        return true;
    forget_head(transport);
    if (outcome != WEBSOCKET_REQUEST_READ) {
        (void)send_inner(transport, websocket_refusal(outcome));
        return ends(transport, "no WebSocket handshake");
    }
    size_t used = request.length - before;
    return answer_handshake(transport, &request) &&
           take_frames(transport, bytes + used, length - used);
}

/* Bytes in clear. */
static bool take_inner(struct transport *transport, uint8_t *bytes, size_t length)
{
    if (length == 0)
        return true;
    if (transport->inner == INNER_FIRST)
        transport->inner = bytes[0] == 'G' && (transport->rules->takes & TRANSPORT_WEBSOCKET) != 0
                               ? INNER_HANDSHAKE
                               : INNER_LINES;
    switch (transport->inner) {
    case INNER_HANDSHAKE:
        return take_handshake(transport, bytes, length);
    case INNER_FRAMES:
        return take_frames(transport, bytes, length);
    default:
        if ((transport->rules->takes & (TRANSPORT_PLAIN | TRANSPORT_TLS)) == 0)
            return ends(transport, "this port speaks WebSocket");
        return on_text(transport, span_of(bytes, length));
    }
}

static bool on_clear(void *context, uint8_t *bytes, size_t length)
{
    return take_inner(context, bytes, length);
}

static bool take_tls(struct transport *transport, uint8_t *bytes, size_t length)
{
    const struct tls_sink sink = tls_sink_of(transport);
    switch (tls_stream_receive(transport->tls, span_of(bytes, length), &sink)) {
    case TLS_GOES_ON:
        return true;
    case TLS_CLOSED:
        return ends(transport, "closed by the miner");
    default:
        return ends(transport, "TLS failed");
    }
}

static bool take_proxy_header(struct transport *transport, uint8_t **bytes, size_t *length)
{
    struct proxy_header header;
    size_t before = transport->head_bytes, taken;
    if (!gather(transport, *bytes, *length, PROXY_HEADER_BYTES_MAX, &taken))
        return false;
    switch (proxy_header_read(span_of(transport->head, transport->head_bytes), &header)) {
    case PROXY_HEADER_MORE:
        *length = 0;
        return true;
    case PROXY_HEADER_BAD:
        return ends(transport, "no PROXY header");
    case PROXY_HEADER_READ:
        break;
    }
    forget_head(transport);
    transport->proxied = false;
    size_t used = header.length - before;
    *bytes += used;
    *length -= used;
    return !header.has_source ||
           transport->sink->on_source(transport->sink->context, &header.source,
                                      header.source_port) ||
           ends(transport, "not welcome");
}

/* What the first byte says. False where it ends here. */
static bool greet(struct transport *transport, uint8_t first, bool *plain_r)
{
    const struct transport_rules *rules = transport->rules;
    transport->greeted = true;
    *plain_r = false;
    if (first == TLS_RECORD && (rules->takes & (TRANSPORT_TLS | TRANSPORT_WEBSOCKET)) != 0 &&
        rules->tls != NULL) {
        transport->tls = tls_stream_create(rules->tls);
        return transport->tls != NULL || ends(transport, "no memory");
    }
    if (first == 'G' && (rules->takes & TRANSPORT_WEBSOCKET) != 0)
        return true;
    *plain_r = (rules->takes & TRANSPORT_PLAIN) != 0;
    return *plain_r || ends(transport, "not what this port speaks");
}

static bool receive(struct transport *transport, uint8_t *bytes, size_t length, struct span *rest_r)
{
    if (transport->proxied && !take_proxy_header(transport, &bytes, &length))
        return false;
    if (length == 0)
        return true;
    if (!transport->greeted) {
        bool plain;
        if (!greet(transport, bytes[0], &plain))
            return false;
        if (plain) {
            *rest_r = span_of(bytes, length);
            return true;
        }
    }
    return transport->tls != NULL ? take_tls(transport, bytes, length)
                                  : take_inner(transport, bytes, length);
}

enum transport_outcome transport_receive(struct transport *transport, uint8_t *bytes, size_t length,
                                         const struct transport_sink *sink, struct span *rest_r,
                                         const char **reason_r)
{
    *rest_r = span_of(NULL, 0);
    transport->sink = sink;
    bool goes_on = receive(transport, bytes, length, rest_r);
    *reason_r = transport->reason;
    if (!goes_on)
        return TRANSPORT_ENDS;
    return rest_r->length > 0 ? TRANSPORT_IS_PLAIN : TRANSPORT_GOES_ON;
}

bool transport_is_greeting(const struct transport *transport)
{
    return transport->tls != NULL ? tls_stream_is_greeting(transport->tls) : !transport->greeted;
}

const char *transport_name(const struct transport *transport)
{
    if (transport->inner == INNER_HANDSHAKE || transport->inner == INNER_FRAMES)
        return transport->tls != NULL ? "wss" : "ws";
    return transport->tls != NULL ? "tls" : "new";
}
