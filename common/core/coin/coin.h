/* What differs from chain to chain, as data: coin profiles. A profile is a file (profiles/ holds
 * those that are built in; fields.def says what a file may say, adapter/coin_file reads one); here
 * it is a struct of constants. Constant, static, any thread. A service may copy a profile and
 * change a field (a devnode started with another maturity). */
#pragma once
#include "core/pow/pow.h"

#define COIN_GBT_RULES_MAX 4

/* fields.def says what each is. Texts are static or outlive the profile; NULL where the coin has
 * none of it.
 *
 * A coinbase output can be spent once its block has coinbase_maturity confirmations (its own
 * counted), that is, in the block at its height + coinbase_maturity. Bitcoin Core's own wallet waits
 * one confirmation longer.
 *
 * A block whose height is no multiple of retarget_interval has its parent's bits; 0: every block
 * has; 1: none need have, because any block may retarget or be allowed an easier target. */
struct coin_profile {
    enum pow_algorithm algorithm;
#define COIN_TEXT(member, shortest, longest, needed, what) const char *member;
#define COIN_NUMBER(type, member, least, most, needed, what) type member;
#define COIN_FLAG(member, what) bool member;
#include "core/coin/fields.def"
#undef COIN_TEXT
#undef COIN_NUMBER
#undef COIN_FLAG
    const char *gbt_rules[COIN_GBT_RULES_MAX]; /* for getblocktemplate; ends at NULL or the array */
};

/* The profile built in under a name ("bitcoin-regtest"), static; NULL where there is none. */
const struct coin_profile *coin_profile_find(struct span name);

/* What the block at this height may create, its fees not counted (GetBlockSubsidy of Bitcoin Core).
 */
uint64_t coin_subsidy(const struct coin_profile *coin, uint32_t height);
/* True where the block at this height must have the bits of the one before it. */
bool coin_keeps_bits(const struct coin_profile *coin, uint32_t height);

/* All that are built in, static, count_r of them, by name. */
const struct coin_profile *coin_profiles(size_t *count_r);
