#include "tools/load/histogram.h"

enum { SUB = 1 << HISTOGRAM_SUB_BITS };

static size_t bucket_of(uint64_t value)
{
    if (value < SUB)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((size_t)shift << HISTOGRAM_SUB_BITS) + (size_t)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t end_of(size_t bucket)
{
    if (bucket < SUB)
        return bucket;
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(bucket - ((size_t)shift << HISTOGRAM_SUB_BITS)) << shift;
    return first + (((uint64_t)1 << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t histogram_at(const struct histogram *histogram, uint32_t millionths)
{
    u128 wanted = ((u128)histogram->total * millionths + 999999) / 1000000;
    uint64_t seen = 0;
    if (histogram->total == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted && seen > 0)
            return end_of(i) < histogram->max ? end_of(i) : histogram->max;
    }
    return histogram->max;
}
