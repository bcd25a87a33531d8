/* Counters in messages: count of slots, then place << 1 | has floors, sequence, counts, floors, their removal. */
#include "counter.h"
#include "growth.h"

#include <stdlib.h>

int counter_encode(const Document *doc, Encoder *e, const Counter *c, bool whole, bool *has_news)
{
    bool down = container_kind(&c->base) == PNCOUNTER;
    u32 *by_rank = malloc((doc->replicas.n + 1) * sizeof(u32));
    if (by_rank == NULL)
        return ERROR_MEMORY;
    for (u32 i = 0; i < doc->replicas.n; i++)
        by_rank[i] = NO_ROW;
    u32 n = 0;
    for (u32 i = 0; i < c->n; i++) {
        Dot dot = dot_of(c->slot[i].replica, c->slot[i].sequence);
        if (!whole && !is_news(e, dot))
            continue;
        by_rank[doc->replicas.all[c->slot[i].replica].rank] = i;
        n++;
    }
    Writer *w = &e->out;
    write_number(w, n);
    u64 sequence = 0;
    for (u32 rank = 0; rank < doc->replicas.n; rank++) {
        if (by_rank[rank] == NO_ROW)
            continue;
        const Slot *s = &c->slot[by_rank[rank]];
        bool floors = s->up_floor != 0 || s->down_floor != 0;
        write_number(w, (u64)e->place[s->replica] << 1 | floors);
        write_difference(w, s->sequence, sequence);
        sequence = s->sequence;
        write_number(w, s->up);
        if (down)
            write_number(w, s->down);
        if (floors) {
            write_number(w, s->up_floor);
            if (down)
                write_number(w, s->down_floor);
            write_number(w, e->place[dot_replica(s->floored)]);
            write_number(w, dot_sequence(s->floored));
        }
    }
    free(by_rank);
    *has_news = n != 0;
    return DONE;
}

static Slot read_slot(Decoder *d, bool down, u64 *sequence, u64 *place)
{
    Slot s = {0};
    u64 head = read_number(&d->in);
    *sequence = read_difference(&d->in, *sequence);
    RemoteDot dot = check_remote_dot(d, head >> 1, *sequence);
    *place = dot.place;
    s.sequence = dot.sequence;
    s.up = read_number(&d->in);
    if (down)
        s.down = read_number(&d->in);
    if (head & 1) {
        s.up_floor = read_number(&d->in);
        if (down)
            s.down_floor = read_number(&d->in);
        u64 by = read_number(&d->in);
        RemoteDot floored = check_remote_dot(d, by, read_number(&d->in));
        s.floored = dot_of((u16)floored.place, floored.sequence); /* the place stands for the writer yet */
        if (s.up_floor == 0 && s.down_floor == 0)
            refuse(&d->in, "floors that are not there");
    }
    if (s.up_floor > s.up || s.down_floor > s.down || (s.up == 0 && s.down == 0))
        refuse(&d->in, "a count below its floor, or of nothing");
    return s;
}

int counter_check(Decoder *d, Expected x)
{
    u64 n = read_count(&d->in, 3), sequence = 0, last = 0;
    for (u64 i = 0; i < n; i++) {
        u64 place;
        Slot s = read_slot(d, shape_kind(x.shape) == PNCOUNTER, &sequence, &place);
        if (!x.removable && (s.up_floor != 0 || s.down_floor != 0))
            refuse(&d->in, "floors outside of an ORMap");
        if (i > 0 && place <= last)
            refuse(&d->in, "the counts are not in order");
        if (d->in.error != NULL)
            return ERROR_DECODE;
        last = place;
    }
    return d->in.error != NULL ? ERROR_DECODE : DONE;
}

static inline void raise_to(u64 *held, u64 other)
{
    if (other > *held)
        *held = other;
}

/* The floors of the removal that observed more; of two that observed the same the smaller dot, as of two that
 * contradict each other. */
static void join_floors(const Document *doc, Slot *held, const Slot *s)
{
    bool more = s->up_floor > held->up_floor || s->down_floor > held->down_floor;
    bool less = s->up_floor < held->up_floor || s->down_floor < held->down_floor;
    if (more != less ? more : s->floored != 0 && dot_compare(&doc->replicas, s->floored, held->floored) < 0)
        held->floored = s->floored;
    raise_to(&held->up_floor, s->up_floor);
    raise_to(&held->down_floor, s->down_floor);
}

void slot_join(const Document *doc, Slot *held, const Slot *s)
{
    raise_to(&held->up, s->up);
    raise_to(&held->down, s->down);
    join_floors(doc, held, s);
    if (s->sequence > held->sequence)
        held->sequence = s->sequence;
}

void counter_drop(Document *doc, Counter *c, const u64 *tops)
{
    for (u32 i = c->n; doc->is_behind && c->base.removable && i-- > 0;)
        if (is_covered(tops, dot_of((u16)c->slot[i].replica, c->slot[i].sequence)))
            slot_remove(doc, c, i);
}

int counter_apply(Document *doc, Decoder *d, Counter *c, const u64 *tops)
{
    u64 n = read_number(&d->in), sequence = 0;
    counter_drop(doc, c, tops);
    for (u64 i = 0; i < n; i++) {
        u64 place;
        Slot s = read_slot(d, container_kind(&c->base) == PNCOUNTER, &sequence, &place);
        s.replica = (u16)d->writers[place].local;
        if (s.floored != 0 && d->writers[dot_replica(s.floored)].forgotten)
            s.up_floor = s.down_floor = s.floored = 0; /* held already, by another removal */
        if (s.floored != 0)
            s.floored = dot_of((u16)d->writers[dot_replica(s.floored)].local, dot_sequence(s.floored));
        if (d->writers[place].forgotten || slot_is_purged(doc, &s))
            continue;
        u32 at = 0;
        while (at < c->n && c->slot[at].replica != s.replica)
            at++;
        if (at == c->n) {
            if (array_reserve(&c->slot, &c->capacity, c->n + 1, sizeof(Slot)) != DONE)
                return ERROR_MEMORY;
            c->slot[c->n++] = s;
        } else {
            slot_digest(doc, c, at, false);
            slot_join(doc, &c->slot[at], &s);
        }
        slot_digest(doc, c, at, true);
    }
    return DONE;
}
