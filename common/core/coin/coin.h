/* What differs from chain to chain, as data: the table of coin profiles. Constant, static, any
 * thread. A service may copy a profile and change a field (a devnode started with another
 * maturity). Sources: chainparams.cpp of Bitcoin Core and Litecoin Core; devnet is ours. */
#pragma once
#include "core/pow/pow.h"

#define COIN_GBT_RULES_MAX 4

struct coin_profile {
    const char *name;   /* as in settings: "bitcoin-regtest" */
    const char *ticker; /* for display only: "BTC", "tBTC" */
    const char *chain;  /* what getblockchaininfo calls it: main, test, signet, regtest */
    enum pow_algorithm algorithm;
    const char *bech32_hrp; /* lower case */
    uint8_t p2pkh_version;
    uint8_t p2sh_version;        /* written */
    uint8_t p2sh_version_legacy; /* read too; equal to p2sh_version where there is none */
    /* A coinbase output can be spent once its block has this many confirmations (its own counted),
     * that is, in the block at its height + coinbase_maturity. Bitcoin Core's own wallet waits one
     * confirmation longer. */
    uint32_t coinbase_maturity;
    uint32_t decimals;               /* base units per coin = 10^decimals */
    uint32_t target_spacing_seconds; /* aimed time between blocks */
    uint64_t subsidy;                /* base units a block may create at height 0 */
    uint32_t halving_interval;       /* blocks between halvings of it; 0: never */
    /* A block whose height is no multiple of this has its parent's bits; 0: every block has; 1:
     * none need have, because any block may retarget or be allowed an easier target. */
    uint32_t retarget_interval;
    bool segwit;                               /* coinbases carry a witness commitment */
    bool mweb;                                 /* blocks may end in an extension block (LIP-0002) */
    const char *gbt_rules[COIN_GBT_RULES_MAX]; /* for getblocktemplate; ends at NULL or the array */
};

/* The profile of a name ("bitcoin", "bitcoin-testnet", "bitcoin-signet", "bitcoin-regtest",
 * "litecoin", "litecoin-regtest", "devnet-blake2s", "devnet-sha256d", "devnet-scrypt"), static;
 * NULL where there is none. */
const struct coin_profile *coin_profile_find(struct span name);

/* What the block at this height may create, its fees not counted (GetBlockSubsidy of Bitcoin Core).
 */
uint64_t coin_subsidy(const struct coin_profile *coin, uint32_t height);
/* True where the block at this height must have the bits of the one before it. */
bool coin_keeps_bits(const struct coin_profile *coin, uint32_t height);

/* All profiles, static, count_r of them: for help texts. */
const struct coin_profile *coin_profiles(size_t *count_r);
