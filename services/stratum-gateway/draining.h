/* Leaving without haste: nobody new is let in, and those that are here are told to reconnect, so
 * many a second, each after its answers. A miner that does not know client.reconnect sees the
 * connection end and comes again by itself. One thread. */
#pragma once
#include "base/bytes.h"

struct gateway;

/* Runs the loop until nobody is left or drain_s have passed. Ports are closed before. */
void draining_run(struct gateway *gateway);

/* Tells this connection to reconnect and closes it behind its last words. */
struct connection;
void draining_send_away(struct gateway *gateway, struct connection *connection);
