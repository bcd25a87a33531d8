/* The section of a set, register or map: joining it with what is held.
 *
 * The join of a dot store (Almeida, Shoker and Baquero 2018, section 7) keeps of a key: what both
 * hold, what only we hold and the sender never saw, and what only the sender holds and we never saw.
 * Grow-only and last-writer-wins tables outside of ORMaps have one entry a key: the smallest dot and
 * the largest (stamp, writer) of all that met.
 */
#include "entry.h"
#include "growth.h"
#include "rows.h"
#include "table_read.h"

#include <stdlib.h>

/* ---- join: sets, registers, maps of values -------------------------------------------------------- */

typedef struct {
    Document *doc;
    Decoder *d;
    Table *t;
    const u64 *tops; /* what the sender holds, by local writer */
    u8 *kept;        /* bit per row held before, in a complete section: the sender has it too */
    u32 held;        /* rows held before */
    bool complete;
    bool loads; /* the table was empty and no key comes twice: none has to be looked for */
} TableJoin;

static inline void keep(TableJoin *j, u32 row)
{
    if (j->kept != NULL && row < j->held)
        j->kept[row / 8] |= (u8)(1 << row % 8);
}

static const Entry *entry_with(const TableJoin *j, const Group *g, Dot dot)
{
    for (u32 i = 0; i < g->n; i++)
        if (local_dot(j->d, g->all[i].dot) == dot)
            return &g->all[i];
    return NULL;
}

static inline void append_entry(TableJoin *j, const Probe *p, const Entry *entry, u32 others)
{
    Row row = {.dot = local_dot(j->d, entry->dot), .stamp = entry->stamp};
    row.key = p->item->n <= KEY_INLINE ? probe_cell(p) : key_store(p->item, &j->t->arena);
    if (j->t->columns & HAS_VALUE)
        row.value = value_store(&entry->value, &row.word, &j->t->arena);
    row_append(j->doc, j->t, p, &row, others);
}

static int reserve_entry(TableJoin *j, const Group *g, const Entry *entry)
{
    u64 bytes = (u64)key_arena_bytes(&g->key);
    if (j->t->columns & HAS_VALUE)
        bytes += value_arena_bytes(&entry->value);
    if (!j->loads)
        return table_reserve(j->t, 1, bytes, j->doc->seed);
    if (likely(j->t->n < j->t->capacity && arena_has_room(&j->t->arena, bytes)))
        return DONE;
    return table_grow_rows(j->t, 1, bytes);
}

static int join_single(TableJoin *j, const Group *g)
{
    Table *t = j->t;
    const Entry *entry = &g->all[0];
    int status = reserve_entry(j, g, entry);
    if (status != DONE)
        return status;
    Probe p;
    probe_set(&p, &g->key, j->doc->seed);
    u32 row = j->loads || t->n == 0 ? NO_ROW : table_find(t, &p);
    Dot dot = local_dot(j->d, entry->dot);
    if (row != NO_ROW)
        keep(j, row);
    if (has_cut(&j->doc->replicas) && is_seen(&j->doc->replicas, dot) && (row == NO_ROW || t->dot[row] != dot))
        return DONE; /* we had it, and what it lost to may be purged */
    if (row == NO_ROW) {
        append_entry(j, &p, entry, 0);
        return DONE;
    }
    int order;
    if (!(t->columns & HAS_STAMP)) {
        order = dot_compare(&j->doc->replicas, t->dot[row], dot); /* the smallest dot stays */
    } else if (t->stamp[row] != entry->stamp) {
        order = entry->stamp > t->stamp[row] ? 1 : -1;
    } else {
        order = dot_compare(&j->doc->replicas, dot, t->dot[row]);
        Item held = table_value(t, row);
        if (order == 0) /* one dot, two values: a writer's name was used twice; still agree */
            order = item_compare(&entry->value, &held);
    }
    if (order > 0) {
        Row contents = {.key = t->key[row], .dot = dot, .stamp = entry->stamp};
        if (t->columns & HAS_VALUE)
            contents.value = value_store(&entry->value, &contents.word, &t->arena);
        row_replace(j->doc, t, row, &contents);
    }
    return DONE;
}

/* Remove one row of the key that the sender saw and no longer has; whether there was one. */
static bool remove_one_superseded(TableJoin *j, const Probe *p, const Group *g)
{
    Table *t = j->t;
    u32 n = 0, superseded = NO_ROW;
    Matches m = {0};
    for (u32 row; (row = table_next_match(t, p, &m)) != NO_ROW; n++)
        if (superseded == NO_ROW && is_covered(j->tops, t->dot[row]) && entry_with(j, g, t->dot[row]) == NULL)
            superseded = row;
    if (superseded != NO_ROW)
        row_remove(j->doc, t, superseded, n - 1);
    return superseded != NO_ROW;
}

static int join_dots(TableJoin *j, const Group *g)
{
    Table *t = j->t;
    Probe p;
    probe_set(&p, &g->key, j->doc->seed);
    u32 appended = 0;
    /* In a complete section rows must not move: what was not kept goes at its end. */
    while (!j->complete && !j->loads && t->n != 0 && remove_one_superseded(j, &p, g))
        ;
    for (u32 i = 0; i < g->n; i++) {
        const Entry *entry = &g->all[i];
        Dot dot = local_dot(j->d, entry->dot);
        u32 others = j->loads ? appended : 0, same = NO_ROW;
        Matches m = {0};
        for (u32 row; !j->loads && t->n != 0 && (row = table_next_match(t, &p, &m)) != NO_ROW; others++)
            if (t->dot[row] == dot)
                same = row;
        if (same != NO_ROW) {
            keep(j, same);
            continue;
        }
        if (is_seen(&j->doc->replicas, dot))
            continue; /* we had it and removed it */
        int status = reserve_entry(j, g, entry);
        if (status != DONE)
            return status;
        append_entry(j, &p, entry, others);
        appended++;
    }
    if (!j->complete && (t->columns & HAS_STAMP) && has_cut(&j->doc->replicas))
        growth_sweep_key(j->doc, t, &p);
    return DONE;
}

/* ---- join: ORMap ---------------------------------------------------------------------------------- */

/* Join the presence dots of a row with the sender's. */
static int join_presence(TableJoin *j, u32 row, const Group *g)
{
    Table *t = j->t;
    const u64 *more = map_child(t, row)->more_dots;
    u32 held = t->dot[row] == 0 ? 0 : 1 + (more == NULL ? 0 : (u32)more[0]);
    u64 *dots = malloc((held + g->n + 1) * sizeof(u64)); /* [0] becomes the count of the rest */
    if (dots == NULL)
        return ERROR_MEMORY;
    u64 *kept = dots;
    u32 n = 0, same = 0;
    for (u32 i = 0; i < held; i++) {
        Dot dot = i == 0 ? t->dot[row] : more[i];
        if (entry_with(j, g, dot) != NULL || !is_covered(j->tops, dot)) {
            kept[n++] = dot;
            same++;
        }
    }
    for (u32 i = 0; i < g->n; i++) {
        Dot dot = local_dot(j->d, g->all[i].dot);
        bool is_held = false; /* a delta may name a key twice */
        for (u32 k = 0; k < same; k++)
            is_held |= kept[k] == dot;
        if (!is_held && !is_seen(&j->doc->replicas, dot))
            kept[n++] = dot;
    }
    if (same == held && n == held) {
        free(dots);
        return DONE;
    }
    Dot first = n == 0 ? 0 : dots[0];
    if (n > 1) {
        dots[0] = n - 1;
    } else {
        free(dots);
        dots = NULL;
    }
    presence_set(j->doc, t, row, first, dots);
    return DONE;
}

static bool brings_news(const TableJoin *j, const Group *g)
{
    for (u32 i = 0; i < g->n; i++)
        if (!is_seen(&j->doc->replicas, local_dot(j->d, g->all[i].dot)))
            return true;
    return false;
}

static int join_child(TableJoin *j, const Group *g)
{
    u8 marker = read_byte(&j->d->in);
    Container *child = map_find(j->doc, j->t, &g->key);
    if (child == NULL) {
        if (marker != CHILD_SECTION && !brings_news(j, g))
            return DONE;
        int status = map_make(j->doc, j->t, &g->key, &child);
        if (status < 0)
            return status;
    }
    keep(j, child->row);
    int status = join_presence(j, child->row, g);
    if (status != DONE)
        return status;
    if (marker == CHILD_SECTION)
        status = section_apply(j->doc, j->d, child, j->tops);
    else if (marker == CHILD_BLANK)
        status = section_apply_blank(j->doc, child, j->tops);
    if (status == DONE && !j->complete)
        map_drop_if_blank(j->doc, j->t, child->row);
    return status;
}

/* ---- apply ---------------------------------------------------------------------------------------- */

static int note_removal(TableJoin *j, const Group *g)
{
    Dot event = local_dot(j->d, g->removal);
    if (is_seen(&j->doc->replicas, event))
        return DONE;
    int status = removals_reserve(j->t, g->key.n);
    if (status == DONE)
        removals_append(j->t, event, &g->key);
    return status;
}

static int join_group(TableJoin *j, const Group *g, bool keeps_siblings)
{
    int status = g->removal.sequence == 0 ? DONE : note_removal(j, g);
    if (status != DONE)
        return status;
    if (j->t->columns & HAS_CHILD)
        return join_child(j, g);
    return keeps_siblings ? join_dots(j, g) : join_single(j, g);
}

static bool was_kept(const TableJoin *j, u32 row)
{
    return row >= j->held || (j->kept[row / 8] >> row % 8 & 1);
}

/* After a complete section: drop what the sender saw and did not list. */
static int sweep(TableJoin *j)
{
    Table *t = j->t;
    static const Group nothing;
    for (u32 row = t->n; row-- > 0;) {
        if (t->columns & HAS_CHILD) {
            if (!was_kept(j, row)) {
                int status = join_presence(j, row, &nothing);
                if (status == DONE)
                    status = section_apply_blank(j->doc, map_child(t, row), j->tops);
                if (status != DONE)
                    return status;
            }
        } else if (!was_kept(j, row) && is_covered(j->tops, t->dot[row])) {
            Item key = table_key(t, row);
            Probe p = probe_of(&key, j->doc->seed);
            Matches m = {0};
            u32 others = 0;
            while (t->siblings != 0 && table_next_match(t, &p, &m) != NO_ROW)
                others++;
            row_remove(j->doc, t, row, others == 0 ? 0 : others - 1);
        }
    }
    for (u32 row = t->n; (t->columns & HAS_CHILD) && row-- > 0;)
        map_drop_if_blank(j->doc, t, row);
    if ((t->columns & HAS_STAMP) && has_cut(&j->doc->replicas))
        growth_sweep_table(j->doc, t);
    return is_dot_store(&t->base) ? removals_raise_horizon(t, j->tops, j->doc->replicas.n) : DONE;
}

int table_apply(Document *doc, Decoder *d, Table *t, const u64 *tops)
{
    TableJoin j = {.doc = doc, .d = d, .t = t, .tops = tops, .held = t->n};
    TableReading r;
    bool keeps_siblings = is_dot_store(&t->base);
    int status = table_read_begin(doc, d, (Expected){.shape = t->base.shape, .removable = t->base.removable}, &r);
    if (status != DONE)
        return status;
    j.complete = r.complete;
    if (j.complete && t->n != 0 && (j.kept = calloc(t->n / 8 + 1, 1)) == NULL)
        return ERROR_MEMORY;
    j.loads = t->n == 0 && r.rows > INDEXED_FROM && (j.complete || d->is_full) && !(t->columns & HAS_CHILD);
    u64 most = reader_left(&d->in) / 3; /* that many rows may really be there, in so many bytes each */
    if (j.loads)
        status = table_load_begin(t, r.rows < most ? r.rows : most);
    for (u64 i = 0; i < r.rows && status == DONE; i++) {
        status = d->unchecked ? table_check_next(&r) : table_read_next(&r);
        if (status == DONE)
            status = join_group(&j, &r.group, keeps_siblings);
    }
    if (status == DONE && d->unchecked && reader_left(&d->in) != 0)
        status = refuse(&d->in, "bytes are left over");
    if (status == DONE && j.loads)
        status = table_load_end(t, doc->seed);
    if (status == DONE && j.complete)
        status = sweep(&j);
    table_read_end(&r);
    free(j.kept);
    table_settle(doc, t);
    return status;
}

int table_apply_blank(Document *doc, Table *t, const u64 *tops)
{
    if (!is_dot_store(&t->base) && !(doc->is_behind && (t->columns & HAS_STAMP)))
        return DONE;
    TableJoin j = {.doc = doc, .t = t, .tops = tops, .held = t->n, .complete = true};
    if ((j.kept = calloc(t->n / 8 + 1, 1)) == NULL)
        return ERROR_MEMORY;
    int status = sweep(&j);
    free(j.kept);
    table_settle(doc, t);
    return status;
}
