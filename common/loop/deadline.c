#include "loop/deadline.h"

#include <time.h>

enum { NS_A_SECOND = 1000000000 };

void deadline_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool deadline_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t end_ns)
{
    const struct timespec end = { .tv_sec = (time_t)(end_ns / NS_A_SECOND),
                                  .tv_nsec = (long)(end_ns % NS_A_SECOND) };
    return pthread_cond_timedwait(condition, mutex, &end) == 0;
}
