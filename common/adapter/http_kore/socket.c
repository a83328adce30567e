/* The service's side of a WebSocket: accepting it, its messages, and what is sent to it. */
#include "adapter/http_kore/socket.h"
#include "adapter/http_kore/http.h"

#include <stdlib.h>
#include <strings.h>

/* Whether a comma-separated header has a word (RFC 9110, 5.6.1), in any case. */
static bool has_word(const char *header, const char *word)
{
    const size_t length = strlen(word);
    while (header != NULL && *header != '\0') {
        header += strspn(header, " \t,");
        size_t here = strcspn(header, " \t,");
        if (here == length && strncasecmp(header, word, length) == 0)
            return true;
        header += here;
    }
    return false;
}

/* Base64 of 16 bytes (RFC 6455, 4.1). */
static bool is_key(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key != NULL && strlen(key) == WEBSOCKET_KEY_BYTES &&
           strspn(key, digits) == WEBSOCKET_KEY_BYTES - 2 && strcmp(key + 22, "==") == 0;
}

static bool is_handshake(struct http_exchange *exchange)
{
    const char *version = http_header(exchange, "sec-websocket-version");
    if (!has_word(http_header(exchange, "upgrade"), "websocket") ||
        !has_word(http_header(exchange, "connection"), "upgrade") ||
        !is_key(http_header(exchange, "sec-websocket-key"))) {
        http_add_header(exchange, "Upgrade", "websocket");
        http_problem(exchange, 426, "Upgrade required", "this path speaks WebSocket (RFC 6455)",
                     NULL);
        return false;
    }
    if (version == NULL || strcmp(version, "13") != 0) {
        http_add_header(exchange, "Sec-WebSocket-Version", "13");
        http_problem(exchange, 400, "Unknown version", "version 13 of WebSocket is spoken here",
                     NULL);
        return false;
    }
    return true;
}

struct http_socket *http_accept_socket(struct http_exchange *exchange,
                                       const struct http_socket_handlers *handlers, void *context)
{
    if (!is_handshake(exchange))
        return NULL;
    struct http_socket *socket = calloc(1, sizeof *socket);
    ASSERT(socket != NULL);
    socket->last = calloc(1, sizeof *socket->last);
    ASSERT(socket->last != NULL);
    *socket->last = (struct socket_note){ .task = { .run = socket_note_run },
                                          .socket = socket,
                                          .closed = true };
    socket->site = exchange->site;
    socket->handlers = handlers;
    socket->context = context;
    socket->held_end = &socket->held;
    websocket_reader_init(&socket->reader, handlers->message_max);
    exchange->socket = socket;
    exchange->status = 101;
    exchange->site->answered(exchange);
    return socket;
}

static void give_order(struct http_socket *socket, enum socket_order_kind kind, uint16_t status,
                       struct span bytes)
{
    struct socket_order *order = malloc(sizeof *order + bytes.length);
    ASSERT(order != NULL);
    *order = (struct socket_order){
        .socket = socket, .kind = kind, .status = status, .length = bytes.length
    };
    if (bytes.length > 0)
        memcpy(order->bytes, bytes.data, bytes.length);
    socket->site->ordered(order);
}

void http_socket_send(struct http_socket *socket, struct span text)
{
    give_order(socket, SOCKET_ORDER_SEND, 0, text);
}

void http_socket_close(struct http_socket *socket, uint16_t status, const char *reason)
{
    struct span bytes = span_text(reason);
    ASSERT(bytes.length <= SOCKET_REASON_MAX);
    give_order(socket, SOCKET_ORDER_CLOSE, status, bytes);
}

void socket_note_run(struct loop_task *task)
{
    struct socket_note *note =
        (struct socket_note *)((char *)task - offsetof(struct socket_note, task));
    struct http_socket *socket = note->socket;
    const bool serves = socket->site->routes != NULL;
    if (note->closed) {
        socket->last = NULL;
        if (serves)
            socket->handlers->on_closed(socket->context, socket);
        give_order(socket, SOCKET_ORDER_FREE, 0, span_of(NULL, 0));
    } else {
        atomic_fetch_sub(&socket->waiting, 1);
        if (serves)
            socket->handlers->on_message(socket->context, socket,
                                         span_of(note->text, note->length));
    }
    free(note->text);
    free(note);
}

void socket_free(struct http_socket *socket)
{
    while (socket->held != NULL) {
        struct socket_order *order = socket->held;
        socket->held = order->next;
        free(order);
    }
    free(socket->last);
    free(socket->message);
    free(socket);
}
