/* TLS to a Redis server, for a hiredis that has none: a thread that listens on a unix socket of its
 * own, which hiredis connects to, and passes what comes there through TLS 1.2 or later to the
 * server and back. The server's certificate must come from the authority and bear the host's name
 * or address (RFC 6125), or the name given; files are read at each connection, so that a renewed
 * certificate counts from the next one on.
 *
 * The socket lies in a folder nobody else may enter, and only this process is let in. At most
 * TUNNEL_CONNECTIONS_MAX connections at a time, 64 KiB of buffers each; a full buffer holds its
 * sender back. Why a connection came to nothing is answered to its first command as an error of
 * Redis (`-ERR TLS …`), then it ends.
 *
 * The thread touches nothing of the caller's but the options, which are copied. */
#pragma once
#include "base/error.h"

#include <stdint.h>

enum { TUNNEL_CONNECTIONS_MAX = 8, TUNNEL_HANDSHAKE_MS = 10000 };

struct redis_tunnel;

struct redis_tunnel_options {
    const char *host; /* a name or a number; looked up at each connection */
    uint16_t port;
    const char *name;           /* that the certificate must bear; "": the host's */
    const char *authority_file; /* PEM; "": the machine's own authorities */
    /* Shown to the server, with its key: PEM; both "": none. */
    const char *certificate_file;
    const char *key_file;
};

/* Listens. NULL with *error: a file that cannot be used, no memory, no thread. The server need not
 * be there. */
struct redis_tunnel *redis_tunnel_open(const struct redis_tunnel_options *options,
                                       struct error *error);
/* Where hiredis connects to; lives as long as the tunnel. */
const char *redis_tunnel_path(const struct redis_tunnel *tunnel);
/* Ends all connections and the thread (a look-up of the host's name is waited for). NULL is fine.
 */
void redis_tunnel_close(struct redis_tunnel *tunnel);
