/* A small service in Kore's host, for host_test: what it does is set by PROBE in the environment.
 * "fail" ends at once with code 2; "stuck" never stops; "parting" publishes when its loop has
 * ended; else it serves. */
#include "adapter/http_kore/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void hello(void *context, struct http_exchange *exchange)
{
    (void)context;
    http_reply(exchange, 200, "text/plain", span_text(http_segment(exchange, 0)));
}

/* Whom it takes for its client, where 127.0.0.1 is a proxy. */
static void tell_client(void *context, struct http_exchange *exchange)
{
    static char text[] = "127.0.0.1";
    static char *items[] = { text };
    static const struct settings_list proxies = { .items = items, .count = 1 };
    char client[HTTP_CLIENT_BYTES];
    (void)context;
    http_client(exchange, &proxies, client);
    http_reply(exchange, 200, "text/plain", span_text(client));
}

static void echo(void *context, struct http_exchange *exchange)
{
    (void)context;
    http_reply(exchange, 200, "application/octet-stream", http_body(exchange));
}

/* Freed at the end only; a stop leaves some unanswered. */
static struct late *all_late;

struct late {
    struct late *next;
    struct loop_timer timer;
    struct http_exchange *exchange;
};

static void answer_late(void *context)
{
    struct late *late = context;
    http_reply(late->exchange, 200, "text/plain", span_text("late"));
}

static void wait_a_while(void *context, struct http_exchange *exchange)
{
    struct service *service = context;
    struct late *late = calloc(1, sizeof *late);
    late->next = all_late;
    all_late = late;
    late->exchange = exchange;
    late->timer.on_due = answer_late;
    late->timer.context = late;
    loop_timer_start(service->loop, &late->timer, strtoull(http_segment(exchange, 0), NULL, 10), 0);
}

/* Every message comes back, but for "close", which closes. */
static void on_message(void *context, struct http_socket *socket, struct span text)
{
    (void)context;
    if (span_equal(text, span_text("close")))
        http_socket_close(socket, 1013, "ERROR: you asked for it");
    else
        http_socket_send(socket, text);
}

static void on_closed(void *context, struct http_socket *socket)
{
    (void)context;
    (void)socket;
    log_info("probe.closed", "%s", "");
}

static void open_socket(void *context, struct http_exchange *exchange)
{
    static const struct http_socket_handlers handlers = { 1000, on_message, on_closed };
    struct http_socket *socket = http_accept_socket(exchange, &handlers, context);
    if (socket != NULL)
        http_socket_send(socket, span_text("hello"));
}

/* Who watches, and who did. */
static struct {
    unsigned open, left, slow;
    uint64_t published;
} streams;

static void on_stream_closed(void *context, bool slow)
{
    (void)context;
    streams.open--;
    streams.slow += slow;
    streams.left += !slow;
}

static uint64_t number_after(const char *text, const char *name, uint64_t fallback)
{
    const char *at = strstr(text, name);
    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : fallback;
}

/* ?topic=1&kinds=3: all of everybody's and of topic 1's, of both kinds. */
static void watch(void *context, struct http_exchange *exchange)
{
    bool resumed;
    const char *query = http_query(exchange);
    struct http_event hello = { .name = "hello" };
    const struct http_watch wanted = {
        .from = http_stream_from(exchange, NULL, &resumed),
        .topic = number_after(query, "topic=", 0),
        .kinds = (uint32_t)number_after(query, "kinds=", 1),
        .greeting = &hello,
        .greeting_count = 1,
        .on_closed = on_stream_closed,
        .context = context,
    };
    hello.data = span_text(resumed ? "resumed" : "new");
    streams.open++;
    http_accept_stream(exchange, &wanted);
}

static void publish_text(struct service *service, const char *query, struct span data)
{
    const struct http_event event = { .topic = number_after(query, "topic=", 0),
                                      .kind = (uint32_t)number_after(query, "kind=", 1),
                                      .name = "news",
                                      .data = data };
    http_publish(service, &event);
}

/* ?count=5&topic=1&kind=2: events whose data is their number, 1, 2, 3, …, and the padding. */
static void publish(void *context, struct http_exchange *exchange)
{
    struct service *service = context;
    const char *query = http_query(exchange);
    uint64_t count = number_after(query, "count=", 1);
    uint64_t pad = number_after(query, "pad=", 0);
    char zeros[4000], data[4096], reply[32];
    memset(zeros, '0', sizeof zeros - 1);
    zeros[sizeof zeros - 1] = '\0';
    for (uint64_t i = 0; i < count; i++) {
        int length =
            snprintf(data, sizeof data, "%llu%.*s", (unsigned long long)++streams.published,
                     (int)(pad < sizeof zeros ? pad : sizeof zeros - 1), zeros);
        publish_text(service, query, span_of(data, (size_t)length));
    }
    snprintf(reply, sizeof reply, "%llu", (unsigned long long)streams.published);
    http_reply(exchange, 200, "text/plain", span_text(reply));
}

static void tell_streams(void *context, struct http_exchange *exchange)
{
    char text[96];
    (void)context;
    snprintf(text, sizeof text, "open=%u left=%u slow=%u.", streams.open, streams.left,
             streams.slow);
    http_reply(exchange, 200, "text/plain", span_text(text));
}

static void reload(struct service *service)
{
    (void)service;
    log_info("probe.reload", "%s", "");
}

static int run(struct service *service)
{
    static const struct http_route routes[] = {
        { HTTP_METHOD_GET, "/hello/{}", hello },
        { HTTP_METHOD_POST, "/echo", echo },
        { HTTP_METHOD_GET, "/wait/{}", wait_a_while },
        { HTTP_METHOD_GET, "/socket", open_socket },
        { HTTP_METHOD_GET, "/watch", watch },
        { HTTP_METHOD_GET, "/publish", publish },
        { HTTP_METHOD_GET, "/client", tell_client },
        { HTTP_METHOD_GET, "/streams", tell_streams },
        { HTTP_METHOD_GET, NULL, NULL },
    };
    const char *probe = getenv("PROBE") != NULL ? getenv("PROBE") : "";
    if (strcmp(probe, "fail") == 0) {
        struct error error = { ERROR_UNAVAILABLE, "no node answered" };
        return service_fail(service, SERVICE_EXIT_NODE, &error);
    }
    const bool hasty = strcmp(probe, "hasty") == 0;
    http_events_begin(service,
                      &(struct http_events_options){
                          .id = 0xabcdef,
                          .sent = metrics_counter(service->metrics, "probe_sent", "", "", NULL),
                          .fanned = metrics_histogram(service->metrics, "probe_fanned", ""),
                          .heartbeat_ms = hasty ? 100 : 0,
                          .stalled_ms = hasty ? 500 : 0,
                      });
    http_serve(service, routes, service);
    service_ready(service);
    loop_run(service->loop);
    if (strcmp(probe, "stuck") == 0)
        pause();
    if (strcmp(probe, "parting") == 0)
        publish_text(service, "", span_text("farewell"));
    while (all_late != NULL) {
        struct late *late = all_late;
        all_late = late->next;
        free(late);
    }
    return SERVICE_EXIT_OK;
}

static const char *admin_address(const struct settings *settings)
{
    return settings->auth_admin_address;
}

static const char *http_address(const struct settings *settings)
{
    return settings->auth_http_address;
}

const struct service_definition service_definition = {
    .name = "kore-probe",
    .admin_address = admin_address,
    .http_address = http_address,
    .run = run,
    .reload = reload,
};
