#include "arena.h"

/* Cells hold offsets in 40 bits. */
static const u64 ARENA_BYTES_MAX = (u64)1 << 40;

static size_t block_bytes(const Arena *a)
{
    return a->base == NULL ? 0 : sizeof(ArenaHead) + arena_head(a)->capacity;
}

/* A small one grows by little at a time: there may be very many of them. */
static int resize(Arena *a, u64 capacity)
{
    void *block = a->base == NULL ? NULL : arena_head(a);
    ArenaHead *head = block_resize(block, block_bytes(a), sizeof(ArenaHead) + capacity);
    if (head == NULL)
        return ERROR_MEMORY;
    if (a->base == NULL)
        *head = (ArenaHead){0};
    head->capacity = capacity;
    a->base = (u8 *)(head + 1);
    return DONE;
}

int arena_reserve(Arena *a, u64 more)
{
    if (likely(arena_has_room(a, more)))
        return DONE;
    u64 need = arena_used(a) + more;
    if (need > ARENA_BYTES_MAX)
        return ERROR_LIMIT;
    if (a->base == NULL)
        return resize(a, need);
    u64 capacity = arena_head(a)->capacity;
    return resize(a, grown_capacity(capacity < 256 ? capacity + 28 : capacity, need));
}

int arena_copy(Arena *to, const Arena *from)
{
    *to = (Arena){0};
    u64 used = arena_used(from);
    if (used == 0)
        return DONE;
    if (resize(to, used) != DONE)
        return ERROR_MEMORY;
    memcpy(to->base, from->base, used);
    arena_head(to)->used = used;
    arena_head(to)->dead = arena_dead(from);
    return DONE;
}

void arena_free(Arena *a)
{
    if (a->base != NULL)
        block_free(arena_head(a), block_bytes(a));
    *a = (Arena){0};
}

size_t arena_memory(const Arena *a)
{
    return block_footprint(block_bytes(a));
}
