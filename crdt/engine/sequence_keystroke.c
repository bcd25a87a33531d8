/* What one keystroke adds, written and read without the machinery for whole sections.
 *
 * Most deltas are some characters typed after others, or one deletion. All that they need is at hand: the run
 * at the end of the list, the span it stands in, the end of the log. The bytes are those that the general way
 * makes (sequence_encode.c) and takes (sequence_check.c, sequence_apply.c); when anything is unusual these
 * functions do nothing, and the general way is gone.
 */
#include "sequence_apply.h"
#include "sequence_news.h"
#include "sequence_purge.h"

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

/* An edit that builds on what is held alone: at most one run, then deletions of few stretches of ids. */
enum { DELETIONS_FEW = 4 };

typedef struct {
    Dot first;
    const u8 *units; /* ASCII; NULL: there is no run */
    u32 n, left, right;
} TakenRun;

typedef struct {
    Dot event;
    u32 number, n;
} TakenDeletion;

typedef struct {
    TakenRun run;
    TakenDeletion deletions[DELETIONS_FEW];
    u32 n;
} TakenEdit;

/* The local number of an origin that is held; NOTHING also when it is not here. */
static u32 held_number(const Sequence *s, const Decoder *d, RemoteDot id)
{
    return s->tree.count == 0 ? NOTHING : runs_number(&s->runs, local_dot(d, id));
}

static bool find_origins(const Sequence *s, const Decoder *d, const WireRun *wire, TakenRun *run)
{
    RemoteDot held = wire->left.held;
    run->left = run->right = NOTHING;
    if (wire->left.form == ORIGIN_HELD && (run->left = held_number(s, d, held)) == NOTHING)
        return false;
    switch (wire->right.form) {
    case ORIGIN_NONE:
        return true;
    case ORIGIN_SAME:
        if (run->left != NOTHING)
            run->right = runs_right(&s->runs, run->left);
        return run->left != NOTHING;
    case ORIGIN_NEXT:
        held.sequence++;
        if (held.sequence > section_base(d, held.place))
            return false;
        break;
    default:
        held = wire->right.held;
    }
    run->right = held_number(s, d, held);
    return run->right != NOTHING;
}

static bool is_unseen(const Decoder *d, u32 place, u64 sequence)
{
    return sequence > d->replicas->all[d->writers[place].local].seen;
}

static bool read_insert(const Sequence *s, SectionReader *r, TakenRun *run)
{
    WireRun wire;
    Reader *in = &r->d->in;
    if (section_read_run(r, &wire) != DONE || wire.life > ALL_VISIBLE || wire.n >= reader_left(in) ||
        !is_unseen(r->d, wire.place, wire.sequence) || !find_origins(s, r->d, &wire, run))
        return false;
    run->first = local_dot(r->d, (RemoteDot){wire.place, wire.sequence});
    run->units = in->p;
    run->n = (u32)wire.n;
    in->p += wire.n;
    return count_ascii(run->units, run->n) == run->n;
}

/* Each is one event of which all elements are held. */
static bool read_deletions(const Sequence *s, SectionReader *r, TakenEdit *edit)
{
    u64 head = read_number(&r->d->in);
    if ((head & 1) != 0 || head >> 1 > DELETIONS_FEW)
        return false;
    section_begin_deletions(r);
    for (u64 left = head >> 1; left != 0; left--) {
        WireDeletion wire;
        TakenDeletion *deletion = &edit->deletions[edit->n++];
        if (section_read_deletion(r, &wire) != DONE || wire.is_new || (wire.kind != ONE_EVENT && wire.n != 1) ||
            !is_unseen(r->d, wire.event.place, wire.event.sequence))
            return false;
        deletion->event = local_dot(r->d, wire.event);
        deletion->n = runs_limit(wire.n);
        Dot target = local_dot(r->d, wire.target);
        if (s->tree.count == 0 || runs_stretch(&s->runs, target, deletion->n, &deletion->number) != deletion->n)
            return false;
    }
    return true;
}

static bool read_edit(const Sequence *s, Decoder *d, TakenEdit *edit)
{
    SectionReader r;
    section_open(&r, d, ELEMENTS_MAX - s->tree.count);
    u64 runs = read_number(&d->in);
    bool is_read = runs == 0 || (runs == 1 && read_insert(s, &r, &edit->run));
    is_read = is_read && read_deletions(s, &r, edit) && reader_left(&d->in) == 0 && d->in.error == NULL;
    section_close(&r);
    return is_read;
}

static bool insert_run(Sequence *s, const TakenRun *run)
{
    Units units = {run->units, NULL, 1};
    u32 count = s->tree.count;
    Digest before = s->digest;
    end_typing(s);
    if (tree_begin(&s->tree) != DONE || runs_reserve(&s->runs, dot_replica(run->first)) != DONE)
        return false;
    Point at = fugue_place(s, run->first, run->left, run->right);
    if (insert_elements(s, &at, run->first, run->n, &units) != DONE) {
        tree_pop(&s->tree, s->tree.count - count);
        s->digest = before;
        return false;
    }
    digest_add(&s->digest, digest_of_origins(s, run->first, run->left, run->right));
    runs_append(&s->runs, run->first, run->n, run->left, run->right);
    idle_meet(s, run->left, run->right);
    begin_typing(s, run->first + run->n, &at, NOTHING);
    return true;
}

static bool delete_stretch(Sequence *s, const TakenDeletion *deletion)
{
    u32 number = deletion->number, end = number + deletion->n;
    if (log_reserve(&s->log, dot_replica(deletion->event)) != DONE)
        return false;
    end_typing(s);
    while (number < end) {
        Point at = tree_locate(&s->tree, number);
        Span span = point_span(&s->tree, at);
        u32 n = span_n(span) - at.offset < end - number ? span_n(span) - at.offset : end - number;
        if (!span_is_deleted(span) && delete_elements(s, &at, n, false) != DONE)
            return false;
        number += n;
    }
    log_append(&s->log, deletion->event, deletion->number, deletion->n, deletion->n == 1 ? EACH_FORWARD : ONE_EVENT);
    return true;
}

/* False also when out of memory: a part may have been joined then, and joining it again completes it. */
static bool take_edit(Sequence *s, Decoder *d)
{
    TakenEdit edit = {0};
    Reader before = d->in;
    bool taken = read_edit(s, d, &edit);
    d->in = before;
    if (taken && edit.run.units != NULL)
        taken = insert_run(s, &edit.run);
    for (u32 i = 0; i < edit.n && taken; i++)
        taken = delete_stretch(s, &edit.deletions[i]);
    if (taken && edit.n != 0 && s->pile.n == 0)
        sequence_tidy(s);
    return taken;
}

bool sequence_take_keystroke(Sequence *s, Decoder *d)
{
    bool taken = s->is_text && reader_left(&d->in) >= 4 && ((d->in.p[0] == 1 && take_typing(s, d)) || take_edit(s, d));
    if (taken)
        d->in.p = d->in.end;
    return taken;
}
