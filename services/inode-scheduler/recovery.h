/* What the supervisor of one machine (`adit up`) does to bring back what died: its own account of
 * each process, which it writes to the file that ADIT_PROCESSES names. Where nothing supervises so
 * (systemd, containers), there is no such file and nothing is known here; restarts show in health
 * then. Blocking, but for a small file on this machine; one thread; the caller's memory. */
#pragma once
#include "base/bytes.h"

enum { RECOVERY_PROCESSES_MAX = 48, RECOVERY_WHY_BYTES = 256 };

struct recovery_process {
    char name[32], instance[33];
    char state[16]; /* waiting, starting, running, hung, stopping, ended */
    int pid;        /* 0: none */
    unsigned restarts;
    unsigned attempts;            /* to start it since it last served; 0: it serves */
    uint64_t begun_unix_ms;       /* its last start */
    uint64_t ended_unix_ms;       /* 0: never */
    uint64_t next_unix_ms;        /* when it is tried again; 0: it is not waiting for that */
    char why[RECOVERY_WHY_BYTES]; /* it ended; "": it never did */
};

struct recovery {
    bool known; /* somebody supervises */
    struct recovery_process list[RECOVERY_PROCESSES_MAX];
    size_t count;
};

/* The file's path may be NULL: nobody supervises. Lines that are none are left out. */
void recovery_read(struct recovery *recovery, const char *path);
