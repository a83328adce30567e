#include "service/peers/peers.h"

#include "service/log.h"
#include "service/numbered.h"

enum { IN_FLIGHT_MAX = 8, REPLY_BYTES_MAX = 256 << 10 };

static void open_one(struct peers *peers, struct bus *bus, const char *url)
{
    const struct bus_client_options options = { .in_flight_max = IN_FLIGHT_MAX,
                                                .message_bytes_max = REPLY_BYTES_MAX };
    struct error error;
    if (peers->count == SETTINGS_LIST_MAX)
        return;
    struct bus_client *client = bus_connect(bus, url, &options, &error);
    if (client == NULL)
        log_warn("peers.url", "url=%s reason=\"%s\"", url, error.text);
    else
        peers->clients[peers->count++] = client;
}

void peers_open(struct peers *peers, struct bus *bus, const struct settings_list *urls)
{
    for (size_t i = 0; i < urls->count; i++) {
        struct numbered numbered = { .first = 0, .last = 0 };
        bool range = numbered_read(urls->items[i], &numbered);
        if (!range && strpbrk(urls->items[i], "*?[") != NULL)
            continue;
        for (uint32_t number = numbered.first; number <= numbered.last; number++) {
            char url[512];
            if (range && !numbered_write(urls->items[i], &numbered, number, url, sizeof url))
                continue;
            open_one(peers, bus, range ? url : urls->items[i]);
        }
    }
}

void peers_close(struct peers *peers)
{
    for (size_t i = 0; i < peers->count; i++)
        bus_client_close(peers->clients[i]);
    peers->count = 0;
}
