/* Which sequences a delta tells of, to check what it tells twice.
 *
 * A delta may name a key of an ORMap again and again (once for each removal), each time with what is news
 * below. A sequence's section is checked against what is held before the message lands; so what a second
 * one adds must be what the first has added: the same bytes.
 */
#ifndef CRDT_TOLD_H
#define CRDT_TOLD_H

#include "codec.h"

/* Note the section that ends here, of the sequence at a path. ERROR_MEMORY. */
int told_note(Decoder *d, u64 path, const u8 *section);
/* Whether of each sequence one thing is told; refuses otherwise. O(n log n). */
int told_check(Decoder *d);
static inline void told_free(Decoder *d)
{
    if (d->told_capacity != 0)
        block_free(d->told, d->told_capacity * sizeof(Told));
}

#endif
