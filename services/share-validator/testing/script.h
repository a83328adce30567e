/* The others, played for a validator under test: an inode-scheduler that publishes and answers, and
 * a gateway that sends batches. Over any bus, so that the same story is told to a validator in this
 * process and to a real one. For tests: expectations fail the test. One thread. */
#pragma once
#include "core/share/share.h"
#include "port/bus.h"
#include "wire/messages.h"

enum {
    SCRIPT_JOBS_MAX = 48,
    SCRIPT_VALIDATORS_MAX = 4,
    SCRIPT_SEEN_MAX = 4096,
    SCRIPT_TRANSACTIONS = 3,
    SCRIPT_PATIENCE_MS = 60000,
    /* No share of a test meets the first; every other one meets the second. */
    SCRIPT_BITS_HARD = 0x1d00ffff,
    SCRIPT_BITS_EASY = 0x207fffff,
};

struct script_job {
    struct job job;
    uint64_t sequence;
    bool hidden; /* the scheduler denies to know it */
};

struct script_seen {
    uint8_t hash[32];
    bool accepted; /* of a submission_result */
    char node[64];
    struct { /* of a candidate */
        uint64_t lease_id, sequence, template_id;
        uint32_t index;
    } candidate;
};

struct script {
    struct loop *loop;
    struct bus *bus;
    const char *scheduler_url;
    const char *publish_url;
    struct bus_server *server;
    struct bus_publisher *publisher;
    struct bus_client *gateways[SCRIPT_VALIDATORS_MAX];
    bool connected[SCRIPT_VALIDATORS_MAX];
    struct { /* the contexts of on_up and on_down */
        struct script *script;
        size_t at;
    } links[SCRIPT_VALIDATORS_MAX];
    size_t gateway_count;
    struct script_job jobs[SCRIPT_JOBS_MAX];
    size_t job_count;
    bool silent;                 /* the scheduler answers nothing */
    bool templates_hidden;       /* it has forgotten all transactions */
    bool templates_in_pieces;    /* one transaction a reply, and the job with none */
    bool jobs_with_them;         /* a template comes with its job, so that both go to a file */
    struct wire_task_reply task; /* what a validator is told that asks for a task; val_id 0: none */
    struct wire_task_report report; /* the last */
    unsigned long task_questions, reports, reports_to_lose;
    unsigned long job_questions, template_questions, held;
    uint64_t last_held;
    unsigned long hellos; /* and the last of them, encoded */
    uint8_t hello[512];
    size_t hello_length;
    struct script_seen candidates[SCRIPT_SEEN_MAX];
    size_t candidate_count;
    struct script_seen results[SCRIPT_SEEN_MAX];
    size_t result_count;
};

void script_begin(struct script *script, struct loop *loop, struct bus *bus,
                  const char *scheduler_url, const char *publish_url);
void script_end(struct script *script);
/* The scheduler goes away, and comes back (as a new process would, at the same addresses). */
void script_scheduler_stop(struct script *script);
void script_scheduler_start(struct script *script);
/* Connects the gateway to one more validator. */
void script_connect(struct script *script, const char *url);

/* What a job is made of; 0 takes what stands behind. */
struct script_job_params {
    uint64_t id;                  /* required */
    uint64_t epoch;               /* 1 */
    uint64_t sequence;            /* the number of jobs so far */
    uint64_t template_id;         /* none: only the coinbase */
    uint8_t tip;                  /* 1: fills the previous hash */
    uint32_t bits;                /* SCRIPT_BITS_HARD */
    enum pow_algorithm algorithm; /* sha256d */
    bool clean;
};
struct script_job *script_add_job(struct script *script, const struct script_job_params *params);
void script_publish(struct script *script, const struct script_job *job);
void script_announce(struct script *script, uint64_t template_id);

/* A well-formed share of account 7, worker 8, work 1, that counts. */
struct wire_share script_share(const struct script_job *job, uint32_t nonce);
/* What the share is worth by the core, whatever its gateway says of it. */
void script_judge(const struct script_job *job, const struct wire_share *share,
                  struct share_verdict *verdict_r);
/* The next nonce from `from` on whose share counts and is (or is not) a block. */
uint32_t script_nonce(const struct script_job *job, bool block, uint32_t from);
/* The block's id, and its bytes as a node should get them (caller frees). */
void script_block_hash(const struct script_job *job, const struct wire_share *share,
                       uint8_t hash_r[32]);
uint8_t *script_block(const struct script_job *job, const struct wire_share *share,
                      size_t *length_r);

struct script_answer {
    bool done;
    enum bus_outcome outcome;
    enum wire_batch_status status; /* 0 unless BUS_REPLIED */
    uint64_t lease_id, sequence, history;
    size_t count;
    struct wire_verdict verdicts[1024];
};
/* Sends a batch to a validator; false when it is not connected. */
bool script_send(struct script *script, size_t validator, const struct wire_share_batch *batch,
                 unsigned timeout_ms, struct script_answer *answer);
/* Any bytes instead of a batch. */
void script_send_bytes(struct script *script, size_t validator, struct span bytes,
                       unsigned timeout_ms, struct script_answer *answer);
/* script_send, waited for; sent again while the validator is not connected or does not answer. */
void script_ask(struct script *script, size_t validator, const struct wire_share_batch *batch,
                struct script_answer *answer);

/* Turns the loop until condition(context) or the test fails for want of patience. */
void script_wait(struct script *script, const char *what, bool (*condition)(void *context),
                 void *context);
void script_wait_flag(struct script *script, const char *what, const bool *flag);
