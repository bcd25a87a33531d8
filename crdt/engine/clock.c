#include "clock.h"

static int compare_ids(const u8 *a, u8 an, const u8 *b, u8 bn)
{
    int c = memcmp(a, b, an < bn ? an : bn);
    return c != 0 ? c : (int)an - (int)bn;
}

/* The first place in the order whose id is not below the given one. */
static u32 lower_bound(const Replicas *r, const u8 *id, u8 n)
{
    u32 low = 0, high = r->n;
    while (low < high) {
        u32 middle = (low + high) / 2;
        u16 index = replicas_by_rank(r)[middle];
        if (compare_ids(replica_id(r, index), r->all[index].id_bytes, id, n) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

i32 replicas_find(const Replicas *r, const u8 *id, u8 n)
{
    u32 at = lower_bound(r, id, n);
    if (at == r->n)
        return -1;
    u16 index = replicas_by_rank(r)[at];
    if (r->all[index].id_bytes != n || memcmp(replica_id(r, index), id, n) != 0)
        return -1;
    return index;
}

i32 replicas_find_near(const Replicas *r, u32 rank, const u8 *id, u8 n)
{
    if (rank < r->n) {
        u16 index = replicas_by_rank(r)[rank];
        if (r->all[index].id_bytes == n && memcmp(replica_id(r, index), id, n) == 0)
            return index;
    }
    return replicas_find(r, id, n);
}

static size_t block_bytes(size_t capacity, size_t ids_capacity)
{
    return capacity * (sizeof(Replica) + sizeof(u16)) + ids_capacity;
}

static void copy_all(Replicas *to, const Replicas *from)
{
    if (from->n == 0)
        return;
    memcpy(to->all, from->all, from->n * sizeof(Replica));
    memcpy(replicas_by_rank(to), replicas_by_rank(from), from->n * sizeof(u16));
    memcpy(replicas_ids(to), replicas_ids(from), from->ids_used);
}

/* Room for `need` writers with `bytes` bytes of ids. */
static int reserve(Replicas *r, size_t need, size_t bytes)
{
    if (need <= r->capacity && bytes <= r->ids_capacity)
        return DONE;
    size_t capacity = need <= r->capacity ? r->capacity : grown_capacity(r->capacity, need);
    size_t ids_capacity = bytes <= r->ids_capacity ? r->ids_capacity : grown_capacity(r->ids_capacity, bytes);
    Replica *all = block_resize(NULL, 0, block_bytes(capacity, ids_capacity));
    if (all == NULL)
        return ERROR_MEMORY;
    Replicas before = *r;
    r->all = all;
    r->capacity = (u32)capacity;
    r->ids_capacity = (u32)ids_capacity;
    copy_all(r, &before);
    block_free(before.all, block_bytes(before.capacity, before.ids_capacity));
    return DONE;
}

i32 replicas_add(Replicas *r, const u8 *id, u8 n)
{
    i32 found = replicas_find(r, id, n);
    if (found >= 0)
        return found;
    if (r->n == REPLICAS_MAX)
        return ERROR_LIMIT;
    if (reserve(r, r->n + 1, r->ids_used + n) != DONE)
        return ERROR_MEMORY;
    u32 at = lower_bound(r, id, n);
    u16 index = (u16)r->n;
    u16 *by_rank = replicas_by_rank(r);
    memcpy(replicas_ids(r) + r->ids_used, id, n);
    r->all[index] = (Replica){
        .folded = hash_bytes(id, n, 0x9ddfea08eb382d69ull), .id_at = r->ids_used, .id_bytes = n};
    r->ids_used += n;
    memmove(by_rank + at + 1, by_rank + at, (r->n - at) * sizeof(u16));
    by_rank[at] = index;
    r->n++;
    for (u32 i = at; i < r->n; i++)
        r->all[by_rank[i]].rank = (u16)i;
    return index;
}

void replicas_truncate(Replicas *r, u32 n)
{
    u32 kept = 0;
    u16 *by_rank = replicas_by_rank(r);
    if (r->n == n)
        return;
    for (u32 i = 0; i < r->n; i++)
        if (by_rank[i] < n)
            by_rank[kept++] = by_rank[i];
    r->ids_used = r->all[n].id_at;
    r->n = n;
    for (u32 i = 0; i < n; i++)
        r->all[by_rank[i]].rank = (u16)i;
}

static size_t growth_bytes(size_t capacity)
{
    return sizeof(GrowthBounds) + capacity * sizeof(Bounds);
}

/* Room for the bounds of `need` writers. */
static int reserve_growth(Replicas *r, size_t need)
{
    size_t old = r->growth == NULL ? 0 : r->growth->capacity;
    if (r->growth != NULL && need <= old)
        return DONE;
    size_t capacity = grown_capacity(old, need);
    GrowthBounds *growth = block_resize(r->growth, growth_bytes(old), growth_bytes(capacity));
    if (growth == NULL)
        return ERROR_MEMORY;
    if (r->growth == NULL)
        *growth = (GrowthBounds){0};
    growth->capacity = (u32)capacity;
    r->growth = growth;
    return DONE;
}

int growth_reserve(Replicas *r)
{
    if (reserve_growth(r, r->n) != DONE)
        return ERROR_MEMORY;
    for (GrowthBounds *g = r->growth; g->n < r->n; g->n++)
        g->of[g->n] = (Bounds){0};
    return DONE;
}

void replicas_free(Replicas *r)
{
    if (r->growth != NULL)
        block_free(r->growth, growth_bytes(r->growth->capacity));
    block_free(r->all, block_bytes(r->capacity, r->ids_capacity));
    *r = (Replicas){0};
}

int replicas_copy(Replicas *to, const Replicas *from)
{
    *to = (Replicas){0};
    if (reserve(to, from->n, from->ids_used) != DONE ||
        (from->growth != NULL && reserve_growth(to, from->growth->n) != DONE)) {
        replicas_free(to);
        return ERROR_MEMORY;
    }
    copy_all(to, from);
    to->n = from->n;
    to->ids_used = from->ids_used;
    if (from->growth != NULL) {
        to->growth->n = from->growth->n;
        to->growth->stamp = from->growth->stamp;
        memcpy(to->growth->of, from->growth->of, from->growth->n * sizeof(Bounds));
    }
    return DONE;
}

size_t replicas_memory(const Replicas *r)
{
    size_t growth = r->growth == NULL ? 0 : block_footprint(growth_bytes(r->growth->capacity));
    return block_footprint(block_bytes(r->capacity, r->ids_capacity)) + growth;
}
