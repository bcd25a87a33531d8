/* Rebase: what one state alone has, written anew on top of another that it cannot be joined with.
 *
 * After a purge a state from before it must not be joined: what it holds of removed entries would come
 * back, since no tombstone is left to meet them. Instead its own news are found by their dots (events
 * that the newer state has not seen) and made again there as events of a new writer.
 */
#ifndef CRDT_REBASE_H
#define CRDT_REBASE_H

#include "document.h"

/* Write what `from` has and `onto` has not seen into `onto`, under its own writer, which `from` must not
 * know. `whose` (by index in `from`; NULL: everybody) marks the writers whose events are made again. On an error `onto`
 * may have a part of it: throw it away. O(size of both), log for sequences.
 *
 * If `onto` has purged what is still in `from`, and `from` nothing that is still in `onto`, those events count as seen
 * from then on: whoever else holds them finds that, and does not make them again. What they wrote outside of ORMaps
 * keeps its dots where it is the same whoever does this (counts, entries that keep one value a key), and so is there
 * once if two have done it apart. */
int document_rebase(Document *onto, const Document *from, const bool *whose);

/* ---- between its files ------------------------------------------------------------------------- */

typedef struct {
    Document *onto;
    const Document *from;
    i32 *there; /* a writer of `from` -> its index in `onto`, -1: unknown there */
    i32 *here;  /* the other way */
    u64 *seen;  /* of `onto` before the rebase, by its own indexes */
    u32 known;  /* writers of `onto` then */
    bool *whose; /* by index in `from`: the writers whose events are made again */
    bool *stays; /* and of those, who is known from then on, as far as `from` has seen */
} Rebase;

/* Whether this event of `from` is unknown to `onto`, and to be made again. */
static inline bool is_alone(const Rebase *r, Dot d)
{
    if (!r->whose[dot_replica(d)])
        return false;
    i32 there = r->there[dot_replica(d)];
    return there < 0 || (u32)there >= r->known || dot_sequence(d) > r->seen[there];
}

/* Whether `from` has seen this event of `onto`. */
static inline bool is_observed(const Rebase *r, Dot d)
{
    if (dot_replica(d) >= r->known || r->here[dot_replica(d)] < 0)
        return false;
    return dot_sequence(d) <= r->from->replicas.all[r->here[dot_replica(d)]].seen;
}

static inline Dot dot_here(const Rebase *r, Dot d)
{
    return dot_of((u16)r->here[dot_replica(d)], dot_sequence(d));
}

int rebase_counter(Rebase *r, Counter *to, const Counter *from);
int rebase_table(Rebase *r, Table *to, const Table *from);
int rebase_sequence(Rebase *r, SequenceNode *to, const SequenceNode *from);

/* The floors that a slot of `onto` gets from what `from` had removed; whether they are news. */
bool raised_floors(const Rebase *r, const Slot *s, const Counter *from, u64 *up, u64 *down);
/* Whether `from` had seen this entry and holds it no more. */
bool was_removed(const Rebase *r, const Table *to, const Table *from, u32 row);

/* What `from` had seen and holds no more goes; a removal above, `event`, tells of it. */
void floor_counter(Rebase *r, Counter *to, const Counter *from, Dot event);
int remove_observed(Rebase *r, Table *to, const Table *from, Dot event);
int delete_observed(Rebase *r, SequenceNode *to, const SequenceNode *from);

#endif
