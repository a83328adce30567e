#include "adapter/store_mongo/testing/scripted.h"
#include "base/bytes.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* https://github.com/mongodb/specifications, OP_MSG; and the two old operations that a driver's
 * first greeting uses */
enum { OP_REPLY = 1, OP_QUERY = 2004, OP_MSG = 2013, HEADER_BYTES = 16, CONNECTIONS_MAX = 32 };

struct scripted {
    scripted_answer answer;
    void *context;
    int listener;
    int port;
    pthread_t thread;
    atomic_bool ending;
};

static bool read_all(int fd, uint8_t *data, size_t length)
{
    for (size_t have = 0; have < length;) {
        ssize_t got = recv(fd, data + have, length - have, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static void fill_hello(const struct scripted *scripted, bson_t *reply)
{
    char host[32];
    bson_t hosts;
    snprintf(host, sizeof host, "127.0.0.1:%d", scripted->port);
    BSON_APPEND_BOOL(reply, "ismaster", true);
    BSON_APPEND_BOOL(reply, "isWritablePrimary", true);
    BSON_APPEND_UTF8(reply, "setName", "rs");
    BSON_APPEND_INT32(reply, "setVersion", 1);
    BSON_APPEND_UTF8(reply, "me", host);
    BSON_APPEND_ARRAY_BEGIN(reply, "hosts", &hosts);
    BSON_APPEND_UTF8(&hosts, "0", host);
    bson_append_array_end(reply, &hosts);
    BSON_APPEND_INT32(reply, "logicalSessionTimeoutMinutes", 30);
    BSON_APPEND_INT32(reply, "minWireVersion", 0);
    BSON_APPEND_INT32(reply, "maxWireVersion", 17);
    BSON_APPEND_INT32(reply, "maxBsonObjectSize", 16777216);
    BSON_APPEND_INT32(reply, "maxMessageSizeBytes", 48000000);
    BSON_APPEND_INT32(reply, "maxWriteBatchSize", 100000);
    BSON_APPEND_DOUBLE(reply, "ok", 1);
}

static bool fill_reply(struct scripted *scripted, const bson_t *request, const bson_t *list,
                       bson_t *reply)
{
    bson_iter_t at;
    if (!bson_iter_init(&at, request) || !bson_iter_next(&at))
        return false;
    const char *command = bson_iter_key(&at);
    if (strcasecmp(command, "hello") == 0 || strcasecmp(command, "ismaster") == 0) {
        fill_hello(scripted, reply);
        return true;
    }
    if (strcmp(command, "endSessions") == 0) {
        BSON_APPEND_DOUBLE(reply, "ok", 1);
        return true;
    }
    return scripted->answer(scripted->context, command, request, list, reply);
}

/* The sections of an OP_MSG behind its flags: one document, and a list of them. */
static void read_sections(const uint8_t *at, const uint8_t *end, bson_t *request_r, bson_t *list)
{
    uint32_t count = 0;
    while (at < end) {
        uint8_t kind = *at++;
        uint32_t bytes = load_le32(at);
        bson_t document;
        if (kind == 0) {
            bool read = bson_init_static(request_r, at, bytes);
            ASSERT(read);
        } else {
            const uint8_t *one = at + 4 + strlen((const char *)at + 4) + 1;
            while (one < at + bytes) {
                char key[16];
                const char *name;
                bson_uint32_to_string(count++, &name, key, sizeof key);
                bool read = bson_init_static(&document, one, load_le32(one));
                ASSERT(read);
                bson_append_document(list, name, -1, &document);
                one += load_le32(one);
            }
        }
        at += bytes;
    }
}

static void send_reply(int fd, bool old, const uint8_t *request_header, const bson_t *reply)
{
    uint8_t head[HEADER_BYTES + 20] = { 0 };
    size_t extra = old ? 20 : 5;
    store_le32(head, (uint32_t)(HEADER_BYTES + extra + reply->len));
    store_le32(head + 4, 1);
    memcpy(head + 8, request_header + 4, 4); /* in answer to */
    store_le32(head + 12, old ? OP_REPLY : OP_MSG);
    if (old)
        store_le32(head + HEADER_BYTES + 16, 1); /* one document */
    if (send(fd, head, HEADER_BYTES + extra, MSG_NOSIGNAL | MSG_MORE) > 0)
        (void)!send(fd, bson_get_data(reply), reply->len, MSG_NOSIGNAL);
}

/* One request and its answer; false when the connection is over. */
static bool serve_one(struct scripted *scripted, int fd)
{
    uint8_t header[HEADER_BYTES];
    if (!read_all(fd, header, sizeof header))
        return false;
    size_t length = load_le32(header) - HEADER_BYTES;
    bool old = load_le32(header + 12) == OP_QUERY;
    uint8_t *body = malloc(length);
    ASSERT(body != NULL);
    bson_t request, list = BSON_INITIALIZER, reply = BSON_INITIALIZER;
    bool on = read_all(fd, body, length);
    if (on && old) {
        const uint8_t *document = body + 4 + strlen((const char *)body + 4) + 1 + 8;
        on = bson_init_static(&request, document, load_le32(document));
    } else if (on) {
        read_sections(body + 4, body + length, &request, &list);
    }
    on = on && fill_reply(scripted, &request, &list, &reply);
    if (on)
        send_reply(fd, old, header, &reply);
    bson_destroy(&list);
    bson_destroy(&reply);
    free(body);
    return on;
}

static void *run(void *context)
{
    struct scripted *scripted = context;
    struct pollfd fds[CONNECTIONS_MAX + 1] = { { scripted->listener, POLLIN, 0 } };
    nfds_t count = 1;
    while (!atomic_load(&scripted->ending)) {
        if (poll(fds, count, 20) <= 0)
            continue;
        for (nfds_t i = count; i-- > 1;) {
            if (fds[i].revents == 0 || serve_one(scripted, fds[i].fd))
                continue;
            close(fds[i].fd);
            fds[i] = fds[--count];
        }
        if (fds[0].revents != 0 && count <= CONNECTIONS_MAX) {
            int fd = accept4(scripted->listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                fds[count++] = (struct pollfd){ fd, POLLIN, 0 };
        }
    }
    while (count > 1)
        close(fds[--count].fd);
    return NULL;
}

struct scripted *scripted_start(scripted_answer answer, void *context, char *url_r)
{
    struct scripted *scripted = calloc(1, sizeof *scripted);
    ASSERT(scripted != NULL);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    scripted->answer = answer;
    scripted->context = context;
    scripted->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(scripted->listener, (struct sockaddr *)&address, length) == 0);
    ASSERT(listen(scripted->listener, CONNECTIONS_MAX) == 0);
    ASSERT(getsockname(scripted->listener, (struct sockaddr *)&address, &length) == 0);
    scripted->port = ntohs(address.sin_port);
    snprintf(url_r, 128, "mongodb://127.0.0.1:%d/x?replicaSet=rs", scripted->port);
    ASSERT(pthread_create(&scripted->thread, NULL, run, scripted) == 0);
    return scripted;
}

void scripted_stop(struct scripted *scripted)
{
    atomic_store(&scripted->ending, true);
    pthread_join(scripted->thread, NULL);
    close(scripted->listener);
    free(scripted);
}
