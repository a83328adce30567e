/* Processes of one kind as they are asked: a connection to each address that a list setting stands
 * for now (service/resolver: names with several addresses, numbered ones, patterns of sockets).
 *
 * Who comes gets the lowest free number and keeps it until it goes: the number of the others never
 * changes. A number whose process went has no connection until another comes. Beyond PEERS_MAX
 * there is no place. On the loop's thread. */
#pragma once
#include "port/bus.h"
#include "service/resolver/resolver.h"
#include "service/settings.h"

enum { PEERS_MAX = RESOLVER_MAX };

struct peers {
    struct bus_client *clients[PEERS_MAX]; /* NULL: nobody has this number now */
    size_t count;                          /* numbers below this one may be somebody's */
    char urls[PEERS_MAX][RESOLVER_URL_BYTES];
    struct bus *bus;
    struct resolver *resolver;
};

struct peers_options {
    struct loop *loop;
    struct bus *bus;
    const char *setting; /* the list's name; borrowed while it is open, like the list */
    const struct settings_list *urls;
    uint64_t refresh_ms; /* how often names and patterns are looked at again */
};

/* False with *error; then nothing needs to be closed. Addresses that need no look are connected
 * when it returns. */
MUST_CHECK bool peers_open(struct peers *peers, const struct peers_options *options,
                           struct error *error);
/* Also what was never opened, where it is zero. */
void peers_close(struct peers *peers);

/* The connection of a number, or NULL. Borrowed until the loop runs again. */
static inline struct bus_client *peers_at(const struct peers *peers, size_t number)
{
    return number < peers->count ? peers->clients[number] : NULL;
}
