/* The life of validation tasks (record/task): taken from gateways, made, issued, reported, settled.
 * What it decides on is in the store first; what it keeps in memory can be read from there again.
 *
 * A task is issued to a validator that did not give the first verdict, chosen at random among those
 * that asked of late, so that nobody can see to it that it gets certain tasks. A report is believed
 * as little as a verdict: our own core (core/audit) judges every share whose task ends, so that two
 * who lie together are found like one. Where nobody may have a task, or all let it expire, the core
 * judges alone.
 *
 * Beside the verdict the credit is looked at: whether the window holds, for a submission said to be
 * accepted, that very account, worker, work and job, and nothing for one said to be rejected. A
 * batch that is not there at all is evidence as well, but only where nothing can have taken it away
 * since: over a change of the window's history, or where batches were trimmed unread, nobody is
 * said to have dropped anything, and nobody loses anything for what stands there now.
 *
 * Who was wrong loses its score, by a cause that names the task, so that settling again changes
 * nothing; a dispute is durable before that, the end of the task behind it. Where more than one
 * validator had the batch, and so either may have appended it, nobody loses anything, and the
 * dispute says so. Every dispute is a line of the log at level error.
 *
 * Blocking (store and window): everything on one worker's thread. Bounded: waiting_max tasks. */
#pragma once
#include "core/audit/audit.h"
#include "record/member/member.h"
#include "record/task/dispute.h"
#include "services/inode-scheduler/credits.h"

enum {
    AUDITOR_ASKERS_MAX = 2048,
    AUDITOR_KNOWN_MAX = 4096,
    AUDITOR_TRIES_MAX = 3,
    AUDITOR_FRESH_MS = 120000, /* who said something since may get a task */
};

struct auditor_options {
    struct store *store; /* borrowed */
    uint64_t epoch;      /* of our leadership */
    const char *pool;    /* id of the pool whose work it is; borrowed; "": none, no score rises */
    size_t waiting_max, turn_max;
    uint64_t expiry_ms, keep_ms;
    uint64_t
        missing_ms; /* a batch that is not in the window so long after its verdict is missing */
    uint64_t (*random)(void *context); /* that nobody can guess */
    /* As credits_find. NULL: credits are not looked at. */
    struct credit_found (*find_credit)(void *context, uint64_t lease_id, uint64_t sequence,
                                       uint64_t from_ms, uint64_t to_ms,
                                       struct window_share *shares_r);
    /* When a job's tip was left, as this process saw it (unix); 0: it is the tip; UINT64_MAX: not
     * known. NULL: never known. */
    uint64_t (*tip_gone_ms)(void *context, const uint8_t prev_hash[32]);
    void *context;
};

/* Since this auditor was made; gauges where said. */
struct auditor_counts {
    uint64_t taken;           /* from gateways */
    uint64_t issued;          /* val_ids */
    uint64_t reported;        /* reports that counted */
    uint64_t refused;         /* reports that did not */
    uint64_t expired;         /* val_ids */
    uint64_t alone;           /* settled by the core without a report */
    uint64_t agreed;          /* settled, and everybody was right */
    uint64_t disputes;        /* found */
    uint64_t credits;         /* looked at */
    uint64_t credits_unknown; /* could not be looked at */
    uint64_t unreadable;
    size_t waiting; /* gauge: not settled */
    size_t askers;  /* gauge: validators that asked of late */
};

struct auditor;

/* Reads what is not settled. NULL and *error where it cannot. Caller owns. */
MUST_CHECK struct auditor *auditor_create(const struct auditor_options *options, uint64_t now_ms,
                                          struct error *error);
void auditor_destroy(struct auditor *auditor);

enum auditor_outcome {
    AUDITOR_DONE,
    AUDITOR_REFUSED, /* for good; *error says why */
    AUDITOR_LATER,   /* no room, or the store is away: again; *error says why */
};

/* What a gateway drew. DONE: durable. */
MUST_CHECK enum auditor_outcome auditor_take(struct auditor *auditor,
                                             const struct wire_audit_samples *samples,
                                             uint64_t now_ms, struct error *error);
/* time.gen_validation_task: makes tasks of what waits and issues them. */
MUST_CHECK bool auditor_turn(struct auditor *auditor, uint64_t now_ms, struct error *error);
/* time.end_tasks: expired ones to others, or judged here; old settled ones are forgotten. */
MUST_CHECK bool auditor_end(struct auditor *auditor, uint64_t now_ms, struct error *error);
/* time.check_credits: looks at what the window holds of what was taken. */
MUST_CHECK bool auditor_check_credits(struct auditor *auditor, uint64_t now_ms,
                                      struct error *error);

/* Who holds this key, having proved it: DONE with its id in the registry (borrowed until the next
 * call) where it is there with stake enough. */
MUST_CHECK enum auditor_outcome auditor_admit(struct auditor *auditor,
                                              const uint8_t key[MEMBER_KEY_BYTES], uint64_t now_ms,
                                              const char **id_r, struct error *error);

/* A task for this validator. */
struct auditor_offer {
    uint64_t val_id; /* 0: none now */
    uint64_t expires_ms;
    struct task_body body;
    bool tip_in_doubt;
};
/* The validator `member` is there and wants work; it was admitted. Issues nothing by itself: what
 * is issued to it is handed out, again and again until it is reported. The body's spans are
 * borrowed until the next call. */
void auditor_ask(struct auditor *auditor, const char *member, uint64_t now_ms,
                 struct auditor_offer *offer_r);

/* What a validator found. */
struct auditor_report {
    uint64_t val_id;
    bool valid;       /* the share counts */
    bool has_outcome; /* and the two below say more */
    uint8_t outcome;  /* enum share_outcome */
    bool is_block;
    struct span evidence; /* as it was sent, signature and all; kept where there is a dispute */
};
/* DONE: it counted, durably. A val_id counts once, for whom it was issued to, until it expires. */
MUST_CHECK enum auditor_outcome auditor_take_report(struct auditor *auditor, const char *member,
                                                    const struct auditor_report *report,
                                                    uint64_t now_ms, struct error *error);

/* Every task that is issued to a validator outside and neither reported nor expired, so that it can
 * be sent to it. false ends the walk; the next one goes on behind it. */
typedef bool (*auditor_offer_visitor)(void *context, const char *member,
                                      const struct auditor_offer *offer);
void auditor_walk_outside(struct auditor *auditor, uint64_t now_ms, auditor_offer_visitor visit,
                          void *context);

struct auditor_counts auditor_counts(const struct auditor *auditor);
