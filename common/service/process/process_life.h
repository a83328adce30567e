/* Whether a process that is known by name still runs: what a leader says of itself in the store, so
 * that who stands by on the same machine need not wait for a death that the kernel knows of.
 *
 * A name says machine (its kernel's boot), namespace of process ids, process and its start: no
 * other process, here or elsewhere, now or later, has the same. Of a process that is not of this
 * boot and namespace nothing can be said. Reads /proc; keeps nothing; any thread. */
#pragma once
#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_NAME_BYTES = 96 };

enum process_life {
    PROCESS_UNKNOWN = 0, /* of another machine or container, or the name says nothing */
    PROCESS_LIVES,       /* also one that is stopped */
    PROCESS_ENDED,       /* none of its threads runs any more */
};

/* Names a process of this machine, 0: the caller's own; "" where the kernel does not say enough. */
void process_name(pid_t pid, char name_r[PROCESS_NAME_BYTES]);

MUST_CHECK enum process_life process_life(const char *name);

/* Whether it has a POSIX write lock (fcntl) on that byte of a file now. False where that is not
 * known. Opens nothing but /proc/locks: to close the file would drop the caller's own locks on it.
 */
MUST_CHECK bool process_locks(const char *name, const char *path, uint64_t byte);

/* Ends it by SIGKILL, which nothing can hold up. False where it is not known to live here, is the
 * caller itself, or may not be ended by this user. Never meets another process that was given the
 * same number meanwhile. */
MUST_CHECK bool process_end(const char *name);
