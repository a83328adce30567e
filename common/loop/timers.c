/* The timers: a binary heap by due time; each timer knows its place, so that stopping and moving
 * one costs a walk of the tree's height. */
#include "loop/inside.h"

#include <limits.h>
#include <stdlib.h>

static void place_at(struct loop *loop, size_t index, struct loop_timer *timer)
{
    loop->heap[index] = timer;
    timer->place = index + 1;
}

static void sift_up(struct loop *loop, size_t index)
{
    struct loop_timer *timer = loop->heap[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (loop->heap[parent]->due_ms <= timer->due_ms)
            break;
        place_at(loop, index, loop->heap[parent]);
        index = parent;
    }
    place_at(loop, index, timer);
}

static void sift_down(struct loop *loop, size_t index)
{
    struct loop_timer *timer = loop->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= loop->timer_count)
            break;
        if (child + 1 < loop->timer_count &&
            loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms)
            child++;
        if (loop->heap[child]->due_ms >= timer->due_ms)
            break;
        place_at(loop, index, loop->heap[child]);
        index = child;
    }
    place_at(loop, index, timer);
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms,
                      uint64_t period_ms)
{
    loop_timer_stop(loop, timer);
    if (loop->timer_count == loop->timer_capacity) {
        size_t capacity = loop->timer_capacity == 0 ? 64 : 2 * loop->timer_capacity;
        struct loop_timer **heap = realloc(loop->heap, capacity * sizeof(struct loop_timer *));
        ASSERT(heap != NULL);
        loop->heap = heap;
        loop->timer_capacity = capacity;
    }
    timer->due_ms = delay_ms > UINT64_MAX - loop->now_ms ? UINT64_MAX : loop->now_ms + delay_ms;
    timer->period_ms = period_ms;
    size_t index = loop->timer_count++;
    place_at(loop, index, timer);
    sift_up(loop, index);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    if (timer->place == 0)
        return;
    size_t index = timer->place - 1;
    ASSERT(index < loop->timer_count && loop->heap[index] == timer);
    timer->place = 0;
    struct loop_timer *last = loop->heap[--loop->timer_count];
    if (last == timer)
        return;
    place_at(loop, index, last);
    sift_up(loop, index);
    sift_down(loop, last->place - 1);
}

int timers_wait_ms(const struct loop *loop)
{
    if (loop->timer_count == 0)
        return -1;
    uint64_t due_ms = loop->heap[0]->due_ms;
    if (due_ms <= loop->now_ms)
        return 0;
    uint64_t wait_ms = due_ms - loop->now_ms;
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

void timers_run_due(struct loop *loop)
{
    /* As many as run now at the most: a timer that starts itself with no delay waits for the next
     * round and cannot hold this one up. */
    for (size_t left = loop->timer_count; left > 0 && loop->timer_count > 0; left--) {
        struct loop_timer *timer = loop->heap[0];
        if (timer->due_ms > loop->now_ms)
            return;
        if (timer->period_ms == 0) {
            loop_timer_stop(loop, timer);
        } else {
            /* Periods missed while something blocked are skipped, not made up for. */
            timer->due_ms += timer->period_ms;
            if (timer->due_ms <= loop->now_ms)
                timer->due_ms = loop->now_ms + timer->period_ms;
            sift_down(loop, 0);
        }
        timer->on_due(timer->context);
    }
}
