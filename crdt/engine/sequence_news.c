#include "sequence_news.h"

#include <stdlib.h>

u32 count_runs(const Runs *runs, const Author *author, u64 since)
{
    if (author->n == 0 || author_last(runs, author) <= since)
        return 0;
    return author->n - author_run_at(runs, author, since + 1);
}

u32 stretch_of(const News *news, u32 number)
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

static int compare_stretches(const void *a, const void *b)
{
    u32 x = ((const Stretch *)a)->first, y = ((const Stretch *)b)->first;
    return x < y ? -1 : x > y;
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
            const Author *author = runs_author(runs, replicas_by_rank(replicas)[rank]);
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

int open_news(News *news, const Sequence *s, Encoder *e)
{
    *news = (News){.s = s, .e = e};
    news->all = news->few;
    news->fragments = news->few_fragments;
    expectations_open(&news->expected);
    int status = gather(news);
    if (status == DONE && e->canonical)
        status = order_canonically(news);
    return status;
}

void close_news(News *news)
{
    if (news->all != news->few)
        block_free(news->all, news->capacity * sizeof(Stretch));
    block_free(news->order, news->n * sizeof(u32));
    if (news->fragments != news->few_fragments)
        block_free(news->fragments, news->fragments_capacity * sizeof(Fragment));
    expectations_close(&news->expected);
}
