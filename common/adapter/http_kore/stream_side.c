/* Event streams on Kore's thread. Kore writes the answer's head; what follows is written here,
 * straight from the ring of events into the socket, so that an event is kept once and a watcher
 * costs a few hundred bytes. What a client does not take waits in the ring; a client whose place in
 * the ring is gone, or that took nothing for STREAM_STALLED_MS, is disconnected. Nothing is ever
 * queued for a single watcher but what the kernel holds, and that is bounded too. */
#include "adapter/http_kore/kore_side.h"

#include <kore/kore.h>
#include <kore/http.h>

#include "adapter/http_kore/stream_side.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    SERVE_MAX = 128, /* streams written to before other requests have their turn */
    PIECES_MAX = 32, /* of one write */
};

static struct event_ring ring;
static struct http_stream *streams; /* all that are open */
static unsigned count;
static struct http_stream *turn; /* whom to serve next; NULL: the first */
static unsigned left;            /* how many are still to be served */
static uint64_t oldest_made_ns;  /* of what is being served; 0: nothing */

void stream_side_begin(void)
{
    event_ring_init(&ring, STREAM_EVENTS_ROOM, STREAM_EVENTS_BYTES_MAX);
}

static void keep(struct http_stream *stream)
{
    stream->other = streams;
    stream->place = &streams;
    if (streams != NULL)
        streams->place = &stream->other;
    streams = stream;
    count++;
}

static void let_go(struct http_stream *stream)
{
    if (stream->place == NULL)
        return;
    if (turn == stream)
        turn = stream->other;
    *stream->place = stream->other;
    if (stream->other != NULL)
        stream->other->place = stream->place;
    stream->place = NULL;
    count--;
}

/* The last note: then it is the loop's, or nobody's where the service takes none any more. */
static void note_closed(struct http_stream *stream)
{
    let_go(stream);
    stream->connection = NULL;
    if (!host_note(&stream->task))
        stream_free(stream);
}

static void on_disconnect(struct connection *connection)
{
    struct http_stream *stream = connection->hdlr_extra;
    connection->hdlr_extra = NULL; /* Kore would free it */
    if (stream != NULL)
        note_closed(stream);
}

/* The stream is gone when this returns. */
static void drop(struct http_stream *stream, bool slow)
{
    stream->slow = slow;
    kore_connection_disconnect(stream->connection);
}

/* What is to be sent next. */
static size_t look(struct http_stream *stream, struct iovec pieces_r[PIECES_MAX])
{
    size_t own = 0;
    if (stream->own_length > 0)
        pieces_r[own++] = (struct iovec){ .iov_base = (void *)(uintptr_t)stream->own,
                                          .iov_len = stream->own_length };
    return own + event_reader_look(&ring, &stream->reader, pieces_r + own, PIECES_MAX - own);
}

static void advance(struct http_stream *stream, size_t bytes)
{
    size_t own = bytes < stream->own_length ? bytes : stream->own_length;
    stream->own += own;
    stream->own_length -= own;
    if (stream->own_length == 0) {
        free(stream->greeting);
        stream->greeting = NULL;
    }
    event_reader_advance(&ring, &stream->reader, bytes - own);
}

/* Sends what there is for it until it, or its socket, has enough. It may be gone afterwards. */
static void serve(struct http_stream *stream)
{
    struct connection *connection = stream->connection;
    struct iovec pieces[PIECES_MAX];
    if (event_reader_is_lost(&ring, &stream->reader)) {
        drop(stream, true);
        return;
    }
    while ((connection->evt.flags & KORE_EVENT_WRITE) != 0 &&
           TAILQ_EMPTY(&connection->send_queue)) {
        struct msghdr message = { .msg_iov = pieces, .msg_iovlen = look(stream, pieces) };
        if (message.msg_iovlen == 0) {
            stream->blocked_ms = 0;
            return;
        }
        ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            connection->evt.flags &= ~KORE_EVENT_WRITE; /* Kore says when there is room again */
            break;
        }
        if (sent < 0) {
            drop(stream, false);
            return;
        }
        advance(stream, (size_t)sent);
        stream->sent_ms = kore_time_ms();
        stream->blocked_ms = 0;
        host_count_sent((uint64_t)sent);
    }
    if (stream->blocked_ms == 0)
        stream->blocked_ms = kore_time_ms();
}

/* A client has nothing to say into a stream. False where it is gone, or says too much. */
static bool hear(struct http_stream *stream, struct connection *connection)
{
    uint8_t bytes[512];
    for (;;) {
        ssize_t got = recv(connection->fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            connection->evt.flags &= ~KORE_EVENT_READ;
            return true;
        }
        if (got <= 0)
            return false;
        stream->heard += (size_t)got;
        if (stream->heard > STREAM_HEARD_MAX)
            return false;
    }
}

/* Something happened to the connection. */
static int on_ready(struct connection *connection)
{
    struct http_stream *stream = connection->hdlr_extra;
    if (stream == NULL || connection->state == CONN_STATE_DISCONNECTING)
        return KORE_RESULT_OK;
    if ((connection->evt.flags & KORE_EVENT_READ) != 0 && !hear(stream, connection))
        return KORE_RESULT_ERROR; /* Kore disconnects it */
    if ((connection->evt.flags & KORE_EVENT_WRITE) == 0)
        return KORE_RESULT_OK;
    if (!net_send_flush(connection)) /* the head, where it did not go at once */
        return KORE_RESULT_ERROR;
    serve(stream);
    return KORE_RESULT_OK;
}

/* The kernel holds no more for it than this, and gives up on a client that vanished. A socket that
 * refuses is no reason to refuse its client. */
static void bound_socket(int fd)
{
    const int bytes = STREAM_SEND_BYTES;
    const unsigned timeout_ms = STREAM_STALLED_MS;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

void stream_side_open(struct http_request *request, struct http_stream *stream)
{
    struct connection *connection = request->owner;
    /* For its head alone was asked: Kore closes the connection when that is sent. Or the client has
     * left, and Kore is done with the connection, but has not forgotten the request yet. */
    if (request->method == HTTP_METHOD_HEAD || connection->state == CONN_STATE_DISCONNECTING) {
        note_closed(stream);
        return;
    }
    keep(stream);
    stream->connection = connection;
    stream->sent_ms = kore_time_ms();
    connection->flags &= (uint16_t)~CONN_CLOSE_EMPTY;
    connection->proto = CONN_PROTO_UNKNOWN; /* no request follows, and none is waited for */
    connection->http_timeout = 0;
    connection->handle = on_ready;
    connection->disconnect = on_disconnect;
    connection->hdlr_extra = stream;
    kore_connection_stop_idletimer(connection);
    bound_socket(connection->fd);
    if (net_send_flush(connection))
        serve(stream);
    else
        kore_connection_disconnect(connection);
}

void stream_side_never(struct http_stream *stream)
{
    note_closed(stream);
}

/* The next so many; the rest when Kore's loop has been round. */
static void serve_some(void)
{
    for (unsigned served = 0; served < SERVE_MAX && left > 0 && count > 0; served++, left--) {
        struct http_stream *stream = turn != NULL ? turn : streams;
        turn = stream->other;
        serve(stream);
    }
    if (left > 0 && count > 0) {
        host_wake();
        return;
    }
    left = 0;
    if (oldest_made_ns != 0)
        host_count_fanned((loop_clock_ns() - oldest_made_ns) / 1000);
    oldest_made_ns = 0;
}

void stream_side_take(struct stream_event *events, bool lost)
{
    if (lost && events != NULL)
        event_ring_clear(&ring, events->number);
    while (events != NULL) {
        struct stream_event *next = events->next;
        if (oldest_made_ns == 0 && count > 0)
            oldest_made_ns = events->made_ns;
        event_ring_add(&ring, events);
        left = count;
        events = next;
    }
    atomic_store(&host_site()->events_oldest, ring.oldest);
    if (left > 0)
        serve_some();
}

void stream_side_tick(void)
{
    static const uint8_t heartbeat[] = { ':', '\n', '\n' };
    const struct http_site *site = host_site();
    const uint64_t now_ms = kore_time_ms();
    for (struct http_stream *stream = streams, *other; stream != NULL; stream = other) {
        other = stream->other;
        if (stream->blocked_ms != 0 && now_ms - stream->blocked_ms >= site->events_stalled_ms) {
            drop(stream, true);
        } else if (stream->blocked_ms == 0 && stream->reader.sent == 0 &&
                   now_ms - stream->sent_ms >= site->events_heartbeat_ms) {
            stream->own = heartbeat;
            stream->own_length = sizeof heartbeat;
            serve(stream);
        }
    }
}

void stream_side_end(void)
{
    while (streams != NULL) {
        struct http_stream *stream = streams;
        ((struct connection *)stream->connection)->hdlr_extra = NULL;
        let_go(stream);
        stream_free(stream);
    }
    event_ring_deinit(&ring);
}
