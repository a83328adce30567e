/* Patience with an address that is still taken when a process starts. The one before it may have
 * been killed only milliseconds ago: its threads, or a worker that learns of its parent's death by
 * a signal, hold their sockets a little longer than the process seems to live. Any thread may call;
 * it blocks, so it is for the start of a process only. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_WAIT_MS = 1000 }; /* longer than a Kore worker needs to end in order when idle */

/* Sleeps a moment and says that one more try is due; false, at once, when *waited_ms (0 at first,
 * kept here) has come to ADDRESS_WAIT_MS: a living process has the address. */
bool address_wait(uint32_t *waited_ms);
