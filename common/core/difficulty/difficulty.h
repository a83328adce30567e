/* Work, targets and the decimal difficulty a miner reads.
 *
 * The primary value is *work*: the number of hashes a share stands for on average, an integer of at
 * least 1. Everything else derives from it: target(w) = floor(0xffff · 2^208 · 2^32 / w) for
 * every algorithm; the difficulty told to a miner is w / 2^k with k = 32 for sha256d and blake2s,
 * 16 for scrypt. A share counts when its hash ≤ target(w), exactly.
 *
 * Integers only, no floating point anywhere. Pure; no memory but the caller's; any thread. */
#pragma once
#include "base/u256.h"
#include "core/pow/pow.h"

struct work {
    uint64_t expected_hashes; /* ≥ 1 where work is assigned; 0 means "no credit" in verdicts */
};

static inline struct work work_of(uint64_t expected_hashes)
{
    return (struct work){expected_hashes};
}

/* k of the algorithm: 32 or 16. */
unsigned difficulty_shift(enum pow_algorithm algorithm);

/* floor(0xffff · 2^240 / w), which always fits. w must be ≥ 1 (a bug otherwise: aborts). */
struct u256 difficulty_target(struct work work);

/* hash ≤ difficulty_target(work), without the division. w as above. */
bool difficulty_is_met(struct u256 hash, struct work work);

/* The largest work of at most 53 significant bits that is not above `work`: what a double, and so a
 * miner, can hold exactly. Every work assigned to a session goes through here, so that the miner's
 * idea of its difficulty is ours. Up to 2^53 it is the identity. */
struct work difficulty_representable(struct work work);

/* The compact form of consensus ("nBits") to a target. False, with *target_r untouched, for a
 * negative, overflowing or zero target: no block can carry it. */
MUST_CHECK bool difficulty_target_from_bits(uint32_t bits, struct u256 *target_r);
/* The compact form of a target: rounded down to 23 bits of precision, as consensus does. */
uint32_t difficulty_bits_from_target(struct u256 target);

/* floor(2^256 / (target + 1)): the expected hashes of a block with that target, as nodes count
 * chain work. A target of 0 gives 2^256 - 1 (capped). */
struct u256 difficulty_network_work(struct u256 target);
/* The same, capped to 64 bits: to bound the work of sessions by the network's. At least 1. */
struct work difficulty_network_work_capped(struct u256 target);

/* The most work, as a miner can hold it, whose target is not below this one: a share's work up to
 * which no hash that meets the target goes unsent. At least 1. */
struct work difficulty_within(struct u256 target);

/* Writes w / 2^k as the shortest plain decimal ("16384", "0.001", no exponent, no trailing zeros
 * behind a point) that an IEEE double reads back as the double nearest to w / 2^k, which for a
 * representable work is w / 2^k itself. NUL-terminated; returns the length. */
#define DIFFICULTY_TEXT_BYTES 48
size_t difficulty_format(struct work work, enum pow_algorithm algorithm,
                         char text_r[DIFFICULTY_TEXT_BYTES]);

/* Reads a decimal as JSON spells numbers (digits, optional fraction, optional exponent; a leading
 * '+', a bare ".5" and "5." are taken too, because miners' settings contain them) and gives the
 * representable work nearest to it (ties upward below 2^53, to even above), clamped to [min, max]
 * (1 ≤ min ≤ max). Zero gives min, whatever is too large gives max. False, with *work_r untouched,
 * for anything that is not a non-negative decimal of at most 64 characters. */
MUST_CHECK bool difficulty_parse(struct span text, enum pow_algorithm algorithm, struct work min,
                                 struct work max, struct work *work_r);
