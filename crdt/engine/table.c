#include "table_index.h"

#include <stdlib.h>

/* Up to so many rows a table has just their room: most small ones never get more. Below NARROW rows it grows by
 * quarters, and its index doubles below OFTEN_BUILT buckets, since there the moving costs more than the room. */
enum { EXACT = 6, NARROW = 1024, OFTEN_BUILT = 1 << 14 };

/* ---- the index ------------------------------------------------------------------------------ */

/* The slot that holds this row. It is there. */
static u32 *index_slot(Table *t, u32 row, u64 hash, u8 **tag, bool leaving)
{
    u32 at = home_of(t, hash);
    for (;; at = next_bucket(t, at)) {
        Bucket *b = &t->bucket[at];
        for (u32 mask = tags_equal(b, tag_of(hash)); mask != 0; mask &= mask - 1) {
            int i = __builtin_ctz(mask);
            if (b->row[i] == row) {
                *tag = &b->tag[i];
                return &b->row[i];
            }
        }
        if (leaving)
            b->passed--;
    }
}

static void index_remove(Table *t, u32 row, u64 hash)
{
    u8 *tag;
    index_slot(t, row, hash, &tag, true);
    *tag = 0;
}

static void index_move(Table *t, u32 from, u32 to, u64 hash)
{
    u8 *tag;
    *index_slot(t, from, hash, &tag, false) = to;
}

void table_store_key(Table *t, u32 row, const Item *key, u64 hash)
{
    t->key[row] = key_store(key, &t->arena);
    memcpy(t->key[row].p + 8, &hash, 3);
}

static inline u64 row_hash(const Table *t, u32 row, u64 seed)
{
    const KeyCell *cell = &t->key[row];
    if (likely((cell->head & 15) != IN_ARENA))
        return hash_cell(cell_first(cell), cell_last(cell), seed);
    Item key = table_key(t, row);
    return hash_key(key.type, key.p, key.n, seed);
}

static int index_build(Table *t, u32 buckets, u64 seed)
{
    size_t bytes = (size_t)buckets * sizeof(Bucket);
    Bucket *fresh = block_resize(NULL, 0, bytes);
    if (fresh == NULL)
        return ERROR_MEMORY;
    block_expect(fresh, bytes);
    memset(fresh, 0, bytes);
    block_free(t->bucket, (size_t)t->buckets * sizeof(Bucket));
    t->bucket = fresh;
    t->buckets = buckets;
    if (t->n < NARROW) { /* near in any case */
        for (u32 row = 0; row < t->n; row++)
            index_add(t, row, row_hash(t, row, seed));
        return DONE;
    }
    u64 hash[16];
    for (u32 row = 0, n; row < t->n; row += n) {
        n = t->n - row < 16 ? t->n - row : 16;
        for (u32 i = 0; i < n; i++) { /* the buckets of all of them on their way before the first is used */
            hash[i] = row_hash(t, row + i, seed);
            __builtin_prefetch(&t->bucket[home_of(t, hash[i])], 1);
        }
        for (u32 i = 0; i < n; i++)
            index_add(t, row + i, hash[i]);
    }
    return DONE;
}

static int index_reserve(Table *t, u64 rows, u64 seed)
{
    if (!(t->columns & HAS_KEY) || rows <= INDEXED_FROM || rows <= index_capacity(t->buckets))
        return DONE;
    u64 buckets = (u64)t->buckets + (t->buckets < OFTEN_BUILT ? t->buckets : t->buckets / 2) + 1;
    if (index_capacity((u32)buckets) < rows)
        buckets = rows * 2 / 21 + 1;
    return index_build(t, (u32)buckets, seed);
}

/* ---- looking up ----------------------------------------------------------------------------- */

u32 table_find_beyond(const Table *t, Probe p)
{
    u32 at = home_of(t, p.hash);
    for (u32 left = t->buckets; left > 1 && t->bucket[at].passed != 0; left--) {
        at = next_bucket(t, at);
        const Bucket *b = &t->bucket[at];
        for (u32 mask = tags_equal(b, tag_of(p.hash)); mask != 0; mask &= mask - 1) {
            u32 row = b->row[__builtin_ctz(mask)];
            if (likely(row_matches(t, &p, row)))
                return row;
        }
    }
    return NO_ROW;
}

u32 table_next_match(const Table *t, const Probe *p, Matches *m)
{
    if (t->bucket == NULL) { /* left: the next row to look at */
        while (m->left < t->n) {
            u32 row = m->left++;
            if (row_matches(t, p, row))
                return row;
        }
        return NO_ROW;
    }
    if (!m->started) {
        m->started = true;
        m->bucket = home_of(t, p->hash);
        m->left = t->buckets;
        m->mask = tags_equal(&t->bucket[m->bucket], tag_of(p->hash));
    }
    for (;;) {
        const Bucket *b = &t->bucket[m->bucket];
        while (m->mask != 0) {
            u32 row = b->row[__builtin_ctz(m->mask)];
            m->mask &= m->mask - 1;
            if (likely(row_matches(t, p, row)))
                return row;
        }
        if (likely(b->passed == 0) || --m->left == 0) {
            m->mask = 0;
            m->left = 1;
            return NO_ROW;
        }
        m->bucket = next_bucket(t, m->bucket);
        m->mask = tags_equal(&t->bucket[m->bucket], tag_of(p->hash));
    }
}

/* ---- changing ------------------------------------------------------------------------------- */

TableExtras *table_extras(Table *t)
{
    if (t->extras == NULL)
        t->extras = calloc(1, sizeof(TableExtras));
    return t->extras;
}

void table_end(Table *t)
{
    rows_free(t);
    block_free(t->bucket, (size_t)t->buckets * sizeof(Bucket));
    arena_free(&t->arena);
    removals_free(table_log(t));
    free(t->extras);
}

int table_grow_rows(Table *t, u32 rows, u64 bytes)
{
    u64 need = (u64)t->n + rows;
    if (unlikely(need > ROWS_MAX))
        return ERROR_LIMIT;
    if (unlikely(need > t->capacity)) {
        size_t next = need <= EXACT ? need : need <= SMALL ? need + need % 2 : grown_capacity(t->capacity, need);
        if (need > SMALL && t->capacity < NARROW && next < t->capacity + t->capacity / 4)
            next = t->capacity + t->capacity / 4;
        if (rows_resize(t, (u32)next) != DONE)
            return ERROR_MEMORY;
    }
    return bytes == 0 ? DONE : arena_reserve(&t->arena, bytes);
}

int table_grow(Table *t, u32 rows, u64 bytes, u64 seed)
{
    int status = table_grow_rows(t, rows, bytes);
    return status != DONE ? status : index_reserve(t, (u64)t->n + rows, seed);
}

static void drop_index(Table *t)
{
    block_free(t->bucket, (size_t)t->buckets * sizeof(Bucket));
    t->bucket = NULL;
    t->buckets = 0;
}

void table_empty(Table *t)
{
    rows_free(t);
    drop_index(t);
    arena_free(&t->arena);
    t->arena = (Arena){0};
    t->key = NULL;
    t->dot = t->word = t->stamp = NULL;
    t->value = NULL;
    t->n = t->capacity = t->siblings = t->tombstones = 0;
    t->mutations++;
}

int table_load_begin(Table *t, u64 rows)
{
    drop_index(t);
    return rows > ROWS_MAX ? ERROR_LIMIT : table_grow_rows(t, (u32)rows, 0);
}

int table_load_end(Table *t, u64 seed)
{
    return index_reserve(t, t->n, seed);
}

/* A row comes back to life (+1) or dies (-1): its tombstone and its bytes in the arena. */
static void count_row(Table *t, u32 i, int by)
{
    t->tombstones += is_tombstone(t, i) ? (u32)by : 0;
    u32 bytes = cell_arena_bytes(t->key[i].head, load64(t->key[i].p)) + value_bytes_in_arena(t, i);
    if (by > 0)
        arena_revive(&t->arena, bytes);
    else
        arena_bury(&t->arena, bytes);
}

void table_remove(Table *t, u32 row, u64 seed)
{
    u32 last = t->n - 1;
    if (t->bucket != NULL) {
        index_remove(t, row, row_hash(t, row, seed));
        if (last != row)
            index_move(t, last, row, row_hash(t, last, seed));
    }
    count_row(t, row, -1);
    if (last != row) {
        Row moved = table_row(t, last);
        table_set_row(t, row, &moved);
    }
    t->n = last;
    t->mutations++;
}

void table_put_back(Table *t, u32 row, const Row *taken, u64 seed)
{
    u32 last = t->n++;
    if (last != row) {
        Row moved = table_row(t, row);
        table_set_row(t, last, &moved);
        if (t->bucket != NULL)
            index_move(t, row, last, row_hash(t, last, seed));
    }
    table_set_row(t, row, taken);
    if (t->bucket != NULL)
        index_add(t, row, row_hash(t, row, seed));
    count_row(t, row, +1);
    t->mutations++;
}

static int compact_arena(Table *t)
{
    Arena fresh = {0};
    int status = arena_reserve(&fresh, arena_used(&t->arena) - arena_dead(&t->arena));
    if (status != DONE)
        return status;
    for (u32 i = 0; i < t->n; i++) {
        if ((t->key[i].head & 15) == IN_ARENA) {
            Item key = table_key(t, i);
            u64 reference = cell_reference(arena_put(&fresh, key.p, key.n), key.n);
            memcpy(t->key[i].p, &reference, 8);
        }
        if ((t->columns & HAS_VALUE) && (t->value[i] & 15) == IN_ARENA) {
            Item value = table_value(t, i);
            t->word[i] = cell_reference(arena_put(&fresh, value.p, value.n), value.n);
        }
    }
    arena_free(&t->arena);
    t->arena = fresh;
    return DONE;
}

void table_compact(Table *t, u64 seed)
{
    /* Running out of memory here only leaves the waste in place. */
    if (arena_is_wasteful(&t->arena))
        (void)compact_arena(t);
    if (table_is_roomy(t)) {
        u32 capacity = t->n + t->n / 8 + 1;
        if (rows_resize(t, capacity) == DONE && t->bucket != NULL)
            (void)index_build(t, t->n * 2 / 15 + 1, seed);
        if (t->n <= INDEXED_FROM / 2)
            drop_index(t);
    }
}

static void *copy_block(const void *block, size_t used, size_t bytes)
{
    void *copy = bytes == 0 ? NULL : block_resize(NULL, 0, bytes);
    if (copy != NULL)
        memcpy(copy, block, used);
    return copy;
}

int table_copy(Table *t, const Table *from)
{
    t->columns = from->columns;
    if (from->n != 0 && rows_resize(t, from->n) != DONE)
        return ERROR_MEMORY;
    t->n = from->n;
    for (u32 i = 0; i < from->n; i++) {
        Row row = table_row(from, i);
        table_set_row(t, i, &row);
    }
    if (arena_copy(&t->arena, &from->arena) != DONE)
        return ERROR_MEMORY;
    if (from->bucket != NULL) {
        size_t bytes = (size_t)from->buckets * sizeof(Bucket);
        t->bucket = copy_block(from->bucket, bytes, bytes);
        if (t->bucket == NULL)
            return ERROR_MEMORY;
        t->buckets = from->buckets;
    }
    t->siblings = from->siblings;
    t->tombstones = from->tombstones;
    if (table_log(from) != NULL &&
        (table_extras(t) == NULL || (t->extras->log = removals_copy(table_log(from))) == NULL))
        return ERROR_MEMORY;
    return map_schema(from) == NULL ? DONE : map_set_schema(t, map_schema(from));
}

int map_set_schema(Table *t, const Schema *schema)
{
    if (table_extras(t) == NULL)
        return ERROR_MEMORY;
    t->extras->schema = schema;
    return DONE;
}

size_t table_memory_within(const Table *t)
{
    size_t extras = t->extras == NULL ? 0 : block_footprint(sizeof(TableExtras)) + removals_memory(t->extras->log);
    return extras + rows_memory(t) + arena_memory(&t->arena) +
           block_footprint((size_t)t->buckets * sizeof(Bucket));
}
