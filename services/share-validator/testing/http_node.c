#include "services/share-validator/testing/http_node.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 16, REQUEST_BYTES_MAX = 1 << 20, BLOCKS_MAX = 256 };

struct connection {
    int fd;
    char *bytes;
    size_t used;
};

struct http_node {
    int listener;
    unsigned port;
    pthread_t thread;
    _Atomic bool ending;
    pthread_mutex_t mutex; /* the blocks */
    struct span blocks[BLOCKS_MAX];
    unsigned submissions;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
};

static void keep_block(struct http_node *node, const char *params)
{
    const char *from = strchr(params, '"');
    const char *to = from != NULL ? strchr(from + 1, '"') : NULL;
    ASSERT(to != NULL);
    size_t digits = (size_t)(to - from - 1);
    uint8_t *block = malloc(digits / 2 + 1);
    ASSERT(block != NULL && hex_decode(from + 1, digits, block, digits / 2));
    pthread_mutex_lock(&node->mutex);
    if (node->submissions < BLOCKS_MAX)
        node->blocks[node->submissions] = span_of(block, digits / 2);
    else
        free(block);
    node->submissions++;
    pthread_mutex_unlock(&node->mutex);
}

/* One whole request; false when more bytes are needed. */
static bool answer_one(struct http_node *node, struct connection *connection)
{
    connection->bytes[connection->used] = '\0';
    const char *end = strstr(connection->bytes, "\r\n\r\n");
    const char *given = strcasestr(connection->bytes, "content-length:");
    if (end == NULL || given == NULL)
        return false;
    const char *body = end + 4;
    size_t length = strtoul(given + 15, NULL, 10);
    size_t head = (size_t)(body - connection->bytes);
    if (connection->used < head + length)
        return false;
    const char *id = strstr(body, "\"id\":");
    const char *params = strstr(body, "\"params\":");
    bool submit = strstr(body, "\"submitblock\"") != NULL && params != NULL;
    if (submit)
        keep_block(node, params + 9);
    char text[256];
    char message[512];
    snprintf(text, sizeof text, "{\"result\":null,\"error\":%s,\"id\":%lu}",
             submit ? "null" : "{\"code\":-32601,\"message\":\"unknown\"}",
             id != NULL ? strtoul(id + 5, NULL, 10) : 0);
    int bytes = snprintf(message, sizeof message,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         strlen(text), text);
    (void)send(connection->fd, message, (size_t)bytes, MSG_NOSIGNAL);
    connection->used -= head + length;
    memmove(connection->bytes, connection->bytes + head + length, connection->used);
    return true;
}

static void accept_one(struct http_node *node)
{
    int fd = accept(node->listener, NULL, NULL);
    ASSERT(fd >= 0 && node->connection_count < CONNECTIONS_MAX);
    struct connection *connection = &node->connections[node->connection_count++];
    *connection = (struct connection){ .fd = fd, .bytes = malloc(REQUEST_BYTES_MAX + 1) };
    ASSERT(connection->bytes != NULL);
}

static void drop(struct http_node *node, size_t at)
{
    close(node->connections[at].fd);
    free(node->connections[at].bytes);
    node->connections[at] = node->connections[--node->connection_count];
}

static void *serve(void *context)
{
    struct http_node *node = context;
    while (!atomic_load(&node->ending)) {
        struct pollfd polled[CONNECTIONS_MAX + 1];
        size_t count = node->connection_count;
        for (size_t i = 0; i < count; i++)
            polled[i] = (struct pollfd){ .fd = node->connections[i].fd, .events = POLLIN };
        polled[count] = (struct pollfd){ .fd = node->listener, .events = POLLIN };
        if (poll(polled, count + 1, 50) <= 0)
            continue;
        for (size_t i = count; i-- > 0;) {
            struct connection *connection = &node->connections[i];
            if (polled[i].revents == 0)
                continue;
            ssize_t got = read(connection->fd, connection->bytes + connection->used,
                               REQUEST_BYTES_MAX - connection->used);
            if (got <= 0) {
                drop(node, i);
                continue;
            }
            connection->used += (size_t)got;
            while (answer_one(node, connection))
                continue;
        }
        if (polled[count].revents != 0)
            accept_one(node);
    }
    return NULL;
}

struct http_node *http_node_begin(void)
{
    struct http_node *node = calloc(1, sizeof *node);
    ASSERT(node != NULL);
    pthread_mutex_init(&node->mutex, NULL);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    node->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(node->listener >= 0 &&
           bind(node->listener, (const struct sockaddr *)&address, length) == 0 &&
           listen(node->listener, 16) == 0 &&
           getsockname(node->listener, (struct sockaddr *)&address, &length) == 0);
    node->port = ntohs(address.sin_port);
    ASSERT(pthread_create(&node->thread, NULL, serve, node) == 0);
    return node;
}

void http_node_end(struct http_node *node)
{
    atomic_store(&node->ending, true);
    pthread_join(node->thread, NULL);
    while (node->connection_count > 0)
        drop(node, node->connection_count - 1);
    close(node->listener);
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        free((void *)(uintptr_t)node->blocks[i].data);
    pthread_mutex_destroy(&node->mutex);
    free(node);
}

unsigned http_node_port(const struct http_node *node)
{
    return node->port;
}

unsigned http_node_submissions(struct http_node *node)
{
    pthread_mutex_lock(&node->mutex);
    unsigned submissions = node->submissions;
    pthread_mutex_unlock(&node->mutex);
    return submissions;
}

bool http_node_has(struct http_node *node, struct span block)
{
    pthread_mutex_lock(&node->mutex);
    bool has = false;
    for (size_t i = 0; i < BLOCKS_MAX && !has; i++)
        has = span_equal(node->blocks[i], block);
    pthread_mutex_unlock(&node->mutex);
    return has;
}
