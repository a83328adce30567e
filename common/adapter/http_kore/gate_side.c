#include "adapter/http_kore/kore_side.h"

#include <kore/kore.h>
#include <kore/http.h>

#include "adapter/http_kore/crowd.h"
#include "adapter/http_kore/gate_side.h"
#include "core/http_head/http_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REFUSALS_AT_ONCE = 64, /* connections; then others have their turn */
    LINGER_MS = 2000,      /* a refused client may still be sending, and should read why */
    LINGER_BYTES_MAX = 1 << 20,
    STALLED_MS = 20000, /* an answer of which the client takes nothing */
    LINES_MAX = 100,    /* beside Host: what browsers and proxies send */
    /* Kore cuts a head into HTTP_REQ_HEADER_MAX - 1 lines, the request's and Host among them, and
     * is silent about what follows. */
    LINES_PASSED = HTTP_REQ_HEADER_MAX - 1 - 2,
};

/* In Kore's http.c, renamed. */
int kore_http_header_recv(struct netbuf *buffer);
/* For Kore's connection.c. */
int http_kore_accept(int listener, struct sockaddr *address, socklen_t *length);
int http_kore_close(int fd);
/* For Kore's http.c. */
void http_kore_recv_reset(struct connection *connection, size_t length,
                          int (*callback)(struct netbuf *));

/* What is known of a connection, by its descriptor. */
struct guest {
    bool counted;
    struct network_address address;
    uint8_t *held; /* came behind a request; read again when that is answered */
    size_t held_at, held_length;
    size_t unsent; /* when that was last looked at, and since when it is so much */
    u_int64_t unsent_since_ms;
};

static struct guest *guests;
static size_t guest_count;
static struct crowd *crowd;

static const struct http_head_limits limits = {
    .lines_max = LINES_MAX,
    .target_max = HTTP_URI_LEN - 2,
    .host_max = KORE_DOMAINNAME_LEN - 2,
    .body_max = EXCHANGE_BODY_MAX,
};

/* What anybody here reads of a request. */
static const char *const read_names[] = {
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "if-none-match",
    "last-event-id",
    "origin",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "upgrade",
    "x-forwarded-for",
    NULL,
};

static const struct http_head_refusal long_head = {
    431, "Head too long", "the head of a request is longer than this server takes"
};
static const struct http_head_refusal slow = { 408, "Too slow",
                                               "the request did not come whole in time" };
static const struct http_head_refusal overloaded = { 503, "Overloaded",
                                                     "too many requests are waiting; try again" };
static const struct http_head_refusal crowded = {
    429, "Too many connections",
    "this address has as many connections as it may (service.address_connections_max)"
};

static const struct http_head_refusal full = {
    503, "Too many connections", "this server has as many connections as it may; try again"
};

void gate_side_begin(unsigned connections_max, unsigned address_max, unsigned long long seed)
{
    crowd = crowd_create(connections_max, address_max, seed);
}

static size_t print_refusal(const struct http_head_refusal *why, bool bodiless, char *text_r,
                            size_t bytes)
{
    char body[512];
    const int length = snprintf(body, sizeof body,
                                "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,"
                                "\"detail\":\"%s\"}",
                                why->title, why->status, why->detail);
    const char *reason = http_status_text(why->status);
    const int used = snprintf(text_r, bytes,
                              "HTTP/1.1 %d %s\r\nserver: adit\r\nconnection: close\r\n"
                              "Content-Type: application/problem+json\r\n"
                              "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                              "%scontent-length: %d\r\n\r\n%s",
                              why->status, reason[0] != 0 ? reason : why->title,
                              why->status == 429 || why->status == 503 ? "retry-after: 10\r\n" : "",
                              length, bodiless ? "" : body);
    return used > 0 && (size_t)used < bytes ? (size_t)used : 0;
}

/* Connections: how many an address has. */

static bool address_of(const struct sockaddr *socket_address, struct network_address *address_r)
{
    if (socket_address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)socket_address;
        *address_r = network_address_of_ipv4((const uint8_t *)&in->sin_addr);
        return true;
    }
    if (socket_address->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)socket_address;
    memcpy(address_r->bytes, &in6->sin6_addr, sizeof address_r->bytes);
    return true;
}

static struct guest *guest_of(int fd)
{
    if ((size_t)fd >= guest_count) {
        const size_t room = ((size_t)fd + 1) * 2;
        guests = realloc(guests, room * sizeof *guests);
        if (guests == NULL)
            fatal("no memory for connections");
        memset(guests + guest_count, 0, (room - guest_count) * sizeof *guests);
        guest_count = room;
    }
    return &guests[fd];
}

static bool comes_in(int fd, const struct sockaddr *socket_address)
{
    struct guest *guest = guest_of(fd);
    *guest = (struct guest){ .counted = false };
    if (!address_of(socket_address, &guest->address) || front_trusts(host_front(), &guest->address))
        return true;
    guest->counted = crowd_enter(crowd, &guest->address);
    return guest->counted;
}

/* Stands for accept: who has too many is told so and let go before Kore knows of him. */
int http_kore_accept(int listener, struct sockaddr *address, socklen_t *length)
{
    const socklen_t room = *length;
    for (unsigned refused = 0; refused < REFUSALS_AT_ONCE; refused++) {
        *length = room;
        const int fd = accept4(listener, address, length, SOCK_CLOEXEC);
        if (fd < 0 || comes_in(fd, address))
            return fd;
        char text[1024];
        const struct http_head_refusal *why = crowd_is_full(crowd) ? &full : &crowded;
        const size_t bytes = print_refusal(why, false, text, sizeof text);
        (void)!send(fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        front_count_refusal(host_front(), why->status, true);
        close(fd);
    }
    errno = EAGAIN; /* the rest wait in the kernel for the next turn */
    return -1;
}

/* Stands for close. */
int http_kore_close(int fd)
{
    struct guest *guest = guest_of(fd);
    if (guest->counted)
        crowd_leave(crowd, &guest->address);
    free(guest->held);
    *guest = (struct guest){ .counted = false };
    return close(fd);
}

/* Refusals, which Kore never hears of. */

/* Nothing is read from it until its receive buffer is set anew. */
static void stop_reading(struct connection *connection)
{
    struct netbuf *buffer = connection->rnb;
    kore_free(buffer->buf);
    buffer->buf = NULL;
    buffer->s_off = buffer->b_len = buffer->m_len = 0;
}

/* What a refused client still sends, so that the kernel does not answer it with a reset that takes
 * our words away from it (RFC 9112, 9.6). */
static int take_leave(struct netbuf *buffer)
{
    const uintptr_t heard = (uintptr_t)buffer->extra + buffer->s_off;
    buffer->extra = (void *)heard;
    buffer->s_off = 0;
    return heard > LINGER_BYTES_MAX ? KORE_RESULT_ERROR : KORE_RESULT_OK;
}

static int refuse(struct connection *connection, const struct http_head_refusal *why, bool bodiless)
{
    char text[1024];
    const size_t bytes = print_refusal(why, bodiless, text, sizeof text);
    net_send_queue(connection, text, bytes);
    front_count_refusal(host_front(), why->status, false);
    if (!net_send_flush(connection)) {
        kore_connection_disconnect(connection);
        return KORE_RESULT_ERROR;
    }
    if (!TAILQ_EMPTY(&connection->send_queue)) {
        stop_reading(connection);
        connection->flags |= CONN_CLOSE_EMPTY;
        connection->http_start = kore_time_ms();
        connection->http_timeout = LINGER_MS;
        return KORE_RESULT_OK;
    }
    (void)shutdown(connection->fd, SHUT_WR);
    stop_reading(connection);
    net_recv_reset(connection, NETBUF_SEND_PAYLOAD_MAX, take_leave);
    connection->rnb->extra = NULL;
    connection->http_start = kore_time_ms();
    connection->http_timeout = LINGER_MS;
    return KORE_RESULT_OK;
}

/* Whether it has taken nothing of what it is answered for too long, whatever it says meanwhile. */
static bool is_stalled(const struct connection *connection, u_int64_t now_ms)
{
    struct guest *guest = guest_of(connection->fd);
    const struct netbuf *buffer;
    size_t unsent = 0;
    TAILQ_FOREACH(buffer, &connection->send_queue, list)
    unsent += buffer->b_len - buffer->s_off;
    if (unsent != guest->unsent) {
        guest->unsent = unsent;
        guest->unsent_since_ms = now_ms;
    }
    return unsent > 0 && now_ms >= guest->unsent_since_ms + STALLED_MS;
}

/* Kore's own answers 408 without a body, and to who asked nothing too. */
int http_check_timeout(struct connection *connection, u_int64_t now_ms)
{
    const u_int64_t start = connection->http_start;
    if (is_stalled(connection, now_ms)) {
        kore_connection_disconnect(connection);
        return KORE_RESULT_ERROR;
    }
    if (connection->http_timeout == 0 || now_ms < start ||
        now_ms - start < connection->http_timeout)
        return KORE_RESULT_OK;
    const struct netbuf *buffer = connection->rnb;
    if (buffer->cb != take_leave && TAILQ_EMPTY(&connection->send_queue) &&
        (buffer->s_off > 0 || !TAILQ_EMPTY(&connection->http_requests)))
        (void)refuse(connection, &slow, false);
    else
        kore_connection_disconnect(connection);
    return KORE_RESULT_ERROR;
}

/* Heads, one at a time. */

/* First what was held, then the socket again. */
static int read_held(struct connection *connection, size_t *bytes_r)
{
    struct guest *guest = guest_of(connection->fd);
    struct netbuf *buffer = connection->rnb;
    const size_t room = buffer->b_len - buffer->s_off;
    size_t length = guest->held_length - guest->held_at;
    if (length > room)
        length = room;
    memcpy(buffer->buf + buffer->s_off, guest->held + guest->held_at, length);
    guest->held_at += length;
    *bytes_r = length;
    if (guest->held_at == guest->held_length) {
        free(guest->held);
        guest->held = NULL;
        connection->read = net_read;
    }
    return KORE_RESULT_OK;
}

/* Leaves the request alone in the buffer, which Kore takes for that request's to the last byte. */
static void hold_rest(struct netbuf *buffer, const struct http_head *head)
{
    struct connection *connection = buffer->owner;
    const size_t behind = buffer->s_off - head->length;
    const size_t own = behind < head->body_length ? behind : (size_t)head->body_length;
    const size_t rest = behind - own;
    if (rest == 0)
        return;
    struct guest *guest = guest_of(connection->fd);
    ASSERT(guest->held == NULL); /* all that was held is in the buffer, which has room for it */
    guest->held = malloc(rest);
    if (guest->held == NULL)
        fatal("no memory for a request");
    memcpy(guest->held, buffer->buf + head->length + own, rest);
    guest->held_at = 0;
    guest->held_length = rest;
    buffer->s_off -= rest;
    connection->read = read_held;
}

/* Kore is given no more lines than it looks at: of a head with more, those that are read. Why not,
 * where these are too many too; else NULL. */
static const struct http_head_refusal *write_anew(struct netbuf *buffer,
                                                  const struct http_head *head)
{
    struct http_head written;
    struct http_head_limits passed = limits;
    passed.lines_max = LINES_PASSED;
    uint8_t text[HTTP_HEADER_MAX_LEN];
    ASSERT(head->length <= sizeof text);
    const size_t length = http_head_write(span_of(buffer->buf, head->length), head,
                                          head->lines > LINES_PASSED ? read_names : NULL, text);
    if (http_head_judge(span_of(text, length), &passed, &written) != HTTP_HEAD_READ)
        return written.refusal;
    memcpy(buffer->buf, text, length);
    memmove(buffer->buf + length, buffer->buf + head->length, buffer->s_off - head->length);
    buffer->s_off -= head->length - length;
    return NULL;
}

/* Kore's connection.c reads every request through this; Kore's own stands behind it, renamed. */
int http_header_recv(struct netbuf *buffer)
{
    struct connection *connection = buffer->owner;
    struct http_head head;
    switch (http_head_judge(span_of(buffer->buf, buffer->s_off), &limits, &head)) {
    case HTTP_HEAD_MORE:
        if (buffer->s_off < buffer->b_len)
            return KORE_RESULT_OK;
        return refuse(connection, &long_head, head.asks_head);
    case HTTP_HEAD_REFUSED:
        return refuse(connection, head.refusal, head.asks_head);
    case HTTP_HEAD_READ:
        break;
    }
    if (http_request_count >= http_request_limit)
        return refuse(connection, &overloaded, head.asks_head);
    hold_rest(buffer, &head);
    const struct http_head_refusal *refusal =
        !head.plain || head.lines > LINES_PASSED ? write_anew(buffer, &head) : NULL;
    if (refusal != NULL)
        return refuse(connection, refusal, head.asks_head);
    /* Where the one before is being answered right now, Kore has been round its requests, and would
     * come to this one when something else happens. */
    if (!TAILQ_EMPTY(&connection->http_requests))
        host_wake();
    const int result = kore_http_header_recv(buffer);
    if (buffer->buf == NULL && head.body_length == 0)
        connection->http_timeout = 0; /* it is whole; Kore leaves this on for an empty body */
    return result;
}

/* Stands for kore_connection_handle while an answer waits to be taken: then the next head is read.
 */
static int go_on(struct connection *connection)
{
    if (!kore_connection_handle(connection))
        return KORE_RESULT_ERROR;
    if (connection->state != CONN_STATE_ESTABLISHED || !TAILQ_EMPTY(&connection->send_queue))
        return KORE_RESULT_OK;
    connection->handle = kore_connection_handle;
    connection->http_start = kore_time_ms();
    connection->http_timeout = (u_int64_t)http_header_timeout * 1000;
    net_recv_reset(connection, http_header_max, http_header_recv);
    return net_recv_flush(connection);
}

/* An answer was given. Who does not take it asks nothing more, or its answers would pile up. */
static void read_next(struct connection *connection)
{
    if (!net_send_flush(connection))
        kore_connection_disconnect(connection);
    if (connection->state == CONN_STATE_ESTABLISHED && TAILQ_EMPTY(&connection->send_queue)) {
        net_recv_reset(connection, http_header_max, http_header_recv);
        return;
    }
    stop_reading(connection);
    connection->http_timeout = 0; /* is_stalled bounds it */
    connection->handle = go_on;
}

/* Stands for net_recv_reset in Kore's http.c. Behind a body Kore would read the next request at
 * once and could answer it first; and behind a handshake, a WebSocket's frames as a request. The
 * first waits for the answer (http_start_recv comes here again), the second for its own reader. */
void http_kore_recv_reset(struct connection *connection, size_t length,
                          int (*callback)(struct netbuf *))
{
    if (callback != kore_http_header_recv) {
        net_recv_reset(connection, length, callback);
    } else if (connection->proto == CONN_PROTO_HTTP && connection->rnb->cb == http_header_recv) {
        read_next(connection);
    } else {
        stop_reading(connection);
        connection->rnb->cb = http_header_recv;
        connection->http_timeout = 0;
    }
}
