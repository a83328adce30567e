/* The bare server; see bare.h. */
#include "bare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 20000,
    RECEIVE_BYTES = 64 << 10,
    ANSWER_BYTES = 40,
    ID_AT = 6,
    ID_BYTES = 6,
    NOTIFY_BYTES = 2048,
    SEND_BYTES = 128 << 10,
    RECEIVE_BUFFER_BYTES = 64 << 10,
};

static const char answer_line[] = "{\"id\":000000,\"result\":true,\"error\":null}\n";
static const char login_lines[] =
    "{\"id\":1,\"result\":[[[\"mining.notify\",\"1\"]],\"00000001\",8],\"error\":null}\n"
    "{\"id\":2,\"result\":true,\"error\":null}\n";

struct bare_shared {
    _Atomic uint64_t fanouts; /* done */
    uint64_t loop_ns;         /* of the last one */
};

struct visitor {
    int fd;
    bool known;
    uint32_t line_bytes;          /* of its submissions; 0: not seen yet */
    uint32_t kept;                /* bytes of a line that is not whole */
    char start[ID_AT + ID_BYTES]; /* of that line */
};

struct bare {
    struct bare_shared *shared;
    int epoll, listener;
    struct visitor *visitors;
    size_t count;
    char received[RECEIVE_BYTES];
    char answers[(RECEIVE_BYTES / 64) * ANSWER_BYTES];
    char notify[NOTIFY_BYTES];
    size_t notify_bytes;
    unsigned jobs;
};

static volatile sig_atomic_t fanout_asked;

static void on_signal(int number)
{
    (void)number;
    fanout_asked = 1;
}

/* As long as the notify of a template of 2000 transactions: eleven branches. */
static void make_notify(struct bare *bare)
{
    char branches[12 * 70] = "", half[201];
    memset(half, 'a', sizeof half - 1);
    half[sizeof half - 1] = '\0';
    for (int i = 0; i < 11; i++)
        snprintf(branches + strlen(branches), sizeof branches - strlen(branches), "%s\"%064x\"",
                 i == 0 ? "" : ",", i);
    bare->jobs++;
    int length = snprintf(bare->notify, sizeof bare->notify,
                          "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"%016x\","
                          "\"%064x\",\"%s\",\"%s\",[%s],\"20000000\",\"170331db\",\"65000000\","
                          "true]}\n",
                          bare->jobs, bare->jobs, half, half, branches);
    ASSERT(length > 0 && (size_t)length < sizeof bare->notify);
    bare->notify_bytes = (size_t)length;
}

/* As the gateway's sockets are (stratum-gateway/listener.c); accepted ones inherit it. */
static void set_options(int fd)
{
    const int on = 1, idle_s = 60, interval_s = 15, probes = 4, unacknowledged_ms = 60000;
    const int send_bytes = SEND_BYTES, receive_bytes = RECEIVE_BUFFER_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                     sizeof unacknowledged_ms);
}

static void accept_all(struct bare *bare)
{
    for (int fd; bare->count < CONNECTIONS_MAX &&
                 (fd = accept4(bare->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct visitor *visitor = &bare->visitors[bare->count++];
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = visitor };
        *visitor = (struct visitor){ .fd = fd };
        (void)epoll_ctl(bare->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void greet(struct bare *bare, struct visitor *visitor)
{
    char text[sizeof login_lines + NOTIFY_BYTES];
    size_t length = sizeof login_lines - 1;
    memcpy(text, login_lines, length);
    memcpy(text + length, bare->notify, bare->notify_bytes);
    visitor->known = true;
    (void)!send(visitor->fd, text, length + bare->notify_bytes, MSG_NOSIGNAL);
}

/* One answer a line; lines of a connection are all equally long. */
static size_t answer(struct bare *bare, struct visitor *visitor, size_t got)
{
    size_t used = 0, at = 0;
    if (visitor->line_bytes == 0) {
        const char *newline = memchr(bare->received, '\n', got);
        visitor->line_bytes = newline != NULL ? (uint32_t)(newline - bare->received) + 1 : 0;
        if (newline == NULL)
            return 0;
    }
    while (at < got) {
        size_t kept = visitor->kept, left = got - at, missing = visitor->line_bytes - kept;
        if (kept < sizeof visitor->start) {
            size_t part = sizeof visitor->start - kept;
            memcpy(visitor->start + kept, bare->received + at, part < left ? part : left);
        }
        if (left < missing) {
            visitor->kept += (uint32_t)left;
            break;
        }
        at += missing;
        visitor->kept = 0;
        memcpy(bare->answers + used, answer_line, sizeof answer_line - 1);
        memcpy(bare->answers + used + ID_AT, visitor->start + ID_AT, ID_BYTES);
        used += sizeof answer_line - 1;
    }
    return used;
}

static void on_ready(struct bare *bare, struct visitor *visitor)
{
    ssize_t got = recv(visitor->fd, bare->received, sizeof bare->received, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            close(visitor->fd);
            visitor->fd = -1;
        }
        return;
    }
    if (!visitor->known) {
        greet(bare, visitor);
        return;
    }
    size_t length = answer(bare, visitor, (size_t)got);
    if (length > 0)
        (void)!send(visitor->fd, bare->answers, length, MSG_NOSIGNAL);
}

static void fanout(struct bare *bare)
{
    fanout_asked = 0;
    make_notify(bare);
    uint64_t begin_ns = bench_now_ns();
    for (size_t i = 0; i < bare->count; i++)
        if (bare->visitors[i].fd >= 0)
            (void)!send(bare->visitors[i].fd, bare->notify, bare->notify_bytes, MSG_NOSIGNAL);
    bare->shared->loop_ns = bench_now_ns() - begin_ns;
    atomic_fetch_add(&bare->shared->fanouts, 1);
}

static _Noreturn void serve(struct bare *bare)
{
    struct epoll_event events[256];
    struct rlimit files;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGUSR1, on_signal);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    bare->visitors = calloc(CONNECTIONS_MAX, sizeof *bare->visitors);
    bare->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN };
    ASSERT(bare->visitors != NULL && bare->epoll >= 0 &&
           epoll_ctl(bare->epoll, EPOLL_CTL_ADD, bare->listener, &event) == 0);
    make_notify(bare);
    for (;;) {
        int count = epoll_wait(bare->epoll, events, 256, -1);
        if (fanout_asked)
            fanout(bare);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(bare);
            else
                on_ready(bare, events[i].data.ptr);
        }
    }
}

void bare_server_begin(struct bare_server *server)
{
    static struct bare bare;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    bare.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bare.shared =
        mmap(NULL, sizeof *bare.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    set_options(bare.listener);
    if (bare.listener < 0 || bare.shared == MAP_FAILED ||
        bind(bare.listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(bare.listener, 4096) != 0 ||
        getsockname(bare.listener, (struct sockaddr *)&address, &length) != 0)
        bench_fail("the bare server: %s", strerror(errno));
    server->port = ntohs(address.sin_port);
    server->shared = bare.shared;
    server->pid = fork();
    if (server->pid == 0)
        serve(&bare);
    close(bare.listener);
}

uint64_t bare_server_fanout(struct bare_server *server)
{
    uint64_t before = atomic_load(&server->shared->fanouts);
    kill(server->pid, SIGUSR1);
    for (int i = 0; i < 1000 && atomic_load(&server->shared->fanouts) == before; i++)
        bench_pause_ms(10);
    if (atomic_load(&server->shared->fanouts) == before)
        bench_fail("the bare server does not send");
    return server->shared->loop_ns;
}

void bare_server_end(struct bare_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    munmap(server->shared, sizeof *server->shared);
}
