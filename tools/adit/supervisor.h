/* Starts the processes of a plan in order of need, starts again what dies, and stops everything in
 * reverse. One loop, one thread. */
#pragma once
#include "plan.h"

struct supervisor;

/* What a start ends with where a part did not become ready in time, or could not be run: what the
 * services call a process of ours that is not there (docs/operations.md). */
enum { SUPERVISE_PART = 4 };

/* Runs the plan until SIGINT or SIGTERM (or until the start fails), showing progress on standard
 * output and, when `watch`, the live view. `announce` is called once, when all are ready. Returns
 * the exit code for the process: 0 after an orderly stop; else one sentence was printed, and it is
 * that of the part that ended before it was ready, or SUPERVISE_PART. */
int supervise(struct plan *plan, bool watch, void (*announce)(void *context), void *context);
