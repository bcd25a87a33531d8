/* What is condemned, after a section's deletions: stretches of ids by writer, rising, each with the purge. */
#include "sequence_apply.h"
#include "sequence_news.h"
#include "sequence_purge.h"

/* ---- writing ---------------------------------------------------------------------------------- */

/* The stretches that are news, growing at the end. */
typedef struct {
    Encoder *e;
    bool write; /* else only count */
    u64 count;
    u32 place;     /* of the writer at hand */
    u64 from, end; /* the stretch at hand; none when equal */
    u64 next;      /* after the one before */
    u32 before;    /* the writer of the stretch before */
    Dot by;
} Telling;

static void finish(Telling *t)
{
    if (t->from == t->end)
        return;
    if (t->write) {
        Writer *out = &t->e->out;
        write_number(out, t->place);
        write_number(out, t->from - (t->count != 0 && t->before == t->place ? t->next : 1));
        write_number(out, t->end - t->from - 1);
        write_number(out, t->e->place[dot_replica(t->by)]);
        write_number(out, dot_sequence(t->by));
    }
    t->count++;
    t->before = t->place;
    t->next = t->end;
    t->from = t->end;
}

static void tell_run(Telling *t, const Sequence *s, u32 run)
{
    u32 number = s->runs.all[run].first, end = run_end(&s->runs, run);
    u64 sequence = dot_sequence(run_dot(&s->runs.all[run]));
    for (u32 i = condemned_at(&s->condemned, number); i < s->condemned.n && s->condemned.all[i].first < end; i++) {
        Condemned c = s->condemned.all[i];
        u32 first = c.first > number ? c.first : number;
        u32 stop = c.first + c.n < end ? c.first + c.n : end;
        if (!t->e->canonical && !is_news(t->e, c.by))
            continue;
        if (t->from == t->end || t->end != sequence + (first - number) || t->by != c.by) {
            finish(t);
            t->from = sequence + (first - number);
            t->by = c.by;
        }
        t->end = sequence + (stop - number);
    }
}

static u64 tell_all(const Sequence *s, Encoder *e, bool write)
{
    Telling t = {.e = e, .write = write};
    for (u32 rank = 0; rank < s->replicas->n; rank++) {
        const Author *author = runs_author(&s->runs, replicas_by_rank(s->replicas)[rank]);
        if (author == NULL)
            continue;
        t.place = e->place[author->replica];
        for (u32 k = 0; k < author->n; k++)
            tell_run(&t, s, author->runs[k]);
        finish(&t);
    }
    return t.count;
}

void condemned_write(const Sequence *s, Encoder *e)
{
    u64 n = s->condemned.n == 0 ? 0 : tell_all(s, e, false);
    write_number(&e->out, n);
    if (n != 0)
        (void)tell_all(s, e, true);
}

bool sequence_has_condemned(const Sequence *s, const Encoder *e)
{
    if (e == NULL)
        return s->condemned.n != 0;
    for (u32 i = 0; i < s->condemned.n; i++)
        if (is_news(e, s->condemned.all[i].by))
            return true;
    return false;
}

/* ---- reading ---------------------------------------------------------------------------------- */

typedef struct {
    RemoteDot first, by;
    u64 n;
    u64 end; /* of the stretch before */
} ToldStretch;

static int read_told(Decoder *d, bool is_first, ToldStretch *told)
{
    Reader *in = &d->in;
    u64 place = read_number(in), gap = read_number(in), n = read_number(in), by = read_number(in);
    u64 from = !is_first && place == told->first.place ? told->end : 1;
    told->by = check_remote_dot(d, by, read_number(in));
    if (in->error != NULL)
        return ERROR_DECODE;
    if (place >= d->n || (!is_first && place < told->first.place))
        return refuse(in, "condemned elements are not in order");
    u64 top = d->writers[place].top;
    if (from > top || gap > top - from || n > top - from - gap)
        return refuse(in, "an event that its sender cannot hold");
    told->first = (RemoteDot){(u32)place, from + gap};
    told->n = n + 1;
    told->end = from + gap + n + 1;
    return DONE;
}

int condemned_check(Decoder *d)
{
    ToldStretch told = {0};
    u64 count = read_count(&d->in, 5);
    int status = d->in.error == NULL ? DONE : ERROR_DECODE;
    for (u64 i = 0; i < count && status == DONE; i++)
        status = read_told(d, i == 0, &told);
    return status;
}

/* Those of the ids that are here. What is condemned is deleted. */
static int add_told(Joining *j, const ToldStretch *told, CondemnedList *more)
{
    Dot dot = local_dot(j->d, told->first), by = local_dot(j->d, told->by), end = dot + told->n;
    while (dot < end) {
        u32 number, n = runs_stretch(&j->s->runs, dot, runs_limit(end - dot), &number);
        if (n == 0) {
            dot = runs_next(&j->s->runs, dot, end);
            continue;
        }
        int status = delete_numbers(j, number, n);
        if (status == DONE)
            status = condemned_append(more, (Condemned){number, n, by});
        if (status != DONE)
            return status;
        dot += n;
    }
    return DONE;
}

int join_condemned(Joining *j)
{
    CondemnedList more = {0};
    ToldStretch told = {0};
    u64 count = read_number(&j->d->in);
    int status = DONE;
    for (u64 i = 0; i < count && status == DONE; i++) {
        status = read_told(j->d, i == 0, &told);
        if (status == DONE)
            status = add_told(j, &told, &more);
    }
    if (status == DONE && more.n != 0)
        status = sequence_join_condemned(j->s, &more);
    condemned_free(&more);
    return status;
}
