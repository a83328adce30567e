/* One pool a data folder: a locked file with the supervisor's pid, let go when it ends, however it
 * ends. */
#pragma once
#include "base/error.h"

#include <sys/types.h>

/* The lock's descriptor, or -1 with a sentence when a supervisor runs there already. It is
 * inherited over fork and ends with the last process that holds it. */
MUST_CHECK int lock_take(const char *data_dir, struct error *error);
/* Writes the pid of the process that supervises from now on. */
void lock_write(int fd, pid_t pid);
/* The supervisor's pid, 0 when none runs there. */
pid_t lock_owner(const char *data_dir);
