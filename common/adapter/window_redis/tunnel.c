#include "adapter/window_redis/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 32768,
    TEXT_BYTES_MAX = 512,
    STOP = 0,
    LISTEN = 1,
    FIXED_POLLS = 2,
    REFUSED_MS = 1000
};

/* Bytes on their way: [start, end). */
struct flow {
    unsigned start, end;
    char bytes[BUFFER_BYTES];
};

struct pair {
    int inner; /* hiredis' end */
    int outer; /* the server's; -1: not there */
    SSL *ssl;
    bool connected, greeted; /* by TCP, by TLS */
    bool ssl_wants_write;
    bool outer_ended; /* what it sent last is passed on, then both ends are closed */
    bool refused;     /* said why; hiredis is left to close its end */
    uint64_t deadline_ms;
    struct flow up, down; /* to the server, from it */
};

struct redis_tunnel {
    char host[TEXT_BYTES_MAX];
    char name[TEXT_BYTES_MAX]; /* that its certificate bears */
    uint16_t port;
    char authority_file[TEXT_BYTES_MAX];
    char certificate_file[TEXT_BYTES_MAX];
    char key_file[TEXT_BYTES_MAX];
    char folder[64];
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    int listener, stop;
    unsigned attempt; /* of several addresses each connection takes the next */
    pthread_t thread;
    struct pair *pairs[TUNNEL_CONNECTIONS_MAX];
};

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool tls_error(struct error *error, const char *what)
{
    char reason[160];
    const unsigned long code = ERR_get_error();
    if (code != 0)
        ERR_error_string_n(code, reason, sizeof reason);
    else
        snprintf(reason, sizeof reason, "the connection ended");
    ERR_clear_error();
    return error_set(error, ERROR_UNAVAILABLE, "%s: %s", what, reason);
}

/* One for each connection: its files may have been renewed. */
static SSL_CTX *read_files(const struct redis_tunnel *tunnel, struct error *error)
{
    char what[TEXT_BYTES_MAX + 40];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        error_fill(error, ERROR_FULL, "no memory for TLS");
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const char *file = tunnel->authority_file;
    bool good = file[0] != '\0' ? SSL_CTX_load_verify_file(context, file) == 1
                                : SSL_CTX_set_default_verify_paths(context) == 1;
    if (good && tunnel->certificate_file[0] != '\0') {
        file = tunnel->certificate_file;
        good = SSL_CTX_use_certificate_chain_file(context, file) == 1;
        if (good) {
            file = tunnel->key_file;
            good = SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1 &&
                   SSL_CTX_check_private_key(context) == 1;
        }
    }
    if (good)
        return context;
    snprintf(what, sizeof what, "the file %.500s cannot be used", file);
    (void)tls_error(error, what);
    SSL_CTX_free(context);
    return NULL;
}

static bool is_number(const char *host)
{
    uint8_t number[16];
    return inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1;
}

/* Begins a connection; it is there when the socket can be written to. */
static bool connect_outer(struct redis_tunnel *tunnel, struct pair *pair, struct error *error)
{
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)tunnel->port);
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    const int result =
        getaddrinfo(tunnel->host, service,
                    is_number(tunnel->host) ? &(struct addrinfo){ .ai_socktype = SOCK_STREAM,
                                                                  .ai_flags = AI_NUMERICHOST }
                                            : &hints,
                    &found);
    if (result != 0)
        return error_set(error, ERROR_UNAVAILABLE, "%s", gai_strerror(result));
    unsigned count = 0;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        count++;
    const struct addrinfo *chosen = found;
    for (unsigned i = tunnel->attempt++ % count; i > 0; i--)
        chosen = chosen->ai_next;
    const int yes = 1;
    pair->outer = socket(chosen->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const bool begun =
        pair->outer >= 0 &&
        setsockopt(pair->outer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0 &&
        (connect(pair->outer, chosen->ai_addr, chosen->ai_addrlen) == 0 || errno == EINPROGRESS);
    const int reason = errno;
    freeaddrinfo(found);
    return begun || error_system(error, reason, "connect");
}

static bool begin_tls(struct redis_tunnel *tunnel, struct pair *pair, struct error *error)
{
    SSL_CTX *context = read_files(tunnel, error);
    if (context == NULL)
        return false;
    pair->ssl = SSL_new(context);
    SSL_CTX_free(context); /* the session holds it */
    bool good = pair->ssl != NULL && SSL_set_fd(pair->ssl, pair->outer) == 1;
    if (good && is_number(tunnel->name))
        good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(pair->ssl), tunnel->name) == 1;
    else if (good)
        good = SSL_set1_host(pair->ssl, tunnel->name) == 1 &&
               SSL_set_tlsext_host_name(pair->ssl, tunnel->name) == 1;
    if (!good)
        return tls_error(error, "TLS");
    SSL_set_connect_state(pair->ssl);
    return true;
}

static void end_pair(struct pair **at)
{
    struct pair *pair = *at;
    SSL_free(pair->ssl);
    if (pair->outer >= 0)
        close(pair->outer);
    close(pair->inner);
    explicit_bzero(pair, sizeof *pair); /* a password went through */
    free(pair);
    *at = NULL;
}

/* hiredis shows this as the server's answer to its first command, which it may not have written
 * yet: so its end is read from, and closed by it. */
static void refuse(const struct redis_tunnel *tunnel, struct pair *pair, const struct error *error)
{
    char line[sizeof error->text + TEXT_BYTES_MAX];
    const int length =
        snprintf(line, sizeof line, "-ERR TLS to %.400s: %s\r\n", tunnel->host, error->text);
    (void)send(pair->inner, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(pair->inner, SHUT_WR);
    SSL_free(pair->ssl);
    pair->ssl = NULL;
    if (pair->outer >= 0)
        close(pair->outer);
    pair->outer = -1;
    pair->refused = true;
    pair->deadline_ms = clock_ms() + REFUSED_MS;
}

static void let_in(struct redis_tunnel *tunnel)
{
    const int inner = accept4(tunnel->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (inner < 0)
        return;
    struct ucred peer;
    socklen_t length = sizeof peer;
    struct pair **at = tunnel->pairs;
    while (at < tunnel->pairs + TUNNEL_CONNECTIONS_MAX && *at != NULL)
        at++;
    if (getsockopt(inner, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.pid != getpid() ||
        at == tunnel->pairs + TUNNEL_CONNECTIONS_MAX || (*at = calloc(1, sizeof **at)) == NULL) {
        close(inner);
        return;
    }
    (*at)->inner = inner;
    (*at)->outer = -1;
    (*at)->deadline_ms = clock_ms() + TUNNEL_HANDSHAKE_MS;
    struct error error;
    if (!connect_outer(tunnel, *at, &error) || !begin_tls(tunnel, *at, &error))
        refuse(tunnel, *at, &error);
}

/* What one attempt to move bytes came to. */
enum moved { NOTHING, SOME, ENDED };

static enum moved ssl_result(struct pair *pair, int result)
{
    switch (SSL_get_error(pair->ssl, result)) {
    case SSL_ERROR_NONE:
        return SOME;
    case SSL_ERROR_WANT_WRITE:
        pair->ssl_wants_write = true;
        return NOTHING;
    case SSL_ERROR_WANT_READ:
        return NOTHING;
    default:
        ERR_clear_error();
        return ENDED;
    }
}

static enum moved from_inner(struct pair *pair)
{
    if (pair->up.end > 0)
        return NOTHING;
    const ssize_t got = recv(pair->inner, pair->up.bytes, BUFFER_BYTES, 0);
    if (got > 0)
        pair->up.end = (unsigned)got;
    return got > 0 ? SOME : got < 0 && (errno == EAGAIN || errno == EINTR) ? NOTHING : ENDED;
}

static enum moved to_inner(struct pair *pair)
{
    struct flow *flow = &pair->down;
    if (flow->end == 0)
        return NOTHING;
    const ssize_t put =
        send(pair->inner, flow->bytes + flow->start, flow->end - flow->start, MSG_NOSIGNAL);
    if (put <= 0)
        return errno == EAGAIN || errno == EINTR ? NOTHING : ENDED;
    flow->start += (unsigned)put;
    if (flow->start == flow->end)
        flow->start = flow->end = 0;
    return SOME;
}

static enum moved to_outer(struct pair *pair)
{
    struct flow *flow = &pair->up;
    if (flow->end == 0)
        return NOTHING;
    ERR_clear_error();
    const int put = SSL_write(pair->ssl, flow->bytes + flow->start, (int)(flow->end - flow->start));
    const enum moved moved = ssl_result(pair, put);
    if (moved != SOME)
        return moved;
    flow->start += (unsigned)put;
    if (flow->start == flow->end)
        flow->start = flow->end = 0;
    return SOME;
}

static enum moved from_outer(struct pair *pair)
{
    if (pair->down.end > 0 || pair->outer_ended)
        return NOTHING;
    ERR_clear_error();
    const int got = SSL_read(pair->ssl, pair->down.bytes, BUFFER_BYTES);
    const enum moved moved = ssl_result(pair, got);
    if (moved == SOME)
        pair->down.end = (unsigned)got;
    pair->outer_ended = moved == ENDED;
    return moved == SOME ? SOME : NOTHING;
}

/* Passes on what can be passed on. False when the pair has ended. */
static bool pump(struct pair *pair)
{
    pair->ssl_wants_write = false;
    for (bool more = true; more;) {
        const enum moved moved[] = { from_inner(pair), to_outer(pair), from_outer(pair),
                                     to_inner(pair) };
        more = false;
        for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++) {
            if (moved[i] == ENDED)
                return false;
            more = more || moved[i] == SOME;
        }
    }
    return !pair->outer_ended || pair->down.end > 0;
}

/* Goes on with TCP and TLS. False with *error when they came to nothing. */
static bool greet(struct pair *pair, struct error *error)
{
    if (!pair->connected) {
        int reason = 0;
        socklen_t length = sizeof reason;
        (void)getsockopt(pair->outer, SOL_SOCKET, SO_ERROR, &reason, &length);
        if (reason != 0)
            return error_system(error, reason, "connect");
        pair->connected = true;
    }
    pair->ssl_wants_write = false;
    ERR_clear_error();
    const int result = SSL_do_handshake(pair->ssl);
    if (result == 1) {
        pair->greeted = true;
        return true;
    }
    const int kind = SSL_get_error(pair->ssl, result);
    pair->ssl_wants_write = kind == SSL_ERROR_WANT_WRITE;
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        return true;
    const long verified = SSL_get_verify_result(pair->ssl);
    if (verified != X509_V_OK) {
        ERR_clear_error();
        return error_set(error, ERROR_REFUSED, "its certificate: %s",
                         X509_verify_cert_error_string(verified));
    }
    return tls_error(error, "handshake");
}

/* Until the server has greeted, or was refused. */
static void turn_early(struct redis_tunnel *tunnel, struct pair **at, short inner, short outer)
{
    struct pair *pair = *at;
    struct error error;
    const bool late = clock_ms() >= pair->deadline_ms;
    if (pair->refused) {
        pair->up.end = 0;
        if (late || (inner != 0 && from_inner(pair) == ENDED))
            end_pair(at);
    } else if ((inner & (POLLHUP | POLLERR)) != 0) {
        end_pair(at); /* nobody waits for it any more */
    } else if (late) {
        error_fill(&error, ERROR_TIMEOUT, "no answer");
        refuse(tunnel, pair, &error);
    } else if (outer != 0 && !greet(pair, &error)) {
        refuse(tunnel, pair, &error);
    }
}

static void turn(struct redis_tunnel *tunnel, struct pair **at, short inner, short outer)
{
    if (!(*at)->greeted) {
        turn_early(tunnel, at, inner, outer);
        if (*at == NULL || !(*at)->greeted)
            return;
    } else if (inner == 0 && outer == 0) {
        return;
    } else if ((inner & (POLLHUP | POLLERR)) != 0 && (*at)->up.end > 0) {
        end_pair(at); /* hiredis has given up while the server does not read */
        return;
    }
    if (!pump(*at))
        end_pair(at);
}

static void interest(const struct pair *pair, struct pollfd *inner, struct pollfd *outer)
{
    *inner = (struct pollfd){ .fd = pair->inner };
    *outer = (struct pollfd){ .fd = pair->outer };
    if (pair->refused) {
        inner->events = POLLIN;
        return;
    }
    if (!pair->greeted) {
        outer->events = !pair->connected || pair->ssl_wants_write ? POLLOUT : POLLIN;
        return;
    }
    if (pair->up.end == 0)
        inner->events |= POLLIN;
    if (pair->down.end > 0)
        inner->events |= POLLOUT;
    else
        outer->events |= POLLIN;
    if (pair->up.end > 0 || pair->ssl_wants_write)
        outer->events |= POLLOUT;
}

static void *run(void *context)
{
    struct redis_tunnel *tunnel = context;
    for (;;) {
        struct pollfd polls[FIXED_POLLS + 2 * TUNNEL_CONNECTIONS_MAX] = {
            [STOP] = { .fd = tunnel->stop, .events = POLLIN },
            [LISTEN] = { .fd = tunnel->listener, .events = POLLIN },
        };
        int wait_ms = -1;
        for (size_t i = 0; i < TUNNEL_CONNECTIONS_MAX; i++) {
            struct pollfd *inner = &polls[FIXED_POLLS + 2 * i];
            inner[0].fd = inner[1].fd = -1;
            if (tunnel->pairs[i] == NULL)
                continue;
            interest(tunnel->pairs[i], &inner[0], &inner[1]);
            if (!tunnel->pairs[i]->greeted)
                wait_ms = 500; /* its deadline is looked at */
        }
        if (poll(polls, sizeof polls / sizeof polls[0], wait_ms) < 0 && errno != EINTR)
            break;
        if (polls[STOP].revents != 0)
            break;
        for (size_t i = 0; i < TUNNEL_CONNECTIONS_MAX; i++)
            if (tunnel->pairs[i] != NULL)
                turn(tunnel, &tunnel->pairs[i], polls[FIXED_POLLS + 2 * i].revents,
                     polls[FIXED_POLLS + 2 * i + 1].revents);
        if (polls[LISTEN].revents != 0)
            let_in(tunnel);
    }
    for (size_t i = 0; i < TUNNEL_CONNECTIONS_MAX; i++)
        if (tunnel->pairs[i] != NULL)
            end_pair(&tunnel->pairs[i]);
    return NULL;
}

static bool begin(struct redis_tunnel *tunnel, struct error *error)
{
    SSL_CTX *context = read_files(tunnel, error); /* a wrong file is said now */
    if (context == NULL)
        return false;
    SSL_CTX_free(context);
    const char *temporary = getenv("TMPDIR");
    if (temporary == NULL || temporary[0] == '\0' || strlen(temporary) > 32)
        temporary = "/tmp";
    snprintf(tunnel->folder, sizeof tunnel->folder, "%.32s/adit-redis-XXXXXX", temporary);
    if (mkdtemp(tunnel->folder) == NULL) {
        const int reason = errno;
        tunnel->folder[0] = '\0';
        return error_system(error, reason, "a folder for redis' socket in %.32s", temporary);
    }
    snprintf(tunnel->path, sizeof tunnel->path, "%s/socket", tunnel->folder);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, tunnel->path, sizeof address.sun_path);
    tunnel->stop = eventfd(0, EFD_CLOEXEC);
    tunnel->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (tunnel->stop < 0 || tunnel->listener < 0 ||
        bind(tunnel->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(tunnel->listener, TUNNEL_CONNECTIONS_MAX) != 0)
        return error_system(error, errno, "the socket %s", tunnel->path);
    /* Signals are for the threads that wait for them. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = pthread_create(&tunnel->thread, NULL, run, tunnel);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result == 0 || error_system(error, result, "a thread for TLS to redis");
}

static void release(struct redis_tunnel *tunnel)
{
    if (tunnel->listener >= 0)
        close(tunnel->listener);
    if (tunnel->stop >= 0)
        close(tunnel->stop);
    if (tunnel->path[0] != '\0')
        unlink(tunnel->path);
    if (tunnel->folder[0] != '\0')
        rmdir(tunnel->folder);
    free(tunnel);
}

struct redis_tunnel *redis_tunnel_open(const struct redis_tunnel_options *options,
                                       struct error *error)
{
    struct redis_tunnel *tunnel = calloc(1, sizeof *tunnel);
    if (tunnel == NULL) {
        error_fill(error, ERROR_FULL, "no memory for TLS to redis");
        return NULL;
    }
    tunnel->listener = tunnel->stop = -1;
    tunnel->port = options->port;
    snprintf(tunnel->host, sizeof tunnel->host, "%s", options->host);
    snprintf(tunnel->name, sizeof tunnel->name, "%s",
             options->name[0] != '\0' ? options->name : options->host);
    snprintf(tunnel->authority_file, sizeof tunnel->authority_file, "%s", options->authority_file);
    snprintf(tunnel->certificate_file, sizeof tunnel->certificate_file, "%s",
             options->certificate_file);
    snprintf(tunnel->key_file, sizeof tunnel->key_file, "%s", options->key_file);
    if (begin(tunnel, error))
        return tunnel;
    release(tunnel);
    return NULL;
}

const char *redis_tunnel_path(const struct redis_tunnel *tunnel)
{
    return tunnel->path;
}

void redis_tunnel_close(struct redis_tunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    const uint64_t one = 1;
    while (write(tunnel->stop, &one, sizeof one) < 0 && errno == EINTR) {
    }
    pthread_join(tunnel->thread, NULL);
    release(tunnel);
}
