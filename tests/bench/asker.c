#include "asker.h"

#include "process.h"
#include "tools/load/histogram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 512, HEAD_BYTES = 8192, EVENTS = 64, GRACE_MS = 5000 };

struct link {
    int fd; /* -1: closed */
    bool busy, sent;
    uint64_t due_ns;
    bool counts;
    struct link *next_idle;
    /* of the answer */
    size_t head, body_left;
    bool in_body;
    int status;
    uint64_t bytes;
    char text[HEAD_BYTES + 1];
};

struct asker {
    const struct asker_options *options;
    struct asker_result result;
    struct histogram *latency, *lateness;
    int epoll;
    struct link *links, *idle;
    unsigned outstanding;
    uint64_t number;
};

static void dial(struct asker *asker, struct link *link)
{
    const int one = 1;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)asker->options->port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0 || (connect(link->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
                         errno != EINPROGRESS))
        bench_fail("the API does not take connections: %s", strerror(errno));
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = link };
    if (epoll_ctl(asker->epoll, EPOLL_CTL_ADD, link->fd, &event) != 0)
        bench_fail("epoll_ctl: %s", strerror(errno));
}

static void hang_up(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

/* Where the connection is not up yet, EPOLLOUT comes and it is tried again. */
static void send_request(struct asker *asker, struct link *link)
{
    char request[REQUEST_BYTES];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n",
                          asker->options->path(asker->options->context, asker->number),
                          asker->options->header);
    ssize_t sent = send(link->fd, request, (size_t)length, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
        return;
    link->sent = true;
    asker->number++;
    uint64_t now = bench_now_ns();
    if (link->counts)
        histogram_add(asker->lateness, now > link->due_ns ? now - link->due_ns : 0);
    if (sent != length)
        hang_up(link); /* seen as broken at the next event or at the end */
}

static void ask(struct asker *asker, uint64_t due_ns, bool counts)
{
    struct link *link = asker->idle;
    asker->idle = link->next_idle;
    *link = (struct link){ .fd = link->fd, .busy = true, .due_ns = due_ns, .counts = counts };
    asker->outstanding++;
    asker->result.asked += counts;
    if (link->fd < 0)
        dial(asker, link);
    else
        send_request(asker, link);
}

static void finish(struct asker *asker, struct link *link, bool whole)
{
    uint64_t now = bench_now_ns();
    if (link->counts) {
        struct asker_result *result = &asker->result;
        result->answered += whole && link->status == 200;
        result->not_modified += whole && link->status == 304;
        result->refused += whole && link->status != 200 && link->status != 304;
        result->broken += !whole;
        result->bytes += (double)link->bytes;
        histogram_add(asker->latency, now > link->due_ns ? now - link->due_ns : 0);
    }
    if (!whole || asker->options->anew)
        hang_up(link);
    link->busy = false;
    link->next_idle = asker->idle;
    asker->idle = link;
    asker->outstanding--;
}

/* The head is whole: what is behind it belongs to the body. */
static void read_head(struct link *link, const char *end)
{
    size_t head = (size_t)(end - link->text) + 4;
    const char *length = strcasestr(link->text, "\r\ncontent-length:");
    link->status = atoi(link->text + strcspn(link->text, " "));
    size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (link->status == 304)
        body = 0;
    size_t got = link->head - head;
    link->in_body = true;
    link->body_left = body > got ? body - got : 0;
}

static void read_answer(struct asker *asker, struct link *link)
{
    static char sink[1 << 16];
    while (link->busy && link->fd >= 0) {
        char *into = link->in_body ? sink : link->text + link->head;
        size_t room = link->in_body ? sizeof sink : HEAD_BYTES - link->head;
        ssize_t got = room > 0 ? recv(link->fd, into, room, 0) : 0;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            finish(asker, link, false);
            return;
        }
        link->bytes += (uint64_t)got;
        if (link->in_body) {
            link->body_left -= (size_t)got < link->body_left ? (size_t)got : link->body_left;
        } else {
            link->head += (size_t)got;
            link->text[link->head] = '\0';
            const char *end = strstr(link->text, "\r\n\r\n");
            if (end == NULL)
                continue;
            read_head(link, end);
        }
        if (link->body_left == 0)
            finish(asker, link, true);
    }
}

/* Sleeps until something comes or the time is over: a client that polls takes a processor from the
 * pool it measures. */
static void turn(struct asker *asker, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    const struct timespec wait = { .tv_sec = (time_t)(wait_ns / 1000000000),
                                   .tv_nsec = (long)(wait_ns % 1000000000) };
    int count = epoll_pwait2(asker->epoll, events, EVENTS, &wait, NULL);
    for (int i = 0; i < count; i++) {
        struct link *link = events[i].data.ptr;
        if (link->fd < 0)
            continue;
        if (!link->busy) {
            if ((events[i].events & (EPOLLHUP | EPOLLRDHUP | EPOLLIN)) != 0)
                hang_up(link); /* the server closes one that was idle */
            continue;
        }
        if (!link->sent && (events[i].events & EPOLLOUT) != 0)
            send_request(asker, link);
        read_answer(asker, link);
    }
}

/* Asks all that is due by the clock; a question that finds no connection free waits for one, and
 * its time runs. */
static void run(struct asker *asker, uint64_t begin_ns)
{
    const struct asker_options *options = asker->options;
    uint64_t counted_ns = begin_ns + (uint64_t)(options->warm_up_s * 1e9);
    uint64_t end_ns = counted_ns + (uint64_t)(options->seconds * 1e9), due = 0;
    bool begun = false;
    for (;;) {
        uint64_t now = bench_now_ns();
        uint64_t due_ns = begin_ns + (uint64_t)((double)due * 1e9 / options->rate);
        if (!begun && now >= counted_ns && options->on_begin != NULL) {
            options->on_begin(options->context);
            begun = true;
        }
        if (due_ns >= end_ns)
            break;
        if (due_ns <= now && asker->idle != NULL) {
            ask(asker, due_ns, due_ns >= counted_ns);
            due++;
            continue;
        }
        turn(asker, due_ns > now ? due_ns - now : 1000000);
    }
    uint64_t grace_ns = bench_now_ns() + (uint64_t)GRACE_MS * 1000000;
    while (asker->outstanding > 0 && bench_now_ns() < grace_ns)
        turn(asker, 10000000);
    for (unsigned i = 0; i < options->connections; i++)
        if (asker->links[i].busy)
            finish(asker, &asker->links[i], false);
    asker->result.seconds = options->seconds;
}

static double ms(const struct histogram *histogram, uint32_t millionths)
{
    return (double)histogram_at(histogram, millionths) / 1e6;
}

struct asker_result asker_run(const struct asker_options *options)
{
    struct asker asker = { .options = options };
    asker.links = calloc(options->connections, sizeof *asker.links);
    asker.latency = calloc(1, sizeof *asker.latency);
    asker.lateness = calloc(1, sizeof *asker.lateness);
    asker.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (asker.links == NULL || asker.latency == NULL || asker.lateness == NULL || asker.epoll < 0)
        bench_fail("no memory to ask with");
    for (unsigned i = 0; i < options->connections; i++) {
        asker.links[i].fd = -1;
        asker.links[i].next_idle = asker.idle;
        asker.idle = &asker.links[i];
    }
    run(&asker, bench_now_ns());
    for (unsigned i = 0; i < options->connections; i++)
        hang_up(&asker.links[i]);
    close(asker.epoll);
    struct asker_result *result = &asker.result;
    result->p50_ms = ms(asker.latency, 500000);
    result->p99_ms = ms(asker.latency, 990000);
    result->p999_ms = ms(asker.latency, 999000);
    result->max_ms = (double)asker.latency->max / 1e6;
    result->late_p99_ms = ms(asker.lateness, 990000);
    uint64_t got = result->answered + result->not_modified + result->refused;
    result->bytes /= got > 0 ? (double)got : 1;
    free(asker.links);
    free(asker.latency);
    free(asker.lateness);
    return asker.result;
}
