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
        u16 index = r->by_rank[middle];
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
    u16 index = r->by_rank[at];
    if (r->all[index].id_bytes != n || memcmp(replica_id(r, index), id, n) != 0)
        return -1;
    return index;
}

i32 replicas_find_near(const Replicas *r, u32 rank, const u8 *id, u8 n)
{
    if (rank < r->n) {
        u16 index = r->by_rank[rank];
        if (r->all[index].id_bytes == n && memcmp(replica_id(r, index), id, n) == 0)
            return index;
    }
    return replicas_find(r, id, n);
}

static size_t block_bytes(size_t capacity, size_t ids_capacity)
{
    return capacity * (sizeof(Replica) + sizeof(u16)) + ids_capacity;
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
    u16 *by_rank = (u16 *)(void *)(all + capacity);
    u8 *ids = (u8 *)(by_rank + capacity);
    if (r->n != 0) {
        memcpy(all, r->all, r->n * sizeof(Replica));
        memcpy(by_rank, r->by_rank, r->n * sizeof(u16));
        memcpy(ids, r->ids, r->ids_used);
    }
    block_free(r->all, block_bytes(r->capacity, r->ids_capacity));
    r->all = all;
    r->by_rank = by_rank;
    r->ids = ids;
    r->capacity = (u32)capacity;
    r->ids_capacity = (u32)ids_capacity;
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
    memcpy(r->ids + r->ids_used, id, n);
    r->all[index] = (Replica){
        .folded = hash_bytes(id, n, 0x9ddfea08eb382d69ull), .id_at = r->ids_used, .id_bytes = n};
    r->ids_used += n;
    memmove(r->by_rank + at + 1, r->by_rank + at, (r->n - at) * sizeof(u16));
    r->by_rank[at] = index;
    r->n++;
    for (u32 i = at; i < r->n; i++)
        r->all[r->by_rank[i]].rank = (u16)i;
    return index;
}

void replicas_truncate(Replicas *r, u32 n)
{
    u32 kept = 0;
    if (r->n == n)
        return;
    for (u32 i = 0; i < r->n; i++)
        if (r->by_rank[i] < n)
            r->by_rank[kept++] = r->by_rank[i];
    r->ids_used = r->all[n].id_at;
    r->n = n;
    for (u32 i = 0; i < n; i++)
        r->all[r->by_rank[i]].rank = (u16)i;
}

int growth_reserve(Replicas *r)
{
    if (array_reserve(&r->growth, &r->growth_capacity, r->n, sizeof(Bounds)) != DONE)
        return ERROR_MEMORY;
    for (; r->growth_n < r->n; r->growth_n++)
        r->growth[r->growth_n] = (Bounds){0};
    return DONE;
}

void replicas_free(Replicas *r)
{
    block_free(r->growth, r->growth_capacity * sizeof(Bounds));
    block_free(r->all, block_bytes(r->capacity, r->ids_capacity));
    *r = (Replicas){0};
}

int replicas_copy(Replicas *to, const Replicas *from)
{
    *to = (Replicas){0};
    if (reserve(to, from->n, from->ids_used) != DONE ||
        array_reserve(&to->growth, &to->growth_capacity, from->growth_n, sizeof(Bounds)) != DONE) {
        replicas_free(to);
        return ERROR_MEMORY;
    }
    to->n = from->n;
    to->ids_used = from->ids_used;
    to->growth_n = from->growth_n;
    if (from->growth_n != 0)
        memcpy(to->growth, from->growth, from->growth_n * sizeof(Bounds));
    if (from->n != 0) {
        memcpy(to->all, from->all, from->n * sizeof(Replica));
        memcpy(to->by_rank, from->by_rank, from->n * sizeof(u16));
        memcpy(to->ids, from->ids, from->ids_used);
    }
    return DONE;
}

size_t replicas_memory(const Replicas *r)
{
    return block_footprint(block_bytes(r->capacity, r->ids_capacity)) +
           block_footprint(r->growth_capacity * sizeof(Bounds));
}
