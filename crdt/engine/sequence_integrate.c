/* The place of a new element in the FugueMax order.
 *
 * The order is that of a tree: an element is a left child of its right origin when both have the same
 * left origin, else a right child of its left origin. Left siblings stand by id, right siblings by
 * their right origins, later ones first, then by id; the document is the in-order walk. The tree is
 * never built: the scan below, published as YjsMod (Gentle, reference-crdts), finds the same place
 * in the list of elements, from the left origin rightwards.
 *
 * What makes it fast: elements inside a run have the one before them as left origin, so only the
 * first of each run is looked at, also where the tree has melted runs into one span; and when the
 * right origin has no left child yet, its place is right before it, however many elements
 * concurrent writers have put between.
 */
#include "sequence_state.h"

/* Whether `left` comes before `right` in the document; NOTHING on the left is the start. */
static int order_of_lefts(const Sequence *s, u32 a, u32 b)
{
    if (a == b)
        return 0;
    if (a == NOTHING || b == NOTHING)
        return a == NOTHING ? -1 : 1;
    return tree_order(&s->tree, tree_locate(&s->tree, a), tree_locate(&s->tree, b));
}

/* The same where NOTHING is the end. */
static int order_of_rights(const Sequence *s, u32 a, u32 b)
{
    if (a == b)
        return 0;
    if (a == NOTHING || b == NOTHING)
        return a == NOTHING ? 1 : -1;
    return order_of_lefts(s, a, b);
}

static Point point_after(const Sequence *s, u32 number)
{
    if (number == NOTHING)
        return (Point){.leaf = s->tree.first_leaf};
    Point at = tree_locate(&s->tree, number);
    Span span = point_span(&s->tree, at);
    if (!span_is_deleted(span))
        at.unit++;
    if (++at.offset == span_n(span)) {
        at.index++;
        at.offset = 0;
    }
    return at;
}

/* Step over the elements of a point's span that are no first of a run and not `right`. */
static void step_over(const Sequence *s, Point *at, u32 number, u32 right)
{
    Span span = point_span(&s->tree, *at);
    u32 n = span_n(span) - at->offset;
    u32 run_left = run_end(&s->runs, runs_find(&s->runs, number)) - number;
    n = n < run_left ? n : run_left;
    if (right - number < n) /* `right` lies further on in this stretch */
        n = right - number;
    if (!span_is_deleted(span))
        at->unit += n;
    at->offset += n;
    if (at->offset == span_n(span)) {
        at->index++;
        at->offset = 0;
    }
}

static Point scan(const Sequence *s, Point at, Dot dot, u32 left, u32 right)
{
    Point place = at;
    bool scanning = false; /* the place may be here, or after what follows */
    for (;;) {
        if (!scanning)
            place = at;
        if (!tree_settle_point(&s->tree, &at))
            break;
        u32 other = point_span(&s->tree, at).first + at.offset;
        if (other == right)
            break;
        int lefts = order_of_lefts(s, runs_left(&s->runs, other), left);
        if (lefts < 0)
            break;
        if (lefts == 0) {
            int rights = order_of_rights(s, runs_right(&s->runs, other), right);
            if (rights == 0 && dot_compare(s->replicas, dot, runs_dot(&s->runs, other)) < 0)
                break;
            scanning = rights < 0;
        }
        step_over(s, &at, other, right);
    }
    return place;
}

/* Where to begin the scan. Behind the last element that was placed by one, when that is a sibling by
 * the same two origins and of a smaller id: then all before it is before the new one too, and n
 * concurrent appends that arrive in the order of ids are n steps, not n squared. */
static Point scan_start(const Sequence *s, Point at, Dot dot, u32 left, u32 right)
{
    u32 sibling = s->sibling;
    if (sibling < s->runs.count && runs_left(&s->runs, sibling) == left &&
        runs_right(&s->runs, sibling) == right &&
        dot_compare(s->replicas, dot, runs_dot(&s->runs, sibling)) > 0)
        return point_after(s, sibling);
    return at;
}

Point fugue_place(Sequence *s, Dot dot, u32 left, u32 right)
{
    Point at = point_after(s, left);
    if (likely(tree_element_at(&s->tree, at) == right))
        return at;
    if (right != NOTHING && runs_left(&s->runs, right) == left) {
        Point before = tree_locate(&s->tree, right);
        u32 neighbour = tree_element_before(&s->tree, before);
        if (neighbour != NOTHING && runs_right(&s->runs, neighbour) != right)
            return before;
    }
    at = scan_start(s, at, dot, left, right);
    s->sibling = s->runs.count;
    return scan(s, at, dot, left, right);
}
