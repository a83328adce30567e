/* How soon a thread runs once it wakes. Where threads wait for a processor, the kernel's fair
 * scheduler (EEVDF, Linux 6.6) takes the one with the earliest deadline, and a deadline is a slice
 * away: who asks for short slices is not behind others' long ones when an answer comes, and has no
 * more of the processor in all. Threads created later ask for as much as their creator.
 *
 * The calling thread's; needs no right. Kernels before 6.12 ignore it. */
#pragma once

enum {
    SLICE_SHORT_US = 100, /* the least there is: for whoever somebody waits for */
    SLICE_LONG_US = 3000, /* as usual: for work of its own */
};

/* A hint: a kernel that refuses it leaves the thread as it was. */
void slice_set(unsigned us);
