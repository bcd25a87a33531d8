/* Bounded growth of a sequence: announcing deleted elements, and taking them out (sequence_condemned.h). */
#ifndef CRDT_SEQUENCE_PURGE_H
#define CRDT_SEQUENCE_PURGE_H

#include "sequence_state.h"

/* Whether an element may not be a right origin any more. The idle ones are found anew when needed: ERROR_MEMORY. */
int idle_refresh(Sequence *s);

/* Step over idle elements from a point on; the element where that ends, or NOTHING. Refreshed. */
u32 idle_pass(const Sequence *s, Point at);

/* An element with these origins has come from elsewhere: what was idle may not be any more. */
void idle_meet(Sequence *s, u32 left, u32 right);

/* The part of the digest that tells what is condemned. */
Digest digest_of_condemned(const Sequence *s);

/* Join what others have condemned: stretches that are apart, in any order. They are put in order. */
int sequence_join_condemned(Sequence *s, CondemnedList *more);

/* Join what `side`, of which all elements are here too, has condemned and this one does not show. */
int condemned_adopt(Sequence *s, const Sequence *side);

/* ---- the wire (sequence_purge_wire.c) ------------------------------------------------------------ */

/* Write what is condemned by purges that the receiver lacks; and read over it. */
void condemned_write(const Sequence *s, Encoder *e);
int condemned_check(Decoder *d);

#endif
