#include "sequence_news.h"

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

/* Parts, and the elements they name. */
typedef struct {
    u64 parts, named;
} Extent;

static int count_part(News *news, const Deleting *part, void *context)
{
    (void)news;
    Extent *extent = context;
    extent->parts++;
    extent->named += part->n;
    return DONE;
}

static int write_part(News *news, const Deleting *part, void *context)
{
    (void)context;
    Writer *out = &news->e->out;
    u32 place = place_of(news, part->event);
    u64 *expected = expectation_of(&news->expected, place, since_of(news, part->event) + 1);
    if (expected == NULL)
        return ERROR_MEMORY;
    u64 event = dot_sequence(part->event);
    Dot target = runs_dot(&news->s->runs, part->first);
    u32 target_place = place_of(news, target);
    u32 usual = news->targeted ? news->target_writer : place;
    bool other = !part->is_new && target_place != usual;
    write_byte(out, (u8)(part->kind | (part->is_new ? DELETE_NEW_TARGET : 0) |
                         (place != news->writer ? DELETE_NEW_WRITER : 0) |
                         (event != *expected ? DELETE_JUMP : 0) | (part->n == 1 ? DELETE_ONE : 0) |
                         (other ? DELETE_OTHER_WRITER : 0)));
    if (place != news->writer)
        write_number(out, place);
    if (event != *expected)
        write_number(out, event - (*expected - 1));
    if (part->n != 1)
        write_number(out, part->n);
    news->writer = place;
    *expected = event + (part->kind == ONE_EVENT ? 1 : part->n);
    if (part->is_new) {
        u32 number = section_number(news, stretch_of(news, part->first), part->first);
        write_difference(out, number, news->target_number);
        news->target_number = number;
        return DONE;
    }
    if (other)
        write_number(out, target_place);
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
        write_number(out, (set->end - set->from - 1) << 1 | other);
        if (other)
            write_number(out, set->place);
        write_number(out, set->from - set->next);
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

/* Whether to send the set of deleted ids: the events are not known, or name so many elements over and
 * over that a receiver would refuse them. Else *parts is how many there are. */
static bool sends_whole(News *news, u64 *parts)
{
    Extent extent = {0};
    if (news->e->canonical || !log_reaches(&news->s->log, news->e->since))
        return true;
    (void)take_log(news, count_part, &extent);
    *parts = extent.parts;
    return extent.named > (u64)DELETIONS_PER_ELEMENT * news->s->tree.count;
}

int write_deletions(News *news)
{
    u64 count = 0;
    bool whole = sends_whole(news, &count);
    if (whole) /* a full state has nothing that is held */
        count = news->e->canonical ? 0 : take_deleted(news, false);
    write_number(&news->e->out, count << 1 | whole);
    if (count == 0)
        return DONE;
    news->writer = 0;
    news->expected.n = 0;
    if (!whole)
        return take_log(news, write_part, NULL);
    (void)take_deleted(news, true);
    return DONE;
}

static int mark_part(News *news, const Deleting *part, void *context)
{
    bool *used = context;
    used[dot_replica(part->event)] = true;
    if (!part->is_new)
        used[dot_replica(runs_dot(&news->s->runs, part->first))] = true;
    return DONE;
}

int mark_deletions(News *news, bool *used)
{
    const Runs *runs = &news->s->runs;
    u64 count;
    if (!sends_whole(news, &count))
        return take_log(news, mark_part, used);
    for (u32 i = 0; i < runs->n_authors; i++)
        used[runs->authors[i].replica] |= news->e->since[runs->authors[i].replica] != 0;
    return DONE;
}
