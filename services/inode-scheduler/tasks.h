/* The scheduler's side of validation tasks: requests of gateways and validators to the auditor and
 * back, and its timers. Each timer's work that fails is logged, counted and done again at its next
 * turn. Only a leader has an auditor; it is made by the first thing that needs it, and lives on the
 * registry's thread, where all scores are changed.
 *
 * On the loop's thread but for what says otherwise; what is under way is bounded by that thread's
 * queue: beyond it who asks is told to come again. */
#pragma once
#include "loop/worker.h"
#include "port/bus.h"
#include "service/metrics.h"
#include "services/inode-scheduler/auditor.h"
#include "services/inode-scheduler/places.h"
#include "services/inode-scheduler/registry.h"

enum { TASKS_TIPS_MAX = 64, TASKS_TIMERS = 3, TASKS_OUTSIDE_MAX = 64 };

struct scheduler;

struct tasks_timer {
    struct loop_timer timer;
    struct scheduler *scheduler;
    const char *name;
    bool (*work)(struct auditor *auditor, uint64_t now_ms, struct error *error);
    bool tells; /* validators outside are told of their tasks behind it */
    bool busy;
    struct metric *failures;
};

struct tasks {
    struct worker *worker; /* owns what follows */
    struct store *store;
    struct window_reader *window;
    struct auditor *auditor;      /* NULL: not yet */
    struct places *places;        /* any thread */
    struct auditor_counts counts; /* the loop's copy */
    struct tasks_timer timers[TASKS_TIMERS];
    /* when each tip came, oldest first; read on the worker's thread: under the lock */
    void *lock;
    struct tasks_tip {
        uint8_t hash[32];
        uint64_t since_ms;
    } tips[TASKS_TIPS_MAX];
    size_t tips_count;
    struct metric *events[8], *disputes, *waiting, *askers;
};

/* Opens what is needed whoever leads. False with *error; ended by tasks_close either way. */
MUST_CHECK bool tasks_open(struct scheduler *scheduler, struct error *error);
/* From now on tasks are made. */
void tasks_lead(struct scheduler *scheduler);
/* No new work. */
void tasks_stop(struct scheduler *scheduler);
/* After the registry, on whose thread what was under way has ended. */
void tasks_close(struct scheduler *scheduler);
/* The jobs build on another block now. */
void tasks_tip(struct scheduler *scheduler, const uint8_t hash[32]);

/* Requests on the bus; `call` is taken. */
void tasks_on_samples(struct scheduler *scheduler, struct bus_call *call, struct span message);
void tasks_on_request(struct scheduler *scheduler, struct bus_call *call, struct span message);
void tasks_on_report(struct scheduler *scheduler, struct bus_call *call, struct span message);

/* What a validator outside found, proved to be its own and admitted: for the registry, on whose
 * thread it is called. The context is the scheduler. */
enum inode_refusal tasks_outside_report(void *context, const struct registry_report *report);
