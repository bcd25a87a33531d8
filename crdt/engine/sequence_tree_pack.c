/* A tree above leaves that are all there, and taking elements out: the spans that are left are packed into
 * few leaves, under new nodes. */
#include "sequence_tree.h"
#include "sort.h"

enum { PACKED_CHILDREN = NODE_CHILDREN * 3 / 4 };

/* Renumber the spans of a leaf; what has none left goes, and neighbours that have met are one. */
static void renumber(Leaf *leaf, const Gaps *gaps)
{
    u16 n = 0;
    for (u32 i = 0; i < leaf->n; i++) {
        Span span = leaf->spans[i];
        u32 first = gaps_below(gaps, span.first), end = gaps_below(gaps, span.first + span_n(span));
        if (first == end)
            continue;
        span = (Span){first, (end - first) | (span.bits & SPAN_DELETED)};
        if (n > 0 && span_continues(leaf->spans[n - 1], span))
            leaf->spans[n - 1].bits += span_n(span);
        else
            leaf->spans[n++] = span;
    }
    leaf->n = n;
}

/* Put all of a leaf behind another's, if that leaves room in it to be edited. */
static bool join(const Tree *t, Leaf *to, Leaf *from)
{
    if (to->n + from->n > PACKED_SPANS || to->content.n + from->content.n > packed_units(t))
        return false;
    if (from->content.n != 0) {
        if (content_reserve(&to->content, from->content.n, from->content.width) != DONE)
            return false;
        content_insert(&to->content, to->content.n, content_units(&from->content, 0), from->content.n);
    }
    content_free(&from->content);
    memcpy(to->spans + to->n, from->spans, from->n * sizeof(Span));
    u32 met = to->n;
    to->n = (u16)(to->n + from->n);
    if (met > 0 && met < to->n && span_continues(to->spans[met - 1], to->spans[met])) {
        to->spans[met - 1].bits += span_n(to->spans[met]);
        to->n--;
        memmove(to->spans + met, to->spans + met + 1, (to->n - met) * sizeof(Span));
    }
    return true;
}

/* The leaves in document order, into `leaves`; how many there are. */
static u32 pack_leaves(Tree *t, const Gaps *gaps, Leaf *leaves)
{
    u32 n = 0;
    for (u32 place = t->first_leaf; place != NOTHING; place = t->leaves[place].next) {
        Leaf *leaf = &t->leaves[place];
        renumber(leaf, gaps);
        if (leaf->n == 0) {
            content_free(&leaf->content);
            continue;
        }
        if (n == 0 || !join(t, &leaves[n - 1], leaf))
            leaves[n++] = *leaf;
    }
    return n;
}

static void link_leaves(Tree *t)
{
    u32 n = t->n_leaves;
    for (u32 i = 0; i < n; i++) {
        Leaf *leaf = &t->leaves[i];
        leaf->parent = NOTHING;
        leaf->slot = 0;
        leaf->previous = i == 0 ? NOTHING : i - 1;
        leaf->next = i + 1 == n ? NOTHING : i + 1;
    }
    t->first_leaf = n == 0 ? NOTHING : 0;
}

/* One level of nodes above n children that begin at `from`; how many. */
static u32 build_level(Tree *t, u32 from, u32 n, bool above_leaves)
{
    u32 made = 0;
    for (u32 i = 0; i < n; i++) {
        if (i % PACKED_CHILDREN == 0) {
            t->nodes[t->n_nodes++] = (Node){.parent = NOTHING, .above_leaves = above_leaves};
            made++;
        }
        u32 visible = above_leaves ? t->leaves[from + i].content.n : 0;
        for (u32 k = 0; !above_leaves && k < t->nodes[from + i].n; k++)
            visible += t->nodes[from + i].visible[k];
        tree_adopt(t, t->n_nodes - 1, i % PACKED_CHILDREN, from + i, visible);
        t->nodes[t->n_nodes - 1].n++;
    }
    return made;
}

static void build_nodes(Tree *t)
{
    t->n_nodes = t->height = 0;
    u32 from = 0, n = t->n_leaves;
    while (n > 1) {
        u32 next = t->n_nodes;
        n = build_level(t, from, n, t->height++ == 0);
        from = next;
    }
    t->root = t->n_leaves == 0 ? NOTHING : from;
}

static u32 nodes_above(u32 leaves)
{
    u32 sum = 0;
    for (u32 n = leaves; n > 1;) {
        n = (n + PACKED_CHILDREN - 1) / PACKED_CHILDREN;
        sum += n;
    }
    return sum;
}

/* Without memory for it the tree is searched leaf by leaf. */
static void build_index(Tree *t)
{
    index_free(&t->index);
    if (t->n_leaves < 2)
        return;
    u32 n = 0;
    for (u32 i = 0; i < t->n_leaves; i++)
        n += t->leaves[i].n;
    size_t bytes = 2 * (size_t)n * sizeof(u64);
    u64 *all = block_resize(NULL, 0, bytes);
    t->index.lost = all == NULL;
    if (all == NULL)
        return;
    u32 at = 0;
    for (u32 i = 0; i < t->n_leaves; i++)
        for (u32 k = 0; k < t->leaves[i].n; k++)
            all[at++] = pair_of(t->leaves[i].spans[k].first, i);
    sort_by_upper(all, all + n, n);
    for (u32 i = 0; i < n; i++)
        index_append(&t->index, upper_of(all[i]), lower_of(all[i]));
    block_free(all, bytes);
}

int tree_raise(Tree *t)
{
    int status = array_reserve(&t->nodes, &t->node_capacity, nodes_above(t->n_leaves), sizeof(Node));
    if (status != DONE)
        return status;
    link_leaves(t);
    build_nodes(t);
    build_index(t);
    return DONE;
}

int tree_take_out(Tree *t, const Gaps *gaps)
{
    if (t->is_small && tree_widen(t) != DONE)
        return ERROR_MEMORY;
    u32 old_leaves = t->leaf_capacity, room = nodes_above(t->n_leaves);
    Leaf *leaves = block_resize(NULL, 0, t->n_leaves * sizeof(Leaf));
    Node *nodes = room == 0 ? NULL : block_resize(NULL, 0, room * sizeof(Node));
    if (leaves == NULL || (room != 0 && nodes == NULL)) {
        block_free(leaves, t->n_leaves * sizeof(Leaf));
        block_free(nodes, room * sizeof(Node));
        return ERROR_MEMORY;
    }
    u32 had = t->n_leaves;
    t->n_leaves = pack_leaves(t, gaps, leaves);
    block_free(t->leaves, old_leaves * sizeof(Leaf));
    block_free(t->nodes, t->node_capacity * sizeof(Node));
    Leaf *fewer = block_resize(leaves, had * sizeof(Leaf), t->n_leaves * sizeof(Leaf));
    t->leaves = fewer != NULL || t->n_leaves == 0 ? fewer : leaves;
    t->leaf_capacity = fewer != NULL || t->n_leaves == 0 ? t->n_leaves : had;
    t->nodes = nodes;
    t->node_capacity = room;
    t->count = gaps_below(gaps, t->count);
    link_leaves(t);
    build_nodes(t);
    build_index(t);
    t->looked = t->n_leaves;
    return DONE;
}

bool tree_is_loose(Tree *t)
{
    if (t->n_leaves < 16 || t->n_leaves / 2 < t->looked)
        return false;
    t->looked = t->n_leaves;
    u32 spans = 0;
    for (u32 i = 0; i < t->n_leaves; i++)
        spans += t->leaves[i].n;
    return t->n_leaves / 4 > spans / PACKED_SPANS + t->visible / packed_units(t) + 1;
}
