/* Shares to validators and verdicts back. A share joins the open batch; at the end of the loop's
 * round the open batch leaves, if a validator has room and the batch holds 32 shares for each one
 * under way there: so a lone share leaves at once, a flood in batches, and what comes while an
 * answer is due gathers instead of costing everybody a small batch each.
 *
 * A batch's id is (lease, sequence), given when it first leaves and kept through every retry,
 * whichever validator it goes to; with it goes the lowest sequence of the lease not yet answered.
 * An unanswered batch goes to another validator after a time-out, or earlier where its validator is
 * silent while others answer; then two have it, the first verdict ends it, and the second finds the
 * id applied. One that lacks a job says that it cannot judge, and the others are asked, round after
 * round; after half of hold_ms the batch goes out as final, so that those of its shares whose job
 * is known still count. It is held until it is answered or hold_ms have passed; then it is given
 * up: its sequence is below `lowest` of every later batch, and the window refuses what is below, so
 * it can never be applied later than that.
 *
 *      filling ─▶ waiting ─▶ flying (to one or two) ─▶ judged
 *                    ▲          │
 *                    └── time-out, gone, silent, leaving, overloaded, not durable, unknown,
 *                        cannot judge
 *
 * One thread. Owns the validators' connections. */
#pragma once
#include "core/share/outcome.h"
#include "port/bus.h"
#include "services/stratum-gateway/audits.h"
#include "services/stratum-gateway/batches.h"
#include "services/stratum-gateway/replay.h"

enum { DISPATCH_BATCH_MAX = BATCH_SHARES_MAX }; /* shares */

enum dispatch_end {
    DISPATCH_JUDGED,  /* outcome is the validator's, durable where accepted */
    DISPATCH_DROPPED, /* provably never judged: no validator has applied it or will */
    DISPATCH_UNKNOWN, /* given up, or a verdict we have no word for; it may have been applied */
};

struct dispatch_result {
    enum dispatch_end end;
    enum share_outcome outcome; /* where judged */
    bool is_block;
};

typedef void (*dispatch_handler)(void *context, const struct dispatch_origin *origin,
                                 const struct wire_share *share,
                                 const struct dispatch_result *result);

struct dispatcher_options {
    struct loop *loop;
    struct bus *bus;
    unsigned timeout_ms; /* of one request */
    uint64_t hold_ms;    /* of a share */
    size_t shares_max;   /* held at once */
    uint64_t keep_ms;    /* answered batches are kept so long (replay.h); 0: they are not */
    size_t keep_bytes_max;
    uint64_t job_memory_ms;   /* when a job that is not published any more is dead (replay.h) */
    struct audits *audits;    /* borrowed; NULL: nothing is drawn to be judged again */
    bool asks_identities;     /* validators are asked who they are (identities.h) */
    dispatch_handler handler; /* never called inside dispatcher_add */
    void *context;
};

struct dispatcher_counts {
    uint64_t batches, retries, timeouts, given_up, dropped;
    uint64_t hedged;    /* sent to a second validator because the first was silent */
    uint64_t probes;    /* copies sent to see whether a validator is back */
    size_t held;        /* shares */
    size_t outstanding; /* batches flying or waiting with a sequence */
    unsigned validators, healthy;
    struct replay_counts replay;
};

struct dispatcher;

/* NULL where there is no memory. Caller owns. */
struct dispatcher *dispatcher_create(const struct dispatcher_options *options);
/* Shares still held are forgotten without a call of the handler. */
void dispatcher_destroy(struct dispatcher *dispatcher);

/* From now on batches belong to this lease; those under way keep theirs. */
void dispatcher_set_lease(struct dispatcher *dispatcher, uint64_t lease_id);

/* The sequence the lease's next batch gets; sets it, where an earlier program used those below. */
uint64_t dispatcher_next_sequence(const struct dispatcher *dispatcher);
void dispatcher_go_on_from(struct dispatcher *dispatcher, uint64_t sequence);

/* The validators to use from now on: new addresses are connected, missing ones get nothing more and
 * are closed when what they have is answered. False where one could not be opened now: to be called
 * again with the same list after a while. */
MUST_CHECK bool dispatcher_set_validators(struct dispatcher *dispatcher,
                                          const char (*urls)[VALIDATORS_URL_BYTES], size_t count);

/* Takes a share; false where shares_max are held. */
MUST_CHECK bool dispatcher_add(struct dispatcher *dispatcher, const struct wire_share *share,
                               const struct dispatch_origin *origin);

/* Shares may be added at the end of this round, by what was deferred before: they leave in it. */
void dispatcher_expect(struct dispatcher *dispatcher);

struct dispatcher_counts dispatcher_counts(const struct dispatcher *dispatcher);
