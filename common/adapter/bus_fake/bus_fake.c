/* What is under way is a list of deliveries in the order they are due. They name their ends by
 * number, so that a delivery to something that was closed meanwhile finds nothing and is dropped.
 */
#include "adapter/bus_fake/bus_fake.h"

#include <stdlib.h>
#include <string.h>

enum { CUTS_MAX = 16, URL_BYTES_MAX = 256 };

enum delivery_kind {
    DELIVERY_REQUEST,   /* to: request */
    DELIVERY_REPLY,     /* to: request */
    DELIVERY_OUTCOME,   /* to: request, as a timeout or a lost connection */
    DELIVERY_STATE,     /* to: client; is its server there? */
    DELIVERY_PUBLISHED, /* to: subscriber */
    DELIVERY_JOINED,    /* to: publisher */
};

struct delivery {
    struct delivery *next;
    enum delivery_kind kind;
    uint64_t due_ms;
    uint64_t to;
    enum bus_outcome outcome;
    size_t length;
    uint8_t bytes[];
};

/* A server, client, publisher or subscriber. */
struct end {
    struct bus_part part;
    struct fake *fake;
    struct end *next;
    enum end_kind { END_SERVER, END_CLIENT, END_PUBLISHER, END_SUBSCRIBER } kind;
    uint64_t number;
    char url[URL_BYTES_MAX];
    size_t message_bytes_max;
    void *context;
    bus_call_handler on_call; /* of a server */
    unsigned in_flight;       /* of a client */
    struct bus_client_options options;
    uint64_t server; /* that a client is connected to, 0: none */
    bus_event_handler on_subscriber;
    bus_message_handler on_message;
};

struct request {
    struct request *next;
    uint64_t number;
    uint64_t client;
    uint64_t server;
    bus_reply_handler handler;
    void *context;
};

struct call {
    struct bus_part part;
    uint64_t request;
    uint64_t server;
};

struct fake {
    struct bus base;
    struct loop *loop;
    struct loop_timer timer;
    struct delivery *deliveries;
    struct end *ends;
    struct request *requests;
    uint64_t last_number;
    uint64_t delay_ms;
    unsigned lose_requests;
    unsigned lose_replies;
    unsigned double_requests;
    unsigned lose_published;
    char cuts[CUTS_MAX][URL_BYTES_MAX];
};

static void *zeroed(size_t bytes)
{
    void *memory = calloc(1, bytes);
    ASSERT(memory != NULL);
    return memory;
}

static void schedule(struct fake *fake, enum delivery_kind kind, uint64_t to, uint64_t delay_ms,
                     enum bus_outcome outcome, struct span bytes)
{
    struct delivery *delivery = zeroed(sizeof *delivery + bytes.length);
    delivery->kind = kind;
    delivery->to = to;
    delivery->due_ms = loop_now_ms(fake->loop) + delay_ms;
    delivery->outcome = outcome;
    delivery->length = bytes.length;
    if (bytes.length > 0)
        memcpy(delivery->bytes, bytes.data, bytes.length);
    struct delivery **place = &fake->deliveries;
    while (*place != NULL && (*place)->due_ms <= delivery->due_ms)
        place = &(*place)->next;
    delivery->next = *place;
    *place = delivery;
    uint64_t now_ms = loop_now_ms(fake->loop);
    uint64_t first_ms = fake->deliveries->due_ms;
    loop_timer_start(fake->loop, &fake->timer, first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

static void schedule_now(struct fake *fake, enum delivery_kind kind, uint64_t to)
{
    schedule(fake, kind, to, 0, BUS_GONE, span_of(NULL, 0));
}

static struct end *end_by_number(struct fake *fake, uint64_t number)
{
    struct end *end = fake->ends;
    while (end != NULL && end->number != number)
        end = end->next;
    return end;
}

static struct end *end_by_url(struct fake *fake, enum end_kind kind, const char *url)
{
    struct end *end = fake->ends;
    while (end != NULL && (end->kind != kind || strcmp(end->url, url) != 0))
        end = end->next;
    return end;
}

static bool is_cut(const struct fake *fake, const char *url)
{
    for (size_t i = 0; i < CUTS_MAX; i++)
        if (strcmp(fake->cuts[i], url) == 0)
            return true;
    return false;
}

static struct request *take_request(struct fake *fake, uint64_t number)
{
    struct request **place = &fake->requests;
    while (*place != NULL && (*place)->number != number)
        place = &(*place)->next;
    struct request *request = *place;
    if (request != NULL)
        *place = request->next;
    return request;
}

static void finish(struct fake *fake, uint64_t number, enum bus_outcome outcome, struct span reply)
{
    struct request *request = take_request(fake, number);
    if (request == NULL)
        return;
    struct end *client = end_by_number(fake, request->client);
    if (client != NULL) {
        client->in_flight--;
        if (outcome == BUS_REPLIED && reply.length > client->message_bytes_max)
            outcome = BUS_GONE;
    }
    request->handler(request->context, outcome, outcome == BUS_REPLIED ? reply : span_of(NULL, 0));
    free(request);
}

static void tell_clients(struct fake *fake, const char *url)
{
    for (struct end *end = fake->ends; end != NULL; end = end->next)
        if (end->kind == END_CLIENT && strcmp(end->url, url) == 0)
            schedule_now(fake, DELIVERY_STATE, end->number);
}

static void deliver_request(struct fake *fake, uint64_t number, struct span bytes)
{
    struct request *request = fake->requests;
    while (request != NULL && request->number != number)
        request = request->next;
    struct end *server = request != NULL ? end_by_number(fake, request->server) : NULL;
    if (server == NULL)
        return;
    if (bytes.length > server->message_bytes_max) {
        finish(fake, number, BUS_GONE, span_of(NULL, 0));
        return;
    }
    struct call *call = zeroed(sizeof *call);
    call->part.bus = &fake->base;
    call->request = number;
    call->server = server->number;
    server->on_call(server->context, (struct bus_call *)call, bytes);
}

/* What one server owes is gone with it; requests are found anew, because handlers may add some. */
static void lose_connection(struct fake *fake, uint64_t client, uint64_t server)
{
    struct request *request = fake->requests;
    while (request != NULL) {
        if (request->client == client && request->server == server) {
            finish(fake, request->number, BUS_GONE, span_of(NULL, 0));
            request = fake->requests;
        } else {
            request = request->next;
        }
    }
}

static void deliver_state(struct fake *fake, uint64_t number)
{
    struct end *client = end_by_number(fake, number);
    if (client == NULL)
        return;
    struct end *server =
        is_cut(fake, client->url) ? NULL : end_by_url(fake, END_SERVER, client->url);
    uint64_t wanted = server != NULL ? server->number : 0;
    uint64_t had = client->server;
    if (had == wanted)
        return;
    client->server = 0;
    if (had != 0) {
        lose_connection(fake, number, had);
        client = end_by_number(fake, number);
        if (client != NULL && client->options.on_down != NULL)
            client->options.on_down(client->options.context);
        client = end_by_number(fake, number);
    }
    if (client == NULL || wanted == 0)
        return;
    client->server = wanted;
    if (client->options.on_up != NULL)
        client->options.on_up(client->options.context);
}

static void deliver(struct fake *fake, struct delivery *delivery)
{
    struct span bytes = span_of(delivery->bytes, delivery->length);
    struct end *end;
    switch (delivery->kind) {
    case DELIVERY_REQUEST:
        deliver_request(fake, delivery->to, bytes);
        break;
    case DELIVERY_REPLY:
        finish(fake, delivery->to, BUS_REPLIED, bytes);
        break;
    case DELIVERY_OUTCOME:
        finish(fake, delivery->to, delivery->outcome, span_of(NULL, 0));
        break;
    case DELIVERY_STATE:
        deliver_state(fake, delivery->to);
        break;
    case DELIVERY_PUBLISHED:
        end = end_by_number(fake, delivery->to);
        if (end != NULL && bytes.length <= end->message_bytes_max)
            end->on_message(end->context, bytes);
        break;
    case DELIVERY_JOINED:
        end = end_by_number(fake, delivery->to);
        if (end != NULL && end->on_subscriber != NULL)
            end->on_subscriber(end->context);
        break;
    }
}

static void on_due(void *context)
{
    struct fake *fake = context;
    uint64_t now_ms = loop_now_ms(fake->loop);
    /* What these cause waits for the next round. */
    unsigned count = 0;
    for (struct delivery *d = fake->deliveries; d != NULL && d->due_ms <= now_ms; d = d->next)
        count++;
    for (; count > 0 && fake->deliveries != NULL; count--) {
        struct delivery *delivery = fake->deliveries;
        fake->deliveries = delivery->next;
        deliver(fake, delivery);
        free(delivery);
    }
    if (fake->deliveries != NULL) {
        uint64_t due_ms = fake->deliveries->due_ms;
        loop_timer_start(fake->loop, &fake->timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
    }
}

static struct end *end_open(struct bus *bus, enum end_kind kind, const char *url,
                            size_t message_bytes_max, void *context, struct error *error)
{
    struct fake *fake = (struct fake *)bus;
    bool listens = kind == END_SERVER || kind == END_PUBLISHER;
    if (strstr(url, "://") == NULL || strlen(url) >= URL_BYTES_MAX) {
        error_fill(error, ERROR_INVALID, "%.128s is no url", url);
        return NULL;
    }
    if (listens && (end_by_url(fake, END_SERVER, url) != NULL ||
                    end_by_url(fake, END_PUBLISHER, url) != NULL)) {
        error_fill(error, ERROR_UNAVAILABLE, "cannot listen at %s: the address is in use", url);
        return NULL;
    }
    struct end *end = zeroed(sizeof *end);
    end->part.bus = bus;
    end->fake = fake;
    end->kind = kind;
    end->number = ++fake->last_number;
    end->message_bytes_max = message_bytes_max;
    end->context = context;
    strcpy(end->url, url);
    struct end **place = &fake->ends;
    while (*place != NULL)
        place = &(*place)->next;
    *place = end;
    return end;
}

static void end_close(struct end *end)
{
    struct end **place = &end->fake->ends;
    while (*place != end)
        place = &(*place)->next;
    *place = end->next;
    free(end);
}

static struct bus_server *serve(struct bus *bus, const char *url, unsigned in_flight_max,
                                size_t message_bytes_max, bus_call_handler handler, void *context,
                                struct error *error)
{
    ASSERT(in_flight_max > 0);
    struct end *server = end_open(bus, END_SERVER, url, message_bytes_max, context, error);
    if (server == NULL)
        return NULL;
    server->on_call = handler;
    tell_clients((struct fake *)bus, url);
    return (struct bus_server *)server;
}

static bool reply(struct bus_call *base, struct span message)
{
    struct call *call = (struct call *)base;
    struct fake *fake = (struct fake *)call->part.bus;
    bool there = end_by_number(fake, call->server) != NULL;
    if (there && fake->lose_replies > 0)
        fake->lose_replies--;
    else if (there)
        schedule(fake, DELIVERY_REPLY, call->request, fake->delay_ms, BUS_REPLIED, message);
    free(call);
    return there;
}

static void drop(struct bus_call *call)
{
    free(call);
}

static void server_close(struct bus_server *base)
{
    struct end *server = (struct end *)base;
    struct fake *fake = server->fake;
    tell_clients(fake, server->url);
    end_close(server);
}

static struct bus_client *connect_to(struct bus *bus, const char *url,
                                     const struct bus_client_options *options, struct error *error)
{
    ASSERT(options->in_flight_max > 0);
    struct end *client = end_open(bus, END_CLIENT, url, options->message_bytes_max, NULL, error);
    if (client == NULL)
        return NULL;
    client->options = *options;
    schedule_now((struct fake *)bus, DELIVERY_STATE, client->number);
    return (struct bus_client *)client;
}

static bool request_of(struct bus_client *base, struct span message, unsigned timeout_ms,
                       bus_reply_handler handler, void *context)
{
    struct end *client = (struct end *)base;
    struct fake *fake = client->fake;
    if (client->server == 0 || client->in_flight >= client->options.in_flight_max)
        return false;
    struct request *request = zeroed(sizeof *request);
    request->number = ++fake->last_number;
    request->client = client->number;
    request->server = client->server;
    request->handler = handler;
    request->context = context;
    request->next = fake->requests;
    fake->requests = request;
    client->in_flight++;
    if (fake->lose_requests > 0) {
        fake->lose_requests--;
    } else {
        schedule(fake, DELIVERY_REQUEST, request->number, fake->delay_ms, BUS_REPLIED, message);
        if (fake->double_requests > 0) {
            fake->double_requests--;
            schedule(fake, DELIVERY_REQUEST, request->number, fake->delay_ms, BUS_REPLIED, message);
        }
    }
    schedule(fake, DELIVERY_OUTCOME, request->number, timeout_ms, BUS_TIMEOUT, span_of(NULL, 0));
    return true;
}

static void client_close(struct bus_client *base)
{
    struct end *client = (struct end *)base;
    struct fake *fake = client->fake;
    uint64_t number = client->number;
    client->server = 0; /* its handlers can ask no more */
    struct request *request = fake->requests;
    while (request != NULL) {
        if (request->client == number) {
            finish(fake, request->number, BUS_CLOSED, span_of(NULL, 0));
            request = fake->requests;
        } else {
            request = request->next;
        }
    }
    end_close(client);
}

static struct bus_publisher *publisher_open(struct bus *bus, const char *url,
                                            bus_event_handler on_subscriber, void *context,
                                            struct error *error)
{
    struct end *publisher = end_open(bus, END_PUBLISHER, url, 0, context, error);
    if (publisher == NULL)
        return NULL;
    publisher->on_subscriber = on_subscriber;
    if (end_by_url((struct fake *)bus, END_SUBSCRIBER, url) != NULL)
        schedule_now((struct fake *)bus, DELIVERY_JOINED, publisher->number);
    return (struct bus_publisher *)publisher;
}

static void publish(struct bus_publisher *base, struct span message)
{
    struct end *publisher = (struct end *)base;
    struct fake *fake = publisher->fake;
    if (fake->lose_published > 0) {
        fake->lose_published--;
        return;
    }
    if (is_cut(fake, publisher->url))
        return;
    for (struct end *end = fake->ends; end != NULL; end = end->next)
        if (end->kind == END_SUBSCRIBER && strcmp(end->url, publisher->url) == 0)
            schedule(fake, DELIVERY_PUBLISHED, end->number, fake->delay_ms, BUS_REPLIED, message);
}

static void publisher_close(struct bus_publisher *publisher)
{
    end_close((struct end *)publisher);
}

static struct bus_subscriber *subscribe(struct bus *bus, const char *url, size_t message_bytes_max,
                                        bus_message_handler handler, void *context,
                                        struct error *error)
{
    struct fake *fake = (struct fake *)bus;
    struct end *subscriber = end_open(bus, END_SUBSCRIBER, url, message_bytes_max, context, error);
    if (subscriber == NULL)
        return NULL;
    subscriber->on_message = handler;
    struct end *publisher = end_by_url(fake, END_PUBLISHER, url);
    if (publisher != NULL)
        schedule_now(fake, DELIVERY_JOINED, publisher->number);
    return (struct bus_subscriber *)subscriber;
}

static void subscriber_close(struct bus_subscriber *subscriber)
{
    end_close((struct end *)subscriber);
}

static void destroy(struct bus *bus)
{
    struct fake *fake = (struct fake *)bus;
    ASSERT(fake->ends == NULL);
    loop_timer_stop(fake->loop, &fake->timer);
    while (fake->deliveries != NULL) {
        struct delivery *delivery = fake->deliveries;
        fake->deliveries = delivery->next;
        free(delivery);
    }
    free(fake);
}

struct bus *bus_fake_create(struct loop *loop)
{
    static const struct bus_ops ops = {
        .serve = serve,
        .reply = reply,
        .drop = drop,
        .server_close = server_close,
        .connect = connect_to,
        .request = request_of,
        .client_close = client_close,
        .publisher = publisher_open,
        .publish = publish,
        .publisher_close = publisher_close,
        .subscribe = subscribe,
        .subscriber_close = subscriber_close,
        .destroy = destroy,
    };
    struct fake *fake = zeroed(sizeof *fake);
    fake->base.ops = &ops;
    fake->loop = loop;
    fake->timer.on_due = on_due;
    fake->timer.context = fake;
    return &fake->base;
}

void bus_fake_lose_requests(struct bus *bus, unsigned count)
{
    ((struct fake *)bus)->lose_requests = count;
}

void bus_fake_lose_replies(struct bus *bus, unsigned count)
{
    ((struct fake *)bus)->lose_replies = count;
}

void bus_fake_double_requests(struct bus *bus, unsigned count)
{
    ((struct fake *)bus)->double_requests = count;
}

void bus_fake_lose_published(struct bus *bus, unsigned count)
{
    ((struct fake *)bus)->lose_published = count;
}

void bus_fake_delay_ms(struct bus *bus, uint64_t delay_ms)
{
    ((struct fake *)bus)->delay_ms = delay_ms;
}

void bus_fake_cut(struct bus *bus, const char *url)
{
    struct fake *fake = (struct fake *)bus;
    for (size_t i = 0; i < CUTS_MAX; i++) {
        if (fake->cuts[i][0] == '\0') {
            strncpy(fake->cuts[i], url, URL_BYTES_MAX - 1);
            break;
        }
    }
    tell_clients(fake, url);
}

void bus_fake_mend(struct bus *bus, const char *url)
{
    struct fake *fake = (struct fake *)bus;
    for (size_t i = 0; i < CUTS_MAX; i++)
        if (strcmp(fake->cuts[i], url) == 0)
            fake->cuts[i][0] = '\0';
    tell_clients(fake, url);
}
