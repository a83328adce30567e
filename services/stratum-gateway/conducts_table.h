/* The table of conducts.c: addresses and workers by key, bounded; what need not be remembered makes
 * room. Inside conducts alone. One thread. */
#pragma once
#include "services/stratum-gateway/conducts.h"

enum {
    CONDUCTS_FORGIVE_MS = 3000, /* a point of an address or a worker */
    CONDUCTS_KEY_TEXT = CONDUCTS_WHOM_BYTES,
};

struct conducts_key {
    uint64_t part[2]; /* of an address the bytes that count; account and worker */
    uint64_t kind;    /* 1: address, 2: worker, 3: worker from a network, which is above bit 8 */
};

struct conducts_entry {
    struct conducts_key key; /* kind 0: the place is free */
    struct conduct conduct;
    struct conduct_rate connects;
    const char *reason; /* of the ban; static */
    uint64_t banned_until_ms;
    uint64_t bans_before; /* of the gateway, when this one began: the order they came in */
    uint32_t sessions;    /* live ones of an address */
    uint32_t good;        /* of them: with a share accepted and no points */
    uint32_t next;        /* in its bucket, index + 1 */
};

struct conducts_key conducts_key_of_address(const struct network_address *address);
struct conducts_key conducts_key_of_worker(uint64_t account, uint64_t worker);
/* The worker as it comes from one customer's network: who mines in another's name from elsewhere
 * does not spoil the name. */
struct conducts_key conducts_key_of_worker_from(uint64_t account, uint64_t worker,
                                                const struct network_address *address);
/* As an operator reads and writes it: an address, a network of 64 bits, or "worker ACCOUNT/WORKER"
 * in hex, with " from NETWORK" behind it where the name is charged from there alone; NETWORK is 14
 * hex digits that stand for it. */
void conducts_key_print(const struct conducts_key *key, char text_r[CONDUCTS_KEY_TEXT]);
MUST_CHECK bool conducts_key_parse(const char *text, struct conducts_key *key_r);

/* NULL where it is not remembered. */
struct conducts_entry *conducts_table_find(const struct conducts *conducts,
                                           const struct conducts_key *key);
/* Finds or makes it; NULL where there is no room. place_r may be NULL. */
struct conducts_entry *conducts_table_make(struct conducts *conducts,
                                           const struct conducts_key *key, uint64_t now_ms,
                                           uint32_t *place_r);
/* What is at a place (from 1 on); NULL for 0 and for a free one. */
struct conducts_entry *conducts_table_at(const struct conducts *conducts, uint32_t place);
