/* The elements of a sequence in document order: a B+tree of spans, ranked by visible elements.
 *
 * A span is a stretch of consecutive local numbers that are all visible or all deleted. Leaves hold
 * the spans and the content of the visible ones; inner nodes hold how much is visible below each
 * child. All leaves have the same depth. Nodes live in two arrays and point by place, so that a copy
 * is a memcpy. The tree knows nothing of who inserted what, or why it stands where it does.
 */
#ifndef CRDT_SEQUENCE_TREE_H
#define CRDT_SEQUENCE_TREE_H

#include "sequence_content.h"
#include "sequence_gaps.h"
#include "sequence_index.h"

#define NOTHING UINT32_MAX /* no element, no node */
#define SPAN_DELETED ((u32)1 << 31)
#define ELEMENTS_MAX (((u32)1 << 31) - 2) /* of one sequence, deleted ones included */

/* Leaves that are made full have room left to be edited; the only leaf of a small sequence has room for FEW_SPANS. */
enum { LEAF_SPANS = 32, PACKED_SPANS = LEAF_SPANS * 3 / 4, FEW_SPANS = 4, NODE_CHILDREN = 16 };

typedef struct {
    u32 first;
    u32 bits; /* how many, and SPAN_DELETED */
} Span;

typedef struct {
    Content content; /* its n is what is visible here */
    u32 parent, previous, next;
    u16 slot, n; /* place in the parent; spans */
    Span spans[LEAF_SPANS]; /* at the end, since a small tree has not all of them */
} Leaf;

typedef struct {
    u32 child[NODE_CHILDREN], visible[NODE_CHILDREN];
    u32 parent;
    u16 slot;
    u8 n;
    bool above_leaves;
} Node;

typedef struct {
    Leaf *leaves;
    Node *nodes;
    u32 n_leaves, leaf_capacity, n_nodes, node_capacity;
    u32 root, height; /* height 0: the root is a leaf, or nothing at all */
    u32 first_leaf;
    u32 visible;
    u32 count;      /* elements, which are numbered 0..count */
    u32 leaf_units; /* most units in a leaf */
    u32 looked;     /* leaves when `tree_is_loose` last looked at them */
    u8 unit_width;  /* of a new leaf */
    bool is_small;  /* there is one leaf, with room for FEW_SPANS */
    Index index;    /* empty while there is one leaf */
} Tree;

/* The place before element `offset` of a span; index == n and offset == 0 at the end of a leaf. */
typedef struct {
    u32 leaf, index, offset;
    u32 unit; /* visible elements of the leaf before it */
} Point;

static inline u32 span_n(Span s)
{
    return s.bits & ~SPAN_DELETED;
}

static inline bool span_is_deleted(Span s)
{
    return (s.bits & SPAN_DELETED) != 0;
}

static inline u32 span_visible(Span s)
{
    return span_is_deleted(s) ? 0 : s.bits;
}

/* Whether span b continues span a. */
static inline bool span_continues(Span a, Span b)
{
    return a.first + span_n(a) == b.first && ((a.bits ^ b.bits) & SPAN_DELETED) == 0;
}

static inline Span point_span(const Tree *t, Point at)
{
    return t->leaves[at.leaf].spans[at.index];
}

/* Add to the counts above a leaf, modulo 2^32: also what is below 0. */
static inline void tree_count_visible(Tree *t, u32 leaf, u32 more)
{
    u32 slot = t->leaves[leaf].slot;
    for (u32 place = t->leaves[leaf].parent; place != NOTHING; place = t->nodes[place].parent) {
        t->nodes[place].visible[slot] += more;
        slot = t->nodes[place].slot;
    }
    t->visible += more;
}

void tree_free(Tree *t);
/* Make it as it was when new. */
void tree_clear(Tree *t);
int tree_copy(Tree *to, const Tree *from);
size_t tree_memory(const Tree *t);

/* Make sure there is a first leaf. */
int tree_begin(Tree *t);

/* Give the only leaf of a small tree room for all its spans. */
int tree_widen(Tree *t);

/* Room for `need` leaves or nodes of `width` bytes. */
int tree_reserve(void *items, u32 *capacity, u32 need, size_t width);

/* Move everything from a point on into a new leaf, the next one. */
int tree_split(Tree *t, Point at);

/* Make a leaf or node the child of a node at a slot. */
void tree_adopt(Tree *t, u32 parent, u32 slot, u32 child, u32 visible);

/* The visible element at `position` (below t->visible); `*leaf_start` = visible ones before its leaf. */
Point tree_find(const Tree *t, u32 position, u32 *leaf_start);

/* The same when its leaf is known: `position` counts from the start of the leaf. */
Point tree_find_in_leaf(const Tree *t, u32 leaf, u32 position);

/* Where an element stands. */
Point tree_locate(const Tree *t, u32 number);

/* Step to the first element at or after a point, over ends of leaves. False at the end of all. */
bool tree_settle_point(const Tree *t, Point *at);

/* The element at or after a point, or NOTHING; and the one before it. */
u32 tree_element_at(const Tree *t, Point at);
u32 tree_element_before(const Tree *t, Point at);

/* Visible elements before a point. */
u32 tree_rank(const Tree *t, Point at);

/* Which of two points comes first: below, equal or above 0. */
int tree_order(const Tree *t, Point a, Point b);

/* Insert the new elements [t->count, t->count + n) at a point and step behind them; deleted ones
 * when `units` is NULL. After an error a part may stand: tree_pop takes it back. */
int tree_insert(Tree *t, Point *at, u32 n, const Units *units);

/* Take the last n elements out again. */
void tree_pop(Tree *t, u32 n);

/* Turn the n visible elements from `at` on, all of one span, into deleted ones and free their
 * content; or the other way with content. `*at` then is where they stand. */
int tree_delete(Tree *t, Point *at, u32 n);
int tree_revive(Tree *t, Point *at, u32 n, Units units);

static inline u32 packed_units(const Tree *t)
{
    return t->leaf_units * 3 / 4;
}

/* Link the leaves, which are there in document order with all their spans, and make the nodes above them and the
 * index. ERROR_MEMORY: nothing was. O(spans). */
int tree_raise(Tree *t);

/* Take deleted elements out; the others are numbered anew, and leaves are packed. All points and places
 * are void after it. ERROR_MEMORY: nothing was changed. O(spans), with a logarithm for the gaps. */
int tree_take_out(Tree *t, const Gaps *gaps);

/* Whether what is in the leaves would fit into a quarter of them. Looks at them only when they are twice as many as
 * the last time, so that it is O(1) for each leaf that was made. */
bool tree_is_loose(Tree *t);

#endif
