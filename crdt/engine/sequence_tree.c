#include "sequence_tree.h"

/* ---- memory ------------------------------------------------------------------------------ */

void tree_free(Tree *t)
{
    for (u32 i = 0; i < t->n_leaves; i++)
        content_free(&t->leaves[i].content);
    block_free(t->leaves, t->leaf_capacity * sizeof(Leaf));
    block_free(t->nodes, t->node_capacity * sizeof(Node));
    index_free(&t->index);
}

int tree_copy(Tree *to, const Tree *from)
{
    *to = *from;
    to->leaves = NULL;
    to->nodes = NULL;
    to->n_leaves = to->leaf_capacity = to->node_capacity = 0;
    if (index_copy(&to->index, &from->index) != DONE)
        return ERROR_MEMORY;
    if (from->n_leaves != 0) {
        to->leaves = block_resize(NULL, 0, from->n_leaves * sizeof(Leaf));
        if (to->leaves == NULL)
            return ERROR_MEMORY;
        to->leaf_capacity = from->n_leaves;
    }
    if (from->n_nodes != 0) {
        to->nodes = block_resize(NULL, 0, from->n_nodes * sizeof(Node));
        if (to->nodes == NULL)
            return ERROR_MEMORY;
        to->node_capacity = from->n_nodes;
        memcpy(to->nodes, from->nodes, from->n_nodes * sizeof(Node));
    }
    for (; to->n_leaves < from->n_leaves; to->n_leaves++) {
        Leaf *leaf = &to->leaves[to->n_leaves];
        const Content *content = &from->leaves[to->n_leaves].content;
        *leaf = from->leaves[to->n_leaves];
        leaf->content = (Content){.width = content->width};
        if (content->n == 0)
            continue;
        if (content_reserve(&leaf->content, content->n, content->width) != DONE)
            return ERROR_MEMORY; /* tree_free frees the leaves so far */
        content_insert(&leaf->content, 0, content_units(content, 0), content->n);
    }
    return DONE;
}

size_t tree_memory(const Tree *t)
{
    size_t bytes = block_footprint(t->leaf_capacity * sizeof(Leaf)) +
                   block_footprint(t->node_capacity * sizeof(Node)) + index_memory(&t->index);
    for (u32 i = 0; i < t->n_leaves; i++)
        bytes += block_footprint(content_bytes(&t->leaves[i].content));
    return bytes;
}

/* A sequence of one leaf pays for one: most children of a map are small. */
static int reserve_nodes(void *items, u32 *capacity, u32 need, size_t width)
{
    if (*capacity != 0 || need > 1)
        return array_reserve(items, capacity, need, width);
    void *one = block_resize(NULL, 0, width);
    if (one == NULL)
        return ERROR_MEMORY;
    *(void **)items = one;
    *capacity = 1;
    return DONE;
}

int tree_begin(Tree *t)
{
    if (t->n_leaves != 0)
        return DONE;
    int status = reserve_nodes(&t->leaves, &t->leaf_capacity, 1, sizeof(Leaf));
    if (status != DONE)
        return status;
    t->leaves[0] = (Leaf){
        .content.width = t->unit_width, .parent = NOTHING, .previous = NOTHING, .next = NOTHING};
    t->n_leaves = 1;
    t->root = t->first_leaf = 0;
    return DONE;
}

/* ---- finding ----------------------------------------------------------------------------- */

Point tree_find_in_leaf(const Tree *t, u32 leaf, u32 position)
{
    const Span *spans = t->leaves[leaf].spans;
    u32 i = 0, left = position;
    while (left >= span_visible(spans[i]))
        left -= span_visible(spans[i++]);
    return (Point){leaf, i, left, position};
}

Point tree_find(const Tree *t, u32 position, u32 *leaf_start)
{
    u32 place = t->root, left = position;
    for (u32 level = t->height; level > 0; level--) {
        const Node *node = &t->nodes[place];
        u32 i = 0;
        while (left >= node->visible[i])
            left -= node->visible[i++];
        place = node->child[i];
    }
    *leaf_start = position - left;
    return tree_find_in_leaf(t, place, left);
}

static bool find_number(const Tree *t, u32 place, u32 number, Point *at)
{
    const Leaf *leaf = &t->leaves[place];
    u32 unit = 0;
    for (u32 i = 0; i < leaf->n; i++) {
        Span s = leaf->spans[i];
        u32 offset = number - s.first;
        if (offset < span_n(s)) {
            *at = (Point){place, i, offset, unit + (span_is_deleted(s) ? 0 : offset)};
            return true;
        }
        unit += span_visible(s);
    }
    return false;
}

Point tree_locate(const Tree *t, u32 number)
{
    Point at = {0};
    if (likely(!t->index.lost)) {
        (void)find_number(t, index_leaf(&t->index, number), number, &at);
        return at;
    }
    for (u32 i = 0; i < t->n_leaves; i++)
        if (find_number(t, i, number, &at))
            break;
    return at;
}

bool tree_settle_point(const Tree *t, Point *at)
{
    while (at->index == t->leaves[at->leaf].n) {
        u32 next = t->leaves[at->leaf].next;
        if (next == NOTHING)
            return false;
        *at = (Point){.leaf = next};
    }
    return true;
}

u32 tree_element_at(const Tree *t, Point at)
{
    if (!tree_settle_point(t, &at))
        return NOTHING;
    return point_span(t, at).first + at.offset;
}

u32 tree_element_before(const Tree *t, Point at)
{
    if (at.offset > 0)
        return point_span(t, at).first + at.offset - 1;
    while (at.index == 0) {
        at.leaf = t->leaves[at.leaf].previous;
        if (at.leaf == NOTHING)
            return NOTHING;
        at.index = t->leaves[at.leaf].n;
    }
    Span s = t->leaves[at.leaf].spans[at.index - 1];
    return s.first + span_n(s) - 1;
}

u32 tree_rank(const Tree *t, Point at)
{
    u32 rank = at.unit;
    u32 slot = t->leaves[at.leaf].slot;
    for (u32 place = t->leaves[at.leaf].parent; place != NOTHING; place = t->nodes[place].parent) {
        for (u32 i = 0; i < slot; i++)
            rank += t->nodes[place].visible[i];
        slot = t->nodes[place].slot;
    }
    return rank;
}

int tree_order(const Tree *t, Point a, Point b)
{
    if (a.leaf == b.leaf) {
        if (a.index != b.index)
            return a.index < b.index ? -1 : 1;
        return a.offset == b.offset ? 0 : a.offset < b.offset ? -1 : 1;
    }
    const Leaf *la = &t->leaves[a.leaf], *lb = &t->leaves[b.leaf];
    u32 pa = la->parent, pb = lb->parent, sa = la->slot, sb = lb->slot;
    while (pa != pb) {
        sa = t->nodes[pa].slot;
        sb = t->nodes[pb].slot;
        pa = t->nodes[pa].parent;
        pb = t->nodes[pb].parent;
    }
    return sa < sb ? -1 : 1;
}

/* ---- dividing ---------------------------------------------------------------------------- */

static void adopt(Tree *t, u32 parent, u32 slot, u32 child, u32 visible)
{
    Node *node = &t->nodes[parent];
    node->child[slot] = child;
    node->visible[slot] = visible;
    if (node->above_leaves) {
        t->leaves[child].parent = parent;
        t->leaves[child].slot = (u16)slot;
    } else {
        t->nodes[child].parent = parent;
        t->nodes[child].slot = (u16)slot;
    }
}

static u32 new_node(Tree *t, bool above_leaves)
{
    t->nodes[t->n_nodes] = (Node){.parent = NOTHING, .above_leaves = above_leaves};
    return t->n_nodes++;
}

/* Hang `fresh`, which took `visible` elements from its left neighbour `left`, beside it. The room
 * for a node per level and a new root is reserved. */
static void attach(Tree *t, u32 left, u32 fresh, u32 visible, bool leaves)
{
    u32 parent = leaves ? t->leaves[left].parent : t->nodes[left].parent;
    if (parent == NOTHING) {
        u32 root = new_node(t, leaves);
        adopt(t, root, 0, left, t->visible - visible);
        adopt(t, root, 1, fresh, visible);
        t->nodes[root].n = 2;
        t->root = root;
        t->height++;
        return;
    }
    u32 slot = leaves ? t->leaves[left].slot : t->nodes[left].slot;
    t->nodes[parent].visible[slot++] -= visible;
    u32 owner = parent, sibling = NOTHING;
    if (t->nodes[parent].n == NODE_CHILDREN) {
        /* Growth at the end leaves full nodes behind. */
        u32 keep = slot == NODE_CHILDREN ? NODE_CHILDREN : NODE_CHILDREN / 2;
        sibling = new_node(t, leaves);
        for (u32 i = keep; i < NODE_CHILDREN; i++)
            adopt(t, sibling, i - keep, t->nodes[parent].child[i], t->nodes[parent].visible[i]);
        t->nodes[sibling].n = (u8)(NODE_CHILDREN - keep);
        t->nodes[parent].n = (u8)keep;
        if (slot > keep || keep == NODE_CHILDREN) {
            owner = sibling;
            slot -= keep;
        }
    }
    Node *node = &t->nodes[owner];
    for (u32 i = node->n; i > slot; i--)
        adopt(t, owner, i, node->child[i - 1], node->visible[i - 1]);
    adopt(t, owner, slot, fresh, visible);
    node->n++;
    if (sibling != NOTHING) {
        u32 moved = 0;
        for (u32 i = 0; i < t->nodes[sibling].n; i++)
            moved += t->nodes[sibling].visible[i];
        attach(t, parent, sibling, moved, false);
    }
}

/* Move everything from a point on into a new leaf, the next one. */
static int split_leaf(Tree *t, Point at)
{
    int status = reserve_nodes(&t->leaves, &t->leaf_capacity, t->n_leaves + 1, sizeof(Leaf));
    if (status == DONE)
        status = reserve_nodes(&t->nodes, &t->node_capacity, t->n_nodes + t->height + 1, sizeof(Node));
    if (status != DONE)
        return status;
    u32 place = t->n_leaves;
    Leaf *leaf = &t->leaves[at.leaf], *fresh = &t->leaves[place];
    *fresh = (Leaf){.parent = NOTHING, .previous = at.leaf, .next = leaf->next};
    fresh->content.width = t->unit_width;
    u32 units = leaf->content.n - at.unit;
    if (units != 0) {
        status = content_reserve(&fresh->content, units, leaf->content.width);
        if (status != DONE)
            return status;
        content_move_tail(&leaf->content, at.unit, &fresh->content);
    }
    u32 from = at.index;
    if (at.offset > 0) {
        Span s = leaf->spans[from];
        u32 deleted = s.bits & SPAN_DELETED;
        leaf->spans[from++].bits = at.offset | deleted;
        fresh->spans[fresh->n++] = (Span){s.first + at.offset, (span_n(s) - at.offset) | deleted};
    }
    memcpy(fresh->spans + fresh->n, leaf->spans + from, (leaf->n - from) * sizeof(Span));
    fresh->n = (u16)(fresh->n + leaf->n - from);
    leaf->n = (u16)from;
    leaf->next = place;
    if (fresh->next != NOTHING)
        t->leaves[fresh->next].previous = place;
    t->n_leaves++;
    for (u32 i = 0; i < fresh->n; i++)
        index_assign(&t->index, fresh->spans[i].first, span_n(fresh->spans[i]), t->count, place);
    attach(t, at.leaf, place, units, true);
    return DONE;
}

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
    if (likely(leaf->n + more <= LEAF_SPANS))
        return DONE;
    u32 middle = dividing_index(leaf, at->index);
    u32 unit = units_before(leaf, middle);
    int status = split_leaf(t, (Point){at->leaf, middle, 0, unit});
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

/* Whether span b continues span a. */
static bool continues(Span a, Span b)
{
    return a.first + span_n(a) == b.first && ((a.bits ^ b.bits) & SPAN_DELETED) == 0;
}

/* Insert n new elements that fit into the leaf of a point. */
static int insert_piece(Tree *t, Point *at, u32 n, const Units *units)
{
    Span fresh = {t->count, n | (units == NULL ? SPAN_DELETED : 0)};
    Leaf *leaf = &t->leaves[at->leaf];
    bool merges = at->offset == 0 && at->index > 0 && continues(leaf->spans[at->index - 1], fresh);
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
    index_append(&t->index, t->count, at->leaf);
    t->count += n;
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
        int status = split_leaf(t, *at);
        if (status != DONE)
            return status;
        leaf = &t->leaves[at->leaf];
        *at = (Point){at->leaf, leaf->n, 0, at->unit};
    }
    if (leaf->content.n < t->leaf_units)
        return DONE;
    int status = split_leaf(t, *at);
    if (status == DONE)
        *at = (Point){.leaf = t->leaves[at->leaf].next};
    return status;
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
            if (last.index > 0 && last.index < leaf->n && continues(s[-1], s[0])) {
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
    bool joins_previous = head && index > 0 && continues(s[-1], turned);
    bool joins_next = tail && index + 1u < leaf->n && continues(turned, s[1]);
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
