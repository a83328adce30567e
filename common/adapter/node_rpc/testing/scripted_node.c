#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "adapter/node_rpc/testing/scripted_node.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void scripted_node_put(struct scripted_node *node, const char *status, const char *body)
{
    pthread_mutex_lock(&node->lock);
    node->status = status;
    node->body = body;
    node->promised = 0;
    pthread_mutex_unlock(&node->lock);
}

bool scripted_node_has_seen(struct scripted_node *node, const char *text)
{
    pthread_mutex_lock(&node->lock);
    bool seen = strstr(node->seen, text) != NULL;
    pthread_mutex_unlock(&node->lock);
    return seen;
}

static void answer(struct scripted_node *node, int fd)
{
    char body[SCRIPTED_BODY_BYTES];
    char reply[8192];
    pthread_mutex_lock(&node->lock);
    const char *id = strstr(node->seen, "\"id\":");
    const char *mark = strstr(node->body, "$id");
    snprintf(body, sizeof body, "%s", node->body);
    if (mark != NULL)
        snprintf(body, sizeof body, "%.*s%lu%s", (int)(mark - node->body), node->body,
                 id != NULL ? strtoul(id + 5, NULL, 10) : 0, mark + 3);
    int length = snprintf(reply, sizeof reply,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          node->status, node->promised != 0 ? node->promised : strlen(body), body);
    pthread_mutex_unlock(&node->lock);
    assert_true(write(fd, reply, (size_t)length) == length);
}

/* Reads one request; false at the end. */
static bool read_request(struct scripted_node *node, int fd)
{
    char text[sizeof node->seen];
    size_t used = 0;
    for (;;) {
        struct pollfd waiting = { .fd = fd, .events = POLLIN };
        while (poll(&waiting, 1, 20) == 0)
            if (atomic_load(&node->stopping))
                return false;
        ssize_t got = read(fd, text + used, sizeof text - 1 - used);
        if (got <= 0)
            return false;
        used += (size_t)got;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (end == NULL || length == NULL || strlen(end + 4) < strtoul(length + 16, NULL, 10))
            continue;
        pthread_mutex_lock(&node->lock);
        memcpy(node->seen, text, used + 1);
        pthread_mutex_unlock(&node->lock);
        atomic_fetch_add(&node->requests, 1);
        return true;
    }
}

static void *serve(void *context)
{
    struct scripted_node *node = context;
    while (!atomic_load(&node->stopping)) {
        struct pollfd waiting = { .fd = node->listener, .events = POLLIN };
        if (poll(&waiting, 1, 20) <= 0)
            continue;
        int fd = accept(node->listener, NULL, NULL);
        while (fd >= 0 && read_request(node, fd)) {
            if (atomic_load(&node->manner) == SCRIPTED_HANGS_UP)
                break;
            if (atomic_load(&node->manner) == SCRIPTED_ANSWERS)
                answer(node, fd);
        }
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

void scripted_node_open(struct scripted_node *node, const char *login)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    *node = (struct scripted_node){ .status = "200 OK", .body = "" };
    pthread_mutex_init(&node->lock, NULL);
    node->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(node->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(node->listener, 8), 0);
    assert_int_equal(getsockname(node->listener, (struct sockaddr *)&address, &length), 0);
    snprintf(node->url, sizeof node->url, "http://%s127.0.0.1:%u", login, ntohs(address.sin_port));
    assert_int_equal(pthread_create(&node->thread, NULL, serve, node), 0);
}

void scripted_node_close(struct scripted_node *node)
{
    atomic_store(&node->stopping, true);
    pthread_join(node->thread, NULL);
    pthread_mutex_destroy(&node->lock);
    close(node->listener);
}

struct node *scripted_node_connect(const char *url, const char *coin, unsigned call_timeout_ms)
{
    struct error error;
    struct node *node =
        node_rpc_open(&(struct node_rpc_options){ .url = url,
                                                  .coin = coin_profile_find(span_text(coin)),
                                                  .call_timeout_ms = call_timeout_ms },
                      &error);
    if (node == NULL)
        fail_msg("%s", error.text);
    return node;
}
