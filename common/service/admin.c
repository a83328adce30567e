/* The admin port: enough of HTTP/1.1 for a probe and a scraper, answered on the service's own loop,
 * so that an answer proves that the loop turns. One request a connection, then it closes. Bounds:
 * 64 connections (more wait in the kernel's backlog), 4 KiB of request, 5 s from first to last. */
#include "service/inside.h"
#include "service/listen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    REQUEST_BYTES_MAX = 4096,
    ANSWER_BYTES_MAX = 4 << 20,
    LIFE_MS = 5000,
    LINGER_MS = 1000,
    PAUSE_MS = 200, /* after accepting failed for want of descriptors */
};

struct connection {
    struct admin *admin;
    struct loop_source source;
    struct loop_timer timer;
    struct connection *next;
    struct connection **place; /* what points to this one */
    bool answered;             /* all is written: what still comes is thrown away until the end */
    char *answer;              /* NULL: the request is not complete */
    size_t answer_length;
    size_t answer_sent;
    size_t request_length;
    char request[REQUEST_BYTES_MAX + 1];
};

struct admin {
    struct service *service;
    struct loop_source listener;
    struct loop_timer pause;
    struct connection *first;
    unsigned count;
    char bound[LISTEN_ADDRESS_BYTES];
};

static void connection_close(struct connection *connection)
{
    struct admin *admin = connection->admin;
    loop_timer_stop(admin->service->loop, &connection->timer);
    loop_remove(admin->service->loop, &connection->source);
    close(connection->source.fd);
    *connection->place = connection->next;
    if (connection->next != NULL)
        connection->next->place = connection->place;
    free(connection->answer);
    free(connection);
    if (admin->count-- == CONNECTIONS_MAX)
        loop_change(admin->service->loop, &admin->listener, EPOLLIN);
}

/* What the kernel knows of this process, in Prometheus's customary names. */
static size_t print_process(const struct service *service, char *text, size_t bytes)
{
    struct rusage usage = { 0 };
    getrusage(RUSAGE_SELF, &usage);
    uint64_t cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL) {
        if (fscanf(statm, "%*u %lu", &pages) != 1)
            pages = 0;
        fclose(statm);
    }
    int length = snprintf(
        text, bytes,
        "# HELP adit_info The process.\n# TYPE adit_info gauge\n"
        "adit_info{service=\"%s\",instance=\"%s\",version=\"%s\"} 1\n"
        "# HELP adit_ready 1 when the process serves.\n# TYPE adit_ready gauge\n"
        "adit_ready %d\n"
        "# HELP adit_degraded 1 when something it needs is away.\n# TYPE adit_degraded gauge\n"
        "adit_degraded %d\n"
        "# HELP adit_log_errors_total Error lines written.\n# TYPE adit_log_errors_total counter\n"
        "adit_log_errors_total %lu\n"
        "# HELP process_start_time_seconds Unix time of the start.\n"
        "# TYPE process_start_time_seconds gauge\n"
        "process_start_time_seconds %" PRIu64 ".%03" PRIu64 "\n"
        "# HELP process_cpu_seconds_total Processor time used.\n"
        "# TYPE process_cpu_seconds_total counter\n"
        "process_cpu_seconds_total %" PRIu64 ".%06" PRIu64 "\n"
        "# HELP process_resident_memory_bytes Memory in use.\n"
        "# TYPE process_resident_memory_bytes gauge\n"
        "process_resident_memory_bytes %lu\n",
        service->name, service->instance, service_version, service->life->ready,
        service_first_degraded(service) != NULL, log_error_count(), service->started_ms / 1000,
        service->started_ms % 1000, cpu_us / 1000000, cpu_us % 1000000,
        pages * (unsigned long)sysconf(_SC_PAGESIZE));
    return length < 0 ? 0 : (size_t)length;
}

/* Caller owns; its length in *length_r. */
static char *print_metrics(const struct service *service, size_t *length_r)
{
    for (size_t bytes = 64 << 10; bytes <= ANSWER_BYTES_MAX; bytes *= 2) {
        char *text = malloc(bytes);
        if (text == NULL)
            return NULL;
        size_t head = print_process(service, text, bytes);
        size_t rest = metrics_print(service->metrics, text + head, bytes - head);
        *length_r = head + rest;
        if (rest > 0)
            return text;
        free(text);
    }
    return NULL;
}

static void answer(struct connection *connection, int status, const char *reason, bool with_body,
                   const char *body, size_t body_length)
{
    char head[256];
    int head_length =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d %s\r\nServer: adit\r\nContent-Type: text/plain; "
                 "version=0.0.4; charset=utf-8\r\nContent-Length: %zu\r\n"
                 "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
                 status, reason, body_length, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    ASSERT(head_length > 0 && (size_t)head_length < sizeof head);
    connection->answer_length = (size_t)head_length + (with_body ? body_length : 0);
    connection->answer = malloc(connection->answer_length);
    ASSERT(connection->answer != NULL);
    memcpy(connection->answer, head, (size_t)head_length);
    if (with_body && body_length > 0)
        memcpy(connection->answer + head_length, body, body_length);
}

static void answer_text(struct connection *connection, int status, const char *reason,
                        bool with_body, const char *body)
{
    answer(connection, status, reason, with_body, body, strlen(body));
}

static void answer_ready(struct connection *connection, bool with_body)
{
    const struct service *service = connection->admin->service;
    char text[4096];
    size_t length = service_describe(service, text, sizeof text);
    bool ready = service_is_ready(service);
    answer(connection, ready ? 200 : 503, ready ? "OK" : "Service Unavailable", with_body, text,
           length);
}

static void answer_metrics(struct connection *connection, bool with_body)
{
    size_t length = 0;
    char *text = print_metrics(connection->admin->service, &length);
    if (text == NULL)
        answer_text(connection, 500, "Internal Server Error", with_body, "too many metrics\n");
    else
        answer(connection, 200, "OK", with_body, text, length);
    free(text);
}

/* The request's head is complete: its first line decides. */
static void answer_request(struct connection *connection)
{
    char *line = connection->request;
    line[strcspn(line, "\r\n")] = '\0';
    char *path = strchr(line, ' ');
    char *version = path == NULL ? NULL : strchr(path + 1, ' ');
    if (version == NULL || strncmp(version + 1, "HTTP/1.", 7) != 0) {
        answer_text(connection, 400, "Bad Request", true, "not an HTTP/1 request\n");
        return;
    }
    *path++ = '\0';
    *version = '\0';
    path[strcspn(path, "?")] = '\0';
    bool head = strcmp(line, "HEAD") == 0;
    if (!head && strcmp(line, "GET") != 0)
        answer_text(connection, 405, "Method Not Allowed", true, "GET or HEAD\n");
    else if (strcmp(path, "/healthz") == 0)
        answer_text(connection, 200, "OK", !head, "alive\n");
    else if (strcmp(path, "/readyz") == 0)
        answer_ready(connection, !head);
    else if (strcmp(path, "/metrics") == 0)
        answer_metrics(connection, !head);
    else
        answer_text(connection, 404, "Not Found", !head, "/healthz /readyz /metrics\n");
}

/* False when the connection is gone. */
static bool send_answer(struct connection *connection)
{
    while (connection->answer_sent < connection->answer_length) {
        ssize_t sent = send(connection->source.fd, connection->answer + connection->answer_sent,
                            connection->answer_length - connection->answer_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            loop_change(connection->admin->service->loop, &connection->source, EPOLLOUT);
            return true;
        }
        if (sent < 0) {
            connection_close(connection);
            return false;
        }
        connection->answer_sent += (size_t)sent;
    }
    /* Closing with unread bytes would reset the connection and might take the answer along. */
    connection->answered = true;
    shutdown(connection->source.fd, SHUT_WR);
    loop_change(connection->admin->service->loop, &connection->source, EPOLLIN);
    loop_timer_start(connection->admin->service->loop, &connection->timer, LINGER_MS, 0);
    return true;
}

static bool head_complete(const struct connection *connection)
{
    return strstr(connection->request, "\r\n\r\n") != NULL ||
           strstr(connection->request, "\n\n") != NULL;
}

static void on_connection(void *context, uint32_t ready)
{
    struct connection *connection = context;
    (void)ready;
    if (connection->answer != NULL && !connection->answered) {
        (void)send_answer(connection);
        return;
    }
    if (connection->answered)
        connection->request_length = 0;
    ssize_t got = recv(connection->source.fd, connection->request + connection->request_length,
                       REQUEST_BYTES_MAX - connection->request_length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        connection_close(connection);
        return;
    }
    connection->request_length += (size_t)got;
    if (connection->answered)
        return;
    connection->request[connection->request_length] = '\0';
    if (head_complete(connection))
        answer_request(connection);
    else if (connection->request_length == REQUEST_BYTES_MAX)
        answer_text(connection, 431, "Request Header Fields Too Large", true, "at most 4096\n");
    else
        return;
    (void)send_answer(connection);
}

static void on_timeout(void *context)
{
    connection_close(context);
}

static void on_listener(void *context, uint32_t ready)
{
    struct admin *admin = context;
    struct loop *loop = admin->service->loop;
    struct error error;
    (void)ready;
    int fd = accept4(admin->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        /* The connection stays in the backlog, and would wake the loop without end. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            loop_change(loop, &admin->listener, 0);
            loop_timer_start(loop, &admin->pause, PAUSE_MS, 0);
        }
        return;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->admin = admin;
    connection->source.fd = fd;
    connection->source.on_ready = on_connection;
    connection->source.context = connection;
    connection->timer.on_due = on_timeout;
    connection->timer.context = connection;
    if (!loop_add(loop, &connection->source, EPOLLIN, &error)) {
        close(fd);
        free(connection);
        return;
    }
    loop_timer_start(loop, &connection->timer, LIFE_MS, 0);
    connection->next = admin->first;
    connection->place = &admin->first;
    if (admin->first != NULL)
        admin->first->place = &connection->next;
    admin->first = connection;
    if (++admin->count == CONNECTIONS_MAX)
        loop_change(loop, &admin->listener, 0);
}

static void on_pause_over(void *context)
{
    struct admin *admin = context;
    if (admin->count < CONNECTIONS_MAX)
        loop_change(admin->service->loop, &admin->listener, EPOLLIN);
}

struct admin *admin_create(struct service *service, const char *address, struct error *error)
{
    struct admin *admin = calloc(1, sizeof *admin);
    ASSERT(admin != NULL);
    admin->service = service;
    admin->listener.fd = listen_open(address, CONNECTIONS_MAX, admin->bound, error);
    admin->listener.on_ready = on_listener;
    admin->listener.context = admin;
    admin->pause.on_due = on_pause_over;
    admin->pause.context = admin;
    if (admin->listener.fd < 0) {
        error_fill_prefix(error, "the admin port");
        free(admin);
        return NULL;
    }
    if (!loop_add(service->loop, &admin->listener, EPOLLIN, error)) {
        close(admin->listener.fd);
        free(admin);
        return NULL;
    }
    return admin;
}

const char *admin_bound(const struct admin *admin)
{
    return admin->bound;
}

void admin_destroy(struct admin *admin)
{
    if (admin == NULL)
        return;
    while (admin->first != NULL)
        connection_close(admin->first);
    loop_timer_stop(admin->service->loop, &admin->pause);
    loop_remove(admin->service->loop, &admin->listener);
    close(admin->listener.fd);
    free(admin);
}
