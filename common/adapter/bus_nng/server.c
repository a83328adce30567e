/* REP. Each call has its own context and aio and goes round: receiving → held by the service →
 * sending → receiving. The aio belongs to nng while it is receiving or sending, and to the loop
 * while it is held; so the fields need no lock. */
#include "adapter/bus_nng/inside.h"

#include <errno.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>

enum {
    REPLY_TIMEOUT_MS = 10000
}; /* an asker that does not read its reply for this long loses it */

enum call_state {
    CALL_RECEIVING,
    CALL_HELD, /* by the service */
    CALL_SENDING,
    CALL_ENDED, /* the server is closed */
};

struct call {
    struct bus_part part;
    struct server *server;
    nng_ctx context;
    nng_aio *aio;
    enum call_state state;
    bool posted; /* its task is on its way to the loop */
    struct loop_task task;
};

struct server {
    struct bus_part part;
    struct bus_nng *bus;
    nng_socket socket;
    bus_call_handler handler;
    void *context;
    _Atomic bool closed; /* also read by nng's threads */
    struct server *next; /* of those that wait for their calls, and what points to it */
    struct server **place;
    unsigned call_count;
    struct call calls[];
};

static void receive(struct call *call)
{
    call->state = CALL_RECEIVING;
    nng_aio_set_timeout(call->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(call->context, call->aio);
}

/* On a thread of nng's. */
static void on_aio(void *context)
{
    struct call *call = context;
    int result = nng_aio_result(call->aio);
    /* What was received and will not be handed on, or not sent, is ours to free. */
    const bool closed = atomic_load(&call->server->closed);
    if (call->state == CALL_SENDING ? result != 0 : result == 0 && closed) {
        nng_msg_free(nng_aio_get_msg(call->aio));
        nng_aio_set_msg(call->aio, NULL);
    }
    if (result == NNG_ECLOSED || closed)
        return;
    if (call->state == CALL_SENDING || result != 0) {
        receive(call);
        return;
    }
    call->posted = true;
    loop_post(call->server->bus->loop, &call->task);
}

static bool call_idle(const struct call *call)
{
    return !call->posted && call->state != CALL_HELD;
}

static void free_when_idle(struct server *server)
{
    for (unsigned i = 0; i < server->call_count; i++)
        if (!call_idle(&server->calls[i]))
            return;
    server_free(server);
}

void server_free(struct server *server)
{
    if (server->place != NULL) {
        *server->place = server->next;
        if (server->next != NULL)
            server->next->place = server->place;
    }
    for (unsigned i = 0; i < server->call_count; i++)
        nng_aio_free(server->calls[i].aio);
    free(server);
}

static void run_call(struct loop_task *task)
{
    struct call *call = (struct call *)((char *)task - offsetof(struct call, task));
    struct server *server = call->server;
    nng_msg *message = nng_aio_get_msg(call->aio);
    nng_aio_set_msg(call->aio, NULL);
    call->posted = false;
    if (server->closed) {
        nng_msg_free(message);
        free_when_idle(server);
        return;
    }
    call->state = CALL_HELD;
    /* The service may end the call, and close the server, before this returns. */
    server->handler(server->context, (struct bus_call *)call, message_body(message));
    nng_msg_free(message);
}

static bool open_call(struct server *server, struct call *call, int *result_r)
{
    call->part.bus = &server->bus->base;
    call->server = server;
    call->task.run = run_call;
    *result_r = nng_aio_alloc(&call->aio, on_aio, call);
    if (*result_r == 0)
        *result_r = nng_ctx_open(&call->context, server->socket);
    return *result_r == 0;
}

struct bus_server *server_open(struct bus *bus, const char *url, unsigned in_flight_max,
                               size_t message_bytes_max, bus_call_handler handler, void *context,
                               struct error *error)
{
    ASSERT(in_flight_max > 0);
    struct server *server = calloc(1, sizeof *server + in_flight_max * sizeof(struct call));
    if (server == NULL) {
        error_fill_system(error, errno, "no memory to serve %.256s", url);
        return NULL;
    }
    server->bus = (struct bus_nng *)bus;
    server->part.bus = bus;
    server->handler = handler;
    server->context = context;
    int result = nng_rep0_open(&server->socket);
    if (result != 0) {
        nng_failed(error, result, "cannot serve", url);
        free(server);
        return NULL;
    }
    result =
        nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ, message_bytes_max + HEADER_BYTES);
    while (result == 0 && server->call_count < in_flight_max)
        if (open_call(server, &server->calls[server->call_count], &result))
            server->call_count++;
    bool listens = result == 0 ? socket_listen(server->bus, server->socket, url, error)
                               : nng_failed(error, result, "cannot serve", url);
    if (!listens) {
        nng_close(server->socket);
        /* The one that failed may have its aio. */
        if (server->call_count < in_flight_max)
            nng_aio_free(server->calls[server->call_count].aio);
        server_free(server);
        return NULL;
    }
    server->bus->open++;
    for (unsigned i = 0; i < server->call_count; i++)
        receive(&server->calls[i]);
    return (struct bus_server *)server;
}

/* True when the server is closed and the call went with it. */
static bool ended_with_server(struct call *call)
{
    ASSERT(call->state == CALL_HELD);
    if (!call->server->closed)
        return false;
    call->state = CALL_ENDED;
    free_when_idle(call->server);
    return true;
}

bool server_reply(struct bus_call *base, struct span message)
{
    struct call *call = (struct call *)base;
    if (ended_with_server(call))
        return false;
    nng_msg *reply = message_of(message);
    if (reply == NULL) {
        receive(call);
        return false;
    }
    call->state = CALL_SENDING;
    nng_aio_set_msg(call->aio, reply);
    nng_aio_set_timeout(call->aio, REPLY_TIMEOUT_MS);
    nng_ctx_send(call->context, call->aio);
    return true;
}

void server_drop(struct bus_call *base)
{
    struct call *call = (struct call *)base;
    if (!ended_with_server(call))
        receive(call); /* which forgets the request */
}

void server_close(struct bus_server *base)
{
    struct server *server = (struct server *)base;
    struct bus_nng *bus = server->bus;
    ASSERT(!server->closed);
    server->closed = true;
    bus->open--;
    for (unsigned i = 0; i < server->call_count; i++)
        nng_aio_stop(server->calls[i].aio);
    nng_close(server->socket);
    server->next = bus->waiting;
    server->place = &bus->waiting;
    if (server->next != NULL)
        server->next->place = &server->next;
    bus->waiting = server;
    free_when_idle(server);
}
