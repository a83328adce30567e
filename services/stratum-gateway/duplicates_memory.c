#include "services/stratum-gateway/duplicates_memory.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    KEEP_EMPTY = 4, /* extents that stay for what comes next */
    WARM_AHEAD = 4, /* empty ones with large pages */
};

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define EXTENT_BYTES ((size_t)DUPLICATES_EXTENT_BLOCKS * DUPLICATES_BLOCK_BYTES)

/* Aligned to extents: one more is reserved, and what stands over is given back. */
static uint8_t *reserve(size_t bytes)
{
    uint8_t *all = mmap(NULL, bytes + EXTENT_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = (EXTENT_BYTES - (uintptr_t)all % EXTENT_BYTES) % EXTENT_BYTES;
    if (before > 0)
        (void)munmap(all, before);
    (void)munmap(all + before + bytes, EXTENT_BYTES - before);
    (void)madvise(all + before, bytes, MADV_NOHUGEPAGE); /* but what is warmed */
    return all + before;
}

bool duplicates_memory_open(struct duplicates_memory *memory, size_t bytes_max,
                            const uint64_t seed[2])
{
    size_t extents = (bytes_max + EXTENT_BYTES - 1) / EXTENT_BYTES;
    size_t blocks = extents * DUPLICATES_EXTENT_BLOCKS;
    ASSERT(extents > 0 && blocks < DUPLICATES_NO_BLOCK);
    *memory = (struct duplicates_memory){ .extents_count = (uint32_t)extents,
                                          .max = (uint32_t)blocks,
                                          .seed = { seed[0], seed[1] } };
    memory->bytes = reserve(extents * EXTENT_BYTES);
    memory->extents = calloc(extents, sizeof *memory->extents);
    memory->next = calloc(blocks, sizeof *memory->next);
    memory->leaves = calloc(blocks, sizeof *memory->leaves);
    if (memory->bytes == NULL || memory->extents == NULL || memory->next == NULL ||
        memory->leaves == NULL) {
        duplicates_memory_close(memory);
        return false;
    }
    for (size_t i = 0; i < extents; i++)
        memory->extents[i].free = DUPLICATES_NO_BLOCK;
    return true;
}

void duplicates_memory_close(struct duplicates_memory *memory)
{
    if (memory->bytes != NULL)
        (void)munmap(memory->bytes, memory->extents_count * EXTENT_BYTES);
    free(memory->extents);
    free(memory->next);
    free(memory->leaves);
    memset(memory, 0, sizeof *memory);
}

uint32_t duplicates_memory_take(struct duplicates_memory *memory)
{
    if (memory->used == memory->max)
        return DUPLICATES_NO_BLOCK;
    while (memory->extents[memory->open_from].used == DUPLICATES_EXTENT_BLOCKS)
        memory->open_from++;
    struct duplicates_extent *extent = &memory->extents[memory->open_from];
    uint32_t block = extent->free;
    if (block != DUPLICATES_NO_BLOCK)
        extent->free = memory->next[block];
    else
        block = memory->open_from * DUPLICATES_EXTENT_BLOCKS + extent->begun++;
    extent->used++;
    memory->used++;
    return block;
}

void duplicates_memory_give(struct duplicates_memory *memory, uint32_t block)
{
    uint32_t place = block / DUPLICATES_EXTENT_BLOCKS;
    struct duplicates_extent *extent = &memory->extents[place];
    ASSERT(extent->used > 0);
    memory->next[block] = extent->free;
    extent->free = block;
    extent->used--;
    memory->used--;
    if (place < memory->open_from)
        memory->open_from = place;
}

void duplicates_memory_trim(struct duplicates_memory *memory)
{
    unsigned kept = 0;
    for (uint32_t i = 0; i < memory->extents_count; i++) {
        struct duplicates_extent *extent = &memory->extents[i];
        if (extent->used > 0 || extent->begun == 0 || kept++ < KEEP_EMPTY ||
            extent->warmth == DUPLICATES_WARMING)
            continue;
        (void)madvise(memory->bytes + i * EXTENT_BYTES, EXTENT_BYTES, MADV_DONTNEED);
        *extent = (struct duplicates_extent){ .free = DUPLICATES_NO_BLOCK };
        return;
    }
}

bool duplicates_memory_next_cold(struct duplicates_memory *memory, uint32_t *extent_r)
{
    unsigned ahead = 0;
    for (uint32_t i = 0; i < memory->extents_count; i++) {
        struct duplicates_extent *extent = &memory->extents[i];
        if (extent->warmth != DUPLICATES_COLD)
            ahead += extent->used == 0;
        else if (extent->begun == 0 && ahead < WARM_AHEAD) {
            extent->warmth = DUPLICATES_WARMING;
            *extent_r = i;
            return true;
        }
        if (ahead >= WARM_AHEAD)
            return false;
    }
    return false;
}

void duplicates_memory_warm(const struct duplicates_memory *memory, uint32_t extent)
{
    uint8_t *bytes = memory->bytes + extent * EXTENT_BYTES;
    if (madvise(bytes, EXTENT_BYTES, MADV_HUGEPAGE) != 0)
        return;
    /* Writes nothing, so who uses it already is not disturbed. */
    if (madvise(bytes, EXTENT_BYTES, MADV_POPULATE_WRITE) != 0)
        (void)madvise(bytes, EXTENT_BYTES, MADV_NOHUGEPAGE);
}

void duplicates_memory_warmed(struct duplicates_memory *memory, uint32_t extent)
{
    memory->extents[extent].warmth = DUPLICATES_WARM;
}
