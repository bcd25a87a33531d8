/* Counters and tables of values: what one state alone has of them, done again on another. */
#include "rebase.h"
#include "rows.h"

#include <stdlib.h>

/* ---- counters -------------------------------------------------------------------------------------- */

static u64 excess(u64 count, u64 a, u64 b)
{
    u64 base = a > b ? a : b;
    return count > base ? count - base : 0;
}

/* What a writer had counted up to an event is the same everywhere, so it can keep the writer's name, and does not count
 * twice if others do likewise. */
static int raise_slot(Rebase *r, Counter *to, const Slot *from)
{
    u32 i = 0;
    u16 writer = (u16)r->there[from->replica];
    while (i < to->n && to->slot[i].replica != writer)
        i++;
    if (i < to->n) {
        slot_digest(r->onto, to, i, false);
    } else {
        int status = array_reserve(&to->slot, &to->capacity, to->n + 1, sizeof(Slot));
        if (status != DONE)
            return status;
        to->n++;
    }
    to->slot[i] = (Slot){.up = from->up, .down = from->down, .sequence = from->sequence, .replica = writer};
    slot_digest(r->onto, to, i, true);
    return DONE;
}

int rebase_counter(Rebase *r, Counter *to, const Counter *from)
{
    for (u32 i = 0; from != NULL && i < from->n; i++) {
        const Slot *s = &from->slot[i];
        if (!is_alone(r, dot_of((u16)s->replica, s->sequence)))
            continue;
        if (r->stays[s->replica] && !to->base.removable) {
            int status = raise_slot(r, to, s);
            if (status != DONE)
                return status;
            continue;
        }
        Slot known = {0};
        for (u32 k = 0; k < to->n; k++)
            if ((i32)to->slot[k].replica == r->there[s->replica])
                known = to->slot[k];
        int status = counter_add(r->onto, to, excess(s->up, known.up, s->up_floor), false);
        if (status >= 0)
            status = counter_add(r->onto, to, excess(s->down, known.down, s->down_floor), true);
        if (status < 0)
            return status;
    }
    return DONE;
}

static u64 least(u64 a, u64 b)
{
    return a < b ? a : b;
}

bool raised_floors(const Rebase *r, const Slot *s, const Counter *from, u64 *up, u64 *down)
{
    bool found = false;
    *up = s->up_floor;
    *down = s->down_floor;
    for (u32 k = 0; from != NULL && k < from->n; k++) {
        if (r->there[from->slot[k].replica] != (i32)s->replica)
            continue;
        found = true;
        *up = s->up_floor + excess(least(from->slot[k].up_floor, s->up), s->up_floor, 0);
        *down = s->down_floor + excess(least(from->slot[k].down_floor, s->down), s->down_floor, 0);
    }
    if (!found && is_observed(r, dot_of((u16)s->replica, s->sequence))) {
        *up = s->up;
        *down = s->down;
    }
    return *up != s->up_floor || *down != s->down_floor;
}

/* What `from` had seen of a counter when it removed it counts no more. */
void floor_counter(Rebase *r, Counter *to, const Counter *from, Dot event)
{
    for (u32 i = 0; i < to->n; i++) {
        Slot *s = &to->slot[i];
        u64 up, down;
        if (!raised_floors(r, s, from, &up, &down))
            continue;
        slot_digest(r->onto, to, i, false);
        s->up_floor = up;
        s->down_floor = down;
        s->floored = event;
        slot_digest(r->onto, to, i, true);
    }
}

/* ---- sets, registers, maps of values ---------------------------------------------------------------- */

static bool holds_dot(const Document *doc, const Table *t, const Item *key, Dot dot)
{
    Probe p = probe_of(key, doc->seed);
    Matches m = {0};
    for (u32 row; t->n != 0 && (row = table_next_match(t, &p, &m)) != NO_ROW;)
        if (t->dot[row] == dot)
            return true;
    return false;
}

static Item key_of(const Table *t, u32 row)
{
    return t->columns & HAS_KEY ? table_key(t, row) : item_none();
}

static u32 others_of(const Document *doc, const Table *t, u32 row)
{
    Item key = key_of(t, row);
    Probe p = probe_of(&key, doc->seed);
    Matches m = {0};
    u32 n = 0;
    while (table_next_match(t, &p, &m) != NO_ROW)
        n++;
    return n - 1;
}

bool was_removed(const Rebase *r, const Table *to, const Table *from, u32 row)
{
    bool is_deletion = (to->columns & HAS_VALUE) && to->value[row] >> 4 == ABSENT;
    if (is_deletion || !is_observed(r, to->dot[row]))
        return false;
    Item key = key_of(to, row);
    return from == NULL || !holds_dot(r->from, from, &key, dot_here(r, to->dot[row]));
}

/* Remove what `from` had seen and holds no more. With `event` a removal above tells of it. */
int remove_observed(Rebase *r, Table *to, const Table *from, Dot event)
{
    Document *doc = r->onto;
    for (u32 row = to->n; row-- > 0;) {
        if (row >= to->n || !was_removed(r, to, from, row))
            continue;
        if (event == 0 && !(to->columns & HAS_KEY))
            continue; /* a register is emptied by a write, or by a removal above it */
        Item key = key_of(to, row);
        int status = event != 0 ? DONE : edit_prepare(doc, &to->base, 1, 0);
        if (status == DONE && event == 0)
            status = removals_reserve(to, key.n);
        if (status != DONE)
            return status;
        if (event == 0)
            removal_note(doc, to, edit_event(doc, &to->base, 1), &key);
        row_remove(doc, to, row, others_of(doc, to, row));
    }
    table_settle(doc, to);
    return DONE;
}

/* Whether an entry of `from` keeps its dot: where each key has one, it is the same whoever writes it again. */
static bool keeps_dot(const Rebase *r, const Table *to, const Table *from, u32 row)
{
    return r->stays[dot_replica(from->dot[row])] && !is_dot_store(&to->base);
}

/* The dot that an entry of `from` will have in `onto`. */
static Dot next_dot(const Rebase *r, const Table *to, const Table *from, u32 row)
{
    const Document *doc = r->onto;
    if (!keeps_dot(r, to, from, row))
        return dot_of((u16)doc->self, doc->replicas.all[doc->self].seen + 1);
    return dot_of((u16)r->there[dot_replica(from->dot[row])], dot_sequence(from->dot[row]));
}

/* Write an entry of `from` under its own dot, in place of one of its key. */
static int keep_entry(Rebase *r, Table *to, const Table *from, u32 row)
{
    Document *doc = r->onto;
    Item key = key_of(from, row), value = item_none();
    u64 bytes = key_arena_bytes(&key);
    if (to->columns & HAS_VALUE) {
        value = table_value(from, row);
        bytes += value_arena_bytes(&value);
    }
    int status = table_reserve(to, 1, bytes, doc->seed);
    if (status != DONE)
        return status;
    Probe p = probe_of(&key, doc->seed);
    u32 at = to->n == 0 ? NO_ROW : table_find(to, &p);
    Row contents = {.dot = next_dot(r, to, from, row)};
    if (to->columns & HAS_STAMP) {
        contents.stamp = from->stamp[row];
        doc->stamp = contents.stamp > doc->stamp ? contents.stamp : doc->stamp;
    }
    if (to->columns & HAS_VALUE)
        contents.value = value_store(&value, &contents.word, &to->arena);
    if (at == NO_ROW) {
        contents.key = key.n <= KEY_INLINE ? probe_cell(&p) : key_store(&key, &to->arena);
        row_append(doc, to, &p, &contents, 0);
    } else {
        contents.key = to->key[at];
        row_replace(doc, to, at, &contents);
    }
    table_settle(doc, to);
    return DONE;
}

/* Whether no entry of `onto` counts more under its key than one of `from` that it lacks. Of one stamp, the greater dot
 * does: that which it will have. A deletion counts where there is none, too: someone else may hold what it was made of,
 * and write that again. */
static bool is_latest(const Rebase *r, const Table *to, const Table *from, u32 row)
{
    Dot dot = next_dot(r, to, from, row);
    Item key = key_of(from, row);
    Probe p = probe_of(&key, r->onto->seed);
    Matches m = {0};
    for (u32 at; to->n != 0 && (at = table_next_match(to, &p, &m)) != NO_ROW;)
        if (to->stamp[at] > from->stamp[row] ||
            (to->stamp[at] == from->stamp[row] && dot_compare(&r->onto->replicas, dot, to->dot[at]) < 0))
            return false;
    return true;
}

/* What `from` had seen and holds no entry of at all it has deleted, and purged that deletion: it was later. */
static int delete_purged(Rebase *r, Table *to, const Table *from)
{
    for (u32 row = to->n; row-- > 0;) {
        if (row >= to->n || to->value[row] >> 4 == ABSENT || !is_observed(r, to->dot[row]))
            continue;
        Item key = key_of(to, row), nothing = {.type = ABSENT};
        Probe p = probe_of(&key, r->from->seed);
        Matches m = {0};
        if (from->n != 0 && table_next_match(from, &p, &m) != NO_ROW)
            continue;
        int status = table_put_stamped(r->onto, to, &key, &nothing, to->stamp[row] + 1);
        if (status < 0)
            return status;
    }
    return DONE;
}

static int rebase_stamped(Rebase *r, Table *to, const Table *from)
{
    int gone = delete_purged(r, to, from);
    if (gone < 0)
        return gone;
    for (u32 row = 0; row < from->n; row++) {
        if (!is_alone(r, from->dot[row]) || !is_latest(r, to, from, row))
            continue;
        Item key = key_of(from, row), value = table_value(from, row);
        int status = keeps_dot(r, to, from, row)
                         ? keep_entry(r, to, from, row)
                         : table_put_stamped(r->onto, to, &key, &value, from->stamp[row]);
        if (status < 0)
            return status;
    }
    return DONE;
}

static int rebase_set(Rebase *r, Table *to, const Table *from)
{
    int status = DONE;
    for (u32 row = 0; row < from->n && status >= 0; row++) {
        if (!is_alone(r, from->dot[row]))
            continue;
        Item key = table_key(from, row);
        Probe p = probe_of(&key, r->onto->seed);
        u32 at = to->n == 0 ? NO_ROW : table_find(to, &p);
        Dot dot = next_dot(r, to, from, row);
        if (!keeps_dot(r, to, from, row))
            status = set_add(r->onto, to, &key);
        else if (at == NO_ROW || dot_compare(&r->onto->replicas, dot, to->dot[at]) < 0) /* the smallest dot stays */
            status = keep_entry(r, to, from, row);
    }
    return status < 0 ? status : DONE;
}

/* The value of an MVRegister that goes on: that of its own writer, else the greatest. */
static u32 value_alone(const Rebase *r, const Table *from)
{
    u32 best = NO_ROW;
    for (u32 row = 0; row < from->n; row++) {
        if (!is_alone(r, from->dot[row]))
            continue;
        if ((i32)dot_replica(from->dot[row]) == r->from->self)
            return row;
        if (best == NO_ROW) {
            best = row;
            continue;
        }
        Item a = table_value(from, row), b = table_value(from, best);
        if (item_compare(&a, &b) > 0)
            best = row;
    }
    return best;
}

/* Beside the values that `from` had not seen, in place of those that it overwrote. */
static int rebase_values(Rebase *r, Table *to, const Table *from)
{
    Document *doc = r->onto;
    u32 chosen = value_alone(r, from);
    if (chosen == NO_ROW)
        return DONE;
    for (u32 row = to->n; row-- > 0;)
        if (was_removed(r, to, from, row))
            row_remove(doc, to, row, others_of(doc, to, row));
    Item key = item_none(), value = table_value(from, chosen);
    int status = edit_prepare(doc, &to->base, 1, 0);
    if (status == DONE)
        status = table_reserve(to, 1, value_arena_bytes(&value), doc->seed);
    if (status != DONE)
        return status;
    Probe p = probe_of(&key, doc->seed);
    Row contents = {.key = probe_cell(&p), .dot = edit_event(doc, &to->base, 1)};
    contents.value = value_store(&value, &contents.word, &to->arena);
    row_append(doc, to, &p, &contents, to->n);
    table_settle(doc, to);
    return DONE;
}

int rebase_table(Rebase *r, Table *to, const Table *from)
{
    int status = is_dot_store(&to->base) ? remove_observed(r, to, from, 0) : DONE;
    if (status != DONE || from == NULL)
        return status;
    if (to->columns & HAS_STAMP)
        return rebase_stamped(r, to, from);
    return to->columns & HAS_VALUE ? rebase_values(r, to, from) : rebase_set(r, to, from);
}
