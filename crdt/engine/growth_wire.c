/* What was purged and who has left, in messages: written, read, and whether the two sides can meet.
 *
 *   with FLAG_CUT: the latest clock of those who purged; then of each writer in the list its cut and
 *     its newest purge, 0 for none;
 *   with FLAG_RETIRED: how many of the writers in the list have left; then of each its place, and the
 *     purge that retired it as place and count.
 */
#include "growth.h"
#include "message.h"

#include <stdlib.h>

/* ---- writing --------------------------------------------------------------------------------------- */

u8 growth_flags(const Document *doc, const u64 *since, bool everything, bool *complete)
{
    const Replicas *r = &doc->replicas;
    bool is_news = everything, has_any = cut_stamp(&doc->replicas) != 0, has_left = false;
    *complete = false;
    for (u32 i = 0; i < growth_n(r); i++) {
        const Bounds *g = &r->growth->of[i];
        is_news |= since[i] < g->purged || since[i] < g->cut;
        *complete |= since[i] < g->cut;
        has_any |= (g->cut | g->purged) != 0;
        has_left |= g->retirement != 0;
    }
    return (u8)((is_news && has_any ? FLAG_CUT : 0) | (has_left ? FLAG_RETIRED : 0));
}

void growth_write(const Document *doc, Encoder *e, u8 flags, const u64 *tops)
{
    const Replicas *r = &doc->replicas;
    Writer *w = &e->out;
    if (flags & FLAG_CUT) {
        write_number(w, cut_stamp(&doc->replicas));
        for (u32 rank = 0; rank < r->n; rank++) {
            u16 i = replicas_by_rank(r)[rank];
            if ((tops == NULL ? r->all[i].seen : tops[i]) == 0)
                continue;
            write_number(w, growth_of(r, i).cut);
            write_number(w, growth_of(r, i).purged);
        }
    }
    if (!(flags & FLAG_RETIRED))
        return;
    size_t count_at = w->n;
    u32 n = 0;
    for (u32 rank = 0; rank < r->n; rank++) {
        u16 i = replicas_by_rank(r)[rank];
        Dot retirement = growth_of(r, i).retirement;
        if (retirement == 0)
            continue;
        write_number(w, e->place[i]);
        write_number(w, e->place[dot_replica(retirement)]);
        write_number(w, dot_sequence(retirement));
        n++;
    }
    write_number_at(w, count_at, n);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static int read_cut(Decoder *d)
{
    d->has_cut = true;
    d->stamp = read_number(&d->in);
    bool any = d->stamp != 0;
    for (u32 i = 0; i < d->n; i++) {
        Sender *s = &d->writers[i];
        s->cut = read_number(&d->in);
        s->purged = read_number(&d->in);
        if (s->cut > s->top || s->purged > s->top)
            return refuse(&d->in, "a cut above what its sender holds");
        d->complete |= s->base < s->cut;
        any |= (s->cut | s->purged) != 0;
    }
    if (d->in.error != NULL)
        return ERROR_DECODE;
    if (d->stamp > d->latest_stamp)
        d->latest_stamp = d->stamp;
    return any ? DONE : refuse(&d->in, "a cut of nothing");
}

static int read_retired(Decoder *d)
{
    u64 n = read_count(&d->in, 3), last = 0;
    if (n == 0)
        return refuse(&d->in, "nobody who has left");
    for (u64 i = 0; i < n; i++) {
        u64 place = read_number(&d->in);
        u64 by = read_number(&d->in);
        RemoteDot event = check_remote_dot(d, by, read_number(&d->in));
        if (d->in.error != NULL)
            return ERROR_DECODE;
        if (place >= d->n || place == by || (i > 0 && place <= last))
            return refuse(&d->in, "the writers that have left are not in order");
        d->writers[place].retirement = event.sequence;
        d->writers[place].retired_by = event.place;
        last = place;
    }
    return DONE;
}

static u64 held_of(const Replicas *r, const Sender *s)
{
    return s->local < 0 ? 0 : r->all[s->local].seen;
}

/* Whether this side has seen the purge that retired a writer, and keeps its name no more. As `has_forgotten`. */
static bool is_forgotten(const Decoder *d, const Sender *s)
{
    for (u32 steps = 0; steps < d->n; steps++) {
        if (s->retirement == 0 || held_of(d->replicas, s) != 0)
            return false;
        const Sender *by = &d->writers[s->retired_by];
        if (s->retirement <= held_of(d->replicas, by))
            return true;
        s = by;
    }
    return false;
}

int growth_read(Decoder *d, u8 flags)
{
    int status = flags & FLAG_CUT ? read_cut(d) : DONE;
    if (status == DONE && (flags & FLAG_RETIRED))
        status = read_retired(d);
    for (u32 i = 0; status == DONE && i < d->n; i++)
        d->writers[i].forgotten = is_forgotten(d, &d->writers[i]);
    return status;
}

/* ---- whether the two sides can meet ---------------------------------------------------------------- */

/* The place of a local writer in the message's list, or NULL. O(log n): both are in the order of ids. */
static const Sender *sender_of(const Document *doc, const Decoder *d, u16 writer)
{
    const Replica *r = &doc->replicas.all[writer];
    u32 low = 0, high = d->n;
    while (low < high) {
        u32 middle = (low + high) / 2;
        const Sender *s = &d->writers[middle];
        u8 shared = s->id_bytes < r->id_bytes ? s->id_bytes : r->id_bytes;
        int c = memcmp(s->id, replica_id(&doc->replicas, writer), shared);
        if (c == 0)
            c = (int)s->id_bytes - (int)r->id_bytes;
        if (c == 0)
            return s;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static u64 top_of(const Document *doc, const Decoder *d, u16 writer)
{
    const Sender *s = sender_of(doc, d, writer);
    return s == NULL ? 0 : s->top;
}

/* Whether the sender lacks this writer's name because it has forgotten it: it has seen the purge that retired it.
 * Of that purge's own writer the name may be forgotten in turn; two that retired each other are not told from
 * two that were never heard of. */
static bool has_forgotten(const Document *doc, const Decoder *d, u16 writer)
{
    for (u32 steps = 0; steps < doc->replicas.n; steps++) {
        Dot retirement = growth_of(&doc->replicas, writer).retirement;
        if (retirement == 0 || sender_of(doc, d, writer) != NULL)
            return false;
        writer = dot_replica(retirement);
        if (dot_sequence(retirement) <= top_of(doc, d, writer))
            return true;
    }
    return false;
}

static bool is_behind(const Document *doc, const Decoder *d)
{
    for (u32 i = 0; i < d->n; i++)
        if (d->writers[i].cut > held_of(&doc->replicas, &d->writers[i]) && !d->writers[i].forgotten)
            return true;
    return false;
}

static Landing landing_behind(const Document *doc, const Decoder *d)
{
    for (u32 i = 0; i < doc->replicas.n; i++)
        if (doc->replicas.all[i].seen > top_of(doc, d, (u16)i) && !has_forgotten(doc, d, (u16)i))
            return MESSAGE_REBASE;
    return MESSAGE_LANDED;
}

Landing growth_landing(const Document *doc, const Decoder *d)
{
    for (u32 i = 0; i < d->n; i++) {
        const Sender *s = &d->writers[i];
        if (s->forgotten)
            continue;
        u64 held = held_of(&doc->replicas, s);
        bool left_here = s->local >= 0 && growth_of(&doc->replicas, (u16)s->local).retirement != 0;
        if (left_here && s->retirement == 0 && s->top > held)
            return MESSAGE_RETIRED;
        if (s->retirement != 0 && !left_here && held > s->top)
            return MESSAGE_REBASE;
    }
    if (d->has_cut && is_behind(doc, d))
        return landing_behind(doc, d);
    for (u32 i = 0; i < growth_n(&doc->replicas); i++)
        if (doc->replicas.growth->of[i].cut > top_of(doc, d, (u16)i) && !has_forgotten(doc, d, (u16)i))
            return MESSAGE_RETIRED;
    return MESSAGE_LANDED;
}

/* ---- landing ---------------------------------------------------------------------------------------- */

/* Of two purges that retired a writer: the one that knew more of it, then the smaller dot. */
static bool replaces(const Document *doc, const Bounds *held, const Sender *s, Dot event)
{
    if (held->retirement == 0)
        return true;
    u64 seen = doc->replicas.all[s->local].seen;
    return s->top != seen ? s->top > seen : dot_compare(&doc->replicas, event, held->retirement) < 0;
}

void growth_land(Document *doc, Decoder *d)
{
    bool news = false;
    doc->is_behind = d->has_cut && is_behind(doc, d);
    for (u32 i = 0; i < d->n; i++) {
        const Sender *s = &d->writers[i];
        if (s->forgotten || (s->cut | s->purged | s->retirement) == 0)
            continue;
        Bounds *g = &doc->replicas.growth->of[s->local];
        growth_digest(doc, (u16)s->local, false);
        news |= s->cut > g->cut;
        g->cut = s->cut > g->cut ? s->cut : g->cut;
        g->purged = s->purged > g->purged ? s->purged : g->purged;
        if (s->retirement != 0) {
            Dot event = dot_of((u16)d->writers[s->retired_by].local, s->retirement);
            if (replaces(doc, g, s, event))
                g->retirement = event;
            doc->is_retired |= s->local == doc->self;
        }
        growth_digest(doc, (u16)s->local, true);
    }
    /* Names are dropped by a purge whose cut covers the purge that retired them, and so all their events. */
    for (u32 i = 0; (d->flags & FLAG_CUT) && i < growth_n(&doc->replicas); i++) {
        Bounds *g = &doc->replicas.growth->of[i];
        if (g->cut >= doc->replicas.all[i].seen || !has_forgotten(doc, d, (u16)i))
            continue;
        growth_digest(doc, (u16)i, false);
        g->cut = doc->replicas.all[i].seen;
        growth_digest(doc, (u16)i, true);
        news = true;
    }
    cut_stamp_raise(doc, d->stamp);
    d->has_raised_cut = news;
    if (news)
        growth_sweep_entries(doc);
}

void growth_tops(const Document *doc, const Decoder *d, u64 *tops)
{
    for (u32 i = 0; i < growth_n(&doc->replicas); i++)
        if (tops[i] == 0 && has_forgotten(doc, d, (u16)i))
            tops[i] = doc->replicas.all[i].seen;
}

void growth_forget(Document *doc, const Decoder *d)
{
    Replicas *r = &doc->replicas;
    u32 first = 0;
    while (first < growth_n(r) && (!has_forgotten(doc, d, (u16)first) || (i32)first == doc->self))
        first++;
    bool *goes = first < growth_n(r) ? writers_named(doc) : NULL;
    if (goes == NULL)
        return; /* nobody; or out of memory: the names stay a while longer */
    for (u32 i = 0; i < r->n; i++)
        goes[i] = !goes[i] && (i32)i != doc->self && has_forgotten(doc, d, (u16)i);
    keep_who_retired(r, goes);
    for (u32 i = 0; i < r->n; i++)
        if (goes[i])
            writer_forget(doc, (u16)i);
    free(goes);
}
