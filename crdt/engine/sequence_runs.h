/* Who inserted which elements, with which origins; ids to local numbers and back.
 *
 * A run is a stretch of elements with consecutive local numbers and consecutive ids of one writer,
 * each after the first inserted right behind the one before it: its left origin is that one and
 * its right origin that of the whole run. Typing makes long runs, so an element costs a fraction of
 * the 20 bytes of a run. Runs are never cut, whatever happens to their elements in the tree.
 */
#ifndef CRDT_SEQUENCE_RUNS_H
#define CRDT_SEQUENCE_RUNS_H

#include "clock.h"
#include "sequence_tree.h" /* NOTHING */

typedef struct {
    u32 first;       /* its first local number; it ends where the next run begins */
    u32 left, right; /* origins of the first element, or NOTHING: the start and the end */
    u32 dot_low;
    u16 dot_middle, replica;
} Run;

/* The runs of one writer, in order of sequence numbers, which is also that of local numbers. */
typedef struct {
    u32 *runs;
    u32 n, capacity;
    u16 replica;
} Author;

typedef struct {
    Run *all;
    Author *authors; /* by replica index */
    u32 *pages; /* the run of each number whose low `page_bits` bits are 0, up to where the last run begins */
    u32 n, capacity, n_authors, authors_capacity, n_pages, pages_capacity;
    u32 page_bits, paged; /* runs when the size of pages was chosen */
    u32 author;           /* the place of the one of the last reserve */
    u32 count; /* elements */
} Runs;

static inline Dot run_dot(const Run *run)
{
    return dot_of(run->replica, (u64)run->dot_middle << 32 | run->dot_low);
}

static inline u32 run_end(const Runs *r, u32 index)
{
    return index + 1 < r->n ? r->all[index + 1].first : r->count;
}

/* The run of an element. O(log n), and mostly O(1). */
static inline u32 runs_find(const Runs *r, u32 number)
{
    if (number >= r->all[r->n - 1].first)
        return r->n - 1;
    u32 page = number >> r->page_bits, low = r->pages[page];
    u32 more = (page + 1 < r->n_pages ? r->pages[page + 1] : r->n - 1) - low;
    if (more >> r->page_bits != 0) /* each is a run of its own */
        return low + number - (page << r->page_bits);
    for (u32 n = more + 1; n > 1;) {
        u32 half = n / 2;
        low += r->all[low + half].first <= number ? half : 0;
        n -= half;
    }
    return low;
}

/* Ask for the memory that finding an element's run will need, before other work. */
static inline void runs_prefetch(const Runs *r, u32 number)
{
    u32 page = number >> r->page_bits, offset = number - (page << r->page_bits);
    if (page < r->n_pages && r->pages[page] + offset < r->n)
        __builtin_prefetch(&r->all[r->pages[page] + offset]);
}

/* The same, but first look into run `hint`. */
static inline u32 runs_find_near(const Runs *r, u32 number, u32 hint)
{
    if (likely(hint < r->n && number >= r->all[hint].first && number < run_end(r, hint)))
        return hint;
    return runs_find(r, number);
}

static inline Dot runs_dot(const Runs *r, u32 number)
{
    const Run *run = &r->all[runs_find(r, number)];
    return run_dot(run) + (number - run->first);
}

static inline u32 runs_left(const Runs *r, u32 number)
{
    const Run *run = &r->all[runs_find(r, number)];
    return number == run->first ? run->left : number - 1;
}

static inline u32 runs_right(const Runs *r, u32 number)
{
    return r->all[runs_find(r, number)].right;
}

/* The author of that replica index, or NULL when it has no elements here. */
const Author *runs_author(const Runs *r, u16 replica);

/* The last sequence number of an author's elements here. */
static inline u64 author_last(const Runs *r, const Author *author)
{
    u32 run = author->runs[author->n - 1];
    return dot_sequence(run_dot(&r->all[run])) + (run_end(r, run) - r->all[run].first) - 1;
}

/* The place in the author's list of the first run that reaches `sequence` or lies above it. */
u32 author_run_at(const Runs *r, const Author *author, u64 sequence);

/* The local number of an id, or NOTHING. */
u32 runs_number(const Runs *r, Dot dot);

/* How many of the ids from `dot` on, up to n, are consecutive local numbers from `*number` on; 0 if
 * the first is not here. */
u32 runs_stretch(const Runs *r, Dot dot, u32 n, u32 *number);

/* The first id from `dot` on that is here, at most `end`: all of one writer. O(log n). */
Dot runs_next(const Runs *r, Dot dot, Dot end);

/* The same from `dot` downwards: what follows the last id at or below it that is here, at least `begin`. */
Dot runs_previous(const Runs *r, Dot dot, Dot begin);

static inline u32 runs_limit(u64 n)
{
    return n < UINT32_MAX ? (u32)n : UINT32_MAX;
}

/* Whether elements of these ids and origins would merely continue the last run. */
static inline bool runs_continues(const Runs *r, Dot first, u32 left, u32 right)
{
    if (r->n == 0 || left + 1 != r->count)
        return false;
    const Run *run = &r->all[r->n - 1];
    return right == run->right && run_dot(run) + (r->count - run->first) == first;
}

int runs_make_room(Runs *r, u16 replica);

/* Room for one more run of this writer, so that the next runs_append, which is of the same writer, cannot fail. */
static inline int runs_reserve(Runs *r, u16 replica)
{
    const Author *author = &r->authors[r->author];
    bool has_room = r->n < r->capacity && r->n < 2 * r->paged && r->count >> r->page_bits < r->pages_capacity;
    if (likely(has_room && author->replica == replica && author->n < author->capacity))
        return DONE;
    return runs_make_room(r, replica);
}

/* n new elements; they get the local numbers from r->count on. */
void runs_append(Runs *r, Dot first, u32 n, u32 left, u32 right);

/* Forget the last n elements, which are of the last run. */
void runs_pop(Runs *r, u32 n);

/* Take elements out, of each run the end: `kept`, by run, is the number where that begins. It is used up. */
void runs_take_out(Runs *r, const Gaps *gaps, u32 *kept);

void runs_free(Runs *r);
int runs_copy(Runs *to, const Runs *from);
size_t runs_memory(const Runs *r);

#endif
