/* Bounded growth: the cut below which removals are forgotten, and the writers that have left.
 *
 * A purge is an event like any other. It raises the document's cut, which is part of the state and
 * joins by maximum. Whoever asks for it vouches that the cut is causally stable: every member holds
 * it, and what any member wrote before holding it is held here. So an event that the purge has not
 * seen was written by somebody who had seen all that is purged, and no tombstone is needed against it.
 *
 * What the cut purges, so that equal versions have equal bytes (docs/explanation/growth.md):
 *   - in a last-writer-wins table, all entries of a key, if the one that counts is a deletion and all
 *     are at or below the cut;
 *   - below an ORMap, a counter's slot that adds nothing, if its last event and the removal that
 *     observed it are;
 *   - a deleted element of a sequence that no other needs, if the purge that condemned it is: that is the first after
 *     its deletion (sequence_condemned.h);
 *   - the name of a retired writer that nothing in the state refers to any more, when the purge after
 *     the one that retired it is made, if that one is at or below the cut by then.
 *
 * Sources: Wuu and Bernstein, "Efficient solutions to the replicated log and dictionary problems"
 * (1984), and Baquero, Almeida and Shoker, "Pure operation-based replicated data types" (2017), for
 * causal stability; van Renesse et al., "Scuttlebutt" (2008), for what is told to those who missed it.
 */
#ifndef CRDT_GROWTH_H
#define CRDT_GROWTH_H

#include "document.h"

/* How many entries would go if the cut rose to `cut` (by local index). O(rows of tables that hold
 * deletions), no allocation. */
u64 document_purgeable(Document *doc, const u64 *cut);
/* How many entries are left that the document's own cut purges. `nothing` is a cut of zeros. */
u64 document_overdue(Document *doc, const u64 *nothing);

/* Raise the cut, which must be seen, and retire the writers that `retired` marks (by local index; not
 * the own one), by one event. UNCHANGED, without an event, if nothing goes and nobody is retired. */
int document_purge(Document *doc, const u64 *cut, const bool *retired);

/* ---- between the files of the engine ----------------------------------------------------------- */

/* Take what the document's own cut purges out of the whole tree. Out of memory, elements of sequences stay until
 * the cut rises again. */
void growth_sweep(Document *doc);
/* The same but for elements of sequences: before a message is joined, what it brings may need them. */
void growth_sweep_entries(Document *doc);
/* The same for one table: after rows have gone from it. */
void growth_sweep_table(Document *doc, Table *t);
/* The same for one key of a table below an ORMap: after its entries were joined. */
void growth_sweep_key(Document *doc, Table *t, const Probe *p);
/* Whether anything is condemned in a sequence below; with `e`, by a purge that its receiver lacks. */
bool growth_condemned(const Container *c, const Encoder *e);
/* Whether the document's own cut purges a slot that looks like this. */
bool slot_is_purged(const Document *doc, const Slot *s);
void slot_remove(Document *doc, Counter *c, u32 slot);

/* Whether a purge has left anything in the state: what the digest has of growth is more than nothing. */
bool growth_is_there(const Document *doc);
/* The part of a writer's growth in the digest. */
void growth_digest(Document *doc, u16 writer, bool add);
void cut_stamp_raise(Document *doc, u64 stamp);
/* For each writer whether an entry refers to it; the caller frees. NULL when out of memory. */
bool *writers_named(const Document *doc);
/* Of the writers that go, keep those who retired one that stays: it refers to them. */
void keep_who_retired(const Replicas *r, bool *goes);
/* Drop the name of a writer that nothing refers to. */
void writer_forget(Document *doc, u16 writer);

/* ---- in messages (growth_wire.c) --------------------------------------------------------------- */

/* Which flags a message for a holder of `since` has; `complete` as in Encoder. */
u8 growth_flags(const Document *doc, const u64 *since, bool everything, bool *complete);
/* For each writer of which the message lists more than 0 events (`tops`; NULL: all that are seen). */
void growth_write(const Document *doc, Encoder *e, u8 flags, const u64 *tops);
/* Read and check what the flags promise, after the writers. */
int growth_read(Decoder *d, u8 flags);
/* Whether the message, whose writers bring news, may be joined with what is here. */
Landing growth_landing(const Document *doc, const Decoder *d);
/* Of writers whose names the sender has dropped it has seen everything: note that in its tops, by local index. */
void growth_tops(const Document *doc, const Decoder *d, u64 *tops);
/* Join the cut and the retirements; writers have local indexes, room for growth is there. */
void growth_land(Document *doc, Decoder *d);
/* After the section: drop the names that the sender has dropped. */
void growth_forget(Document *doc, const Decoder *d);

#endif
