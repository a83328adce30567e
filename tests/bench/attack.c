/* One epoll loop over the attackers' sockets: connect, say something, perhaps read, perhaps go. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ADDRESSES = 16, SLOW_MS = 500, OPENED_A_ROUND = 64, EVENTS = 256, SAID_BYTES = 16384 };

struct shape {
    const char *name;
    unsigned connections;
    const char *greeting; /* %s: the user */
    const char *line;     /* said again and again; NULL: nothing more */
    bool reads;
    bool slow;   /* a byte of the line at a time */
    bool leaves; /* once anything was answered */
};

#define SUBSCRIBE "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n"
#define AUTHORIZE "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"x\"]}\n"

static const struct shape shapes[ATTACK_KINDS] = {
    [ATTACK_SLOW] = { "slow", 2000, "", SUBSCRIBE, true, true, false },
    [ATTACK_SILENT] = { "silent", 2000, "", NULL, true, false, false },
    [ATTACK_DEAF] = { "deaf", 200, SUBSCRIBE AUTHORIZE,
                      "{\"id\":3,\"method\":\"mining.ping\",\"params\":[]}\n", false, false,
                      false },
    [ATTACK_JUNK] = { "junk", 200, "", "\x01\x02 rubbish without end, of a line's length }{][\n",
                      true, false, false },
    [ATTACK_SHARES] = { "shares", 200, SUBSCRIBE AUTHORIZE,
                        "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"w\",\"1\",\"00\","
                        "\"00000000\",\"00000000\"]}\n",
                        true, false, false },
    [ATTACK_STORM] = { "storm", 10000, SUBSCRIBE, NULL, true, false, true },
};

const char *attack_name(enum attack_kind kind)
{
    return shapes[kind].name;
}

struct attacker {
    int fd; /* -1: to be opened */
    size_t slow_at;
};

struct siege {
    const struct shape *shape;
    unsigned port;
    char greeting[512];
    char said[SAID_BYTES]; /* the line, as often as it fits */
    size_t said_bytes;
    int poll_fd;
    struct attacker *all;
    unsigned network;
    unsigned next_address;
};

static void leave(struct attacker *attacker)
{
    /* Without waiting states, or this machine runs out of ports before the pool of anything. */
    const struct linger at_once = { .l_onoff = 1 };
    (void)setsockopt(attacker->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(attacker->fd);
    attacker->fd = -1;
}

static void arrive(struct siege *siege, struct attacker *attacker)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)siege->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 256 * siege->network +
                                                         siege->next_address) };
    siege->next_address = (siege->next_address + 1) % ADDRESSES;
    attacker->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attacker->fd < 0)
        return;
    if (bind(attacker->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(attacker->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        leave(attacker);
        return;
    }
    const struct shape *shape = siege->shape;
    bool writes = siege->greeting[0] != '\0' || (shape->line != NULL && !shape->slow);
    struct epoll_event event = { .events = (shape->reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u),
                                 .data.ptr = attacker };
    (void)epoll_ctl(siege->poll_fd, EPOLL_CTL_ADD, attacker->fd, &event);
    attacker->slow_at = 0;
}

/* It can be written to: the greeting first, then the line for ever. */
static void speak(struct siege *siege, struct attacker *attacker)
{
    const struct shape *shape = siege->shape;
    size_t greeting = strlen(siege->greeting);
    if (attacker->slow_at < greeting) {
        ssize_t sent = send(attacker->fd, siege->greeting + attacker->slow_at,
                            greeting - attacker->slow_at, MSG_NOSIGNAL);
        if (sent > 0)
            attacker->slow_at += (size_t)sent;
        return;
    }
    if (shape->line != NULL) {
        (void)!send(attacker->fd, siege->said, siege->said_bytes, MSG_NOSIGNAL);
        return;
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = attacker };
    (void)epoll_ctl(siege->poll_fd, EPOLL_CTL_MOD, attacker->fd, &event);
}

static void handle(struct siege *siege, const struct epoll_event *event)
{
    static char heard[65536];
    struct attacker *attacker = event->data.ptr;
    if ((event->events & EPOLLIN) != 0) {
        ssize_t got = recv(attacker->fd, heard, sizeof heard, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN) || (got > 0 && siege->shape->leaves)) {
            leave(attacker);
            return;
        }
    }
    if ((event->events & (EPOLLERR | EPOLLHUP)) != 0)
        leave(attacker);
    else if ((event->events & EPOLLOUT) != 0)
        speak(siege, attacker);
}

static void drip(struct siege *siege)
{
    const char *line = siege->shape->line;
    for (unsigned i = 0; i < siege->shape->connections; i++) {
        struct attacker *attacker = &siege->all[i];
        if (attacker->fd >= 0 && attacker->slow_at + 1 < strlen(line))
            (void)!send(attacker->fd, line + attacker->slow_at++, 1, MSG_NOSIGNAL);
    }
}

static void besiege(struct siege *siege)
{
    uint64_t dripped_ns = 0;
    for (;;) {
        struct epoll_event events[EVENTS];
        unsigned opened = 0;
        for (unsigned i = 0; i < siege->shape->connections && opened < OPENED_A_ROUND; i++)
            if (siege->all[i].fd < 0) {
                arrive(siege, &siege->all[i]);
                opened++;
            }
        int count = epoll_wait(siege->poll_fd, events, EVENTS, opened > 0 ? 1 : 50);
        for (int i = 0; i < count; i++)
            handle(siege, &events[i]);
        if (siege->shape->slow && bench_now_ns() - dripped_ns > SLOW_MS * 1000000ull) {
            drip(siege);
            dripped_ns = bench_now_ns();
        }
    }
}

/* A child that dies with us. */
static pid_t fork_child(void)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        bench_fail("fork: %s", strerror(errno));
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    return pid;
}

void attack_begin(struct attack *attack, enum attack_kind kind, unsigned port, const char *user,
                  unsigned network)
{
    attack->pid = fork_child();
    if (attack->pid != 0)
        return;
    struct siege siege = { .shape = &shapes[kind], .port = port, .network = network };
    siege.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    siege.all = calloc(siege.shape->connections, sizeof *siege.all);
    const char *mark = strstr(siege.shape->greeting, "%s");
    size_t before =
        mark != NULL ? (size_t)(mark - siege.shape->greeting) : strlen(siege.shape->greeting);
    snprintf(siege.greeting, sizeof siege.greeting, "%.*s%s%s", (int)before, siege.shape->greeting,
             mark != NULL ? user : "", mark != NULL ? mark + 2 : "");
    size_t length = siege.shape->line != NULL ? strlen(siege.shape->line) : 0;
    while (length > 0 && siege.said_bytes + length <= sizeof siege.said) {
        memcpy(siege.said + siege.said_bytes, siege.shape->line, length);
        siege.said_bytes += length;
    }
    for (unsigned i = 0; siege.all != NULL && i < siege.shape->connections; i++)
        siege.all[i].fd = -1;
    if (siege.all != NULL)
        besiege(&siege);
    _exit(1);
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

void attack_end(struct attack *attack)
{
    end_child(attack->pid);
}

static void swallow(int listener)
{
    static char heard[65536];
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    (void)epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (recv(fd, heard, sizeof heard, MSG_DONTWAIT) <= 0)
                    close(fd);
                else
                    (void)!send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                continue;
            }
            event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (event.data.fd >= 0)
                (void)epoll_ctl(poll_fd, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
}

void sink_begin(struct sink *sink)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        bench_fail("a sink cannot listen: %s", strerror(errno));
    sink->port = ntohs(address.sin_port);
    sink->pid = fork_child();
    if (sink->pid == 0)
        swallow(listener);
    close(listener);
}

void sink_end(struct sink *sink)
{
    end_child(sink->pid);
}
