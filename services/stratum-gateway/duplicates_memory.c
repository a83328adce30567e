#include "services/stratum-gateway/duplicates_memory.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { KEEP_EMPTY = 4 }; /* extents that stay for what comes next */

#define EXTENT_BYTES ((size_t)DUPLICATES_EXTENT_BLOCKS * DUPLICATES_BLOCK_BYTES)

/* Pages of the usual size: large ones make an addition 40 ns cheaper, but the first touch of each
 * stopped us for up to 20 ms (2 MB to be found and cleared at once). */
static uint8_t *reserve(size_t bytes)
{
    uint8_t *all = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return all != MAP_FAILED ? all : NULL;
}

bool duplicates_memory_open(struct duplicates_memory *memory, size_t bytes_max,
                            const uint64_t seed[2])
{
    size_t extents = (bytes_max + EXTENT_BYTES - 1) / EXTENT_BYTES;
    size_t blocks = extents * DUPLICATES_EXTENT_BLOCKS;
    ASSERT(extents > 0 && blocks <= UINT32_MAX);
    *memory = (struct duplicates_memory){ .extents_count = (uint32_t)extents,
                                          .max = (uint32_t)blocks - 1,
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
    memory->extents[0] = (struct duplicates_extent){ .begun = 1, .used = 1 };
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
    ASSERT(block != DUPLICATES_NO_BLOCK && extent->used > 0);
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
        if (extent->used > 0 || extent->begun == 0 || kept++ < KEEP_EMPTY)
            continue;
        (void)madvise(memory->bytes + i * EXTENT_BYTES, EXTENT_BYTES, MADV_DONTNEED);
        *extent = (struct duplicates_extent){ .free = DUPLICATES_NO_BLOCK };
        return;
    }
}
