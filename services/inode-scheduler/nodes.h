/* Which nodes may be mined on. A node that syncs, is of another chain, is stuck behind the others,
 * sits on a branch of its own, shows a tip that cannot be one, answers too slowly or not at all is
 * left aside and named, until it is well again; the others go on. Where no node is well, those that
 * are merely late or lonely are used all the same: one poor node is better than none.
 *
 *   templates, their trouble (sources) ─┐
 *   tips, how quickly it answers (tips) ─┼─▶ standing ─▶ jobs, follower, health, metrics, log
 *   what the chain worker saw (follow) ──┘
 *
 * On the loop's thread; asks nobody anything itself. */
#pragma once
#include "loop/loop.h"
#include "port/node.h"
#include "service/metrics.h"
#include "services/inode-scheduler/facts.h"
#include "services/inode-scheduler/follow.h"

/* X(enum name, word) */
#define NODES_STANDINGS(X)                                                                         \
    X(NODES_WELL, "well")                                                                          \
    X(NODES_UNREACHED, "unreached")                                                                \
    X(NODES_NO_TEMPLATE, "no template")                                                            \
    X(NODES_SYNCING, "syncing")                                                                    \
    X(NODES_OTHER_CHAIN, "other chain")                                                            \
    X(NODES_FALSE_TIP, "false tip")                                                                \
    X(NODES_ALONE, "alone")                                                                        \
    X(NODES_FORKED, "forked")                                                                      \
    X(NODES_STUCK, "stuck")                                                                        \
    X(NODES_SLOW, "slow")

enum nodes_standing {
#define X(name, word) name,
    NODES_STANDINGS(X)
#undef X
        NODES_STANDING_COUNT
};
const char *nodes_standing_word(enum nodes_standing standing);

enum {
    NODES_TICK_MS = 500,
    NODES_SLOW_IN_A_ROW = 3, /* slow answers make it slow, as many quick ones quick again */
    NODES_SILENT_MS = 3000,  /* and slow_ms: a node that owes an answer for so long hangs */
    NODES_TROUBLES_BYTES = 480,
};

/* What a whole template says of the chain, held against what its node and others told of it. */
enum nodes_template {
    NODES_TEMPLATE_FITS,
    NODES_TEMPLATE_LATE, /* of a block that its node has left: it may have been on its way */
    NODES_TEMPLATE_WRONG,
};

struct nodes_node {
    const char *name; /* borrowed */
    enum nodes_standing standing;
    uint64_t since_unix_ms;
    bool usable;
    char reason[FOLLOW_TEXT_BYTES]; /* why it is not well; "" */

    bool tip_known;
    struct node_tip tip;
    uint64_t tip_unix_ms;      /* when it was told */
    uint64_t template_unix_ms; /* the last whole template; 0: none yet */
    uint64_t answer_us;        /* how long it took to answer last */

    /* the loop's clock, 0: not so */
    uint64_t behind_since_ms; /* its tip has less work than the best */
    uint64_t ahead_since_ms;  /* it is the best, and others do not follow */
    uint64_t heard_ms;        /* it answered, or its call failed */
    unsigned slow_count, quick_count;
    bool slow, unreached, false_tip, templates, syncing, other_chain;
    char template_trouble[FOLLOW_TEXT_BYTES], tip_trouble[FOLLOW_TEXT_BYTES],
        chain_trouble[FOLLOW_TEXT_BYTES];
    const char *contradicted; /* what it tells of its tip cannot be, and why; static */
    bool asked_again;         /* a template of a block it had left was dropped */
    enum follow_branch branch;
    struct metric *metric;
};

struct nodes_options {
    struct loop *loop;
    struct metrics *metrics;
    size_t count;
    unsigned patience_ms; /* how long it may be behind, or ahead alone */
    unsigned slow_ms;     /* an answer that takes longer is slow */
    bool polled;          /* it is asked all the time: silence means that it hangs */
    bool retargets;       /* the coin's bits change slowly: a far easier tip is false */
    /* A node may be used from now on, or no more. */
    void (*on_usable)(void *context, size_t node, bool usable);
    /* Where nodes differ for long the chain should be looked at. */
    void (*on_differ)(void *context);
    void *context;
};

struct nodes {
    struct nodes_options options;
    struct nodes_node list[FOLLOW_NODES_MAX];
    struct loop_timer timer;
    struct facts facts;
    uint64_t asked_ms; /* on_differ last */
    char troubles[NODES_TROUBLES_BYTES];
};

/* `names` are borrowed for its life. */
void nodes_start(struct nodes *nodes, const struct nodes_options *options,
                 const char *(*name_of)(void *context, size_t node));
void nodes_stop(struct nodes *nodes);

/* *why_r where it is wrong: a sentence, static. One that is late again, although it was asked for
 * behind the first, is wrong. */
enum nodes_template nodes_judge_template(struct nodes *nodes, size_t node,
                                         const uint8_t prev_hash[32], uint32_t height,
                                         const char **why_r);
/* A whole template that fits (NULL), or why there is none. */
void nodes_template(struct nodes *nodes, size_t node, const char *trouble);
void nodes_tip(struct nodes *nodes, size_t node, const struct node_tip *tip);
/* It was asked for its best block: how that went, in how many microseconds. NODE_REFUSED: what it
 * shows cannot be a tip. */
void nodes_pulse(struct nodes *nodes, size_t node, enum node_answer answer, uint64_t took_us,
                 const char *trouble);
/* The tip most work is claimed for by a node that was not found to lie, whoever refuses it; NULL:
 * none. Borrowed until the next call. */
const struct node_tip *nodes_claim(const struct nodes *nodes, size_t *node_r);
void nodes_followed(struct nodes *nodes, const struct follow_result *result);
/* Every node that is not well, in words, for health; NULL: all are. Borrowed until the next call.
 */
const char *nodes_trouble(struct nodes *nodes);
