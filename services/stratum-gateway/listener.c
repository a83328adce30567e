#include "services/stratum-gateway/listener.h"

#include "service/listen.h"
#include "service/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    ACCEPTS_A_ROUND = 32, /* so that a storm of newcomers is met in small parts */
    REST_MS = 100,
    BETWEEN_CROWDS_MS = 5,
    /* Of the kernel's memory a connection may fill; without them it grows to megabytes a miner that
     * does not read. */
    SEND_BYTES = 128 << 10,
    RECEIVE_BYTES = 64 << 10,
};

static struct accepted accepted_of(int fd, const struct sockaddr_storage *peer)
{
    struct accepted accepted = { .fd = fd };
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
        accepted.peer = network_address_of_ipv4((const uint8_t *)&in->sin_addr);
        accepted.port = ntohs(in->sin_port);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
        memcpy(accepted.peer.bytes, &in6->sin6_addr, sizeof accepted.peer.bytes);
        accepted.port = ntohs(in6->sin6_port);
    }
    return accepted;
}

/* It looks away for a moment. */
static void rest(struct listener *listener, uint64_t for_ms)
{
    loop_change(listener->loop, &listener->source, 0);
    loop_timer_start(listener->loop, &listener->rest, for_ms, 0);
}

static void on_ready(void *context, uint32_t ready)
{
    struct listener *listener = context;
    (void)ready;
    for (unsigned i = 0; i < ACCEPTS_A_ROUND; i++) {
        struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
        socklen_t length = sizeof peer;
        int fd = accept4(listener->source.fd, (struct sockaddr *)(void *)&peer, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            const struct accepted accepted = accepted_of(fd, &peer);
            listener->on_accept(listener->context, &accepted);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        if (errno != EAGAIN) {
            log_error("stratum.accept", "errno=%d", errno);
            rest(listener, REST_MS);
        }
        return;
    }
    /* More are waiting: they come in small parts, or who is refused and comes again at once would
     * have all of this thread. 6400 a second, the others wait in the kernel. */
    rest(listener, BETWEEN_CROWDS_MS);
}

static void on_rested(void *context)
{
    struct listener *listener = context;
    loop_change(listener->loop, &listener->source, EPOLLIN);
}

/* Accepted sockets inherit these from the listening one: no call for each. */
static void set_options(int fd)
{
    const int one = 1, idle_s = 60, interval_s = 15, probes = 4, unacknowledged_ms = 60000;
    const int send_bytes = SEND_BYTES, receive_bytes = RECEIVE_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                     sizeof unacknowledged_ms);
}

static bool watch(struct listener *listener, int fd, struct error *error)
{
    listener->source = (struct loop_source){ .fd = fd, .on_ready = on_ready, .context = listener };
    listener->rest = (struct loop_timer){ .on_due = on_rested, .context = listener };
    listener->open = loop_add(listener->loop, &listener->source, EPOLLIN, error);
    return listener->open;
}

bool listener_open(struct listener *listener, struct loop *loop, const char *address,
                   void (*on_accept)(void *context, const struct accepted *accepted), void *context,
                   struct error *error)
{
    _Static_assert(LISTEN_ADDRESS_BYTES <= sizeof listener->address, "the bound address must fit");
    *listener = (struct listener){ .loop = loop, .on_accept = on_accept, .context = context };
    int fd = listen_open(address, BACKLOG, listener->address, error);
    if (fd < 0)
        return false;
    set_options(fd);
    if (!watch(listener, fd, error))
        close(fd);
    return listener->open;
}

bool listener_adopt(struct listener *listener, struct loop *loop, int fd,
                    void (*on_accept)(void *context, const struct accepted *accepted),
                    void *context, struct error *error)
{
    *listener = (struct listener){ .loop = loop, .on_accept = on_accept, .context = context };
    listen_name(fd, false, listener->address);
    return watch(listener, fd, error);
}

void listener_pause(struct listener *listener, bool pause)
{
    if (!listener->open)
        return;
    if (loop_timer_running(&listener->rest))
        loop_timer_stop(listener->loop, &listener->rest);
    loop_change(listener->loop, &listener->source, pause ? 0 : EPOLLIN);
}

void listener_close(struct listener *listener)
{
    if (!listener->open)
        return;
    loop_timer_stop(listener->loop, &listener->rest);
    loop_remove(listener->loop, &listener->source);
    close(listener->source.fd);
    listener->open = false;
}
