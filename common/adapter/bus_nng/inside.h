/* What the files of bus_nng share.
 *
 * Life of a part (server, client, …): nng calls back on its threads as long as the socket is open
 * and its aios are not stopped; each callback hands one task to the loop. A part that was closed
 * may have tasks under way, and is freed with the last of them.
 *
 * A part is closed in this order: its aios are stopped, which waits for callbacks that run, and
 * then its socket is closed. nng 1.5.2 frees a socket under the feet of a context that is being
 * used at that moment. */
#pragma once
#include "adapter/bus_nng/bus_nng.h"
#include "adapter/bus_nng/tls.h"

#include <nng/nng.h>
#include <stdatomic.h>

enum {
    HEADER_BYTES = 4,      /* nng puts a request's number before it, and counts it */
    BUFFER_MESSAGES = 256, /* of a publisher for each subscriber, and of a subscriber */
    RECONNECT_MIN_MS = 20,
    RECONNECT_MAX_MS = 200,
    URL_BYTES = 512,
};

struct server;

struct bus_nng {
    struct bus base;
    struct bus routed; /* of the clients of several addresses */
    struct loop *loop;
    struct tls tls;
    size_t open;            /* parts not closed yet */
    struct server *waiting; /* closed, but with calls that the service has not ended */
};

/* Connections of a socket coming and going, told to the loop. */
struct pipes {
    _Atomic unsigned long added;
    _Atomic unsigned long removed;
    _Atomic bool posted;
    struct loop *loop;
    struct loop_task task;
};

/* `run` is called on the loop after connections came or went. */
int pipes_watch(struct pipes *pipes, struct loop *loop, nng_socket socket,
                void (*run)(struct loop_task *task));
static inline bool pipes_any(struct pipes *pipes)
{
    return atomic_load(&pipes->added) > atomic_load(&pipes->removed);
}

/* A message of nng's with a copy of these bytes; NULL when there is no memory. */
nng_msg *message_of(struct span bytes);
static inline struct span message_body(nng_msg *message)
{
    return span_of(nng_msg_body(message), nng_msg_len(message));
}

/* False with a sentence that names the url. */
MUST_CHECK bool socket_listen(const struct bus_nng *bus, nng_socket socket, const char *url,
                              struct error *error);
MUST_CHECK bool socket_dial(const struct bus_nng *bus, nng_socket socket, const char *url,
                            struct error *error);
/* Its value is false. */
bool nng_failed(struct error *error, int result, const char *what, const char *url);

/* The members of bus_ops. */
struct bus_server *server_open(struct bus *bus, const char *url, unsigned in_flight_max,
                               size_t message_bytes_max, bus_call_handler handler, void *context,
                               struct error *error);
bool server_reply(struct bus_call *call, struct span message);
void server_drop(struct bus_call *call);
void server_close(struct bus_server *server);
void server_free(struct server *server);

struct bus_client *client_open(struct bus *bus, const char *url,
                               const struct bus_client_options *options, struct error *error);
bool client_request(struct bus_client *client, struct span message, unsigned timeout_ms,
                    bus_reply_handler handler, void *context);
void client_close(struct bus_client *client);

/* The same for a url of several addresses (routes.c); routes_open is client_open for one. */
struct bus_client *routes_open(struct bus *bus, const char *url,
                               const struct bus_client_options *options, struct error *error);
bool routes_request(struct bus_client *client, struct span message, unsigned timeout_ms,
                    bus_reply_handler handler, void *context);
void routes_close(struct bus_client *client);

struct bus_publisher *publisher_open(struct bus *bus, const char *url,
                                     bus_event_handler on_subscriber, void *context,
                                     struct error *error);
void publisher_publish(struct bus_publisher *publisher, struct span message);
void publisher_close(struct bus_publisher *publisher);

struct bus_subscriber *subscriber_open(struct bus *bus, const char *url, size_t message_bytes_max,
                                       bus_message_handler handler, void *context,
                                       struct error *error);
void subscriber_close(struct bus_subscriber *subscriber);
