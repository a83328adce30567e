/* Following the chain: what became of each block of ours, told to payout as reward events.
 *
 * One pass asks the nodes for the best chain, takes in candidates the window knows and we do not,
 * and steps every open block by core/maturity. What is durable, in this order:
 *   1. the reward event under the next sequence (cause, height and amount in one record);
 *   2. the block's record, which names that sequence.
 * A scheduler that dies in between leaves an event whose block lags behind; before any other event
 * is appended, by whomever, that block is brought up to it (maturity_replay). A rival's event found
 * in our place is taken in the same way, and we decide anew. A follower's first pass appends that
 * its epoch took over: whatever an earlier leader had decided but not appended finds no place.
 *
 * Blocking: one thread, its own store, nodes and window. */
#pragma once
#include "core/address/address.h"
#include "core/emission/emission.h"
#include "core/identity/identity.h"
#include "core/maturity/maturity.h"
#include "port/node.h"
#include "port/store.h"
#include "port/window.h"
#include "record/block/block.h"

struct follower;

enum { FOLLOW_NODES_MAX = 64, FOLLOW_NOTES_MAX = 64, FOLLOW_TEXT_BYTES = 200 };

/* Payments received from outside (receiving.h). */
struct receiving_options {
    struct output_script script; /* emission.address; empty: none are looked for */
    struct emission_terms terms;
    const char *fee_address; /* "": the pool's fee account */
    uint32_t confirmations;
    uint32_t start_height; /* 0: from now on */
    uint64_t least;        /* base units: payments below are not credited */
    const struct coin_profile *coin;
    const struct identity_key *key;
};

struct follow_options {
    struct store *store; /* borrowed, like all here, for the follower's life */
    struct node **nodes;
    size_t nodes_count;
    struct window_reader *window; /* NULL: none */
    const char *role;             /* whose leadership is checked: "scheduler" */
    uint64_t epoch;
    const char *chain;           /* what getblockchaininfo must call it */
    struct output_script script; /* where our blocks pay to */
    struct maturity_rules rules;
    struct receiving_options receiving;
};

/* What became of a submission, to be put down with the block. */
struct follow_note {
    uint8_t hash[32];
    bool refused; /* every node refused it for good */
    char text[FOLLOW_TEXT_BYTES];
};

/* How a node's tip stands to the best one. */
enum follow_branch {
    FOLLOW_UNKNOWN,      /* nobody could say */
    FOLLOW_SAME,         /* it is the best */
    FOLLOW_BEHIND,       /* the best chain goes through it */
    FOLLOW_FORKED,       /* the best chain has another block there */
    FOLLOW_REFUSES_BEST, /* forked or behind, and it knows a block most work is claimed for */
};

struct follow_node {
    bool reached;
    bool usable; /* reached, not syncing, of our chain, not set aside, its tip's header in order */
    bool syncing, other_chain;
    enum follow_branch branch;
    bool knows_best; /* the block most work is claimed for, by another; what it tells of it: */
    struct node_tip best;
    bool knows_claim; /* the same of the claim (follower_set_claim), where that is another block */
    struct node_tip claim;
    uint32_t height;
    uint8_t tip[32];
    char trouble[FOLLOW_TEXT_BYTES]; /* "": none */
};

struct follow_result {
    bool deposed;    /* another leads: nothing more may be written */
    bool whole;      /* everything was asked and written; else *error of follow_pass */
    uint32_t height; /* of the best usable node; 0: there is none */
    uint8_t tip[32];
    uint64_t event_sequence; /* the newest */
    unsigned open_blocks;
    unsigned events;          /* appended in this pass */
    unsigned adopted;         /* candidates taken in from the window */
    uint32_t payments_behind; /* blocks still to be read for payments: another pass goes on */
    struct follow_node nodes[FOLLOW_NODES_MAX];
};

MUST_CHECK struct follower *follower_create(const struct follow_options *options);
void follower_destroy(struct follower *follower);

/* Makes a pass under way end at its next step, from any thread; later passes end at once. */
void follower_stop(struct follower *follower);

/* This node's word counts for nothing as long as another can be asked. From any thread. */
void follower_set_aside(struct follower *follower, size_t node, bool aside);

/* This node does not answer those who ask it all the time: passes do not wait for it. From any
 * thread. */
void follower_set_silent(struct follower *follower, size_t node, bool silent);

/* The tip with the most work of those that nodes named to who mines on them, and whose it is: a
 * node may answer passes otherwise. Passes ask all others for that block. NULL: none. Not while a
 * pass is under way. */
void follower_set_claim(struct follower *follower, size_t node, const struct node_tip *tip);

/* One pass. result_r->whole false comes with *error; what was done is durable all the same. */
void follow_pass(struct follower *follower, const struct follow_note *notes, size_t notes_count,
                 struct follow_result *result_r, struct error *error);
