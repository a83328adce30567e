/* Processes of one kind as they are asked: one connection each, by a list setting with its numbered
 * addresses written out, in their order. A host name that stands for several addresses is one
 * connection, to any of them; a pattern of sockets is none. On the loop's thread. */
#pragma once
#include "port/bus.h"
#include "service/settings.h"

struct peers {
    struct bus_client *clients[SETTINGS_LIST_MAX];
    size_t count;
};

void peers_open(struct peers *peers, struct bus *bus, const struct settings_list *urls);
void peers_close(struct peers *peers);
