#include "riblt.h"

#include "hash.h"

#include <math.h>

static const u64 ITEM = (1ull << 48) - 1, COUNT = 3ull << 62;

static inline u64 item_of(Cell cell)
{
    return cell & ITEM;
}

/* An item with its check, as it goes into cells. */
static inline u64 marked(u64 item, u64 key)
{
    return item | (mum(item ^ key, item ^ 0xe7037ed1a0b428dbull) >> 50) << 48;
}

/* The step from cell i to an item's next one: (i + 1.5) (1 / sqrt(u) - 1) for a random u in (0, 1],
 * rounded up, at least 1. Only operations that IEEE 754 defines to the last bit, so that all agree. */
static inline u64 next_cell(u64 *random, u64 i)
{
    *random *= 0xda942042e4dd58b5ull;
    double u = (double)(i64)((*random >> 11) + 1) * 0x1p-53;
    double step = ((double)(i64)i + 1.5) * (1.0 / sqrt(u) - 1.0);
    return i + 1 + (step < (double)CELLS_MAX ? (u64)(i64)step : CELLS_MAX);
}

static inline u64 seed_of(u64 item)
{
    return item << 16 | 1; /* a multiplicative generator must not begin at 0 */
}

static inline void cell_toggle(Cell *cell, u64 mark, u64 count)
{
    *cell = (*cell ^ mark) + (count << 62);
}

/* Several items at once: each waits long for its square root and division, but not for each other's. */
enum { LANES = 8 };

typedef struct {
    u64 mark[LANES], random[LANES], at[LANES];
} Lanes;

static inline void lane_begin(Lanes *lanes, u32 lane, u64 item, u64 key)
{
    lanes->mark[lane] = marked(item, key);
    lanes->random[lane] = seed_of(item);
    lanes->at[lane] = 0;
}

void cells_add(Cell *cells, u32 first, u32 n, const u64 *items, size_t n_items, u64 key, int sign)
{
    u64 end = (u64)first + n, count = (u64)(i64)sign;
    Lanes lanes;
    u32 busy = 0;
    size_t taken = 0;
    while (n != 0 && busy < LANES && taken < n_items)
        lane_begin(&lanes, busy++, items[taken++], key);
    while (busy > 0) {
        u64 next[LANES];
        for (u32 i = 0; i < busy; i++)
            next[i] = next_cell(&lanes.random[i], lanes.at[i]);
        for (u32 i = busy; i-- > 0;) {
            if (lanes.at[i] >= first)
                cell_toggle(&cells[lanes.at[i] - first], lanes.mark[i], count);
            lanes.at[i] = next[i];
            if (next[i] < end)
                continue;
            if (taken < n_items) {
                lane_begin(&lanes, i, items[taken++], key);
                continue;
            }
            busy--; /* the last lane goes on here */
            lanes.mark[i] = lanes.mark[busy];
            lanes.random[i] = lanes.random[busy];
            lanes.at[i] = lanes.at[busy];
        }
    }
}

/* ---- bytes --------------------------------------------------------------------------------------- */

void cells_write(Writer *w, const Cell *cells, u32 n)
{
    write_bytes(w, cells, (size_t)n * CELL_BYTES);
}

int cells_read(Reader *r, Cell *cells, u32 n)
{
    const u8 *p = read_bytes(r, (u64)n * CELL_BYTES);
    for (u32 i = 0; p != NULL && i < n; i++)
        cells[i] = load64(p + (size_t)i * CELL_BYTES);
    return p != NULL ? DONE : ERROR_DECODE;
}

/* ---- peeling ------------------------------------------------------------------------------------- */

static bool falls_into(u64 item, u32 cell)
{
    u64 random = seed_of(item), at = 0;
    while (at < cell)
        at = next_cell(&random, at);
    return at == cell;
}

/* Whether a cell holds one item, as far as can be told: the count, the check and the item's own way agree. */
static inline bool is_pure(const Cell *cells, u32 i, u64 key)
{
    Cell cell = cells[i];
    u64 item = item_of(cell);
    return (cell >> 62 & 1) && marked(item, key) == (cell & ~COUNT) && falls_into(item, i);
}

static bool all_empty(const Cell *cells, u32 n)
{
    for (u32 i = 0; i < n; i++)
        if (cells[i] != 0)
            return false;
    return true;
}

bool cells_peel(Cell *cells, u32 n, u64 key, u32 *queue, Difference *found)
{
    found->n_theirs = found->n_mine = 0;
    /* In a ring, the oldest first: what was mistaken for an item comes back as soon as it is taken out, and must not
     * be looked at again before the items that give the mistake away. */
    u32 first = 0, waiting = 0;
    for (u32 i = 0; i < n; i++)
        if (is_pure(cells, i, key))
            queue[waiting++] = i;
    while (waiting > 0) {
        u32 at = queue[first];
        first = (first + 1) % n;
        waiting--;
        if (!is_pure(cells, at, key))
            continue; /* an item was found in two cells */
        if (found->n_theirs + found->n_mine == n)
            return false; /* made up: n cells cannot tell more than n items */
        u64 mark = cells[at] & ~COUNT, count = cells[at] >> 62, item = item_of(mark);
        if (count == 1)
            found->theirs[found->n_theirs++] = item;
        else
            found->mine[found->n_mine++] = item;
        u64 random = seed_of(item);
        for (u64 i = 0; i < n; i = next_cell(&random, i)) {
            bool waits = is_pure(cells, (u32)i, key);
            cell_toggle(&cells[i], mark, 0 - count);
            if (!waits && is_pure(cells, (u32)i, key) && waiting < n)
                queue[(first + waiting++) % n] = (u32)i;
        }
    }
    return all_empty(cells, n);
}
