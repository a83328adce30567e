/* The validators as they are asked for receipts: one connection each, by `stratum.validators`
 * with its numbered addresses written out, in their order. A host name that stands for several
 * addresses is one connection, to any of them; a pattern of sockets is none. On the loop's thread. */
#pragma once
#include "port/bus.h"
#include "service/settings.h"

struct receipt_peers {
    struct bus_client *clients[SETTINGS_LIST_MAX];
    size_t count;
};

void receipt_peers_open(struct receipt_peers *peers, struct bus *bus,
                        const struct settings_list *urls);
void receipt_peers_close(struct receipt_peers *peers);
