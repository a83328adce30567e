/* The service's side of event streams: who watches from where on, and what is told. */
#include "adapter/http_kore/stream.h"
#include "adapter/http_kore/http.h"
#include "service/inside.h"

#include <stdio.h>
#include <stdlib.h>

static struct http_site *site_of(const struct service *service)
{
    struct http_site *site = service->life->host;
    ASSERT(site != NULL); /* the service was linked with a host that has no HTTP */
    return site;
}

void http_events_begin(struct service *service, const struct http_events_options *options)
{
    struct http_site *site = site_of(service);
    site->events_id = options->id;
    site->events_heartbeat_ms =
        options->heartbeat_ms != 0 ? options->heartbeat_ms : STREAM_HEARTBEAT_MS;
    site->events_stalled_ms = options->stalled_ms != 0 ? options->stalled_ms : STREAM_STALLED_MS;
    site->events_sent = options->sent;
    site->events_fanned = options->fanned;
    atomic_store(&site->events_oldest, 1);
}

static void id_of(const struct http_site *site, uint64_t number, char id_r[STREAM_ID_BYTES])
{
    snprintf(id_r, STREAM_ID_BYTES, "%016llx-%llu", (unsigned long long)site->events_id,
             (unsigned long long)number);
}

/* As the HTML Standard has it (9.2.5); the data has no line break. Bytes it takes, or would. */
static size_t print_event(const char *id, const char *name, struct span data, char *text_r,
                          size_t bytes)
{
    ASSERT(memchr(data.data, '\n', data.length) == NULL &&
           memchr(data.data, '\r', data.length) == NULL);
    int length = snprintf(text_r, bytes, "id: %s\nevent: %s\ndata: %.*s\n\n", id, name,
                          (int)data.length, (const char *)data.data);
    ASSERT(length > 0);
    return (size_t)length;
}

void http_publish(struct service *service, const struct http_event *event)
{
    struct http_site *site = site_of(service);
    char id[STREAM_ID_BYTES];
    id_of(site, ++site->events_number, id);
    size_t length = print_event(id, event->name, event->data, NULL, 0);
    struct stream_event *made = malloc(sizeof *made + length + 1);
    ASSERT(made != NULL);
    *made = (struct stream_event){ .number = site->events_number,
                                   .topic = event->topic,
                                   .kind = event->kind,
                                   .made_ns = loop_clock_ns(),
                                   .length = length };
    print_event(id, event->name, event->data, (char *)made->bytes, length + 1);
    site->published(made);
}

/* The number in an id of this process's; false: it is another's, or none. */
static bool read_id(const struct http_site *site, const char *id, uint64_t *number_r)
{
    char own[STREAM_ID_BYTES];
    u128 number;
    id_of(site, 0, own);
    size_t head = strlen(own) - 1;
    if (strncmp(id, own, head) != 0 || !u128_parse(id + head, strlen(id + head), &number) ||
        number > site->events_number)
        return false;
    *number_r = (uint64_t)number;
    return true;
}

uint64_t http_stream_from(const struct http_exchange *exchange, const char *since, bool *resumed_r)
{
    struct http_site *site = exchange->site;
    const char *last = http_header(exchange, "last-event-id");
    uint64_t number = 0;
    if (last == NULL)
        last = since;
    /* What the ring has may shrink until the stream is open: then the client comes again. */
    *resumed_r = last != NULL && read_id(site, last, &number) &&
                 number + 1 >= atomic_load(&site->events_oldest);
    return *resumed_r ? number : site->events_number;
}

/* What comes first: when to come back, then the greeting's events. */
static void greet(struct http_stream *stream, const struct http_watch *watch)
{
    char id[STREAM_ID_BYTES], retry[32];
    int head = snprintf(retry, sizeof retry, "retry: %d\n", STREAM_RETRY_MS);
    size_t length = (size_t)head, used = (size_t)head;
    id_of(stream->site, watch->from, id);
    for (size_t i = 0; i < watch->greeting_count; i++)
        length += print_event(id, watch->greeting[i].name, watch->greeting[i].data, NULL, 0);
    stream->greeting = malloc(length + 1);
    ASSERT(stream->greeting != NULL);
    memcpy(stream->greeting, retry, (size_t)head);
    for (size_t i = 0; i < watch->greeting_count; i++)
        used += print_event(id, watch->greeting[i].name, watch->greeting[i].data,
                            (char *)stream->greeting + used, length + 1 - used);
    stream->own = stream->greeting;
    stream->own_length = length;
}

void http_accept_stream(struct http_exchange *exchange, const struct http_watch *watch)
{
    struct http_stream *stream = calloc(1, sizeof *stream);
    ASSERT(stream != NULL);
    *stream = (struct http_stream){
        .site = exchange->site,
        .on_closed = watch->on_closed,
        .context = watch->context,
        .task = { .run = stream_closed_run },
        .reader = { .next = watch->from + 1, .topic = watch->topic, .kinds = watch->kinds },
    };
    greet(stream, watch);
    exchange->stream = stream;
    http_add_header(exchange, "Cache-Control", "no-store, no-transform");
    http_add_header(exchange, "X-Accel-Buffering", "no"); /* proxies that gather answers: nginx */
    http_reply(exchange, 200, "text/event-stream", span_of(NULL, 0));
}

void stream_closed_run(struct loop_task *task)
{
    struct http_stream *stream =
        (struct http_stream *)((char *)task - offsetof(struct http_stream, task));
    if (stream->site->routes != NULL)
        stream->on_closed(stream->context, stream->slow);
    stream_free(stream);
}

void stream_free(struct http_stream *stream)
{
    free(stream->greeting);
    free(stream);
}
