/* The sections of counters, and joining their slots. */
#ifndef CRDT_COUNTER_H
#define CRDT_COUNTER_H

#include "document.h"

int counter_encode(const Document *doc, Encoder *e, const Counter *c, bool whole, bool *has_news);
int counter_check(Decoder *d, Expected x);
int counter_apply(Document *doc, Decoder *d, Counter *c, const u64 *tops);
/* What the sender has seen goes: below a removal, or when it has purged what is still here. */
void counter_drop(Document *doc, Counter *c, const u64 *tops);

/* Of each number the larger, and the removal that observed more (not in the digest). */
void slot_join(const Document *doc, Slot *held, const Slot *s);

#endif
