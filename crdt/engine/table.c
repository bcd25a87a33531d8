#include "table.h"

#include <stdlib.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { SMALL = 16 };

/* ---- columns -------------------------------------------------------------------------------- */

typedef struct {
    void **at;
    size_t width;
} Column;

/* The columns this table has, widest first so that a shared block keeps them aligned. */
static int columns_of(Table *t, Column out[5])
{
    int n = 0;
    out[n++] = (Column){(void **)&t->dot, sizeof(Dot)};
    if (t->columns & (HAS_VALUE | HAS_CHILD))
        out[n++] = (Column){(void **)&t->word, sizeof(u64)};
    if (t->columns & HAS_STAMP)
        out[n++] = (Column){(void **)&t->stamp, sizeof(u64)};
    out[n++] = (Column){(void **)&t->key, sizeof(KeyCell)};
    if (t->columns & HAS_VALUE)
        out[n++] = (Column){(void **)&t->value, sizeof(u8)};
    return n;
}

static size_t row_width(const Table *t)
{
    Column c[5];
    int n = columns_of((Table *)t, c);
    size_t width = 0;
    for (int i = 0; i < n; i++)
        width += c[i].width;
    return width;
}

/* Point the columns into one block, or move them between a block and blocks of their own. */
static int resize_small(Table *t, u32 capacity)
{
    Column c[5];
    int columns = columns_of(t, c);
    u8 *block = malloc(row_width(t) * capacity);
    if (block == NULL)
        return ERROR_MEMORY;
    void *old = t->dot;
    u8 *p = block;
    for (int i = 0; i < columns; i++) {
        if (t->n != 0)
            memcpy(p, *c[i].at, c[i].width * t->n);
        if (t->capacity > SMALL)
            block_free(*c[i].at, c[i].width * t->capacity);
        *c[i].at = p;
        p += c[i].width * capacity;
    }
    if (t->capacity <= SMALL)
        free(old);
    t->capacity = capacity;
    return DONE;
}

static int resize_large(Table *t, u32 capacity)
{
    Column c[5];
    int columns = columns_of(t, c);
    bool was_small = t->capacity <= SMALL;
    void *old = was_small ? t->dot : NULL;
    void *fresh[5];
    for (int i = 0; i < columns; i++) {
        fresh[i] = was_small ? block_resize(NULL, 0, c[i].width * capacity)
                             : block_resize(*c[i].at, c[i].width * t->capacity, c[i].width * capacity);
        if (fresh[i] == NULL) {
            while (i-- > 0) {
                if (was_small)
                    block_free(fresh[i], c[i].width * capacity);
                else /* back to the size the table still believes in */
                    *c[i].at = block_resize(fresh[i], c[i].width * capacity, c[i].width * t->capacity);
            }
            return ERROR_MEMORY;
        }
        if (!was_small)
            *c[i].at = fresh[i];
    }
    for (int i = 0; was_small && i < columns; i++) {
        if (t->n != 0)
            memcpy(fresh[i], *c[i].at, c[i].width * t->n);
        *c[i].at = fresh[i];
    }
    free(old);
    t->capacity = capacity;
    return DONE;
}

static int resize_rows(Table *t, u32 capacity)
{
    return capacity <= SMALL ? resize_small(t, capacity) : resize_large(t, capacity);
}

static void free_rows(Table *t)
{
    Column c[5];
    int columns = columns_of(t, c);
    if (t->capacity <= SMALL)
        free(t->dot);
    else
        for (int i = 0; i < columns; i++)
            block_free(*c[i].at, c[i].width * t->capacity);
}

/* ---- the index ------------------------------------------------------------------------------ */

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

static void index_add(Table *t, u32 row, u64 hash)
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

static u64 row_hash(const Table *t, u32 row, u64 seed)
{
    Item key = table_key(t, row);
    return hash_key(key.type, key.p, key.n, seed);
}

static int index_build(Table *t, u32 buckets, u64 seed)
{
    size_t bytes = (size_t)buckets * sizeof(Bucket);
    Bucket *fresh = block_resize(NULL, 0, bytes);
    if (fresh == NULL)
        return ERROR_MEMORY;
    memset(fresh, 0, bytes);
    block_free(t->bucket, (size_t)t->buckets * sizeof(Bucket));
    t->bucket = fresh;
    t->buckets = buckets;
    for (u32 row = 0; row < t->n; row++)
        index_add(t, row, row_hash(t, row, seed));
    return DONE;
}

/* Rows an index of this many buckets takes: seven eighths of its slots. */
static inline u64 index_capacity(u32 buckets)
{
    return (u64)buckets * 21 / 2;
}

static int index_reserve(Table *t, u64 rows, u64 seed)
{
    if (!(t->columns & HAS_KEY) || rows <= INDEXED_FROM || rows <= index_capacity(t->buckets))
        return DONE;
    u64 buckets = (u64)t->buckets + t->buckets / 2 + 1;
    if (index_capacity((u32)buckets) < rows)
        buckets = rows * 2 / 21 + 1;
    return index_build(t, (u32)buckets, seed);
}

/* ---- looking up ----------------------------------------------------------------------------- */

Probe probe_of(const Item *key, u64 seed)
{
    Probe p = {.item = *key};
    p.hash = hash_key(key->type, item_bytes(key), key->n, seed);
    if (key->n <= KEY_INLINE) {
        p.cell.head = (u8)(key->type << 4 | key->n);
        memcpy(p.cell.p, item_bytes(key), key->n);
    } else {
        p.cell.head = (u8)(key->type << 4 | IN_ARENA);
        memcpy(p.cell.p + 8, &p.hash, 3); /* saves a look into the arena for most strangers */
    }
    return p;
}

static inline bool row_matches(const Table *t, const Probe *p, u32 row)
{
    const KeyCell *cell = &t->key[row];
    if (cell->head != p->cell.head)
        return false;
    if ((cell->head & 15) != IN_ARENA)
        return load64(cell->p) == load64(p->cell.p) && memcmp(cell->p + 8, p->cell.p + 8, 3) == 0;
    if (memcmp(cell->p + 8, p->cell.p + 8, 3) != 0)
        return false;
    Item key = key_item(cell, &t->arena);
    return key.n == p->item.n && memcmp(key.p, p->item.p, key.n) == 0;
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

u32 table_find(const Table *t, const Probe *p)
{
    Matches m = {0};
    return table_next_match(t, p, &m);
}

/* ---- changing ------------------------------------------------------------------------------- */

Table *table_new(u8 columns)
{
    Table *t = calloc(1, sizeof(Table));
    if (t != NULL)
        t->columns = columns;
    return t;
}

void table_free(Table *t)
{
    free_rows(t);
    block_free(t->bucket, (size_t)t->buckets * sizeof(Bucket));
    arena_free(&t->arena);
    removals_free(t->log);
    free(t);
}

int table_reserve(Table *t, u32 rows, u64 bytes, u64 seed)
{
    u64 need = (u64)t->n + rows;
    if (unlikely(need > ROWS_MAX))
        return ERROR_LIMIT;
    if (unlikely(need > t->capacity)) {
        size_t next = need <= 4 ? need : grown_capacity(t->capacity, need);
        int status = resize_rows(t, (u32)next);
        if (status != DONE)
            return status;
    }
    int status = bytes == 0 ? DONE : arena_reserve(&t->arena, bytes);
    return status != DONE ? status : index_reserve(t, need, seed);
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

/* A row comes back to life (+1) or dies (-1): its tombstone and its bytes in the arena. */
static void count_row(Table *t, u32 i, int by)
{
    t->tombstones += is_tombstone(t, i) ? (u32)by : 0;
    u32 bytes = cell_arena_bytes(t->key[i].head, load64(t->key[i].p)) + value_bytes_in_arena(t, i);
    t->arena.dead -= (u64)((i64)bytes * by);
}

void table_replace(Table *t, u32 i, const Row *row, bool from_undo)
{
    t->arena.dead += value_bytes_in_arena(t, i);
    t->tombstones -= is_tombstone(t, i);
    table_set_row(t, i, row);
    t->tombstones += is_tombstone(t, i);
    if (from_undo)
        t->arena.dead -= value_bytes_in_arena(t, i);
}

u32 table_append(Table *t, const Probe *p, const Row *row)
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
    int status = arena_reserve(&fresh, t->arena.used - t->arena.dead);
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

void table_tidy(Table *t, u64 seed)
{
    /* Running out of memory here only leaves the waste in place. */
    if (arena_is_wasteful(&t->arena))
        (void)compact_arena(t);
    if (t->capacity > SMALL && t->n < t->capacity / 4) {
        u32 capacity = t->n + t->n / 8 + 1;
        if (resize_rows(t, capacity) == DONE && t->bucket != NULL)
            (void)index_build(t, t->n * 2 / 15 + 1, seed);
        if (t->n <= INDEXED_FROM / 2 && t->bucket != NULL) {
            block_free(t->bucket, (size_t)t->buckets * sizeof(Bucket));
            t->bucket = NULL;
            t->buckets = 0;
        }
    }
}

static void *copy_block(const void *block, size_t used, size_t bytes)
{
    void *copy = bytes == 0 ? NULL : block_resize(NULL, 0, bytes);
    if (copy != NULL)
        memcpy(copy, block, used);
    return copy;
}

Table *table_clone(const Table *from)
{
    Table *t = table_new(from->columns);
    if (t == NULL)
        return NULL;
    if (from->n != 0 && resize_rows(t, from->n) != DONE)
        goto failed;
    t->n = from->n;
    for (u32 i = 0; i < from->n; i++) {
        Row row = table_row(from, i);
        table_set_row(t, i, &row);
    }
    if (arena_copy(&t->arena, &from->arena) != DONE)
        goto failed;
    if (from->bucket != NULL) {
        size_t bytes = (size_t)from->buckets * sizeof(Bucket);
        t->bucket = copy_block(from->bucket, bytes, bytes);
        if (t->bucket == NULL)
            goto failed;
        t->buckets = from->buckets;
    }
    if (from->log != NULL && (t->log = removals_copy(from->log)) == NULL)
        goto failed;
    t->siblings = from->siblings;
    t->tombstones = from->tombstones;
    return t;
failed:
    table_free(t);
    return NULL;
}

size_t table_memory(const Table *t)
{
    size_t bytes = block_footprint(sizeof(Table)) + block_footprint(t->arena.capacity) +
                   block_footprint((size_t)t->buckets * sizeof(Bucket));
    Column c[5];
    int columns = columns_of((Table *)t, c);
    if (t->capacity <= SMALL)
        bytes += block_footprint(row_width(t) * t->capacity);
    else
        for (int i = 0; i < columns; i++)
            bytes += block_footprint(c[i].width * t->capacity);
    return bytes + removals_memory(t->log);
}
