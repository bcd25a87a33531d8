/* Local numbers that are taken out, and what the others become. */
#ifndef CRDT_SEQUENCE_GAPS_H
#define CRDT_SEQUENCE_GAPS_H

#include "sequence_condemned.h"

typedef struct {
    u32 first, n;
    u32 before; /* numbers taken out below it */
} Gap;

typedef struct {
    Gap *all;
    u32 n, capacity;
} Gaps;

/* The gaps of stretches that rise and are apart. */
int gaps_open(Gaps *gaps, const CondemnedList *gone);
void gaps_close(Gaps *gaps);

/* How many numbers below this one stay: what a number that stays becomes. O(log n). */
u32 gaps_below(const Gaps *gaps, u32 number);

#endif
