#include "sequence_runs.h"

/* Pages have 2^PAGE_BITS numbers, or more when there would be more pages than this for so many runs: a run of
 * deleted elements may be as long as it likes. */
enum { PAGE_BITS = 6 };

static inline u64 pages_most(u32 runs)
{
    return 64 + 4 * (u64)runs;
}

/* Say of the pages that begin up to where the last run does, and after where the one before does, what they begin in.
 * There is room. */
static void fill_pages(Runs *r)
{
    u32 last = r->n - 1, first = r->all[last].first, pages = (first >> r->page_bits) + 1;
    for (; r->n_pages < pages; r->n_pages++)
        r->pages[r->n_pages] = r->n_pages << r->page_bits < first ? last - 1 : last;
}

static void refill_pages(Runs *r)
{
    u32 n = r->n;
    r->n_pages = 0;
    for (r->n = 1; r->n <= n; r->n++)
        fill_pages(r);
    r->n = r->paged = n;
}

/* Room for the pages when a run is appended. Their size is chosen again for twice as many runs, and when a quarter
 * of what is allowed would do: each time that is a step for each run. */
static int reserve_pages(Runs *r)
{
    u64 most = 2 * pages_most(r->paged);
    bool anew = r->n >= 2 * r->paged || r->count >> r->page_bits >= most;
    if (anew)
        most = pages_most(r->n);
    u64 need = anew ? most : ((u64)r->count >> r->page_bits) + 1;
    u64 all = ((u64)r->count >> PAGE_BITS) + 1;
    int status = array_reserve(&r->pages, &r->pages_capacity, need < all ? need : all, sizeof(u32));
    if (status != DONE || !anew)
        return status;
    for (r->page_bits = PAGE_BITS; r->count >> r->page_bits >= most;)
        r->page_bits++;
    refill_pages(r);
    return DONE;
}

/* The place of the first author not below a replica index. */
static u32 author_place(const Runs *r, u16 replica)
{
    u32 low = 0, high = r->n_authors;
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (r->authors[middle].replica < replica)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const Author *runs_author(const Runs *r, u16 replica)
{
    u32 place = author_place(r, replica);
    bool found = place < r->n_authors && r->authors[place].replica == replica &&
                 r->authors[place].n != 0;
    return found ? &r->authors[place] : NULL;
}

static u64 first_sequence(const Runs *r, const Author *author, u32 place)
{
    return dot_sequence(run_dot(&r->all[author->runs[place]]));
}

u32 author_run_at(const Runs *r, const Author *author, u64 sequence)
{
    /* The last run that begins at or below `sequence`, unless it ends below. */
    u32 low = 0, n = author->n;
    if (first_sequence(r, author, n - 1) <= sequence) {
        low = n - 1; /* what is new is mostly at the end */
    } else {
        while (n > 1) {
            u32 half = n / 2;
            low += first_sequence(r, author, low + half) <= sequence ? half : 0;
            n -= half;
        }
    }
    u32 run = author->runs[low];
    u64 end = first_sequence(r, author, low) + (run_end(r, run) - r->all[run].first);
    return sequence < end ? low : low + 1;
}

u32 runs_stretch(const Runs *r, Dot dot, u32 n, u32 *number)
{
    const Author *author = runs_author(r, dot_replica(dot));
    if (author == NULL)
        return 0;
    u32 place = author_run_at(r, author, dot_sequence(dot));
    if (place == author->n)
        return 0;
    u32 run = author->runs[place];
    Dot first = run_dot(&r->all[run]);
    if (first > dot)
        return 0;
    *number = r->all[run].first + (u32)(dot - first);
    u32 left = run_end(r, run) - *number;
    return n < left ? n : left;
}

u32 runs_number(const Runs *r, Dot dot)
{
    u32 number;
    return runs_stretch(r, dot, 1, &number) != 0 ? number : NOTHING;
}

Dot runs_next(const Runs *r, Dot dot, Dot end)
{
    const Author *author = runs_author(r, dot_replica(dot));
    u32 place = author == NULL ? 0 : author_run_at(r, author, dot_sequence(dot));
    if (author == NULL || place == author->n)
        return end;
    Dot first = run_dot(&r->all[author->runs[place]]);
    return first <= dot ? dot : first < end ? first : end;
}

Dot runs_previous(const Runs *r, Dot dot, Dot begin)
{
    const Author *author = runs_author(r, dot_replica(dot));
    u32 place = author == NULL ? 0 : author_run_at(r, author, dot_sequence(dot));
    if (author == NULL || (place < author->n && run_dot(&r->all[author->runs[place]]) <= dot))
        return author == NULL ? begin : dot + 1;
    if (place == 0)
        return begin;
    u32 run = author->runs[place - 1];
    Dot end = run_dot(&r->all[run]) + (run_end(r, run) - r->all[run].first);
    return end > begin ? end : begin;
}

int runs_make_room(Runs *r, u16 replica)
{
    int status = array_reserve(&r->all, &r->capacity, r->n + 1, sizeof(Run));
    if (status == DONE)
        status = reserve_pages(r);
    if (status != DONE)
        return status;
    u32 place = author_place(r, replica);
    if (place == r->n_authors || r->authors[place].replica != replica) {
        status = array_reserve(&r->authors, &r->authors_capacity, r->n_authors + 1, sizeof(Author));
        if (status != DONE)
            return status;
        memmove(r->authors + place + 1, r->authors + place,
                (r->n_authors - place) * sizeof(Author));
        r->authors[place] = (Author){.replica = replica};
        r->n_authors++;
    }
    r->author = place;
    Author *author = &r->authors[place];
    return array_reserve(&author->runs, &author->capacity, author->n + 1, sizeof(u32));
}

void runs_append(Runs *r, Dot first, u32 n, u32 left, u32 right)
{
    if (!runs_continues(r, first, left, right)) {
        Author *author = &r->authors[r->author];
        u64 sequence = dot_sequence(first);
        author->runs[author->n++] = r->n;
        r->all[r->n++] = (Run){r->count,
                               left,
                               right,
                               (u32)sequence,
                               (u16)(sequence >> 32),
                               dot_replica(first)};
        fill_pages(r);
    }
    r->count += n;
}

void runs_pop(Runs *r, u32 n)
{
    r->count -= n;
    const Run *run = &r->all[r->n - 1];
    if (run->first < r->count)
        return;
    u32 place = author_place(r, run->replica);
    r->n--;
    r->authors[place].n--;
    r->n_pages = r->n == 0 ? 0 : (r->all[r->n - 1].first >> r->page_bits) + 1;
}

static u32 origin_after(const Gaps *gaps, u32 origin)
{
    return origin == NOTHING ? NOTHING : gaps_below(gaps, origin);
}

/* Writers of nothing go too. */
static void authors_take_out(Runs *r, const u32 *place)
{
    u32 authors = 0;
    for (u32 i = 0; i < r->n_authors; i++) {
        Author author = r->authors[i];
        u32 n = 0;
        for (u32 k = 0; k < author.n; k++)
            if (place[author.runs[k]] != NOTHING)
                author.runs[n++] = place[author.runs[k]];
        author.n = n;
        array_shrink(&author.runs, &author.capacity, n, sizeof(u32));
        if (n != 0)
            r->authors[authors++] = author;
    }
    r->n_authors = authors;
    r->author = 0;
    array_shrink(&r->authors, &r->authors_capacity, authors, sizeof(Author));
}

void runs_take_out(Runs *r, const Gaps *gaps, u32 *kept)
{
    u32 n = 0;
    for (u32 i = 0; i < r->n; i++) {
        Run run = r->all[i];
        bool stays = kept[i] > run.first;
        kept[i] = stays ? n : NOTHING; /* its place from now on */
        if (!stays)
            continue;
        run.first = gaps_below(gaps, run.first);
        run.left = origin_after(gaps, run.left);
        run.right = origin_after(gaps, run.right);
        r->all[n++] = run;
    }
    authors_take_out(r, kept);
    r->n = n;
    r->count = gaps_below(gaps, r->count);
    refill_pages(r);
    array_shrink(&r->all, &r->capacity, n, sizeof(Run));
}

void runs_free(Runs *r)
{
    for (u32 i = 0; i < r->n_authors; i++)
        block_free(r->authors[i].runs, r->authors[i].capacity * sizeof(u32));
    block_free(r->authors, r->authors_capacity * sizeof(Author));
    block_free(r->all, r->capacity * sizeof(Run));
    block_free(r->pages, r->pages_capacity * sizeof(u32));
    *r = (Runs){0};
}

int runs_copy(Runs *to, const Runs *from)
{
    *to = (Runs){0};
    if (array_reserve(&to->all, &to->capacity, from->n, sizeof(Run)) != DONE ||
        array_reserve(&to->pages, &to->pages_capacity, from->n_pages, sizeof(u32)) != DONE ||
        array_reserve(&to->authors, &to->authors_capacity, from->n_authors, sizeof(Author)) != DONE)
        goto fail;
    if (from->n != 0)
        memcpy(to->all, from->all, from->n * sizeof(Run));
    if (from->n_pages != 0)
        memcpy(to->pages, from->pages, from->n_pages * sizeof(u32));
    to->n = from->n;
    to->n_pages = from->n_pages;
    to->page_bits = from->page_bits;
    to->paged = from->paged;
    to->count = from->count;
    for (u32 i = 0; i < from->n_authors; i++) {
        const Author *source = &from->authors[i];
        Author *author = &to->authors[to->n_authors];
        *author = (Author){.replica = source->replica};
        if (array_reserve(&author->runs, &author->capacity, source->n, sizeof(u32)) != DONE)
            goto fail;
        if (source->n != 0)
            memcpy(author->runs, source->runs, source->n * sizeof(u32));
        author->n = source->n;
        to->n_authors++;
    }
    return DONE;
fail:
    runs_free(to);
    return ERROR_MEMORY;
}

size_t runs_memory(const Runs *r)
{
    size_t bytes = block_footprint(r->capacity * sizeof(Run)) + block_footprint(r->pages_capacity * sizeof(u32)) +
                   block_footprint(r->authors_capacity * sizeof(Author));
    for (u32 i = 0; i < r->n_authors; i++)
        bytes += block_footprint(r->authors[i].capacity * sizeof(u32));
    return bytes;
}
