#include "loop/address_wait.h"

#include <time.h>

enum { STEP_MS = 20 };

bool address_wait(uint32_t *waited_ms)
{
    if (*waited_ms >= ADDRESS_WAIT_MS)
        return false;
    const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
    nanosleep(&step, NULL);
    *waited_ms += STEP_MS;
    return true;
}
