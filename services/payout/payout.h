/* The payout process around its engine: one worker thread on which everything that blocks happens
 * (store, window, node), and the loop, which stays live meanwhile: it hears the scheduler's
 * notices, answers control requests, beats. The engine is touched on the worker's thread alone;
 * what the loop wants of it travels in jobs, what the loop may know of it comes back in them.
 *
 * There is an engine only while this payout leads. Without one it stands by: it watches the
 * leader's record, writes nothing, and takes over when that record no longer moves. The lease is
 * renewed on a thread with a store handle of its own, so that a long step is not taken for a death;
 * a process that is stopped renews nothing. */
#pragma once
#include "loop/worker.h"
#include "record/leader/leader.h"
#include "service/process/process_life.h"
#include "service/service.h"
#include "service/token_source/token_source.h"
#include "services/payout/audit.h"
#include "services/payout/engine.h"
#include "service/stands_by.h"
#include "services/payout/terms.h"

#include <stdatomic.h>

enum { PAYOUT_CALLS_MAX = 16 };

/* One pass of the engine. */
struct payout_tick {
    struct worker_job job;
    bool push;           /* in: look at payments now */
    uint64_t begun_ms;   /* the loop's clock */
    bool leads;          /* out, like the rest */
    struct leader other; /* who does, where this one does not */
    bool namesake;       /* under this one's name */
    enum step step;
    struct error error;
    enum engine_part trouble;
    char trouble_text[sizeof((struct error *)0)->text];
    struct engine_counters counters;
    bool has_sums;
    struct engine_sums sums;
    bool has_wallet;
    uint64_t wallet; /* base units it could spend */
};

/* One renewal of the lease. */
struct payout_beat {
    struct worker_job job;
    uint64_t epoch;
    enum store_outcome outcome;
};

/* The audit that runs by itself. */
struct payout_daily {
    struct worker_job job;
    struct worker *worker; /* NULL: it never runs */
    struct loop_timer timer;
    uint64_t due_ms;
    bool running;
    bool looked; /* out, like the rest */
    bool kept;
    struct payout_audit_report report;
    struct error error;
    uint64_t took_ms;
};

/* Whether redis.window answers. */
struct payout_probe {
    struct worker_job job;
    struct worker *worker;
    struct window_reader *window; /* its own */
    struct loop_timer timer;
    bool asking, away;
    bool answers; /* out, like the rest */
    struct error error;
};

struct payout_metrics {
    struct metric *sets, *snapshots, *segments, *window_open_shares, *trimmed, *sent, *confirmed,
        *refused, *failures[ENGINE_NODE + 1]; /* by what was away */
    struct metric_histogram *turn;
    struct metric *newest_event, *newest_set, *epoch, *open_sets, *open_payments, *leading;
    struct metric *immature, *available, *in_flight, *paid, *fee, *unallocated, *loss;
    struct metric *reserve, *reserve_missing;
    struct metric *audits, *audited, *audit_differences, *wallet, *wallet_read, *insolvent;
    struct metric *broken;
};

struct payout {
    struct service *service;
    struct payout_terms terms;    /* the options point to its classes */
    struct store *store;          /* the worker's */
    bool store_doubted;           /* the worker's: it could not be written to when last asked */
    struct window_reader *window; /* the worker's */
    struct node *node;            /* the worker's; NULL: none */
    struct engine_options options;
    struct engine *engine;     /* the worker's; NULL: it stands by */
    struct leader_watch watch; /* the worker's */
    char process[PROCESS_NAME_BYTES];
    _Atomic uint64_t leading_epoch; /* 0: it stands by */
    struct store *lease_store;      /* the lease's own thread's */
    struct worker *worker, *lessor;
    struct payout_tick tick;
    struct payout_beat beat;
    struct payout_daily daily;
    struct payout_probe probe;
    char window_trouble[sizeof((struct error *)0)->text]; /* the engine's last; "": none */
    bool beating;
    bool led, role_shown; /* as last shown */
    struct leader leader; /* as last seen while it stood by */
    struct loop_timer lease_timer;
    bool ticking;
    bool again;             /* something happened while it ran */
    bool push_next;         /* payments are to be looked at in the next tick */
    bool stopping;          /* no ticks any more */
    uint64_t sums_due_ms;   /* the worker's */
    uint64_t wallet_due_ms; /* the worker's */
    uint64_t owed;          /* what miners may be paid, as last read */
    unsigned short_looks;   /* at a wallet with less than what is owed, one behind the other */
    uint64_t sums_sets;     /* the worker's: sets posted when they were last read */
    uint8_t tip[32];
    struct loop_timer timer;
    struct bus_subscriber *notices;
    struct bus_server *server;
    unsigned calls;             /* control requests under way */
    bool asks_tokens;           /* other hosts may ask: every verb takes an operator's token */
    struct token_source tokens; /* the worker's */
    struct payout_metrics metrics;
    struct engine_counters shown; /* as the metrics have them */
    char last_broken[sizeof((struct error *)0)->text];
};

/* Starts workers, timers, subscription and server; service, stores, window, node and options are
 * filled. False with *error and the exit code that fits. */
MUST_CHECK bool payout_start(struct payout *payout, enum service_exit *code_r, struct error *error);
/* Ends what payout_start began; the engine's call under way is cut short, the leadership given
 * up. */
void payout_stop(struct payout *payout);

/* daily.c: the audit by itself, from payout_start to payout_stop. */
MUST_CHECK bool payout_daily_start(struct payout *payout, struct error *error);
void payout_daily_stop(struct payout *payout);
/* Audits, logs the first differences, and writes down what was found for those who tell operators
 * of it (record/notice). False with *error where the books could not be gone through. Where only
 * the writing failed, what was found counts all the same: that is logged, and *kept_r is false. On
 * the store's thread. */
MUST_CHECK bool payout_look_over(struct store *store, struct payout_audit_report *report_r,
                                 bool *kept_r, struct error *error);
/* What an audit found, made by itself or asked for: in the metrics, and in payout's line of the
 * pool's status until one finds nothing; there, too, that it was not written down, until one is. On
 * the loop's thread. */
void payout_show_audit(struct payout *payout, const struct payout_audit_report *report, bool kept);

/* probe.c: whether redis.window answers, from payout_start to payout_stop; payout->probe.window is
 * opened by then, and closed by the caller. */
MUST_CHECK bool payout_probe_start(struct payout *payout, struct error *error);
void payout_probe_stop(struct payout *payout);
/* What the engine or the probe misses of it, in health. On the loop's thread. */
void payout_show_window(struct payout *payout);

/* control.c: answers "status", "push" and "audit". */
void payout_on_control(void *context, struct bus_call *call, struct span message);
