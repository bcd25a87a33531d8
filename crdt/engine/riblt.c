#include "riblt.h"

#include "hash.h"

#include <math.h>

static inline u32 check_of(u64 item, u64 key)
{
    return (u32)mum(item ^ key, item ^ 0xe7037ed1a0b428dbull) ^ (u32)(item >> 32);
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
    return item | 1; /* a multiplicative generator must not begin at 0 */
}

static inline void cell_toggle(Cell *cell, u64 item, u32 check, u64 count)
{
    cell->sum ^= item;
    cell->check ^= check;
    cell->count += count;
}

/* Several items at once: each waits long for its square root and division, but not for each other's. */
enum { LANES = 8 };

typedef struct {
    u64 item[LANES], random[LANES], at[LANES];
    u32 check[LANES];
} Lanes;

static inline void lane_begin(Lanes *lanes, u32 lane, u64 item, u64 key)
{
    lanes->item[lane] = item;
    lanes->random[lane] = seed_of(item);
    lanes->check[lane] = check_of(item, key);
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
                cell_toggle(&cells[lanes.at[i] - first], lanes.item[i], lanes.check[i], count);
            lanes.at[i] = next[i];
            if (next[i] < end)
                continue;
            if (taken < n_items) {
                lane_begin(&lanes, i, items[taken++], key);
                continue;
            }
            busy--; /* the last lane goes on here */
            lanes.item[i] = lanes.item[busy];
            lanes.random[i] = lanes.random[busy];
            lanes.check[i] = lanes.check[busy];
            lanes.at[i] = lanes.at[busy];
        }
    }
}

/* ---- bytes --------------------------------------------------------------------------------------- */

static inline u64 expected_count(u64 n_items, u64 i)
{
    return 2 * n_items / (i + 2);
}

void cells_write(Writer *w, const Cell *cells, u32 first, u32 n, u64 n_items)
{
    for (u32 i = 0; i < n; i++) {
        write_bytes(w, &cells[i].sum, 8);
        write_bytes(w, &cells[i].check, 4);
        write_difference(w, cells[i].count, expected_count(n_items, (u64)first + i));
    }
}

int cells_read(Reader *r, Cell *cells, u32 first, u32 n, u64 n_items)
{
    for (u32 i = 0; i < n; i++) {
        const u8 *p = read_bytes(r, 12);
        if (p == NULL)
            return ERROR_DECODE;
        cells[i].sum = load64(p);
        cells[i].check = load32(p + 8);
        cells[i].count = read_difference(r, expected_count(n_items, (u64)first + i));
    }
    return r->error == NULL ? DONE : ERROR_DECODE;
}

/* ---- peeling ------------------------------------------------------------------------------------- */

static inline bool is_pure(const Cell *cell, u64 key)
{
    return (cell->count == 1 || cell->count == (u64)-1) && cell->check == check_of(cell->sum, key);
}

static bool all_empty(const Cell *cells, u32 n)
{
    for (u32 i = 0; i < n; i++)
        if (cells[i].sum != 0 || cells[i].check != 0 || cells[i].count != 0)
            return false;
    return true;
}

bool cells_peel(Cell *cells, u32 n, u64 key, u32 *stack, Difference *found)
{
    found->n_theirs = found->n_mine = 0;
    u32 waiting = 0;
    for (u32 i = n; i-- > 0;)
        if (is_pure(&cells[i], key))
            stack[waiting++] = i;
    while (waiting > 0) {
        Cell cell = cells[stack[--waiting]];
        if (!is_pure(&cell, key))
            continue; /* an item was found in two cells */
        if (found->n_theirs + found->n_mine == n)
            return false; /* made up: n cells cannot tell more than n items */
        if (cell.count == 1)
            found->theirs[found->n_theirs++] = cell.sum;
        else
            found->mine[found->n_mine++] = cell.sum;
        u64 random = seed_of(cell.sum);
        for (u64 i = 0; i < n; i = next_cell(&random, i)) {
            bool waits = is_pure(&cells[i], key);
            cell_toggle(&cells[i], cell.sum, cell.check, 0 - cell.count);
            if (!waits && is_pure(&cells[i], key) && waiting < n)
                stack[waiting++] = (u32)i;
        }
    }
    return all_empty(cells, n);
}
