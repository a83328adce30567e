#include "service/peers/peers.h"

#include "service/log.h"

#include <stdio.h>

enum { IN_FLIGHT_MAX = 8, REPLY_BYTES_MAX = 256 << 10 };

static bool is_named(const char (*urls)[RESOLVER_URL_BYTES], size_t count, const char *url)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(urls[i], url) == 0)
            return true;
    return false;
}

/* Those that are gone make room before others come. */
static void close_gone(struct peers *peers, const char (*urls)[RESOLVER_URL_BYTES], size_t count)
{
    for (size_t i = 0; i < peers->count; i++) {
        if (peers->clients[i] == NULL || is_named(urls, count, peers->urls[i]))
            continue;
        struct bus_client *gone = peers->clients[i];
        peers->clients[i] = NULL; /* whoever is answered by its end finds it gone */
        bus_client_close(gone);
    }
    while (peers->count > 0 && peers->clients[peers->count - 1] == NULL)
        peers->count--;
}

static size_t place_for(const struct peers *peers, const char *url)
{
    size_t place = peers->count;
    for (size_t i = peers->count; i-- > 0;) {
        if (peers->clients[i] == NULL)
            place = i;
        else if (strcmp(peers->urls[i], url) == 0)
            return PEERS_MAX; /* it has one */
    }
    return place;
}

static bool use(void *context, const char (*urls)[RESOLVER_URL_BYTES], size_t count)
{
    const struct bus_client_options options = { .in_flight_max = IN_FLIGHT_MAX,
                                                .message_bytes_max = REPLY_BYTES_MAX };
    struct peers *peers = context;
    struct error error;
    bool all = true;
    close_gone(peers, urls, count);
    for (size_t i = 0; i < count; i++) {
        size_t place = place_for(peers, urls[i]);
        if (place == PEERS_MAX)
            continue;
        struct bus_client *client = bus_connect(peers->bus, urls[i], &options, &error);
        if (client == NULL) {
            log_warn("peers.url", "url=%s reason=\"%s\"", urls[i], error.text);
            all = false;
            continue;
        }
        snprintf(peers->urls[place], sizeof peers->urls[place], "%s", urls[i]);
        peers->clients[place] = client;
        if (place == peers->count)
            peers->count++;
    }
    return all;
}

bool peers_open(struct peers *peers, const struct peers_options *options, struct error *error)
{
    const struct resolver_options names = { .setting = options->setting,
                                            .urls = options->urls->items,
                                            .count = options->urls->count,
                                            .refresh_ms = options->refresh_ms,
                                            .use = use,
                                            .user = peers };
    *peers = (struct peers){ .bus = options->bus };
    peers->resolver = resolver_create(options->loop, &names, error);
    if (peers->resolver == NULL)
        peers_close(peers);
    return peers->resolver != NULL;
}

void peers_close(struct peers *peers)
{
    resolver_destroy(peers->resolver);
    peers->resolver = NULL;
    close_gone(peers, NULL, 0);
}
