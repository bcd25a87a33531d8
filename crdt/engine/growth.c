/* What a cut purges, and the event that raises it. */
#include "growth.h"
#include "rows.h"

#include <stdlib.h>

static const u64 CUT_SALT = 0x6375740000000001ull, RETIRED_SALT = 0x7265746972656401ull,
                 STAMP_SALT = 0x6375747374616d70ull;

/* ---- the digest ---------------------------------------------------------------------------------- */

void growth_digest(Document *doc, u16 writer, bool add)
{
    const Replicas *r = &doc->replicas;
    Bounds g = growth_of(r, writer);
    if (g.cut != 0 || g.purged != 0)
        count_digest(doc, digest_of(CUT_SALT, r->all[writer].folded, g.cut, g.purged), add);
    if (g.retirement != 0)
        count_digest(doc,
                     digest_of(RETIRED_SALT, r->all[writer].folded, dot_sequence(g.retirement),
                               r->all[dot_replica(g.retirement)].folded),
                     add);
}

bool growth_is_there(const Document *doc)
{
    bool found = cut_stamp(&doc->replicas) != 0;
    for (u32 i = 0; !found && i < growth_n(&doc->replicas); i++) {
        Bounds g = doc->replicas.growth->of[i];
        found = g.cut != 0 || g.purged != 0 || g.retirement != 0;
    }
    return found;
}

void cut_stamp_raise(Document *doc, u64 stamp)
{
    GrowthBounds *growth = doc->replicas.growth;
    if (stamp <= cut_stamp(&doc->replicas))
        return;
    if (growth->stamp != 0)
        count_digest(doc, digest_of(STAMP_SALT, 0, growth->stamp, 0), false);
    growth->stamp = stamp;
    count_digest(doc, digest_of(STAMP_SALT, 0, stamp, 0), true);
}

/* ---- what goes ------------------------------------------------------------------------------------
 *
 * The same walk counts what would go under a higher cut and takes out what goes under the own one. */

typedef struct {
    Document *doc;
    const u64 *cut; /* by local index, beside the document's own; NULL: that one alone, and take out */
    u64 found;
    bool is_overdue;      /* count only what should have gone already */
    bool spares_elements; /* of sequences */
    Dot condemns;         /* 0, or the purge that condemns elements, beside taking out */
} Sweep;

static bool is_below(const Sweep *s, Dot d)
{
    return is_stable(&s->doc->replicas, d) || (s->cut != NULL && dot_sequence(d) <= s->cut[dot_replica(d)]);
}

static inline bool is_deletion(const Table *t, u32 row)
{
    return t->value[row] >> 4 == ABSENT;
}

/* Whether the entry that counts under this key is a deletion and all its entries are below the cut. */
static bool key_goes(const Sweep *s, const Table *t, const Probe *p, u32 *rows)
{
    Matches m = {0};
    u32 best = NO_ROW;
    *rows = 0;
    for (u32 row; (row = table_next_match(t, p, &m)) != NO_ROW; (*rows)++) {
        if (!is_below(s, t->dot[row]))
            return false;
        if (best == NO_ROW || entry_compare(s->doc, t, row, best) > 0)
            best = row;
    }
    return best != NO_ROW && is_deletion(t, best);
}

static void key_remove(Document *doc, Table *t, const Probe *p, u32 rows)
{
    while (rows-- > 0)
        row_remove(doc, t, table_find(t, p), rows);
}

static void sweep_values(Sweep *s, Table *t)
{
    if (t->tombstones == 0 || !(t->columns & HAS_STAMP))
        return;
    for (u32 row = t->n; row-- > 0;) {
        if (row >= t->n || !is_deletion(t, row) || !is_below(s, t->dot[row]))
            continue;
        Item key = t->columns & HAS_KEY ? table_key(t, row) : item_none();
        Probe p = probe_of(&key, s->doc->seed);
        u32 rows = 1;
        if (t->siblings != 0 && !key_goes(s, t, &p, &rows))
            continue;
        s->found += rows;
        if (s->cut != NULL)
            continue;
        if (rows == 1)
            row_remove(s->doc, t, row, 0);
        else
            key_remove(s->doc, t, &p, rows);
    }
    if (s->cut == NULL)
        table_settle(s->doc, t);
}

static bool slot_goes(const Sweep *s, const Slot *slot)
{
    return slot->floored != 0 && slot->up == slot->up_floor && slot->down == slot->down_floor &&
           is_below(s, slot->floored) && is_below(s, dot_of((u16)slot->replica, slot->sequence));
}

bool slot_is_purged(const Document *doc, const Slot *slot)
{
    Sweep s = {.doc = (Document *)doc};
    return slot_goes(&s, slot);
}

void slot_remove(Document *doc, Counter *c, u32 slot)
{
    slot_digest(doc, c, slot, false);
    c->slot[slot] = c->slot[--c->n];
}

static void sweep_counter(Sweep *s, Counter *c)
{
    for (u32 i = c->n; i-- > 0;) {
        if (!slot_goes(s, &c->slot[i]))
            continue;
        s->found++;
        if (s->cut == NULL)
            slot_remove(s->doc, c, i);
    }
}

static void sweep_sequence(Sweep *s, Sequence *sequence)
{
    if (s->cut != NULL)
        s->found += sequence_purgeable(sequence, s->is_overdue ? NULL : s->cut);
    if (s->cut != NULL || s->spares_elements)
        return;
    digest_subtract(&s->doc->digest, sequence_digest(sequence));
    if (s->condemns != 0)
        (void)sequence_condemn(sequence, s->condemns); /* or the next purge does */
    (void)sequence_sweep(sequence);
    digest_add(&s->doc->digest, sequence_digest(sequence));
}

static void sweep_container(Sweep *s, Container *c)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        sweep_counter(s, (Counter *)c);
        return;
    case LWW_REGISTER:
    case LWW_MAP:
        sweep_values(s, (Table *)c);
        return;
    case COMPOSITE: {
        Composite *composite = (Composite *)c;
        for (u16 i = 0; i < declared_fields(composite); i++)
            if (composite->field[i] != NULL)
                sweep_container(s, composite->field[i]);
        for (u32 i = 0; i < composite->extras; i++)
            sweep_container(s, composite->extra[i].child);
        return;
    }
    case OR_MAP: {
        Table *t = (Table *)c;
        for (u32 row = t->n; row-- > 0;) {
            sweep_container(s, map_child(t, row));
            if (s->cut == NULL)
                map_drop_if_blank(s->doc, t, row);
        }
        if (s->cut == NULL)
            table_settle(s->doc, t);
        return;
    }
    case OP_LIST:
    case TEXT:
        sweep_sequence(s, ((SequenceNode *)c)->sequence);
        return;
    default:
        return; /* sets hold nothing of removals */
    }
}

void growth_sweep(Document *doc)
{
    Sweep s = {.doc = doc};
    sweep_container(&s, doc->root);
}

void growth_sweep_entries(Document *doc)
{
    Sweep s = {.doc = doc, .spares_elements = true};
    sweep_container(&s, doc->root);
}

void growth_sweep_table(Document *doc, Table *t)
{
    Sweep s = {.doc = doc};
    sweep_values(&s, t);
}

void growth_sweep_key(Document *doc, Table *t, const Probe *p)
{
    Sweep s = {.doc = doc};
    u32 rows;
    if (t->tombstones != 0 && key_goes(&s, t, p, &rows))
        key_remove(doc, t, p, rows);
}

u64 document_overdue(Document *doc, const u64 *nothing)
{
    Sweep s = {.doc = doc, .cut = nothing, .is_overdue = true};
    sweep_container(&s, doc->root);
    return s.found;
}

u64 document_purgeable(Document *doc, const u64 *cut)
{
    Sweep s = {.doc = doc, .cut = cut};
    sweep_container(&s, doc->root);
    return s.found;
}

/* Which retired writers may be forgotten if the cut rises to `cut`; NULL when out of memory. */
static bool *forgettable(Document *doc, const u64 *cut, u32 *n)
{
    const Replicas *r = &doc->replicas;
    bool *named = writers_named(doc);
    *n = 0;
    if (named == NULL)
        return NULL;
    Sweep s = {.doc = doc, .cut = cut};
    bool *goes = named;
    for (u32 i = 0; i < r->n; i++) {
        Dot retirement = growth_of(r, (u16)i).retirement;
        goes[i] = retirement != 0 && !named[i] && (i32)i != doc->self && is_below(&s, retirement);
    }
    keep_who_retired(r, goes);
    for (u32 i = 0; i < r->n; i++)
        *n += goes[i];
    return goes;
}

/* ---- the event ----------------------------------------------------------------------------------- */

static void raise_cut(Document *doc, const u64 *cut, const bool *retired, Dot event)
{
    Replicas *r = &doc->replicas;
    for (u32 i = 0; i < r->n; i++) {
        Bounds *g = &r->growth->of[i];
        growth_digest(doc, (u16)i, false);
        if (cut[i] > g->cut)
            g->cut = cut[i];
        if ((i32)i == doc->self)
            g->purged = dot_sequence(event);
        if (retired[i] && g->retirement == 0)
            g->retirement = event;
        growth_digest(doc, (u16)i, true);
    }
}

int document_purge(Document *doc, const u64 *cut, const bool *retired)
{
    Replicas *r = &doc->replicas;
    u32 names, leaving = 0;
    for (u32 i = 0; i < r->n; i++)
        leaving += retired[i] && growth_of(r, (u16)i).retirement == 0;
    bool *forgotten = forgettable(doc, cut, &names);
    if (forgotten == NULL)
        return ERROR_MEMORY;
    int status = UNCHANGED;
    if (names != 0 || leaving != 0 || document_purgeable(doc, cut) != 0) {
        status = edit_prepare(doc, doc->root, 1, 0);
        if (status == DONE)
            status = growth_reserve(r);
        if (status == DONE) {
            Sweep s = {.doc = doc, .condemns = edit_event(doc, doc->root, 1)};
            raise_cut(doc, cut, retired, s.condemns);
            cut_stamp_raise(doc, doc->stamp);
            for (u32 i = 0; i < r->n; i++)
                if (forgotten[i])
                    writer_forget(doc, (u16)i);
            sweep_container(&s, doc->root);
            status = CHANGED;
        }
    }
    free(forgotten);
    return status;
}
