/* Whether the TCP ports the pool wants are free, and who has them if not. */
#pragma once
#include "base/error.h"

/* `address` is "host:port" or "[v6]:port". True when it can be bound now (port 0 always can).
 * False with a sentence that names the address, the setting it comes from, and the process that
 * holds it where /proc tells. */
MUST_CHECK bool port_check(const char *address, const char *setting, struct error *error);

/* host and port of "host:port", "[v6]:port" or "http://user:password@host:port/…". */
MUST_CHECK bool port_split(const char *address, char *host_r, size_t host_bytes, char *port_r,
                           size_t port_bytes, struct error *error);
