/* The canonical order of a table's rows: by key (item_compare), those of one key by writer. */
#ifndef CRDT_TABLE_SORT_H
#define CRDT_TABLE_SORT_H

#include "document.h"

typedef struct {
    u64 prefix; /* what of the key decides next: eight bytes from where the keys around it begin to differ */
    u32 row;
} SortItem;

/* A number that orders as keys do: type, first eleven bytes, and the length if these are all. Different keys with the
 * same number are both longer. */
static inline u128 key_order(const Table *t, u32 row)
{
    const KeyCell *cell = &t->key[row];
    u64 first = load64_be(cell);
    u32 last = load32_be(cell->p + 7);
    if (unlikely((cell->head & 15) == IN_ARENA)) {
        const u8 *p = table_key(t, row).p;
        first = (u64)cell->head << 56 | load64_be(p) >> 8;
        last = load32_be(p + 7);
    }
    first &= ~((u64)15 << 56); /* of its first byte the type */
    return (u128)first << 64 | (u64)last << 32 | (cell->head & 15);
}

/* Whether the rows lie in order. */
bool rows_are_in_order(const Document *doc, const Table *t);

/* Put the rows in order: `*sorted` becomes a block of rows_sorted_bytes that the caller frees and that begins with
 * them. */
int rows_sort(const Document *doc, const Table *t, SortItem **sorted);

static inline size_t rows_sorted_bytes(const Table *t)
{
    return 2 * (size_t)t->n * sizeof(SortItem);
}

#endif
