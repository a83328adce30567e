/* The server's side of TLS 1.2 and 1.3 by OpenSSL, over bytes instead of sockets: what came in,
 * what has to go out, what it says in clear. A context is a certificate with its key; streams begun
 * with it keep it alive, so that it may be replaced at any time. One thread. */
#pragma once
#include "base/bytes.h"

struct tls_context;
struct tls_stream;

/* The certificate chain and the key from PEM files. NULL with one sentence naming the file. Caller
 * owns. */
MUST_CHECK struct tls_context *tls_context_load(const char *certificate_file, const char *key_file,
                                                struct error *error);
void tls_context_destroy(struct tls_context *context);

/* What a stream hands out while it is called; both say false where there is no room, which ends
 * it. */
struct tls_sink {
    bool (*on_clear)(void *context, uint8_t *bytes, size_t length);
    bool (*on_wire)(void *context, struct span bytes);
    void *context;
};

enum tls_outcome {
    TLS_GOES_ON,
    TLS_CLOSED, /* the other side said goodbye */
    TLS_FAILED, /* it does not speak TLS as we do, or a sink had no room */
};

/* NULL where there is no memory. Caller owns. */
MUST_CHECK struct tls_stream *tls_stream_create(struct tls_context *context);
void tls_stream_destroy(struct tls_stream *stream);
/* Takes what came; what went wrong has its alert written. */
MUST_CHECK enum tls_outcome tls_stream_receive(struct tls_stream *stream, struct span wire,
                                               const struct tls_sink *sink);
/* False where the handshake has not ended or a sink had no room. */
MUST_CHECK bool tls_stream_send(struct tls_stream *stream, struct span clear,
                                const struct tls_sink *sink);
/* Writes the goodbye, where there is anybody to hear it. */
void tls_stream_close(struct tls_stream *stream, const struct tls_sink *sink);
/* Its handshake, which costs most of a connection's work, is still to come or under way. */
bool tls_stream_is_greeting(const struct tls_stream *stream);
