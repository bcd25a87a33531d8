#include "sequence_tree.h"

/* ---- memory ------------------------------------------------------------------------------ */

static size_t leaves_bytes(const Tree *t)
{
    return t->is_small ? offsetof(Leaf, spans) + FEW_SPANS * sizeof(Span) : t->leaf_capacity * sizeof(Leaf);
}

void tree_free(Tree *t)
{
    for (u32 i = 0; i < t->n_leaves; i++)
        content_free(&t->leaves[i].content);
    block_free(t->leaves, leaves_bytes(t));
    block_free(t->nodes, t->node_capacity * sizeof(Node));
    index_free(&t->index);
}

void tree_clear(Tree *t)
{
    tree_free(t);
    *t = (Tree){.root = NOTHING, .first_leaf = NOTHING, .leaf_units = t->leaf_units, .unit_width = t->unit_width};
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
        to->leaf_capacity = from->n_leaves;
        to->leaves = block_resize(NULL, 0, leaves_bytes(to));
        if (to->leaves == NULL)
            return ERROR_MEMORY;
        memcpy(to->leaves, from->leaves, leaves_bytes(to));
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
    size_t bytes = block_footprint(leaves_bytes(t)) +
                   block_footprint(t->node_capacity * sizeof(Node)) + index_memory(&t->index);
    for (u32 i = 0; i < t->n_leaves; i++)
        bytes += block_footprint(content_bytes(&t->leaves[i].content));
    return bytes;
}

/* A sequence of one leaf pays for one: most children of a map are small. */
int tree_reserve(void *items, u32 *capacity, u32 need, size_t width)
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

int tree_widen(Tree *t)
{
    Leaf *leaf = block_resize(t->leaves, leaves_bytes(t), sizeof(Leaf));
    if (leaf == NULL)
        return ERROR_MEMORY;
    t->leaves = leaf;
    t->is_small = false;
    return DONE;
}

int tree_begin(Tree *t)
{
    if (t->n_leaves != 0)
        return DONE;
    t->is_small = true;
    t->leaves = block_resize(NULL, 0, leaves_bytes(t));
    t->is_small = t->leaves != NULL;
    if (t->leaves == NULL)
        return ERROR_MEMORY;
    Leaf *leaf = t->leaves;
    leaf->content = (Content){.width = t->unit_width};
    leaf->parent = leaf->previous = leaf->next = NOTHING;
    leaf->slot = leaf->n = 0;
    t->leaf_capacity = t->n_leaves = 1;
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
        u32 leaf = t->n_leaves == 1 ? 0 : index_leaf(&t->index, number);
        (void)find_number(t, leaf, number, &at);
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
