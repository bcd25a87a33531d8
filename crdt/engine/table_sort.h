/* The canonical order of a table's rows: by key (item_compare), those of one key by writer. */
#ifndef CRDT_TABLE_SORT_H
#define CRDT_TABLE_SORT_H

#include "document.h"

typedef struct {
    u64 prefix; /* what of the key decides next: eight bytes from where the keys around it begin to differ */
    u32 row;
} SortItem;

/* Put the rows in order: `*sorted` becomes NULL if they lie in it, which costs little, else a block of
 * rows_in_order_bytes that the caller frees and that begins with them. */
int rows_in_order(const Document *doc, const Table *t, SortItem **sorted);

static inline size_t rows_in_order_bytes(const Table *t)
{
    return 2 * (size_t)t->n * sizeof(SortItem);
}

#endif
