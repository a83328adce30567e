/* 256-bit targets and chain work, and the rule that sets the next block's target. Integers only.
 * Pure functions on values; any thread.
 *
 * The retarget rule, after every block: with T the wished spacing and dt the seconds between the
 * last two headers held within 0 and 12 T,
 *     next = last * (3 T + dt) / (4 T), rounded down, at most the chain's easiest target.
 * A block that took T changes nothing; a block at once makes the next one 4/3 as hard; a long wait
 * makes it at most 3.75 times easier. It forgets quickly on purpose: a demo's hash rate jumps. */
#pragma once
#include "base/bytes.h"

struct wide {
    uint64_t limb[4]; /* least significant first */
};

struct wide wide_from_le(const uint8_t bytes[32]);
void wide_to_be(const struct wide *value, uint8_t bytes_r[32]);
/* 64 hex digits, most significant first, and a NUL. */
void wide_format(const struct wide *value, char text_r[65]);
int wide_compare(const struct wide *a, const struct wide *b);
struct wide wide_add(const struct wide *a, const struct wide *b);
/* floor(2^256 / (target + 1)): the expected hashes for one block; 0 for a target of 0. */
struct wide target_work(const struct wide *target);

/* The target a compact form stands for. False where it is negative, zero, too large for 256 bits,
 * or easier than the regtest limit 207fffff, which is never valid in a header. */
MUST_CHECK bool target_from_bits(uint32_t bits, struct wide *target_r);
uint32_t target_to_bits(const struct wide *target);
/* The easiest allowed bits. */
#define TARGET_BITS_EASIEST UINT32_C(0x207fffff)

/* True where the digest, read as a little-endian number, is at most the target of `bits`. */
MUST_CHECK bool target_met(const uint8_t digest[32], uint32_t bits);

/* The bits of the block after one with `last_bits` that came `spacing_s` (may be negative) after
 * its parent; see above. `wished_s` is at least 1. */
uint32_t target_next_bits(uint32_t last_bits, int64_t spacing_s, uint32_t wished_s);

/* The bits at which `hashes_per_s` find a block every `wished_s` on average. */
uint32_t target_bits_for_hashrate(uint64_t hashes_per_s, uint32_t wished_s);

/* Difficulty relative to 1d00ffff, for display only. */
double target_difficulty(uint32_t bits);
