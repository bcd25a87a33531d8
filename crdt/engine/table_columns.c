/* The columns of a table: in one block while it is small, else in blocks of their own. */
#include "table.h"

#include <stdlib.h>

typedef struct {
    void **at;
    size_t width;
} Column;

/* The columns this table has, widest first so that a shared block keeps them aligned. */
static int columns_of(Table *t, Column out[5])
{
    int n = 0;
    out[n++] = (Column){(void **)&t->dot, sizeof(Dot)};
    if (t->columns & (HAS_VALUE | HAS_CHILD))
        out[n++] = (Column){(void **)&t->word, sizeof(u64)};
    if (t->columns & HAS_STAMP)
        out[n++] = (Column){(void **)&t->stamp, sizeof(u64)};
    out[n++] = (Column){(void **)&t->key, sizeof(KeyCell)};
    if (t->columns & HAS_VALUE)
        out[n++] = (Column){(void **)&t->value, sizeof(u8)};
    return n;
}

static size_t row_width(const Table *t)
{
    Column c[5];
    int n = columns_of((Table *)t, c);
    size_t width = 0;
    for (int i = 0; i < n; i++)
        width += c[i].width;
    return width;
}

/* Point the columns into one block, or move them between a block and blocks of their own. */
static int resize_small(Table *t, u32 capacity)
{
    Column c[5];
    int columns = columns_of(t, c);
    u8 *block = malloc(row_width(t) * capacity);
    if (block == NULL)
        return ERROR_MEMORY;
    void *old = t->dot;
    u8 *p = block;
    for (int i = 0; i < columns; i++) {
        if (t->n != 0)
            memcpy(p, *c[i].at, c[i].width * t->n);
        if (t->capacity > SMALL)
            block_free(*c[i].at, c[i].width * t->capacity);
        *c[i].at = p;
        p += c[i].width * capacity;
    }
    if (t->capacity <= SMALL)
        free(old);
    t->capacity = capacity;
    return DONE;
}

static int resize_large(Table *t, u32 capacity)
{
    Column c[5];
    int columns = columns_of(t, c);
    bool was_small = t->capacity <= SMALL;
    void *old = was_small ? t->dot : NULL;
    void *fresh[5];
    for (int i = 0; i < columns; i++) {
        fresh[i] = was_small ? block_resize(NULL, 0, c[i].width * capacity)
                             : block_resize(*c[i].at, c[i].width * t->capacity, c[i].width * capacity);
        if (fresh[i] == NULL) {
            while (i-- > 0) {
                if (was_small)
                    block_free(fresh[i], c[i].width * capacity);
                else /* back to the size the table still believes in */
                    *c[i].at = block_resize(fresh[i], c[i].width * capacity, c[i].width * t->capacity);
            }
            return ERROR_MEMORY;
        }
        if (!was_small)
            *c[i].at = fresh[i];
    }
    for (int i = 0; was_small && i < columns; i++) {
        if (t->n == 0) /* then all of it is for what comes now */
            block_expect(fresh[i], c[i].width * capacity);
        else
            memcpy(fresh[i], *c[i].at, c[i].width * t->n);
        *c[i].at = fresh[i];
    }
    free(old);
    t->capacity = capacity;
    return DONE;
}

/* ---- the latest events by block ---------------------------------------------------------------- */

static size_t latest_bytes(u32 capacity)
{
    return ((size_t)capacity + BLOCK_ROWS - 1) / BLOCK_ROWS * sizeof(Latest);
}

static void latest_free(Table *t, u32 capacity)
{
    if (table_latest(t) == NULL)
        return;
    block_free(t->extras->latest, latest_bytes(capacity));
    t->extras->latest = NULL;
}

/* Without memory for it, every row is looked at when a delta is made. */
static void latest_resize(Table *t, u32 old_capacity)
{
    if ((t->columns & HAS_CHILD) || t->capacity < SUMMED_FROM || table_extras(t) == NULL) {
        latest_free(t, old_capacity);
        return;
    }
    Latest *before = t->extras->latest;
    size_t old = before == NULL ? 0 : latest_bytes(old_capacity), bytes = latest_bytes(t->capacity);
    Latest *latest = block_resize(before, old, bytes);
    if (latest == NULL) {
        latest_free(t, old_capacity);
        return;
    }
    if (bytes > old)
        memset((u8 *)latest + old, 0, bytes - old);
    t->extras->latest = latest;
    for (u32 i = 0; old == 0 && i < t->n; i++)
        table_note_dot(t, latest, i);
}

/* ---- all of them ------------------------------------------------------------------------------- */

int rows_resize(Table *t, u32 capacity)
{
    u32 old = t->capacity;
    int status = capacity <= SMALL ? resize_small(t, capacity) : resize_large(t, capacity);
    if (status == DONE)
        latest_resize(t, old);
    return status;
}

void rows_free(Table *t)
{
    latest_free(t, t->capacity);
    Column c[5];
    int columns = columns_of(t, c);
    if (t->capacity <= SMALL)
        free(t->dot);
    else
        for (int i = 0; i < columns; i++)
            block_free(*c[i].at, c[i].width * t->capacity);
}

size_t rows_memory(const Table *t)
{
    Column c[5];
    int columns = columns_of((Table *)t, c);
    if (t->capacity <= SMALL)
        return block_footprint(row_width(t) * t->capacity);
    size_t bytes = table_latest(t) == NULL ? 0 : block_footprint(latest_bytes(t->capacity));
    for (int i = 0; i < columns; i++)
        bytes += block_footprint(c[i].width * t->capacity);
    return bytes;
}
