/* Filling the tree of a sequence from nothing, in document order: leaf after leaf, then the nodes above them. */
#ifndef CRDT_SEQUENCE_FILL_H
#define CRDT_SEQUENCE_FILL_H

#include "sequence_state.h"

typedef struct {
    Sequence *s;
    const Decoder *d;
    /* The content of the last leaf: code points in bytes while they fit, else in words; or cells. */
    u64 words[LIST_LEAF_UNITS];
    u8 heads[LIST_LEAF_UNITS];
    u32 wide[TEXT_LEAF_UNITS];
    u8 narrow[TEXT_LEAF_UNITS];
    u32 n;
    u8 width;
} Filling;

/* The tree is empty. */
void fill_open(Filling *f, Sequence *s, const Decoder *d);

/* Elements of one kind come next, with ids from `first` on. Of visible ones the content is at `*content`, checked, and
 * stepped over. */
int fill_on(Filling *f, Span span, Dot first, const u8 **content);

/* All of the runs' elements are there. */
int fill_close(Filling *f);

#endif
