/* Validation of a section against what is held; nothing is changed and next to nothing allocated. */
#include "sequence_apply.h"
#include "sequence_purge.h"

/* Whether ids up to here that are not held have been taken out. */
static bool may_be_gone(const Decoder *d, RemoteDot first, u64 n)
{
    return first.sequence + n - 1 <= gone_below(d, first.place);
}

/* Whether all of these ids are elements here, or were. */
static bool all_held(const Sequence *s, const Decoder *d, RemoteDot first, u64 n)
{
    if (may_be_gone(d, first, n))
        return true;
    if (s == NULL || d->writers[first.place].local < 0)
        return false;
    Dot dot = local_dot(d, first);
    while (n != 0) {
        u32 number, piece = runs_stretch(&s->runs, dot, runs_limit(n), &number);
        if (piece == 0)
            return false;
        dot += piece;
        n -= piece;
    }
    return true;
}

static bool is_held(const Sequence *s, const Decoder *d, RemoteDot id)
{
    return s != NULL && d->writers[id.place].local >= 0 && runs_number(&s->runs, local_dot(d, id)) != NOTHING;
}

static int check_origins(const Sequence *s, Decoder *d, const WireRun *run)
{
    if (may_be_gone(d, (RemoteDot){run->place, run->sequence}, run->n))
        return DONE; /* nothing of it is new */
    bool held = run->left.form != ORIGIN_HELD || is_held(s, d, run->left.held);
    if (run->right.form == ORIGIN_HELD)
        held = held && is_held(s, d, run->right.held);
    if (run->right.form == ORIGIN_NEXT && run->left.form == ORIGIN_HELD) {
        RemoteDot next = {run->left.held.place, run->left.held.sequence + 1};
        held = held && next.sequence <= section_base(d, next.place) && is_held(s, d, next);
    }
    return held ? DONE : refuse(&d->in, "an origin that does not exist");
}

/* Elements at or below the last one held of their writer must be held. */
static int check_known(const Sequence *s, Decoder *d, const WireRun *run)
{
    if (s == NULL || d->writers[run->place].local < 0)
        return DONE;
    const Author *author = runs_author(&s->runs, (u16)d->writers[run->place].local);
    u64 last = author != NULL ? author_last(&s->runs, author) : 0;
    if (run->sequence > last)
        return DONE;
    u64 n = last - run->sequence + 1;
    RemoteDot first = {run->place, run->sequence};
    if (!all_held(s, d, first, n < run->n ? n : run->n))
        return refuse(&d->in, "elements that contradict those held of their writer");
    return DONE;
}

static int check_content(bool is_text, Decoder *d, const WireRun *run)
{
    PieceReader pieces = pieces_of(run);
    u64 visible = 0;
    for (u64 n; (n = next_piece(&pieces)) != 0;)
        visible += pieces.deleted ? 0 : n;
    if (is_text) {
        size_t bytes;
        return read_code_points(&d->in, visible, &bytes) != NULL ? DONE : ERROR_DECODE;
    }
    int status = DONE;
    for (Item item; visible != 0 && status == DONE; visible--)
        status = read_value(&d->in, &item);
    return status;
}

/* How many of these ids are elements here. */
static u64 count_held(const Sequence *s, const Decoder *d, RemoteDot first, u64 n)
{
    if (s == NULL || d->writers[first.place].local < 0)
        return 0;
    Dot dot = local_dot(d, first), end = dot + n;
    u64 held = 0;
    while (dot < end) {
        u32 number, piece = runs_stretch(&s->runs, dot, runs_limit(end - dot), &number);
        held += piece;
        dot = piece != 0 ? dot + piece : runs_next(&s->runs, dot, end);
    }
    return held;
}

int check_deletions(const Sequence *s, SectionReader *r)
{
    Decoder *d = r->d;
    u64 head = read_number(&d->in);
    bool whole = head & 1;
    if (head >> 1 > reader_left(&d->in) / 2)
        return refuse(&d->in, "a count is larger than the bytes that follow");
    section_begin_deletions(r);
    u64 elements = r->count + (s != NULL ? s->tree.count : 0), named = 0;
    for (u64 left = head >> 1; left != 0; left--) {
        WireDeletion deletion = {0};
        int status = whole ? section_read_deleted(r, &deletion.target, &deletion.n)
                           : section_read_deletion(r, &deletion);
        if (status != DONE)
            return status;
        if (!deletion.is_new && !all_held(s, d, deletion.target, deletion.n))
            return refuse(&d->in, "a deletion of an element that does not exist");
        named += deletion.is_new || !may_be_gone(d, deletion.target, deletion.n)
                     ? deletion.n
                     : count_held(s, d, deletion.target, deletion.n);
        if (named > elements * DELETIONS_PER_ELEMENT)
            return refuse(&d->in, "deletions that name all elements over and over");
    }
    return d->in.error == NULL ? DONE : ERROR_DECODE;
}

int sequence_check(const Sequence *s, bool is_text, Decoder *d)
{
    SectionReader r;
    section_open(&r, d, ELEMENTS_MAX - (s != NULL ? s->tree.count : 0));
    int status = DONE;
    for (u64 left = read_count(&d->in, 1); left != 0 && status == DONE; left--) {
        WireRun run;
        status = section_read_run(&r, &run);
        if (status == DONE)
            status = check_known(s, d, &run);
        if (status == DONE)
            status = check_origins(s, d, &run);
        if (status == DONE)
            status = check_content(is_text, d, &run);
    }
    if (status == DONE)
        status = check_deletions(s, &r);
    if (status == DONE && d->tells_condemned)
        status = condemned_check(d);
    section_close(&r);
    return status;
}
