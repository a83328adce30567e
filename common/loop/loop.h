/* The event loop every process turns on: descriptors (epoll), timers, and tasks posted by other
 * threads. One loop, one thread: everything here but `loop_post` and `loop_stop_from_anywhere` is
 * called on the thread that runs the loop. The loop allocates only while descriptors, timers are
 * being registered; callers own every struct they hand in, and it must stay alive until removed.
 * Layer: above base, below the ports, whose adapters deliver their results on it. */
#pragma once
#include "base/bytes.h"

struct loop;

/* NULL and *error on failure. Caller owns. */
MUST_CHECK struct loop *loop_create(struct error *error);
/* Nothing may be registered any more but what the callers no longer need. */
void loop_destroy(struct loop *loop);

/* Runs until loop_stop; then returns after the callbacks of the current round. */
void loop_run(struct loop *loop);
/* One round: waits at most timeout_ms (-1: without end) for something, calls what is due. For
 * tests and for loops inside loops. */
void loop_run_once(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop);
/* The same from any thread or signal handler. */
void loop_stop_from_anywhere(struct loop *loop);

/* Milliseconds: of a clock that never goes back, read once a round; and of the calendar
 * (unix time), read at each call. */
uint64_t loop_now_ms(const struct loop *loop);
uint64_t loop_unix_ms(void);
/* The monotonic clock in nanoseconds, read at each call: for measuring. */
uint64_t loop_clock_ns(void);
/* The same two as they were when this round's descriptors became ready: for what happens hundreds
 * of thousands of times a second. */
uint64_t loop_round_ns(const struct loop *loop);
uint64_t loop_round_unix_ms(const struct loop *loop);

/* Descriptors. `events` and the callback's `ready` are EPOLLIN, EPOLLOUT, …; EPOLLET may be used.
 * The source may be removed in its own callback or in another's of the same round. */
struct loop_source {
    int fd;
    void (*on_ready)(void *context, uint32_t ready);
    void *context;
    bool registered; /* the loop's own */
};
MUST_CHECK bool loop_add(struct loop *loop, struct loop_source *source, uint32_t events,
                         struct error *error);
void loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source);

/* Timers, in a binary heap; zero-initialise. Starting a running timer moves it. */
struct loop_timer {
    void (*on_due)(void *context);
    void *context;
    uint64_t due_ms;    /* the loop's own */
    uint64_t period_ms; /* the loop's own; 0: once */
    size_t place;       /* the loop's own: index + 1 in the heap; 0: not running */
};
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms,
                      uint64_t period_ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);
static inline bool loop_timer_running(const struct loop_timer *timer)
{
    return timer->place != 0;
}

/* Work handed over from another thread. The task is the caller's until `run` is called, on the
 * loop's thread, in the order posted by one thread. */
struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop_task *next; /* the loop's own */
};
void loop_post(struct loop *loop, struct loop_task *task);
/* Runs every task posted so far, and nothing else, at once; may be called inside a task. For ending
 * something whose results may still be under way. */
void loop_run_posted(struct loop *loop);
/* On the loop's own thread: called once at the end of the current round, before it waits again.
 * For gathering what one round produced (batches, writes). The end has three stages; what a task
 * defers to a later stage than its own still runs in this round, everything else at the end of the
 * next, which then does not wait. Same task may be deferred again once it ran. */
enum loop_stage {
    LOOP_EARLY, /* takes in more */
    LOOP_USUAL, /* passes on what was gathered */
    LOOP_LATE,  /* what takes long and nobody in this process waits for, such as many writes */
};
void loop_defer_to(struct loop *loop, struct loop_task *task, enum loop_stage stage);
/* To LOOP_USUAL. */
void loop_defer(struct loop *loop, struct loop_task *task);
