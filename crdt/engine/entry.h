/* The head of an entry in a table's section: what its two low bits say. Shared by writer and reader. */
#ifndef CRDT_ENTRY_H
#define CRDT_ENTRY_H

/* The writer's place in the message's list is above these bits. */
enum {
    ENTRY_LAST = 0,    /* a live entry, the last of its row */
    ENTRY_MORE = 1,    /* a live entry, another follows */
    ENTRY_REMOVAL = 2, /* the event that removed something under this key; ends the row */
    ENTRY_NONE = 3,    /* no entry at all: an ORMap row that only holds what must be remembered */
};

/* What follows the entries of an ORMap row. */
enum {
    CHILD_UNTOLD = 0,  /* no news below */
    CHILD_SECTION = 1, /* the child's section */
    CHILD_BLANK = 2,   /* the sender holds nothing below */
};

#endif
