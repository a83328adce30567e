/* A private pool for a benchmark: redis-server with its append-only file fsynced before each
 * answer, bench-node, inode-scheduler, auth, validators and gateways, all real, in a temporary
 * folder, with a difficulty so low that any nonce passes and a network target out of reach. Payout
 * is left out: no block is ever found. One pool at a time; it ends with the benchmark. */
#pragma once
#include "process.h"

#define POOL_GATEWAYS_MAX 8
#define POOL_VALIDATORS_MAX 4

struct pool {
    char folder[64];
    char address[96]; /* where blocks would pay to, and whose workers the miners are */
    struct process redis, node, scheduler, auth;
    struct process validators[POOL_VALIDATORS_MAX], gateways[POOL_GATEWAYS_MAX];
    size_t validator_count, gateway_count;
    unsigned node_port, stratum_ports[POOL_GATEWAYS_MAX], admin_ports[POOL_GATEWAYS_MAX];
    unsigned validator_ports[POOL_VALIDATORS_MAX]; /* of metrics */
    unsigned api_port;
};

struct pool_options {
    size_t gateways, validators;
    size_t transactions; /* of the template */
    bool no_fees;        /* told of them: a new tip then brings no empty job first */
    unsigned max_miners; /* of each gateway */
    bool scrypt;         /* instead of sha256d */
    bool later;          /* validators but the first are not started yet */
    bool budgets;        /* hashing and addresses are bounded as usual; else not */
};

void pool_begin(struct pool *pool, const struct pool_options *options);
void pool_end(struct pool *pool);
/* Starts one that was ended or killed; process_wait_ready tells when it serves. */
void pool_start_validator(struct pool *pool, size_t index);

/* A temporary folder for one benchmark, with log/ and run/ in it; removed when the benchmark ends
 * unless ADIT_KEEP is set. It lies in /tmp, or in the folder that ADIT_BENCH_DIR names: one on a
 * real disk, or fsync costs nothing. */
void pool_make_folder(char path_r[64]);
/* The folder with log/, run/ and redis/ in it. */
void pool_make_parts(const char *folder);
/* redis-server in folder/redis on folder/run/redis.sock. */
void pool_start_redis(struct process *redis, const char *folder);

/* An address of the pool's coin, the nth of many; text_r takes 96 bytes. */
void pool_address(unsigned n, char text_r[96]);

/* A call to the node without parameters; a number of its result. */
uint64_t pool_node_number(const struct pool *pool, const char *method, const char *key);
