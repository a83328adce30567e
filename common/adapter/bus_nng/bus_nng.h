/* The bus carried by nng: REQ/REP with one context for each request in flight, PUB/SUB for what is
 * published. nng's own threads only hand results over to the loop; every callback comes on the
 * loop's thread. Must be created after the process's last fork: nng's threads do not survive one.
 *
 * Sockets in the file system are open to this user alone. A listener never takes the place of a
 * process that still answers there. */
#pragma once
#include "port/bus.h"

/* NULL and *error on failure. Ended by bus_destroy, after all its parts were closed. */
MUST_CHECK struct bus *bus_nng_create(struct loop *loop, struct error *error);
