/* Finding what one state alone has, and doing it again on another: maps, composites, the whole. What is
 * kept, and why: docs/explanation/growth.md. */
#include "field.h"
#include "rebase.h"
#include "rows.h"

#include <stdlib.h>

static int rebase_container(Rebase *r, Container *to, const Container *from);

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
        for (u16 i = 0; status == DONE && i < declared_fields(a); i++)
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
        for (u16 i = 0; !lost && i < declared_fields(a); i++)
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
    } else if (n != 0 && child == NULL) {
        status = rebase_container(r, map_child(to, row), NULL); /* what can be removed alone */
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
        int status = field_open(r->onto, to, &(Field){x->name, x->name_bytes, x->child->shape, NULL}, &child);
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
    for (u16 i = 0; status == DONE && i < declared_fields(to); i++) {
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

/* Whether `onto` has dropped the name of this writer, of which it then had seen all. */
static bool is_dropped(const Rebase *r, u32 writer)
{
    Dot retirement = growth_of(&r->from->replicas, (u16)writer).retirement;
    if (retirement == 0 || r->there[writer] >= 0)
        return false;
    i32 by = r->there[dot_replica(retirement)];
    return by >= 0 && dot_sequence(retirement) <= r->onto->replicas.all[by].seen;
}

/* Whether `onto` has purged what is still in `from`. */
static bool is_behind(const Rebase *r)
{
    bool behind = false;
    for (u32 i = 0; !behind && i < r->known; i++) {
        u64 held = r->here[i] < 0 ? 0 : r->from->replicas.all[r->here[i]].seen;
        behind = growth_of(&r->onto->replicas, (u16)i).cut > held;
    }
    return behind;
}

/* Whether `from` has purged what `onto` has not: a purge counts for nobody else, so it may not count as seen. */
static bool has_purged_alone(const Rebase *r)
{
    bool alone = false;
    for (u32 i = 0; !alone && i < r->from->replicas.n; i++) {
        u64 cut = r->there[i] < 0 ? 0 : growth_of(&r->onto->replicas, (u16)r->there[i]).cut;
        alone = growth_of(&r->from->replicas, (u16)i).cut > cut;
    }
    return alone;
}

/* Whether the events of a writer that `from` alone has may count as seen: `onto` has not retired it, and none of
 * them is a purge. Such a purge may have raised the cut no further than `onto`, but which was the newest is state. */
static bool can_stay(const Rebase *r, u16 writer)
{
    i32 there = r->there[writer];
    u64 purge = growth_of(&r->from->replicas, writer).purged;
    if (there >= 0 && growth_of(&r->onto->replicas, (u16)there).retirement != 0)
        return false;
    return purge == 0 || !is_alone(r, dot_of(writer, purge));
}

/* Only where the two cannot be joined: else what both have under one dot would have to be the same. */
static int find_who_stays(Rebase *r)
{
    bool behind = is_behind(r) && !has_purged_alone(r);
    for (u32 i = 0; i < r->from->replicas.n; i++) {
        const Replica *writer = &r->from->replicas.all[i];
        bool is_news = r->whose[i] && is_alone(r, dot_of((u16)i, writer->seen));
        r->stays[i] = behind && is_news && can_stay(r, (u16)i);
        if (r->stays[i] && r->there[i] < 0)
            r->there[i] = replicas_add(&r->onto->replicas, replica_id(&r->from->replicas, (u16)i), writer->id_bytes);
        if (r->stays[i] && r->there[i] < 0)
            return ERROR_MEMORY;
    }
    return DONE;
}

static void note_seen(const Rebase *r)
{
    for (u32 i = 0; i < r->from->replicas.n; i++)
        if (r->stays[i])
            seen_raise(r->onto, (u16)r->there[i], r->from->replicas.all[i].seen);
}

int document_rebase(Document *onto, const Document *from, const bool *whose)
{
    u32 mine = onto->replicas.n, theirs = from->replicas.n;
    Rebase r = {.onto = onto, .from = from, .known = mine};
    r.there = malloc((theirs + 1) * sizeof(i32));
    r.here = malloc((mine + 1) * sizeof(i32));
    r.seen = malloc((mine + 1) * sizeof(u64));
    r.whose = malloc((theirs + 1) * sizeof(bool));
    r.stays = malloc((theirs + 1) * sizeof(bool));
    int status = ERROR_MEMORY;
    if (r.there != NULL && r.here != NULL && r.seen != NULL && r.whose != NULL && r.stays != NULL) {
        for (u32 i = 0; i < mine; i++) {
            r.here[i] = replicas_find(&from->replicas, replica_id(&onto->replicas, (u16)i),
                                      onto->replicas.all[i].id_bytes);
            r.seen[i] = onto->replicas.all[i].seen;
        }
        for (u32 i = 0; i < theirs; i++)
            r.there[i] = replicas_find(&onto->replicas, replica_id(&from->replicas, (u16)i),
                                       from->replicas.all[i].id_bytes);
        for (u32 i = 0; i < theirs; i++)
            r.whose[i] = (whose == NULL || whose[i]) && !is_dropped(&r, i);
        status = find_who_stays(&r);
        if (status == DONE)
            status = rebase_container(&r, onto->root, from->root);
        if (status == DONE)
            note_seen(&r);
    }
    free(r.there);
    free(r.here);
    free(r.seen);
    free(r.whose);
    free(r.stays);
    return status;
}
