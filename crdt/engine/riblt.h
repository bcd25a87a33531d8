/* Rateless set reconciliation: finding what two sets of 48-bit items do not share, from few bytes.
 *
 * Source: Yang, Gilad and Alizadeh, "Practical Rateless Set Reconciliation" (SIGCOMM 2024). A set is
 * turned into an endless row of cells; each holds the exclusive or of the items that fall into it, of
 * a check of each, and their number. An item falls into cell 0 and, with chance 1 / (1 + i / 2), into
 * cell i, by a sequence that the item itself seeds. Subtracting the cells of one set from those of
 * another leaves the cells of their difference; a cell with one item gives it away, which empties
 * others (peeling). d differences take some 1.35 d cells when d is large, more like 2 d when it is
 * small, however large the sets are; whoever needs more cells asks for the next ones of the row.
 *
 * Of the number two bits are enough, since all it has to show is one item on either side; and the check
 * has but 14. So a cell of several items looks like one of a single item now and then. Peeling mends
 * that by itself: what was taken for an item is missing where it never was, shows up there with the other
 * sign, and is put back. Nothing is told before every cell is empty, explained by what was found.
 *
 * Items must be keyed hashes: then nobody can choose them to make peeling fail.
 */
#ifndef CRDT_RIBLT_H
#define CRDT_RIBLT_H

#include "wire.h"

enum { CELLS_MAX = 1 << 20, CELL_BYTES = 8 };

/* From the lowest bit: 48 of items and 14 of checks, exclusive or; 2 of the number, modulo 4. */
typedef u64 Cell;

/* Count `items` into the cells [first, first + n) of the row, which begin at `cells`; `sign` is 1, or
 * -1 to take them out. `key` seeds the checks. O(items * log(first + n)). */
void cells_add(Cell *cells, u32 first, u32 n, const u64 *items, size_t n_items, u64 key, int sign);

/* `n` cells as bytes, and back. */
void cells_write(Writer *w, const Cell *cells, u32 n);
int cells_read(Reader *r, Cell *cells, u32 n);

typedef struct {
    u64 *theirs, *mine; /* room for one item a cell each */
    u32 n_theirs, n_mine;
} Difference;

/* Peel cells [0, n), which are those of their set less those of mine, until they are empty. False:
 * more cells are needed. What was found on both sides is no item. `queue` has room for n numbers.
 * Ends after O(n log^2 n) steps whatever is in the cells, which are used up. */
bool cells_peel(Cell *cells, u32 n, u64 key, u32 *queue, Difference *found);

#endif
