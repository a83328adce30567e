/* PUB and SUB. A subscriber takes one message at a time to the loop; what comes meanwhile waits in
 * nng's buffer, which drops its oldest when full. */
#include "adapter/bus_nng/inside.h"

#include <errno.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdlib.h>

struct publisher {
    struct bus_part part;
    struct bus_nng *bus;
    nng_socket socket;
    bus_event_handler on_subscriber;
    void *context;
    struct pipes pipes;
    unsigned long added_seen;
    bool closed;
};

static void run_pipes(struct loop_task *task)
{
    struct publisher *publisher =
        (struct publisher *)((char *)task - offsetof(struct publisher, pipes.task));
    atomic_store(&publisher->pipes.posted, false);
    if (publisher->closed) {
        free(publisher);
        return;
    }
    unsigned long added = atomic_load(&publisher->pipes.added);
    bool joined = added != publisher->added_seen;
    publisher->added_seen = added;
    if (joined && publisher->on_subscriber != NULL)
        publisher->on_subscriber(publisher->context);
}

struct bus_publisher *publisher_open(struct bus *bus, const char *url,
                                     bus_event_handler on_subscriber, void *context,
                                     struct error *error)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL) {
        error_fill_system(error, errno, "no memory to publish at %.256s", url);
        return NULL;
    }
    publisher->bus = (struct bus_nng *)bus;
    publisher->part.bus = bus;
    publisher->on_subscriber = on_subscriber;
    publisher->context = context;
    int result = nng_pub0_open(&publisher->socket);
    if (result != 0) {
        nng_failed(error, result, "cannot publish at", url);
        free(publisher);
        return NULL;
    }
    result = nng_socket_set_int(publisher->socket, NNG_OPT_SENDBUF, BUFFER_MESSAGES);
    if (result == 0) /* subscribers have nothing to say */
        result = nng_socket_set_size(publisher->socket, NNG_OPT_RECVMAXSZ, 1024);
    if (result == 0)
        result = pipes_watch(&publisher->pipes, publisher->bus->loop, publisher->socket, run_pipes);
    bool listens = result == 0 ? socket_listen(publisher->bus, publisher->socket, url, error)
                               : nng_failed(error, result, "cannot publish at", url);
    publisher->bus->open++;
    if (!listens) {
        publisher_close((struct bus_publisher *)publisher);
        return NULL;
    }
    return (struct bus_publisher *)publisher;
}

void publisher_publish(struct bus_publisher *base, struct span message)
{
    struct publisher *publisher = (struct publisher *)base;
    nng_msg *copy = message_of(message);
    if (copy != NULL && nng_sendmsg(publisher->socket, copy, NNG_FLAG_NONBLOCK) != 0)
        nng_msg_free(copy);
}

void publisher_close(struct bus_publisher *base)
{
    struct publisher *publisher = (struct publisher *)base;
    publisher->closed = true;
    publisher->bus->open--;
    nng_close(publisher->socket);
    if (!atomic_load(&publisher->pipes.posted))
        free(publisher);
}

struct subscriber {
    struct bus_part part;
    struct bus_nng *bus;
    nng_socket socket;
    nng_aio *aio;
    bus_message_handler handler;
    void *context;
    bool posted;
    _Atomic bool closed; /* also read by nng's threads */
    bool handing;        /* the handler is being called */
    struct loop_task task;
};

/* On a thread of nng's. */
static void on_aio(void *context)
{
    struct subscriber *subscriber = context;
    int result = nng_aio_result(subscriber->aio);
    const bool closed = atomic_load(&subscriber->closed);
    if (closed && result == 0) {
        nng_msg_free(nng_aio_get_msg(subscriber->aio));
        nng_aio_set_msg(subscriber->aio, NULL);
    }
    if (result == NNG_ECLOSED || closed)
        return;
    if (result != 0) {
        nng_recv_aio(subscriber->socket, subscriber->aio);
        return;
    }
    subscriber->posted = true;
    loop_post(subscriber->bus->loop, &subscriber->task);
}

static void subscriber_free(struct subscriber *subscriber)
{
    nng_aio_free(subscriber->aio);
    free(subscriber);
}

static void hand_over(struct subscriber *subscriber, nng_msg *message)
{
    subscriber->handing = true;
    subscriber->handler(subscriber->context, message_body(message));
    subscriber->handing = false;
    nng_msg_free(message);
}

static void run_message(struct loop_task *task)
{
    enum { AT_ONCE_MAX = 64 };
    struct subscriber *subscriber =
        (struct subscriber *)((char *)task - offsetof(struct subscriber, task));
    nng_msg *message = nng_aio_get_msg(subscriber->aio);
    nng_aio_set_msg(subscriber->aio, NULL);
    subscriber->posted = false;
    if (!subscriber->closed)
        hand_over(subscriber, message);
    else
        nng_msg_free(message);
    for (int i = 0; i < AT_ONCE_MAX && !subscriber->closed; i++) {
        if (nng_recvmsg(subscriber->socket, &message, NNG_FLAG_NONBLOCK) != 0)
            break;
        hand_over(subscriber, message);
    }
    if (subscriber->closed)
        subscriber_free(subscriber);
    else
        nng_recv_aio(subscriber->socket, subscriber->aio);
}

struct bus_subscriber *subscriber_open(struct bus *bus, const char *url, size_t message_bytes_max,
                                       bus_message_handler handler, void *context,
                                       struct error *error)
{
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (subscriber == NULL) {
        error_fill_system(error, errno, "no memory to listen to %.256s", url);
        return NULL;
    }
    subscriber->bus = (struct bus_nng *)bus;
    subscriber->part.bus = bus;
    subscriber->handler = handler;
    subscriber->context = context;
    subscriber->task.run = run_message;
    int result = nng_sub0_open(&subscriber->socket);
    if (result != 0) {
        nng_failed(error, result, "cannot listen to", url);
        free(subscriber);
        return NULL;
    }
    result = nng_aio_alloc(&subscriber->aio, on_aio, subscriber);
    if (result == 0)
        result = nng_socket_set(subscriber->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (result == 0)
        result = nng_socket_set_int(subscriber->socket, NNG_OPT_RECVBUF, BUFFER_MESSAGES);
    if (result == 0)
        result = nng_socket_set_size(subscriber->socket, NNG_OPT_RECVMAXSZ, message_bytes_max);
    bool dials = result == 0 ? socket_dial(subscriber->bus, subscriber->socket, url, error)
                             : nng_failed(error, result, "cannot listen to", url);
    if (!dials) {
        nng_close(subscriber->socket);
        subscriber_free(subscriber);
        return NULL;
    }
    subscriber->bus->open++;
    nng_recv_aio(subscriber->socket, subscriber->aio);
    return (struct bus_subscriber *)subscriber;
}

void subscriber_close(struct bus_subscriber *base)
{
    struct subscriber *subscriber = (struct subscriber *)base;
    ASSERT(!subscriber->closed);
    subscriber->closed = true;
    subscriber->bus->open--;
    nng_aio_stop(subscriber->aio);
    nng_close(subscriber->socket);
    if (!subscriber->posted && !subscriber->handing)
        subscriber_free(subscriber);
}
