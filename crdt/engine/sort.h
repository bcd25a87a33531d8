/* Sorting pairs of 32-bit numbers. */
#ifndef CRDT_SORT_H
#define CRDT_SORT_H

#include "base.h"

/* Sort n numbers by their upper halves; those with equal ones stay in order. `spare` has room for as many.
 * O(n), by digits. */
void sort_by_upper(u64 *numbers, u64 *spare, u32 n);

static inline u64 pair_of(u32 upper, u32 lower)
{
    return (u64)upper << 32 | lower;
}

static inline u32 upper_of(u64 pair)
{
    return (u32)(pair >> 32);
}

static inline u32 lower_of(u64 pair)
{
    return (u32)pair;
}

#endif
