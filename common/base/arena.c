#include "base/arena.h"

void *arena_take(struct arena *arena, size_t bytes)
{
    const size_t align = _Alignof(max_align_t);
    uintptr_t at = (uintptr_t)arena->memory + arena->used_bytes;
    size_t padding = (align - at % align) % align;
    if (padding > arena->capacity_bytes - arena->used_bytes ||
        bytes > arena->capacity_bytes - arena->used_bytes - padding)
        return NULL;
    uint8_t *taken = arena->memory + arena->used_bytes + padding;
    arena->used_bytes += padding + bytes;
    memset(taken, 0, bytes);
    return taken;
}

char *arena_text(struct arena *arena, struct span text)
{
    if (text.length == SIZE_MAX)
        return NULL;
    char *copy = arena_take(arena, text.length + 1);
    if (copy != NULL && text.length > 0)
        memcpy(copy, text.data, text.length);
    return copy;
}
