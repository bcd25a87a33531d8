/* Local edits: a place is found by counting what is visible, the origins are read off there. */
#include "sequence_purge.h"

enum { CELLS_AT_ONCE = 64 };

/* The visible element next to the cursor's span, on either side: where the delete and backspace keys
 * go on. */
static bool find_beside(const Sequence *s, u32 unit, Point *at)
{
    const Cursor *c = &s->cursor;
    const Leaf *leaf = &s->tree.leaves[c->leaf];
    u32 i = c->index;
    if (unit + 1 == c->unit) {
        while (i > 0 && span_is_deleted(leaf->spans[i - 1]))
            i--;
        if (i == 0)
            return false;
        *at = (Point){c->leaf, i - 1, span_n(leaf->spans[i - 1]) - 1, unit};
        return true;
    }
    if (unit != c->unit)
        return false;
    while (i < leaf->n && span_is_deleted(leaf->spans[i]))
        i++;
    *at = (Point){c->leaf, i, 0, unit};
    return i < leaf->n;
}

/* The visible element at a position. Typing and deleting mostly go on where they were. */
static Point find(const Sequence *s, u32 position, u32 *leaf_start)
{
    const Cursor *c = &s->cursor;
    if (c->leaf != NOTHING) {
        const Leaf *leaf = &s->tree.leaves[c->leaf];
        u32 unit = position - c->leaf_start;
        if (unit < leaf->content.n) {
            Point at;
            *leaf_start = c->leaf_start;
            u32 offset = unit - c->unit;
            if (c->index < leaf->n && offset < span_visible(leaf->spans[c->index]))
                return (Point){c->leaf, c->index, offset, unit};
            return find_beside(s, unit, &at) ? at : tree_find_in_leaf(&s->tree, c->leaf, unit);
        }
    }
    return tree_find(&s->tree, position, leaf_start);
}

/* An insert under way: from where to where, between which origins. */
typedef struct {
    Point at;
    u32 leaf, leaf_start;
    u32 left, right;
    u32 count; /* elements before it */
} Insert;

/* What is idle is no right origin; the place is then among it, where all others put the element. */
static int pass_over_idle(Sequence *s, Dot first, Insert *insert)
{
    int status = idle_refresh(s);
    u32 right = status == DONE ? idle_pass(s, insert->at) : insert->right;
    if (right == insert->right)
        return status;
    insert->right = right;
    insert->at = fugue_place(s, first, insert->left, right);
    return DONE;
}

static int begin(Sequence *s, u32 position, Dot first, u32 n, Insert *insert)
{
    if (position > s->tree.visible)
        return ERROR_RANGE;
    if (n > ELEMENTS_MAX - s->tree.count)
        return ERROR_LIMIT;
    int status = tree_begin(&s->tree);
    if (status == DONE)
        status = runs_reserve(&s->runs, dot_replica(first));
    if (status != DONE)
        return status;
    *insert = (Insert){.left = NOTHING, .count = s->tree.count, .at.leaf = s->tree.first_leaf};
    if (position > 0) {
        Point at = find(s, position - 1, &insert->leaf_start);
        Span span = point_span(&s->tree, at);
        insert->left = span.first + at.offset;
        at.unit++;
        if (++at.offset == span_n(span)) {
            at.index++;
            at.offset = 0;
        }
        insert->at = at;
    }
    insert->leaf = insert->at.leaf;
    insert->right = tree_element_at(&s->tree, insert->at);
    runs_prefetch(&s->runs, insert->left);
    runs_prefetch(&s->runs, insert->right);
    return s->condemned.n == 0 || insert->right == NOTHING ? DONE : pass_over_idle(s, first, insert);
}

static int take_back(Sequence *s, const Insert *insert, Digest before, int status)
{
    tree_pop(&s->tree, s->tree.count - insert->count);
    s->digest = before;
    end_typing(s);
    return status;
}

static void end(Sequence *s, Dot first, u32 n, u32 position, const Insert *insert)
{
    const Point *at = &insert->at;
    digest_add(&s->digest, digest_of_origins(s, first, insert->left, insert->right));
    runs_append(&s->runs, first, n, insert->left, insert->right);
    begin_typing(s, first + n, at, position + n);
    s->cursor.leaf = NOTHING;
    if (at->leaf == insert->leaf && at->index > 0) {
        u32 length = span_visible(s->tree.leaves[at->leaf].spans[at->index - 1]);
        s->cursor = (Cursor){at->leaf, insert->leaf_start, at->index - 1, at->unit - length};
    }
}

int text_insert(Sequence *s, u32 position, Dot first, const void *units, int width, u32 n)
{
    if (n == 0)
        return position > s->tree.visible ? ERROR_RANGE : DONE;
    Units source = {units, NULL, (u8)width};
    if (likely(position == s->typing.position) &&
        (n == 1 ? type_one(s, first, unit_at(units, (u8)width, 0)) : type_on(s, first, &source, n)))
        return DONE;
    Insert insert;
    int status = begin(s, position, first, n, &insert);
    if (status != DONE)
        return status;
    Digest before = s->digest;
    status = insert_elements(s, &insert.at, first, n, &source);
    if (status != DONE)
        return take_back(s, &insert, before, status);
    end(s, first, n, position, &insert);
    return DONE;
}

int list_insert(Sequence *s, u32 position, Dot first, const Item *items, u32 n)
{
    if (n == 0)
        return position > s->tree.visible ? ERROR_RANGE : DONE;
    u64 payload = 0, used = arena_used(&s->arena);
    for (u32 i = 0; i < n; i++)
        payload += value_arena_bytes(&items[i]);
    int status = payload == 0 ? DONE : arena_reserve(&s->arena, payload);
    if (status != DONE)
        return status;
    u64 words[CELLS_AT_ONCE];
    u8 heads[CELLS_AT_ONCE];
    Units source = {(const u8 *)words, heads, CELL_WIDTH};
    u32 piece = n < CELLS_AT_ONCE ? n : CELLS_AT_ONCE;
    store_items(&s->arena, items, piece, words, heads);
    if (piece == n && position == s->typing.position && type_on(s, first, &source, n))
        return DONE;
    Insert insert;
    Digest before = s->digest;
    status = begin(s, position, first, n, &insert);
    if (status != DONE) {
        arena_cut(&s->arena, used);
        return status;
    }
    for (u32 done = 0; done < n && status == DONE; done += piece) {
        if (done != 0) {
            piece = n - done < CELLS_AT_ONCE ? n - done : CELLS_AT_ONCE;
            store_items(&s->arena, items + done, piece, words, heads);
        }
        status = insert_elements(s, &insert.at, first + done, piece, &source);
    }
    if (status != DONE) {
        arena_cut(&s->arena, used);
        return take_back(s, &insert, before, status);
    }
    end(s, first, n, position, &insert);
    return DONE;
}

int sequence_delete(Sequence *s, u32 position, u32 n, Dot first, DeletionKind kind, bool may_undo)
{
    if (position > s->tree.visible || n > s->tree.visible - position)
        return ERROR_RANGE;
    Dot event = first;
    while (n != 0) {
        int status = log_reserve(&s->log, dot_replica(event));
        u32 leaf_start;
        Point at = find(s, kind == EACH_BACKWARD ? position + n - 1 : position, &leaf_start);
        Span span = point_span(&s->tree, at);
        u32 left = kind == EACH_BACKWARD ? at.offset + 1 : span_n(span) - at.offset;
        u32 piece = n < left ? n : left, leaf = at.leaf;
        if (kind == EACH_BACKWARD) {
            at.offset -= piece - 1;
            at.unit -= piece - 1;
        }
        u32 number = span.first + at.offset;
        bool keep = may_undo || piece != n; /* those before the last are undone when it fails */
        if (status == DONE)
            status = delete_elements(s, &at, piece, keep);
        if (status != DONE) {
            (void)sequence_undo_delete(s, first, (u32)(event - first) + 1);
            return status;
        }
        if (kind == EACH_BACKWARD && keep)
            content_reverse(&s->pile, s->pile.n - piece);
        log_append(&s->log, event, number, piece, piece == 1 ? EACH_FORWARD : kind);
        end_typing(s);
        if (at.leaf == leaf)
            s->cursor = (Cursor){leaf, leaf_start, at.index, at.unit};
        n -= piece;
        event += kind == ONE_EVENT ? 0 : piece;
    }
    return DONE;
}

int sequence_clear(Sequence *s, Dot event)
{
    return sequence_delete(s, 0, s->tree.visible, event, ONE_EVENT, true);
}
