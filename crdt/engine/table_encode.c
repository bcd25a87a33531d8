/* The section of a set, register or map: writing it.
 *
 *   flags (1 = complete: what is not here and was held is removed), count of rows, rows.
 *   row = key (not of a register), entries, and in an ORMap its child (see docs: wire format).
 */
#include "growth.h"
#include "entry.h"

#include <stdlib.h>

typedef struct {
    const Document *doc;
    Encoder *e;
    const Table *t;
    u64 sequence, stamp; /* of the entry before: differences are small */
    u32 *rows;           /* scratch: the rows of one key */
    u32 capacity, written;
    bool whole;
} TableEncoder;

/* ---- canonical order ---------------------------------------------------------------------------- */

typedef struct {
    u64 prefix; /* the type and first bytes of the key: decides nearly all comparisons */
    u32 row;
} SortItem;

static u64 key_prefix(const Item *key)
{
    u8 bytes[8] = {key->type};
    memcpy(bytes + 1, item_bytes(key), key->n < 7 ? key->n : 7);
    return load64_be(bytes);
}

static bool is_before(const TableEncoder *te, const SortItem *a, const SortItem *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    Item x = table_key(te->t, a->row), y = table_key(te->t, b->row);
    int c = item_compare(&x, &y);
    if (c != 0)
        return c < 0;
    return dot_compare(&te->doc->replicas, te->t->dot[a->row], te->t->dot[b->row]) < 0;
}

/* Bottom-up merge sort from `items` by way of `spare`; returns where the result is. */
static SortItem *sort_rows(const TableEncoder *te, SortItem *items, SortItem *spare, u32 n)
{
    for (u64 width = 1; width < n; width *= 2) {
        for (u64 start = 0; start < n; start += 2 * width) {
            u64 middle = start + width < n ? start + width : n;
            u64 end = start + 2 * width < n ? start + 2 * width : n;
            u64 i = start, j = middle, out = start;
            while (i < middle && j < end)
                spare[out++] = is_before(te, &items[j], &items[i]) ? items[j++] : items[i++];
            while (i < middle)
                spare[out++] = items[i++];
            while (j < end)
                spare[out++] = items[j++];
        }
        SortItem *swap = items;
        items = spare;
        spare = swap;
    }
    return items;
}

/* ---- one row ------------------------------------------------------------------------------------ */

static void write_entry(TableEncoder *te, Dot dot, u32 row, u8 kind)
{
    Writer *w = &te->e->out;
    write_number(w, (u64)te->e->place[dot_replica(dot)] << 2 | kind);
    write_difference(w, dot_sequence(dot), te->sequence);
    te->sequence = dot_sequence(dot);
    if (kind == ENTRY_REMOVAL || row == NO_ROW)
        return;
    if (te->t->columns & HAS_STAMP) {
        write_difference(w, te->t->stamp[row], te->stamp);
        te->stamp = te->t->stamp[row];
    }
    if (te->t->columns & HAS_VALUE) {
        Item value = table_value(te->t, row);
        write_item(w, &value);
    }
}

static int write_child(TableEncoder *te, u32 row, bool whole)
{
    Writer *w = &te->e->out;
    if (row == NO_ROW) {
        write_byte(w, CHILD_BLANK);
        return DONE;
    }
    size_t at = w->n;
    write_byte(w, CHILD_SECTION);
    bool has_news = false;
    int status = section_encode(te->doc, te->e, map_child(te->t, row), whole, &has_news);
    if (status == DONE && !has_news && w->n > at) {
        w->n = at;
        write_byte(w, whole ? CHILD_BLANK : CHILD_UNTOLD);
    }
    return status;
}

/* The presence dots of an ORMap row, in canonical order, into the scratch array. */
static int presence_of(TableEncoder *te, u32 row, u64 **dots, u32 *n)
{
    const u64 *more = map_child(te->t, row)->more_dots;
    *n = te->t->dot[row] == 0 ? 0 : 1 + (more == NULL ? 0 : (u32)more[0]);
    *dots = malloc((*n + 1) * sizeof(u64));
    if (*dots == NULL)
        return ERROR_MEMORY;
    for (u32 i = 0; i < *n; i++) {
        Dot dot = i == 0 ? te->t->dot[row] : more[i];
        u32 at = i;
        for (; at > 0 && dot_compare(&te->doc->replicas, dot, (*dots)[at - 1]) < 0; at--)
            (*dots)[at] = (*dots)[at - 1];
        (*dots)[at] = dot;
    }
    return DONE;
}

/* A row of an ORMap; `row` may be NO_ROW when only its removal is known. */
static int write_map_row(TableEncoder *te, const Item *key, u32 row, Dot removal)
{
    u64 *dots = NULL;
    u32 n = 0;
    if (row != NO_ROW && presence_of(te, row, &dots, &n) != DONE)
        return ERROR_MEMORY;
    write_item(&te->e->out, key);
    for (u32 i = 0; i < n; i++)
        write_entry(te, dots[i], NO_ROW, i + 1 < n || removal != 0 ? ENTRY_MORE : ENTRY_LAST);
    free(dots);
    if (removal != 0)
        write_entry(te, removal, NO_ROW, ENTRY_REMOVAL);
    else if (n == 0)
        write_number(&te->e->out, ENTRY_NONE);
    te->written++;
    return write_child(te, row, te->whole || removal != 0);
}

/* The rows of one key, given in canonical order. */
static void write_value_row(TableEncoder *te, const Item *key, const u32 *rows, u32 n, Dot removal)
{
    if (te->t->columns & HAS_KEY)
        write_item(&te->e->out, key);
    for (u32 i = 0; i < n; i++)
        write_entry(te, te->t->dot[rows[i]], rows[i], i + 1 < n || removal != 0 ? ENTRY_MORE : ENTRY_LAST);
    if (removal != 0)
        write_entry(te, removal, NO_ROW, ENTRY_REMOVAL);
    te->written++;
}

/* All rows of a key into the scratch array, in canonical order. */
static int gather(TableEncoder *te, const Item *key, u32 *n)
{
    Probe p = probe_of(key, te->doc->seed);
    Matches m = {0};
    *n = 0;
    for (u32 row; (row = table_next_match(te->t, &p, &m)) != NO_ROW; (*n)++) {
        if (array_reserve(&te->rows, &te->capacity, *n + 1, sizeof(u32)) != DONE)
            return ERROR_MEMORY;
        u32 at = *n;
        for (; at > 0 && dot_compare(&te->doc->replicas, te->t->dot[row], te->t->dot[te->rows[at - 1]]) < 0; at--)
            te->rows[at] = te->rows[at - 1];
        te->rows[at] = row;
        if (te->t->siblings == 0) {
            *n = 1;
            break;
        }
    }
    return DONE;
}

/* ---- which rows --------------------------------------------------------------------------------- */

static int write_all(TableEncoder *te)
{
    const Table *t = te->t;
    SortItem *items = malloc(2 * (size_t)t->n * sizeof(SortItem) + 1);
    if (items == NULL)
        return ERROR_MEMORY;
    for (u32 i = 0; i < t->n; i++) {
        Item key = table_key(t, i);
        items[i] = (SortItem){key_prefix(&key), i};
    }
    SortItem *sorted = sort_rows(te, items, items + t->n, t->n);
    int status = DONE;
    for (u32 i = 0, n; i < t->n && status == DONE; i += n) {
        Item key = table_key(t, sorted[i].row);
        n = 1;
        if (t->columns & HAS_CHILD) {
            status = write_map_row(te, &key, sorted[i].row, 0);
            continue;
        }
        for (; i + n < t->n; n++) {
            Item other = table_key(t, sorted[i + n].row);
            if (t->siblings == 0 || item_compare(&key, &other) != 0)
                break;
        }
        status = array_reserve(&te->rows, &te->capacity, n, sizeof(u32));
        for (u32 k = 0; status == DONE && k < n; k++)
            te->rows[k] = sorted[i + k].row;
        if (status == DONE)
            write_value_row(te, &key, te->rows, n, 0);
    }
    free(items);
    return status;
}

static int write_removals(TableEncoder *te)
{
    const RemovalLog *log = te->t->log;
    for (u32 i = 0; log != NULL && i < log->n; i++) {
        if (!is_news(te->e, log->all[i].event))
            continue;
        Item key = key_item(&log->all[i].key, &log->keys);
        u32 n = 0;
        int status = te->t->n == 0 ? DONE : gather(te, &key, &n);
        if (status != DONE)
            return status;
        if (te->t->columns & HAS_CHILD) {
            status = write_map_row(te, &key, n == 0 ? NO_ROW : te->rows[0], log->all[i].event);
            if (status != DONE)
                return status;
        } else {
            write_value_row(te, &key, te->rows, n, log->all[i].event);
        }
    }
    return DONE;
}

static bool map_row_is_news(const TableEncoder *te, u32 row)
{
    const u64 *more = map_child(te->t, row)->more_dots;
    bool news = te->t->dot[row] != 0 && is_news(te->e, te->t->dot[row]);
    for (u64 i = 0; !news && more != NULL && i < more[0]; i++)
        news = is_news(te->e, more[1 + i]);
    return news || (te->e->tells_condemned && growth_condemned(map_child(te->t, row), te->e));
}

static int write_news(TableEncoder *te)
{
    const Table *t = te->t;
    for (u32 i = 0; i < t->n; i++) {
        int status = DONE;
        u32 n = 1;
        if (t->columns & HAS_CHILD) {
            if (!map_row_is_news(te, i))
                continue;
            Item key = table_key(t, i);
            status = write_map_row(te, &key, i, 0);
        } else if (is_news(te->e, t->dot[i])) {
            Item key = table_key(t, i);
            if (t->siblings != 0)
                status = gather(te, &key, &n);
            bool is_first = true; /* of the key's rows that are news: write the key once */
            for (u32 k = 0; t->siblings != 0 && k < n; k++)
                if (te->rows[k] < i && is_news(te->e, t->dot[te->rows[k]]))
                    is_first = false;
            if (status == DONE && is_first)
                write_value_row(te, &key, t->siblings != 0 ? te->rows : &i, n, 0);
        }
        if (status != DONE)
            return status;
    }
    return DONE;
}

void write_number_at(Writer *w, size_t at, u64 v)
{
    size_t end = w->n;
    write_number(w, v);
    if (w->failed)
        return;
    u8 bytes[10];
    size_t n = w->n - end;
    memcpy(bytes, w->p + end, n);
    memmove(w->p + at + n, w->p + at, end - at);
    memcpy(w->p + at, bytes, n);
}

int table_encode(const Document *doc, Encoder *e, const Table *t, bool whole, bool *has_news)
{
    bool complete = is_dot_store(&t->base) ? whole || e->complete || !removals_reaches(t, e->since, doc->replicas.n)
                                           : (t->columns & HAS_STAMP) && e->complete;
    TableEncoder te = {.doc = doc, .e = e, .t = t, .whole = whole || complete};
    write_byte(&e->out, complete);
    size_t count_at = e->out.n;
    int status;
    if (te.whole) {
        write_number(&e->out, t->n - t->siblings);
        status = write_all(&te);
    } else {
        status = write_removals(&te);
        if (status == DONE)
            status = write_news(&te);
        write_number_at(&e->out, count_at, te.written);
    }
    block_free(te.rows, te.capacity * sizeof(u32));
    *has_news = te.written != 0 || (complete && !whole);
    return status;
}
