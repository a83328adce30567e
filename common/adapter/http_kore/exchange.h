/* One request and its answer on the way between Kore's thread and the service's loop. Inside
 * http_kore only; includes nothing of Kore's and nothing whose names Kore's headers take (theirs
 * define HTTP_METHOD_GET, LOG_INFO, …), so that both sides can see it.
 *
 * Life: made on Kore's thread, which posts it to the loop; the loop answers, and `answered` hands
 * it back. Meanwhile it belongs to the loop, but for `kore`, which stays Kore's: NULL once the
 * client is gone. Freed on Kore's thread, when it is back. */
#pragma once
#include "adapter/http_kore/router.h"
#include "loop/loop.h"

#include <stdatomic.h>

enum { EXCHANGE_HEADERS_MAX = 32, EXCHANGE_ANSWER_HEADERS_MAX = 16, EXCHANGE_BODY_MAX = 65536 };

/* As enum http_method, and two more. */
enum exchange_method {
    EXCHANGE_GET,
    EXCHANGE_POST,
    EXCHANGE_PUT,
    EXCHANGE_DELETE,
    EXCHANGE_OPTIONS,
    EXCHANGE_OTHER,
};

struct http_site;
struct http_socket;
struct http_stream;
struct stream_event;
struct metric;
struct metric_histogram;
struct socket_order;

struct exchange_header {
    char *name;
    char *value;
};

struct http_exchange {
    struct http_site *site;
    struct loop_task task;
    struct http_exchange *next;  /* on the way back */
    void *kore;                  /* Kore's request */
    bool is_back;                /* Kore's: answered and returned */
    struct http_exchange *other; /* Kore's list of all that live, and what points to this one */
    struct http_exchange **place;

    enum exchange_method method;
    char *path;
    char *query;
    char *peer;
    uint8_t *body;
    size_t body_length;
    size_t header_count;
    struct exchange_header headers[EXCHANGE_HEADERS_MAX];
    struct router_match match;

    uint64_t began_us;          /* Kore's: when it had come whole */
    unsigned keep_ms;           /* how long the answer is everybody's (http_keep), */
    uint64_t made_us;           /* counted from here */
    int status;                 /* 0: not answered */
    struct http_socket *socket; /* status 101: the WebSocket it becomes */
    struct http_stream *stream; /* status 200: the stream of events it becomes */
    char *content_type;
    uint8_t *answer;
    size_t answer_length;
    size_t answer_header_count;
    struct exchange_header answer_headers[EXCHANGE_ANSWER_HEADERS_MAX];
};

struct http_route;
struct network_address;
struct settings_list;

/* What one process serves. `routes` is set once, on the loop. */
struct http_site {
    const struct http_route *routes;
    void *context;
    bool (*guard)(void *context, struct http_exchange *exchange); /* may be NULL */
    void (*answered)(struct http_exchange *exchange);             /* called on the loop */
    void (*ordered)(struct socket_order *order);                  /* likewise; taken */
    void (*published)(struct stream_event *event);                /* likewise; taken */
    /* why writes are not taken; NULL: they are. Also read on Kore's thread. */
    _Atomic(const char *) stands_by;

    /* Events (http_events_begin): in whose ids this process is told from others, the number of the
     * newest, and of the oldest that a stream can go on behind (Kore's thread writes it). */
    uint64_t events_id, events_number;
    _Atomic uint64_t events_oldest;
    uint64_t events_heartbeat_ms, events_stalled_ms;
    /* The service's; Kore's thread has them through host_count_sent and host_count_fanned. */
    struct metric *events_sent;             /* bytes */
    struct metric_histogram *events_fanned; /* from an event to its last stream */
};

/* Texts are copied; query may be NULL. NULL when there is no memory. */
struct http_exchange *exchange_create(struct http_site *site, enum exchange_method method,
                                      const char *path, const char *query, const char *peer);
void exchange_add_header(struct http_exchange *exchange, const char *name, const char *value);
/* Room for the body, to be filled; NULL when there is no memory. */
uint8_t *exchange_body(struct http_exchange *exchange, size_t length);
void exchange_free(struct http_exchange *exchange);

/* Whether one of these (addresses and networks, as text) is or contains it. */
bool http_is_proxy(const struct settings_list *proxies, const struct network_address *address);

/* On the loop: finds the route and calls its handler, or answers itself. `task` is the
 * exchange's. */
void exchange_dispatch(struct loop_task *task);
/* An answer of the site's own: also usable on Kore's thread, before the exchange was posted. */
void exchange_refuse(struct http_exchange *exchange, int status, const char *title,
                     const char *detail);
