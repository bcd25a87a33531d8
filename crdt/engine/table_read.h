/* Reading the section of a set, register or map, a row at a time. */
#ifndef CRDT_TABLE_READ_H
#define CRDT_TABLE_READ_H

#include "document.h"

typedef struct {
    RemoteDot dot;
    u64 stamp;
    Item value;
} Entry;

typedef struct {
    Item key;
    Entry *all; /* the live entries, by rising writer */
    u32 n, capacity;
    RemoteDot removal; /* sequence 0: none */
} Group;

typedef struct {
    const Document *doc;
    Decoder *d;
    Expected x;
    u64 rows;            /* at most so many follow, if the section is not checked yet */
    u64 sequence, stamp; /* differences run through the whole section */
    u8 columns;
    bool complete, keeps_siblings;
    bool is_first; /* for the check: no row was read yet */
    Item previous; /* else the key of the last one */
    Group group;   /* the row that was read */
} TableReading;

/* What precedes the rows. To be ended whatever it returns. */
int table_read_begin(const Document *doc, Decoder *d, Expected x, TableReading *r);
/* The next row, with all checks of its own form. */
int table_read_next(TableReading *r);
/* The same, with all other checks. */
int table_check_next(TableReading *r);
void table_read_end(TableReading *r);

#endif
