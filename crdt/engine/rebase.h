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
 * know. On an error `onto` may have a part of it: throw it away. O(size of both), log for sequences. */
int document_rebase(Document *onto, const Document *from);

#endif
