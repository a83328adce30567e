/* The process's own struct: what main.c opens and what its parts share. Everything here belongs to
 * the loop's thread, except where a worker is named.
 *
 *   tips, sources (threads a node) ─▶ jobs ─▶ published       the loop
 *   gateways, validators ─▶ control ─▶ leases, health, jobs   the loop, store on `records`
 *   candidate ─▶ record (records) and submit (a worker a node)
 *   chain: follow_pass on its own worker; stats and api on theirs */
#pragma once
#include "core/coin/coin.h"
#include "core/identity/identity.h"
#include "loop/worker.h"
#include "port/bus.h"
#include "port/node.h"
#include "port/store.h"
#include "port/window.h"
#include "service/metrics.h"
#include "service/peers/peers.h"
#include "service/token_source/token_source.h"
#include "service/settings.h"
#include "services/inode-scheduler/bans.h"
#include "services/inode-scheduler/commitment.h"
#include "port/reject_log.h"
#include "services/inode-scheduler/follow.h"
#include "services/inode-scheduler/handover.h"
#include "services/inode-scheduler/health.h"
#include "services/inode-scheduler/recovery.h"
#include "services/inode-scheduler/jobs.h"
#include "services/inode-scheduler/leases.h"
#include "services/inode-scheduler/lucks.h"
#include "services/inode-scheduler/nodes.h"
#include "services/inode-scheduler/opening.h"
#include "services/inode-scheduler/proof_trees.h"
#include "services/inode-scheduler/registry.h"
#include "services/inode-scheduler/restarts.h"
#include "services/inode-scheduler/sources.h"
#include "services/inode-scheduler/standing.h"
#include "services/inode-scheduler/stats.h"
#include "services/inode-scheduler/submit.h"
#include "services/inode-scheduler/tasks.h"
#include "services/inode-scheduler/tips.h"

#define SCHEDULER_ROLE "scheduler"

/* Who hears a node publish its blocks; on the loop. */
struct scheduler_hearing {
    void (*on_block)(void *context, const uint8_t hash[32]);
    void (*on_state)(void *context, const char *trouble); /* NULL: it is heard */
    void *context;
};

/* How to open what it needs, once for each thread that needs it: main.c names the adapters, tests
 * the fakes. NULL and *error on failure. */
struct scheduler_world {
    struct store *(*open_store)(void *context, struct error *error);
    struct node *(*open_node)(void *context, size_t index, struct error *error);
    struct window_reader *(*open_window)(void *context, struct error *error);
    struct reject_log *(*open_rejects)(void *context, struct error *error); /* NULL: none */
    void *context;
    size_t nodes_count;
    /* Begins to hear node `index` publish its blocks, *heard_r NULL where it does not; ends it.
     * NULL: none is heard. */
    bool (*hear)(void *context, size_t index, const struct scheduler_hearing *hearing,
                 void **heard_r, struct error *error);
    void (*hear_no_more)(void *heard);
    /* A store whose calls give up sooner than a lease lapses. NULL: any of open_store. */
    struct store *(*open_lease_store)(void *context, struct error *error);
};

struct scheduler_options {
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    const struct settings *settings;
    struct coin_profile coin;
    struct output_script script; /* chain.address */
    struct identity_key key;
    struct scheduler_world world;
    const char *instance;
    uint64_t boot_id;
    /* Something it needs is away (reason), or back (NULL). */
    void (*on_trouble)(void *context, const char *what, const char *reason);
    /* It began to lead, at the start or later. */
    void (*on_leading)(void *context);
    /* Another scheduler leads now, or this one could not begin to (scheduler->lead_error): nothing
     * may be done any more. */
    void (*on_deposed)(void *context);
    /* It is to end before it is open: from then on no further call of the store is made. NULL: it
     * never is. */
    bool (*told_to_stop)(void *context);
    void *context;
};

/* What is counted from the blocks, for the API; refreshed in the background. */
struct scheduler_summary {
    bool known;
    uint64_t blocks_found; /* on the best chain now */
    uint64_t blocks_orphaned;
    uint64_t last_block_ms; /* unix; 0: none yet */
    uint32_t last_block_height;
    uint64_t luck_since_ms; /* unix: since when work and blocks are held against each other */
    uint64_t luck_blocks;   /* found since, on the best chain now */
    double luck_expected;   /* what the work since was worth, up to the look at the blocks */
    /* how many were found, by the minute and the hour of counted_ms and those before it */
    uint64_t counted_ms; /* unix */
    uint16_t minutes[STATS_MINUTES_MAX], hours[STATS_HOURS_MAX];
    /* the first time: what a block took when the newest were found */
    struct stats_network *networks;
    size_t networks_count;
};

struct scheduler_metrics {
    struct metric *jobs, *candidates, *events, *leases, *height, *leading, *refused_messages,
        *notices, *unfollowed, *luck_alarms, *series, *series_dropped;
    struct metric_histogram *tip_to_job;
};

struct inode;
struct live;
struct telling;

struct scheduler {
    struct scheduler_options options;
    uint64_t epoch; /* 0: stands by */
    bool leading;   /* false with an epoch: it reads what it is to lead with (opening.h) */
    bool deposed, stopping;
    bool address_refused; /* why it cannot lead: an address of the bus cannot be had */
    bool lead_failed;     /* it was to lead and could not */
    struct error lead_error;
    struct standing standing;
    struct opening opening;

    struct http_limit *proofs_limit; /* the API's; NULL: nobody asked yet */

    struct worker *records; /* owns records_store, records_window */
    struct store *records_store;
    struct window_reader *records_window;
    struct worker *chain; /* owns chain_store, chain_nodes, chain_window */
    struct store *chain_store;
    struct node *chain_nodes[FOLLOW_NODES_MAX];
    struct window_reader *chain_window;
    struct worker *readers; /* owns api_store, proof_trees */
    struct store *api_store;
    struct token_source tokens;      /* what people's tokens are checked with */
    struct reject_log *api_rejects;  /* opened when the first are asked for */
    struct proof_trees *proof_trees; /* made when the first proof is asked for */
    struct worker *counting;         /* owns stats_window, lucks_store */
    struct window_reader *stats_window;
    struct store *lucks_store;

    struct jobs *jobs;
    struct handover handover;
    struct nodes nodes; /* which of them may be mined on */
    struct tips *tips;
    struct heard {
        struct scheduler *scheduler;
        size_t node;
        void *heard; /* NULL: it publishes nothing */
    } heard[FOLLOW_NODES_MAX];
    struct sources *sources;
    struct submitter *submitter;
    struct follower *follower;
    struct receiving_options receiving;
    struct leases *leases;
    struct registry *registry;        /* the leader's; NULL: stands by */
    struct store *registry_store;     /* what it will have: opened ahead; NULL: it has it */
    struct store *telling_store;      /* likewise */
    char pool_id[ADDRESS_TEXT_BYTES]; /* our own pool in the registry: chain.address, canonical */
    struct inode *inode;              /* inode.h's: outside validators; NULL: none are taken */
    struct live *live;                /* live.h's: who watches; NULL: nobody can */
    /* Tells it that the job, or the chain it builds on, may be another, or what the store says. */
    void (*news)(struct live *live);
    /* Sends a text to a validator that is connected there; false where it is not. NULL as above. */
    bool (*deliver)(struct scheduler *scheduler, const char *validator, struct span text);
    struct stats *stats;
    struct lucks *lucks;
    struct health health;
    struct restarts restarts;
    struct recovery recovery; /* read again with every look at health */
    struct bus_server *server;
    struct bus_publisher *publisher;
    struct peers validators, payouts; /* as the API asks them */
    struct bans bans;
    struct scheduler_metrics metrics;

    /* following */
    bool following, follow_again;
    struct worker_job follow_job;
    struct follow_note notes[FOLLOW_NOTES_MAX], notes_passed[FOLLOW_NOTES_MAX];
    size_t notes_count, notes_passed_count;
    struct follow_result followed, follow_fresh; /* the last whole one; the worker's */
    struct error follow_error;
    bool followed_once;
    uint64_t followed_ms; /* unix */
    uint64_t events_told; /* sequence in the last chain_notice */
    struct loop_timer follow_timer, follow_soon;
    char node_trouble[FOLLOW_NODES_MAX][FOLLOW_TEXT_BYTES]; /* of the sources; "": none */

    /* counting */
    bool reading_stats, summing;
    unsigned stats_waited; /* looks that waited for what blocks took */
    bool stats_ok;         /* the last look at the window */
    struct worker_job stats_job, summary_job;
    struct error stats_error;
    /* the counting worker's, set before each of its jobs */
    struct counted_luck {
        u128 network; /* expected hashes of a block now; 0: not known */
        bool leads;
        uint64_t epoch;
        bool failed; /* told in the log, once */
    } luck;
    /* likewise: from the store once, told in the log once; whether the window is not to be read
     * yet, was looked at, and could be */
    bool series_loaded, series_failed, series_wait, window_looked, window_ok;
    struct scheduler_summary summary, summary_fresh;
    struct loop_timer stats_timer, summary_timer, health_timer;
    bool was_running;
    struct commitment commitment;
    struct tasks tasks;
    struct telling *telling; /* telling.c's: what people are told; NULL: stands by */
    uint8_t tip[32];         /* the jobs' previous block, to notice a new one */
};

/* Whether the settings of validators and emissions make sense, beside the script of chain.address;
 * *receiving_r borrows from settings and coin. False with *error. Used by the start's check too. */
MUST_CHECK bool scheduler_check(const struct settings *settings, const struct coin_profile *coin,
                                const struct output_script *script,
                                struct receiving_options *receiving_r, struct error *error);
/* Declares the collections; false with *error. Used by the start's check too. */
MUST_CHECK bool scheduler_declare(struct store *store, struct error *error);

/* Opens what reading takes, and takes the leadership at once where nobody else has it; else it
 * stands by until it may. False with *error: nothing is left open. */
MUST_CHECK bool scheduler_open(struct scheduler *scheduler, const struct scheduler_options *options,
                               struct error *error);
/* Starts all that a leader does, under the epoch that standing has taken. Calls on_leading when it
 * does, or on_deposed with lead_failed set. */
void scheduler_lead(struct scheduler *scheduler);
/* It has taken the leadership, and does not lead yet. */
static inline bool scheduler_begins(const struct scheduler *scheduler)
{
    return scheduler->epoch != 0 && !scheduler->leading && !scheduler->deposed;
}
/* It cannot lead, for *error, and gives up what it took. */
void scheduler_unable(struct scheduler *scheduler, const struct error *error);
/* Another leads. */
void scheduler_deposed(struct scheduler *scheduler);
/* Stops everything within seconds, whatever the nodes and the store do. */
void scheduler_close(struct scheduler *scheduler);

/* The chain is looked at soon (a new tip, a candidate). */
void scheduler_follow_soon(struct scheduler *scheduler);
/* Health learns which nodes are left aside. */
void scheduler_tell_nodes(struct scheduler *scheduler);
void scheduler_note(struct scheduler *scheduler, const uint8_t hash[32], bool refused,
                    const char *node, const char *answer);
/* "starting", "running", "standby", "stopping" or "error"; *reason_r (static or within `scheduler`)
 * says why it is not running, else "". */
const char *scheduler_state(const struct scheduler *scheduler, const char **reason_r);
/* Expected hashes of a block, as the newest job has it; 0: there is no job. */
u128 scheduler_network_work(const struct scheduler *scheduler);

/* Right after a start: the others are still to be heard of. */
bool scheduler_is_early(const struct scheduler *scheduler);

/* control.c: every request on the bus. */
void scheduler_on_call(void *context, struct bus_call *call, struct span message);
/* follow_loop.c: the chain's timer, worker and notices. */
void scheduler_start_following(struct scheduler *scheduler);
/* telling.c: tells people, from when it leads on; false with *error. Ended before the stats. */
MUST_CHECK bool telling_start(struct scheduler *scheduler, struct error *error);
void telling_stop(struct scheduler *scheduler);
/* counting.c: the series' and the summary's timers and workers. */
void scheduler_start_counting(struct scheduler *scheduler);
/* candidates.c: a block candidate; `call` is taken. */
void scheduler_take_candidate(struct scheduler *scheduler, struct bus_call *call,
                              const struct wire_candidate *candidate);
void scheduler_ack(struct bus_call *call, bool ok, const char *text);
