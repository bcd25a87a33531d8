/* Writing one entry of a set, register or map of values.
 *
 * Inline down to the caller that has packed the key, since this is what one assignment in Python comes to: a call, or
 * an item that is put together in memory, is a good part of it. What is rare is left to calls.
 */
#ifndef CRDT_TABLE_EDIT_H
#define CRDT_TABLE_EDIT_H

#include "rows.h"

/* Write the first entry of a key: what row_append does, without a row that is put together first. */
static ALWAYS_INLINE int add_entry(Document *doc, Table *t, const Probe *p, const Item *value, u64 stamp)
{
    u64 bytes = (u64)key_arena_bytes(p->item) + (value == NULL ? 0 : value_arena_bytes(value));
    int status = edit_prepare(doc, &t->base, 1, 1);
    if (likely(status == DONE))
        status = table_reserve(t, 1, bytes, doc->seed);
    if (unlikely(status != DONE))
        return status;
    u32 row = t->n++;
    if (likely(p->item->n <= KEY_INLINE))
        t->key[row] = probe_cell(p);
    else
        table_store_key(t, row, p->item, p->hash);
    t->dot[row] = edit_event(doc, &t->base, 1);
    if (t->stamp != NULL)
        t->stamp[row] = stamp;
    if (value != NULL) {
        t->value[row] = value_store(value, &t->word[row], &t->arena);
        t->tombstones += value->type == ABSENT;
    }
    Latest *latest = table_latest(t);
    if (latest != NULL)
        table_note_dot(t, latest, row);
    if (t->bucket != NULL)
        index_add(t, row, p->hash);
    t->mutations++;
    if (unlikely(doc->open != NULL))
        undo_appended(doc, t, row);
    if (unlikely(!sum_later(doc, &t->base, row)))
        row_digest(doc, t, row, true);
    return CHANGED;
}

/* Write another entry into the only row of a key. */
static ALWAYS_INLINE int replace_entry(Document *doc, Table *t, u32 row, const Item *value, u64 stamp)
{
    u64 bytes = value == NULL ? 0 : value_arena_bytes(value);
    int status = edit_prepare(doc, &t->base, 1, 1);
    if (bytes != 0 && status == DONE)
        status = table_reserve(t, 0, bytes, doc->seed);
    if (unlikely(status != DONE))
        return status;
    row_rewrite(doc, t, row, edit_event(doc, &t->base, 1), value, stamp);
    return CHANGED;
}

/* The same where a key may have several rows: one stays. The probe is by value, so that it need not be in memory. */
int put_over_siblings(Document *doc, Table *t, Probe p, const Item *value, u64 stamp);

/* Make a key hold exactly one entry, written by a new event that supersedes what it held; `row`: its first. */
static ALWAYS_INLINE int put_entry(Document *doc, Table *t, const Probe *p, u32 row, const Item *value, u64 stamp)
{
    if (row == NO_ROW)
        return add_entry(doc, t, p, value, stamp);
    if (likely(t->siblings == 0))
        return replace_entry(doc, t, row, value, stamp);
    return put_over_siblings(doc, t, *p, value, stamp);
}

static ALWAYS_INLINE int add_element(Document *doc, Table *t, const Probe *p)
{
    u32 row = table_find(t, p);
    /* An element that is there takes a fresh dot: else a concurrent removal would win over this add. */
    if (row != NO_ROW && !is_dot_store(&t->base))
        return UNCHANGED;
    return put_entry(doc, t, p, row, NULL, 0);
}

static ALWAYS_INLINE int put_stamped(Document *doc, Table *t, const Probe *p, const Item *value, u64 stamp)
{
    int status = put_entry(doc, t, p, table_find(t, p), value, stamp);
    if (likely(status == CHANGED) && stamp > doc->stamp)
        doc->stamp = stamp;
    return status;
}

static inline u64 next_stamp(const Document *doc, const Table *t, u64 now_ms)
{
    return t->columns & HAS_STAMP ? hlc_tick(doc->stamp, now_ms) : 0;
}

/* `set_add`, inline. */
static ALWAYS_INLINE int set_add_inline(Document *doc, Table *t, const Item *key)
{
    Probe p;
    probe_set(&p, key, doc->seed);
    return add_element(doc, t, &p);
}

/* `table_put`, inline. */
static ALWAYS_INLINE int table_put_inline(Document *doc, Table *t, const Item *key, const Item *value, u64 now_ms)
{
    Probe p;
    probe_set(&p, key, doc->seed);
    return put_stamped(doc, t, &p, value, next_stamp(doc, t, now_ms));
}

#endif
