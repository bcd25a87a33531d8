/* Joining entries whatever the versions say: for two states whose versions agree and whose contents do not,
 * because a writer lived twice, a context was lost or memory went bad.
 *
 * Each entry is joined by an order of its own, so that the union is the same on both sides and nothing
 * that one of them holds is lost, but for one of two contents under one id:
 *   counter       of each number of a writer's slot, the larger; the removal that observed more, then the smaller
 *   GSet, LWW     as they merge: the smaller dot, the larger (stamp, writer, sequence, value)
 *   ORSet, MVRegister, presence in an ORMap, and all tables below one
 *                 of one writer's entries under a key, the larger (sequence, stamp, value); of several
 *                 writers, all
 *   sequence      sequence_union.c
 *   purges        as they merge; they come first, and what they purge is not there afterwards
 */
#include "counter.h"
#include "growth.h"
#include "message.h"
#include "repair.h"
#include "sequence_union.h"
#include "rows.h"

#include <stdlib.h>

/* ---- join ------------------------------------------------------------------------------------------ */

/* Whether we may hold an event: an entry above our version comes with the delta that brings all below it. */
static bool may_hold(const Repair *r, RemoteDot dot)
{
    i32 local = r->d.writers[dot.place].local;
    return local >= 0 && dot.sequence <= r->held[local];
}

static int join_slots(Repair *r, Counter *c, u64 n)
{
    for (u64 i = 0; i < n; i++) {
        Slot s;
        u64 place;
        (void)read_slot(&r->d, c->base.shape, c->base.removable, &s, &place);
        RemoteDot floored = {dot_replica(s.floored), dot_sequence(s.floored)};
        if (!may_hold(r, (RemoteDot){(u32)place, s.sequence}) || (s.floored != 0 && !may_hold(r, floored)))
            continue;
        s.replica = (u16)r->d.writers[place].local;
        s.floored = s.floored == 0 ? 0 : local_dot(&r->d, floored);
        if (slot_is_purged(r->doc, &s))
            continue;
        u32 at = 0;
        while (at < c->n && c->slot[at].replica != s.replica)
            at++;
        if (at == c->n) {
            if (array_reserve(&c->slot, &c->capacity, c->n + 1, sizeof(Slot)) != DONE)
                return ERROR_MEMORY;
            c->slot[c->n++] = s;
        } else {
            slot_digest(r->doc, c, at, false);
            slot_join(r->doc, &c->slot[at], &s);
        }
        slot_digest(r->doc, c, at, true);
    }
    return DONE;
}

/* Whether the incoming row takes the place of one that is held: their order is that of the type. */
static bool prevails(const Repair *r, const Table *t, u32 row, const Incoming *in)
{
    Dot dot = local_dot(&r->d, in->dot);
    u64 stamp = t->columns & HAS_STAMP ? t->stamp[row] : 0;
    bool by_stamp = !is_dot_store(&t->base);
    if (by_stamp && !(t->columns & HAS_STAMP)) /* a GSet */
        return dot_compare(&r->doc->replicas, dot, t->dot[row]) < 0;
    if (by_stamp && in->stamp != stamp)
        return in->stamp > stamp;
    if (dot != t->dot[row])
        return dot_compare(&r->doc->replicas, dot, t->dot[row]) > 0;
    if (in->stamp != stamp)
        return in->stamp > stamp;
    if (!(t->columns & HAS_VALUE))
        return false;
    Item held = table_value(t, row);
    return item_compare(&in->value, &held) > 0;
}

static int join_row(Repair *r, Table *t, const Incoming *in)
{
    u64 bytes = key_arena_bytes(&in->key);
    if (t->columns & HAS_VALUE)
        bytes += value_arena_bytes(&in->value);
    int status = table_reserve(t, 1, bytes, r->doc->seed);
    if (status != DONE)
        return status;
    Probe p = probe_of(&in->key, r->doc->seed);
    Dot dot = local_dot(&r->d, in->dot);
    u32 others = 0, same = NO_ROW;
    Matches m = {0};
    for (u32 row; t->n != 0 && (row = table_next_match(t, &p, &m)) != NO_ROW; others++)
        if (!is_dot_store(&t->base) || dot_replica(t->dot[row]) == dot_replica(dot))
            same = row;
    if (same != NO_ROW && !prevails(r, t, same, in))
        return DONE;
    Row row = {.dot = dot, .stamp = in->stamp};
    row.key = same != NO_ROW ? t->key[same] : key_store(&in->key, &t->arena);
    if (t->columns & HAS_VALUE)
        row.value = value_store(&in->value, &row.word, &t->arena);
    if (same != NO_ROW)
        row_replace(r->doc, t, same, &row);
    else
        row_append(r->doc, t, &p, &row, others);
    return DONE;
}

/* One writer has one presence dot of a key, the latest. */
static int join_presence(Repair *r, Table *map, const Incoming *in)
{
    Container *child;
    int status = map_make(r->doc, map, &in->key, &child);
    if (status < 0)
        return status;
    Dot dot = local_dot(&r->d, in->dot);
    const u64 *more = child->more_dots;
    u64 held = map->dot[child->row] == 0 ? 0 : 1 + (more == NULL ? 0 : more[0]);
    u64 *dots = malloc((held + 2) * sizeof(u64)); /* [0] becomes the count of the rest */
    if (dots == NULL)
        return ERROR_MEMORY;
    u64 n = 0;
    for (u64 i = 0; i < held; i++) {
        Dot other = i == 0 ? map->dot[child->row] : more[i];
        if (dot_replica(other) == dot_replica(dot))
            dot = other > dot ? other : dot;
        else
            dots[n++] = other;
    }
    dots[n++] = dot;
    Dot first = dots[0];
    dots[0] = n - 1;
    if (n == 1) {
        free(dots);
        dots = NULL;
    }
    presence_set(r->doc, map, child->row, first, dots);
    return DONE;
}

static int join_sequence(Repair *r, SequenceNode *node)
{
    Sequence *mine = node->sequence;
    bool is_text = container_kind(&node->base) == TEXT;
    if (r->is_ahead)
        return sequence_check(NULL, is_text, &r->d); /* steps over it */
    Sequence *theirs = sequence_new(&r->doc->replicas, is_text, node->base.path), *both = NULL;
    if (theirs == NULL)
        return ERROR_MEMORY;
    int status = sequence_apply(theirs, &r->d);
    if (status >= 0)
        status = sequence_union(mine, theirs, r->held, &both);
    sequence_free(theirs);
    if (status != DONE)
        return status == ERROR_LIMIT ? DONE : status; /* together they are too long: each stays as it is */
    digest_subtract(&r->doc->digest, sequence_digest(mine));
    digest_add(&r->doc->digest, sequence_digest(both));
    sequence_free(mine);
    node->sequence = both;
    return DONE;
}

static int join_entries(Repair *r, Container *c, u64 n)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return join_slots(r, (Counter *)c, n);
    case OP_LIST:
    case TEXT:
        return join_sequence(r, (SequenceNode *)c);
    default: {
        Table *t = (Table *)c;
        int status = DONE;
        for (u64 i = 0; i < n && status == DONE; i++) {
            Incoming row;
            (void)read_row(&r->d, t->columns, &row);
            if (may_hold(r, row.dot))
                status = t->columns & HAS_CHILD ? join_presence(r, t, &row) : join_row(r, t, &row);
        }
        table_settle(r->doc, t);
        return status;
    }
    }
}

static int join_groups(Repair *r)
{
    u64 groups = read_number(&r->d.in);
    int status = DONE;
    for (u64 i = 0; i < groups && status == DONE; i++) {
        Place at;
        r->fields = 0;
        status = read_place(r, &at, true);
        if (status != DONE)
            break;
        Container *c = (Container *)at.here;
        u64 n = read_number(&r->d.in);
        status = join_entries(r, c, n);
        edit_abandon(r->doc, c); /* places that were made for entries that may not be held go again */
    }
    return status;
}

/* Whether all that purges have decided there is held, or will be. */
static bool may_hold_growth(const Repair *r)
{
    for (u32 i = 0; i < r->d.n; i++) {
        const Sender *s = &r->d.writers[i];
        u64 bound = s->cut > s->purged ? s->cut : s->purged;
        if ((bound != 0 && !may_hold(r, (RemoteDot){i, bound})) ||
            (s->retirement != 0 && (!may_hold(r, (RemoteDot){s->retired_by, s->retirement}) ||
                                    (!s->forgotten && !may_hold(r, (RemoteDot){i, s->top})))))
            return false;
    }
    return true;
}

static int join_all(Repair *r)
{
    Document *doc = r->doc;
    if ((r->d.flags & FLAGS_GROWTH) && may_hold_growth(r)) {
        if (growth_reserve(&doc->replicas) != DONE)
            return ERROR_MEMORY;
        growth_land(doc, &r->d);
        doc->is_behind = false;
    }
    int status = join_groups(r);
    if (has_cut(&doc->replicas))
        growth_sweep(doc);
    return status;
}

static int land(Repair *r)
{
    Document *doc = r->doc;
    Decoder *d = &r->d;
    for (u32 i = 0; i < d->n && r->takes_version; i++) {
        d->writers[i].local = replicas_add(&doc->replicas, d->writers[i].id, d->writers[i].id_bytes);
        if (d->writers[i].local < 0)
            return d->writers[i].local;
        d->writers[i].forgotten = false; /* if it is named there and not here, it is from now on */
    }
    r->held = calloc(doc->replicas.n + 1u, sizeof(u64));
    if (r->held == NULL)
        return ERROR_MEMORY;
    for (u32 i = 0; i < doc->replicas.n; i++)
        r->held[i] = doc->replicas.all[i].seen;
    for (u32 i = 0; i < d->n; i++) {
        const Sender *writer = &d->writers[i];
        u64 held = writer->local < 0 ? 0 : r->held[writer->local];
        if (r->takes_version)
            r->held[writer->local] = writer->top > held ? writer->top : held;
        r->is_ahead |= !may_hold(r, (RemoteDot){i, writer->top});
    }
    int status = join_all(r);
    for (u32 i = 0; i < d->n && r->takes_version && status == DONE; i++)
        seen_raise(doc, (u16)d->writers[i].local, d->writers[i].top);
    free(r->held);
    if (d->latest_stamp > doc->stamp)
        doc->stamp = d->latest_stamp;
    return status;
}

int document_repair(Document *doc, const u8 *bytes, size_t n, u64 latest_stamp, Landing *landing,
                    const char **error, size_t *offset)
{
    Repair r = {.doc = doc, .d = {.in = {.p = bytes, .end = bytes + n, .start = bytes}, .replicas = &doc->replicas}};
    Digest before = document_digest(doc);
    size_t groups_at = 0;
    int status = repair_check(&r, &groups_at);
    *landing = MESSAGE_NO_NEWS;
    if (status == ERROR_DECODE) {
        *error = r.d.in.error;
        *offset = (size_t)(r.d.in.p - r.d.in.start);
    } else if (status == DONE && r.d.latest_stamp > latest_stamp) {
        *landing = MESSAGE_TOO_EARLY;
    } else if (status == DONE && r.takes_version && (*landing = growth_landing(doc, &r.d)) != MESSAGE_LANDED) {
        /* What was purged on one side would come back by taking over a version from before it. */
    } else if (status == DONE) {
        *landing = MESSAGE_NO_NEWS;
        r.d.in.p = bytes + groups_at;
        status = land(&r);
        Digest after = document_digest(doc);
        if (after.low != before.low || after.high != before.high)
            *landing = MESSAGE_LANDED;
    }
    free(r.d.writers);
    return status;
}
