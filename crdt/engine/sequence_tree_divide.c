#include "sequence_tree.h"

void tree_adopt(Tree *t, u32 parent, u32 slot, u32 child, u32 visible)
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
        tree_adopt(t, root, 0, left, t->visible - visible);
        tree_adopt(t, root, 1, fresh, visible);
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
            tree_adopt(t, sibling, i - keep, t->nodes[parent].child[i], t->nodes[parent].visible[i]);
        t->nodes[sibling].n = (u8)(NODE_CHILDREN - keep);
        t->nodes[parent].n = (u8)keep;
        if (slot > keep || keep == NODE_CHILDREN) {
            owner = sibling;
            slot -= keep;
        }
    }
    Node *node = &t->nodes[owner];
    for (u32 i = node->n; i > slot; i--)
        tree_adopt(t, owner, i, node->child[i - 1], node->visible[i - 1]);
    tree_adopt(t, owner, slot, fresh, visible);
    node->n++;
    if (sibling != NOTHING) {
        u32 moved = 0;
        for (u32 i = 0; i < t->nodes[sibling].n; i++)
            moved += t->nodes[sibling].visible[i];
        attach(t, parent, sibling, moved, false);
    }
}

int tree_split(Tree *t, Point at)
{
    int status = t->is_small ? tree_widen(t) : DONE;
    if (status == DONE)
        status = tree_reserve(&t->leaves, &t->leaf_capacity, t->n_leaves + 1, sizeof(Leaf));
    if (status == DONE)
        status = tree_reserve(&t->nodes, &t->node_capacity, t->n_nodes + t->height + 1, sizeof(Node));
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
    if (t->n_leaves++ == 1)
        index_append(&t->index, 0, at.leaf); /* one leaf needed no index */
    for (u32 i = 0; i < fresh->n; i++)
        index_assign(&t->index, fresh->spans[i].first, span_n(fresh->spans[i]), t->count, place);
    attach(t, at.leaf, place, units, true);
    return DONE;
}
