/* The processes a benchmark starts: each in its place of a list, ended with the benchmark whatever
 * happens (PR_SET_PDEATHSIG). Trouble ends the benchmark with one sentence: it has nobody to tell
 * it to. One thread. */
#pragma once
#include "base/bytes.h"

#include <sys/types.h>

#define PROCESS_ARGUMENTS_MAX 48

struct process {
    char name[32];
    pid_t pid; /* 0: none */
    char log[160];
    char notify[108]; /* sd_notify's socket; "": none */
    int notify_fd;
};

/* Prints the sentence, ends what was started and leaves with 1. */
_Noreturn void PRINTF_LIKE(1, 2) bench_fail(const char *format, ...);

/* build/bin/NAME, beside this program. */
const char *process_program(const char *name, char path_r[300]);

/* Starts it, its output in `folder`/log/NAME.log; `variables` (NULL, or ended by NULL) are set in
 * its environment. `notifies`: process_wait then waits for its READY=1. */
void process_start(struct process *process, const char *folder, const char *name,
                   const char *const *arguments, const char *const *variables, bool notifies);
void process_wait_ready(struct process *process, unsigned seconds);
/* SIGTERM, then SIGKILL after five seconds; waited for. */
void process_end(struct process *process);
/* SIGKILL, and waited for. */
void process_kill(struct process *process);

/* Keeps all its threads on one processor, counted round those there are. */
void process_pin(const struct process *process, unsigned processor);
unsigned process_free_port(void);
uint64_t bench_now_ns(void);
void bench_pause_ms(long ms);
