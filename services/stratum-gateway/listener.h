/* The port miners connect to. Accepts a bounded number a round; while the process is out of
 * descriptors it looks away for a moment instead of spinning. One thread. */
#pragma once
#include "core/network/network.h"
#include "loop/loop.h"

/* A connection that came: non-blocking. */
struct accepted {
    int fd; /* taken by on_accept */
    struct network_address peer;
    uint16_t port;
};

struct listener {
    struct loop *loop;
    struct loop_source source;
    struct loop_timer rest;
    bool open;
    char address[80];                         /* what it is bound to */
    void (*on_accept)(void *context, const struct accepted *accepted);
    void *context;
};

/* False with one sentence: ERROR_INVALID for a bad address, ERROR_UNAVAILABLE for a taken one. */
MUST_CHECK bool listener_open(struct listener *listener, struct loop *loop, const char *address,
                              void (*on_accept)(void *context, const struct accepted *accepted),
                              void *context, struct error *error);
/* The same over a socket that listens already (taken on success). */
MUST_CHECK bool listener_adopt(struct listener *listener, struct loop *loop, int fd,
                               void (*on_accept)(void *context, const struct accepted *accepted),
                               void *context, struct error *error);
/* Accepts nothing while it is paused. */
void listener_pause(struct listener *listener, bool pause);
void listener_close(struct listener *listener);
