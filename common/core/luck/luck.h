/* Luck against expectation: does one who is paid for his work hand in the blocks it finds? Whoever
 * withholds them (block withholding: Rosenfeld, "Analysis of Bitcoin Pooled Mining Reward Systems",
 * 2011, 6.2) shows nothing but bad luck, so this is a test of luck, looked at all the time.
 *
 * A share of work w is a block with the chance p = w / (expected hashes of a block), whatever was
 * before. For one who hands in the part r of his blocks the evidence against honesty is the product
 * over his shares of e^((1-r)p), times r for each block: for an honest one its expectation never
 * grows, since (1 - (1-r)p) e^((1-r)p) <= 1. It is kept for r = 0 and r = 1/2, and a new product
 * begins with every block that was to be expected, so that one who begins to withhold later is
 * found as soon as any other; the sums of the products are kept (Shiryaev and Roberts; e-detectors:
 * Shin, Ramdas and Rinaldo 2022). The mean of the two sums is at most the number of products in
 * expectation; hence:
 *
 *   False alarms. An alarm at 2^LUCK_ALARM_BITS is expected at most once in 2^LUCK_ALARM_BITS
 * blocks to be expected of one series, however often it is looked at and however many series there
 * are. A pool that watches accounts and workers has two series for each block, and each series one
 *   product more than blocks, of which none alarms before LUCK_LEAST blocks: less than one false
 *   alarm in 400,000 blocks that the pool is expected to find.
 *   Detection. Who hands in none is found before 16 blocks' work, one who hands in half after about
 *   72 in the mean.
 *
 * Whole numbers, rounded to the side of the honest one. Pure; the caller's memory; any thread. */
#pragma once
#include "base/bytes.h"

enum {
    LUCK_ALARM_BITS = 20,
    LUCK_BLOCKS_A_FALSE_ALARM = 400000,
    LUCK_LEAST = 13,    /* blocks to be expected before which nobody is accused */
    LUCK_STEP_BITS = 6, /* expectation is taken in steps of 1/64 of a block */
    LUCK_SUM_BITS = 32, /* the sums' fraction */
    LUCK_BYTES = 5 * 8,
};

struct luck {
    u128 pending;        /* work that is not in `left` yet, at `network` */
    u128 network;        /* expected hashes of a block; 0: none told yet */
    uint64_t left;       /* of a step, as a part of a block times 2^64 */
    uint64_t steps;      /* expected, whole steps */
    uint64_t found;      /* blocks handed in */
    uint64_t none, half; /* the sums for r = 0 and r = 1/2, times 2^LUCK_SUM_BITS */
};

void luck_begin(struct luck *luck);
/* One accepted share; network: the expected hashes of a block then, at least 1. */
void luck_work(struct luck *luck, uint64_t work, u128 network);
/* So many blocks were handed in. */
void luck_found(struct luck *luck, uint64_t blocks);
/* The evidence is 2^bits or more. */
bool luck_reaches(const struct luck *luck, unsigned bits);
/* floor(log2) of the evidence; 0 where it is below 2. */
unsigned luck_bits(const struct luck *luck);
/* After an alarm: evidence is collected anew, expectation and blocks go on. */
void luck_forget(struct luck *luck);

/* What the pending work stands for is taken in first. */
void luck_encode(struct luck *luck, uint8_t bytes_r[LUCK_BYTES]);
void luck_decode(struct luck *luck_r, const uint8_t bytes[LUCK_BYTES]);
