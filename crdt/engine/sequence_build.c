/* Joining a section into an empty sequence, all of it at once: what a store loads, and what a new replica is sent.
 *
 * The order is that of sequence_integrate.c, but here the whole tree of origins is known, so it is walked instead of
 * looking for the place of each run. A run is a chain of right children; what hangs on its elements is sorted by element,
 * so that the walk meets it in passing. Spans come out in document order and fill leaf after leaf.
 *
 * Right siblings stand by the places of their right origins, which are known only after the walk. Only concurrent
 * inserts at one place, beside which others had inserted before, have different ones: then the section is joined run by run.
 */
#include "sequence_apply.h"
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

/* The content of the last leaf: code points in bytes while they fit, else in words; or cells. */
typedef struct {
    u64 words[LIST_LEAF_UNITS];
    u8 heads[LIST_LEAF_UNITS];
    u32 wide[TEXT_LEAF_UNITS];
    u8 narrow[TEXT_LEAF_UNITS];
    u32 n;
    u8 width;
} LeafUnits;

typedef struct {
    Joining *j;
    Sequence *s;
    Part *parts;
    u32 *part_at; /* by run, the part to go on with */
    u32 n_parts, parts_capacity;
    u64 *hung;    /* above the number of a run that of its parent and 1 more (0 for the start), and 1 bit: on the right */
    u32 *hung_at; /* by run, the first that hangs on it; those on the start come before all */
    Frame *stack;
    u32 depth;
    u64 moves;  /* that sorting siblings may still take */
    u32 origin; /* the run of the last left origin: the next is mostly near */
    LeafUnits leaf;
} Build;

/* The runs that hang somewhere, and as much to sort them. */
static size_t hung_bytes(u32 runs)
{
    return 2 * (size_t)runs * sizeof(u64);
}

/* ---- reading ----------------------------------------------------------------------------- */

static void skip_text(Reader *in, u64 n)
{
    while (n != 0) {
        u32 ascii = count_ascii(in->p, n < TEXT_LEAF_UNITS ? (u32)n : TEXT_LEAF_UNITS);
        in->p += ascii;
        n -= ascii;
        if (n != 0 && *in->p >= 0x80) {
            (void)next_code_point(&in->p);
            n--;
        }
    }
}

static int add_part(Build *b, u32 first, u32 n, bool deleted)
{
    Reader *in = &b->j->d->in;
    int status = array_reserve(&b->parts, &b->parts_capacity, b->n_parts + 1, sizeof(Part));
    if (status != DONE)
        return status;
    b->parts[b->n_parts++] = (Part){first, n | (deleted ? SPAN_DELETED : 0), in->p};
    b->j->deleted |= deleted;
    Item item;
    if (!deleted && b->s->is_text)
        skip_text(in, n);
    for (u32 i = deleted || b->s->is_text ? n : 0; i < n; i++)
        (void)read_value(in, &item);
    return DONE;
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

/* ---- leaves ------------------------------------------------------------------------------ */

static Units leaf_units(const LeafUnits *leaf, u32 from)
{
    if (leaf->width == CELL_WIDTH)
        return (Units){(const u8 *)(leaf->words + from), leaf->heads + from, CELL_WIDTH};
    return leaf->width == 1 ? (Units){leaf->narrow + from, NULL, 1} : (Units){(const u8 *)(leaf->wide + from), NULL, 4};
}

static int end_leaf(Build *b)
{
    Tree *t = &b->s->tree;
    LeafUnits *leaf = &b->leaf;
    int status = DONE;
    if (leaf->n != 0)
        status = content_make(&t->leaves[t->n_leaves - 1].content, leaf_units(leaf, 0), leaf->n);
    t->visible += leaf->n;
    leaf->n = 0;
    leaf->width = t->unit_width;
    return status;
}

/* Room for more of a span in the last leaf: so much of n; begins a leaf if need be. ERROR_MEMORY. */
static i64 room_in_leaf(Build *b, Span span)
{
    Tree *t = &b->s->tree;
    u32 room = packed_units(t) - b->leaf.n;
    if (t->n_leaves != 0 && (span_is_deleted(span) || room != 0)) {
        const Leaf *leaf = &t->leaves[t->n_leaves - 1];
        if (leaf->n < PACKED_SPANS || span_continues(leaf->spans[leaf->n - 1], span))
            return span_is_deleted(span) || span_n(span) < room ? span_n(span) : room;
    }
    if (t->n_leaves != 0 && end_leaf(b) != DONE)
        return ERROR_MEMORY;
    if (tree_reserve(&t->leaves, &t->leaf_capacity, t->n_leaves + 1, sizeof(Leaf)) != DONE)
        return ERROR_MEMORY;
    t->leaves[t->n_leaves++] = (Leaf){.content.width = t->unit_width};
    room = packed_units(t);
    return span_is_deleted(span) || span_n(span) < room ? span_n(span) : room;
}

static void put_span(Leaf *leaf, Span span)
{
    if (leaf->n != 0 && span_continues(leaf->spans[leaf->n - 1], span))
        leaf->spans[leaf->n - 1].bits += span_n(span);
    else
        leaf->spans[leaf->n++] = span;
}

static void put_text(LeafUnits *leaf, u32 n, const u8 **content)
{
    u32 ascii = leaf->width == 1 ? count_ascii(*content, n) : 0;
    memcpy(leaf->narrow + leaf->n, *content, ascii);
    *content += ascii;
    leaf->n += ascii;
    if (ascii != n && leaf->width == 1) {
        units_convert(leaf->wide, 4, leaf->narrow, 1, leaf->n);
        leaf->width = 4;
    }
    for (u32 i = ascii; i < n; i++)
        leaf->wide[leaf->n++] = next_code_point(content);
}

static int put_items(Build *b, u32 n, const u8 **content)
{
    LeafUnits *leaf = &b->leaf;
    Reader in = b->j->d->in;
    in.p = *content;
    for (u32 i = 0; i < n; i++, leaf->n++) {
        Item item;
        (void)read_value(&in, &item);
        if (arena_reserve(&b->s->arena, value_arena_bytes(&item)) != DONE)
            return ERROR_MEMORY;
        store_items(&b->s->arena, &item, 1, leaf->words + leaf->n, leaf->heads + leaf->n);
    }
    *content = in.p;
    return DONE;
}

static int put_units(Build *b, Dot first, u32 n, const u8 **content)
{
    u32 from = b->leaf.n;
    int status = DONE;
    if (b->s->is_text)
        put_text(&b->leaf, n, content);
    else
        status = put_items(b, n, content);
    if (status == DONE)
        digest_add(&b->s->digest, digest_of_units(b->s, first, n, leaf_units(&b->leaf, from)));
    return status;
}

/* Elements [from, to) of a run come next in the document. */
static int put(Build *b, u32 index, u32 from, u32 to)
{
    Sequence *s = b->s;
    const Run *run = &s->runs.all[index];
    while (from < to) {
        Part *part = &b->parts[b->part_at[index]];
        u32 kind = part->bits & SPAN_DELETED, end = part->first + (part->bits & ~SPAN_DELETED);
        i64 n = room_in_leaf(b, (Span){from, ((to < end ? to : end) - from) | kind});
        if (n < 0)
            return ERROR_MEMORY;
        Dot dot = run_dot(run) + (from - run->first);
        if (kind != 0)
            digest_add(&s->digest, digest_of_deleted(s, dot, (u32)n));
        else if (put_units(b, dot, (u32)n, &part->content) != DONE)
            return ERROR_MEMORY;
        put_span(&s->tree.leaves[s->tree.n_leaves - 1], (Span){from, (u32)n | kind});
        from += (u32)n;
        if (from == end)
            b->part_at[index]++;
    }
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

/* In-order: what hangs on the left of an element, it, and its right children, of which the run's next element is one. */
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
    size_t arena_before = s->arena.used;
    tree_clear(&s->tree);
    b.leaf.width = s->tree.unit_width;
    int status = reserve(&b, runs);
    for (u32 left = runs; left != 0 && status == DONE; left--)
        status = read_run(&b);
    if (status == DONE)
        status = arrange(&b);
    if (status == DONE)
        status = end_leaf(&b);
    s->tree.count = s->runs.count;
    if (status == DONE)
        status = tree_raise(&s->tree);
    if (status != DONE) {
        tree_clear(&s->tree);
        runs_free(&s->runs);
        s->digest = before;
        s->arena.used = arena_before;
    }
    block_free(b.hung, hung_bytes(runs));
    block_free(b.part_at, runs * sizeof(u32));
    block_free(b.parts, b.parts_capacity * sizeof(Part));
    return status;
}
