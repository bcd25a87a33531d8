/* Edits of a text, gathered before any is made: what is typed on, and what a held key deletes one by one, is
 * one step, since the tree, the digest and the undo record then see one edit. The events are the same.
 */
#ifndef CRDT_PATCHES_H
#define CRDT_PATCHES_H

#include "document.h"

enum { STEP_INSERT = EACH_BACKWARD + 1 };

typedef struct {
    u32 at, n;
    u8 kind; /* a DeletionKind, or STEP_INSERT */
    u8 width; /* of what is inserted: bytes a code point */
} Step;

typedef struct {
    Step *steps;
    u32 *units; /* of all inserts in their order, each from a word of its own on */
    size_t used; /* bytes of them */
    u32 n, capacity, units_capacity;
} Patches;

/* Delete from a position on, then insert there. ERROR_LIMIT, ERROR_MEMORY: it may stay there in part. */
int patches_add(Patches *p, u32 at, u32 deleted, const void *units, u8 width, size_t n);

/* The same of one narrow code point that is typed on: most patches are. False: it is not, or there is no room. */
static inline bool patches_type_on(Patches *p, u32 at, u8 unit)
{
    if (p->n == 0 || p->used == (size_t)p->units_capacity * 4)
        return false;
    Step *last = &p->steps[p->n - 1];
    if (last->kind != STEP_INSERT || last->width != 1 || at != last->at + last->n)
        return false;
    ((u8 *)p->units)[p->used++] = unit;
    last->n++;
    return true;
}

void patches_free(Patches *p);

/* Make these edits. On an error those before it are kept. */
int node_apply(Document *doc, SequenceNode *s, const Patches *p);

#endif
