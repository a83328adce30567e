/* Disputes: a verdict was wrong, by the scheduler's own core, and this is the evidence. Written
 * once, never changed, kept for ever. The id is the task's, with ":credit" behind it where what is
 * wrong is not the verdict but what the window holds for it; so there is one of each for a
 * submission, however often it is looked at.
 *
 * Blocking, like the store; one thread at a time per store handle. */
#pragma once
#include "record/task/task.h"

extern const struct store_collection dispute_collection;

enum {
    DISPUTE_ID_BYTES = TASK_ID_BYTES + 8,
    DISPUTE_TEXT_BYTES = 256,
    DISPUTE_REPORT_BYTES_MAX = 20480,
    DISPUTE_CREDITED_BYTES_MAX = 40, /* a packed share of the window */
};

/* X(enum name, stored value, name). Never renumber or rename. */
#define DISPUTE_KINDS(X)                                                                           \
    X(DISPUTE_FIRST_WRONG, 1, "verdict_wrong")                                                     \
    X(DISPUTE_REPORTER_WRONG, 2, "report_wrong")                                                   \
    X(DISPUTE_BOTH_WRONG, 3, "both_wrong")                                                         \
    X(DISPUTE_CREDIT_WRONG, 4, "credit_wrong")

enum dispute_kind {
#define X(name, value, text) name = value,
    DISPUTE_KINDS(X)
#undef X
};
const char *dispute_kind_name(enum dispute_kind kind); /* static */

struct dispute {
    char id[DISPUTE_ID_BYTES];
    enum dispute_kind kind;
    uint64_t at_ms;                   /* unix: when it was found */
    char first[TASK_MEMBER_BYTES];    /* who gave the verdict: a validator's id, else a name */
    bool certain;                     /* nobody else can have: it lost its score */
    char reporter[TASK_MEMBER_BYTES]; /* ""; nobody reported */
    uint32_t first_outcome;           /* enum share_outcome */
    bool first_block;
    bool report_valid;
    uint32_t honest_outcomes; /* bits: what an honest validator may have said */
    bool honest_block;
    uint8_t hash[32];   /* of the header as it was submitted, internal order */
    uint8_t header[80]; /* zeros: none can be formed */
    uint64_t lease_id, sequence;
    uint32_t index;
    uint64_t account, worker, work, job_id, received_ms; /* as the gateway had them */
    char text[DISPUTE_TEXT_BYTES];                       /* for people */
    struct span body;                                    /* borrowed: the task's */
    struct span report;   /* borrowed: as it was sent, with its signature; or empty */
    struct span credited; /* borrowed: the window's share in its place, packed; or empty */
};

/* STORE_DONE (durable), STORE_EXISTS, STORE_UNKNOWN, STORE_FAILED with *error. */
MUST_CHECK enum store_outcome dispute_insert(struct store *store, const struct dispute *dispute,
                                             struct error *error);
/* The newest, of equal times by id, none found after before_ms (0: no bound), at most `limit`; with
 * past_id (may be NULL; then before_ms is needed) only those behind that place. Borrowed until the
 * visitor returns; false ends the walk; it must not call the store. STORE_DONE, STORE_FAILED. */
typedef bool (*dispute_visitor)(void *context, const struct dispute *dispute);
MUST_CHECK enum store_outcome dispute_walk(struct store *store, uint64_t before_ms,
                                           const char *past_id, size_t limit, dispute_visitor visit,
                                           void *context, struct error *error);
/* The one of that id. The visitor is called where it is there. STORE_DONE, STORE_FAILED. */
MUST_CHECK enum store_outcome dispute_find(struct store *store, const char *id,
                                           dispute_visitor visit, void *context,
                                           struct error *error);
