/* Block candidates, from the hash that met the network's target until a node has the block and the
 * scheduler knows of it. Four things begin at once and wait for nothing, least of all for the
 * window: submission to every node (a thread each), the file in the spool (a thread), the
 * `candidate` message to the scheduler; the window's record is the batch's affair.
 *
 *   found ──┬─ node 1 ─ again with a growing pause ─┐
 *           ├─ node n ──────────────────────────────┴─ settled: one has it, or all refused it
 *           ├─ spool file ─────── removed once settled and acknowledged
 *           └─ scheduler ───────┘
 *
 * Where the template's transactions are not at hand they are fetched first; the file then holds the
 * record alone until they come. Everything on the loop's thread. */
#pragma once
#include "core/share/share.h"
#include "port/node.h"
#include "service/metrics.h"
#include "services/share-validator/outbox.h"

enum { BLOCKS_MAX = 1024, BLOCKS_NODES_MAX = 16 };
#define BLOCKS_BYTES_MAX ((size_t)256 << 20)

struct blocks_options {
    struct loop *loop;
    struct node **nodes; /* borrowed; used on one thread each */
    size_t node_count;   /* at most BLOCKS_NODES_MAX */
    const char *spool_dir;
    const char *instance;
    struct feed *feed;
    struct outbox *outbox;
    struct job_table *jobs;
    struct template_table *templates;
    struct metrics *metrics;
};

struct blocks;

/* Reads the spool: blocks left there are submitted again. NULL and *error on failure. */
MUST_CHECK struct blocks *blocks_create(const struct blocks_options *options, struct error *error);
/* Interrupts the nodes, waits for the threads; what is not settled stays in the spool. */
void blocks_destroy(struct blocks *blocks);

/* Where a share stands that is a block. */
struct block_origin {
    uint64_t lease_id;
    uint64_t sequence;
    uint32_t index;
    uint64_t now_ms; /* unix */
};

/* Begins all of the above; one already under way, or among the last 4096 that are settled, is left
 * as it is. Returns the encoded record for
 * the window: borrowed until the next call; the block's id goes to hash_r. */
struct span blocks_found(struct blocks *blocks, struct job_entry *entry,
                         const struct share_submission *submission,
                         const struct share_verdict *verdict, const struct block_origin *origin,
                         uint8_t hash_r[32]);

/* No more shares may be judged now: they might be blocks, and there is no room for one. */
bool blocks_full(const struct blocks *blocks);
/* The feed's word about a template. */
void blocks_template(struct blocks *blocks, uint64_t template_id, enum feed_answer answer);
size_t blocks_count(const struct blocks *blocks);
/* Nothing is being written and each node has been tried: the rest can be left to the spool. */
bool blocks_resting(const struct blocks *blocks);
