/* What one keystroke adds, written and read without the machinery for whole sections.
 *
 * Most deltas are some characters typed after others, or one deletion. All that they need is at hand: the run
 * at the end of the list, the span it stands in, the end of the log. The bytes are those that the general way
 * makes (sequence_encode.c) and takes (sequence_check.c, sequence_apply.c); when anything is unusual these
 * functions do nothing, and the general way is gone.
 */
#include "sequence_news.h"

/* The only writer of whom the receiver lacks something, or none. */
static bool find_only_writer(const Encoder *e, u16 *writer)
{
    const Replicas *r = e->replicas;
    u32 found = 0;
    for (u32 i = 0; i < r->n; i++)
        if (e->since[i] < r->all[i].seen) {
            *writer = (u16)i;
            found++;
        }
    return found == 1;
}

/* Characters that lengthened the last run, all of them inside of it: their origins go without saying. */
static bool encode_typing(const Sequence *s, Encoder *e, u16 writer)
{
    const Typing *typing = &s->typing;
    u64 since = e->since[writer];
    if (dot_replica(typing->next) != writer || dot_sequence(typing->next) != e->replicas->all[writer].seen + 1)
        return false;
    const Run *run = &s->runs.all[s->runs.n - 1];
    const Leaf *leaf = &s->tree.leaves[typing->leaf];
    Span span = leaf->spans[typing->index];
    u64 n = dot_sequence(typing->next) - 1 - since;
    if (run_dot(run) + (s->runs.count - run->first) != typing->next || since < dot_sequence(run_dot(run)) ||
        n > span_visible(span) || span.first + span_n(span) != s->tree.count)
        return false;
    Units units = content_units(&leaf->content, typing->unit - (u32)n);
    if (units.width != 1 || units_or(units.p, 1, (u32)n) >= 0x80)
        return false;
    Writer *out = &e->out;
    u16 place = e->place[writer];
    write_byte(out, 1);
    write_byte(out, (u8)(RUN_CONTINUES | (place != 0 ? RUN_NEW_WRITER : 0) |
                         (n == 1 ? ONE_VISIBLE : ALL_VISIBLE) * RUN_LIFE));
    if (place != 0)
        write_number(out, place);
    if (n != 1)
        write_number(out, n);
    write_bytes(out, units.p, (size_t)n);
    write_byte(out, 0); /* no deletions */
    return true;
}

/* The last event, when it deleted elements of one run. */
static bool encode_deletion(const Sequence *s, Encoder *e, u16 writer)
{
    const DeleteLog *log = &s->log;
    u64 since = e->since[writer];
    if (log->n == 0 || e->replicas->all[writer].seen != since + 1)
        return false;
    const Deletion *last = &log->all[log->n - 1];
    Dot event = dot_of(writer, since + 1);
    if (deletion_end(last) != event || (log->n > 1 && deletion_end(last - 1) == event))
        return false;
    u32 n = last->kind == ONE_EVENT ? last->n : 1;
    u32 number = last->kind == EACH_FORWARD ? last->first + last->n - 1 : last->first;
    u32 index = runs_find_near(&s->runs, number, s->run);
    const Run *run = &s->runs.all[index];
    if (run_end(&s->runs, index) - number < n)
        return false;
    Dot target = run_dot(run) + (number - run->first);
    u16 place = e->place[writer], target_place = e->place[run->replica];
    Writer *out = &e->out;
    write_byte(out, 0); /* no runs */
    write_byte(out, 1 << 1);
    write_byte(out, (u8)(last->kind | (place != 0 ? DELETE_NEW_WRITER : 0) | (n == 1 ? DELETE_ONE : 0) |
                         (target_place != place ? DELETE_OTHER_WRITER : 0)));
    if (place != 0)
        write_number(out, place);
    if (n != 1)
        write_number(out, n);
    if (target_place != place)
        write_number(out, target_place);
    write_difference(out, dot_sequence(target), e->since[run->replica]);
    return true;
}

bool sequence_encode_keystroke(const Sequence *s, Encoder *e)
{
    u16 writer;
    if (!s->is_text || e->canonical || e->complete || e->tells_condemned || !find_only_writer(e, &writer) ||
        !log_reaches(&s->log, e->since))
        return false;
    return s->typing.next != 0 ? encode_typing(s, e, writer) : encode_deletion(s, e, writer);
}

/* ---- taking -------------------------------------------------------------------------------- */

static bool take_typing(Sequence *s, Decoder *d)
{
    const u8 *p = d->in.p, *end = d->in.end;
    u8 head = p[1];
    p += 2;
    u32 place = 0, n = 1;
    if ((head & (RUN_ORIGINS | RUN_GAP)) != 0 || head / RUN_LIFE > ALL_VISIBLE)
        return false;
    if ((head & RUN_NEW_WRITER) != 0)
        place = *p++;
    if (head / RUN_LIFE == ALL_VISIBLE)
        n = *p++;
    if (place >= 0x80 || place >= d->n || n == 0 || n >= 0x80 || end - p != (ptrdiff_t)n + 1 || p[n] != 0)
        return false;
    const Sender *writer = &d->writers[place];
    if (writer->local < 0 || writer->top - writer->base < n ||
        dot_of((u16)writer->local, writer->base + 1) != s->typing.next || units_or(p, 1, n) >= 0x80)
        return false;
    Units units = {p, NULL, 1};
    if (!type_on(s, s->typing.next, &units, n))
        return false;
    s->cursor.leaf = NOTHING;
    return true;
}

/* One event that deletes visible elements of one span. */
static bool take_deletion(Sequence *s, Decoder *d)
{
    SectionReader r;
    WireDeletion deletion;
    Reader before = d->in;
    d->in.p += 2;
    section_open(&r, d, 0);
    int status = section_read_deletion(&r, &deletion);
    bool is_read = status == DONE && reader_left(&d->in) == 0 && !deletion.is_new &&
                   (deletion.kind == ONE_EVENT || deletion.n == 1);
    section_close(&r);
    d->in = before;
    if (!is_read)
        return false;
    const Sender *writer = &d->writers[deletion.event.place], *author = &d->writers[deletion.target.place];
    u32 number, n = runs_limit(deletion.n);
    if (writer->local < 0 || author->local < 0 || s->tree.count == 0 ||
        log_known(&s->log, (u16)writer->local) >= deletion.event.sequence ||
        runs_stretch(&s->runs, local_dot(d, deletion.target), n, &number) != n)
        return false;
    Point at = tree_locate(&s->tree, number);
    Span span = point_span(&s->tree, at);
    if (span_visible(span) < at.offset + n || log_reserve(&s->log, (u16)writer->local) != DONE ||
        delete_elements(s, &at, n, false) != DONE)
        return false;
    log_append(&s->log, local_dot(d, deletion.event), number, n, n == 1 ? EACH_FORWARD : ONE_EVENT);
    end_typing(s);
    if (s->pile.n == 0)
        sequence_tidy(s);
    return true;
}

bool sequence_take_keystroke(Sequence *s, Decoder *d)
{
    const u8 *p = d->in.p;
    bool taken = false;
    if (!s->is_text || reader_left(&d->in) < 4)
        return false;
    if (p[0] == 1)
        taken = take_typing(s, d);
    else if (p[0] == 0 && p[1] == 1 << 1)
        taken = take_deletion(s, d);
    if (taken)
        d->in.p = d->in.end;
    return taken;
}
