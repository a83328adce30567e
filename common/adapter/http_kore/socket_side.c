/* WebSockets on Kore's thread. Kore answers the handshake; its frames are read by core/websocket,
 * which is strict, puts fragments together, and knows the bound of a message. */
#include "adapter/http_kore/kore_side.h"

#include <kore/kore.h>
#include <kore/http.h>

#include "adapter/http_kore/socket_side.h"

#include <stdlib.h>

static struct http_socket *sockets; /* all that were opened and are not freed */

static void keep(struct http_socket *socket)
{
    socket->other = sockets;
    socket->place = &sockets;
    if (sockets != NULL)
        sockets->place = &socket->other;
    sockets = socket;
}

static void let_go(struct http_socket *socket)
{
    if (socket->place != NULL) {
        *socket->place = socket->other;
        if (socket->other != NULL)
            socket->other->place = socket->place;
    }
    socket_free(socket);
}

/* The last note. Where the service takes none any more it is over: teardown frees the socket. */
static void note_closed(struct http_socket *socket)
{
    if (socket->gone)
        return;
    socket->gone = true;
    socket->connection = NULL;
    (void)!host_note(&socket->last->task);
}

static void on_disconnect(struct connection *connection)
{
    struct http_socket *socket = connection->hdlr_extra;
    connection->hdlr_extra = NULL; /* Kore would free it */
    if (socket != NULL)
        note_closed(socket);
}

static void send_close(struct http_socket *socket, uint16_t status, const void *reason,
                       size_t length)
{
    struct connection *connection = socket->connection;
    uint8_t payload[2 + SOCKET_REASON_MAX] = { (uint8_t)(status >> 8), (uint8_t)status };
    if (socket->closing)
        return;
    socket->closing = true;
    memcpy(payload + 2, reason, length);
    kore_websocket_send(connection, WEBSOCKET_OP_CLOSE, payload, 2 + length);
    /* What is still unread would make the kernel throw the close frame away with the connection:
     * the client's own is waited for, but not longer than this, whatever it sends. */
    socket->closing_ms = kore_time_ms();
    connection->idle_timer.length = SOCKET_LINGER_MS;
    kore_connection_start_idletimer(connection);
}

static void close_for(struct http_socket *socket, uint16_t status, const char *reason)
{
    send_close(socket, status, reason, strlen(reason));
}

static void *grown(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (memory == NULL)
        fatal("no memory for a message");
    return memory;
}

static void add_bytes(struct http_socket *socket, struct span bytes)
{
    size_t need = socket->message_length + bytes.length;
    if (need > socket->message_room) {
        socket->message_room = need > 2 * socket->message_room ? need : 2 * socket->message_room;
        socket->message = grown(socket->message, socket->message_room);
    }
    memcpy(socket->message + socket->message_length, bytes.data, bytes.length);
    socket->message_length = need;
}

static void hand_over(struct http_socket *socket)
{
    if (atomic_load(&socket->waiting) >= SOCKET_NOTES_MAX) {
        close_for(socket, 1008, "ERROR: Too many messages");
        return;
    }
    struct socket_note *note = calloc(1, sizeof *note);
    if (note == NULL)
        fatal("no memory for a message");
    *note = (struct socket_note){ .task = { .run = socket_note_run },
                                  .socket = socket,
                                  .length = socket->message_length,
                                  .text = socket->message };
    socket->message = NULL;
    socket->message_length = socket->message_room = 0;
    atomic_fetch_add(&socket->waiting, 1);
    if (host_note(&note->task))
        return;
    free(note->text);
    free(note);
    close_for(socket, WEBSOCKET_AWAY, "");
}

/* False where the connection is done with. */
static bool on_event(struct http_socket *socket, const struct websocket_event *event)
{
    struct connection *connection = socket->connection;
    switch (event->kind) {
    case WEBSOCKET_EVENT_DATA:
        if (!socket->closing)
            add_bytes(socket, event->payload);
        break;
    case WEBSOCKET_EVENT_END:
        if (!socket->closing)
            hand_over(socket);
        break;
    case WEBSOCKET_EVENT_PING:
        if (!socket->closing)
            kore_websocket_send(connection, WEBSOCKET_OP_PONG, event->payload.data,
                                event->payload.length);
        break;
    case WEBSOCKET_EVENT_CLOSE:
        close_for(socket, event->status, "");
        return false;
    case WEBSOCKET_EVENT_FAILED:
        close_for(socket, event->status, "");
        break;
    case WEBSOCKET_EVENT_NONE:
    case WEBSOCKET_EVENT_PONG:
        break;
    }
    return true;
}

static int on_bytes(struct netbuf *buffer)
{
    struct connection *connection = buffer->owner;
    struct http_socket *socket = connection->hdlr_extra;
    size_t length = buffer->s_off, at = 0;
    struct websocket_event event;
    buffer->s_off = 0;
    if (socket == NULL ||
        (socket->closing && kore_time_ms() - socket->closing_ms >= SOCKET_LINGER_MS))
        return KORE_RESULT_ERROR;
    if (socket->reader.over)
        return KORE_RESULT_OK;
    do {
        size_t used = 0;
        event = websocket_reader_take(&socket->reader, buffer->buf + at, length - at, &used);
        at += used;
        if (!on_event(socket, &event))
            return KORE_RESULT_ERROR; /* Kore disconnects; what was sent is in the kernel */
    } while (event.kind != WEBSOCKET_EVENT_NONE && event.kind != WEBSOCKET_EVENT_FAILED);
    return KORE_RESULT_OK;
}

static size_t unsent(const struct connection *connection)
{
    size_t count = 0;
    const struct netbuf *buffer;
    TAILQ_FOREACH(buffer, &connection->send_queue, list)
    count++;
    return count;
}

static void carry_out(struct socket_order *order)
{
    struct http_socket *socket = order->socket;
    struct connection *connection = socket->connection;
    if (order->kind == SOCKET_ORDER_FREE) {
        let_go(socket);
    } else if (connection == NULL && !socket->gone) {
        order->next = NULL;
        *socket->held_end = order;
        socket->held_end = &order->next;
        return;
    } else if (connection != NULL && order->kind == SOCKET_ORDER_CLOSE) {
        send_close(socket, order->status, order->bytes, order->length);
    } else if (connection != NULL && !socket->closing) {
        kore_websocket_send(connection, WEBSOCKET_OP_TEXT, order->bytes, order->length);
        if (unsent(connection) > SOCKET_UNSENT_MAX)
            kore_connection_disconnect(connection); /* it does not read */
    }
    free(order);
}

void socket_side_orders(struct socket_order *orders)
{
    while (orders != NULL) {
        struct socket_order *next = orders->next;
        carry_out(orders);
        orders = next;
    }
}

void socket_side_open(struct http_request *request, struct http_socket *socket)
{
    struct connection *connection = request->owner;
    keep(socket);
    /* The client may have left: Kore is done with the connection, and calls nobody about it. */
    if (connection->state == CONN_STATE_DISCONNECTING) {
        note_closed(socket);
        return;
    }
    kore_websocket_handshake(request, NULL, NULL, NULL);
    if (connection->proto != CONN_PROTO_WEBSOCKET) {
        note_closed(socket);
        return;
    }
    socket->connection = connection;
    connection->hdlr_extra = socket;
    connection->disconnect = on_disconnect;
    connection->flags |= CONN_WS_CLOSE_SENT; /* close frames are ours to send */
    net_recv_reset(connection, SOCKET_READ_BYTES, on_bytes);
    connection->rnb->flags |= NETBUF_CALL_CB_ALWAYS;
    struct socket_order *held = socket->held;
    socket->held = NULL;
    socket->held_end = &socket->held;
    socket_side_orders(held);
    /* What came behind the handshake waits without a word of the kernel's. */
    if (connection->state != CONN_STATE_DISCONNECTING && !net_recv_flush(connection))
        kore_connection_disconnect(connection);
}

void socket_side_never(struct http_socket *socket)
{
    keep(socket);
    note_closed(socket);
}

void socket_side_end(void)
{
    while (sockets != NULL) {
        struct http_socket *socket = sockets;
        if (socket->connection != NULL)
            ((struct connection *)socket->connection)->hdlr_extra = NULL;
        let_go(socket);
    }
}
