#include "adapter/webhook_curl/testing/receiver.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 16384, LOOK_MS = 50 };

static void demand(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "the test's receiver: %s\n", what);
    abort();
}

/* Whether there is something to read, or the line ended; false once it is to stop. */
static bool wait_for_line(struct receiver *receiver, int fd)
{
    struct pollfd look = { .fd = fd, .events = POLLIN };
    while (!atomic_load(&receiver->stop))
        if (poll(&look, 1, LOOK_MS) > 0)
            return true;
    return false;
}

/* A header's value, "" where it has none. */
static void header_of(const char *request, const char *name, char *value_r, size_t bytes)
{
    value_r[0] = '\0';
    for (const char *line = strstr(request, "\r\n"); line != NULL && line[2] != '\r';
         line = strstr(line + 2, "\r\n")) {
        size_t length = strlen(name);
        if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
            continue;
        const char *value = line + 2 + length + 1;
        value += strspn(value, " ");
        snprintf(value_r, bytes, "%.*s", (int)strcspn(value, "\r\n"), value);
        return;
    }
}

/* As the specification tells receivers to do it, by itself: not with our own code. */
static bool verify(const struct receiver *receiver, const struct receiver_heard *heard,
                   const char *time, const char *signature)
{
    static char message[RECEIVER_ID_BYTES + RECEIVER_BODY_BYTES + 64];
    crypto_auth_hmacsha256_state state;
    uint8_t mac[32], shown[32];
    size_t length;
    snprintf(message, sizeof message, "%s.%s.%s", heard->id, time, heard->body);
    crypto_auth_hmacsha256_init(&state, receiver->secret, receiver->secret_length);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)message, strlen(message));
    crypto_auth_hmacsha256_final(&state, mac);
    return strncmp(signature, "v1,", 3) == 0 &&
           sodium_base642bin(shown, sizeof shown, signature + 3, strlen(signature) - 3, NULL,
                             &length, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           length == sizeof mac && sodium_memcmp(mac, shown, sizeof mac) == 0;
}

static void remember(struct receiver *receiver, const char *request, const char *body, int answered)
{
    char time[24], signature[80];
    pthread_mutex_lock(&receiver->lock);
    demand(receiver->heard_count < RECEIVER_HEARD_MAX, "too many requests");
    struct receiver_heard *heard = &receiver->heard[receiver->heard_count];
    memset(heard, 0, sizeof *heard);
    header_of(request, "webhook-id", heard->id, sizeof heard->id);
    header_of(request, "webhook-timestamp", time, sizeof time);
    header_of(request, "webhook-signature", signature, sizeof signature);
    snprintf(heard->body, sizeof heard->body, "%s", body);
    const char *path = strchr(request, ' ');
    if (path != NULL)
        snprintf(heard->path, sizeof heard->path, "%.*s", (int)strcspn(path + 1, " \r"), path + 1);
    heard->time_s = strtoull(time, NULL, 10);
    heard->answered = answered;
    heard->valid = receiver->secret_length > 0 && verify(receiver, heard, time, signature);
    receiver->heard_count++;
    pthread_mutex_unlock(&receiver->lock);
}

/* The whole request; NULL where it did not come. */
static const char *read_request(struct receiver *receiver, int fd, char *request)
{
    size_t length = 0;
    for (;;) {
        char size[16];
        if (!wait_for_line(receiver, fd))
            return NULL;
        ssize_t got = read(fd, request + length, REQUEST_BYTES - 1 - length);
        if (got <= 0)
            return NULL;
        length += (size_t)got;
        request[length] = '\0';
        char *end = strstr(request, "\r\n\r\n");
        if (end == NULL)
            continue;
        header_of(request, "content-length", size, sizeof size);
        if (request + length >= end + 4 + strtoul(size, NULL, 10))
            return end + 4;
    }
}

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* The same again until the other end goes, or the test ends. */
static void repeat(struct receiver *receiver, int fd, const char *text, int pause_ms)
{
    struct pollfd look = { .fd = fd, .events = POLLRDHUP };
    while (!atomic_load(&receiver->stop) && say(fd, text) && poll(&look, 1, pause_ms) == 0)
        ;
}

static void answer(struct receiver *receiver, int fd, int way, int status)
{
    char head[128];
    switch ((enum receiver_way)way) {
    case RECEIVER_ANSWER:
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d Thing\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
        (void)say(fd, head);
        break;
    case RECEIVER_REDIRECT:
        snprintf(head, sizeof head,
                 "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/other\r\n"
                 "Content-Length: 0\r\nConnection: close\r\n\r\n",
                 receiver->port);
        (void)say(fd, head);
        break;
    case RECEIVER_SILENT:
        (void)wait_for_line(receiver, fd);
        break;
    case RECEIVER_DRIP:
        if (say(fd, "HTTP/1.1 200 OK\r\nX: "))
            repeat(receiver, fd, "x", LOOK_MS);
        break;
    case RECEIVER_ENDLESS:
        if (say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"))
            repeat(receiver, fd, "0123456789abcdef0123456789abcdef0123456789abcdef", 0);
        break;
    case RECEIVER_HEADERS:
        if (say(fd, "HTTP/1.1 200 OK\r\n"))
            repeat(receiver, fd, "X-More: 0123456789abcdef0123456789abcdef0123456789\r\n", 0);
        break;
    case RECEIVER_CLOSE:
        break;
    }
}

static void serve(struct receiver *receiver, int fd)
{
    static char request[REQUEST_BYTES]; /* of the one thread */
    const char *body = read_request(receiver, fd, request);
    if (body == NULL)
        return;
    int way = atomic_load(&receiver->way), status = atomic_load(&receiver->status);
    remember(receiver, request, body, way == RECEIVER_ANSWER ? status : 0);
    answer(receiver, fd, way, status);
}

static void *run(void *context)
{
    struct receiver *receiver = context;
    while (wait_for_line(receiver, receiver->listener)) {
        int fd = accept4(receiver->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        atomic_fetch_add(&receiver->connections, 1);
        serve(receiver, fd);
        close(fd);
    }
    return NULL;
}

void receiver_begin(struct receiver *receiver)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    memset(receiver, 0, sizeof *receiver);
    atomic_store(&receiver->status, 200);
    pthread_mutex_init(&receiver->lock, NULL);
    receiver->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(receiver->listener >= 0 &&
               bind(receiver->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
               listen(receiver->listener, 64) == 0 &&
               getsockname(receiver->listener, (struct sockaddr *)&address, &length) == 0,
           "no port");
    receiver->port = ntohs(address.sin_port);
    demand(pthread_create(&receiver->thread, NULL, run, receiver) == 0, "no thread");
}

void receiver_know(struct receiver *receiver, const char *text)
{
    static const char prefix[] = "whsec_";
    demand(strncmp(text, prefix, sizeof prefix - 1) == 0, "this is no secret");
    text += sizeof prefix - 1;
    pthread_mutex_lock(&receiver->lock);
    demand(sodium_base642bin(receiver->secret, sizeof receiver->secret, text, strlen(text), NULL,
                             &receiver->secret_length, NULL, sodium_base64_VARIANT_ORIGINAL) == 0,
           "this is no base64");
    pthread_mutex_unlock(&receiver->lock);
}

size_t receiver_count(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    size_t count = receiver->heard_count;
    pthread_mutex_unlock(&receiver->lock);
    return count;
}

struct receiver_heard receiver_get(struct receiver *receiver, size_t index)
{
    pthread_mutex_lock(&receiver->lock);
    demand(index < receiver->heard_count, "nothing of this number was heard");
    struct receiver_heard heard = receiver->heard[index];
    pthread_mutex_unlock(&receiver->lock);
    return heard;
}

void receiver_end(struct receiver *receiver)
{
    atomic_store(&receiver->stop, true);
    pthread_join(receiver->thread, NULL);
    close(receiver->listener);
    pthread_mutex_destroy(&receiver->lock);
}
