/* The section of a set, register or map: writing it.
 *
 *   flags (1 = complete: what is not here and was held is removed), count of rows, rows.
 *   row = key (not of a register), entries, and in an ORMap its child (see docs: wire format).
 */
#include "growth.h"
#include "row_writer.h"

#include <stdlib.h>

typedef struct {
    const Document *doc;
    Encoder *e;
    const Table *t;
    Run run;
    u32 *rows; /* scratch: the rows of one key */
    u32 capacity, written;
    bool whole;
} TableEncoder;

/* ---- one row ------------------------------------------------------------------------------------ */

static void write_entry(TableEncoder *te, Dot dot, u32 row, u8 kind)
{
    entry_write(te->e, te->t, &te->run, dot, row, kind);
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

/* Rows in canonical order; `sorted` is NULL where they lie in it. */
static inline u32 nth_row(const SortItem *sorted, u32 i)
{
    return sorted == NULL ? i : sorted[i].row;
}

/* Write the rows of one key, from the i-th on, and say how many they are. */
static int write_rows_of_key(TableEncoder *te, const SortItem *sorted, u32 i, u32 *n)
{
    Item key = table_key(te->t, nth_row(sorted, i));
    int status = DONE;
    for (*n = 0; status == DONE && i + *n < te->t->n; ++*n) {
        u32 row = nth_row(sorted, i + *n);
        Item other = table_key(te->t, row);
        if (item_compare(&key, &other) != 0)
            break;
        status = array_reserve(&te->rows, &te->capacity, *n + 1, sizeof(u32));
        if (status == DONE)
            te->rows[*n] = row;
    }
    if (status == DONE)
        write_value_row(te, &key, te->rows, *n, 0);
    return status;
}

/* Rows that are each the only one of its key: as they lie, where these turn out to be in order. */
static int write_only_rows(TableEncoder *te)
{
    Writer *w = &te->e->out;
    size_t start = w->n;
    te->written = te->t->n;
    if (rows_write_in_order(te->e, te->t) == te->t->n || w->failed)
        return DONE;
    w->n = start;
    SortItem *sorted;
    int status = rows_sort(te->doc, te->t, &sorted);
    if (status != DONE)
        return status;
    rows_write_sorted(te->e, te->t, sorted);
    block_free(sorted, rows_sorted_bytes(te->t));
    return DONE;
}

static int write_all(TableEncoder *te)
{
    const Table *t = te->t;
    if (!(t->columns & HAS_CHILD) && t->siblings == 0)
        return write_only_rows(te);
    SortItem *sorted = NULL;
    int status = rows_are_in_order(te->doc, t) ? DONE : rows_sort(te->doc, t, &sorted);
    for (u32 i = 0, n = 1; i < t->n && status == DONE; i += n) {
        if (t->columns & HAS_CHILD) {
            Item key = table_key(t, nth_row(sorted, i));
            status = write_map_row(te, &key, nth_row(sorted, i), 0);
        } else {
            status = write_rows_of_key(te, sorted, i, &n);
        }
    }
    if (sorted != NULL)
        block_free(sorted, rows_sorted_bytes(t));
    return status;
}

static int write_removals(TableEncoder *te)
{
    const RemovalLog *log = table_log(te->t);
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

/* Up to which events, by slot of writers, nothing is news: the least of those writers that have any. */
static Latest old_news(const TableEncoder *te)
{
    Latest old;
    const Replicas *r = &te->doc->replicas;
    memset(&old, 0xff, sizeof old);
    for (u32 i = 0; i < r->n; i++) {
        u64 *least = &old.sequence[i % WRITER_SLOTS];
        if (r->all[i].seen > te->e->since[i] && te->e->since[i] < *least)
            *least = te->e->since[i];
    }
    return old;
}

static bool may_have_news(const Latest *latest, const Latest *old)
{
    bool may = false;
    for (int i = 0; i < WRITER_SLOTS; i++)
        may |= latest->sequence[i] > old->sequence[i];
    return may;
}

static int write_news(TableEncoder *te)
{
    const Table *t = te->t;
    const Latest *latest = table_latest(t);
    Latest old = old_news(te);
    for (u32 i = 0; i < t->n; i++) {
        if (i % BLOCK_ROWS == 0 && latest != NULL && !may_have_news(&latest[i / BLOCK_ROWS], &old)) {
            i += BLOCK_ROWS - 1;
            continue;
        }
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
            if (status == DONE && is_first && n == 1) {
                row_write(te->e, t, &te->run, i);
                te->written++;
            } else if (status == DONE && is_first) {
                write_value_row(te, &key, te->rows, n, 0);
            }
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
