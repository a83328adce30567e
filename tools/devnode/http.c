#include "tools/devnode/http.h"
#include "tools/devnode/consensus/buffer.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    struct http_server *server;
    pthread_t thread;
    int fd;     /* -1: the slot is free */
    bool ended; /* its thread is done and waits to be joined */
};

struct http_server {
    int listener;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;
    http_handle *handle;
    void *context;
    char authorization[512]; /* "Basic …", or empty */
    struct connection connections[HTTP_CONNECTIONS_MAX];
};

struct request {
    char path[256];
    size_t body_bytes;
    bool keep_alive;
    bool expects_continue;
    bool authorized;
    int refusal; /* an HTTP status where the head cannot be served, or 0 */
};

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Payload Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

static bool send_answer(int fd, int status, const char *body, bool keep_alive)
{
    char head[256];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%s"
                          "Content-Length: %zu\r\nConnection: %s\r\n\r\n",
                          status, status_text(status),
                          status == 401 ? "WWW-Authenticate: Basic realm=\"jsonrpc\"\r\n" : "",
                          strlen(body), keep_alive ? "keep-alive" : "close");
    return send_all(fd, head, (size_t)length) && send_all(fd, body, strlen(body));
}

static void parse_field(const struct http_server *server, char *line, struct request *request)
{
    char *value = strchr(line, ':');
    if (value == NULL) {
        request->refusal = 400;
        return;
    }
    *value++ = 0;
    value += strspn(value, " \t");
    for (size_t end = strlen(value); end > 0 && isspace((unsigned char)value[end - 1]);)
        value[--end] = 0;
    if (strcasecmp(line, "content-length") == 0) {
        char *end = NULL;
        unsigned long long bytes = strtoull(value, &end, 10);
        if (!isdigit((unsigned char)value[0]) || *end != 0)
            request->refusal = 400;
        else if (bytes > HTTP_BODY_BYTES_MAX)
            request->refusal = 413;
        else
            request->body_bytes = (size_t)bytes;
    } else if (strcasecmp(line, "transfer-encoding") == 0) {
        request->refusal = 501;
    } else if (strcasecmp(line, "connection") == 0) {
        if (strcasecmp(value, "close") == 0)
            request->keep_alive = false;
        else if (strcasecmp(value, "keep-alive") == 0)
            request->keep_alive = true;
    } else if (strcasecmp(line, "expect") == 0) {
        request->expects_continue = strcasecmp(value, "100-continue") == 0;
    } else if (strcasecmp(line, "authorization") == 0 && server->authorization[0] != 0) {
        size_t length = strlen(server->authorization);
        request->authorized =
            strlen(value) == length && sodium_memcmp(value, server->authorization, length) == 0;
    }
}

/* Parses the head, which is overwritten. */
static struct request parse_head(const struct http_server *server, char *head)
{
    struct request request = { .authorized = server->authorization[0] == 0 };
    char method[16];
    char version[16];
    char *rest = NULL;
    char *line = strtok_r(head, "\r\n", &rest);
    if (line == NULL || sscanf(line, "%15s %255s %15s", method, request.path, version) != 3) {
        request.refusal = 400;
        return request;
    }
    request.keep_alive = strcmp(version, "HTTP/1.1") == 0;
    if (strcmp(method, "POST") != 0)
        request.refusal = 405;
    while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL)
        parse_field(server, line, &request);
    if (!request.authorized)
        request.refusal = 401;
    return request;
}

/* Receives until `input` holds at least `least` bytes. */
static bool receive(int fd, struct buffer *input, size_t least)
{
    char chunk[16384];
    while (input->length < least) {
        ssize_t got = recv(fd, chunk, sizeof chunk, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buffer_put(input, chunk, (size_t)got);
    }
    return true;
}

/* The bytes of the head with its empty line, or 0 where it is not whole yet. */
static size_t head_bytes(const struct buffer *input)
{
    const uint8_t *end =
        input->length < 4 ? NULL : memmem(input->data, input->length, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - input->data) + 4;
}

static void take_front(struct buffer *input, size_t bytes)
{
    memmove(input->data, input->data + bytes, input->length - bytes);
    input->length -= bytes;
}

/* One request and its answer; false where the connection ends. */
static bool serve_one(struct http_server *server, int fd, struct buffer *input)
{
    size_t head = 0;
    while ((head = head_bytes(input)) == 0) {
        if (input->length > HTTP_HEAD_BYTES_MAX) {
            send_answer(fd, 431, "", false);
            return false;
        }
        if (!receive(fd, input, input->length + 1))
            return false;
    }
    char *text = memory_take(head + 1);
    memcpy(text, input->data, head);
    struct request request = parse_head(server, text);
    free(text);
    if (request.refusal != 0) {
        send_answer(fd, request.refusal, "", false);
        return false;
    }
    take_front(input, head);
    if (request.expects_continue && input->length < request.body_bytes &&
        !send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25))
        return false;
    if (!receive(fd, input, request.body_bytes))
        return false;
    char *answer = NULL;
    int status = server->handle(server->context, request.path,
                                span_of(input->data, request.body_bytes), fd, &answer);
    take_front(input, request.body_bytes);
    bool good = send_answer(fd, status, answer == NULL ? "" : answer, request.keep_alive);
    free(answer);
    return good && request.keep_alive;
}

static void *connection_main(void *argument)
{
    struct connection *connection = argument;
    struct buffer input = { 0 };
    /* The first bytes make room, so that an empty body has a place to point at. */
    buffer_put_u8(&input, 0);
    input.length = 0;
    while (serve_one(connection->server, connection->fd, &input))
        ;
    buffer_deinit(&input);
    pthread_mutex_lock(&connection->server->lock);
    close(connection->fd);
    connection->fd = -1;
    connection->ended = true;
    pthread_mutex_unlock(&connection->server->lock);
    return NULL;
}

/* Under the lock. NULL where all slots are taken. */
static struct connection *free_slot(struct http_server *server)
{
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];
        if (connection->fd >= 0)
            continue;
        if (connection->ended)
            pthread_join(connection->thread, NULL);
        connection->ended = false;
        return connection;
    }
    return NULL;
}

static void take_connection(struct http_server *server, int fd)
{
    int on = 1;
    struct timeval idle = { .tv_sec = 600 };
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
    pthread_mutex_lock(&server->lock);
    struct connection *connection = server->stopping ? NULL : free_slot(server);
    if (connection != NULL) {
        connection->server = server;
        connection->fd = fd;
        if (pthread_create(&connection->thread, NULL, connection_main, connection) != 0) {
            connection->fd = -1;
            connection = NULL;
        }
    }
    pthread_mutex_unlock(&server->lock);
    if (connection == NULL) {
        send_answer(fd, 503, "Work queue depth exceeded", false);
        close(fd);
    }
}

static void *accept_main(void *argument)
{
    struct http_server *server = argument;
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(server, fd);
            continue;
        }
        pthread_mutex_lock(&server->lock);
        bool stopping = server->stopping;
        pthread_mutex_unlock(&server->lock);
        if (stopping)
            return NULL;
        usleep(10000); /* out of descriptors, or an aborted connection: others end in time */
    }
}

static bool listen_on(struct http_server *server, const char *address, char address_r[64],
                      struct error *error)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    socklen_t length = sizeof to;
    char host[40];
    unsigned port;
    char extra;
    int on = 1;
    if (sscanf(address, "%39[0-9.]:%u%c", host, &port, &extra) != 2 || port > 65535 ||
        inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return error_set(error, ERROR_INVALID, "--listen %s is no IPv4 address and port", address);
    to.sin_port = htons((uint16_t)port);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0)
        return error_system(error, errno, "cannot make a socket");
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server->listener, (struct sockaddr *)&to, sizeof to) != 0 ||
        listen(server->listener, 64) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&to, &length) != 0)
        return error_system(error, errno, "cannot listen on %s", address);
    snprintf(address_r, 64, "%s:%u", host, ntohs(to.sin_port));
    return true;
}

struct http_server *http_start(const char *address, const char *authorization, http_handle *handle,
                               void *context, char address_r[64], struct error *error)
{
    struct http_server *server = memory_take(sizeof *server);
    server->handle = handle;
    server->context = context;
    server->listener = -1;
    pthread_mutex_init(&server->lock, NULL);
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        server->connections[i].fd = -1;
    if (authorization != NULL) {
        size_t room = sizeof server->authorization - 6;
        if (sodium_base64_encoded_len(strlen(authorization), sodium_base64_VARIANT_ORIGINAL) >
            room) {
            error_fill(error, ERROR_INVALID, "the RPC user and password are too long");
            goto fail;
        }
        memcpy(server->authorization, "Basic ", 6);
        sodium_bin2base64(server->authorization + 6, room, (const uint8_t *)authorization,
                          strlen(authorization), sodium_base64_VARIANT_ORIGINAL);
    }
    if (!listen_on(server, address, address_r, error))
        goto fail;
    if (pthread_create(&server->thread, NULL, accept_main, server) != 0) {
        error_fill(error, ERROR_SYSTEM, "cannot start a thread");
        goto fail;
    }
    return server;
fail:
    if (server->listener >= 0)
        close(server->listener);
    pthread_mutex_destroy(&server->lock);
    free(server);
    return NULL;
}

void http_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    shutdown(server->listener, SHUT_RDWR);
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        if (server->connections[i].fd >= 0)
            shutdown(server->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        pthread_mutex_lock(&server->lock);
        bool used = server->connections[i].fd >= 0 || server->connections[i].ended;
        pthread_mutex_unlock(&server->lock);
        if (used)
            pthread_join(server->connections[i].thread, NULL);
    }
    close(server->listener);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
