#include "sequence_apply.h"

u32 mapping_of(const Joining *j, u64 number)
{
    u32 low = 0, n = j->n;
    while (n > 1) {
        u32 half = n / 2;
        low += j->map[low + half].section <= number ? half : 0;
        n -= half;
    }
    return low;
}

int delete_numbers(Joining *j, u32 number, u32 n)
{
    while (n != 0) {
        Point at = tree_locate(&j->s->tree, number);
        Span span = point_span(&j->s->tree, at);
        u32 left = span_n(span) - at.offset, piece = n < left ? n : left;
        if (!span_is_deleted(span)) {
            j->s->typing.next = 0;
            int status = delete_elements(j->s, &at, piece, false);
            if (status != DONE)
                return status;
            j->deleted = true;
            j->d->changed = true;
        }
        number += piece;
        n -= piece;
    }
    return DONE;
}

/* The ids of a deletion from `probe` on, or backwards, of which none is here: they were taken out. */
static u32 missing_from(const Joining *j, Dot target, u64 from, u64 to, bool backwards)
{
    const Runs *runs = &j->s->runs;
    if (backwards)
        return (u32)(target + to - runs_previous(runs, target + to - 1, target + from));
    return (u32)(runs_next(runs, target + from, target + to) - (target + from));
}

/* The stretch of consecutive local numbers that begins with element `from` of a deletion, or with
 * `backwards` that ends before element `to`. *number is NOTHING if they are not here any more. */
static u32 stretch_from(const Joining *j, const WireDeletion *deletion, u64 from, u64 to,
                      bool backwards, u32 *number)
{
    u64 probe = backwards ? to - 1 : from, before, after; /* neighbours in the stretch */
    if (deletion->is_new) {
        u64 section = deletion->number + probe;
        u32 i = mapping_of(j, section);
        u64 end = i + 1 < j->n ? j->map[i + 1].section : j->r.count;
        *number = mapped(j, section);
        before = section - j->map[i].section;
        after = end - section;
    } else {
        const Runs *runs = &j->s->runs;
        Dot target = local_dot(j->d, deletion->target);
        *number = runs_number(runs, target + probe);
        if (*number == NOTHING)
            return missing_from(j, target, from, to, backwards);
        u32 run = runs_find(runs, *number);
        before = *number - runs->all[run].first;
        after = run_end(runs, run) - *number;
    }
    if (!backwards)
        return (u32)(after < to - from ? after : to - from);
    before = before < probe - from ? before : probe - from;
    if (*number != NOTHING)
        *number -= (u32)before;
    return (u32)before + 1;
}

/* Log elements [from, from + n) of a deletion, local from `number` on, unless it is known. */
static int log_deletion(Joining *j, const WireDeletion *deletion, u32 number, u64 from, u32 n)
{
    u16 replica = (u16)j->d->writers[deletion->event.place].local;
    u64 first = deletion->event.sequence;
    if (deletion->kind == EACH_FORWARD)
        first += from;
    else if (deletion->kind == EACH_BACKWARD)
        first += deletion->n - from - n;
    u64 known = j->known < first ? 0 : j->known - first + 1; /* events */
    if (deletion->kind == ONE_EVENT ? known != 0 : known >= n)
        return DONE;
    if (j->s->pile.n == 0 && j->s->log.n > 2 * log_bound(j->s->runs.n))
        log_trim(&j->s->log, j->s->runs.n);
    int status = log_reserve(&j->s->log, replica);
    if (status != DONE)
        return status;
    u32 logged = n - (u32)known;
    log_append(&j->s->log, dot_of(replica, first + known),
               deletion->kind == EACH_FORWARD ? number + (u32)known : number, logged,
               logged == 1 ? EACH_FORWARD : deletion->kind);
    return DONE;
}

/* Stretches are taken in the order of their events. */
static int join_deletion(Joining *j, const WireDeletion *deletion)
{
    bool backwards = deletion->kind == EACH_BACKWARD;
    for (u64 from = 0, to = deletion->n; from < to;) {
        u32 number, n = stretch_from(j, deletion, from, to, backwards, &number);
        if (backwards)
            to -= n;
        int status = number == NOTHING ? DONE : delete_numbers(j, number, n);
        if (status == DONE && number != NOTHING)
            status = log_deletion(j, deletion, number, backwards ? to : from, n);
        if (status != DONE)
            return status;
        if (!backwards)
            from += n;
    }
    return DONE;
}

int join_deletions(Joining *j, u64 count)
{
    u32 place = UINT32_MAX;
    for (; count != 0; count--) {
        WireDeletion deletion;
        int status = section_read_deletion(&j->r, &deletion);
        if (status != DONE)
            return status;
        if (deletion.event.place != place) { /* the events of a writer stand together */
            place = deletion.event.place;
            const Sender *writer = &j->d->writers[place];
            j->known = writer->forgotten ? writer->top : log_known(&j->s->log, (u16)writer->local);
        }
        status = join_deletion(j, &deletion);
        if (status != DONE)
            return status;
    }
    return DONE;
}

int join_deleted(Joining *j, u64 count)
{
    for (; count != 0; count--) {
        RemoteDot first;
        u64 n;
        int status = section_read_deleted(&j->r, &first, &n);
        Dot dot = local_dot(j->d, first);
        while (n != 0 && status == DONE) {
            u32 number, piece = runs_stretch(&j->s->runs, dot, runs_limit(n), &number);
            if (piece != 0)
                status = delete_numbers(j, number, piece);
            else
                piece = (u32)(runs_next(&j->s->runs, dot, dot + n) - dot);
            dot += piece;
            n -= piece;
        }
        if (status != DONE)
            return status;
    }
    for (u32 i = 0; i < j->d->n && j->deleted; i++) {
        const Sender *writer = &j->d->writers[i];
        if (writer->top > j->d->replicas->all[writer->local].seen) {
            int status = log_raise_horizon(&j->s->log, (u16)writer->local, writer->top);
            if (status != DONE)
                return status;
        }
    }
    return DONE;
}
