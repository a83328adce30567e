/* How often each instance was started again, kept in the store, so that a scheduler that is started
 * again itself, or takes over, goes on counting: one record of all instances, read once by whoever
 * leads and written when it changes, or is an hour old. It replaces the version it has read: what
 * another leader wrote meanwhile is read first and joined. Where the store is away the counts go on
 * in memory. On the loop's thread; the store is asked on the worker of counting. */
#pragma once
#include "loop/worker.h"
#include "port/store.h"
#include "services/inode-scheduler/health.h"

extern const struct store_collection restarts_collection;

struct restarts_list {
    struct health_known known[HEALTH_INSTANCES_MAX];
    size_t count;
};

/* STORE_DONE with the list, empty where none was kept, and the record's version (0: there is none);
 * STORE_FAILED with *error. What cannot be read as a list is an empty one. Blocking. */
MUST_CHECK enum store_outcome restarts_read(struct store *store, struct restarts_list *list_r,
                                            uint64_t *version_r, struct error *error);
/* In the place of that version, which it raises. STORE_CONFLICT: another wrote; STORE_UNKNOWN,
 * STORE_FAILED with *error. Blocking. */
MUST_CHECK enum store_outcome restarts_write(struct store *store, const struct restarts_list *list,
                                             uint64_t *version, struct error *error);

struct restarts {
    struct health *health;
    struct worker *worker;
    struct store *store; /* the worker's */
    const char *role;    /* under which this one leads */
    uint64_t epoch;      /* of the tick whose job is under way */
    struct worker_job job;
    bool asking, writes, failed;
    bool read;        /* the record is known and joined */
    uint64_t version; /* of the record */
    uint64_t marked;  /* health->changes when it was written last */
    uint64_t due_ms;  /* unix; it is written then though nothing changed */
    struct restarts_list list;
    enum store_outcome outcome;
    struct error error;
};

/* Once a second while this scheduler leads, in that epoch: nothing is written when another's is
 * newer. */
void restarts_tick(struct restarts *restarts, uint64_t epoch);
