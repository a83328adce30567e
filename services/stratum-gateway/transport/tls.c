#include "services/stratum-gateway/transport/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

enum { CLEAR_BYTES = 4096 };

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *wire;
    unsigned users; /* its owner and its streams */
};

struct tls_stream {
    SSL *ssl;
    struct tls_context *context;
    struct span wire; /* not read yet, during a call */
    const struct tls_sink *sink;
    bool failed;
};

/* OpenSSL's way to our bytes: it reads what a call handed in and writes to the call's sink. */

static int wire_read(BIO *bio, char *into, int room)
{
    struct tls_stream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t length = room > 0 ? (size_t)room : 0;
    if (length > stream->wire.length)
        length = stream->wire.length;
    if (length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(into, stream->wire.data, length);
    stream->wire = span_of(stream->wire.data + length, stream->wire.length - length);
    return (int)length;
}

static int wire_write(BIO *bio, const char *from, int length)
{
    struct tls_stream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (stream->sink == NULL || length <= 0 ||
        !stream->sink->on_wire(stream->sink->context, span_of(from, (size_t)length)))
        return -1;
    return length;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is kept back */
}

static bool fail(struct error *error, const char *what, const char *file)
{
    char reason[128];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return error_set(error, ERROR_INVALID, "%s %.256s cannot be used: %s", what, file, reason);
}

static bool load(struct tls_context *context, const char *certificate_file, const char *key_file,
                 struct error *error)
{
    context->ssl = SSL_CTX_new(TLS_server_method());
    context->wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes");
    if (context->ssl == NULL || context->wire == NULL ||
        BIO_meth_set_read(context->wire, wire_read) != 1 ||
        BIO_meth_set_write(context->wire, wire_write) != 1 ||
        BIO_meth_set_ctrl(context->wire, wire_control) != 1 ||
        SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION) != 1)
        return error_set(error, ERROR_SYSTEM, "no memory for TLS");
    SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                          SSL_OP_IGNORE_UNEXPECTED_EOF |
                                          SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Thousands of miners are silent nearly all the time: no buffers while they are. */
    SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS);
    /* Tickets hold what resuming needs: nothing is kept here. */
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context->ssl, certificate_file) != 1)
        return fail(error, "the certificate", certificate_file);
    if (SSL_CTX_use_PrivateKey_file(context->ssl, key_file, SSL_FILETYPE_PEM) != 1)
        return fail(error, "the key", key_file);
    return SSL_CTX_check_private_key(context->ssl) == 1 ||
           fail(error, "the key does not belong to the certificate:", key_file);
}

struct tls_context *tls_context_load(const char *certificate_file, const char *key_file,
                                     struct error *error)
{
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        error_fill(error, ERROR_SYSTEM, "no memory for TLS");
        return NULL;
    }
    context->users = 1;
    if (load(context, certificate_file, key_file, error))
        return context;
    tls_context_destroy(context);
    return NULL;
}

void tls_context_destroy(struct tls_context *context)
{
    if (context == NULL || --context->users > 0)
        return;
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->wire);
    free(context);
}

struct tls_stream *tls_stream_create(struct tls_context *context)
{
    struct tls_stream *stream = calloc(1, sizeof *stream);
    BIO *bio = BIO_new(context->wire);
    if (stream != NULL)
        stream->ssl = SSL_new(context->ssl);
    if (stream == NULL || bio == NULL || stream->ssl == NULL) {
        BIO_free(bio);
        tls_stream_destroy(stream);
        return NULL;
    }
    stream->context = context;
    context->users++;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio);
    SSL_set_accept_state(stream->ssl);
    return stream;
}

void tls_stream_destroy(struct tls_stream *stream)
{
    if (stream == NULL)
        return;
    SSL_free(stream->ssl);
    tls_context_destroy(stream->context);
    free(stream);
}

static enum tls_outcome outcome_of(struct tls_stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_GOES_ON;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        stream->failed = true;
        return TLS_FAILED;
    }
}

enum tls_outcome tls_stream_receive(struct tls_stream *stream, struct span wire,
                                    const struct tls_sink *sink)
{
    uint8_t clear[CLEAR_BYTES];
    int got;
    stream->wire = wire;
    stream->sink = sink;
    ERR_clear_error();
    while ((got = SSL_read(stream->ssl, clear, sizeof clear)) > 0) {
        if (!sink->on_clear(sink->context, clear, (size_t)got)) {
            stream->sink = NULL;
            return TLS_FAILED;
        }
    }
    enum tls_outcome outcome = outcome_of(stream, got);
    stream->wire = span_of(NULL, 0);
    stream->sink = NULL;
    return outcome;
}

bool tls_stream_send(struct tls_stream *stream, struct span clear, const struct tls_sink *sink)
{
    if (tls_stream_is_greeting(stream) || stream->failed)
        return false;
    stream->sink = sink;
    ERR_clear_error();
    size_t written = 0;
    bool sent = SSL_write_ex(stream->ssl, clear.data, clear.length, &written) == 1 &&
                written == clear.length;
    stream->failed |= !sent;
    stream->sink = NULL;
    return sent;
}

void tls_stream_close(struct tls_stream *stream, const struct tls_sink *sink)
{
    if (stream->failed || tls_stream_is_greeting(stream))
        return;
    stream->sink = sink;
    ERR_clear_error();
    (void)SSL_shutdown(stream->ssl);
    stream->sink = NULL;
}

bool tls_stream_is_greeting(const struct tls_stream *stream)
{
    return !SSL_is_init_finished(stream->ssl);
}
