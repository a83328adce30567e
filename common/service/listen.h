/* Opening a TCP listener at an address of the settings ("host:port", "[::1]:port", ":port" for
 * all interfaces; port 0 takes any free one). Any thread may call. An address in use is tried again
 * for ADDRESS_WAIT_MS (loop/address_wait.h): the process before may just be ending. */
#pragma once
#include "base/error.h"

enum { LISTEN_ADDRESS_BYTES = 80 };

/* A non-blocking, close-on-exec descriptor that listens, and in bound_r (LISTEN_ADDRESS_BYTES, may
 * be NULL) the address it really has, as "host:port". -1 on failure: ERROR_INVALID where the
 * address cannot be read, ERROR_UNAVAILABLE where it is taken or not ours. Caller owns. */
MUST_CHECK int listen_open(const char *address, int backlog, char *bound_r, struct error *error);

/* Writes a socket's own address (`peer`: the other side's) as "host:port". */
void listen_name(int fd, bool peer, char *name_r);
