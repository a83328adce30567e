/* The registry of validators and pools, as the leading scheduler keeps it: the timers of its list
 * and of the scores' decay, the registrations of our own validators, and what outside ones say.
 *
 *   lists (a thread)   the source is read and checked
 *   members (a thread) owns the store's handle, the nonces seen, and every change of a record
 *
 * On the loop's thread, but for what is said to run on members. */
#pragma once
#include "core/coin/coin.h"
#include "loop/worker.h"
#include "port/bus.h"
#include "port/store.h"
#include "service/metrics.h"
#include "service/settings.h"
#include "services/inode-scheduler/inode_message.h"

struct registry;

/* A report that was proved to be the validator's, whose stake is large enough, about a pool that is
 * registered. On members. */
struct registry_report {
    const struct inode_message *message;
    const struct member *validator, *pool;
    uint64_t now_ms;
};

struct registry_options {
    struct loop *loop;
    struct store *store; /* taken, also on failure */
    const char *role;    /* whose leadership is checked */
    uint64_t epoch;
    const struct coin_profile *coin;
    const struct settings *settings;
    struct metrics *metrics;
    const char *pool; /* our own pool's id: chain.address in its canonical form; copied */
    /* What became of a report; NULL: no task was ever issued. On members. */
    enum inode_refusal (*on_report)(void *context, const struct registry_report *report);
    void (*on_trouble)(void *context, const char *what, const char *reason);
    void (*on_deposed)(void *context);
    void *context;
};

/* Whether the settings make sense: entries, sources, sums. False with *error. */
MUST_CHECK bool registry_check(const struct settings *settings, const struct coin_profile *coin,
                               struct error *error);

MUST_CHECK struct registry *registry_create(const struct registry_options *options,
                                            struct error *error);
/* Finishes what is queued; sayings under way are answered. */
void registry_destroy(struct registry *registry);

/* One of our own registers itself; `call` is taken. */
void registry_hello(struct registry *registry, struct bus_call *call, struct span message);

/* What an outside validator said. */
struct registry_saying {
    struct worker_job job;
    struct registry *registry;
    struct inode_message message;
    enum inode_refusal refusal;
    /* on the loop; frees the saying */
    void (*done)(struct registry_saying *saying);
    void *context;
};
/* Proves it and acts on it, then calls done. False when too much is waiting: nothing was taken. */
MUST_CHECK bool registry_say(struct registry *registry, struct registry_saying *saying);

/* Counts one that was refused before it came here. */
void registry_refused(struct registry *registry, enum inode_refusal refusal);

/* For who changes scores: the thread and the handle that all changes of records are made with. */
struct worker *registry_worker(struct registry *registry);
struct store *registry_store(struct registry *registry);

/* What failures of a timer's work are counted in; for every timer of the scheduler. Borrowed for
 * the life of `metrics`. */
struct metric *registry_timer_failures(struct metrics *metrics, const char *timer);
