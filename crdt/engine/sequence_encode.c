/* Writing what a holder of `since` lacks: runs, then deletions (sequence_wire.h). */
#include "sequence_state.h"
#include "sequence_wire.h"

#include <stdlib.h>

/* Elements that the receiver lacks: a run, or its tail. */
typedef struct {
    u32 first, n;
    u32 run;
    u32 section; /* the number of the first in the section; NOTHING until it has one */
} Stretch;

/* Elements of one leaf's span that are written together. */
typedef struct {
    u32 n, leaf, unit;
    bool deleted;
} Fragment;

enum { FEW = 4 }; /* what needs no allocation */

typedef struct {
    const Sequence *s;
    Encoder *e;
    Stretch *all; /* by local number */
    u32 *order;   /* of the section; NULL: as in `all` */
    u32 n, capacity;
    Stretch few[FEW];
    Fragment *fragments;
    Fragment few_fragments[FEW];
    u32 n_fragments, fragments_capacity;
    u32 writer;    /* place of the last one named */
    u32 count;     /* elements written */
    u64 *expected; /* by replica, see SectionReader */
    u64 few_expected[FEW];
    /* the deletions */
    u64 target, target_number;
    u32 target_writer;
    bool targeted;
} News;

static u32 place_of(const News *news, Dot dot)
{
    return news->e->place[dot_replica(dot)];
}

static u64 since_of(const News *news, Dot dot)
{
    return news->e->since[dot_replica(dot)];
}

static u64 expected_of(const News *news, Dot dot)
{
    u64 expected = news->expected[dot_replica(dot)];
    return expected != 0 ? expected : since_of(news, dot) + 1;
}

/* ---- what is new ------------------------------------------------------------------------- */

static int compare_stretches(const void *a, const void *b)
{
    u32 x = ((const Stretch *)a)->first, y = ((const Stretch *)b)->first;
    return x < y ? -1 : x > y;
}

/* The author's runs that reach above `since`. */
static u32 count_runs(const Runs *runs, const Author *author, u64 since)
{
    if (author->n == 0 || author_last(runs, author) <= since)
        return 0;
    return author->n - author_run_at(runs, author, since + 1);
}

static void add_stretches(News *news, const Author *author, u64 since)
{
    const Runs *runs = &news->s->runs;
    for (u32 i = author->n - count_runs(runs, author, since); i < author->n; i++) {
        const Run *run = &runs->all[author->runs[i]];
        u64 sequence = dot_sequence(run_dot(run));
        u32 skip = since < sequence ? 0 : (u32)(since - sequence + 1);
        u32 first = run->first + skip;
        news->all[news->n++] = (Stretch){first, run_end(runs, author->runs[i]) - first, author->runs[i], NOTHING};
    }
}

static int gather(News *news)
{
    const Runs *runs = &news->s->runs;
    u32 n = 0, writers = 0;
    for (u32 i = 0; i < runs->n_authors; i++) {
        u32 more = count_runs(runs, &runs->authors[i], news->e->since[runs->authors[i].replica]);
        n += more;
        writers += more != 0;
    }
    if (n > FEW) {
        news->all = NULL;
        int status = array_reserve(&news->all, &news->capacity, n, sizeof(Stretch));
        if (status != DONE)
            return status;
    }
    for (u32 i = 0; i < runs->n_authors; i++)
        add_stretches(news, &runs->authors[i], news->e->since[runs->authors[i].replica]);
    if (writers > 1)
        qsort(news->all, news->n, sizeof(Stretch), compare_stretches);
    u32 section = 0;
    for (u32 i = 0; i < news->n && !news->e->canonical; i++) {
        news->all[i].section = section;
        section += news->all[i].n;
    }
    return DONE;
}

/* The stretch of a new element, or NOTHING for one that the receiver holds. */
static u32 stretch_of(const News *news, u32 number)
{
    u32 low = 0, n = news->n;
    if (n == 0)
        return NOTHING;
    while (n > 1) {
        u32 half = n / 2;
        low += news->all[low + half].first <= number ? half : 0;
        n -= half;
    }
    return number - news->all[low].first < news->all[low].n ? low : NOTHING;
}

static u32 section_number(const News *news, u32 stretch, u32 number)
{
    return news->all[stretch].section + (number - news->all[stretch].first);
}

static const Run *run_of(const News *news, const Stretch *stretch)
{
    return &news->s->runs.all[stretch->run];
}

static u32 left_of(const News *news, const Stretch *stretch)
{
    const Run *run = run_of(news, stretch);
    return stretch->first == run->first ? run->left : stretch->first - 1;
}

static Dot dot_in(const News *news, const Stretch *stretch, u32 number)
{
    const Run *run = run_of(news, stretch);
    return run_dot(run) + (number - run->first);
}

/* Whether b merely continues a: the same run on the wire. */
static bool continues(const News *news, const Stretch *a, const Stretch *b)
{
    u32 last = a->first + a->n - 1;
    return left_of(news, b) == last && run_of(news, a)->right == run_of(news, b)->right &&
           dot_in(news, a, last) + 1 == dot_in(news, b, b->first);
}

/* ---- canonical order --------------------------------------------------------------------
 *
 * Writers in the order of ids, each one's runs by sequence number, but before a run those it needs:
 * the earlier runs of their writers and the ones with its origins. What waits is a stack of
 * writers, each there once, because a run is younger than what it needs.
 */

typedef struct {
    u32 author;
    u32 target; /* the run of this author that is needed */
} Waiting;

typedef struct {
    News *news;
    u32 *written;  /* by author: runs in the order already */
    Waiting *stack;
    u32 depth, n;
} Ordering;

static u32 author_index(const Runs *runs, u32 run)
{
    return (u32)(runs_author(runs, runs->all[run].replica) - runs->authors);
}

static u32 place_in_author(const Runs *runs, u32 run)
{
    const Author *author = runs_author(runs, runs->all[run].replica);
    return author_run_at(runs, author, dot_sequence(run_dot(&runs->all[run])));
}

/* Put the author of the run with this origin on the stack, if that run is not in the order. */
static bool waits_for(Ordering *o, u32 origin)
{
    const Runs *runs = &o->news->s->runs;
    if (origin == NOTHING)
        return false;
    u32 run = runs_find(runs, origin);
    if (o->news->all[run].section != NOTHING)
        return false;
    o->stack[o->depth++] = (Waiting){author_index(runs, run), place_in_author(runs, run)};
    return true;
}

static void write_order(Ordering *o, u32 author, u32 target)
{
    News *news = o->news;
    const Runs *runs = &news->s->runs;
    o->depth = 0;
    o->stack[o->depth++] = (Waiting){author, target};
    while (o->depth != 0) {
        Waiting *top = &o->stack[o->depth - 1];
        const Author *a = &runs->authors[top->author];
        u32 *written = &o->written[top->author];
        if (*written == a->n ||
            (*written > top->target && !continues(news, &news->all[a->runs[*written - 1]],
                                                  &news->all[a->runs[*written]]))) {
            o->depth--;
            continue;
        }
        u32 run = a->runs[*written];
        if (waits_for(o, runs->all[run].left) || waits_for(o, runs->all[run].right))
            continue;
        news->order[o->n++] = run;
        news->all[run].section = news->count;
        news->count += news->all[run].n;
        ++*written;
    }
}

static int order_canonically(News *news)
{
    const Runs *runs = &news->s->runs;
    Ordering o = {.news = news};
    u32 authors = runs->n_authors;
    size_t stack_bytes = ((size_t)authors * 2 + 2) * sizeof(Waiting);
    size_t written_bytes = (size_t)authors * sizeof(u32);
    int status = ERROR_MEMORY;
    if (news->n == 0)
        return DONE;
    news->order = block_resize(NULL, 0, news->n * sizeof(u32));
    o.stack = block_resize(NULL, 0, stack_bytes);
    o.written = block_resize(NULL, 0, written_bytes);
    if (news->order != NULL && o.stack != NULL && o.written != NULL) {
        memset(o.written, 0, written_bytes);
        const Replicas *replicas = news->s->replicas;
        for (u32 rank = 0; rank < replicas->n; rank++) {
            const Author *author = runs_author(runs, replicas->by_rank[rank]);
            if (author != NULL)
                write_order(&o, (u32)(author - runs->authors), author->n - 1);
        }
        news->count = 0;
        status = DONE;
    }
    block_free(o.stack, stack_bytes);
    block_free(o.written, written_bytes);
    return status;
}

static int open_news(News *news, const Sequence *s, Encoder *e)
{
    *news = (News){.s = s, .e = e};
    news->all = news->few;
    news->fragments = news->few_fragments;
    int status = gather(news);
    if (status == DONE && e->canonical)
        status = order_canonically(news);
    return status;
}

static void close_news(News *news)
{
    if (news->all != news->few)
        block_free(news->all, news->capacity * sizeof(Stretch));
    block_free(news->order, news->n * sizeof(u32));
    if (news->fragments != news->few_fragments)
        block_free(news->fragments, news->fragments_capacity * sizeof(Fragment));
    if (news->expected != news->few_expected)
        block_free(news->expected, news->s->replicas->n * sizeof(u64));
}

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
    write_varint(&news->e->out, place_of(news, dot));
    write_varint(&news->e->out, since_of(news, dot) - dot_sequence(dot));
}

static void write_origins(News *news, const Origins *o)
{
    Writer *out = &news->e->out;
    if (o->left_held)
        write_held(news, o->left);
    else if (o->code >= RUN_LEFT_NEW && o->code < RUN_LEFT_HELD)
        write_varint(out, news->count - 1 - section_number(news, o->left_stretch, o->left));
    if (o->right_held)
        write_held(news, o->right);
    else if (o->code == RUN_AT_START + 1 || o->code == RUN_LEFT_NEW + RIGHT_NEW ||
             o->code == RUN_LEFT_HELD + RIGHT_NEW)
        write_varint(out, news->count - 1 - section_number(news, o->right_stretch, o->right));
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
        write_varint(out, (u64)(pieces - 2) << 1 | news->fragments[0].deleted);
        u32 length = 0;
        for (u32 i = 0; i < news->n_fragments; i++) {
            if (i > 0 && news->fragments[i - 1].deleted != news->fragments[i].deleted) {
                write_varint(out, length - 1);
                length = 0;
            }
            length += news->fragments[i].n;
        }
        write_varint(out, length - 1);
    } else if (life != ONE_VISIBLE) {
        write_varint(out, n);
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
    u64 expected = expected_of(news, dot);
    u64 gap = dot_sequence(dot) - expected;
    Life life = pieces > 1                    ? MIXED
                : news->fragments[0].deleted ? ALL_DELETED
                : n == 1                      ? ONE_VISIBLE
                                              : ALL_VISIBLE;
    Writer *out = &news->e->out;
    write_byte(out, (u8)(origins.code | (place != news->writer ? RUN_NEW_WRITER : 0) |
                         (gap != 0 ? RUN_GAP : 0) | life * RUN_LIFE));
    if (place != news->writer)
        write_varint(out, place);
    if (gap != 0)
        write_varint(out, gap);
    write_life(news, n, life, pieces);
    write_origins(news, &origins);
    write_content(news);
    news->writer = place;
    news->expected[dot_replica(dot)] = dot_sequence(dot) + n;
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
    write_varint(&news->e->out, count);
    for (u32 from = 0, to; from < news->n; from = to) {
        to = run_stop(news, from);
        int status = write_run(news, from, to);
        if (status != DONE)
            return status;
    }
    return DONE;
}

/* ---- deletions --------------------------------------------------------------------------- */

/* A part of a logged entry that can be written as one: its elements are one stretch of ids, all in
 * the section or all held. */
typedef struct {
    Dot event;
    u32 first, n;
    u8 kind;
    bool is_new;
} Deleting;

typedef int (*DeletingTaker)(News *news, const Deleting *deleting, void *context);

/* Hand out the parts of elements [first, first + n) of an entry, in the order of events. */
static int take_parts(News *news, const Deletion *d, u32 skip, DeletingTaker take, void *context)
{
    const Runs *runs = &news->s->runs;
    bool backward = d->kind == EACH_BACKWARD;
    u32 begin = d->kind == EACH_FORWARD ? d->first + skip : d->first;
    u32 end = d->first + d->n - (backward ? skip : 0);
    while (begin < end) {
        u32 probe = backward ? end - 1 : begin;
        u32 run = runs_find(runs, probe), low = runs->all[run].first, high = run_end(runs, run);
        u32 stretch = stretch_of(news, probe);
        if (stretch != NOTHING) {
            low = news->all[stretch].first;
            high = low + news->all[stretch].n;
        } else if (since_of(news, runs_dot(runs, high - 1)) < dot_sequence(runs_dot(runs, high - 1))) {
            high = low + (u32)(since_of(news, runs_dot(runs, low)) - dot_sequence(runs_dot(runs, low))) + 1;
        }
        low = low > begin ? low : begin;
        high = high < end ? high : end;
        Deleting part = {deletion_dot(d), low, high - low, d->kind, stretch != NOTHING};
        if (d->kind == EACH_FORWARD)
            part.event += low - d->first;
        else if (backward)
            part.event += d->first + d->n - high;
        int status = take(news, &part, context);
        if (status != DONE)
            return status;
        if (backward)
            end = low;
        else
            begin = high;
    }
    return DONE;
}

/* Hand out all parts of the log that are news, each writer's in the order of events. */
static int take_log(News *news, DeletingTaker take, void *context)
{
    const DeleteLog *log = &news->s->log;
    for (u32 i = 0; i < log->n_deleters; i++) {
        u64 since = news->e->since[log->deleters[i].replica];
        u32 n = 0, at = log->deleters[i].last, oldest = LOG_NOTHING;
        for (; at != LOG_NOTHING && dot_sequence(deletion_end(&log->all[at])) > since; n++) {
            oldest = at;
            at = log->all[at].previous;
        }
        for (u32 k = oldest; n != 0; k++) {
            const Deletion *d = &log->all[k];
            if (d->replica != log->deleters[i].replica)
                continue;
            n--;
            u64 first = dot_sequence(deletion_dot(d));
            u32 skip = since < first ? 0 : (u32)(since - first + 1);
            int status = take_parts(news, d, skip, take, context);
            if (status != DONE)
                return status;
        }
    }
    return DONE;
}

static int count_part(News *news, const Deleting *part, void *context)
{
    (void)news;
    (void)part;
    ++*(u64 *)context;
    return DONE;
}

static int write_part(News *news, const Deleting *part, void *context)
{
    (void)context;
    Writer *out = &news->e->out;
    u32 place = place_of(news, part->event);
    u64 expected = expected_of(news, part->event);
    u64 event = dot_sequence(part->event);
    Dot target = runs_dot(&news->s->runs, part->first);
    u32 target_place = place_of(news, target);
    u32 usual = news->targeted ? news->target_writer : place;
    bool other = !part->is_new && target_place != usual;
    write_byte(out, (u8)(part->kind | (part->is_new ? DELETE_NEW_TARGET : 0) |
                         (place != news->writer ? DELETE_NEW_WRITER : 0) |
                         (event != expected ? DELETE_JUMP : 0) | (part->n == 1 ? DELETE_ONE : 0) |
                         (other ? DELETE_OTHER_WRITER : 0)));
    if (place != news->writer)
        write_varint(out, place);
    if (event != expected)
        write_varint(out, event - (expected - 1));
    if (part->n != 1)
        write_varint(out, part->n);
    news->writer = place;
    news->expected[dot_replica(part->event)] = event + (part->kind == ONE_EVENT ? 1 : part->n);
    if (part->is_new) {
        u32 number = section_number(news, stretch_of(news, part->first), part->first);
        write_difference(out, number, news->target_number);
        news->target_number = number;
        return DONE;
    }
    if (other)
        write_varint(out, target_place);
    if (!news->targeted || target_place != news->target_writer)
        news->target = since_of(news, target);
    write_difference(out, dot_sequence(target), news->target);
    news->targeted = true;
    news->target_writer = target_place;
    news->target = dot_sequence(target);
    return DONE;
}

/* The stretches of deleted ids that the receiver holds, growing at the end. */
typedef struct {
    News *news;
    bool write; /* else only count */
    u64 count;
    u64 from, end; /* the one at hand; none when equal */
    u64 next;      /* after the one before */
    u32 place;
} DeletedSet;

static void finish_deleted(DeletedSet *set)
{
    if (set->from == set->end)
        return;
    if (set->write) {
        Writer *out = &set->news->e->out;
        bool other = set->place != set->news->writer;
        write_varint(out, (set->end - set->from - 1) << 1 | other);
        if (other)
            write_varint(out, set->place);
        write_varint(out, set->from - set->next);
        set->news->writer = set->place;
    }
    set->count++;
    set->next = set->end;
    set->from = set->end;
}

static void add_deleted(DeletedSet *set, u64 from, u64 end)
{
    if (from != set->end || set->from == set->end) {
        finish_deleted(set);
        set->from = from;
    }
    set->end = end;
}

static u64 take_deleted(News *news, bool write)
{
    const Tree *tree = &news->s->tree;
    const Runs *runs = &news->s->runs;
    DeletedSet set = {.news = news, .write = write};
    for (u32 i = 0; i < runs->n_authors; i++) {
        const Author *author = &runs->authors[i];
        u64 since = news->e->since[author->replica];
        set = (DeletedSet){news, write, set.count, 0, 0, 1, news->e->place[author->replica]};
        for (u32 k = 0; k < author->n; k++) {
            u32 number = runs->all[author->runs[k]].first, end = run_end(runs, author->runs[k]);
            u64 sequence = dot_sequence(run_dot(&runs->all[author->runs[k]]));
            for (u32 n; number < end && sequence <= since; number += n, sequence += n) {
                Point at = tree_locate(tree, number);
                Span span = point_span(tree, at);
                n = span_n(span) - at.offset < end - number ? span_n(span) - at.offset : end - number;
                u64 stop = sequence + n <= since ? sequence + n : since + 1;
                if (span_is_deleted(span))
                    add_deleted(&set, sequence, stop);
            }
        }
        finish_deleted(&set);
    }
    return set.count;
}

static bool must_send_whole(const News *news)
{
    return news->e->canonical || !log_reaches(&news->s->log, news->e->since);
}

static int write_deletions(News *news)
{
    u64 count = 0;
    if (must_send_whole(news)) {
        news->writer = 0;
        count = news->e->canonical ? 0 : take_deleted(news, false);
        write_varint(&news->e->out, count << 1 | 1);
        if (count != 0)
            (void)take_deleted(news, true);
        return DONE;
    }
    (void)take_log(news, count_part, &count);
    write_varint(&news->e->out, count << 1);
    if (count == 0)
        return DONE;
    memset(news->expected, 0, news->s->replicas->n * sizeof(u64));
    news->writer = 0;
    return take_log(news, write_part, NULL);
}

/* ---- entry points ------------------------------------------------------------------------ */

bool sequence_has_news(const Sequence *s, const Encoder *e)
{
    for (u32 i = 0; i < s->runs.n_authors; i++)
        if (count_runs(&s->runs, &s->runs.authors[i], e->since[s->runs.authors[i].replica]) != 0)
            return true;
    if (log_has_news(&s->log, e->since))
        return true;
    return s->tree.count != s->tree.visible && !log_reaches(&s->log, e->since);
}

static int mark_part(News *news, const Deleting *part, void *context)
{
    bool *used = context;
    used[dot_replica(part->event)] = true;
    if (!part->is_new)
        used[dot_replica(runs_dot(&news->s->runs, part->first))] = true;
    return DONE;
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

int sequence_mark_writers(const Sequence *s, const Encoder *e, bool *used)
{
    News news;
    Encoder reading = *e;
    bool whole = e->canonical || !log_reaches(&s->log, e->since);
    for (u32 i = 0; i < s->runs.n_authors; i++) {
        const Author *author = &s->runs.authors[i];
        u64 since = e->since[author->replica];
        used[author->replica] |= count_runs(&s->runs, author, since) != 0 || (whole && since != 0);
    }
    if (e->canonical)
        return DONE; /* nothing is held */
    int status = open_news(&news, s, &reading);
    for (u32 i = 0; i < news.n && status == DONE; i++)
        mark_run(&news, &news.all[i], used);
    if (status == DONE && !whole)
        status = take_log(&news, mark_part, used);
    close_news(&news);
    return status;
}

int sequence_encode(const Sequence *s, Encoder *e)
{
    News news;
    int status = open_news(&news, s, e);
    size_t expected_bytes = s->replicas->n * sizeof(u64);
    news.expected = news.few_expected;
    if (s->replicas->n > FEW) {
        news.expected = block_resize(NULL, 0, expected_bytes);
        if (news.expected == NULL)
            status = ERROR_MEMORY;
        else
            memset(news.expected, 0, expected_bytes);
    }
    if (status == DONE)
        status = write_runs(&news);
    if (status == DONE)
        status = write_deletions(&news);
    close_news(&news);
    if (status == DONE && e->out.failed)
        status = ERROR_MEMORY;
    return status;
}
