/* Joining a section into an empty sequence, all of it at once: what a store loads, and what a new replica is sent.
 *
 * The order is that of sequence_integrate.c, but here the whole tree of origins is known, so it is walked
 * instead of looking for the place of each run. A run is a chain of right children; what hangs on its elements is
 * sorted by element, so that the walk meets it in passing. Spans come out in document order.
 *
 * Right siblings stand by the places of their right origins, which are known only after the walk. Only concurrent
 * inserts at one place, beside which others had inserted before, have different ones: then the section is joined
 * run by run.
 */
#include "sequence_apply.h"
#include "sequence_fill.h"
#include "sort.h"

/* Moves in sorting siblings, as a multiple of the runs, after which they are left to be placed one by one. */
enum { MOVES_PER_RUN = 8 };

/* Elements of one kind, and where the content of the next one of them to be put is. */
typedef struct {
    u32 first, bits; /* like a span's */
    const u8 *content;
} Part;

/* A run from an element on, and the first that hangs on it or on a later one. */
typedef struct {
    u32 run, number, hung;
} Frame;

typedef struct {
    Joining *j;
    Sequence *s;
    Part *parts;
    u32 *part_at; /* by run, the part to go on with */
    u32 n_parts, parts_capacity;
    u64 *hung;    /* a run, and above it twice its parent's number and 1 (0 for the start), + 1 on the right of it */
    u32 *hung_at; /* by run, the first that hangs on it; those on the start come before all */
    Frame *stack;
    u32 depth;
    u64 moves;  /* that sorting siblings may still take */
    u32 origin; /* the run of the last left origin: the next is mostly near */
    Filling filling;
} Build;

/* The runs that hang somewhere, and as much to sort them. */
static size_t hung_bytes(u32 runs)
{
    return 2 * (size_t)runs * sizeof(u64);
}

/* ---- reading ----------------------------------------------------------------------------- */

static int add_part(Build *b, u32 first, u32 n, bool deleted)
{
    Reader *in = &b->j->d->in;
    int status = array_reserve(&b->parts, &b->parts_capacity, b->n_parts + 1, sizeof(Part));
    if (status != DONE)
        return status;
    b->parts[b->n_parts++] = (Part){first, n | (deleted ? SPAN_DELETED : 0), in->p};
    b->j->deleted |= deleted;
    if (deleted)
        return DONE;
    size_t bytes;
    if (b->s->is_text)
        return read_code_points(in, n, &bytes) != NULL ? DONE : ERROR_DECODE;
    Item item;
    for (; n != 0 && status == DONE; n--)
        status = read_value(in, &item);
    return status;
}

/* Append a run unless it goes on with the last one, and say where it hangs. */
static void add_run(Build *b, const WireRun *run, Dot first)
{
    Sequence *s = b->s;
    Runs *runs = &s->runs;
    u32 left = NOTHING, right = NOTHING, at = 0;
    Dot left_dot = 0, right_dot = 0;
    bool is_left = false; /* of its right origin */
    if (run->left.form == ORIGIN_NEW) {
        left = (u32)run->left.number;
        at = b->origin = runs_find_near(runs, left, b->origin);
        left_dot = run_dot(&runs->all[at]) + (left - runs->all[at].first);
    }
    if (run->right.form == ORIGIN_SAME)
        right = left == NOTHING ? NOTHING : runs->all[at].right;
    else if (run->right.form != ORIGIN_NONE)
        right = run->right.form == ORIGIN_NEXT ? left + 1 : (u32)run->right.number;
    bool continues = left_dot + 1 == first && left != NOTHING && runs->all[at].right == right;
    if (continues && left + 1 == runs->count) {
        runs->count += (u32)run->n;
        return;
    }
    if (right != NOTHING) {
        const Run *other = &runs->all[runs_find_near(runs, right, at + 1)];
        right_dot = run_dot(other) + (right - other->first);
        is_left = (right == other->first ? other->left : right - 1) == left;
    }
    if (!continues)
        digest_add(&s->digest, digest_of_origin_ids(s, first, left_dot, right_dot));
    b->hung[runs->n] = pair_of(((is_left ? right : left) + 1) << 1 | !is_left, runs->n);
    b->part_at[runs->n] = b->n_parts;
    runs_append(runs, first, (u32)run->n, left, right);
}

static int read_run(Build *b)
{
    WireRun run;
    int status = section_read_run(&b->j->r, &run);
    if (status != DONE)
        return status;
    if (run.left.form == ORIGIN_HELD || run.right.form == ORIGIN_HELD || gone_of(b->j, run.place) != 0)
        return BUILD_REFUSED; /* what is held was purged */
    Dot first = local_dot(b->j->d, (RemoteDot){run.place, run.sequence});
    u32 number = b->s->runs.count;
    status = runs_reserve(&b->s->runs, dot_replica(first));
    if (status == DONE)
        add_run(b, &run, first);
    PieceReader pieces = pieces_of(&run);
    for (u64 n; status == DONE && (n = next_piece(&pieces)) != 0; number += (u32)n)
        status = add_part(b, number, (u32)n, pieces.deleted);
    return status;
}

/* ---- the tree of origins ----------------------------------------------------------------- */

static u32 siblings_end(const Build *b, u32 from)
{
    u32 to = from + 1;
    while (to < b->s->runs.n && upper_of(b->hung[to]) == upper_of(b->hung[from]))
        to++;
    return to;
}

static Dot dot_of_hung(const Build *b, u32 at)
{
    return run_dot(&b->s->runs.all[lower_of(b->hung[at])]);
}

/* Order siblings by id. Those on the right must all have this right origin. */
static bool sort_siblings(Build *b, u32 from, u32 to, u32 right)
{
    for (u32 i = from; i < to; i++) {
        u64 sibling = b->hung[i];
        if ((upper_of(sibling) & 1) != 0 && b->s->runs.all[lower_of(sibling)].right != right)
            return false;
        Dot dot = dot_of_hung(b, i);
        u32 at = i;
        for (; at > from && dot_compare(b->s->replicas, dot, dot_of_hung(b, at - 1)) < 0; at--) {
            if (b->moves-- == 0)
                return false;
            b->hung[at] = b->hung[at - 1];
        }
        b->hung[at] = sibling;
    }
    return true;
}

static u32 right_of_hung(const Build *b, u32 at)
{
    return b->s->runs.all[lower_of(b->hung[at])].right;
}

static int hang(Build *b)
{
    const Runs *runs = &b->s->runs;
    u32 n = runs->n, at = 0;
    sort_by_upper(b->hung, b->hung + n, n);
    if (upper_of(b->hung[0]) == 1) {
        at = siblings_end(b, 0);
        if (!sort_siblings(b, 0, at, right_of_hung(b, 0)))
            return BUILD_REFUSED;
    }
    for (u32 i = 0; i < n; i++) {
        b->hung_at[i] = at;
        u32 end = run_end(runs, i);
        while (at < n && upper_of(b->hung[at]) >> 1 <= end) {
            u32 to = siblings_end(b, at);
            /* The next element of the run is a right sibling, too. */
            bool is_last = upper_of(b->hung[at]) >> 1 == end;
            if (!sort_siblings(b, at, to, is_last ? right_of_hung(b, at) : runs->all[i].right))
                return BUILD_REFUSED;
            at = to;
        }
    }
    b->hung_at[n] = at;
    return DONE;
}

/* ---- the walk ---------------------------------------------------------------------------- */

/* The first of them is to be next. */
static void push(Build *b, u32 from, u32 to)
{
    while (to > from) {
        u32 run = lower_of(b->hung[--to]);
        b->stack[b->depth++] = (Frame){run, b->s->runs.all[run].first, b->hung_at[run]};
    }
}

/* Elements [from, to) of a run come next in the document. */
static int put(Build *b, u32 index, u32 from, u32 to)
{
    const Run *run = &b->s->runs.all[index];
    int status = DONE;
    while (from < to && status == DONE) {
        Part *part = &b->parts[b->part_at[index]];
        u32 kind = part->bits & SPAN_DELETED, end = part->first + (part->bits & ~SPAN_DELETED);
        u32 stop = to < end ? to : end;
        Span span = {from, (stop - from) | kind};
        status = fill_on(&b->filling, span, run_dot(run) + (from - run->first), &part->content);
        b->part_at[index] += stop == end;
        from = stop;
    }
    return status;
}

/* In-order: what hangs on the left of an element, it, and its right children, of which the run's next element is
 * one. */
static int walk(Build *b)
{
    const Sequence *s = b->s;
    const Runs *runs = &s->runs;
    int status = DONE;
    push(b, 0, b->hung_at[0]);
    while (b->depth != 0 && status == DONE) {
        Frame f = b->stack[--b->depth];
        u32 end = run_end(runs, f.run);
        if (f.hung == b->hung_at[f.run + 1]) {
            status = put(b, f.run, f.number, end);
            continue;
        }
        u32 hook = upper_of(b->hung[f.hung]), to = siblings_end(b, f.hung);
        u32 next = (hook >> 1) - 1 + (hook & 1), split = to;
        status = put(b, f.run, f.number, next);
        if (next < end && (hook & 1) != 0) {
            Dot dot = run_dot(&runs->all[f.run]) + (next - runs->all[f.run].first);
            for (split = f.hung; split < to && dot_compare(s->replicas, dot_of_hung(b, split), dot) < 0;)
                split++;
        }
        push(b, split, to);
        if (next < end)
            b->stack[b->depth++] = (Frame){f.run, next, to};
        push(b, f.hung, split);
    }
    return status;
}

/* Runs and parts of the section, about as many as they will be. */
static int reserve(Build *b, u32 runs)
{
    b->hung = block_resize(NULL, 0, hung_bytes(runs));
    b->part_at = block_resize(NULL, 0, runs * sizeof(u32));
    if (b->hung == NULL || b->part_at == NULL)
        return ERROR_MEMORY;
    int status = array_reserve(&b->s->runs.all, &b->s->runs.capacity, runs, sizeof(Run));
    return status != DONE ? status : array_reserve(&b->parts, &b->parts_capacity, 2 * runs, sizeof(Part));
}

static int arrange(Build *b)
{
    u32 n = b->s->runs.n;
    size_t hung_at = ((size_t)n + 1) * sizeof(u32), stack = (size_t)n * sizeof(Frame);
    int status = ERROR_MEMORY;
    b->hung_at = block_resize(NULL, 0, hung_at);
    b->stack = block_resize(NULL, 0, stack);
    if (b->hung_at != NULL && b->stack != NULL)
        status = hang(b);
    if (status == DONE)
        status = walk(b);
    block_free(b->hung_at, hung_at);
    block_free(b->stack, stack);
    return status;
}

int sequence_build(Joining *j, u64 count)
{
    Sequence *s = j->s;
    u32 runs = (u32)count; /* no more than there are bytes, and each has an element */
    Build b = {.j = j, .s = s, .moves = MOVES_PER_RUN * count};
    Digest before = s->digest;
    u64 arena_before = arena_used(&s->arena);
    tree_clear(&s->tree);
    fill_open(&b.filling, s, j->d);
    int status = reserve(&b, runs);
    for (u32 left = runs; left != 0 && status == DONE; left--)
        status = read_run(&b);
    if (status == DONE)
        status = arrange(&b);
    if (status == DONE)
        status = fill_close(&b.filling);
    array_shrink(&s->runs.all, &s->runs.capacity, s->runs.n, sizeof(Run)); /* many may have been one */
    if (status != DONE) {
        tree_clear(&s->tree);
        runs_free(&s->runs);
        s->digest = before;
        arena_cut(&s->arena, arena_before);
    }
    block_free(b.hung, hung_bytes(runs));
    block_free(b.part_at, runs * sizeof(u32));
    block_free(b.parts, b.parts_capacity * sizeof(Part));
    return status;
}
