/* Kore's hooks, in the order of their life, and the one handler all requests go through. Everything
 * here runs on Kore's thread. */
#include "adapter/http_kore/kore_side.h"

#include <kore/kore.h>
#include <kore/http.h>
#include <kore/hooks.h>
#include <kore/seccomp.h>

#include "adapter/http_kore/gate_side.h"
#include "adapter/http_kore/socket_side.h"
#include "adapter/http_kore/stream_side.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EXCHANGES_MAX = 512,
    CONNECTIONS_MAX = 1024, /* beside the WebSockets and those that are told there is no room */
    SOCKETS_REFUSED = 64,
    CONNECTIONS_SPARE = 512, /* for listed proxies, when strangers have all of the others */
    TICK_MS = 250,           /* without a timer Kore's loop sleeps through its own timeouts */
    DESCRIPTORS_SPARE = 256, /* Kore adds those that are open to the limit it sets */
};

/* Found by Kore through the dynamic symbol table. */
int http_kore_request(struct http_request *request);
int http_kore_memfd(char *name);
int http_kore_shmget(key_t key, size_t bytes, int flags);
void *http_kore_shmat(int id, const void *address, int flags);
int http_kore_shmctl(int id, int command, void *buffer);

const unsigned char asset_builtin_kore_conf[] = "# see kore_parent_configure\n";
const unsigned int asset_len_builtin_kore_conf = sizeof asset_builtin_kore_conf - 1;

/* First member: Kore finds the handler through it. */
static struct wake {
    struct kore_event event;
    int fd;
} wake = { .fd = -1 };

static pid_t parent_pid;
static size_t shared_bytes;
static unsigned outstanding; /* exchanges not freed yet, and a list of them */
static struct http_exchange *exchanges;
static volatile sig_atomic_t reload_asked;

/* Stands for mkstemp in Kore's config.c, which writes its embedded settings to /tmp first: a
 * read-only /tmp must not keep a process from starting. */
int http_kore_memfd(char *name)
{
    (void)name;
    return memfd_create("kore", MFD_CLOEXEC);
}

/* Stand for shmget, shmat and shmctl in Kore's worker.c, whose segment outlives a killed process.
 * The memory is only shared between parent and worker, and goes with the last of them. */
int http_kore_shmget(key_t key, size_t bytes, int flags)
{
    (void)key;
    (void)flags;
    shared_bytes = bytes;
    return 0;
}

void *http_kore_shmat(int id, const void *address, int flags)
{
    (void)id;
    (void)address;
    (void)flags;
    return mmap(NULL, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

int http_kore_shmctl(int id, int command, void *buffer)
{
    (void)id;
    (void)command;
    (void)buffer;
    return 0;
}

/* Kore counts one by one up to the soft limit, and then sets both limits to what it was told plus
 * what it found open; raising the hard one is refused. */
static rlim_t descriptors_for_kore(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 768;
    rlim_t most = limit.rlim_max > 1048576 ? 1048576 : limit.rlim_max;
    if (limit.rlim_cur > 1024) {
        limit.rlim_cur = 1024;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return most > 2 * DESCRIPTORS_SPARE ? most - DESCRIPTORS_SPARE : most;
}

void kore_parent_configure(int argc, char **argv)
{
    static struct host_listener listener;
    host_configure(argc, argv, &listener);
    setvbuf(stdout, NULL, _IOLBF, 0);
    kore_foreground = 1;
    skip_chroot = 1;
    skip_runas = 1;
    kore_quiet = 1;
    kore_pidfile = listener.pidfile;
    parent_pid = getpid();
    const unsigned room =
        CONNECTIONS_MAX + listener.sockets_max + SOCKETS_REFUSED + CONNECTIONS_SPARE;
    char text[1024];
    int length = snprintf(text, sizeof text,
                          "workers 1\n"
                          "worker_set_affinity 0\n"
                          "worker_death_policy terminate\n"
                          "worker_max_connections %u\n"
                          "worker_rlimit_nofiles %lu\n"
                          "http_request_limit %u\n" /* a connection has one at a time */
                          "http_body_max %d\n"
                          "http_body_timeout 20\n"
                          "http_header_timeout 10\n"
                          "http_keepalive_time 10\n"
                          "http_hsts_enable 0\n"
                          "http_server_version adit\n"
                          "server http {\n bind %s %s\n tls no\n}\n"
                          /* any path: the shortest expression that all of them match */
                          "domain * {\n attach http\n route ^ http_kore_request\n}\n",
                          room, (unsigned long)descriptors_for_kore(), room, EXCHANGE_BODY_MAX,
                          listener.host, listener.port);
    FILE *file = length > 0 ? fmemopen(text, (size_t)length, "r") : NULL;
    if (file == NULL)
        fatal("no memory for the configuration");
    kore_parse_config_file(file);
    fclose(file);
}

/* Kore's own list of what a worker may call kills nng, Redis and MongoDB clients at once; naming
 * all they need breaks with the next libc. So what a break-in needs most is forbidden instead. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
/* Two of Kore's own, once a process; what else leaks is ours and shall be seen. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:kore_seccomp_enable\nleak:kore_accesslog_gather\n";
}
#endif

static struct sock_filter filter[] = {
#ifndef SANITIZED
    KORE_SYSCALL_DENY(execve, EPERM), KORE_SYSCALL_DENY(execveat, EPERM),
    KORE_SYSCALL_DENY(ptrace, EPERM),
#ifdef SYS_fork
    KORE_SYSCALL_DENY(fork, EPERM),   KORE_SYSCALL_DENY(vfork, EPERM),
#endif
#endif
    KORE_BPF_RET(SECCOMP_RET_ALLOW),
};

void kore_seccomp_hook(void)
{
    kore_seccomp_filter("adit", filter, KORE_FILTER_LEN(filter));
}

static void keep(struct http_exchange *exchange)
{
    exchange->other = exchanges;
    exchange->place = &exchanges;
    if (exchanges != NULL)
        exchanges->place = &exchange->other;
    exchanges = exchange;
    outstanding++;
}

static void let_go(struct http_exchange *exchange)
{
    *exchange->place = exchange->other;
    if (exchange->other != NULL)
        exchange->other->place = exchange->place;
    outstanding--;
    exchange_free(exchange);
}

/* What it was to become it will not. */
static void never_open(struct http_exchange *exchange)
{
    if (exchange->socket != NULL)
        socket_side_never(exchange->socket);
    if (exchange->stream != NULL)
        stream_side_never(exchange->stream);
}

static void wake_up_request(struct http_exchange *exchange)
{
    exchange->is_back = true;
    if (exchange->socket == NULL)
        front_back(host_front(), exchange, loop_clock_ns() / 1000);
    if (exchange->kore != NULL) {
        http_request_wakeup(exchange->kore);
        return;
    }
    never_open(exchange);
    let_go(exchange);
}

static void take_events(void)
{
    bool lost;
    struct stream_event *events = host_take_events(&lost);
    stream_side_take(events, lost);
}

static void take_answers(void)
{
    bool ended;
    struct http_exchange *exchange = host_take_answers(&ended);
    while (exchange != NULL) {
        struct http_exchange *next = exchange->next;
        wake_up_request(exchange);
        exchange = next;
    }
    socket_side_orders(host_take_orders());
    take_events();
    /* A service that ended by itself takes the whole process along; what it exits with is already
     * where the parent looks. */
    if (ended && getppid() == parent_pid)
        kill(parent_pid, SIGTERM);
    else if (ended)
        raise(SIGTERM);
}

static void on_wake(void *context, int failed)
{
    (void)context;
    (void)failed;
    uint64_t count;
    ssize_t got = read(wake.fd, &count, sizeof count);
    (void)got;
    take_answers();
}

static void on_tick(void *context, u_int64_t now)
{
    (void)context;
    (void)now;
    stream_side_tick();
    if (reload_asked) {
        reload_asked = 0;
        host_reload();
    }
}

static void on_hangup(int number)
{
    (void)number;
    reload_asked = 1;
}

static void listener_name(char *name, size_t bytes)
{
    struct kore_server *server = LIST_FIRST(&kore_servers);
    struct listener *listener = server != NULL ? LIST_FIRST(&server->listeners) : NULL;
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?";
    snprintf(name, bytes, "?");
    if (listener == NULL ||
        getsockname(listener->fd, (struct sockaddr *)(void *)&address, &length) != 0)
        return;
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(name, bytes, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(name, bytes, "%s:%u", host, ntohs(in->sin_port));
    }
}

void kore_worker_configure(void)
{
    /* Else a killed parent leaves a worker behind that holds the port. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent_pid)
        raise(SIGTERM);
    struct sigaction hangup = { .sa_handler = on_hangup };
    sigaction(SIGHUP, &hangup, NULL);
    stream_side_begin();
    wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake.fd < 0)
        fatal("eventfd: %s", strerror(errno));
    wake.event.handle = on_wake;
    kore_platform_event_level_read(wake.fd, &wake);
    kore_timer_add(on_tick, TICK_MS, NULL, 0);
    const struct host_bounds bounds = host_bounds();
    gate_side_begin(worker_max_connections - CONNECTIONS_SPARE, bounds.address_connections_max,
                    bounds.seed);
    char name[80];
    listener_name(name, sizeof name);
    host_start(wake.fd, name);
}

static enum exchange_method method_of(const struct http_request *request)
{
    switch (request->method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD: /* Kore leaves out the body */
        return EXCHANGE_GET;
    case HTTP_METHOD_POST:
        return EXCHANGE_POST;
    case HTTP_METHOD_PUT:
        return EXCHANGE_PUT;
    case HTTP_METHOD_DELETE:
        return EXCHANGE_DELETE;
    case HTTP_METHOD_OPTIONS:
        return EXCHANGE_OPTIONS;
    default:
        return EXCHANGE_OTHER;
    }
}

static struct http_exchange *exchange_of(struct http_request *request)
{
    char peer[INET6_ADDRSTRLEN] = "?";
    const struct connection *owner = request->owner;
    if (owner->family == AF_INET6)
        inet_ntop(AF_INET6, &owner->addr.ipv6.sin6_addr, peer, sizeof peer);
    else if (owner->family == AF_INET)
        inet_ntop(AF_INET, &owner->addr.ipv4.sin_addr, peer, sizeof peer);
    struct http_exchange *exchange = exchange_create(host_site(), method_of(request), request->path,
                                                     request->query_string, peer);
    if (exchange == NULL)
        return NULL;
    const struct http_header *header;
    TAILQ_FOREACH(header, &request->req_headers, list)
    exchange_add_header(exchange, header->header, header->value);
    exchange_add_header(exchange, "host", request->host);
    size_t length = request->http_body != NULL ? request->http_body_length : 0;
    uint8_t *body = length > 0 ? exchange_body(exchange, length) : NULL;
    size_t used = 0;
    while (body != NULL && used < length) {
        ssize_t got = http_body_read(request, body + used, length - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (used == length)
        return exchange;
    exchange_free(exchange);
    return NULL;
}

static void respond(struct http_request *request, const struct http_exchange *exchange)
{
    if (exchange->content_type != NULL)
        http_response_header(request, "Content-Type", exchange->content_type);
    for (size_t i = 0; i < exchange->answer_header_count; i++)
        http_response_header(request, exchange->answer_headers[i].name,
                             exchange->answer_headers[i].value);
    if (exchange->stream != NULL) {
        /* It ends with its connection, and says so. */
        request->flags |= HTTP_REQUEST_NO_CONTENT_LENGTH;
        request->owner->flags |= CONN_CLOSE_EMPTY;
    }
    http_response(request, exchange->status, exchange->answer, exchange->answer_length);
}

/* The request goes: answered, or its client left. In the second case the exchange is still with
 * the service, and is freed when it comes back. */
static void on_request_free(struct http_request *request)
{
    struct http_exchange *exchange = request->hdlr_extra;
    request->hdlr_extra = NULL;
    if (exchange == NULL)
        return;
    exchange->kore = NULL;
    if (!exchange->is_back)
        return;
    never_open(exchange);
    let_go(exchange);
}

/* Called twice for a request: when it has come whole, and when its answer is here. */
int http_kore_request(struct http_request *request)
{
    struct http_exchange *exchange = request->hdlr_extra;
    if (exchange != NULL && !exchange->is_back) {
        http_request_sleep(request);
        return KORE_RESULT_RETRY;
    }
    if (exchange != NULL && exchange->socket != NULL) {
        socket_side_open(request, exchange->socket);
        exchange->socket = NULL;
        return KORE_RESULT_OK;
    }
    if (exchange != NULL) {
        respond(request, exchange);
        if (exchange->stream != NULL)
            stream_side_open(request, exchange->stream);
        exchange->stream = NULL;
        return KORE_RESULT_OK;
    }
    exchange = exchange_of(request);
    if (exchange == NULL) {
        http_response(request, 503, NULL, 0);
        return KORE_RESULT_OK;
    }
    exchange->kore = request;
    request->hdlr_extra = exchange;
    request->flags |= HTTP_REQUEST_RETAIN_EXTRA;
    request->onfree = on_request_free;
    bool full = outstanding >= EXCHANGES_MAX;
    keep(exchange);
    if (full)
        exchange_refuse(exchange, 503, "Overloaded", "too many requests are waiting; try again");
    if (full || front_answers(host_front(), exchange, loop_clock_ns() / 1000) ||
        !host_submit(exchange)) {
        exchange->is_back = true;
        front_back(host_front(), exchange, loop_clock_ns() / 1000);
        respond(request, exchange);
        return KORE_RESULT_OK;
    }
    http_request_sleep(request);
    return KORE_RESULT_RETRY;
}

void kore_worker_teardown(void)
{
    /* The port is free for a successor while the service winds up. */
    struct kore_server *server;
    struct listener *listener;
    LIST_FOREACH(server, &kore_servers, list)
    LIST_FOREACH(listener, &server->listeners, list)
    {
        close(listener->fd);
        listener->fd = -1;
    }
    host_stop();
    bool ended;
    struct http_exchange *exchange = host_take_answers(&ended);
    while (exchange != NULL) {
        struct http_exchange *next = exchange->next;
        wake_up_request(exchange);
        exchange = next;
    }
    /* The service's thread is gone: what it left unanswered is ours alone. */
    for (exchange = exchanges; exchange != NULL;) {
        struct http_exchange *next = exchange->other;
        if (!exchange->is_back) {
            exchange_refuse(exchange, 503, "Stopping", "this process is stopping");
            wake_up_request(exchange);
        }
        exchange = next;
    }
    http_process(); /* the last answers still leave */
    socket_side_orders(host_take_orders());
    socket_side_end();
    take_events();
    stream_side_end();
}

void kore_parent_teardown(void)
{
    unlink(kore_pidfile);
    fflush(NULL);
    _exit(host_exit_code());
}
