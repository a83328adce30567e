/* REQ to one address, so that one slow server holds up nobody but its own askers. Each request in
 * flight has a slot with a context and an aio, which nng owns from request to result. nng never
 * sends again by itself (resend time infinite): a connection that ends is an outcome. */
#include "adapter/bus_nng/inside.h"

#include <errno.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdlib.h>

struct slot {
    struct client *client;
    struct slot *next_free;
    nng_ctx context;
    nng_aio *aio;
    uint64_t deadline_ns;
    bool busy;
    bool sending; /* nng's while busy */
    bool posted;  /* its task is on its way to the loop */
    struct loop_task task;
    bus_reply_handler handler;
    void *handler_context;
};

struct client {
    struct bus_part part;
    struct bus_nng *bus;
    nng_socket socket;
    struct bus_client_options options;
    struct pipes pipes;
    unsigned long removed_seen;
    bool up;
    _Atomic bool closed; /* also read by nng's threads */
    bool announcing;     /* on_up or on_down is being called */
    struct slot *free;
    unsigned slot_count;
    struct slot slots[];
};

/* On a thread of nng's. */
static void on_aio(void *context)
{
    struct slot *slot = context;
    int result = nng_aio_result(slot->aio);
    if (slot->sending && result == 0 && !atomic_load(&slot->client->closed)) {
        uint64_t now_ns = loop_clock_ns();
        uint64_t left_ms = slot->deadline_ns > now_ns ? (slot->deadline_ns - now_ns) / 1000000u : 0;
        slot->sending = false;
        nng_aio_set_timeout(slot->aio, (nng_duration)left_ms + 1);
        nng_ctx_recv(slot->context, slot->aio);
        return;
    }
    if (slot->sending && result != 0) {
        nng_msg_free(nng_aio_get_msg(slot->aio));
        nng_aio_set_msg(slot->aio, NULL);
    }
    slot->posted = true;
    loop_post(slot->client->bus->loop, &slot->task);
}

static enum bus_outcome outcome_of(int result)
{
    switch (result) {
    case 0:
        return BUS_REPLIED;
    case NNG_ETIMEDOUT:
        return BUS_TIMEOUT;
    case NNG_ECLOSED:
        return BUS_CLOSED;
    default:
        return BUS_GONE;
    }
}

static void free_when_idle(struct client *client)
{
    if (client->announcing || atomic_load(&client->pipes.posted))
        return;
    for (unsigned i = 0; i < client->slot_count; i++)
        if (client->slots[i].posted)
            return;
    for (unsigned i = 0; i < client->slot_count; i++)
        nng_aio_free(client->slots[i].aio);
    free(client);
}

/* Tells the result; the slot is free before its handler is called, which may ask again, or close
 * the client: nothing of either is touched afterwards. */
static void finish(struct slot *slot)
{
    int result = nng_aio_result(slot->aio);
    const bool replied = result == 0 && !slot->sending;
    nng_msg *message = replied ? nng_aio_get_msg(slot->aio) : NULL;
    nng_aio_set_msg(slot->aio, NULL);
    slot->busy = false;
    slot->next_free = slot->client->free;
    slot->client->free = slot;
    /* What closing cancelled was sent, or not; and a request only sent has no reply. */
    enum bus_outcome outcome = !replied && slot->client->closed ? BUS_CLOSED : outcome_of(result);
    slot->handler(slot->handler_context, outcome,
                  message != NULL ? message_body(message) : span_of(NULL, 0));
    if (message != NULL)
        nng_msg_free(message);
}

static void run_slot(struct loop_task *task)
{
    struct slot *slot = (struct slot *)((char *)task - offsetof(struct slot, task));
    slot->posted = false;
    if (!slot->client->closed)
        finish(slot);
    else
        free_when_idle(slot->client);
}

static void announce(struct client *client, bool up)
{
    bus_event_handler handler = up ? client->options.on_up : client->options.on_down;
    client->up = up;
    if (handler != NULL)
        handler(client->options.context);
}

static void run_pipes(struct loop_task *task)
{
    struct client *client = (struct client *)((char *)task - offsetof(struct client, pipes.task));
    atomic_store(&client->pipes.posted, false);
    client->announcing = true;
    unsigned long removed = atomic_load(&client->pipes.removed);
    /* Also when it is back already: what was asked of the old connection is lost. */
    if (!client->closed && client->up && removed != client->removed_seen)
        announce(client, false);
    client->removed_seen = removed;
    if (!client->closed && !client->up && pipes_any(&client->pipes))
        announce(client, true);
    client->announcing = false;
    if (client->closed)
        free_when_idle(client);
}

static bool open_slot(struct client *client, struct slot *slot, int *result_r)
{
    slot->client = client;
    slot->task.run = run_slot;
    *result_r = nng_aio_alloc(&slot->aio, on_aio, slot);
    if (*result_r == 0)
        *result_r = nng_ctx_open(&slot->context, client->socket);
    if (*result_r == 0)
        *result_r = nng_ctx_set_ms(slot->context, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (*result_r != 0)
        return false;
    slot->next_free = client->free;
    client->free = slot;
    return true;
}

struct bus_client *client_open(struct bus *bus, const char *url,
                               const struct bus_client_options *options, struct error *error)
{
    ASSERT(options->in_flight_max > 0);
    struct client *client =
        calloc(1, sizeof *client + options->in_flight_max * sizeof(struct slot));
    if (client == NULL) {
        error_fill_system(error, errno, "no memory to connect to %.256s", url);
        return NULL;
    }
    client->bus = (struct bus_nng *)bus;
    client->part.bus = bus;
    client->options = *options;
    int result = nng_req0_open(&client->socket);
    if (result != 0) {
        nng_failed(error, result, "cannot connect to", url);
        free(client);
        return NULL;
    }
    result = nng_socket_set_size(client->socket, NNG_OPT_RECVMAXSZ,
                                 options->message_bytes_max + HEADER_BYTES);
    if (result == 0)
        result = pipes_watch(&client->pipes, client->bus->loop, client->socket, run_pipes);
    while (result == 0 && client->slot_count < options->in_flight_max)
        if (open_slot(client, &client->slots[client->slot_count], &result))
            client->slot_count++;
    bool dials = result == 0 ? socket_dial(client->bus, client->socket, url, error)
                             : nng_failed(error, result, "cannot connect to", url);
    if (!dials) {
        nng_close(client->socket);
        /* The one that failed may have its aio. */
        if (client->slot_count < options->in_flight_max)
            nng_aio_free(client->slots[client->slot_count].aio);
        client->closed = true;
        free_when_idle(client);
        return NULL;
    }
    client->bus->open++;
    return (struct bus_client *)client;
}

bool client_request(struct bus_client *base, struct span message, unsigned timeout_ms,
                    bus_reply_handler handler, void *context)
{
    struct client *client = (struct client *)base;
    struct slot *slot = client->free;
    if (slot == NULL || client->closed || !client->up || !pipes_any(&client->pipes))
        return false;
    nng_msg *copy = message_of(message);
    if (copy == NULL)
        return false;
    client->free = slot->next_free;
    slot->handler = handler;
    slot->handler_context = context;
    slot->deadline_ns = loop_clock_ns() + (uint64_t)timeout_ms * 1000000u;
    slot->busy = true;
    slot->sending = true;
    nng_aio_set_msg(slot->aio, copy);
    nng_aio_set_timeout(slot->aio, (nng_duration)timeout_ms);
    nng_ctx_send(slot->context, slot->aio);
    return true;
}

void client_close(struct bus_client *base)
{
    struct client *client = (struct client *)base;
    ASSERT(!client->closed);
    client->closed = true;
    client->bus->open--;
    for (unsigned i = 0; i < client->slot_count; i++)
        nng_aio_stop(client->slots[i].aio);
    nng_close(client->socket);
    /* What has been answered already is told as it is, the rest as closed. */
    for (unsigned i = 0; i < client->slot_count; i++)
        if (client->slots[i].busy)
            finish(&client->slots[i]);
    free_when_idle(client);
}
