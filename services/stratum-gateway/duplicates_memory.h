/* The memory all jobs' sets of submissions share: blocks of 4 KB out of one stretch of addresses
 * reserved at the start, which becomes real memory as it is used and is given back 2 MB at a time
 * once nothing of these is in use. So no call here takes long, whatever is kept or forgotten.
 *
 * Large pages save a seventh of the gateway's time, but the first touch of one takes 1 to 20 ms (2
 * MB to be found and cleared at once). So they are made ahead of use by another thread
 * (duplicates_memory_warm); what is used before that has pages of the usual size.
 * What
 * is known about a block stands beside the blocks, not in them: giving thousands back touches none
 * of them. One thread. */
#pragma once
#include "base/bytes.h"

enum {
    DUPLICATES_BLOCK_BYTES = 4096,
    DUPLICATES_EXTENT_BLOCKS = 512, /* 2 MB */
};

#define DUPLICATES_NO_BLOCK UINT32_MAX

enum duplicates_warmth {
    DUPLICATES_COLD,
    DUPLICATES_WARMING, /* another thread makes it a large page */
    DUPLICATES_WARM,
};

/* 2 MB of blocks. */
struct duplicates_extent {
    uint32_t free;  /* the first of those given back; each knows the next */
    uint32_t begun; /* blocks that were ever used since its memory was last given back */
    uint32_t used;
    enum duplicates_warmth warmth;
};

/* What a leaf of a set (duplicates.c) must remember about its block. */
struct duplicates_leaf {
    uint16_t count;
    uint8_t depth;
};

struct duplicates_memory {
    uint8_t *bytes; /* NULL: not open */
    uint32_t extents_count;
    uint32_t open_from; /* no extent below it has a free block */
    uint32_t used;      /* blocks, all together */
    uint32_t max;
    struct duplicates_extent *extents;
    uint32_t *next; /* by block: of a free one, the next free one of its extent */
    struct duplicates_leaf *leaves;
    uint64_t seed[2]; /* of the sets' hash: random, because miners choose the keys */
};

/* Room for `bytes_max` (rounded up to whole extents). False where the system gives none. */
MUST_CHECK bool duplicates_memory_open(struct duplicates_memory *memory, size_t bytes_max,
                                       const uint64_t seed[2]);
/* All sets must have been cleared. Harmless where it is not open. */
void duplicates_memory_close(struct duplicates_memory *memory);

/* A block with undefined content, those of the lowest addresses first; DUPLICATES_NO_BLOCK where
 * all are used. */
MUST_CHECK uint32_t duplicates_memory_take(struct duplicates_memory *memory);
void duplicates_memory_give(struct duplicates_memory *memory, uint32_t block);
/* How many may be taken now. */
static inline uint32_t duplicates_memory_left(const struct duplicates_memory *memory)
{
    return memory->max - memory->used;
}
static inline void *duplicates_memory_at(const struct duplicates_memory *memory, uint32_t block)
{
    return memory->bytes + (size_t)block * DUPLICATES_BLOCK_BYTES;
}

/* The next extent that should get a large page, which is WARMING from now on; false where enough
 * are ready. */
MUST_CHECK bool duplicates_memory_next_cold(struct duplicates_memory *memory, uint32_t *extent_r);
/* Gives it one: on any thread, while others use the memory, this extent even. */
void duplicates_memory_warm(const struct duplicates_memory *memory, uint32_t extent);
/* That is done. */
void duplicates_memory_warmed(struct duplicates_memory *memory, uint32_t extent);

/* Returns an unused extent to the system, if there are more than a few; call now and then. */
void duplicates_memory_trim(struct duplicates_memory *memory);
