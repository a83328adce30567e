/* What the files of the leases share: leases.c grants and ends them in the store, leases_window.c
 * does what the share window must know of that. Private to them. */
#pragma once
#include "services/inode-scheduler/leases.h"

struct held {
    struct lease_record lease;
    uint64_t beat_ms; /* the loop's clock */
    bool ending;      /* a task of the worker is at it */
    bool over;        /* ended in the window, too */
};

struct request {
    struct bus_call *call;
    char instance[LEASE_INSTANCE_BYTES];
    uint64_t boot_id;
};

struct leases {
    struct leases_options options;
    uint64_t last_id;
    struct held *held;
    size_t held_count, held_capacity;
    uint32_t next_first;                        /* where the search for free values goes on */
    struct request waiting[LEASES_WAITING_MAX]; /* ring; the first is being granted */
    size_t waiting_first, waiting_count;
    bool granting;
    bool surveyed; /* last_id is not below any id the window knows */
    bool surveying;
    uint64_t left_alone; /* the lowest open id of the window that the store lacks; 0: none */
    uint64_t survey_due_ms; /* the loop's clock */
    bool window_told;       /* that it is away */
    struct loop_timer tick;
};

/* Answers the requests that need no grant, and begins the next one that does. */
void leases_go_on(struct leases *leases);
/* Nothing can be granted now: those who wait are told why, and ask again. */
void leases_refuse_all(struct leases *leases, const char *text);

static inline bool leases_in_window(const struct leases *leases)
{
    return leases->options.window != NULL;
}
/* Asks the window for the ids it knows, and ends there those that are over by the store: what a
 * scheduler that is gone left undone. */
void leases_survey(struct leases *leases);
/* The lease's values are free: the window may forget it. Tried again at the next tick. */
void leases_end_in_window(struct leases *leases, struct held *held);
