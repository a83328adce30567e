/* A round: wait for descriptors (no longer than until the next timer), call the ready ones, run
 * what was posted, the timers that are due, and at last what was deferred.
 *
 * Posting is a lock-free stack that the loop takes as a whole and reverses. Only the thread that
 * pushes onto an empty stack writes to the eventfd, so a flood of results costs one system call
 * a round. */
#include "loop/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t loop_clock_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t loop_unix_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000000u;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

uint64_t loop_round_ns(const struct loop *loop)
{
    return loop->round_ns;
}

uint64_t loop_round_unix_ms(const struct loop *loop)
{
    return loop->round_unix_ms;
}

static void read_clock(struct loop *loop)
{
    loop->now_ms = loop_clock_ns() / 1000000u;
}

static void read_clocks(struct loop *loop)
{
    loop->round_ns = loop_clock_ns();
    loop->round_unix_ms = loop_unix_ms();
    loop->now_ms = loop->round_ns / 1000000u;
}

struct loop *loop_create(struct error *error)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        error_fill_system(error, errno, "no memory for an event loop");
        return NULL;
    }
    loop->wake_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        error_fill_system(error, errno, "epoll_create1");
        goto undo;
    }
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        error_fill_system(error, errno, "eventfd");
        goto undo;
    }
    /* The only descriptor whose data is NULL: it is no source. */
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0) {
        error_fill_system(error, errno, "epoll_ctl");
        goto undo;
    }
    loop->ready_end = &loop->ready;
    for (unsigned i = 0; i < LOOP_STAGES; i++)
        loop->deferred_end[i] = &loop->deferred[i];
    read_clocks(loop);
    return loop;
undo:
    loop_destroy(loop);
    return NULL;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop->heap);
    free(loop);
}

bool loop_add(struct loop *loop, struct loop_source *source, uint32_t events, struct error *error)
{
    ASSERT(!source->registered);
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) != 0)
        return error_system(error, errno, "descriptor %d cannot be watched", source->fd);
    source->registered = true;
    return true;
}

void loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
    ASSERT(source->registered);
    struct epoll_event event = {.events = events, .data.ptr = source};
    int result = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
    ASSERT(result == 0);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    if (!source->registered)
        return;
    /* Fails only where the owner closed the descriptor first, which has removed it already. */
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->registered = false;
    for (int i = loop->event_next; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == source)
            loop->events[i].data.ptr = NULL;
}

static void wake(struct loop *loop)
{
    const uint64_t one = 1;
    /* EAGAIN means that the counter is full, so the loop wakes anyway. */
    ssize_t written = write(loop->wake_fd, &one, sizeof one);
    (void)written;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do
        task->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, task, memory_order_release,
                                                  memory_order_relaxed));
    if (head == NULL)
        wake(loop);
}

static void take_posted(struct loop *loop)
{
    struct loop_task *newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    struct loop_task *oldest = NULL;
    struct loop_task *last = newest;
    while (newest != NULL) {
        struct loop_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    if (oldest != NULL) {
        *loop->ready_end = oldest;
        loop->ready_end = &last->next;
    }
}

void loop_run_posted(struct loop *loop)
{
    take_posted(loop);
    /* The list stays in the loop while its tasks run, so that a call inside a task goes on where
     * the outer one stands. Nothing is appended meanwhile but by such a call: it ends. */
    while (loop->ready != NULL) {
        struct loop_task *task = loop->ready;
        loop->ready = task->next;
        if (loop->ready == NULL)
            loop->ready_end = &loop->ready;
        task->run(task);
    }
}

void loop_defer_to(struct loop *loop, struct loop_task *task, enum loop_stage stage)
{
    task->next = NULL;
    *loop->deferred_end[stage] = task;
    loop->deferred_end[stage] = &task->next;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    loop_defer_to(loop, task, LOOP_USUAL);
}

static bool is_deferred(const struct loop *loop)
{
    for (unsigned i = 0; i < LOOP_STAGES; i++)
        if (loop->deferred[i] != NULL)
            return true;
    return false;
}

static void run_deferred(struct loop *loop)
{
    for (unsigned i = 0; i < LOOP_STAGES; i++) {
        struct loop_task *task = loop->deferred[i];
        loop->deferred[i] = NULL;
        loop->deferred_end[i] = &loop->deferred[i];
        while (task != NULL) {
            struct loop_task *next = task->next;
            task->run(task);
            task = next;
        }
    }
}

static void run_ready_sources(struct loop *loop)
{
    while (loop->event_next < loop->event_count) {
        struct epoll_event *event = &loop->events[loop->event_next++];
        struct loop_source *source = event->data.ptr;
        if (source != NULL)
            source->on_ready(source->context, event->events);
    }
}

static int wait_ms(const struct loop *loop, int timeout_ms)
{
    if (is_deferred(loop) || atomic_load(&loop->stop))
        return 0;
    int timers_ms = timers_wait_ms(loop);
    if (timers_ms < 0)
        return timeout_ms;
    return timeout_ms < 0 || timers_ms < timeout_ms ? timers_ms : timeout_ms;
}

void loop_run_once(struct loop *loop, int timeout_ms)
{
    read_clock(loop);
    int count =
        epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS_MAX, wait_ms(loop, timeout_ms));
    ASSERT(count >= 0 || errno == EINTR);
    loop->event_count = count > 0 ? count : 0;
    loop->event_next = 0;
    read_clocks(loop);
    for (int i = 0; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == NULL) {
            uint64_t drained;
            ssize_t got = read(loop->wake_fd, &drained, sizeof drained);
            (void)got;
        }
    }
    run_ready_sources(loop);
    loop_run_posted(loop);
    timers_run_due(loop);
    run_deferred(loop);
}

void loop_run(struct loop *loop)
{
    /* Taking the flag back lets a stop that came before the run end it, and a later run begin. */
    while (!atomic_exchange(&loop->stop, false))
        loop_run_once(loop, -1);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop, true);
}

void loop_stop_from_anywhere(struct loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}
