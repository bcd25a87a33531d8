/* What one access of a table does, for the paths that run once a key: finding, appending, replacing.
 *
 * Inline, since a call between each of these steps would cost about as much as the steps.
 */
#ifndef CRDT_TABLE_INDEX_H
#define CRDT_TABLE_INDEX_H

#include "table.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline u8 tag_of(u64 hash)
{
    u8 tag = (u8)hash;
    return tag != 0 ? tag : 1;
}

static inline u32 home_of(const Table *t, u64 hash)
{
    return (u32)(((u128)hash * t->buckets) >> 64);
}

static inline u32 next_bucket(const Table *t, u32 b)
{
    return b + 1 == t->buckets ? 0 : b + 1;
}

static inline u32 tags_equal(const Bucket *b, u8 tag)
{
#if defined(__SSE2__)
    __m128i tags = _mm_loadu_si128((const __m128i *)(const void *)b->tag);
    return (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) & 0xfff;
#else
    u32 mask = 0;
    for (int i = 0; i < BUCKET_ROWS; i++)
        mask |= (u32)(b->tag[i] == tag) << i;
    return mask;
#endif
}

static inline void index_add(Table *t, u32 row, u64 hash)
{
    u32 at = home_of(t, hash);
    for (;; at = next_bucket(t, at)) {
        Bucket *b = &t->bucket[at];
        u32 free_slots = tags_equal(b, 0);
        if (likely(free_slots != 0)) {
            int i = __builtin_ctz(free_slots);
            b->tag[i] = tag_of(hash);
            b->row[i] = row;
            return;
        }
        b->passed++;
    }
}

static inline void probe_set(Probe *p, const Item *key, u64 seed)
{
    p->item = key;
    if (likely(key->n <= KEY_INLINE)) {
        p->first = key_words(key, &p->last);
        p->hash = hash_cell(p->first, p->last, seed);
        return;
    }
    p->hash = hash_key(key->type, key->p, key->n, seed);
    p->first = (u64)(key->type << 4 | IN_ARENA);
    p->last = (u32)p->hash << 8; /* saves a look into the arena for most strangers */
}

static inline KeyCell probe_cell(const Probe *p)
{
    return cell_of_words(p->first, p->last);
}

static inline Probe probe_of(const Item *key, u64 seed)
{
    Probe p;
    probe_set(&p, key, seed);
    return p;
}

/* Whether n > KEY_INLINE bytes are equal. */
static inline bool long_keys_equal(const u8 *a, const u8 *b, u32 n)
{
    u32 i = 0;
    for (; i + 8 < n; i += 8)
        if (load64(a + i) != load64(b + i))
            return false;
    return load64(a + n - 8) == load64(b + n - 8);
}

static inline bool row_matches(const Table *t, const Probe *p, u32 row)
{
    const KeyCell *cell = &t->key[row];
    if (likely((p->first & 15) != IN_ARENA))
        return cell_first(cell) == p->first && cell_last(cell) == p->last;
    if (cell->head != (u8)p->first || cell_last(cell) >> 8 != p->last >> 8)
        return false;
    Item key = key_item(cell, &t->arena);
    return key.n == p->item->n && long_keys_equal(key.p, p->item->p, key.n);
}

/* Ask for the memory of a row. */
static inline void row_prefetch(const Table *t, u32 row, bool to_write)
{
    __builtin_prefetch(&t->key[row]);
    if (t->value != NULL) {
        __builtin_prefetch(&t->word[row]);
        __builtin_prefetch(&t->value[row]);
    }
    if (to_write) {
        __builtin_prefetch(&t->dot[row], 1);
        if (t->stamp != NULL)
            __builtin_prefetch(&t->stamp[row], 1);
    }
}

/* And, when its cells are there, of what they point at. */
static inline void row_prefetch_payload(const Table *t, u32 row)
{
    if ((t->key[row].head & 15) == IN_ARENA)
        __builtin_prefetch(table_key(t, row).p);
    if (t->value != NULL && (t->value[row] & 15) == IN_ARENA)
        __builtin_prefetch(table_value(t, row).p);
}

/* The first row of a key, or NO_ROW. Expected O(1). */
static inline u32 table_find(const Table *t, const Probe *p)
{
    if (t->bucket == NULL) {
        for (u32 row = 0; row < t->n; row++)
            if (row_matches(t, p, row))
                return row;
        return NO_ROW;
    }
    const Bucket *b = &t->bucket[home_of(t, p->hash)];
    for (u32 mask = tags_equal(b, tag_of(p->hash)); mask != 0; mask &= mask - 1) {
        u32 row = b->row[__builtin_ctz(mask)];
        if (likely(row_matches(t, p, row)))
            return row;
    }
    return likely(b->passed == 0) ? NO_ROW : table_find_beyond(t, *p);
}

/* Rows an index of this many buckets takes: seven eighths of its slots. */
static inline u64 index_capacity(u32 buckets)
{
    return (u64)buckets * 21 / 2;
}

/* Room for `rows` more rows and `bytes` more arena bytes, so that what follows cannot fail. */
static inline int table_reserve(Table *t, u32 rows, u64 bytes, u64 seed)
{
    u64 need = (u64)t->n + rows;
    if (likely(need <= t->capacity && arena_has_room(&t->arena, bytes) &&
               (t->bucket != NULL ? need <= index_capacity(t->buckets) : need <= INDEXED_FROM)))
        return DONE;
    return table_grow(t, rows, bytes, seed);
}

static inline bool table_is_roomy(const Table *t)
{
    return t->capacity > SMALL && t->n < t->capacity / 4;
}

/* Rewrite the arena when a third of it is dead, give back room after mass removal. */
static inline void table_tidy(Table *t, u64 seed)
{
    if (unlikely(arena_is_wasteful(&t->arena) || table_is_roomy(t)))
        table_compact(t, seed);
}

static inline bool is_tombstone(const Table *t, u32 i)
{
    if (t->columns & HAS_CHILD)
        return t->dot[i] == 0;
    return (t->columns & HAS_VALUE) && t->value[i] >> 4 == ABSENT;
}

static inline u32 value_bytes_in_arena(const Table *t, u32 i)
{
    return t->columns & HAS_VALUE ? cell_arena_bytes(t->value[i], t->word[i]) : 0;
}

/* Add a row whose room is reserved; returns its number, which is the last. */
static inline u32 table_append(Table *t, const Probe *p, const Row *row)
{
    u32 i = t->n++;
    table_set_row(t, i, row);
    if (p != NULL && (row->key.head & 15) == IN_ARENA)
        memcpy(t->key[i].p + 8, &p->hash, 3);
    if (t->bucket != NULL)
        index_add(t, i, p->hash);
    t->mutations++;
    t->tombstones += is_tombstone(t, i);
    return i;
}

/* Give a row other contents under the same key; with `from_undo` its payload is one that lay dead. */
static inline void table_replace(Table *t, u32 i, const Row *row, bool from_undo)
{
    if (t->columns & HAS_VALUE) {
        arena_bury(&t->arena, value_bytes_in_arena(t, i));
        t->tombstones += (u32)(row->value >> 4 == ABSENT) - (u32)(t->value[i] >> 4 == ABSENT);
    }
    table_set_row(t, i, row);
    if (from_undo)
        arena_revive(&t->arena, value_bytes_in_arena(t, i));
}

#endif
