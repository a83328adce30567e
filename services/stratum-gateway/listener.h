/* The port miners connect to. Accepts a bounded number a round; while the process is out of
 * descriptors it looks away for a moment instead of spinning. One thread. */
#pragma once
#include "loop/loop.h"

struct listener {
    struct loop *loop;
    struct loop_source source;
    struct loop_timer rest;
    bool open;
    char address[80];                         /* what it is bound to */
    void (*on_accept)(void *context, int fd); /* taken */
    void *context;
};

/* False with one sentence: ERROR_INVALID for a bad address, ERROR_UNAVAILABLE for a taken one. */
MUST_CHECK bool listener_open(struct listener *listener, struct loop *loop, const char *address,
                              void (*on_accept)(void *context, int fd), void *context,
                              struct error *error);
void listener_close(struct listener *listener);
