/* For tests of one thread on one loop, between fakes: while it runs, time passes only when the loop
 * waits and nothing is ready, and then at once, to the end of the wait. What such a test says of
 * time is then exact, on any machine under any load, and minutes take milliseconds.
 *
 * It stands in the place of the C library's clock_gettime (the monotonic clock and the calendar;
 * others are real) and epoll_wait, in the programs that are linked with it. Not for what has
 * threads with work of their own: they take real time, during which none passes here. */
#pragma once

/* From the real time on. */
void virtual_clock_begin(void);
/* Real time again; what was made under the virtual clock must be gone. */
void virtual_clock_end(void);
