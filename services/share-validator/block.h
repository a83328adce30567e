/* One block candidate under way, and what it is offered to: what blocks.c (its life), offers.c (the
 * nodes) and shelf.c (its file in the spool) share. */
#pragma once
#include "loop/worker.h"
#include "services/share-validator/blocks.h"

#include <stdatomic.h>

enum {
    RECORD_BYTES_MAX = JOB_COINBASE_BYTES_MAX + 1024,
    HASH_TEXT_BYTES = 65,
    ANSWER_BYTES = 200,
    /* The same solved line sent again must not be submitted again. */
    SETTLED_MAX = 4096,
};

struct offer { /* of one block to one node */
    struct worker_job job;
    struct block *block;
    size_t node;
    bool under_way;
    bool ended;
    bool tried;
    unsigned attempts;
    struct loop_timer again;
    enum node_submit result;
    uint64_t took_us;
    char answer[ANSWER_BYTES];
};

enum spool_state { SPOOL_NOTHING, SPOOL_RECORD, SPOOL_WHOLE, SPOOL_GONE };

struct block {
    struct blocks *owner;
    struct block *next;
    uint8_t hash[32];
    char name[HASH_TEXT_BYTES]; /* the hash as explorers show it */
    uint64_t template_id;
    uint8_t *record; /* encoded `candidate` */
    size_t record_bytes;
    uint8_t header[POW_HEADER_BYTES];
    uint8_t *coinbase;
    size_t coinbase_bytes;
    uint8_t *raw;          /* the whole block; NULL until its transactions are there */
    size_t raw_bytes;
    bool given_up; /* nobody can complete it, or no node takes it in the end */
    uint64_t began_ms;
    bool settled;
    bool acknowledged;
    enum spool_state spool;
    enum spool_state spool_next; /* what the job under way makes of it */
    bool spool_under_way;
    bool spool_failed;
    struct worker_job spool_job;
    struct span spool_block; /* what the thread writes: it does not look at the fields above */
    bool spool_aside;
    struct error spool_error;
    struct loop_timer spool_again;
    struct offer offers[];
};

struct blocks {
    struct blocks_options options;
    char *spool_dir;
    struct worker *submitters[BLOCKS_NODES_MAX];
    struct worker *spooler;
    struct block *first;
    size_t count;
    size_t bytes;
    _Atomic bool ending;
    uint8_t settled[SETTLED_MAX][32]; /* hashes of blocks that need nothing any more; a ring */
    size_t settled_next;
    uint8_t record[RECORD_BYTES_MAX];
    struct metric *found;
    struct metric *answers[5]; /* by enum node_submit - 1 */
    struct metric *under_way;
};

/* Whatever changed about it: goes on from there; may free the block. */
void block_step(struct block *block);
/* Settled and acknowledged, or given up: nothing need be kept. */
bool block_finished(const struct block *block);

/* offers.c. Sets up the offers of a new block; offers it to every node, as soon as it is whole;
 * lets go of nodes that stay away although another has it. */
void offers_init(struct block *block);
void offers_begin(struct block *block);
void offers_give_up_late(struct block *block);
/* Whether a node is still to be asked, or being asked. */
bool offers_busy(const struct block *block);

/* shelf.c. Brings the file in the spool to where the block is: record, whole, gone. */
void shelf_init(struct block *block);
void shelf_step(struct block *block);
bool shelf_busy(const struct block *block);
