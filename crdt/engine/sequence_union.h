/* The union of two sequences whose histories contradict each other. */
#ifndef CRDT_SEQUENCE_UNION_H
#define CRDT_SEQUENCE_UNION_H

#include "sequence.h"
#include "siphash.h"

/* A new sequence of all elements of both, over the same table of replicas: for elements that both have
 * with one origin and content, what sequence_apply makes. An id that they hold differently keeps, of the
 * two, the greater origins and the greater content (docs/explanation/wire-format.md, "Entries"); what
 * only one of them has deleted is visible. Both sides get the same from (a, b) and (b, a).
 *
 * `held`, by local index: the new delete log knows nothing below. ERROR_LIMIT: more than ELEMENTS_MAX.
 * O((runs + pieces) log n). */
int sequence_union(const Sequence *a, const Sequence *b, const u64 *held, Sequence **out);

/* Add the document order of all elements to a hash, as stretches of consecutive ids. Origins alone decide
 * it, so the digest need not cover it; but origins that contradict each other leave it to the order of
 * arrival, which a union from scratch makes the same again. O(spans). */
void sequence_hash_order(const Sequence *s, Sip *sip);

/* Whether every element's id is at or below `tops` of its writer (by local index). */
bool sequence_is_within(const Sequence *s, const u64 *tops);

#endif
