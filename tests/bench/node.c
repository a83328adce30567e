/* bench-node: a coin node for benchmarks. It answers what a scheduler and a validator ask, with one
 * template of many transactions and a network target out of reach; it checks nothing and keeps
 * nothing. Two calls of its own move it: `benchtip` sets a new tip, `benchtimes` says when, and
 * when the template of that tip began and ended to leave (ns of the monotonic clock).
 *
 *   bench-node PORT TRANSACTIONS [nofees]      a thread a connection; ends with its parent */
#include "node_template.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEIGHT = 800000, LONGPOLL_S = 55, REQUEST_BYTES_MAX = 16 << 20 };
#define SUBSIDY UINT64_C(312500000)
#define BITS "170331db" /* about 2^76 hashes to a block */

struct node {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t tip; /* how many tips there were */
    uint64_t tip_ns, send_begin_ns, send_end_ns;
    struct node_template template;
};

struct request {
    const char *method;
    json_t *params;
    uint64_t id;
};

/* What goes out: a head made for the request, and the list that all share. */
struct answer {
    char *head;
    const char *tail; /* behind the head; NULL: none */
    size_t tail_bytes;
    const char *end;
    bool is_template;
    uint64_t tip;
};

struct visitor {
    struct node *node;
    int fd;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void tip_text(uint64_t tip, char text_r[65])
{
    snprintf(text_r, 65, "%016" PRIx64 "%048" PRIx64, (uint64_t)0, tip + 1);
}

static char *PRINTF_LIKE(1, 2) print(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);
    return text;
}

/* Waits for another tip than the one the caller knows; a real node answers after a while anyway. */
static void wait_for_tip(struct node *node, const char *longpoll)
{
    char known[65];
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONGPOLL_S;
    for (;;) {
        tip_text(node->tip, known);
        if (strcmp(known, longpoll) != 0 ||
            pthread_cond_timedwait(&node->moved, &node->lock, &until) == ETIMEDOUT)
            return;
    }
}

static struct answer get_template(struct node *node, const struct request *request)
{
    const char *longpoll =
        json_string_value(json_object_get(json_array_get(request->params, 0), "longpollid"));
    char tip[65];
    pthread_mutex_lock(&node->lock);
    if (longpoll != NULL)
        wait_for_tip(node, longpoll);
    uint64_t number = node->tip;
    pthread_mutex_unlock(&node->lock);
    tip_text(number, tip);
    uint64_t now = (uint64_t)time(NULL);
    return (struct answer){
        .head = print("{\"id\":%" PRIu64 ",\"error\":null,\"result\":{\"version\":536870912,"
                      "\"rules\":[\"csv\",\"!segwit\",\"taproot\"],\"previousblockhash\":\"%s\","
                      "\"longpollid\":\"%s\",\"coinbasevalue\":%" PRIu64 ",\"mintime\":%" PRIu64
                      ",\"curtime\":%" PRIu64 ",\"bits\":\"" BITS "\",\"height\":%" PRIu64
                      ",\"default_witness_commitment\":\"%s\",\"transactions\":",
                      request->id, tip, tip, SUBSIDY + node->template.fees, now - 3600, now,
                      HEIGHT + 1 + number, node->template.commitment),
        .tail = node->template.transactions,
        .tail_bytes = node->template.transactions_bytes,
        .end = "}}",
        .is_template = longpoll != NULL,
        .tip = number,
    };
}

static char *chain_text(struct node *node)
{
    char tip[65];
    pthread_mutex_lock(&node->lock);
    uint64_t number = node->tip;
    pthread_mutex_unlock(&node->lock);
    tip_text(number, tip);
    return print("{\"chain\":\"regtest\",\"blocks\":%" PRIu64 ",\"headers\":%" PRIu64
                 ",\"bestblockhash\":\"%s\",\"chainwork\":\"%064" PRIx64 "\",\"mediantime\":%ld,"
                 "\"initialblockdownload\":false}",
                 HEIGHT + number, HEIGHT + number, tip, number + 1, (long)time(NULL) - 3600);
}

static char *best_text(struct node *node)
{
    char tip[65];
    pthread_mutex_lock(&node->lock);
    tip_text(node->tip, tip);
    pthread_mutex_unlock(&node->lock);
    return print("\"%s\"", tip);
}

/* Only the tip's is ever asked for. */
static char *header_text(struct node *node)
{
    char tip[65];
    pthread_mutex_lock(&node->lock);
    uint64_t number = node->tip;
    pthread_mutex_unlock(&node->lock);
    tip_text(number, tip);
    return print("{\"hash\":\"%s\",\"confirmations\":1,\"height\":%" PRIu64
                 ",\"mediantime\":%ld,\"bits\":\"" BITS "\"}",
                 tip, HEIGHT + number,
                 (long)time(NULL) - 3590); /* a template made later has no later one */
}

static char *move_tip(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    node->tip++;
    node->tip_ns = now_ns();
    node->send_begin_ns = node->send_end_ns = 0;
    pthread_cond_broadcast(&node->moved);
    char *text = print("{\"tip_ns\":%" PRIu64 "}", node->tip_ns);
    pthread_mutex_unlock(&node->lock);
    return text;
}

static char *times_text(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    char *text =
        print("{\"tip_ns\":%" PRIu64 ",\"send_begin_ns\":%" PRIu64 ",\"send_end_ns\":%" PRIu64 "}",
              node->tip_ns, node->send_begin_ns, node->send_end_ns);
    pthread_mutex_unlock(&node->lock);
    return text;
}

static struct answer answer(struct node *node, const struct request *request)
{
    char *result = NULL;
    if (strcmp(request->method, "getblocktemplate") == 0)
        return get_template(node, request);
    if (strcmp(request->method, "getblockchaininfo") == 0)
        result = chain_text(node);
    else if (strcmp(request->method, "getbestblockhash") == 0)
        result = best_text(node);
    else if (strcmp(request->method, "getblockheader") == 0)
        result = header_text(node);
    else if (strcmp(request->method, "validateaddress") == 0)
        result = print("{\"isvalid\":true}");
    else if (strcmp(request->method, "submitblock") == 0)
        result = print("null");
    else if (strcmp(request->method, "benchtip") == 0)
        result = move_tip(node);
    else if (strcmp(request->method, "benchtimes") == 0)
        result = times_text(node);
    struct answer answer = {
        .head = result != NULL ? print("{\"id\":%" PRIu64 ",\"error\":null,\"result\":%s}",
                                       request->id, result)
                               : print("{\"id\":%" PRIu64 ",\"result\":null,\"error\":{\"code\":-5,"
                                       "\"message\":\"not of this bench\"}}",
                                       request->id),
        .end = "",
    };
    free(result);
    return answer;
}

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

static bool send_answer(struct node *node, int fd, const struct answer *given)
{
    char http[200];
    size_t bytes = strlen(given->head) + given->tail_bytes + strlen(given->end);
    int length = snprintf(http, sizeof http,
                          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          bytes);
    uint64_t begin_ns = now_ns();
    bool sent = send_all(fd, http, (size_t)length) &&
                send_all(fd, given->head, strlen(given->head)) &&
                send_all(fd, given->tail, given->tail_bytes) &&
                send_all(fd, given->end, strlen(given->end));
    pthread_mutex_lock(&node->lock);
    if (given->is_template && given->tip == node->tip && node->send_end_ns == 0) {
        node->send_begin_ns = begin_ns;
        node->send_end_ns = now_ns();
    }
    pthread_mutex_unlock(&node->lock);
    return sent;
}

/* Reads one request into `bytes`; the length of its body behind *body_r; 0: the connection ended.
 */
static size_t read_request(int fd, char *bytes, const char **body_r)
{
    size_t used = 0;
    for (;;) {
        ssize_t got = recv(fd, bytes + used, REQUEST_BYTES_MAX - used, 0);
        if (got <= 0)
            return 0;
        used += (size_t)got;
        bytes[used] = '\0';
        const char *end = strstr(bytes, "\r\n\r\n"), *given = strcasestr(bytes, "content-length:");
        if (end == NULL || given == NULL)
            continue;
        size_t length = strtoul(given + 15, NULL, 10);
        *body_r = end + 4;
        if (used >= (size_t)(end + 4 - bytes) + length)
            return length;
    }
}

static void *serve(void *context)
{
    struct visitor visitor = *(struct visitor *)context;
    char *bytes = malloc(REQUEST_BYTES_MAX + 1);
    const char *body;
    free(context);
    ASSERT(bytes != NULL);
    for (size_t length; (length = read_request(visitor.fd, bytes, &body)) > 0;) {
        json_t *document = json_loadb(body, length, 0, NULL);
        struct request request = {
            .method = json_string_value(json_object_get(document, "method")),
            .params = json_object_get(document, "params"),
            .id = (uint64_t)json_integer_value(json_object_get(document, "id")),
        };
        if (request.method == NULL)
            break;
        struct answer given = answer(visitor.node, &request);
        bool sent = send_answer(visitor.node, visitor.fd, &given);
        free(given.head);
        json_decref(document);
        if (!sent)
            break;
    }
    free(bytes);
    close(visitor.fd);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct node node = { .lock = PTHREAD_MUTEX_INITIALIZER,
                                .moved = PTHREAD_COND_INITIALIZER };
    const int on = 1;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "bench-node PORT TRANSACTIONS [nofees]\n");
        return 64;
    }
    node_template_make(&node.template, strtoul(argv[2], NULL, 10), argc == 3);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0) {
        perror("bench-node");
        return 1;
    }
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        struct visitor *visitor = malloc(sizeof *visitor);
        pthread_t thread;
        ASSERT(fd >= 0 && visitor != NULL);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        *visitor = (struct visitor){ &node, fd };
        ASSERT(pthread_create(&thread, NULL, serve, visitor) == 0);
        pthread_detach(thread);
    }
}
