/* The bus: publish/subscribe for what everybody should know, request/reply for what needs an
 * answer. A port: services see only this; adapter/bus_nng carries it with nng, adapter/bus_fake in
 * memory for tests.
 *
 * Everything is called, and every callback comes, on the loop's thread. Messages passed in are
 * copied before the call returns; messages handed to a callback are borrowed until it returns.
 * Delivery of requests is at most once per call here (no silent resends): a caller that wants it
 * again asks again under the same id of its own, because a request that timed out may have been
 * carried out. Addresses are nng URLs (ipc:///path, tcp://host:port).
 *
 * Who dials may give several with commas, of which those that listen are talked to, in turn. There
 * a request that is late is asked of a second one too, and the first answer counts: a peer that
 * hangs holds up nobody while another answers. So each of several may carry a request out, as it
 * may when a caller asks again. */
#pragma once
#include "loop/loop.h"

enum bus_outcome {
    BUS_REPLIED = 0, /* the reply is here */
    BUS_TIMEOUT,     /* no reply in time: whether it was carried out is unknown */
    BUS_GONE,        /* the connection ended first: whether it was carried out is unknown */
    BUS_CLOSED,      /* this client is being closed */
};

struct bus;
struct bus_server;     /* answers requests at one address */
struct bus_call;       /* one request waiting for our reply */
struct bus_client;     /* sends requests to one address */
struct bus_publisher;  /* publishes at one address */
struct bus_subscriber; /* listens to one publisher */

/* `call` is taken: it must be ended by exactly one bus_reply or bus_drop, now or later. */
typedef void (*bus_call_handler)(void *context, struct bus_call *call, struct span message);
typedef void (*bus_reply_handler)(void *context, enum bus_outcome outcome, struct span reply);
typedef void (*bus_message_handler)(void *context, struct span message);
typedef void (*bus_event_handler)(void *context);

struct bus_client_options {
    unsigned in_flight_max;   /* requests outstanding at once; more are refused */
    size_t message_bytes_max; /* the longest reply taken */
    /* may be NULL: the peer's connection came up, or went away; of several peers, each time one
     * does, and it is told as up again while another is there */
    bus_event_handler on_up;
    bus_event_handler on_down;
    void *context;
};

struct bus_ops {
    struct bus_server *(*serve)(struct bus *bus, const char *url, unsigned in_flight_max,
                                size_t message_bytes_max, bus_call_handler handler, void *context,
                                struct error *error);
    bool (*reply)(struct bus_call *call, struct span message);
    void (*drop)(struct bus_call *call);
    void (*server_close)(struct bus_server *server);

    struct bus_client *(*connect)(struct bus *bus, const char *url,
                                  const struct bus_client_options *options, struct error *error);
    bool (*request)(struct bus_client *client, struct span message, unsigned timeout_ms,
                    bus_reply_handler handler, void *context);
    void (*client_close)(struct bus_client *client);

    struct bus_publisher *(*publisher)(struct bus *bus, const char *url,
                                       bus_event_handler on_subscriber, void *context,
                                       struct error *error);
    void (*publish)(struct bus_publisher *publisher, struct span message);
    void (*publisher_close)(struct bus_publisher *publisher);

    struct bus_subscriber *(*subscribe)(struct bus *bus, const char *url, size_t message_bytes_max,
                                        bus_message_handler handler, void *context,
                                        struct error *error);
    void (*subscriber_close)(struct bus_subscriber *subscriber);

    void (*destroy)(struct bus *bus);
};

/* An adapter's own struct begins with this one. */
struct bus {
    const struct bus_ops *ops;
};

/* Every adapter's servers, calls, clients, publishers and subscribers begin with this one. */
struct bus_part {
    struct bus *bus;
};

/* Listens at url. NULL and *error when it cannot. Ended by bus_server_close, after which replies
 * still owed are dropped. */
MUST_CHECK static inline struct bus_server *
bus_serve(struct bus *bus, const char *url, unsigned in_flight_max, size_t message_bytes_max,
          bus_call_handler handler, void *context, struct error *error)
{
    return bus->ops->serve(bus, url, in_flight_max, message_bytes_max, handler, context, error);
}
/* Answers and ends the call. False when the asker is gone (the call is ended all the same). */
static inline bool bus_reply(struct bus_call *call, struct span message)
{
    return ((struct bus_part *)call)->bus->ops->reply(call, message);
}
/* Ends the call without an answer: the asker will time out. */
static inline void bus_drop(struct bus_call *call)
{
    ((struct bus_part *)call)->bus->ops->drop(call);
}
static inline void bus_server_close(struct bus_server *server)
{
    ((struct bus_part *)server)->bus->ops->server_close(server);
}

/* A client of the server at url. Succeeds also while nobody listens there: it goes on dialling.
 * Ended by bus_client_close, which answers what is outstanding with BUS_CLOSED first. */
MUST_CHECK static inline struct bus_client *
bus_connect(struct bus *bus, const char *url, const struct bus_client_options *options,
            struct error *error)
{
    return bus->ops->connect(bus, url, options, error);
}
/* False, and no callback, when in_flight_max are outstanding or no connection is up. Else the
 * handler is called exactly once, never before this call has returned. */
MUST_CHECK static inline bool bus_request(struct bus_client *client, struct span message,
                                          unsigned timeout_ms, bus_reply_handler handler,
                                          void *context)
{
    return ((struct bus_part *)client)
        ->bus->ops->request(client, message, timeout_ms, handler, context);
}
static inline void bus_client_close(struct bus_client *client)
{
    ((struct bus_part *)client)->bus->ops->client_close(client);
}

/* Publishes at url. `on_subscriber` (may be NULL) is called when one connects, so that the current
 * state can be published again. */
MUST_CHECK static inline struct bus_publisher *
bus_publisher_open(struct bus *bus, const char *url, bus_event_handler on_subscriber, void *context,
                   struct error *error)
{
    return bus->ops->publisher(bus, url, on_subscriber, context, error);
}
/* Never blocks; a subscriber that is behind loses the oldest (messages carry a sequence). */
static inline void bus_publish(struct bus_publisher *publisher, struct span message)
{
    ((struct bus_part *)publisher)->bus->ops->publish(publisher, message);
}
static inline void bus_publisher_close(struct bus_publisher *publisher)
{
    ((struct bus_part *)publisher)->bus->ops->publisher_close(publisher);
}

/* Listens to the publisher at url; goes on dialling while nobody is there. */
MUST_CHECK static inline struct bus_subscriber *
bus_subscribe(struct bus *bus, const char *url, size_t message_bytes_max,
              bus_message_handler handler, void *context, struct error *error)
{
    return bus->ops->subscribe(bus, url, message_bytes_max, handler, context, error);
}
static inline void bus_subscriber_close(struct bus_subscriber *subscriber)
{
    ((struct bus_part *)subscriber)->bus->ops->subscriber_close(subscriber);
}

static inline void bus_destroy(struct bus *bus)
{
    bus->ops->destroy(bus);
}
