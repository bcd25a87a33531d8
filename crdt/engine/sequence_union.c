/* Elements of one writer are cut where a run of either side begins or ends. The pieces are then inserted
 * as if each came from its writer: a writer's in order, and origins first. In a history that contradicts
 * itself that order may not exist (an element that stands before itself, by way of two lives of one
 * writer); then the origin that closes the circle is cut off, the same on both sides. */
#include "sequence_union.h"

#include "sequence_purge.h"

enum { CHUNK = 64 };

typedef struct {
    Dot first;
    u32 n;
    u32 number[2];   /* local numbers at either side, or NOTHING */
    Dot left, right; /* 0: the start, the end */
    u32 local;       /* in the union, once it stands there */
    bool goes_on;    /* continues the piece before it as a run does, so that the two are placed as one */
} Piece;

typedef struct {
    const Sequence *side[2];
    Sequence *to;
    Piece *all; /* by writer, then by sequence number */
    u32 n, capacity;
    u32 *from, *next; /* by local writer index: its first piece (and one more at the end); the next to be placed */
    u16 *stack;       /* writers whose next piece waits for another */
    bool *waits;      /* those on the stack */
} Union;

/* ---- cutting --------------------------------------------------------------------------------------- */

static Dot dot_or_none(const Runs *r, u32 number)
{
    return number == NOTHING ? 0 : runs_dot(r, number);
}

/* One side's runs of a writer, walked over by sequence number. */
typedef struct {
    const Runs *runs;
    const Author *author; /* NULL: none */
    u32 at;
} RunWalk;

/* The run that holds or follows `sequence`; the bounds of what is left of it. False: none. */
static bool run_from(RunWalk *w, u64 sequence, u64 *start, u64 *end)
{
    for (; w->author != NULL && w->at < w->author->n; w->at++) {
        u32 index = w->author->runs[w->at];
        const Run *run = &w->runs->all[index];
        u64 first = dot_sequence(run_dot(run));
        *end = first + (run_end(w->runs, index) - run->first);
        if (*end <= sequence)
            continue;
        *start = first > sequence ? first : sequence;
        return true;
    }
    *start = *end = UINT64_MAX;
    return false;
}

static void origins_at(const RunWalk *w, u64 sequence, u32 *number, Dot *left, Dot *right)
{
    const Run *run = &w->runs->all[w->author->runs[w->at]];
    u64 offset = sequence - dot_sequence(run_dot(run));
    *number = run->first + (u32)offset;
    *left = offset != 0 ? run_dot(run) + offset - 1 : dot_or_none(w->runs, run->left);
    *right = dot_or_none(w->runs, run->right);
}

/* No origin is the greatest: what was cut off once stays so. */
static int compare_origin(const Replicas *r, Dot a, Dot b)
{
    if (a == 0 || b == 0)
        return (a == 0) - (b == 0);
    return dot_compare(r, a, b);
}

static int cut_writer(Union *u, u16 replica)
{
    const Replicas *replicas = u->to->replicas;
    RunWalk w[2];
    for (int k = 0; k < 2; k++)
        w[k] = (RunWalk){&u->side[k]->runs, runs_author(&u->side[k]->runs, replica), 0};
    for (u64 sequence = 1;;) {
        u64 start[2], end[2];
        bool any = run_from(&w[0], sequence, &start[0], &end[0]);
        if (!(run_from(&w[1], sequence, &start[1], &end[1]) || any))
            return DONE;
        u64 from = start[0] < start[1] ? start[0] : start[1], to = UINT64_MAX;
        Piece piece = {.first = dot_of(replica, from), .number = {NOTHING, NOTHING}, .local = NOTHING};
        Dot left[2], right[2];
        for (int k = 0; k < 2; k++) {
            u64 bound = start[k] == from ? end[k] : start[k];
            to = bound < to ? bound : to;
            if (start[k] == from)
                origins_at(&w[k], from, &piece.number[k], &left[k], &right[k]);
        }
        int best = piece.number[0] == NOTHING;
        if (piece.number[0] != NOTHING && piece.number[1] != NOTHING) {
            int order = compare_origin(replicas, left[0], left[1]);
            if (order != 0)
                to = from + 1; /* the next ones have those before them as left origin, on both sides */
            else
                order = compare_origin(replicas, right[0], right[1]);
            best = order < 0;
        }
        piece.left = left[best];
        piece.right = right[best];
        piece.n = (u32)(to - from);
        if (u->n > u->from[replica]) {
            const Piece *before = &u->all[u->n - 1];
            piece.goes_on = before->first + before->n == piece.first && piece.left + 1 == piece.first &&
                            piece.right == before->right;
        }
        if (array_reserve(&u->all, &u->capacity, u->n + 1, sizeof(Piece)) != DONE)
            return ERROR_MEMORY;
        u->all[u->n++] = piece;
        sequence = to;
    }
}

/* ---- content --------------------------------------------------------------------------------------- */

/* Elements of one side that stand together in a leaf; of an absent side, as if deleted. */
typedef struct {
    u32 n, unit;
    const Content *content; /* NULL: deleted */
} Stand;

static Stand stand_of(const Sequence *s, u32 number, u32 n)
{
    if (number == NOTHING)
        return (Stand){n, 0, NULL};
    Point at = tree_locate(&s->tree, number);
    Span span = point_span(&s->tree, at);
    u32 here = span_n(span) - at.offset;
    return (Stand){here < n ? here : n, at.unit,
                   span_is_deleted(span) ? NULL : &s->tree.leaves[at.leaf].content};
}

static int put_text(Union *u, Point *at, Dot first, u32 n, const Stand *stand)
{
    u32 units[CHUNK];
    for (u32 i = 0; i < n; i++) {
        u32 a = stand[0].content == NULL ? 0 : content_unit(stand[0].content, stand[0].unit + i);
        u32 b = stand[1].content == NULL ? 0 : content_unit(stand[1].content, stand[1].unit + i);
        units[i] = a > b ? a : b;
    }
    Units source = {(const u8 *)units, NULL, 4};
    return insert_elements(u->to, at, first, n, &source);
}

static int put_items(Union *u, Point *at, Dot first, u32 n, const Stand *stand)
{
    Item items[CHUNK];
    u64 words[CHUNK], payload = 0;
    u8 heads[CHUNK];
    for (u32 i = 0; i < n; i++) {
        Item item[2];
        for (int k = 0; k < 2; k++)
            item[k] = stand[k].content == NULL ? (Item){.type = ABSENT}
                                               : cell_item(u->side[k], stand[k].content, stand[k].unit + i);
        items[i] = item_compare(&item[0], &item[1]) > 0 ? item[0] : item[1];
        payload += value_arena_bytes(&items[i]);
    }
    int status = arena_reserve(&u->to->arena, payload);
    if (status != DONE)
        return status;
    store_items(&u->to->arena, items, n, words, heads);
    Units source = {(const u8 *)words, heads, CELL_WIDTH};
    return insert_elements(u->to, at, first, n, &source);
}

static int put_content(Union *u, Point *at, const Piece *piece)
{
    int status = DONE;
    for (u32 done = 0, n; done < piece->n && status == DONE; done += n) {
        Stand stand[2];
        n = piece->n - done;
        for (int k = 0; k < 2; k++) {
            u32 number = piece->number[k] == NOTHING ? NOTHING : piece->number[k] + done;
            stand[k] = stand_of(u->side[k], number, n);
            n = stand[k].n;
        }
        Dot first = piece->first + done;
        if (stand[0].content == NULL && stand[1].content == NULL) {
            status = insert_elements(u->to, at, first, n, NULL);
            continue;
        }
        n = n < CHUNK ? n : CHUNK;
        status = u->to->is_text ? put_text(u, at, first, n, stand) : put_items(u, at, first, n, stand);
    }
    return status;
}

/* ---- placing --------------------------------------------------------------------------------------- */

/* The piece that holds an id, which one of the sides has. */
static u32 piece_of(const Union *u, Dot dot)
{
    u32 low = u->from[dot_replica(dot)], n = u->from[dot_replica(dot) + 1] - low;
    while (n > 1) {
        u32 half = n / 2;
        low += u->all[low + half].first <= dot ? half : 0;
        n -= half;
    }
    return low;
}

static u32 local_of(const Union *u, Dot dot)
{
    if (dot == 0)
        return NOTHING;
    const Piece *piece = &u->all[piece_of(u, dot)];
    return piece->local + (u32)(dot - piece->first);
}

/* Between two pieces of a run nothing is placed: where either side cuts it must not matter. */
static int place_run(Union *u, u32 index, u32 end)
{
    Sequence *s = u->to;
    Point at = {0};
    u32 right = NOTHING;
    for (bool begun = false; index < end && (!begun || u->all[index].goes_on); index++, begun = true) {
        Piece *piece = &u->all[index];
        u16 writer = dot_replica(piece->first);
        u32 left = local_of(u, piece->left);
        int status = tree_begin(&s->tree);
        if (status == DONE)
            status = runs_reserve(&s->runs, writer);
        if (status != DONE)
            return status;
        if (!begun) {
            right = local_of(u, piece->right);
            at = fugue_place(s, piece->first, left, right);
        }
        piece->local = s->tree.count;
        status = put_content(u, &at, piece);
        if (status != DONE)
            return status;
        digest_add(&s->digest, digest_of_origins(s, piece->first, left, right));
        runs_append(&s->runs, piece->first, piece->n, left, right);
        u->next[writer]++;
    }
    return DONE;
}

/* Whether an origin must be placed first; if that cannot be, it is cut off. */
static bool must_wait(Union *u, Dot *origin)
{
    if (*origin == 0 || piece_of(u, *origin) < u->next[dot_replica(*origin)])
        return false;
    if (!u->waits[dot_replica(*origin)])
        return true;
    *origin = 0;
    return false;
}

/* Place the next run of a writer, and before it what it needs. */
static int place_next(Union *u, u16 writer)
{
    u32 depth = 0;
    u->stack[depth++] = writer;
    u->waits[writer] = true;
    while (depth > 0) {
        u16 top = u->stack[depth - 1];
        Piece *piece = &u->all[u->next[top]];
        bool left = must_wait(u, &piece->left);
        if (left || must_wait(u, &piece->right)) {
            u16 needed = dot_replica(left ? piece->left : piece->right);
            u->stack[depth++] = needed;
            u->waits[needed] = true;
            continue;
        }
        int status = place_run(u, u->next[top], u->from[top + 1]);
        if (status != DONE)
            return status;
        u->waits[top] = false;
        depth--;
    }
    return DONE;
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static int cut(Union *u)
{
    u64 elements = 0;
    for (u32 i = 0; i < u->to->replicas->n; i++) {
        u->from[i] = u->next[i] = u->n;
        int status = cut_writer(u, (u16)i);
        if (status != DONE)
            return status;
    }
    u->from[u->to->replicas->n] = u->n;
    for (u32 i = 0; i < u->n; i++)
        elements += u->all[i].n;
    return elements <= ELEMENTS_MAX ? DONE : ERROR_LIMIT;
}

static int unite(Union *u, const u64 *held)
{
    const Replicas *replicas = u->to->replicas;
    int status = cut(u);
    for (u32 rank = 0; rank < replicas->n && status == DONE; rank++) {
        u16 writer = replicas_by_rank(replicas)[rank];
        while (u->next[writer] < u->from[writer + 1] && status == DONE)
            status = place_next(u, writer);
    }
    end_typing(u->to);
    for (int k = 0; k < 2 && status == DONE; k++)
        status = condemned_adopt(u->to, u->side[k]);
    bool deleted = u->to->tree.count != u->to->tree.visible;
    for (u32 i = 0; deleted && i < replicas->n && status == DONE; i++)
        if (held[i] != 0)
            status = log_raise_horizon(&u->to->log, (u16)i, held[i]);
    return status;
}

int sequence_union(const Sequence *a, const Sequence *b, const u64 *held, Sequence **out)
{
    size_t writers = a->replicas->n + 1u, bytes = writers * (2 * sizeof(u32) + sizeof(u16) + sizeof(bool));
    u8 *block = block_resize(NULL, 0, bytes);
    Union u = {.side = {a, b}, .to = sequence_new(a->replicas, a->is_text, a->path)};
    int status = ERROR_MEMORY;
    if (block != NULL && u.to != NULL) {
        memset(block, 0, bytes);
        u.from = (u32 *)(void *)block;
        u.next = u.from + writers;
        u.stack = (u16 *)(void *)(u.next + writers);
        u.waits = (bool *)(u.stack + writers);
        status = unite(&u, held);
    }
    block_free(block, bytes);
    block_free(u.all, u.capacity * sizeof(Piece));
    if (status == DONE)
        *out = u.to;
    else
        sequence_free(u.to);
    return status;
}

static void hash_stretch(const Sequence *s, Sip *sip, Dot first, u64 n)
{
    if (n == 0)
        return;
    sip_word(sip, s->replicas->all[dot_replica(first)].folded);
    sip_word(sip, dot_sequence(first));
    sip_word(sip, n);
}

void sequence_hash_order(const Sequence *s, Sip *sip)
{
    Dot first = 0;
    u64 n = 0;
    for (u32 leaf = s->tree.first_leaf; leaf != NOTHING; leaf = s->tree.leaves[leaf].next)
        for (u32 i = 0; i < s->tree.leaves[leaf].n; i++) {
            Span span = s->tree.leaves[leaf].spans[i];
            for (u32 number = span.first, left = span_n(span), piece; left != 0; number += piece, left -= piece) {
                u32 index = runs_find(&s->runs, number);
                u32 of_run = run_end(&s->runs, index) - number;
                Dot dot = run_dot(&s->runs.all[index]) + (number - s->runs.all[index].first);
                piece = left < of_run ? left : of_run;
                if (n == 0 || dot != first + n) {
                    hash_stretch(s, sip, first, n);
                    first = dot;
                    n = 0;
                }
                n += piece;
            }
        }
    hash_stretch(s, sip, first, n);
}

bool sequence_is_within(const Sequence *s, const u64 *tops)
{
    for (u32 i = 0; i < s->runs.n_authors; i++) {
        const Author *author = &s->runs.authors[i];
        if (author->n != 0 && author_last(&s->runs, author) > tops[author->replica])
            return false;
    }
    for (u32 i = 0; i < s->condemned.n; i++)
        if (dot_sequence(s->condemned.all[i].by) > tops[dot_replica(s->condemned.all[i].by)])
            return false;
    return true;
}
