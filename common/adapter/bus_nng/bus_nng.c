#include "adapter/bus_nng/inside.h"
#include "adapter/bus_nng/repair.h"
#include "loop/address_wait.h"

#include <errno.h>
#include <nng/transport/ipc/ipc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool nng_failed(struct error *error, int result, const char *what, const char *url)
{
    enum error_code code = ERROR_UNAVAILABLE;
    if (result == NNG_EADDRINVAL || result == NNG_EINVAL || result == NNG_ENOTSUP)
        code = ERROR_INVALID;
    return error_set(error, code, "%s %.256s: %s", what, url, nng_strerror(result));
}

nng_msg *message_of(struct span bytes)
{
    nng_msg *message;
    if (nng_msg_alloc(&message, bytes.length) != 0)
        return NULL;
    if (bytes.length > 0)
        memcpy(nng_msg_body(message), bytes.data, bytes.length);
    return message;
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct pipes *pipes = context;
    (void)pipe;
    atomic_fetch_add(event == NNG_PIPE_EV_ADD_POST ? &pipes->added : &pipes->removed, 1);
    if (!atomic_exchange(&pipes->posted, true))
        loop_post(pipes->loop, &pipes->task);
}

int pipes_watch(struct pipes *pipes, struct loop *loop, nng_socket socket,
                void (*run)(struct loop_task *task))
{
    pipes->loop = loop;
    pipes->task.run = run;
    int result = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe, pipes);
    return result != 0 ? result : nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, pipes);
}

/* nng removes whatever file is in the way of an ipc listener; one that a living process answers at
 * is not to be taken from it. */
static bool somebody_answers(const char *url)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strncmp(url, "ipc://", 6) != 0 || strlen(url + 6) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, url + 6, strlen(url + 6));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers = fd >= 0 && (connect(fd, (const struct sockaddr *)(const void *)&address,
                                       sizeof address) == 0 ||
                               errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return answers;
}

/* False where the url needs certificates and the bus has none. */
static bool may_use(const struct bus_nng *bus, const char *url, struct error *error)
{
    return !tls_is_for(url) || bus->tls.dialer != NULL ||
           error_set(error, ERROR_INVALID, "%.256s needs a certificate: set bus.authority_file",
                     url);
}

bool socket_listen(const struct bus_nng *bus, nng_socket socket, const char *url,
                   struct error *error)
{
    if (!may_use(bus, url, error))
        return false;
    uint32_t waited_ms = 0;
    while (somebody_answers(url))
        if (!address_wait(&waited_ms))
            return error_set(error, ERROR_UNAVAILABLE,
                             "cannot listen at %.256s: the address is in use by a running process",
                             url);
    nng_listener listener;
    int result = nng_listener_create(&listener, socket, url);
    if (result == 0 && strncmp(url, "ipc://", 6) == 0)
        result = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (result == 0 && tls_is_for(url))
        result = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, bus->tls.listener);
    if (result == 0)
        result = nng_listener_start(listener, 0);
    while (result == NNG_EADDRINUSE && address_wait(&waited_ms))
        result = nng_listener_start(listener, 0);
    return result == 0 || nng_failed(error, result, "cannot listen at", url);
}

static bool dial_one(const struct bus_nng *bus, nng_socket socket, const char *url,
                     struct error *error)
{
    if (!may_use(bus, url, error))
        return false;
    nng_dialer dialer;
    int result = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (result == 0)
        result = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    if (result == 0)
        result = nng_dialer_create(&dialer, socket, url);
    if (result == 0 && strncmp(url, "ipc", 3) != 0)
        result = nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
    if (result == 0 && tls_is_for(url))
        result = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, bus->tls.dialer);
    if (result == 0)
        result = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    return result == 0 || nng_failed(error, result, "cannot dial", url);
}

bool socket_dial(const struct bus_nng *bus, nng_socket socket, const char *url, struct error *error)
{
    for (const char *part = url; *part != '\0';) {
        char one[URL_BYTES];
        size_t length = strcspn(part, ",");
        if (length >= sizeof one)
            return error_set(error, ERROR_INVALID, "%.64s… is too long an address", part);
        memcpy(one, part, length);
        one[length] = '\0';
        if (!dial_one(bus, socket, one, error))
            return false;
        part += length + (part[length] == ',');
    }
    return *url != '\0' || error_set(error, ERROR_INVALID, "an address is empty");
}

static void bus_end(struct bus *base)
{
    struct bus_nng *bus = (struct bus_nng *)base;
    ASSERT(bus->open == 0);
    /* What the closed parts still had under way ends them; then only calls are left that nobody
     * will answer any more. nng itself is not ended: another bus may live in this process. */
    loop_run_posted(bus->loop);
    while (bus->waiting != NULL)
        server_free(bus->waiting);
    tls_close(&bus->tls);
    free(bus);
}

struct bus *bus_nng_create(struct loop *loop, struct error *error)
{
    static const struct bus_ops ops = {
        .serve = server_open,
        .reply = server_reply,
        .drop = server_drop,
        .server_close = server_close,
        .connect = routes_open,
        .request = client_request,
        .client_close = client_close,
        .publisher = publisher_open,
        .publish = publisher_publish,
        .publisher_close = publisher_close,
        .subscribe = subscriber_open,
        .subscriber_close = subscriber_close,
        .destroy = bus_end,
    };
    static const struct bus_ops routed = { .request = routes_request,
                                           .client_close = routes_close };
    repair_check();
    struct bus_nng *bus = calloc(1, sizeof *bus);
    if (bus == NULL) {
        error_fill_system(error, errno, "no memory for the bus");
        return NULL;
    }
    bus->base.ops = &ops;
    bus->routed.ops = &routed;
    bus->loop = loop;
    return &bus->base;
}

struct bus *bus_nng_create_tls(struct loop *loop, const struct bus_nng_tls *tls,
                               struct error *error)
{
    struct bus *bus = bus_nng_create(loop, error);
    if (bus != NULL && tls->authority_file[0] != '\0' &&
        !tls_open(&((struct bus_nng *)bus)->tls, tls, error)) {
        bus_destroy(bus);
        return NULL;
    }
    return bus;
}
