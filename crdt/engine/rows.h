/* The steps of an edit: room for it, its event, its change of the rows with digest and undo record.
 *
 * Inline, since they run once an edit and a call of each would cost about as much as it does.
 */
#ifndef CRDT_ROWS_H
#define CRDT_ROWS_H

#include "document.h"

/* ---- events --------------------------------------------------------------------------------- */

/* Room for so many undo records and those of the maps above. */
int undo_reserve(Transaction *t, const Container *c, u32 records);

/* Make sure `events` events can be taken and `records` undo records kept below `c`. */
static inline int edit_prepare(Document *doc, const Container *c, u64 events, u32 records)
{
    if (events != 0 && unlikely(doc->self < 0 || doc->replicas.all[doc->self].seen + events > SEQUENCE_MAX))
        return ERROR_LIMIT;
    if (unlikely(doc->is_retired) && events != 0)
        return ERROR_RETIRED;
    if (likely(doc->open == NULL))
        return DONE;
    return undo_reserve(doc->open, c, records);
}

/* Take the next event for a change of `c`: it refreshes the presence of `c` in the ORMaps above. */
static inline Dot edit_event(Document *doc, Container *c, u64 events)
{
    Replica *self = &doc->replicas.all[doc->self];
    Dot first = dot_of((u16)doc->self, self->seen + 1);
    self->seen += events;
    Dot last = dot_of((u16)doc->self, self->seen);
    for (; c->parent != NULL; c = c->parent)
        if (container_kind(c->parent) == OR_MAP)
            presence_set(doc, map_of(c), c->row, last, NULL);
    return first;
}

/* ---- undo ----------------------------------------------------------------------------------- */

/* A macro, so that outside of transactions the record is not even made. */
#define undo_push(doc, ...) ((doc)->open != NULL ? undo_keep(doc, &(UndoRecord)__VA_ARGS__) : (void)0)

static inline void undo_keep(Document *doc, const UndoRecord *record)
{
    Transaction *t = doc->open;
    t->undo[t->undo_n++] = *record;
}

/* ---- digests -------------------------------------------------------------------------------- */

static inline void count_digest(Document *doc, Digest d, bool add)
{
    if (add)
        digest_add(&doc->digest, d);
    else
        digest_subtract(&doc->digest, d);
}

/* Where the digest says an entry is. */
static inline u64 row_where(const Table *t, u32 row)
{
    Item key = t->columns & HAS_KEY ? table_key(t, row) : item_none();
    return t->base.path ^ item_fold(&key);
}

static inline Digest row_sum(const Document *doc, const Table *t, u32 row, u64 where)
{
    u64 what = 0;
    if (t->columns & HAS_VALUE) {
        Item value = table_value(t, row);
        what = item_fold(&value);
    }
    if (t->columns & HAS_STAMP)
        what = mum(what ^ 0x8bb84b93962eacc9ull, t->stamp[row] ^ 0x2d358dccaa6c78a5ull);
    Dot dot = t->dot[row];
    u64 writer = doc->replicas.all[dot_replica(dot)].folded;
    return digest_of(where, writer, dot_sequence(dot), what);
}

static inline void row_digest(Document *doc, const Table *t, u32 row, bool add)
{
    count_digest(doc, row_sum(doc, t, row, row_where(t, row)), add);
}

/* Put off counting a row or slot that is not counted; whether that could be done. */
static inline bool sum_later(Document *doc, Container *c, u32 row)
{
    Unsummed *u = &doc->unsummed;
    if (unlikely(u->of != c) && !sums_turn_to(doc, c))
        return false;
    if (row < FIRST_ROWS) {
        u->first |= (u64)1 << row;
        return true;
    }
    u32 word = row / 64, place = word % MARKED_WORDS;
    if (u->more == NULL || u->more->word[place] != word)
        return sums_mark(doc, row);
    u->more->bits[place] |= (u64)1 << row % 64;
    return true;
}

/* ---- rows: these keep the digest, the undo record and the count of siblings; room is reserved - */

static inline u32 row_append(Document *doc, Table *t, const Probe *p, const Row *row, u32 others)
{
    u32 i = table_append(t, p, row);
    t->siblings += others != 0;
    if (!(t->columns & HAS_CHILD) && !sum_later(doc, &t->base, i))
        row_digest(doc, t, i, true);
    undo_push(doc, {.kind = UNDO_APPENDED_ROW, .at = t, .row = i, .n = others != 0});
    return i;
}

void undo_replaced(Document *doc, Table *t, u32 row);
void undo_appended(Document *doc, Table *t, u32 row);
/* Take a row that is counted out of the digest; whether it is counted again later. */
bool row_uncount(Document *doc, Table *t, u32 row);

/* What a row holds is about to change: keep it for the undo record, and take it out of the digest. Returns whether what
 * comes in its place is counted later. */
static inline bool row_release(Document *doc, Table *t, u32 row)
{
    if (unlikely(doc->open != NULL))
        undo_replaced(doc, t, row);
    return likely(is_marked(&doc->unsummed, &t->base, row)) || row_uncount(doc, t, row);
}

static inline void row_replace(Document *doc, Table *t, u32 row, const Row *contents)
{
    bool later = row_release(doc, t, row);
    table_replace(t, row, contents, false);
    if (!later)
        row_digest(doc, t, row, true);
}

/* The same by a local edit; a row without values has NULL. Waste that this leaves is given back. */
static ALWAYS_INLINE void row_rewrite(Document *doc, Table *t, u32 row, Dot dot, const Item *value, u64 stamp)
{
    bool later = row_release(doc, t, row);
    t->dot[row] = dot;
    if (t->stamp != NULL)
        t->stamp[row] = stamp;
    Latest *latest = table_latest(t);
    if (latest != NULL)
        table_note_dot(t, latest, row);
    u32 dead = 0;
    if (value != NULL) {
        u8 head = t->value[row];
        if ((head & 15) == IN_ARENA)
            dead = cell_arena_bytes(head, t->word[row]);
        t->value[row] = value_store(value, &t->word[row], &t->arena);
        if (unlikely(value->type == ABSENT || head >> 4 == ABSENT))
            t->tombstones += (u32)(value->type == ABSENT) - (u32)(head >> 4 == ABSENT);
    }
    if (unlikely(!later))
        row_digest(doc, t, row, true);
    if (dead != 0) {
        arena_bury(&t->arena, dead);
        if (doc->open == NULL)
            table_tidy(t, doc->seed);
    }
}

void row_remove(Document *doc, Table *t, u32 row, u32 others);

/* Outside of a transaction, where no undo record refers to rows and payloads: give back waste, bound
 * the log of removals. */
static inline void table_settle(Document *doc, Table *t)
{
    if (doc->open != NULL)
        return;
    table_tidy(t, doc->seed);
    if (table_log(t) != NULL)
        (void)removals_trim(t);
}

#endif
