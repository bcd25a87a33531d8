/* Local edits of counters, sets, registers and maps. Each makes room first and then cannot fail. */
#include "table_edit.h"

/* ---- counters ----------------------------------------------------------------------------------- */

static u32 slot_of(const Counter *c, u16 replica)
{
    for (u32 i = 0; i < c->n; i++)
        if (c->slot[i].replica == replica)
            return i;
    return NO_ROW;
}

static int new_slot(Document *doc, Counter *c)
{
    int status = array_reserve(&c->slot, &c->capacity, c->n + 1, sizeof(Slot));
    if (status != DONE)
        return status;
    c->slot[c->n++] = (Slot){.replica = (u16)doc->self};
    undo_push(doc, {.kind = UNDO_NEW_SLOT, .at = c, .row = c->n - 1});
    return DONE;
}

/* Any increment, with the digest and undo record. */
static __attribute__((noinline)) int counter_add_anywhere(Document *doc, Counter *c, u64 by, bool down)
{
    int status = edit_prepare(doc, &c->base, 1, 1);
    if (status != DONE)
        return status;
    u32 i = slot_of(c, (u16)doc->self);
    if (i != NO_ROW) {
        u64 count = down ? c->slot[i].down : c->slot[i].up;
        if (by > UINT64_MAX - count)
            return ERROR_RANGE;
        undo_push(doc, {.kind = UNDO_SLOT, .at = c, .row = i, .slot = c->slot[i]});
        if (!is_marked(&doc->unsummed, &c->base, i))
            slot_digest(doc, c, i, false);
    } else {
        status = new_slot(doc, c);
        if (status != DONE)
            return status;
        i = c->n - 1;
    }
    Slot *s = &c->slot[i];
    *(down ? &s->down : &s->up) += by;
    s->sequence = dot_sequence(edit_event(doc, &c->base, 1));
    if (!sum_later(doc, &c->base, i))
        slot_digest(doc, c, i, true);
    return CHANGED;
}

int counter_add(Document *doc, Counter *c, u64 by, bool down)
{
    if (by == 0)
        return UNCHANGED;
    /* Most increments repeat one whose slot is to be counted in the digest anyway, and have nothing above to tell. */
    u32 i = slot_of(c, (u16)doc->self);
    if (unlikely(i == NO_ROW || !is_marked(&doc->unsummed, &c->base, i) || c->base.parent != NULL || doc->open != NULL))
        return counter_add_anywhere(doc, c, by, down);
    Slot *s = &c->slot[i];
    u64 *count = down ? &s->down : &s->up;
    if (by > UINT64_MAX - *count || edit_prepare(doc, &c->base, 1, 0) != DONE)
        return counter_add_anywhere(doc, c, by, down); /* it says why not */
    *count += by;
    s->sequence = dot_sequence(edit_event(doc, &c->base, 1));
    return CHANGED;
}

void counter_total_words(const Counter *c, u64 up[2], u64 down[2])
{
    u128 ups = 0, downs = 0;
    for (u32 i = 0; i < c->n; i++) {
        ups += c->slot[i].up - c->slot[i].up_floor;
        downs += c->slot[i].down - c->slot[i].down_floor;
    }
    up[0] = (u64)ups;
    up[1] = (u64)(ups >> 64);
    down[0] = (u64)downs;
    down[1] = (u64)(downs >> 64);
}

/* ---- sets, registers and maps of values --------------------------------------------------------- */

static u32 count_matches(const Table *t, const Probe *p, u32 *first)
{
    *first = table_find(t, p);
    if (*first == NO_ROW || likely(t->siblings == 0))
        return *first != NO_ROW;
    Matches m = {0};
    u32 n = 0;
    while (table_next_match(t, p, &m) != NO_ROW)
        n++;
    return n;
}

/* Remove all rows of a key but one; returns where that one is. */
static u32 remove_siblings(Document *doc, Table *t, const Probe *p)
{
    for (;;) {
        Matches m = {0};
        u32 first = table_next_match(t, p, &m);
        u32 second = table_next_match(t, p, &m);
        if (second == NO_ROW)
            return first;
        row_remove(doc, t, second, 1);
    }
}

int put_over_siblings(Document *doc, Table *t, Probe p, const Item *value, u64 stamp)
{
    u32 first, n = count_matches(t, &p, &first);
    int status = edit_prepare(doc, &t->base, 1, n + 1);
    if (status == DONE)
        status = table_reserve(t, 0, value == NULL ? 0 : value_arena_bytes(value), doc->seed);
    if (status != DONE)
        return status;
    if (n > 1)
        first = remove_siblings(doc, t, &p);
    row_rewrite(doc, t, first, edit_event(doc, &t->base, 1), value, stamp);
    table_settle(doc, t);
    return CHANGED;
}

int set_add(Document *doc, Table *t, const Item *key)
{
    return set_add_inline(doc, t, key);
}

static bool same_key(const Item *a, const Item *b)
{
    return item_compare(a, b) == 0;
}

/* Note that `event` removed under `key`. The newest note of one writer about one key says all. */
void removal_note(Document *doc, Table *t, Dot event, const Item *key)
{
    RemovalLog *log = table_log(t);
    if (log->n != 0) {
        Removal *last = &log->all[log->n - 1];
        Item last_key = key_item(&last->key, &log->keys);
        if (dot_replica(last->event) == dot_replica(event) && same_key(&last_key, key)) {
            undo_push(doc, {.kind = UNDO_RELOGGED, .at = t, .event = last->event});
            last->event = event;
            return;
        }
    }
    removals_append(t, event, key);
    undo_push(doc, {.kind = UNDO_LOGGED, .at = t});
}

int set_discard(Document *doc, Table *t, const Item *key)
{
    Probe p;
    probe_set(&p, key, doc->seed);
    u32 first, n = count_matches(t, &p, &first);
    if (n == 0)
        return UNCHANGED;
    int status = edit_prepare(doc, &t->base, 1, n + 1);
    if (status == DONE)
        status = removals_reserve(t, key->n);
    if (status != DONE)
        return status;
    if (n > 1)
        first = remove_siblings(doc, t, &p);
    row_remove(doc, t, first, 0);
    removal_note(doc, t, edit_event(doc, &t->base, 1), key);
    table_settle(doc, t);
    return CHANGED;
}

void rows_remove_all(Document *doc, Table *t)
{
    while (t->n > 0) /* in all, each sibling is counted off once */
        row_remove(doc, t, t->n - 1, t->siblings);
}

int set_clear(Document *doc, Table *t)
{
    if (t->n == 0)
        return UNCHANGED;
    int status = edit_prepare(doc, &t->base, 1, t->n + 1);
    if (status == DONE)
        status = removals_raise_horizon(t, NULL, (u32)doc->self + 1);
    if (status != DONE)
        return status;
    rows_remove_all(doc, t);
    /* Who lacks this event gets what is left as a whole: cheaper than a note for each element. */
    u64 *horizon = &table_log(t)->horizon[doc->self];
    undo_push(doc, {.kind = UNDO_HORIZON, .at = t, .sequence = *horizon});
    *horizon = dot_sequence(edit_event(doc, &t->base, 1));
    table_settle(doc, t);
    return CHANGED;
}

int table_put(Document *doc, Table *t, const Item *key, const Item *value, u64 now_ms)
{
    return table_put_inline(doc, t, key, value, now_ms);
}

int table_put_stamped(Document *doc, Table *t, const Item *key, const Item *value, u64 stamp)
{
    Probe p;
    probe_set(&p, key, doc->seed);
    return put_stamped(doc, t, &p, value, stamp);
}

/* ---- which entry counts ------------------------------------------------------------------------- */

/* The order of two entries of one key: by stamp, then writer, then value (two values under one dot
 * exist only if a writer's name was used twice). */
int entry_compare(const Document *doc, const Table *t, u32 a, u32 b)
{
    if ((t->columns & HAS_STAMP) && t->stamp[a] != t->stamp[b])
        return t->stamp[a] < t->stamp[b] ? -1 : 1;
    int c = dot_compare(&doc->replicas, t->dot[a], t->dot[b]);
    if (c != 0 || !(t->columns & HAS_VALUE))
        return c;
    Item x = table_value(t, a), y = table_value(t, b);
    return item_compare(&x, &y);
}

static inline u32 best_row(const Document *doc, const Table *t, const Probe *p)
{
    u32 best = table_find(t, p);
    if (best == NO_ROW || likely(t->siblings == 0))
        return best;
    Matches m = {0};
    for (u32 row; (row = table_next_match(t, p, &m)) != NO_ROW;)
        if (entry_compare(doc, t, row, best) > 0)
            best = row;
    return best;
}

static inline u32 winner_of(const Document *doc, const Table *t, const Probe *p)
{
    u32 row = best_row(doc, t, p);
    if (row != NO_ROW && (t->columns & HAS_VALUE) && t->value[row] >> 4 == ABSENT)
        return NO_ROW;
    return row;
}

u32 table_winner(const Document *doc, const Table *t, const Item *key)
{
    if (t->n == 0)
        return NO_ROW;
    Probe p;
    probe_set(&p, key, doc->seed);
    return winner_of(doc, t, &p);
}

bool table_is_winner(const Document *doc, const Table *t, u32 row)
{
    if ((t->columns & HAS_VALUE) && t->value[row] >> 4 == ABSENT)
        return false;
    if (t->siblings == 0)
        return true;
    Item key = table_key(t, row);
    Probe p = probe_of(&key, doc->seed);
    return best_row(doc, t, &p) == row;
}

/* ---- many keys at once -------------------------------------------------------------------------- */

/* From here on a table does not lie in the nearer caches. */
enum { FAR_FROM = 4096 };

/* Ask for the memory that each key needs before any of it is used, so that the waits overlap. */
static void look_ahead(const Document *doc, const Table *t, const Item *keys, u32 n, bool to_write, Probe *probes)
{
    u32 row[BATCH];
    for (u32 i = 0; i < n; i++) {
        probe_set(&probes[i], &keys[i], doc->seed);
        if (t->bucket != NULL)
            __builtin_prefetch(&t->bucket[home_of(t, probes[i].hash)]);
    }
    if (t->n < FAR_FROM || t->bucket == NULL)
        return;
    for (u32 i = 0; i < n; i++) {
        const Bucket *b = &t->bucket[home_of(t, probes[i].hash)];
        u32 mask = tags_equal(b, tag_of(probes[i].hash));
        row[i] = mask == 0 ? NO_ROW : b->row[__builtin_ctz(mask)];
        if (mask != 0)
            row_prefetch(t, row[i], to_write);
    }
    for (u32 i = 0; i < n; i++) {
        if (row[i] != NO_ROW)
            row_prefetch_payload(t, row[i]);
    }
}

void table_winners(const Document *doc, const Table *t, const Item *keys, u32 n, u32 *rows)
{
    Probe probes[BATCH];
    look_ahead(doc, t, keys, n, false, probes);
    for (u32 i = 0; i < n; i++)
        rows[i] = winner_of(doc, t, &probes[i]);
}

int table_expect(Document *doc, Table *t, u64 keys)
{
    u64 most = keys + keys / 8; /* if all that are here come too, an eighth stays free */
    if (keys <= BATCH || keys <= t->n)
        return DONE;
    u64 rows = t->n + keys < most ? keys : most - t->n;
    return keys > ROWS_MAX ? ERROR_LIMIT : table_reserve(t, (u32)rows, 0, doc->seed);
}

/* Make room for all of them at once, since making room moves what is asked for. */
static int prepare_batch(Document *doc, Table *t, const Item *keys, const Item *values, u32 n)
{
    u64 bytes = 0;
    for (u32 i = 0; i < n; i++)
        bytes += (u64)key_arena_bytes(&keys[i]) + (values == NULL ? 0 : value_arena_bytes(&values[i]));
    return table_reserve(t, n, bytes, doc->seed);
}

int table_put_many(Document *doc, Table *t, const Item *keys, const Item *values, u32 n, u64 now_ms)
{
    Probe probes[BATCH];
    int status = prepare_batch(doc, t, keys, values, n);
    look_ahead(doc, t, keys, n, true, probes);
    for (u32 i = 0; i < n && status >= 0; i++)
        status = put_stamped(doc, t, &probes[i], &values[i], next_stamp(doc, t, now_ms));
    return status;
}

int set_add_many(Document *doc, Table *t, const Item *keys, u32 n)
{
    Probe probes[BATCH];
    int changed = UNCHANGED, status = prepare_batch(doc, t, keys, NULL, n);
    look_ahead(doc, t, keys, n, true, probes);
    for (u32 i = 0; i < n && status >= 0; i++) {
        status = add_element(doc, t, &probes[i]);
        changed |= status == CHANGED;
    }
    return status < 0 ? status : changed;
}
