/* The sequence that `OpBasedList` and `Text` share: a replicated list in FugueMax order.
 *
 * Sources: Weidner and Kleppmann, "The Art of the Fugue" (2023), for the order; Gentle and
 * Kleppmann, "Collaborative Text Editing with Eg-walker" (2025), for runs in a ranked B-tree with
 * the origins kept outside of it.
 *
 * Every element has an id, which is a dot, and two origins fixed at birth: `left`, the visible
 * element before the place it was typed at, and `right`, the element next after `left`, deleted
 * ones included. Origins alone decide the order (sequence_integrate.c). Deleting an element frees its
 * content and keeps its id and origins, until a purge takes it out. Inside a sequence elements go by
 * local numbers (`u32`, in order of arrival); other replicas never see those.
 *
 * The parts, each knowing nothing of the later ones:
 *   sequence_content   the units of one leaf: code points or list cells
 *   sequence_index     local number -> leaf
 *   sequence_tree      spans of elements in document order, ranked by what is visible
 *   sequence_runs      who inserted what with which origins; id <-> local number
 *   sequence_log       recent delete events, to answer a peer that lacks only some
 *   sequence_state     the whole, its digest; deleting and reviving by local number
 *   sequence_edit, _undo           local edits and taking them back
 *   sequence_integrate             where a remote element goes
 *   sequence_gaps, _condemned, _purge   taking out deleted elements that nobody needs
 *   sequence_wire                  the bytes of a section
 *   sequence_news, _encode         what a peer lacks, and writing it
 *   sequence_check, _apply         reading it; _build into an empty one
 *   sequence_keystroke             both, for a keystroke
 *
 * Invariants, checked by sequence_broken_invariant:
 *   1. Every local number below `next` stands in exactly one span, and in no other place.
 *   2. A leaf holds one unit of content per visible element of its spans, in their order.
 *   3. Every visible count in the tree is the sum of what it counts.
 *   4. Neighbouring spans of a leaf differ in being deleted or are not consecutive numbers.
 *   5. The index maps every local number to the leaf that holds it.
 *   6. Runs rise by local number; an element's origins have smaller numbers than its run.
 *   7. Of one writer, sequence numbers rise with local numbers, and no id is there twice.
 *   8. The digest is the sum over the state.
 *   9. The log names only deleted elements; its events rise for each writer.
 *  10. What is condemned is deleted, in rising stretches.
 * That the document order is that of the origins is tested against an executable model.
 */
#ifndef CRDT_SEQUENCE_H
#define CRDT_SEQUENCE_H

#include "codec.h"
#include "item.h"
#include "sequence_log.h"

typedef struct Sequence Sequence;

/* ---- life -------------------------------------------------------------------------------- */

/* An empty sequence. `replicas` must outlive it; `path` sets its digest apart from those of the
 * document's other containers. NULL when out of memory. */
Sequence *sequence_new(Replicas *replicas, bool is_text, u64 path);
void sequence_free(Sequence *s);
/* Make it as it was when new. */
void sequence_empty(Sequence *s);

/* An independent copy over an equal table of replicas; NULL when out of memory. O(n), mostly memcpy. */
Sequence *sequence_clone(const Sequence *s, Replicas *replicas);

/* All heap bytes held. */
size_t sequence_memory(const Sequence *s);

/* ---- reads ------------------------------------------------------------------------------- */

u32 sequence_length(const Sequence *s);         /* visible elements */
bool sequence_is_blank(const Sequence *s);      /* no element at all, deleted ones included */
Digest sequence_digest(const Sequence *s);      /* O(1) */

/* The code points of [position, position + n), which must lie inside. `text_widest` is at least the
 * largest of them and needs no more bytes than it. */
u32 text_widest(const Sequence *s, u32 position, u32 n);
void text_copy(const Sequence *s, u32 position, u32 n, void *out, int width);

/* O(log n); the item's bytes are good until the next change. */
Item list_item(const Sequence *s, u32 position);

/* Visible items in order, O(1) each:
 *     SequenceWalk walk = walk_start(s, 0);
 *     for (Item item; walk_next(&walk, &item);) ...
 * Of a text, the items are INTEGER code points. No change of the sequence in between. */
typedef struct {
    const Sequence *sequence;
    u32 leaf, unit;
} SequenceWalk;

SequenceWalk walk_start(const Sequence *s, u32 position);
bool walk_next(SequenceWalk *walk, Item *item);

/* The element at a visible position, and how many visible ones are before an element, which may
 * itself be deleted. ERROR_RANGE: no such position or element. O(log n). */
int sequence_dot_at(const Sequence *s, u32 position, Dot *dot);
int sequence_position_of(const Sequence *s, Dot dot, u32 *position, bool *visible);

/* ---- local edits -------------------------------------------------------------------------
 *
 * `first` is the id of the first new element, the next ones take the sequence numbers after it.
 * A delete is one event, however many elements it takes (ONE_EVENT), or deletes them one after another, from
 * the first of them on or from the last one backwards, each by the next event. Sequence numbers of a writer rise.
 * Without `may_undo` what is deleted need not be kept: it cannot be undone.
 * ERROR_RANGE, ERROR_LIMIT, ERROR_MEMORY: nothing was changed.
 */
int text_insert(Sequence *s, u32 position, Dot first, const void *units, int width, u32 n);
int list_insert(Sequence *s, u32 position, Dot first, const Item *items, u32 n);
int sequence_delete(Sequence *s, u32 position, u32 n, Dot first, DeletionKind kind, bool may_undo);
int sequence_clear(Sequence *s, Dot event);

/* Undo the last local edit not yet undone since `sequence_settle`, newest first. */
int sequence_undo_insert(Sequence *s, Dot first, u32 n);
int sequence_undo_delete(Sequence *s, Dot first, u32 events);

/* The edits so far stay: what was kept to undo them is freed, and the delete log cut to its bound.
 * Call it when a transaction commits. Cheap when there is nothing to do. */
void sequence_settle(Sequence *s);

/* The same when a transaction has been undone: leaves that it made and left nearly empty are packed too. */
void sequence_give_back(Sequence *s);

/* ---- the wire (docs/explanation/wire-format.md, "Sequences") ----------------------------- */

/* Whether a holder of e->since lacks something; then `sequence_encode` writes it. */
bool sequence_has_news(const Sequence *s, const Encoder *e);

/* Set used[local index] for each writer the section will name. */
int sequence_mark_writers(const Sequence *s, const Encoder *e, bool *used);
int sequence_encode(const Sequence *s, Encoder *e);

/* Set named[local index] for each writer of an element, and of a purge that condemned one. */
void sequence_mark_authors(const Sequence *s, bool *named);
/* Forget which deletions were events of this writer: nobody lacks them. */
void sequence_forget_deleter(Sequence *s, u16 replica);

/* Write it as `sequence_encode` would, when it is some characters typed on or one deletion: fast. False: it is
 * anything else, and nothing was written. */
bool sequence_encode_keystroke(const Sequence *s, Encoder *e);

/* Check and join a section that is all that is left of the message and holds nothing but characters typed on
 * after the last change here, or one deletion: fast. False: it is anything else, and nothing was changed. */
bool sequence_take_keystroke(Sequence *s, Decoder *d);

/* Read a section and validate all of it against what is held (`s` may be NULL: nothing yet). */
int sequence_check(const Sequence *s, bool is_text, Decoder *d);

/* Join a checked section. What is held already is skipped. ERROR_MEMORY: a part may have been
 * joined; joining the same section again completes it. */
int sequence_apply(Sequence *s, Decoder *d);

/* ---- bounded growth (growth.h, sequence_purge.c) ------------------------------------------------ */

/* How many deleted elements a purge would condemn, or take out if the cut rose to `cut` (by local index,
 * beside the replicas' own); without `cut`, how many the replicas' own should have. 0 also when out of
 * memory. O(runs + spans), with a logarithm. */
u64 sequence_purgeable(const Sequence *s, const u64 *cut);

/* Whether a purge has condemned something that is still there; with `e`, one that its receiver lacks. */
bool sequence_has_condemned(const Sequence *s, const Encoder *e);

/* Condemn the deleted elements that no other needs, by a purge. */
int sequence_condemn(Sequence *s, Dot by);

/* Take out what was condemned at or below the replicas' cut and no other element needs. ERROR_MEMORY:
 * nothing was. Not while edits may be undone. */
int sequence_sweep(Sequence *s);

/* ---- tests ------------------------------------------------------------------------------- */

/* NULL, or the text of an invariant that does not hold. Slow. */
const char *sequence_broken_invariant(const Sequence *s);

#endif
