/* A bump allocator over memory the caller owns: what is decoded from one message or read from
 * one record lives in an arena and goes all at once. Bounded by construction; one thread at a
 * time. Nothing is freed singly. */
#pragma once
#include "base/bytes.h"

struct arena {
    uint8_t *memory; /* borrowed for the arena's life */
    size_t capacity_bytes;
    size_t used_bytes;
};

static inline struct arena arena_over(void *memory, size_t capacity_bytes)
{
    return (struct arena){ (uint8_t *)memory, capacity_bytes, 0 };
}

/* `bytes` zeroed bytes aligned for any type, borrowed until the arena is reset; NULL when they do
 * not fit (the arena is then unchanged). A size of 0 gives a valid pointer. */
MUST_CHECK void *arena_take(struct arena *arena, size_t bytes);

/* A copy of text with a NUL behind it; NULL when it does not fit. */
MUST_CHECK char *arena_text(struct arena *arena, struct span text);

static inline void arena_reset(struct arena *arena)
{
    arena->used_bytes = 0;
}
