/* Deleted elements that a purge has announced: from then on nobody takes them as origins anew.
 *
 * The first purge after a deletion *condemns* the element, which is part of the state from then on: by
 * which purge, of several the smallest dot. Who has seen that purge passes over the element when it looks
 * for a right origin, if it is *idle*: no element that is not itself passed over has it as an origin. So
 * once the purge is at or below the cut, whatever is still to come has passed over it, and what is idle
 * can go (sequence_purge.c). Leaving out a set of elements that no other has as an origin changes neither
 * the tree nor the order of the rest: it is as if they were concurrent and not known yet.
 *
 * Stretches are of consecutive local numbers, rising and apart.
 */
#ifndef CRDT_SEQUENCE_CONDEMNED_H
#define CRDT_SEQUENCE_CONDEMNED_H

#include "clock.h"

typedef struct {
    u32 first, n;
    Dot by;
} Condemned;

typedef struct {
    Condemned *all;
    u32 n, capacity;
} CondemnedList;

/* The first stretch that ends above a number; list->n if there is none. */
u32 condemned_at(const CondemnedList *list, u32 number);

/* Append a stretch behind all others; it joins the last one if it goes on with the same purge. */
int condemned_append(CondemnedList *list, Condemned stretch);

/* What either list has, and of two purges that condemned one element the smaller dot. */
int condemned_union(const Replicas *r, const CondemnedList *a, const CondemnedList *b, CondemnedList *out);

/* What `list` has and `without` has not. */
int condemned_difference(const CondemnedList *list, const CondemnedList *without, CondemnedList *out);

/* Put stretches that are apart, but in any order, in order. */
void condemned_sort(CondemnedList *list);

void condemned_free(CondemnedList *list);
int condemned_copy(CondemnedList *to, const CondemnedList *from);

#endif
