#include "loop/slice.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* sched_setattr(2), which libc does not wrap; the first version of its struct. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of SCHED_OTHER: the slice */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

void slice_set(unsigned us)
{
    const struct attributes wanted = { .size = sizeof wanted,
                                       .policy = SCHED_OTHER,
                                       .nice = getpriority(PRIO_PROCESS, 0),
                                       .runtime_ns = (uint64_t)us * 1000 };
    if (sched_getscheduler(0) == SCHED_OTHER)
        (void)syscall(SYS_sched_setattr, 0, &wanted, 0);
}
