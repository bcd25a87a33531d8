/* Rows and slots that the digest does not count yet.
 *
 * To hash an entry costs as much as to write it, and of what is written again within a short time only the last
 * matters. So a change of the container that was changed last only marks its row here; who asks for the digest, a
 * change of another container, and a mark for which there is no room, add up what is marked. There is room for
 * UNSUMMED_MAX rows, so that to ask takes O(1), some microseconds and mostly none.
 *
 * Not for containers below an ORMap, which come and go.
 */
#ifndef CRDT_SUMS_H
#define CRDT_SUMS_H

#include "container.h"

enum { FIRST_ROWS = 64, MARKED_WORDS = 16, UNSUMMED_MAX = FIRST_ROWS + 64 * MARKED_WORDS };

/* Marks of rows from FIRST_ROWS on: 64 rows to a word, which has one place only and takes it from the one before. */
typedef struct {
    u64 bits[MARKED_WORDS];
    u32 word[MARKED_WORDS];
} Marks;

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
    u32 word = row / 64, place = word % MARKED_WORDS;
    return u->more != NULL && u->more->word[place] == word && (u->more->bits[place] >> row % 64 & 1);
}

void marks_free(Marks *m);
size_t marks_memory(const Marks *m);

#endif
