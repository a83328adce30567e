#include "adapter/bus_nng/repair.h"
#include "base/error.h"

#include <dlfcn.h>
#include <errno.h>
#include <nng/nng.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef void (*stream_function)(nng_stream *stream, nng_aio *aio);
typedef long (*sysconf_function)(int name);
typedef ssize_t (*sendmsg_function)(int fd, const struct msghdr *message, int flags);

/* ThreadSanitizer asks sysconf before it is ready for what it has put into functions. */
#define BEFORE_SANITIZERS __attribute__((no_sanitize("thread")))

static bool needed(void)
{
    return strncmp(nng_version(), "1.5.", 4) == 0;
}

/* The definition behind ours. C has no cast from object to function, so the bytes are copied. */
BEFORE_SANITIZERS static void find_next(const char *name, void *function_r, size_t bytes)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    ASSERT(symbol != NULL && bytes == sizeof symbol);
    memcpy(function_r, &symbol, bytes);
}

static stream_function next_stream(_Atomic(stream_function) *found, const char *name)
{
    stream_function function = atomic_load_explicit(found, memory_order_relaxed);
    if (function == NULL) {
        find_next(name, &function, sizeof function);
        atomic_store_explicit(found, function, memory_order_relaxed);
    }
    return function;
}

static void end_refused(nng_aio *aio)
{
    if (nng_aio_result(aio) == NNG_ECANCELED && needed())
        nng_aio_finish(aio, NNG_ECLOSED);
}

void nng_stream_recv(nng_stream *stream, nng_aio *aio)
{
    static _Atomic(stream_function) found;
    next_stream(&found, "nng_stream_recv")(stream, aio);
    end_refused(aio);
}

void nng_stream_send(nng_stream *stream, nng_aio *aio)
{
    static _Atomic(stream_function) found;
    next_stream(&found, "nng_stream_send")(stream, aio);
    end_refused(aio);
}

static bool is_nng(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) != 0 && info.dli_fname != NULL &&
           strstr(info.dli_fname, "libnng") != NULL;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static _Atomic(sendmsg_function) found;
    sendmsg_function function = atomic_load_explicit(&found, memory_order_relaxed);
    if (function == NULL) {
        find_next("sendmsg", &function, sizeof function);
        atomic_store_explicit(&found, function, memory_order_relaxed);
    }
    ssize_t sent = function(fd, message, flags);
    if (sent < 0 && errno == EPIPE)
        errno = is_nng(__builtin_return_address(0)) ? ECONNRESET : EPIPE;
    return sent;
}

BEFORE_SANITIZERS long sysconf(int name)
{
    static _Atomic(sysconf_function) found;
    sysconf_function function = atomic_load_explicit(&found, memory_order_relaxed);
    if (function == NULL) {
        find_next("sysconf", &function, sizeof function);
        atomic_store_explicit(&found, function, memory_order_relaxed);
    }
    if (name == _SC_NPROCESSORS_ONLN && needed() && is_nng(__builtin_return_address(0)))
        return 1;
    return function(name);
}

/* Whether others find `function` under its name. */
static bool in_place(const char *name, const void *function, size_t bytes)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    return bytes == sizeof symbol && memcmp(function, &symbol, bytes) == 0;
}

void repair_check(void)
{
    const stream_function receive = nng_stream_recv;
    const stream_function send = nng_stream_send;
    const sendmsg_function message = sendmsg;
    const sysconf_function configuration = sysconf;
    ASSERT(!needed() || (in_place("nng_stream_recv", &receive, sizeof receive) &&
                         in_place("nng_stream_send", &send, sizeof send) &&
                         in_place("sendmsg", &message, sizeof message) &&
                         in_place("sysconf", &configuration, sizeof configuration)));
}
