/* What a holder of `since` lacks of a sequence, in the order in which it is written. */
#ifndef CRDT_SEQUENCE_NEWS_H
#define CRDT_SEQUENCE_NEWS_H

#include "sequence_state.h"
#include "sequence_wire.h"

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
    Expectations expected;
    /* the deletions */
    u64 target, target_number;
    u32 target_writer;
    bool targeted;
} News;

/* Gather what is new; close it also after an error. */
int open_news(News *news, const Sequence *s, Encoder *e);
void close_news(News *news);

/* How many of the author's runs reach above `since`. */
u32 count_runs(const Runs *runs, const Author *author, u64 since);

/* The stretch of a new element, or NOTHING for one that the receiver holds. */
u32 stretch_of(const News *news, u32 number);

static inline u32 place_of(const News *news, Dot dot)
{
    return news->e->place[dot_replica(dot)];
}

static inline u64 since_of(const News *news, Dot dot)
{
    return news->e->since[dot_replica(dot)];
}

static inline u32 section_number(const News *news, u32 stretch, u32 number)
{
    return news->all[stretch].section + (number - news->all[stretch].first);
}

static inline const Run *run_of(const News *news, const Stretch *stretch)
{
    return &news->s->runs.all[stretch->run];
}

static inline u32 left_of(const News *news, const Stretch *stretch)
{
    const Run *run = run_of(news, stretch);
    return stretch->first == run->first ? run->left : stretch->first - 1;
}

static inline Dot dot_in(const News *news, const Stretch *stretch, u32 number)
{
    const Run *run = run_of(news, stretch);
    return run_dot(run) + (number - run->first);
}

/* Whether b merely continues a: the same run on the wire. */
static inline bool continues(const News *news, const Stretch *a, const Stretch *b)
{
    u32 last = a->first + a->n - 1;
    return left_of(news, b) == last && run_of(news, a)->right == run_of(news, b)->right &&
           dot_in(news, a, last) + 1 == dot_in(news, b, b->first);
}

/* Hand the writers of everything that logged deletions name to `used`. */
int mark_deletions(News *news, bool *used);

/* Write the deletions after the runs. */
int write_deletions(News *news);

#endif
