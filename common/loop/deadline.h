/* Waiting on a condition until a moment of the monotonic clock, for threads beside the loop. The
 * condition and its mutex are the caller's. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A condition whose waits go by the monotonic clock; ended by pthread_cond_destroy. */
void deadline_cond_init(pthread_cond_t *condition);

/* As pthread_cond_timedwait, until end_ns of loop_clock_ns(): false once that moment has passed. */
bool deadline_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t end_ns);
