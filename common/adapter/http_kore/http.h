/* HTTP served by Kore. Kore's worker parses requests and writes answers; what a request means is
 * decided on the service's own loop and thread: handlers here are called there, may answer at once
 * or later (after a worker's job), and Kore is never blocked.
 *
 * Bounds: body ≤ 64 KiB, 512 exchanges outstanding (beyond: 503), path ≤ 512 bytes, and for each
 * address service.requests_per_s with ten seconds of it at once (beyond: 429 with Retry-After). */
#pragma once
#include "service/service.h"

enum http_method { HTTP_METHOD_GET, HTTP_METHOD_POST, HTTP_METHOD_PUT, HTTP_METHOD_DELETE };

struct http_exchange; /* one request, until it is answered */

/* `exchange` is taken: it must be ended by exactly one http_reply, now or later, on the loop. */
typedef void (*http_handler)(void *context, struct http_exchange *exchange);

/* A path is matched segment by segment; `{}` stands for any one segment, which the handler gets by
 * http_segment in order (percent-decoded). */
struct http_route {
    enum http_method method;
    const char *path; /* "/api/v1/accounts/{}" */
    http_handler handler;
};

/* Starts answering with these routes (statically allocated; ended by an entry with path NULL);
 * until then every request gets 503. Unknown paths get 404, other methods 405, as problem
 * documents (RFC 9457). */
void http_serve(struct service *service, const struct http_route *routes, void *context);

/* From now on, until told NULL, this process only reads: what is not a GET gets 503 with `why`
 * (borrowed), and every answer bears `Adit-Standby: true`. */
void http_stand_by(struct service *service, const char *why);

/* Called for every request before its route is looked for, with http_serve's context: adds what
 * every answer has (http_add_header); true where it has answered it. Before http_serve. */
typedef bool (*http_guard)(void *context, struct http_exchange *exchange);
void http_set_guard(struct service *service, http_guard guard);
/* Whether a page asks what it may ask (OPTIONS): no route is for that. */
bool http_is_options(const struct http_exchange *exchange);

/* All borrowed until the exchange is answered. */
/* NULL where the route has no such `{}`. */
const char *http_segment(const struct http_exchange *exchange, size_t index);
const char *http_query(const struct http_exchange *exchange); /* raw text behind '?', or "" */
const char *http_header(const struct http_exchange *exchange, const char *name); /* or NULL */
struct span http_body(const struct http_exchange *exchange);
const char *http_peer(const struct http_exchange *exchange); /* who opened the connection */

/* The client's address as limits know it: the peer's, or behind one of the proxies what that says
 * in X-Forwarded-For, on one line or several, whose last is the newest; of IPv6 the first 64 bits,
 * which one customer has. */
enum { HTTP_CLIENT_BYTES = 48 };
void http_client(const struct http_exchange *exchange, const struct settings_list *proxies,
                 char client_r[HTTP_CLIENT_BYTES]);

/* `body` is copied. A header of the handler's own is added by http_add_header before. */
void http_add_header(struct http_exchange *exchange, const char *name, const char *value);
void http_reply(struct http_exchange *exchange, int status, const char *content_type,
                struct span body);
/* Before http_reply with status 200, and before what the answer says is looked at: it is the same
 * for everybody for so long from now on. Whoever asks for this path and query meanwhile, without a
 * token, is given it by Kore's thread and the handler is not called; but for those whose
 * Cache-Control says no-cache, no-store or max-age=0 (RFC 9111, 5.2.1), who get a new one. An
 * answer with an "etag" becomes a 304 where the client has it, kept or not. On whichever thread has
 * the exchange. */
void http_keep(struct http_exchange *exchange, unsigned ms);
/* A problem document; `field` (may be NULL) names what is wrong in the request. */
void http_problem(struct http_exchange *exchange, int status, const char *title, const char *detail,
                  const char *field);

/* Streams of events (server-sent events, HTML Standard 9.2): what is published is kept once, in a
 * ring of the last events (8192 of them, 4 MiB), and every watcher reads on in it at its own pace.
 * One whose place in the ring is gone, or that took nothing of what waits for it in 30 s, is
 * disconnected. After 15 s of silence a comment is sent. */
struct http_events_options {
    uint64_t id;                       /* random: whose ids these are */
    struct metric *sent;               /* bytes that streams were sent */
    struct metric_histogram *fanned;   /* from an event to the last stream it was sent to */
    unsigned heartbeat_ms, stalled_ms; /* for tests; 0: as said above */
};
/* Before the first event and the first stream. */
void http_events_begin(struct service *service, const struct http_events_options *options);

struct http_event {
    uint64_t topic; /* 0: for everybody, else for those who watch this topic */
    uint32_t kind;  /* one bit */
    const char *name;
    struct span data; /* text without line breaks; copied */
};
void http_publish(struct service *service, const struct http_event *event);

/* Behind which event a client goes on: the one in its Last-Event-ID, else in `since` (may be NULL),
 * with *resumed_r, where all that followed can still be had; else the newest. */
uint64_t http_stream_from(const struct http_exchange *exchange, const char *since, bool *resumed_r);

struct http_watch {
    uint64_t from; /* http_stream_from; nothing may be published in between */
    uint64_t topic;
    uint32_t kinds;                    /* bits */
    const struct http_event *greeting; /* sent first, to this client alone; copied */
    size_t greeting_count;
    /* The last call, on the loop. `slow`: it did not keep up. */
    void (*on_closed)(void *context, bool slow);
    void *context;
};
/* Takes the exchange, and answers it with a stream. */
void http_accept_stream(struct http_exchange *exchange, const struct http_watch *watch);

/* WebSockets (RFC 6455): a handler may turn its exchange into one. Messages come and go as whole
 * texts; pings are answered by themselves; a socket that is silent for two minutes is closed. */
struct http_socket;
struct http_socket_handlers {
    size_t message_max; /* bytes; a client that sends more is closed with status 1009 */
    /* `text` is UTF-8 and borrowed until this returns. */
    void (*on_message)(void *context, struct http_socket *socket, struct span text);
    /* The last call: the socket is gone. */
    void (*on_closed)(void *context, struct http_socket *socket);
};
/* Takes the exchange. The socket, the caller's to speak to until on_closed; NULL where the request
 * is no handshake: it was answered. Handlers are statically allocated. */
MUST_CHECK struct http_socket *http_accept_socket(struct http_exchange *exchange,
                                                  const struct http_socket_handlers *handlers,
                                                  void *context);
/* The text is copied. A client that does not read what it is sent is disconnected. */
void http_socket_send(struct http_socket *socket, struct span text);
/* `reason` has at most 123 bytes. on_closed still comes. */
void http_socket_close(struct http_socket *socket, uint16_t status, const char *reason);
