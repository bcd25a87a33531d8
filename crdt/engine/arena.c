#include "arena.h"

/* Cells hold offsets in 40 bits. */
static const u64 ARENA_BYTES_MAX = (u64)1 << 40;

int arena_reserve(Arena *a, u64 more)
{
    u64 need = a->used + more;
    if (likely(need <= a->capacity))
        return DONE;
    if (need > ARENA_BYTES_MAX)
        return ERROR_LIMIT;
    u64 next = grown_capacity(a->capacity, need);
    if (next < 64)
        next = 64;
    u8 *grown = block_resize(a->base, a->capacity, next);
    if (grown == NULL)
        return ERROR_MEMORY;
    a->base = grown;
    a->capacity = next;
    return DONE;
}

int arena_copy(Arena *to, const Arena *from)
{
    *to = (Arena){0};
    if (from->used == 0)
        return DONE;
    to->base = block_resize(NULL, 0, from->used);
    if (to->base == NULL)
        return ERROR_MEMORY;
    memcpy(to->base, from->base, from->used);
    to->used = to->capacity = from->used;
    to->dead = from->dead;
    return DONE;
}
