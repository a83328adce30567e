/* What remembering a submission costs, in a set of a million and more: a round of adds as the
 * gateway makes them (prefetched some lines ahead), the longest single add, and forgetting them
 * all. Prints
 * nanoseconds of the processor, so that neighbours do not show; judges nothing. */
#include "services/stratum-gateway/duplicates.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { AHEAD = 32, MEMORY_BYTES = 512 << 20 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The i-th submission of one of 200 miners that count their extranonce2 up and try any nonce. */
static struct duplicates_key key_of(uint64_t i)
{
    uint64_t nonce = (i * 0x9e3779b97f4a7c15u) >> 32;
    return (struct duplicates_key){ { i % 200 + ((uint64_t)0x65f00000 << 32), i / 200,
                                      nonce | (uint64_t)0x20000000 << 32 } };
}

static void measure(struct duplicates_memory *memory, uint64_t count, bool warm)
{
    struct duplicates set = { 0 };
    uint64_t longest = 0, over = 0, spent = 0, new = 0;
    uint32_t cold;
    for (uint64_t i = 0; i < count; i += AHEAD) {
        uint64_t before = now_ns();
        for (uint64_t k = i; k < i + AHEAD; k++) {
            const struct duplicates_key key = key_of(k);
            duplicates_prefetch(&set, memory, &key);
        }
        for (uint64_t k = i; k < i + AHEAD; k++) {
            const struct duplicates_key key = key_of(k);
            new += duplicates_add(&set, memory, &key) == DUPLICATES_NEW;
        }
        uint64_t took = now_ns() - before;
        longest = took > longest ? took : longest;
        spent += took;
        over += took > 1000000;
        if (warm && duplicates_memory_next_cold(memory, &cold)) { /* another thread's work */
            duplicates_memory_warm(memory, cold);
            duplicates_memory_warmed(memory, cold);
        }
    }
    uint64_t end = now_ns();
    double bytes = (double)memory->used * DUPLICATES_BLOCK_BYTES / (double)count;
    duplicates_clear(&set, memory);
    uint64_t cleared = now_ns();
    printf("%9llu submissions %7.1f ns each %8.1f us the longest %d (%llu over 1 ms) %5.1f bytes "
           "each %8.1f us to forget\n",
           (unsigned long long)new, (double)spent / (double)count, (double)longest / 1000, AHEAD,
           (unsigned long long)over, bytes, (double)(cleared - end) / 1000);
}

int main(void)
{
    const uint64_t seed[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
    for (int warm = 0; warm < 2; warm++) {
        struct duplicates_memory memory;
        if (!duplicates_memory_open(&memory, MEMORY_BYTES, seed))
            return 1;
        printf("pages %s\n", warm ? "of 2 MB, made ahead" : "of the usual size");
        for (uint64_t count = 1 << 16; count <= 1 << 23; count *= 8)
            measure(&memory, count, warm);
        measure(&memory, 6300000, warm);
        duplicates_memory_close(&memory);
    }
    return 0;
}
