/* What the kernel and the processes themselves say of a process that is measured. */
#pragma once
#include "process.h"

/* User and kernel time of all its threads, also of those that ended, and of its children that ended
 * (redis-server rewrites its file in one); 0 when it is gone. */
double sample_cpu_seconds(pid_t pid);
/* Likewise, with its children that live: a process that Kore hosts works in one. */
double sample_family_cpu_seconds(pid_t pid);
/* Memory of its own that it holds (RssAnon), in bytes. */
uint64_t sample_memory(pid_t pid);
/* One number of http://127.0.0.1:PORT/metrics, by its name with labels; 0 where there is none. */
double sample_metric(unsigned port, const char *name);

/* The disk under a folder: writes of `bytes` and fdatasync for `seconds`, with a pause after each.
 */
struct sample_disk {
    double p50_ms, p99_ms, max_ms;
    uint64_t count;
};
struct sample_disk sample_disk(const char *folder, size_t bytes, double seconds, long pause_ms);
/* Processes that ran or wanted to, over the last minute. */
double sample_load_average(void);
