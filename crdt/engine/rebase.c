/* Finding what one state alone has, and doing it again on another. What is kept, and why:
 * docs/explanation/growth.md. */
#include "rebase.h"

#include <stdlib.h>

typedef struct {
    Document *onto;
    const Document *from;
    i32 *there; /* a writer of `from` -> its index in `onto`, -1: unknown there */
    i32 *here;  /* the other way */
    u64 *seen;  /* of `onto` before the rebase, by its own indexes */
    u32 known;  /* writers of `onto` then */
} Rebase;

static int rebase_container(Rebase *r, Container *to, const Container *from);

/* Whether this event of `from` is unknown to `onto`. */
static bool is_alone(const Rebase *r, Dot d)
{
    i32 there = r->there[dot_replica(d)];
    return there < 0 || (u32)there >= r->known || dot_sequence(d) > r->seen[there];
}

/* Whether `from` has seen this event of `onto`. */
static bool is_observed(const Rebase *r, Dot d)
{
    if (dot_replica(d) >= r->known || r->here[dot_replica(d)] < 0)
        return false;
    return dot_sequence(d) <= r->from->replicas.all[r->here[dot_replica(d)]].seen;
}

static Dot dot_here(const Rebase *r, Dot d)
{
    return dot_of((u16)r->here[dot_replica(d)], dot_sequence(d));
}

/* ---- counters -------------------------------------------------------------------------------------- */

static u64 excess(u64 count, u64 a, u64 b)
{
    u64 base = a > b ? a : b;
    return count > base ? count - base : 0;
}

static int rebase_counter(Rebase *r, Counter *to, const Counter *from)
{
    for (u32 i = 0; from != NULL && i < from->n; i++) {
        const Slot *s = &from->slot[i];
        if (!is_alone(r, dot_of((u16)s->replica, s->sequence)))
            continue;
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

/* The floors that a slot of `onto` gets from what `from` had removed; whether they are news. */
static bool raised_floors(const Rebase *r, const Slot *s, const Counter *from, u64 *up, u64 *down)
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
static void floor_counter(Rebase *r, Counter *to, const Counter *from, Dot event)
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

static bool was_removed(const Rebase *r, const Table *to, const Table *from, u32 row)
{
    bool is_deletion = (to->columns & HAS_VALUE) && to->value[row] >> 4 == ABSENT;
    if (is_deletion || !is_observed(r, to->dot[row]))
        return false;
    Item key = key_of(to, row);
    return from == NULL || !holds_dot(r->from, from, &key, dot_here(r, to->dot[row]));
}

/* Remove what `from` had seen and holds no more. With `event` a removal above tells of it. */
static int remove_observed(Rebase *r, Table *to, const Table *from, Dot event)
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

static bool is_greater_writer(const Rebase *r, Dot from, Dot onto)
{
    const Replica *a = &r->from->replicas.all[dot_replica(from)], *b = &r->onto->replicas.all[dot_replica(onto)];
    u8 shared = a->id_bytes < b->id_bytes ? a->id_bytes : b->id_bytes;
    int c = memcmp(replica_id(&r->from->replicas, dot_replica(from)), replica_id(&r->onto->replicas, dot_replica(onto)),
                   shared);
    return c != 0 ? c > 0 : a->id_bytes > b->id_bytes;
}

/* Whether an entry of `from` is later than the one that counts in `onto` under its key; where there is
 * none, whether it is a value. */
static bool is_later(const Rebase *r, const Table *to, const Table *from, u32 row)
{
    Item key = key_of(from, row);
    Probe p = probe_of(&key, r->onto->seed);
    Matches m = {0};
    bool later = from->value[row] >> 4 != ABSENT;
    for (u32 at; to->n != 0 && (at = table_next_match(to, &p, &m)) != NO_ROW;) {
        if (to->stamp[at] > from->stamp[row] ||
            (to->stamp[at] == from->stamp[row] && !is_greater_writer(r, from->dot[row], to->dot[at])))
            return false;
        later = true;
    }
    return later;
}

static int rebase_stamped(Rebase *r, Table *to, const Table *from)
{
    for (u32 row = 0; row < from->n; row++) {
        if (!is_alone(r, from->dot[row]) || !is_later(r, to, from, row))
            continue;
        Item key = key_of(from, row), value = table_value(from, row);
        int status = table_put_stamped(r->onto, to, &key, &value, from->stamp[row]);
        if (status < 0)
            return status;
    }
    return DONE;
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
    Row contents = {.key = p.cell, .dot = edit_event(doc, &to->base, 1)};
    contents.value = value_store(&value, &contents.word, &to->arena);
    row_append(doc, to, &p, contents, to->n);
    table_settle(doc, to);
    return DONE;
}

static int rebase_table(Rebase *r, Table *to, const Table *from)
{
    int status = is_dot_store(&to->base) ? remove_observed(r, to, from, 0) : DONE;
    if (status != DONE || from == NULL)
        return status;
    if (to->columns & HAS_STAMP)
        return rebase_stamped(r, to, from);
    if (to->columns & HAS_VALUE)
        return rebase_values(r, to, from);
    for (u32 row = 0; row < from->n && status >= 0; row++) {
        Item key = table_key(from, row);
        if (is_alone(r, from->dot[row]))
            status = set_add(r->onto, to, &key);
    }
    return status < 0 ? status : DONE;
}

/* ---- sequences -------------------------------------------------------------------------------------- */

static int delete_observed(Rebase *r, SequenceNode *to, const SequenceNode *from)
{
    u32 end = 0, n = 0; /* of the stretch that goes, found from the back */
    for (u32 at = sequence_length(to->sequence); at-- > 0;) {
        Dot dot;
        u32 position;
        bool visible = false;
        int status = sequence_dot_at(to->sequence, at, &dot);
        if (status < 0)
            return status;
        bool goes = is_observed(r, dot) &&
                    (from == NULL || sequence_position_of(from->sequence, dot_here(r, dot), &position, &visible) < 0 ||
                     !visible);
        if (goes)
            end = n++ == 0 ? at + 1 : end;
        if (n != 0 && (!goes || at == 0)) {
            status = node_delete(r->onto, to, end - n, n);
            if (status < 0)
                return status;
            n = 0;
        }
    }
    return DONE;
}

/* Insert n visible elements of `from`, from `first` on, at a position. */
static int insert_again(Rebase *r, SequenceNode *to, const SequenceNode *from, u32 first, u32 n, u32 position)
{
    if (n == 0)
        return DONE;
    bool is_text = container_kind(&from->base) == TEXT;
    void *units = malloc((size_t)n * (is_text ? sizeof(u32) : sizeof(Item)));
    if (units == NULL)
        return ERROR_MEMORY;
    int status;
    if (is_text) {
        text_copy(from->sequence, first, n, units, 4);
        status = node_insert_text(r->onto, to, position, units, 4, n);
    } else {
        SequenceWalk walk = walk_start(from->sequence, first);
        Item *items = units;
        for (u32 i = 0; i < n; i++)
            (void)walk_next(&walk, &items[i]);
        for (u32 i = 0; i < n; i++) /* short payloads lie in the item that is walked over */
            if (items[i].p == (const u8 *)&items[i].word)
                items[i].p = NULL;
        status = node_insert_items(r->onto, to, position, items, n);
    }
    free(units);
    return status < 0 ? status : DONE;
}

/* New elements go behind the nearest one before them that is still known. */
static int rebase_sequence(Rebase *r, SequenceNode *to, const SequenceNode *from)
{
    int status = delete_observed(r, to, from);
    u32 length = from == NULL ? 0 : sequence_length(from->sequence), cursor = 0, first = 0, n = 0;
    for (u32 at = 0; at < length && status == DONE; at++) {
        Dot dot;
        status = sequence_dot_at(from->sequence, at, &dot);
        if (status < 0)
            return status;
        if (is_alone(r, dot)) {
            first = n++ == 0 ? at : first;
            continue;
        }
        status = insert_again(r, to, from, first, n, cursor);
        cursor += n;
        n = 0;
        u32 position;
        bool visible;
        Dot there = dot_of((u16)r->there[dot_replica(dot)], dot_sequence(dot));
        if (sequence_position_of(to->sequence, there, &position, &visible) >= 0)
            cursor = position + visible;
    }
    return status == DONE ? insert_again(r, to, from, first, n, cursor) : status;
}

/* ---- ORMap ------------------------------------------------------------------------------------------ */

static u32 presence_count(const Table *t, u32 row)
{
    const u64 *more = map_child(t, row)->more_dots;
    return t->dot[row] == 0 ? 0 : 1 + (more == NULL ? 0 : (u32)more[0]);
}

static Dot presence_dot(const Table *t, u32 row, u32 i)
{
    return i == 0 ? t->dot[row] : map_child(t, row)->more_dots[i];
}

static int reset_observed(Rebase *r, Container *to, const Container *from, Dot event);

static int reset_observed_map(Rebase *r, Table *to, const Table *from, Dot event)
{
    for (u32 row = to->n; row-- > 0;) {
        Item key = table_key(to, row);
        const Container *child = from == NULL ? NULL : map_find(r->from, from, &key);
        int status = reset_observed(r, map_child(to, row), child, event);
        if (status != DONE)
            return status;
    }
    return DONE;
}

/* As `from` did when it removed what is above: whatever it had seen below goes. */
static int reset_observed(Rebase *r, Container *to, const Container *from, Dot event)
{
    switch (container_kind(to)) {
    case GCOUNTER:
    case PNCOUNTER:
        floor_counter(r, (Counter *)to, (const Counter *)from, event);
        return DONE;
    case OP_LIST:
    case TEXT:
        return delete_observed(r, (SequenceNode *)to, (const SequenceNode *)from);
    case COMPOSITE: {
        Composite *a = (Composite *)to;
        const Composite *b = (const Composite *)from;
        int status = DONE;
        for (u16 i = 0; status == DONE && to->schema != NULL && i < to->schema->n; i++)
            if (a->field[i] != NULL)
                status = reset_observed(r, a->field[i], b == NULL ? NULL : b->field[i], event);
        return status;
    }
    case OR_MAP:
        return reset_observed_map(r, (Table *)to, (const Table *)from, event);
    default:
        return remove_observed(r, (Table *)to, (const Table *)from, event);
    }
}

/* Whether `from` has removed something below a key that only a removal of the key can take. */
static bool has_lost_below(const Rebase *r, const Container *to, const Container *from)
{
    bool lost = false;
    switch (container_kind(to)) {
    case GCOUNTER:
    case PNCOUNTER: {
        const Counter *counter = (const Counter *)to;
        u64 up, down;
        for (u32 i = 0; !lost && i < counter->n; i++)
            lost = raised_floors(r, &counter->slot[i], (const Counter *)from, &up, &down);
        return lost;
    }
    case COMPOSITE: {
        const Composite *a = (const Composite *)to, *b = (const Composite *)from;
        for (u16 i = 0; !lost && to->schema != NULL && i < to->schema->n; i++)
            lost = a->field[i] != NULL && has_lost_below(r, a->field[i], b == NULL ? NULL : b->field[i]);
        return lost;
    }
    case LWW_REGISTER:
    case MV_REGISTER: {
        const Table *t = (const Table *)to;
        for (u32 row = 0; !lost && row < t->n; row++)
            lost = was_removed(r, t, (const Table *)from, row);
        return lost;
    }
    default:
        return false; /* each element and key can be removed alone */
    }
}

/* A key that `from` removed: all of it, or what it had seen of it. */
static int remove_key(Rebase *r, Table *to, const Table *from, const Item *key)
{
    Document *doc = r->onto;
    u32 row = map_find(doc, to, key)->row, lost = 0, n = presence_count(to, row);
    const Container *child = from == NULL ? NULL : map_find(r->from, from, key);
    /* Where `from` has the key, its own presence may have come in the place of what it had seen. */
    bool is_there = child != NULL && map_is_present(from, child->row);
    u64 *kept = malloc((n + 1) * sizeof(u64)); /* [0] becomes the count of the rest */
    if (kept == NULL)
        return ERROR_MEMORY;
    for (u32 i = 0; i < n; i++) {
        Dot dot = presence_dot(to, row, i);
        if (is_observed(r, dot) && !is_there)
            lost++;
        else
            kept[i - lost] = dot;
    }
    int status = DONE;
    if (lost == n && n != 0) {
        status = map_remove(doc, to, key);
    } else if (n != 0 && (lost != 0 || has_lost_below(r, map_child(to, row), child))) {
        status = edit_prepare(doc, &to->base, 1, 0);
        if (status == DONE)
            status = removals_reserve(to, key->n);
        if (status == DONE) {
            Dot event = edit_event(doc, &to->base, 1), first = kept[0];
            kept[0] = n - lost - 1;
            presence_set(doc, to, row, first, n - lost > 1 ? kept : NULL);
            kept = n - lost > 1 ? NULL : kept;
            removal_note(doc, to, event, key);
            status = reset_observed(r, map_child(to, row), child, event);
        }
    }
    free(kept);
    return status < 0 ? status : DONE;
}

static bool has_key_alone(const Rebase *r, const Table *from, u32 row)
{
    for (u32 i = 0; i < presence_count(from, row); i++)
        if (is_alone(r, presence_dot(from, row, i)))
            return true;
    return false;
}

/* A key below which `from` has written what is not known: there it is, whatever was removed meanwhile. */
static int rebase_key(Rebase *r, Table *to, const Table *from, u32 row)
{
    Document *doc = r->onto;
    Item key = table_key(from, row);
    Container *child = map_find(doc, to, &key);
    bool alone = has_key_alone(r, from, row);
    if (child == NULL && !alone)
        return DONE;
    int status = map_make(doc, to, &key, &child);
    if (status >= 0)
        status = rebase_container(r, child, map_child(from, row));
    if (status < 0)
        return status;
    child = map_find(doc, to, &key);
    if (alone && child != NULL && !map_is_present(to, child->row)) {
        status = edit_prepare(doc, child, 1, 0);
        if (status == DONE)
            (void)edit_event(doc, child, 1);
    } else if (child != NULL) {
        map_drop_if_blank(doc, to, child->row);
    }
    return status < 0 ? status : DONE;
}

static int rebase_map(Rebase *r, Table *to, const Table *from)
{
    for (u32 row = to->n; row-- > 0;) {
        if (row >= to->n)
            continue;
        Item key = table_key(to, row);
        int status = remove_key(r, to, from, &key);
        if (status != DONE)
            return status;
    }
    for (u32 row = 0; from != NULL && row < from->n; row++) {
        int status = rebase_key(r, to, from, row);
        if (status != DONE)
            return status;
    }
    return DONE;
}

/* ---- every kind ------------------------------------------------------------------------------------- */

static int rebase_extras(Rebase *r, Composite *to, const Composite *from)
{
    for (u32 i = 0; i < from->extras; i++) {
        const ExtraField *x = &from->extra[i];
        Container *child;
        int status = composite_extra(r->onto, to, x->name, x->name_bytes, x->child->shape, &child);
        if (status == DONE)
            status = rebase_container(r, child, x->child);
        if (status != DONE)
            return status;
    }
    return DONE;
}

static int rebase_composite(Rebase *r, Composite *to, const Composite *from)
{
    int status = DONE;
    for (u16 i = 0; status == DONE && to->base.schema != NULL && i < to->base.schema->n; i++) {
        const Container *child = from == NULL ? NULL : from->field[i];
        Container *there = to->field[i];
        if (child == NULL && there == NULL)
            continue;
        status = composite_make(r->onto, to, i, &there);
        if (status >= 0)
            status = rebase_container(r, there, child);
    }
    return status == DONE && from != NULL ? rebase_extras(r, to, from) : status;
}

static int rebase_container(Rebase *r, Container *to, const Container *from)
{
    switch (container_kind(to)) {
    case GCOUNTER:
    case PNCOUNTER:
        return rebase_counter(r, (Counter *)to, (const Counter *)from);
    case OP_LIST:
    case TEXT:
        return rebase_sequence(r, (SequenceNode *)to, (const SequenceNode *)from);
    case COMPOSITE:
        return rebase_composite(r, (Composite *)to, (const Composite *)from);
    case OR_MAP:
        return rebase_map(r, (Table *)to, (const Table *)from);
    default:
        return rebase_table(r, (Table *)to, (const Table *)from);
    }
}

int document_rebase(Document *onto, const Document *from)
{
    u32 mine = onto->replicas.n, theirs = from->replicas.n;
    Rebase r = {.onto = onto, .from = from, .known = mine};
    r.there = malloc((theirs + 1) * sizeof(i32));
    r.here = malloc((mine + 1) * sizeof(i32));
    r.seen = malloc((mine + 1) * sizeof(u64));
    int status = ERROR_MEMORY;
    if (r.there != NULL && r.here != NULL && r.seen != NULL) {
        for (u32 i = 0; i < mine; i++) {
            r.here[i] = replicas_find(&from->replicas, replica_id(&onto->replicas, (u16)i),
                                      onto->replicas.all[i].id_bytes);
            r.seen[i] = onto->replicas.all[i].seen;
        }
        for (u32 i = 0; i < theirs; i++)
            r.there[i] = replicas_find(&onto->replicas, replica_id(&from->replicas, (u16)i),
                                       from->replicas.all[i].id_bytes);
        status = rebase_container(&r, onto->root, from->root);
    }
    free(r.there);
    free(r.here);
    free(r.seen);
    return status;
}
