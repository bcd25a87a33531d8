#include "sequence_tree.h"

/* ---- room ---------------------------------------------------------------------------------- */

static u32 units_before(const Leaf *leaf, u32 index)
{
    u32 unit = 0;
    for (u32 i = 0; i < index; i++)
        unit += span_visible(leaf->spans[i]);
    return unit;
}

/* Where to divide a full leaf for an insert: at its place, since the next one mostly goes on there and
 * fills the left half; but neither half shall be tiny, except when a document grows at its end. */
static u32 dividing_index(const Leaf *leaf, u32 index)
{
    const u32 least = LEAF_SPANS / 4;
    if (index == leaf->n)
        return index;
    return index < least ? least : index > leaf->n - least ? leaf->n - least : index;
}

/* Make room for `more` spans in the leaf of a point, dividing it when it is full. `on_span`: the point
 * means the span that begins there, not the place before it. */
static int make_room(Tree *t, Point *at, u32 more, bool on_span)
{
    const Leaf *leaf = &t->leaves[at->leaf];
    if (likely(leaf->n + more <= (t->is_small ? FEW_SPANS : LEAF_SPANS)))
        return DONE;
    if (t->is_small) /* of a few spans there is never more than a few more */
        return tree_widen(t);
    u32 middle = dividing_index(leaf, at->index);
    u32 unit = units_before(leaf, middle);
    int status = tree_split(t, (Point){at->leaf, middle, 0, unit});
    if (status != DONE)
        return status;
    bool between = at->index == middle && at->offset == 0 && middle < LEAF_SPANS;
    if (at->index > middle || (at->index == middle && (on_span || !between))) {
        at->leaf = t->leaves[at->leaf].next;
        at->index -= middle;
        at->unit -= unit;
    }
    return DONE;
}

/* When a leaf is too full for n more units, cut it at the point and go on at its end, or in an
 * empty leaf behind it. */
static int make_unit_room(Tree *t, Point *at, u32 n)
{
    const Leaf *leaf = &t->leaves[at->leaf];
    if (likely(leaf->content.n + n <= t->leaf_units))
        return DONE;
    if (at->index < leaf->n) {
        int status = tree_split(t, *at);
        if (status != DONE)
            return status;
        leaf = &t->leaves[at->leaf];
        *at = (Point){at->leaf, leaf->n, 0, at->unit};
    }
    if (leaf->content.n < t->leaf_units)
        return DONE;
    int status = tree_split(t, *at);
    if (status == DONE)
        *at = (Point){.leaf = t->leaves[at->leaf].next};
    return status;
}

/* ---- changing ---------------------------------------------------------------------------- */

static void open_slots(Leaf *leaf, u32 index, u32 more)
{
    memmove(leaf->spans + index + more, leaf->spans + index, (leaf->n - index) * sizeof(Span));
    leaf->n = (u16)(leaf->n + more);
}

static void close_slots(Leaf *leaf, u32 index, u32 fewer)
{
    leaf->n = (u16)(leaf->n - fewer);
    memmove(leaf->spans + index, leaf->spans + index + fewer, (leaf->n - index) * sizeof(Span));
}

/* Insert n new elements that fit into the leaf of a point. */
static int insert_piece(Tree *t, Point *at, u32 n, const Units *units)
{
    Span fresh = {t->count, n | (units == NULL ? SPAN_DELETED : 0)};
    Leaf *leaf = &t->leaves[at->leaf];
    bool merges = at->offset == 0 && at->index > 0 && span_continues(leaf->spans[at->index - 1], fresh);
    if (!merges) {
        int status = make_room(t, at, at->offset > 0 ? 2 : 1, false);
        if (status != DONE)
            return status;
        leaf = &t->leaves[at->leaf];
    }
    if (units != NULL) {
        int status = content_reserve(&leaf->content, n, units_width(*units, n));
        if (status != DONE)
            return status;
        content_insert(&leaf->content, at->unit, *units, n);
        at->unit += n;
        tree_count_visible(t, at->leaf, n);
    }
    if (merges) {
        leaf->spans[at->index - 1].bits += n;
    } else if (at->offset == 0) {
        open_slots(leaf, at->index, 1);
        leaf->spans[at->index++] = fresh;
    } else {
        Span *s = &leaf->spans[at->index];
        u32 deleted = s->bits & SPAN_DELETED;
        open_slots(leaf, at->index, 2);
        s[2] = (Span){s->first + at->offset, (span_n(*s) - at->offset) | deleted};
        s[1] = fresh;
        s[0].bits = at->offset | deleted;
        at->index += 2;
        at->offset = 0;
    }
    if (t->n_leaves > 1)
        index_append(&t->index, t->count, at->leaf);
    t->count += n;
    return DONE;
}

int tree_insert(Tree *t, Point *at, u32 n, const Units *units)
{
    int status = tree_begin(t);
    if (units == NULL)
        return status == DONE ? insert_piece(t, at, n, NULL) : status;
    Units rest = *units;
    while (n != 0 && status == DONE) {
        status = make_unit_room(t, at, n);
        if (status != DONE)
            break;
        u32 room = t->leaf_units - t->leaves[at->leaf].content.n;
        u32 piece = n < room ? n : room;
        status = insert_piece(t, at, piece, &rest);
        rest = units_after(rest, piece);
        n -= piece;
    }
    return status;
}

void tree_pop(Tree *t, u32 n)
{
    while (n != 0) {
        Point last = tree_locate(t, t->count - 1);
        Leaf *leaf = &t->leaves[last.leaf];
        Span *s = &leaf->spans[last.index];
        u32 piece = n < span_n(*s) ? n : span_n(*s);
        if (!span_is_deleted(*s)) {
            content_remove(&leaf->content, last.unit + 1 - piece, piece);
            tree_count_visible(t, last.leaf, 0 - piece);
        }
        s->bits -= piece;
        if (span_n(*s) == 0) {
            close_slots(leaf, last.index, 1);
            if (last.index > 0 && last.index < leaf->n && span_continues(s[-1], s[0])) {
                s[-1].bits += span_n(s[0]);
                close_slots(leaf, last.index, 1);
            }
        }
        t->count -= piece;
        n -= piece;
    }
    index_truncate(&t->index, t->count);
}

/* Turn n elements from a point on, all of one span, into the other kind. Returns where they stand.
 * At most two slots are free for it. */
static u32 flip(Leaf *leaf, u32 index, u32 offset, u32 n)
{
    Span *s = &leaf->spans[index];
    u32 total = span_n(*s), kept = s->bits & SPAN_DELETED;
    Span turned = {s->first + offset, n | (kept ^ SPAN_DELETED)};
    bool head = offset == 0, tail = offset + n == total;
    bool joins_previous = head && index > 0 && span_continues(s[-1], turned);
    bool joins_next = tail && index + 1u < leaf->n && span_continues(turned, s[1]);
    if (joins_next) {
        s[1].first -= n;
        s[1].bits += n;
        if (!head) {
            s->bits -= n;
            return index + 1;
        }
        if (!joins_previous) {
            close_slots(leaf, index, 1);
            return index;
        }
        s[-1].bits += span_n(s[1]);
        close_slots(leaf, index, 2);
        return index - 1;
    }
    if (joins_previous) {
        s[-1].bits += n;
        if (tail) {
            close_slots(leaf, index, 1);
        } else {
            s->first += n;
            s->bits -= n;
        }
        return index - 1;
    }
    Span rest = {s->first + offset + n, (total - offset - n) | kept};
    open_slots(leaf, index, (u32)!head + (u32)!tail);
    if (!head)
        (s++)->bits = offset | kept;
    *s = turned;
    if (!tail)
        s[1] = rest;
    return index + !head;
}

/* The slots flip may need: one for each side of the span that stays as it was. */
static int make_flip_room(Tree *t, Point *at, u32 n)
{
    bool head = at->offset == 0, tail = at->offset + n == span_n(point_span(t, *at));
    return make_room(t, at, (u32)!head + (u32)!tail, true);
}

static void point_to(Point *at, Leaf *leaf, u32 index, u32 number)
{
    at->index = index;
    at->offset = number - leaf->spans[index].first;
}

int tree_delete(Tree *t, Point *at, u32 n)
{
    int status = make_flip_room(t, at, n);
    if (status != DONE)
        return status;
    Leaf *leaf = &t->leaves[at->leaf];
    u32 number = leaf->spans[at->index].first + at->offset;
    content_remove(&leaf->content, at->unit, n);
    point_to(at, leaf, flip(leaf, at->index, at->offset, n), number);
    tree_count_visible(t, at->leaf, 0 - n);
    return DONE;
}

int tree_revive(Tree *t, Point *at, u32 n, Units units)
{
    int status = make_flip_room(t, at, n);
    if (status != DONE)
        return status;
    Leaf *leaf = &t->leaves[at->leaf];
    status = content_reserve(&leaf->content, n, units_width(units, n));
    if (status != DONE)
        return status;
    u32 number = leaf->spans[at->index].first + at->offset;
    content_insert(&leaf->content, at->unit, units, n);
    point_to(at, leaf, flip(leaf, at->index, at->offset, n), number);
    tree_count_visible(t, at->leaf, n);
    return DONE;
}
