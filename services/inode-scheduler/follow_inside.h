/* What the files of follow share: follow.c looks and steps, follow_log.c keeps events and blocks in
 * order, follow_news.c takes in what others found and said. Private to them. */
#pragma once
#include "record/emission/emission_record.h"
#include "services/inode-scheduler/follow.h"

#include <stdatomic.h>

enum {
    OPEN_MAX = 4096,  /* blocks followed in one pass; the rest in the next */
    REFUSED_MAX = 64, /* blocks every node refused, remembered */
    ADOPTED_SLOTS = 1024,
    STEPS_MAX = 8,      /* of one block in one pass */
    ATTEMPTS_MAX = 4,   /* of a write whose answer got lost */
    TAKE_OVER_MAX = 64, /* places tried in one pass: rivals may be quicker */
};

struct follower {
    struct follow_options options;
    _Atomic bool stopped;
    bool caught_up; /* the newest event has reached its block */
    bool took_over; /* the log says so */
    uint64_t sequence;
    uint8_t refused[REFUSED_MAX][32];
    size_t refused_count;
    struct block_record *open;
    size_t open_count;
    _Atomic bool aside[FOLLOW_NODES_MAX];
    _Atomic bool silent[FOLLOW_NODES_MAX];
    /* What most work is claimed for elsewhere. */
    struct node_tip claim;
    size_t claim_node; /* FOLLOW_NODES_MAX: none */
    /* Tips whose headers were found in order, by node. */
    uint8_t verified[FOLLOW_NODES_MAX][32];
    /* Candidates of the window that the store has, by their first bytes: not asked for again. */
    uint8_t adopted[ADOPTED_SLOTS][32];
    struct {        /* receiving.c's */
        bool known; /* the track was read */
        struct track track;
        uint8_t *memory; /* EMISSION_ARENA_BYTES; NULL: not needed yet */
        /* Among whom new payments of the block that is read are split, once it was looked up. */
        bool is_split;
        struct emission_record split;
        struct emission_receiver *receivers; /* its arrays; NULL: not needed yet */
    } receiving;
};

/* How a step of the pass ended. */
enum going {
    GOING_ON,
    GOING_PAST,   /* *error says why; this block is left for the next pass */
    GOING_FAILED, /* *error says why; the pass ends */
    GOING_DEPOSED,
};

/* Ends a pass that was deposed, told to stop, or cannot ask. */
MUST_CHECK enum going follow_check_leader(struct follower *follower, struct error *error);
/* Reads the log to its end; every event there is in its block afterwards. */
MUST_CHECK enum going follow_catch_up(struct follower *follower, struct error *error);
/* Appends the event; *ours_r false: the place was a rival's, whose event is taken in now. */
MUST_CHECK enum going follow_append(struct follower *follower, struct wire_reward_event *event,
                                    bool *ours_r, struct error *error);
/* Says once in the log that our epoch leads now (record/event says why). */
MUST_CHECK enum going follow_take_over(struct follower *follower, struct error *error);
/* Saves the block as stepped; reads it anew where another wrote or the answer got lost. */
MUST_CHECK enum going follow_save(struct follower *follower, struct block_record *block,
                                  struct error *error);

/* follow_nodes.c: asks every node for its tip. The usable node with the most work; NULL: none. */
struct node *follow_choose_node(struct follower *follower, struct follow_result *result);

/* Candidates of validators that could not reach us. */
MUST_CHECK enum going follow_adopt(struct follower *follower, struct follow_result *result,
                                   struct error *error);
/* Puts the nodes' words down with the block; a note that cannot be written now is only lost for
 * the reader. */
void follow_write_note(struct follower *follower, const struct follow_note *note);
/* Whether every node refused the block for good. */
bool follow_is_refused(const struct follower *follower, const uint8_t hash[32]);
