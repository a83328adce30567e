/* Latencies: counts in buckets that are exact below 64 and at most 1/64 wide above, so that any
 * percentile is right to 1.6 % whatever the spread. Fixed memory (30 KB), the caller's; one
 * thread. */
#pragma once
#include "base/bytes.h"

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The smallest value that at least `millionths` of all do not exceed (its bucket's upper end);
 * 0 when nothing was added. */
uint64_t histogram_at(const struct histogram *histogram, uint32_t millionths);
