/* Which leaf of the tree holds an element: intervals of local numbers, each in one leaf.
 *
 * Elements move between leaves only when a leaf is divided, so intervals are long and few; a dense
 * table would double the memory of a sequence for little speed. They are kept sorted in chunks
 * under one directory. The index can be derived from the tree, so when memory for it runs out it
 * is dropped (`lost`) and the tree is searched leaf by leaf instead of failing an edit.
 */
#ifndef CRDT_SEQUENCE_INDEX_H
#define CRDT_SEQUENCE_INDEX_H

#include "base.h"

enum { CHUNK_ENTRIES = 62 };

typedef struct {
    u16 n;
    bool is_dense; /* each number is an entry, as where elements came in at random places */
    u32 start[CHUNK_ENTRIES]; /* an entry reaches to the next one's start */
    u32 leaf[CHUNK_ENTRIES];
} IndexChunk;

typedef struct {
    IndexChunk *chunks;
    u32 *starts, *order; /* the directory: first number and place of each chunk, in order */
    u32 n, capacity, starts_capacity, order_capacity;
    u32 last_leaf;       /* the leaf of the last entry */
    bool lost;
} Index;

/* The leaf that holds `number`, which must have been appended. */
u32 index_leaf(const Index *ix, u32 number);

/* Elements [number, ...) are new, the highest yet, and in `leaf`. */
void index_append(Index *ix, u32 number, u32 leaf);

/* Elements [number, number + n), all of one other leaf until now, have moved to `leaf`. */
void index_assign(Index *ix, u32 number, u32 n, u32 limit, u32 leaf);

/* Forget elements from `number` on. */
void index_truncate(Index *ix, u32 number);

void index_free(Index *ix);
int index_copy(Index *to, const Index *from);
size_t index_memory(const Index *ix);

#endif
