/* Who wrote, how much of each writer is held, and when.
 *
 * A dot (replica, sequence) names one event: replica is a small local index, sequence counts the
 * events of that writer in this document from 1. Indexes are local to a document; on the wire
 * writers go by their ids, and every order between writers is by id bytes, so it is the same
 * everywhere.
 */
#ifndef CRDT_CLOCK_H
#define CRDT_CLOCK_H

#include "base.h"
#include "hash.h"

typedef u64 Dot; /* replica index << 48 | sequence; 0 is no dot */

#define SEQUENCE_MAX (((u64)1 << 48) - 1)

static inline Dot dot_of(u16 replica, u64 sequence)
{
    return (u64)replica << 48 | sequence;
}

static inline u16 dot_replica(Dot d)
{
    return (u16)(d >> 48);
}

static inline u64 dot_sequence(Dot d)
{
    return d & SEQUENCE_MAX;
}

typedef struct {
    u64 seen;   /* every event of this writer up to here is held: the version vector */
    u64 whole;  /* up to here it came as a whole state: what is not here may have been removed */
    u64 folded; /* its id, folded: what digests use */
    u32 id_at;  /* its id bytes, in Replicas.ids */
    u16 rank;   /* its place in the order of ids */
    u8 id_bytes;
} Replica;

/* What purges have decided about a writer (see growth.h); all zero for most. */
typedef struct {
    u64 cut;        /* its events up to here are held by everyone: their removals were purged */
    u64 purged;     /* its newest event that was a purge */
    Dot retirement; /* the purge that retired it: it has no event beyond `seen`, ever; 0: it has not left */
} Bounds;

typedef struct {
    u64 stamp; /* the clock of the latest who purged: what was purged had no later stamp */
    u32 n, capacity;
    Bounds of[]; /* by local index, for the first n */
} GrowthBounds;

typedef struct {
    Replica *all;         /* one block, in which their order and their ids follow */
    GrowthBounds *growth; /* NULL before the first purge */
    u32 n, capacity, ids_used, ids_capacity;
} Replicas;

/* Local indexes in the order of ids. */
static inline u16 *replicas_by_rank(const Replicas *r)
{
    return (u16 *)(void *)(r->all + r->capacity);
}

static inline u8 *replicas_ids(const Replicas *r)
{
    return (u8 *)(replicas_by_rank(r) + r->capacity);
}

/* The local index of an id, or -1. O(log n). */
i32 replicas_find(const Replicas *r, const u8 *id, u8 n);

/* The same, looking first at a place in the order of ids. */
i32 replicas_find_near(const Replicas *r, u32 rank, const u8 *id, u8 n);

/* The local index of an id, made if new; ERROR_LIMIT past REPLICAS_MAX, ERROR_MEMORY. O(n) if new. */
i32 replicas_add(Replicas *r, const u8 *id, u8 n);

/* Forget those beyond the first n, which nothing refers to. */
void replicas_truncate(Replicas *r, u32 n);

void replicas_free(Replicas *r);
int replicas_copy(Replicas *to, const Replicas *from);
size_t replicas_memory(const Replicas *r);

static inline const u8 *replica_id(const Replicas *r, u16 index)
{
    return replicas_ids(r) + r->all[index].id_at;
}

static inline u32 growth_n(const Replicas *r)
{
    return r->growth == NULL ? 0 : r->growth->n;
}

static inline u64 cut_stamp(const Replicas *r)
{
    return r->growth == NULL ? 0 : r->growth->stamp;
}

static inline Bounds growth_of(const Replicas *r, u16 index)
{
    return index < growth_n(r) ? r->growth->of[index] : (Bounds){0};
}

/* Room to note the growth of every writer that is known. */
int growth_reserve(Replicas *r);

/* Whether anything was ever purged here. */
static inline bool has_cut(const Replicas *r)
{
    return growth_n(r) != 0;
}

/* Whether everyone holds this event, so that its removals need not be told any more. */
static inline bool is_stable(const Replicas *r, Dot d)
{
    return dot_replica(d) < growth_n(r) && dot_sequence(d) <= r->growth->of[dot_replica(d)].cut;
}

/* The order of two dots that every replica agrees on: by writer's id, then by sequence. */
static inline int dot_compare(const Replicas *r, Dot a, Dot b)
{
    u16 x = r->all[dot_replica(a)].rank, y = r->all[dot_replica(b)].rank;
    if (x != y)
        return x < y ? -1 : 1;
    return a == b ? 0 : a < b ? -1 : 1;
}

static inline bool is_seen(const Replicas *r, Dot d)
{
    return dot_sequence(d) <= r->all[dot_replica(d)].seen;
}

/* Hybrid logical clock (Kulkarni et al. 2014): 48 bits of milliseconds, 16 of counter, in one
 * word; a full counter carries into the milliseconds. */
static inline u64 hlc_tick(u64 last, u64 now_ms)
{
    u64 now = now_ms << 16;
    return now > last ? now : last + 1;
}

#endif
