/* What loop.c, timers.c and worker.c share and nobody else sees. */
#pragma once
#include "loop/loop.h"

#include <stdatomic.h>
#include <sys/epoll.h>

enum { LOOP_EVENTS_MAX = 256, LOOP_STAGES = LOOP_LATE + 1 };

struct loop {
    int epoll_fd;
    int wake_fd; /* eventfd: a task was posted to the empty stack, or a stop was asked for */
    uint64_t now_ms;
    uint64_t round_ns;
    uint64_t round_unix_ms;
    _Atomic bool stop;

    /* What epoll said this round, and how far it was carried out: a source removed meanwhile is
     * struck from the rest. */
    struct epoll_event events[LOOP_EVENTS_MAX];
    int event_count;
    int event_next;

    struct loop_timer **heap;
    size_t timer_count;
    size_t timer_capacity;

    _Atomic(struct loop_task *) posted; /* newest first, pushed by any thread */
    struct loop_task *ready;            /* taken over from `posted`, oldest first */
    struct loop_task **ready_end;
    struct loop_task *deferred[LOOP_STAGES];
    struct loop_task **deferred_end[LOOP_STAGES];
};

/* Until the next timer: 0 when one is due, -1 when none runs. */
int timers_wait_ms(const struct loop *loop);
void timers_run_due(struct loop *loop);
