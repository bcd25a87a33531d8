/* Writing what a holder of `since` lacks: runs, then deletions (sequence_wire.h). */
#include "sequence_news.h"
#include "sequence_purge.h"

#include <stdlib.h>

/* ---- runs -------------------------------------------------------------------------------- */

/* How the origins of a stretch are written. */
typedef struct {
    u32 left, right;               /* local numbers */
    u32 left_stretch, right_stretch;
    bool left_held, right_held;    /* an id is written */
    u8 code;
} Origins;

static Origins origins_of(const News *news, const Stretch *stretch)
{
    const Runs *runs = &news->s->runs;
    Origins o = {.left = left_of(news, stretch), .right = run_of(news, stretch)->right};
    o.left_stretch = o.left == NOTHING ? NOTHING : stretch_of(news, o.left);
    o.right_stretch = o.right == NOTHING ? NOTHING : stretch_of(news, o.right);
    bool right_new = o.right_stretch != NOTHING, left_new = o.left_stretch != NOTHING;
    if (o.left == NOTHING) {
        o.code = o.right == NOTHING ? RUN_AT_START : right_new ? RUN_AT_START + 1 : RUN_AT_START + 2;
        o.right_held = o.right != NOTHING && !right_new;
        return o;
    }
    const Run *run = &runs->all[left_new ? news->all[o.left_stretch].run : runs_find(runs, o.left)];
    Dot left = run_dot(run) + (o.left - run->first);
    bool same = run->right == o.right;
    if (!left_new && same && left + 1 == dot_in(news, stretch, stretch->first)) {
        o.code = RUN_CONTINUES;
        return o;
    }
    o.left_held = !left_new;
    o.code = left_new ? RUN_LEFT_NEW : RUN_LEFT_HELD;
    bool next = false;
    if (o.right != NOTHING && left_new == right_new)
        next = left_new ? section_number(news, o.right_stretch, o.right) ==
                              section_number(news, o.left_stretch, o.left) + 1
                        : runs_dot(runs, o.right) == left + 1;
    o.right_held = o.right != NOTHING && !next && !same && !right_new;
    o.code += o.right == NOTHING ? RIGHT_END
              : next             ? RIGHT_NEXT
              : same             ? RIGHT_SAME
              : right_new        ? RIGHT_NEW
                                 : RIGHT_HELD;
    return o;
}

static void write_held(News *news, u32 number)
{
    Dot dot = runs_dot(&news->s->runs, number);
    write_number(&news->e->out, place_of(news, dot));
    write_number(&news->e->out, since_of(news, dot) - dot_sequence(dot));
}

static void write_origins(News *news, const Origins *o)
{
    Writer *out = &news->e->out;
    if (o->left_held)
        write_held(news, o->left);
    else if (o->code >= RUN_LEFT_NEW && o->code < RUN_LEFT_HELD)
        write_number(out, news->count - 1 - section_number(news, o->left_stretch, o->left));
    if (o->right_held)
        write_held(news, o->right);
    else if (o->code == RUN_AT_START + 1 || o->code == RUN_LEFT_NEW + RIGHT_NEW ||
             o->code == RUN_LEFT_HELD + RIGHT_NEW)
        write_number(out, news->count - 1 - section_number(news, o->right_stretch, o->right));
}

static int reserve_fragment(News *news)
{
    if (news->fragments == news->few_fragments) {
        if (news->n_fragments < FEW)
            return DONE;
        news->fragments = NULL;
        if (array_reserve(&news->fragments, &news->fragments_capacity, 32, sizeof(Fragment)) != DONE)
            return ERROR_MEMORY;
        memcpy(news->fragments, news->few_fragments, sizeof news->few_fragments);
    }
    return array_reserve(&news->fragments, &news->fragments_capacity, news->n_fragments + 1,
                         sizeof(Fragment));
}

/* Append the fragments of n elements. */
static int find_fragments(News *news, u32 number, u32 n)
{
    while (n != 0) {
        Point at = tree_locate(&news->s->tree, number);
        Span span = point_span(&news->s->tree, at);
        u32 left = span_n(span) - at.offset, piece = n < left ? n : left;
        if (reserve_fragment(news) != DONE)
            return ERROR_MEMORY;
        news->fragments[news->n_fragments++] =
            (Fragment){piece, at.leaf, at.unit, span_is_deleted(span)};
        number += piece;
        n -= piece;
    }
    return DONE;
}

static void write_text(Writer *out, const Content *content, u32 from, u32 n)
{
    Units units = content_units(content, from);
    if (units.width == 1 && units_or(units.p, 1, n) < 0x80) {
        write_bytes(out, units.p, n);
        return;
    }
    if (!writer_reserve(out, (size_t)n * 4))
        return;
    u8 *p = out->p + out->n;
    for (u32 i = 0; i < n; i++)
        p = put_code_point(p, unit_at(units.p, units.width, i));
    out->n = (size_t)(p - out->p);
}

static void write_content(News *news)
{
    for (u32 i = 0; i < news->n_fragments; i++) {
        Fragment f = news->fragments[i];
        const Content *content = &news->s->tree.leaves[f.leaf].content;
        if (f.deleted)
            continue;
        if (news->s->is_text) {
            write_text(&news->e->out, content, f.unit, f.n);
        } else {
            for (u32 k = 0; k < f.n; k++) {
                Item item = cell_item(news->s, content, f.unit + k);
                write_item(&news->e->out, &item);
            }
        }
    }
}

/* How many pieces the fragments make: neighbours of one kind are one. */
static u32 count_pieces(const News *news)
{
    u32 n = 0;
    for (u32 i = 0; i < news->n_fragments; i++)
        n += i == 0 || news->fragments[i - 1].deleted != news->fragments[i].deleted;
    return n;
}

static void write_life(News *news, u32 n, Life life, u32 pieces)
{
    Writer *out = &news->e->out;
    if (life == MIXED) {
        write_number(out, (u64)(pieces - 2) << 1 | news->fragments[0].deleted);
        u32 length = 0;
        for (u32 i = 0; i < news->n_fragments; i++) {
            if (i > 0 && news->fragments[i - 1].deleted != news->fragments[i].deleted) {
                write_number(out, length - 1);
                length = 0;
            }
            length += news->fragments[i].n;
        }
        write_number(out, length - 1);
    } else if (life != ONE_VISIBLE) {
        write_number(out, n);
    }
}

/* Write the stretches [from, to) of the order as one run. */
static int write_run(News *news, u32 from, u32 to)
{
    const Stretch *first = &news->all[news->order != NULL ? news->order[from] : from];
    u32 n = 0;
    news->n_fragments = 0;
    for (u32 i = from; i < to; i++) {
        const Stretch *stretch = &news->all[news->order != NULL ? news->order[i] : i];
        int status = find_fragments(news, stretch->first, stretch->n);
        if (status != DONE)
            return status;
        n += stretch->n;
    }
    Origins origins = origins_of(news, first);
    Dot dot = dot_in(news, first, first->first);
    u32 place = place_of(news, dot), pieces = count_pieces(news);
    u64 *expected = expectation_of(&news->expected, place, since_of(news, dot) + 1);
    if (expected == NULL)
        return ERROR_MEMORY;
    u64 gap = dot_sequence(dot) - *expected;
    Life life = pieces > 1                    ? MIXED
                : news->fragments[0].deleted ? ALL_DELETED
                : n == 1                      ? ONE_VISIBLE
                                              : ALL_VISIBLE;
    Writer *out = &news->e->out;
    write_byte(out, (u8)(origins.code | (place != news->writer ? RUN_NEW_WRITER : 0) |
                         (gap != 0 ? RUN_GAP : 0) | life * RUN_LIFE));
    if (place != news->writer)
        write_number(out, place);
    if (gap != 0)
        write_number(out, gap);
    write_life(news, n, life, pieces);
    write_origins(news, &origins);
    write_content(news);
    news->writer = place;
    *expected = dot_sequence(dot) + n;
    news->count += n;
    return DONE;
}

static u32 run_stop(const News *news, u32 from)
{
    u32 to = from + 1;
    while (to < news->n) {
        const Stretch *a = &news->all[news->order != NULL ? news->order[to - 1] : to - 1];
        const Stretch *b = &news->all[news->order != NULL ? news->order[to] : to];
        if (!continues(news, a, b))
            break;
        to++;
    }
    return to;
}

static int write_runs(News *news)
{
    u32 count = 0;
    for (u32 from = 0; from < news->n; from = run_stop(news, from))
        count++;
    write_number(&news->e->out, count);
    for (u32 from = 0, to; from < news->n; from = to) {
        to = run_stop(news, from);
        int status = write_run(news, from, to);
        if (status != DONE)
            return status;
    }
    return DONE;
}

/* ---- entry points ------------------------------------------------------------------------ */

bool sequence_has_news(const Sequence *s, const Encoder *e)
{
    if (e->complete)
        return s->tree.count != 0; /* all of it is told */
    for (u32 i = 0; i < s->runs.n_authors; i++)
        if (count_runs(&s->runs, &s->runs.authors[i], e->since[s->runs.authors[i].replica]) != 0)
            return true;
    if (log_has_news(&s->log, e->since))
        return true;
    return sequence_has_condemned(s, e) || (s->tree.count != s->tree.visible && !log_reaches(&s->log, e->since));
}

static void mark_run(const News *news, const Stretch *stretch, bool *used)
{
    const Runs *runs = &news->s->runs;
    Origins origins = origins_of(news, stretch);
    if (origins.left_held)
        used[dot_replica(runs_dot(runs, origins.left))] = true;
    if (origins.right_held)
        used[dot_replica(runs_dot(runs, origins.right))] = true;
}

void sequence_mark_authors(const Sequence *s, bool *named)
{
    for (u32 i = 0; i < s->runs.n_authors; i++)
        if (s->runs.authors[i].n != 0)
            named[s->runs.authors[i].replica] = true;
    for (u32 i = 0; i < s->condemned.n; i++)
        named[dot_replica(s->condemned.all[i].by)] = true;
}

int sequence_mark_writers(const Sequence *s, const Encoder *e, bool *used)
{
    News news;
    Encoder reading = *e;
    for (u32 i = 0; i < s->runs.n_authors; i++) {
        u16 author = s->runs.authors[i].replica;
        used[author] |= count_runs(&s->runs, &s->runs.authors[i], e->since[author]) != 0;
    }
    if (e->canonical)
        return DONE; /* nothing is held */
    int status = open_news(&news, s, &reading);
    for (u32 i = 0; i < news.n && status == DONE; i++)
        mark_run(&news, &news.all[i], used);
    if (status == DONE)
        status = mark_deletions(&news, used);
    close_news(&news);
    return status;
}

/* Where absence means removal, all of a sequence is told, as to somebody who has nothing. */
static int encode_anew(const Sequence *s, Encoder *e)
{
    u64 *nothing = calloc(e->replicas->n + 1u, sizeof(u64));
    if (nothing == NULL)
        return ERROR_MEMORY;
    Encoder anew = *e;
    anew.since = nothing;
    anew.canonical = true;
    int status = sequence_encode(s, &anew);
    e->out = anew.out;
    free(nothing);
    return status;
}

int sequence_encode(const Sequence *s, Encoder *e)
{
    if (e->complete && !e->canonical)
        return encode_anew(s, e);
    News news;
    int status = open_news(&news, s, e);
    if (status == DONE)
        status = write_runs(&news);
    if (status == DONE)
        status = write_deletions(&news);
    close_news(&news);
    if (status == DONE && e->tells_condemned)
        condemned_write(s, e);
    if (status == DONE && e->out.failed)
        status = ERROR_MEMORY;
    return status;
}
