/* The PROXY protocol, versions 1 and 2, as its document describes it ("The PROXY protocol",
 * HAProxy, 2020/03/05): the header a trusted proxy writes before a connection's own bytes, which
 * says where the connection really comes from. Only reads; pure; any thread. Whom to trust is the
 * caller's business, and so is asking for the header exactly where it must stand: a receiver must
 * not guess (section 2). */
#pragma once
#include "core/network/network.h"

enum {
    PROXY_HEADER_TEXT_MAX = 107,  /* version 1, with its CRLF (section 2.1) */
    PROXY_HEADER_BYTES_MAX = 536, /* version 2 with the room that suffices for everybody (2.2) */
};

enum proxy_header_outcome {
    PROXY_HEADER_MORE, /* so far it may be one: call again with more */
    PROXY_HEADER_READ, /* it is one, of `length` bytes */
    PROXY_HEADER_BAD,  /* it is none, or longer than PROXY_HEADER_BYTES_MAX */
};

struct proxy_header {
    size_t length;   /* bytes to be skipped */
    bool has_source; /* false: LOCAL or UNKNOWN, the connection is the proxy's own */
    struct network_address source;
    uint16_t source_port;
};

/* Looks at everything that came so far; *header_r is set only where it was read. MORE never lasts
 * beyond PROXY_HEADER_BYTES_MAX bytes. */
MUST_CHECK enum proxy_header_outcome proxy_header_read(struct span bytes,
                                                       struct proxy_header *header_r);
