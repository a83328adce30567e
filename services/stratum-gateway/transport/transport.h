/* What a miner's bytes pass through before they are lines, and lines before they are bytes:
 *
 *     socket ─▶ PROXY header? ─▶ TLS? ─▶ WebSocket? ─▶ lines
 *
 * The first bytes tell which: a PROXY header stands exactly where a trusted proxy connects (it must
 * not be guessed), a TLS record begins with 22, an HTTP request with "G", a line of Stratum with
 * anything else. A connection that turns out to be plain is told so and needs nothing from here any
 * more. Moves bytes between the caller's memory and a sink; no sockets, no clock. One thread. */
#pragma once
#include "core/network/network.h"
#include "services/stratum-gateway/transport/tls.h"

enum {
    TRANSPORT_PLAIN = 1,
    TRANSPORT_TLS = 2,
    TRANSPORT_WEBSOCKET = 4,
    TRANSPORT_ANY = 7,
    TRANSPORT_MESSAGE_MAX = 65536, /* bytes of a WebSocket message */
};

/* What a port takes: TRANSPORT_PLAIN, plain lines; TRANSPORT_TLS, lines in TLS;
 * TRANSPORT_WEBSOCKET, ws, and wss where there is a certificate. */
struct transport_rules {
    unsigned takes;
    struct tls_context *tls; /* NULL: there is no certificate; may change between calls */
};

/* Each says false where there is no room, which ends the connection. */
struct transport_sink {
    bool (*on_text)(void *context, struct span bytes); /* lines, or parts of them */
    bool (*on_wire)(void *context, struct span bytes); /* to be written as they are */
    /* where it really comes from; before any on_text */
    bool (*on_source)(void *context, const struct network_address *address, uint16_t port);
    void *context;
};

enum transport_outcome {
    TRANSPORT_GOES_ON,
    TRANSPORT_IS_PLAIN, /* *rest_r are its first bytes; the transport may go */
    TRANSPORT_ENDS,     /* *reason_r says why; what was written before should still go out */
};

struct transport;

/* True where these first bytes need no transport at all. */
static inline bool transport_not_needed(const struct transport_rules *rules, uint8_t first)
{
    return (rules->takes & TRANSPORT_PLAIN) != 0 && first == '{';
}

/* NULL where there is no memory. Caller owns; rules are borrowed while it lives. `proxied`: a PROXY
 * header must come first. */
MUST_CHECK struct transport *transport_create(const struct transport_rules *rules, bool proxied);
void transport_destroy(struct transport *transport);

/* Takes what came; `bytes` is changed. reason_r is static. */
MUST_CHECK enum transport_outcome transport_receive(struct transport *transport, uint8_t *bytes,
                                                    size_t length,
                                                    const struct transport_sink *sink,
                                                    struct span *rest_r, const char **reason_r);
/* Wraps whole lines. False where they cannot be sent: the greeting has not ended, or no room. */
MUST_CHECK bool transport_send(struct transport *transport, struct span lines,
                               const struct transport_sink *sink);
/* Its goodbyes. */
void transport_leave(struct transport *transport, const struct transport_sink *sink);

/* The next bytes may cost a TLS handshake's step. */
bool transport_is_greeting(const struct transport *transport);
/* "tls", "ws", "wss", or "new" while it is not known. */
const char *transport_name(const struct transport *transport);
