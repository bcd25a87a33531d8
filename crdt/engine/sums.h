/* Rows and slots that the digest does not count yet.
 *
 * To hash an entry costs as much as to write it, and of what is written again before anyone asks for the digest only
 * the last matters. So a change of the container that was changed last only marks its row here; whoever asks for the
 * digest, and a change of another container, adds up what is marked. Each change marks one row at most, so that
 * asking costs no more than has been changed since.
 *
 * Not for containers below an ORMap, which come and go.
 */
#ifndef CRDT_SUMS_H
#define CRDT_SUMS_H

#include "container.h"

/* Marks of the rows from FIRST_ROWS on: a bit each, in `words` words, and behind them the numbers of the n words that
 * have any. One block. */
typedef struct {
    u32 words, n;
    u64 word[];
} Marks;

enum { FIRST_ROWS = 64 };

typedef struct {
    Container *of; /* NULL: of none */
    u64 first;     /* a bit for each of its first rows */
    Marks *more;
} Unsummed;

static inline bool is_marked(const Unsummed *u, const Container *c, u32 row)
{
    if (u->of != c)
        return false;
    if (row < FIRST_ROWS)
        return u->first >> row & 1;
    return u->more != NULL && row / 64 < u->more->words && (u->more->word[row / 64] >> row % 64 & 1);
}

/* What `mark` does for a row for whose mark there may be no room; false: there is none. */
bool mark_far(Unsummed *u, u32 row);

/* Mark a row of `u->of`; whether that could be done. */
static inline bool mark(Unsummed *u, u32 row)
{
    if (row < FIRST_ROWS) {
        u->first |= (u64)1 << row;
        return true;
    }
    if (u->more == NULL || row / 64 >= u->more->words || u->more->word[row / 64] == 0)
        return mark_far(u, row);
    u->more->word[row / 64] |= (u64)1 << row % 64;
    return true;
}

void marks_free(Marks *m);
size_t marks_memory(const Marks *m);

#endif
