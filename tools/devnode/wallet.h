/* The node's one wallet: keys derived from a seed kept in a file, and what the chain and the
 * mempool say about them. An address is never given before the file that can make it again is on
 * disk. Locks on outputs are memory only, as in Bitcoin Core. Test coins only: the seed lies in the
 * file unencrypted. Owner: struct node, under its lock. */
#pragma once
#include "tools/devnode/mempool.h"

struct wallet_key {
    uint8_t private_key[32];
    uint8_t public_key[33];
    uint8_t hash[20];
    bool change;
};

struct wallet {
    char path[4096];
    uint8_t seed[32];
    struct wallet_key **keys;
    size_t key_count, key_capacity;
    struct table by_hash; /* key hash -> wallet_key */
    struct table locked;  /* outpoint -> any pointer */
};

MUST_CHECK bool wallet_open(struct wallet *wallet, const char *path, struct error *error);
void wallet_deinit(struct wallet *wallet);
/* A new key, on disk; NULL with *error where it could not be kept. Borrowed. */
const struct wallet_key *wallet_new_key(struct wallet *wallet, bool change, struct error *error);
/* The key an output script pays to, or NULL. */
const struct wallet_key *wallet_key_of(const struct wallet *wallet, struct span script);

struct wallet_coin {
    struct outpoint outpoint;
    const struct coin *coin; /* borrowed until chain or mempool change */
    uint32_t confirmations;  /* 0: in the mempool */
    bool spendable;          /* mature, unspent in the mempool, and safe where unconfirmed */
    bool immature;
    bool safe;
    bool locked;
};
/* All coins of the wallet that nothing in chain or mempool spends; caller frees *coins_r. */
size_t wallet_coins(const struct wallet *wallet, const struct chain *chain,
                    const struct mempool *mempool, struct wallet_coin **coins_r);

bool wallet_is_locked(const struct wallet *wallet, const struct outpoint *outpoint);
void wallet_lock(struct wallet *wallet, const struct outpoint *outpoint, bool lock);

struct wallet_funding {
    int64_t feerate;           /* base units per 1000 vbytes */
    struct span change_script; /* empty: a new key of the wallet */
    int change_position;       /* -1: at the end */
    const size_t *fee_outputs; /* outputs that pay the fee in equal parts, the first the rest */
    size_t fee_output_count;
    bool lock_inputs;
};
/* Adds inputs, and change where more than dust is left, to a transaction that has its outputs and
 * perhaps some inputs. False with *error (the tx is then not to be used). *change_r is the index of
 * the change output or -1. */
MUST_CHECK bool wallet_fund(struct wallet *wallet, const struct chain *chain,
                            const struct mempool *mempool, struct tx *tx,
                            const struct wallet_funding *funding, int64_t *fee_r, int *change_r,
                            struct error *error);
