/* Random numbers for tests: from ADIT_SEED where set, else from the clock; the seed is printed, so
 * that a failure can be run again. xorshift64*, one thread at a time. For tests only. */
#pragma once
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct test_random {
    uint64_t state;
};

static inline struct test_random test_random_begin(const char *what)
{
    const char *given = getenv("ADIT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("%s: ADIT_SEED=%llu\n", what, (unsigned long long)seed);
    return (struct test_random){seed * 0x9e3779b97f4a7c15u | 1};
}

static inline uint64_t test_random_u64(struct test_random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545f4914f6cdd1du;
}

/* 0 ≤ value < bound. */
static inline uint64_t test_random_below(struct test_random *random, uint64_t bound)
{
    return test_random_u64(random) % bound;
}

/* A number of a random bit length, so that small and large ones are equally likely; often one next
 * to a power of two. */
static inline uint64_t test_random_magnitude(struct test_random *random)
{
    uint64_t value = test_random_u64(random) >> test_random_below(random, 64);
    switch (test_random_below(random, 8)) {
    case 0:
        return (uint64_t)1 << test_random_below(random, 64);
    case 1:
        return ((uint64_t)1 << test_random_below(random, 64)) - 1;
    default:
        return value;
    }
}

static inline void test_random_bytes(struct test_random *random, void *bytes_r, size_t length)
{
    uint8_t *at = bytes_r;
    for (size_t i = 0; i < length; i++)
        at[i] = (uint8_t)(test_random_u64(random) >> 56);
}
