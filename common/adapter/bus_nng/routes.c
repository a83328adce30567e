/* A client of several addresses, of which those that listen are talked to: a client of its own for
 * each, so that one that hangs holds up nobody.
 *
 * nng would deal requests to its connections in turn, also to a process that was stopped: its
 * kernel keeps the connection, and every other request waits for its time-out. Here a request that
 * was not answered for LATE_MS is asked of another address too, and the first answer counts. The
 * one that was outrun, or let a request time out, is doubted: it is asked first only where there is
 * no other, and once in PROBE_MS beside another, until it answers something or connects anew.
 * Nothing is asked twice of addresses that are all slow: the second must neither be doubted nor
 * itself have owed an answer for LATE_MS. Where all are merely overloaded, each request is so
 * carried out once; where one of them was stopped, what it owes waits until another keeps up.
 *
 *   request ─▶ ask ─┬─▶ copy at one route ─▶ reply ─▶ told
 *                   └─▶ copy at another, late or as a probe; what it says later is a sign of life
 */
#include "adapter/bus_nng/inside.h"

#include <errno.h>
#include <stdlib.h>

enum {
    ROUTES_MAX = 16,
    COPIES_MAX = 2,  /* of one request under way at once */
    LATE_MS = 100,   /* far above an answer's time, far below anybody's time-out */
    LOOK_MS = 25,    /* how often what is late is looked for, while anything is owed */
    PROBE_MS = 1000, /* a doubted address is asked so often */
};

struct ask;

struct copy {
    struct route *route;
    struct ask *ask; /* NULL: its asker was told already */
    struct copy *next_free;
    struct copy *older, *newer; /* of those its route owes */
    uint64_t since_ms;
};

struct route {
    struct routes *routes;
    struct bus_client *client;
    struct copy *copies, *free;
    struct copy *oldest, *newest; /* asked of it and not yet answered, whoever waits for it */
    bool up;
    bool doubted;
    uint64_t life_ms; /* it answered, or connected */
    uint64_t probed_ms;
};

struct ask {
    struct ask *next_free;
    struct copy *copies[COPIES_MAX]; /* NULL: none */
    bool busy;
    uint64_t since_ms, deadline_ms;
    nng_msg *message;
    bus_reply_handler handler;
    void *context;
};

struct routes {
    struct bus_part part;
    struct loop *loop;
    struct bus_client_options options;
    struct loop_timer look;
    bool closed;
    unsigned announcing; /* on_up or on_down is being called */
    size_t count, next;
    struct route list[ROUTES_MAX];
    unsigned owed;
    struct ask *free;
    struct ask asks[];
};

static uint64_t clock_ms(void)
{
    return loop_clock_ns() / 1000000u;
}

static void routes_free(struct routes *routes)
{
    for (size_t i = 0; i < routes->count; i++)
        free(routes->list[i].copies);
    free(routes);
}

/* Ends the ask, then tells its outcome; nothing of it, nor of the client, is touched afterwards. */
static void tell(struct routes *routes, struct ask *ask, enum bus_outcome outcome,
                 struct span reply)
{
    for (size_t i = 0; i < COPIES_MAX; i++) {
        if (ask->copies[i] != NULL)
            ask->copies[i]->ask = NULL;
        ask->copies[i] = NULL;
    }
    nng_msg_free(ask->message);
    ask->message = NULL;
    ask->busy = false;
    ask->next_free = routes->free;
    routes->free = ask;
    if (--routes->owed == 0)
        loop_timer_stop(routes->loop, &routes->look);
    ask->handler(ask->context, outcome, reply);
}

/* Those asked well before the one that answered have let it wait. */
static void doubt_outrun(const struct ask *ask, const struct copy *first)
{
    for (size_t i = 0; i < COPIES_MAX; i++)
        if (ask->copies[i] != NULL && ask->copies[i]->since_ms + LATE_MS <= first->since_ms)
            ask->copies[i]->route->doubted = true;
}

static void owe(struct route *route, struct copy *copy)
{
    copy->older = route->newest;
    copy->newer = NULL;
    *(copy->older != NULL ? &copy->older->newer : &route->oldest) = copy;
    route->newest = copy;
}

static void owe_no_more(struct route *route, struct copy *copy)
{
    *(copy->older != NULL ? &copy->older->newer : &route->oldest) = copy->newer;
    *(copy->newer != NULL ? &copy->newer->older : &route->newest) = copy->older;
}

static bool keeps_up(const struct route *route, uint64_t now)
{
    return route->oldest == NULL || route->oldest->since_ms + LATE_MS > now;
}

static void on_copy(void *context, enum bus_outcome outcome, struct span reply)
{
    struct copy *copy = context;
    struct route *route = copy->route;
    struct ask *ask = copy->ask;
    bool others = false;
    copy->ask = NULL;
    owe_no_more(route, copy);
    copy->next_free = route->free;
    route->free = copy;
    if (outcome == BUS_REPLIED) {
        route->doubted = false;
        route->life_ms = clock_ms();
    } else if (outcome == BUS_TIMEOUT) {
        route->doubted = true;
    }
    if (ask == NULL)
        return;
    for (size_t i = 0; i < COPIES_MAX; i++) {
        if (ask->copies[i] == copy)
            ask->copies[i] = NULL;
        others = others || ask->copies[i] != NULL;
    }
    if (outcome == BUS_REPLIED)
        doubt_outrun(ask, copy);
    if (outcome == BUS_REPLIED || !others)
        tell(route->routes, ask, outcome, reply);
}

/* False where this route takes no more, or was asked already. */
static bool send_copy(struct ask *ask, struct route *route)
{
    size_t place = COPIES_MAX;
    uint64_t now = clock_ms();
    struct copy *copy = route->free;
    for (size_t i = COPIES_MAX; i-- > 0;) {
        if (ask->copies[i] == NULL)
            place = i;
        else if (ask->copies[i]->route == route)
            return false;
    }
    if (place == COPIES_MAX || copy == NULL || now >= ask->deadline_ms ||
        !client_request(route->client, message_body(ask->message),
                        (unsigned)(ask->deadline_ms - now), on_copy, copy))
        return false;
    route->free = copy->next_free;
    copy->ask = ask;
    copy->since_ms = now;
    owe(route, copy);
    ask->copies[place] = copy;
    return true;
}

/* In turn to those that nobody doubts; else to the one heard of last. */
static bool send_first(struct routes *routes, struct ask *ask)
{
    for (size_t i = 0; i < routes->count; i++) {
        size_t at = (routes->next + i) % routes->count;
        struct route *route = &routes->list[at];
        if (!route->up || route->doubted || !send_copy(ask, route))
            continue;
        routes->next = at + 1;
        return true;
    }
    for (uint64_t below_ms = UINT64_MAX;;) {
        struct route *latest = NULL;
        for (size_t i = 0; i < routes->count; i++) {
            struct route *route = &routes->list[i];
            if (route->up && route->doubted && route->life_ms < below_ms &&
                (latest == NULL || route->life_ms > latest->life_ms))
                latest = route;
        }
        if (latest == NULL || send_copy(ask, latest))
            return latest != NULL;
        below_ms = latest->life_ms;
    }
}

/* One that is doubted may be well again. */
static void send_probe(struct routes *routes, struct ask *ask)
{
    for (size_t i = 0; i < routes->count; i++) {
        struct route *route = &routes->list[i];
        if (!route->up || !route->doubted || ask->since_ms < route->probed_ms + PROBE_MS ||
            !send_copy(ask, route))
            continue;
        route->probed_ms = ask->since_ms;
        return;
    }
}

static void look_at(struct routes *routes, struct ask *ask, uint64_t now)
{
    if (!ask->busy || ask->since_ms + LATE_MS > now)
        return;
    for (size_t i = 0; i < routes->count; i++) {
        struct route *route = &routes->list[i];
        if (route->up && !route->doubted && keeps_up(route, now) && send_copy(ask, route))
            return;
    }
}

static void on_look(void *context)
{
    struct routes *routes = context;
    uint64_t now = clock_ms();
    for (unsigned i = 0; i < routes->options.in_flight_max; i++)
        look_at(routes, &routes->asks[i], now);
}

/* Called by one who holds `announcing`, and looks at `closed` afterwards. */
static void announce(struct routes *routes, bus_event_handler handler)
{
    if (handler != NULL && !routes->closed)
        handler(routes->options.context);
}

static void announced(struct routes *routes)
{
    if (--routes->announcing == 0 && routes->closed)
        routes_free(routes);
}

static void on_up(void *context)
{
    struct route *route = context;
    struct routes *routes = route->routes;
    route->up = true;
    route->doubted = false;
    route->life_ms = clock_ms();
    routes->announcing++;
    announce(routes, routes->options.on_up);
    announced(routes);
}

/* Another may still be there: it is told as come, because what was asked of this one is lost. */
static void on_down(void *context)
{
    struct route *route = context;
    struct routes *routes = route->routes;
    bool any = false;
    route->up = false;
    for (size_t i = 0; i < routes->count; i++)
        any = any || routes->list[i].up;
    routes->announcing++;
    announce(routes, routes->options.on_down);
    if (any)
        announce(routes, routes->options.on_up);
    announced(routes);
}

static bool open_route(struct routes *routes, struct bus *bus, const char *url, size_t length,
                       struct error *error)
{
    char one[URL_BYTES];
    if (length >= sizeof one)
        return error_set(error, ERROR_INVALID, "%.64s… is too long an address", url);
    if (routes->count == ROUTES_MAX)
        return error_set(error, ERROR_INVALID, "%.256s: more than %d addresses", url, ROUTES_MAX);
    memcpy(one, url, length);
    one[length] = '\0';
    struct route *route = &routes->list[routes->count];
    const unsigned places = routes->options.in_flight_max;
    route->routes = routes;
    route->copies = calloc(places, sizeof *route->copies);
    if (route->copies == NULL)
        return error_system(error, errno, "no memory to connect to %.256s", one);
    for (unsigned i = 0; i < places; i++) {
        route->copies[i] = (struct copy){ .route = route, .next_free = route->free };
        route->free = &route->copies[i];
    }
    const struct bus_client_options options = { .in_flight_max = places,
                                                .message_bytes_max =
                                                    routes->options.message_bytes_max,
                                                .on_up = on_up,
                                                .on_down = on_down,
                                                .context = route };
    route->client = client_open(bus, one, &options, error);
    if (route->client == NULL)
        free(route->copies);
    routes->count += route->client != NULL;
    return route->client != NULL;
}

struct bus_client *routes_open(struct bus *bus, const char *url,
                               const struct bus_client_options *options, struct error *error)
{
    ASSERT(options->in_flight_max > 0);
    if (strchr(url, ',') == NULL)
        return client_open(bus, url, options, error);
    struct routes *routes = calloc(1, sizeof *routes + options->in_flight_max * sizeof(struct ask));
    if (routes == NULL) {
        error_fill_system(error, errno, "no memory to connect to %.256s", url);
        return NULL;
    }
    routes->part.bus = &((struct bus_nng *)bus)->routed;
    routes->loop = ((struct bus_nng *)bus)->loop;
    routes->options = *options;
    routes->look = (struct loop_timer){ .on_due = on_look, .context = routes };
    for (unsigned i = 0; i < options->in_flight_max; i++) {
        routes->asks[i].next_free = routes->free;
        routes->free = &routes->asks[i];
    }
    for (const char *part = url; *part != '\0';) {
        size_t length = strcspn(part, ",");
        if (!open_route(routes, bus, part, length, error)) {
            routes_close((struct bus_client *)routes);
            return NULL;
        }
        part += length + (part[length] == ',');
    }
    return (struct bus_client *)routes;
}

bool routes_request(struct bus_client *base, struct span message, unsigned timeout_ms,
                    bus_reply_handler handler, void *context)
{
    struct routes *routes = (struct routes *)base;
    struct ask *ask = routes->free;
    nng_msg *copy = ask != NULL && !routes->closed ? message_of(message) : NULL;
    if (copy == NULL)
        return false;
    const uint64_t now = clock_ms();
    struct ask *next_free = ask->next_free;
    *ask = (struct ask){ .since_ms = now,
                         .deadline_ms = now + timeout_ms,
                         .message = copy,
                         .handler = handler,
                         .context = context };
    if (!send_first(routes, ask)) {
        nng_msg_free(copy);
        *ask = (struct ask){ .next_free = next_free };
        return false;
    }
    ask->busy = true;
    routes->free = next_free;
    if (routes->owed++ == 0)
        loop_timer_start(routes->loop, &routes->look, LOOK_MS, LOOK_MS);
    send_probe(routes, ask);
    return true;
}

void routes_close(struct bus_client *base)
{
    struct routes *routes = (struct routes *)base;
    ASSERT(!routes->closed);
    routes->closed = true;
    routes->announcing++; /* whoever is told now finds it standing */
    for (size_t i = 0; i < routes->count; i++)
        client_close(routes->list[i].client);
    ASSERT(routes->owed == 0);
    loop_timer_stop(routes->loop, &routes->look);
    announced(routes);
}
