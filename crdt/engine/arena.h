/* Byte arena: payloads too long for a cell, appended to one block and counted when they die.
 *
 * Offsets stay valid when the block grows. The owner rewrites its live payloads into a new arena
 * when `arena_is_wasteful` says so; nothing else frees single payloads.
 */
#ifndef CRDT_ARENA_H
#define CRDT_ARENA_H

#include "base.h"

typedef struct {
    u8 *base;
    u64 used, capacity, dead;
} Arena;

/* Room for `more` bytes, so that the next puts cannot fail. */
int arena_reserve(Arena *a, u64 more);

/* A copy without slack. */
int arena_copy(Arena *to, const Arena *from);

/* Append bytes; returns their offset. The room must have been reserved. */
static inline u64 arena_put(Arena *a, const u8 *bytes, u32 n)
{
    u64 offset = a->used;
    memcpy(a->base + offset, bytes, n);
    a->used += n;
    return offset;
}

static inline bool arena_is_wasteful(const Arena *a)
{
    return a->dead > 1024 && a->dead > a->used / 3;
}

static inline void arena_free(Arena *a)
{
    block_free(a->base, a->capacity);
    *a = (Arena){0};
}

#endif
