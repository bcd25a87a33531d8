#include "sequence_index.h"

#include <assert.h>

/* The last of starts[0..n) that is not above `number`; the first is known not to be. */
static u32 last_not_above(const u32 *starts, u32 n, u32 number)
{
    u32 low = 0;
    while (n > 1) {
        u32 half = n / 2;
        low += starts[low + half] <= number ? half : 0;
        n -= half;
    }
    return low;
}

/* The chunk that holds a number, by its place in the directory. It looks where the number would be if all chunks held
 * as many, and from there on in growing steps. */
static u32 chunk_of(const Index *ix, u32 number)
{
    const u32 *starts = ix->starts;
    u32 last = ix->n - 1, step = 1, low, high;
    if (number >= starts[last])
        return last;
    u32 guess = (u32)((u64)number * last / starts[last]);
    if (starts[guess] <= number) {
        for (low = guess; low + step < last && starts[low + step] <= number; step *= 4)
            low += step;
        high = low + step < last ? low + step : last;
    } else {
        for (high = guess; high > step && starts[high - step] > number; step *= 4)
            high -= step;
        low = high > step ? high - step : 0;
    }
    return low + last_not_above(starts + low, high - low, number);
}

static inline u32 entry_of(const IndexChunk *chunk, u32 number)
{
    u32 offset = number - chunk->start[0];
    if (chunk->is_dense)
        return offset < chunk->n ? offset : chunk->n - 1u;
    return last_not_above(chunk->start, chunk->n, number);
}

u32 index_leaf(const Index *ix, u32 number)
{
    const IndexChunk *chunk = &ix->chunks[ix->order[ix->n - 1]];
    if (number >= chunk->start[chunk->n - 1]) /* the newest are asked for most */
        return ix->last_leaf;
    chunk = &ix->chunks[ix->order[chunk_of(ix, number)]];
    return chunk->leaf[entry_of(chunk, number)];
}

void index_free(Index *ix)
{
    block_free(ix->chunks, ix->capacity * sizeof(IndexChunk));
    block_free(ix->starts, ix->starts_capacity * sizeof(u32));
    block_free(ix->order, ix->order_capacity * sizeof(u32));
    *ix = (Index){0};
}

static void lose(Index *ix)
{
    index_free(ix);
    ix->lost = true;
}

/* A new empty chunk at `place` of the directory, or NULL after losing the index. */
static IndexChunk *new_chunk(Index *ix, u32 place, u32 start)
{
    if (array_reserve(&ix->chunks, &ix->capacity, ix->n + 1, sizeof(IndexChunk)) != DONE ||
        array_reserve(&ix->starts, &ix->starts_capacity, ix->n + 1, sizeof(u32)) != DONE ||
        array_reserve(&ix->order, &ix->order_capacity, ix->n + 1, sizeof(u32)) != DONE) {
        lose(ix);
        return NULL;
    }
    memmove(ix->starts + place + 1, ix->starts + place, (ix->n - place) * sizeof(u32));
    memmove(ix->order + place + 1, ix->order + place, (ix->n - place) * sizeof(u32));
    ix->starts[place] = start;
    ix->order[place] = ix->n;
    IndexChunk *chunk = &ix->chunks[ix->n++];
    chunk->n = 0;
    chunk->is_dense = true;
    return chunk;
}

static void note_density(IndexChunk *chunk)
{
    chunk->is_dense = chunk->n == 0 || chunk->start[chunk->n - 1] - chunk->start[0] == chunk->n - 1u;
}

/* Insert an entry at `at` of the chunk at `place`. */
static void insert(Index *ix, u32 place, u32 at, u32 start, u32 leaf)
{
    IndexChunk *chunk = &ix->chunks[ix->order[place]];
    if (chunk->n == CHUNK_ENTRIES) {
        /* Numbers mostly grow at the end: a last chunk is left full. */
        u32 keep = place + 1 == ix->n && at == CHUNK_ENTRIES ? CHUNK_ENTRIES : CHUNK_ENTRIES / 2;
        u32 first = keep == CHUNK_ENTRIES ? start : chunk->start[keep];
        IndexChunk *fresh = new_chunk(ix, place + 1, first);
        if (fresh == NULL)
            return;
        chunk = &ix->chunks[ix->order[place]];
        fresh->n = (u16)(CHUNK_ENTRIES - keep);
        memcpy(fresh->start, chunk->start + keep, fresh->n * sizeof(u32));
        memcpy(fresh->leaf, chunk->leaf + keep, fresh->n * sizeof(u32));
        chunk->n = (u16)keep;
        note_density(chunk);
        note_density(fresh);
        if (at > keep || keep == CHUNK_ENTRIES) {
            chunk = fresh;
            at -= keep;
        }
    }
    memmove(chunk->start + at + 1, chunk->start + at, (chunk->n - at) * sizeof(u32));
    memmove(chunk->leaf + at + 1, chunk->leaf + at, (chunk->n - at) * sizeof(u32));
    chunk->start[at] = start;
    chunk->leaf[at] = leaf;
    chunk->n++;
    note_density(chunk);
}

void index_append(Index *ix, u32 number, u32 leaf)
{
    if (ix->lost || (ix->n != 0 && ix->last_leaf == leaf))
        return;
    if (ix->n == 0 && new_chunk(ix, 0, number) == NULL)
        return;
    u32 place = ix->n - 1;
    IndexChunk *chunk = &ix->chunks[ix->order[place]];
    if (chunk->n < CHUNK_ENTRIES) {
        chunk->is_dense &= chunk->n == 0 || number - chunk->start[0] == chunk->n;
        chunk->start[chunk->n] = number;
        chunk->leaf[chunk->n++] = leaf;
    } else {
        insert(ix, place, CHUNK_ENTRIES, number, leaf);
    }
    ix->last_leaf = leaf;
}

void index_assign(Index *ix, u32 number, u32 n, u32 limit, u32 leaf)
{
    u32 end = number + n;
    while (number < end && !ix->lost) {
        u32 place = chunk_of(ix, number);
        IndexChunk *chunk = &ix->chunks[ix->order[place]];
        u32 at = entry_of(chunk, number);
        if (n == 1 && at + 1 < chunk->n && chunk->is_dense) {
            chunk->leaf[at] = leaf;
            return;
        }
        u32 start = chunk->start[at], old = chunk->leaf[at];
        u32 stop = at + 1 < chunk->n      ? chunk->start[at + 1]
                   : place + 1 < ix->n    ? ix->starts[place + 1]
                                          : limit;
        bool last = stop == limit && place + 1 == ix->n && at + 1 == chunk->n;
        if (end < stop) { /* the rest of the entry stays where it was */
            insert(ix, place, at + 1, end, old);
            stop = end;
            continue;
        }
        if (start < number) {
            insert(ix, place, at + 1, number, leaf);
        } else if (at > 0 && chunk->leaf[at - 1] == leaf) {
            memmove(chunk->start + at, chunk->start + at + 1, (chunk->n - at - 1) * sizeof(u32));
            memmove(chunk->leaf + at, chunk->leaf + at + 1, (chunk->n - at - 1) * sizeof(u32));
            chunk->n--;
            note_density(chunk);
        } else {
            chunk->leaf[at] = leaf;
        }
        if (last)
            ix->last_leaf = leaf;
        number = stop;
    }
}

void index_truncate(Index *ix, u32 number)
{
    while (ix->n != 0) {
        u32 place = ix->n - 1;
        IndexChunk *chunk = &ix->chunks[ix->order[place]];
        while (chunk->n != 0 && chunk->start[chunk->n - 1] >= number)
            chunk->n--;
        if (chunk->n != 0) {
            ix->last_leaf = chunk->leaf[chunk->n - 1];
            return;
        }
        /* Chunks are freed by moving the last one of the pool into the hole. */
        u32 hole = ix->order[place];
        if (hole != place) {
            for (u32 i = 0; i < place; i++)
                if (ix->order[i] == place)
                    ix->order[i] = hole;
            ix->chunks[hole] = ix->chunks[place];
        }
        ix->n--;
    }
}

int index_copy(Index *to, const Index *from)
{
    *to = (Index){.lost = from->lost, .last_leaf = from->last_leaf};
    if (from->n == 0)
        return DONE;
    if (array_reserve(&to->chunks, &to->capacity, from->n, sizeof(IndexChunk)) != DONE ||
        array_reserve(&to->starts, &to->starts_capacity, from->n, sizeof(u32)) != DONE ||
        array_reserve(&to->order, &to->order_capacity, from->n, sizeof(u32)) != DONE) {
        index_free(to);
        return ERROR_MEMORY;
    }
    memcpy(to->chunks, from->chunks, from->n * sizeof(IndexChunk));
    memcpy(to->starts, from->starts, from->n * sizeof(u32));
    memcpy(to->order, from->order, from->n * sizeof(u32));
    to->n = from->n;
    return DONE;
}

size_t index_memory(const Index *ix)
{
    return block_footprint(ix->capacity * sizeof(IndexChunk)) +
           block_footprint(ix->starts_capacity * sizeof(u32)) +
           block_footprint(ix->order_capacity * sizeof(u32));
}
