/* Entries and rows of a table on their way into a message. */
#ifndef CRDT_ROW_WRITER_H
#define CRDT_ROW_WRITER_H

#include "entry.h"
#include "table_sort.h"

/* Of the entry before, since differences are small. They run through a section. */
typedef struct {
    Dot dot;
    u64 stamp;
} Run;

/* An entry with the value and stamp of a row, or with neither: NO_ROW. */
void entry_write(Encoder *e, const Table *t, Run *run, Dot dot, u32 row, u8 kind);

/* A row whose key has no other. */
void row_write(Encoder *e, const Table *t, Run *run, u32 row);

/* All rows of a table where each is the only one of its key, at the beginning of a section: as they lie, up to the
 * first whose key does not come after the one before. Returns how many of them lie in order; whether all could be
 * written, the encoder knows. */
u32 rows_write_in_order(Encoder *e, const Table *t);

/* The same in the order that rows_sort found. */
void rows_write_sorted(Encoder *e, const Table *t, const SortItem *sorted);

#endif
