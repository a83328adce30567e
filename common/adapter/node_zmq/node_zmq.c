#include "adapter/node_zmq/node_zmq.h"

#include "core/zmtp/zmtp.h"
#include "loop/worker.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PAUSE_MIN_MS = 500,
    PAUSE_MAX_MS = 10000,
    HANDSHAKE_MS = 10000,
    READ_BYTES = 4096, /* a round */
    HOST_BYTES = 256,
    TROUBLE_BYTES = 256,
};

struct node_zmq {
    struct node_zmq_options options;
    char host[HOST_BYTES], port[8];
    struct worker *worker;
    struct worker_job look_up;
    struct sockaddr_storage found; /* the worker's while it looks */
    socklen_t found_bytes;
    int found_error;
    struct loop_source source; /* fd -1: no connection */
    bool connecting;
    struct loop_timer timer; /* the next try; or the end of patience with a handshake */
    unsigned pause_ms;
    struct zmtp zmtp;
    bool listening;
    char trouble[TROUBLE_BYTES]; /* told last; "": it is heard */
    bool told;
};

static void tell(struct node_zmq *zmq, const char *trouble)
{
    const char *text = trouble != NULL ? trouble : "";
    if (zmq->told && strcmp(zmq->trouble, text) == 0)
        return;
    zmq->told = true;
    snprintf(zmq->trouble, sizeof zmq->trouble, "%s", text);
    zmq->options.on_state(zmq->options.context, trouble);
}

static void drop(struct node_zmq *zmq)
{
    if (zmq->source.fd < 0)
        return;
    if (zmq->source.registered)
        loop_remove(zmq->options.loop, &zmq->source);
    close(zmq->source.fd);
    zmq->source.fd = -1;
    zmq->listening = false;
}

static void fail(struct node_zmq *zmq, const char *reason)
{
    char trouble[TROUBLE_BYTES];
    snprintf(trouble, sizeof trouble, "its notices at %.120s:%s are not heard: %.80s", zmq->host,
             zmq->port, reason);
    drop(zmq);
    tell(zmq, trouble);
    loop_timer_start(zmq->options.loop, &zmq->timer, zmq->pause_ms, 0);
    zmq->pause_ms = zmq->pause_ms * 2 < PAUSE_MAX_MS ? zmq->pause_ms * 2 : PAUSE_MAX_MS;
}

/* A few bytes on a connection that has sent none or few: they fit, or something is wrong with it.
 */
static bool send_all(struct node_zmq *zmq, const uint8_t *bytes, size_t length)
{
    return send(zmq->source.fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* "hashblock", the hash as RPC shows it, a counter of 4 bytes. Others are not ours. */
static void take_message(struct node_zmq *zmq)
{
    const struct zmtp *message = &zmq->zmtp;
    uint8_t hash[32];
    if (message->count < 2 || message->parts[1].length != sizeof hash ||
        !span_equal(span_of(message->parts[0].data, message->parts[0].length),
                    span_text("hashblock")))
        return;
    bytes_reverse(message->parts[1].data, sizeof hash, hash);
    zmq->options.on_block(zmq->options.context, hash);
}

/* False: the connection is over. */
static bool take_event(struct node_zmq *zmq, enum zmtp_event event)
{
    uint8_t bytes[ZMTP_SEND_BYTES_MAX];
    bool sent = true;
    if (event == ZMTP_GREETED) {
        sent = send_all(zmq, bytes, zmtp_print_ready(bytes));
    } else if (event == ZMTP_READY && !zmq->listening) {
        sent = send_all(zmq, bytes, zmtp_print_subscription(span_text("hashblock"), bytes));
        zmq->listening = sent;
        if (sent) {
            loop_timer_stop(zmq->options.loop, &zmq->timer);
            zmq->pause_ms = PAUSE_MIN_MS;
            tell(zmq, NULL);
        }
    } else if (event == ZMTP_MESSAGE && zmq->listening) {
        take_message(zmq);
    } else if (zmtp_is_over(event)) {
        fail(zmq, zmtp_event_text(event));
        return false;
    }
    if (!sent)
        fail(zmq, "it takes nothing");
    return sent;
}

static void on_readable(struct node_zmq *zmq)
{
    uint8_t bytes[READ_BYTES];
    ssize_t got = recv(zmq->source.fd, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        fail(zmq, got == 0 ? "it ended the connection" : strerror(errno));
        return;
    }
    struct span input = span_of(bytes, (size_t)got);
    enum zmtp_event event;
    while ((event = zmtp_next(&zmq->zmtp, &input)) != ZMTP_MORE)
        if (!take_event(zmq, event))
            return;
}

static void on_connected(struct node_zmq *zmq)
{
    uint8_t bytes[ZMTP_SEND_BYTES_MAX];
    int cause = 0;
    socklen_t length = sizeof cause;
    (void)getsockopt(zmq->source.fd, SOL_SOCKET, SO_ERROR, &cause, &length);
    if (cause != 0) {
        fail(zmq, strerror(cause));
        return;
    }
    zmq->connecting = false;
    loop_change(zmq->options.loop, &zmq->source, EPOLLIN);
    if (!send_all(zmq, bytes, zmtp_print_greeting(bytes)))
        fail(zmq, "it takes nothing");
}

static void on_ready(void *context, uint32_t ready)
{
    struct node_zmq *zmq = context;
    if (zmq->connecting)
        on_connected(zmq);
    else if ((ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        on_readable(zmq);
}

/* So that a node that is gone without a word is noticed within about a minute. */
static void keep_alive(int fd)
{
    const int on = 1, idle_s = 30, interval_s = 10, count = 3;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void on_looked_up(struct worker_job *job)
{
    struct node_zmq *zmq = (struct node_zmq *)((char *)job - offsetof(struct node_zmq, look_up));
    struct error error;
    if (zmq->worker == NULL)
        return; /* closed meanwhile */
    if (zmq->found_error != 0) {
        fail(zmq, gai_strerror(zmq->found_error));
        return;
    }
    int fd = socket(zmq->found.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fail(zmq, strerror(errno));
        return;
    }
    keep_alive(fd);
    zmq->source = (struct loop_source){ .fd = fd, .on_ready = on_ready, .context = zmq };
    zmtp_begin(&zmq->zmtp);
    zmq->connecting = true;
    if (connect(fd, (const struct sockaddr *)&zmq->found, zmq->found_bytes) != 0 &&
        errno != EINPROGRESS)
        fail(zmq, strerror(errno));
    else if (!loop_add(zmq->options.loop, &zmq->source, EPOLLOUT, &error))
        fail(zmq, error.text);
    else
        loop_timer_start(zmq->options.loop, &zmq->timer, HANDSHAKE_MS, 0);
}

static void look_up(struct worker_job *job)
{
    struct node_zmq *zmq = (struct node_zmq *)((char *)job - offsetof(struct node_zmq, look_up));
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    zmq->found_error = getaddrinfo(zmq->host, zmq->port, &hints, &list);
    if (zmq->found_error != 0)
        return;
    memcpy(&zmq->found, list->ai_addr, list->ai_addrlen);
    zmq->found_bytes = list->ai_addrlen;
    freeaddrinfo(list);
}

static void on_due(void *context)
{
    struct node_zmq *zmq = context;
    if (zmq->source.fd >= 0) {
        fail(zmq, "it does not answer");
        return;
    }
    zmq->look_up = (struct worker_job){ .work = look_up, .done = on_looked_up };
    if (!worker_submit(zmq->worker, &zmq->look_up))
        loop_timer_start(zmq->options.loop, &zmq->timer, zmq->pause_ms, 0);
}

/* tcp://host:port, tcp://[address]:port */
static bool read_address(struct node_zmq *zmq, const char *address, struct error *error)
{
    static const char scheme[] = "tcp://";
    const char *host = address + sizeof scheme - 1, *colon = strrchr(address, ':');
    bool good = strncmp(address, scheme, sizeof scheme - 1) == 0 && colon > host;
    size_t length = good ? (size_t)(colon - host) : 0;
    if (good && host[0] == '[' && length > 2 && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    good = good && length > 0 && length < HOST_BYTES && strlen(colon + 1) <= 5 &&
           colon[1 + strspn(colon + 1, "0123456789")] == '\0' && atoi(colon + 1) > 0 &&
           atoi(colon + 1) <= UINT16_MAX;
    if (!good)
        return error_set(error, ERROR_INVALID, "\"%.200s\" is no address like tcp://host:port",
                         address);
    snprintf(zmq->host, sizeof zmq->host, "%.*s", (int)length, host);
    snprintf(zmq->port, sizeof zmq->port, "%s", colon + 1);
    return true;
}

struct node_zmq *node_zmq_open(const struct node_zmq_options *options, struct error *error)
{
    struct node_zmq *zmq = calloc(1, sizeof *zmq);
    if (zmq == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory to hear a node's notices");
        return NULL;
    }
    zmq->options = *options;
    zmq->source.fd = -1;
    zmq->pause_ms = PAUSE_MIN_MS;
    zmq->timer = (struct loop_timer){ .on_due = on_due, .context = zmq };
    if (read_address(zmq, options->address, error))
        zmq->worker = worker_create(options->loop, "zmq", 1, 1, error);
    if (zmq->worker == NULL) {
        free(zmq);
        return NULL;
    }
    loop_timer_start(options->loop, &zmq->timer, 0, 0);
    return zmq;
}

void node_zmq_close(struct node_zmq *zmq)
{
    if (zmq == NULL)
        return;
    struct worker *worker = zmq->worker;
    loop_timer_stop(zmq->options.loop, &zmq->timer);
    drop(zmq);
    zmq->worker = NULL;
    worker_destroy(worker); /* waits for a look-up */
    free(zmq);
}
