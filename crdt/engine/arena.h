/* Byte arena: payloads too long for a cell, appended to one block and counted when they die.
 *
 * Offsets stay valid when the block grows. The owner rewrites its live payloads into a new arena
 * when `arena_is_wasteful` says so; nothing else frees single payloads.
 */
#ifndef CRDT_ARENA_H
#define CRDT_ARENA_H

#include "base.h"

typedef struct {
    u8 *base; /* behind its head; NULL: nothing was ever put */
} Arena;

/* Kept with the bytes, so that the many small containers without any do without it. */
typedef struct {
    u64 used, capacity, dead;
} ArenaHead;

static inline ArenaHead *arena_head(const Arena *a)
{
    return (ArenaHead *)(void *)a->base - 1;
}

static inline u64 arena_used(const Arena *a)
{
    return a->base == NULL ? 0 : arena_head(a)->used;
}

static inline u64 arena_dead(const Arena *a)
{
    return a->base == NULL ? 0 : arena_head(a)->dead;
}

static inline bool arena_has_room(const Arena *a, u64 more)
{
    return more == 0 || (a->base != NULL && arena_head(a)->used + more <= arena_head(a)->capacity);
}

/* Of what was put, so many bytes have died, or live again. */
static inline void arena_bury(Arena *a, u64 bytes)
{
    if (bytes != 0)
        arena_head(a)->dead += bytes;
}

static inline void arena_revive(Arena *a, u64 bytes)
{
    if (bytes != 0)
        arena_head(a)->dead -= bytes;
}

/* Forget what was put since so much was used. */
static inline void arena_cut(Arena *a, u64 used)
{
    if (a->base != NULL)
        arena_head(a)->used = used;
}

/* Room for `more` bytes, so that the next puts cannot fail. */
int arena_reserve(Arena *a, u64 more);

/* A copy without slack. */
int arena_copy(Arena *to, const Arena *from);

/* Append bytes; returns their offset. The room must have been reserved. */
static inline u64 arena_put(Arena *a, const u8 *bytes, u32 n)
{
    ArenaHead *head = arena_head(a);
    u64 offset = head->used;
    memcpy(a->base + offset, bytes, n);
    head->used += n;
    return offset;
}

static inline bool arena_is_wasteful(const Arena *a)
{
    return a->base != NULL && arena_head(a)->dead > 1024 && arena_head(a)->dead > arena_head(a)->used / 3;
}

void arena_free(Arena *a);

/* What it occupies. */
size_t arena_memory(const Arena *a);

#endif
