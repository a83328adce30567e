/* Starts the processes of a plan in order of need, starts again what dies, and stops everything in
 * reverse. One loop, one thread. */
#pragma once
#include "plan.h"

struct supervisor;

/* Runs the plan until SIGINT or SIGTERM (or until the start fails), showing progress on standard
 * output and, when `watch`, the live view. `announce` is called once, when all are ready. Returns
 * the exit code for the process: 0 after an orderly stop; else one sentence was printed. */
int supervise(struct plan *plan, bool watch, void (*announce)(void *context), void *context);
