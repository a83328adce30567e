/* From templates to jobs: which template to mine on, when its job may go out, and what is kept so
 * that late shares can be judged and blocks assembled.
 *
 *   template of a new tip ─┬─ no transactions ─────────────────────────────▶ publish
 *                          └─ transactions ─ publish an empty job at once,
 *                                            announce ─ held, or patience over ─▶ publish
 *   template of the same tip: kept until the interval is over, then as above
 *   a new tip without its template yet: an empty job by the coin's rules, where they tell its
 *                            header: not at a retarget, not where an extension block is owed
 *   a template of a new tip that is still arriving: announced, so that validators have most of it
 *                            when its last byte comes
 *
 * On the loop's thread; touches no store and no node. */
#pragma once
#include "core/coin/coin.h"
#include "core/job/job.h"
#include "loop/loop.h"
#include "port/node.h"
#include "services/inode-scheduler/draft.h"
#include "wire/messages.h"

struct jobs;

struct jobs_options {
    struct loop *loop;
    const struct coin_profile *coin; /* static */
    struct output_script script;     /* where blocks pay to */
    struct span tag;                 /* borrowed during jobs_create */
    uint32_t version_mask;
    uint8_t extranonce2_bytes;
    uint64_t epoch;
    unsigned hold_ms;     /* how long a job waits for a validator to hold its transactions */
    unsigned interval_ms; /* a fresh job at least this often */
    uint64_t memory_ms;   /* how long retired jobs are remembered */
    void (*publish)(void *context, struct span message);
    void (*refresh)(void *context, size_t node); /* a fresh template is wanted from this node */
    /* more can be said of an announced template's transactions, or never will */
    void (*moved)(void *context);
    void *context;
};

enum {
    JOBS_EXTRANONCE1_BYTES = 4,
    JOBS_COMMITMENT_BYTES = 83,
    JOBS_REPEAT_MS = 2000, /* the newest job is published again this often */
};

/* What is mined on now, for the operator. */
struct jobs_view {
    bool any;
    uint64_t job_id;
    uint64_t sequence;
    uint32_t height;
    uint8_t prev_hash[32];
    uint32_t bits;
    uint64_t coinbase_value;
    size_t transactions;
    size_t node;
    uint64_t template_age_ms;
    size_t jobs_kept, templates_kept;
};

/* A job that is remembered, for the operator. */
struct jobs_line {
    uint64_t job_id, made_unix_ms, coinbase_value;
    uint32_t height;
    size_t transactions, node;
    bool clean, alive;
};

MUST_CHECK struct jobs *jobs_create(const struct jobs_options *options);
void jobs_destroy(struct jobs *jobs);

/* A template begins to arrive, and builds on this block: its node's thread fills the box, which
 * stays its own until jobs_take; what is told of it here is what is there already. */
void jobs_draft(struct jobs *jobs, const struct template_box *box, const uint8_t prev_hash[32]);
void jobs_draft_add(struct jobs *jobs, const struct template_box *box,
                    const struct span *transactions, size_t count);
/* It comes to nothing. */
void jobs_draft_drop(struct jobs *jobs, const struct template_box *box);
/* `box` is taken. A template that makes no job is refused with one sentence; false. */
bool jobs_take(struct jobs *jobs, struct template_box *box, struct error *error);
/* Later jobs' coinbases carry an output of value 0 with this script, at most JOBS_COMMITMENT_BYTES
 * of it (copied); an empty one: none. */
void jobs_commit(struct jobs *jobs, struct span script);
/* A node's best chain has a new tip. Whether a job was published on it; the template that follows
 * is held against what the rules said. `now_s` is the time, unix seconds. */
bool jobs_tip(struct jobs *jobs, size_t node, const struct node_tip *tip, uint32_t now_s);
/* A node cannot be asked any more (or again): another's templates are taken instead. */
void jobs_node_state(struct jobs *jobs, size_t node, bool usable);
/* What this node told was wrong: where its template or tip is mined on, the next template of
 * another node replaces that, whatever it builds on. */
void jobs_distrust(struct jobs *jobs, size_t node);
/* A validator holds this template's transactions. */
void jobs_held(struct jobs *jobs, uint64_t template_id);
/* Publishes the newest job again, and the announcement under way: somebody new listens. */
void jobs_repeat(struct jobs *jobs);
/* Nothing is published or taken any more. */
void jobs_stop(struct jobs *jobs);

/* The encoded reply to a job_request: borrowed until the next call. */
struct span jobs_answer(struct jobs *jobs, uint64_t job_id);
/* The encoded job that needs this template's transactions, published or about to be (then its
 * sequence is 0): borrowed until the next call; empty: none is remembered. */
struct span jobs_of_template(struct jobs *jobs, uint64_t template_id);
/* Borrowed until the loop's next round; NULL: not known any more. */
const struct template_box *jobs_template(struct jobs *jobs, uint64_t template_id);
/* The same of one that is still arriving. */
const struct draft *jobs_draft_of(const struct jobs *jobs, uint64_t template_id);
/* A job still remembered, borrowed likewise; NULL. */
const struct job *jobs_find(const struct jobs *jobs, uint64_t job_id);
/* The newest first, at most `capacity`; returns their number. NULL has none. */
size_t jobs_history(const struct jobs *jobs, struct jobs_line *lines_r, size_t capacity);
/* NULL (one that stands by has none) shows nothing. */
void jobs_look(const struct jobs *jobs, struct jobs_view *view_r);
