/* The numbered invariants of sequence.h, checked from scratch. */
#include "sequence_purge.h"

static const char *broken_leaf(const Sequence *s, u32 place, u8 *seen)
{
    const Leaf *leaf = &s->tree.leaves[place];
    u32 visible = 0;
    if (leaf->n > LEAF_SPANS)
        return "2: a leaf has more spans than it can";
    for (u32 i = 0; i < leaf->n; i++) {
        Span span = leaf->spans[i];
        u32 n = span_n(span);
        if (n == 0 || span.first >= s->tree.count || n > s->tree.count - span.first)
            return "1: a span is empty or names numbers that do not exist";
        for (u32 k = span.first; k < span.first + n; k++) {
            if (seen[k / 8] & 1 << k % 8)
                return "1: an element stands in two places";
            seen[k / 8] |= (u8)(1 << k % 8);
            if (s->tree.n_leaves > 1 && !s->tree.index.lost && index_leaf(&s->tree.index, k) != place)
                return "5: the index names another leaf";
        }
        if (i > 0 && leaf->spans[i - 1].first + span_n(leaf->spans[i - 1]) == span.first &&
            span_is_deleted(leaf->spans[i - 1]) == span_is_deleted(span))
            return "4: neighbouring spans of one kind are consecutive";
        visible += span_visible(span);
    }
    if (leaf->content.n != visible || leaf->content.capacity < visible)
        return "2: a leaf's content is not as long as its visible elements";
    return NULL;
}

static const char *broken_node(const Tree *t, u32 place)
{
    const Node *node = &t->nodes[place];
    for (u32 i = 0; i < node->n; i++) {
        u32 sum = 0, child = node->child[i];
        if (node->above_leaves) {
            sum = t->leaves[child].content.n;
            if (t->leaves[child].parent != place || t->leaves[child].slot != i)
                return "3: a leaf does not know its place";
        } else {
            for (u32 k = 0; k < t->nodes[child].n; k++)
                sum += t->nodes[child].visible[k];
            if (t->nodes[child].parent != place || t->nodes[child].slot != i)
                return "3: a node does not know its place";
        }
        if (sum != node->visible[i])
            return "3: a count of visible elements is wrong";
    }
    return NULL;
}

static const char *broken_tree(const Sequence *s)
{
    const Tree *t = &s->tree;
    size_t bytes = t->count / 8 + 1;
    u8 *seen = block_resize(NULL, 0, bytes);
    if (seen == NULL)
        return NULL;
    memset(seen, 0, bytes);
    const char *broken = NULL;
    u32 visible = 0, leaves = 0, previous = NOTHING;
    for (u32 i = t->first_leaf; i != NOTHING && broken == NULL; i = t->leaves[i].next) {
        broken = broken_leaf(s, i, seen);
        visible += t->leaves[i].content.n;
        if (t->leaves[i].previous != previous)
            broken = "1: the leaves are not a list";
        previous = i;
        leaves++;
    }
    for (u32 k = 0; k < t->count && broken == NULL; k++)
        if (!(seen[k / 8] & 1 << k % 8))
            broken = "1: an element stands nowhere";
    block_free(seen, bytes);
    if (broken == NULL && (visible != t->visible || leaves != t->n_leaves))
        broken = "3: the count of all visible elements is wrong";
    for (u32 i = 0; i < t->n_nodes && broken == NULL; i++)
        broken = broken_node(t, i);
    return broken;
}

static const char *broken_runs(const Runs *r)
{
    u32 listed = 0;
    for (u32 i = 0; i < r->n; i++) {
        const Run *run = &r->all[i];
        if (run_end(r, i) <= run->first)
            return "6: runs do not rise";
        if (runs_find(r, run->first) != i || runs_find(r, run_end(r, i) - 1) != i)
            return "6: an element is looked for in another run";
        if ((run->left != NOTHING && run->left >= run->first) ||
            (run->right != NOTHING && run->right >= run->first))
            return "6: an origin is no earlier element";
        if (runs_number(r, run_dot(run)) != run->first)
            return "7: an id does not lead to its element";
    }
    for (u32 i = 0; i < r->n_authors; i++) {
        const Author *author = &r->authors[i];
        u64 end = 0;
        listed += author->n;
        for (u32 k = 0; k < author->n; k++) {
            const Run *run = &r->all[author->runs[k]];
            if (dot_sequence(run_dot(run)) <= end || run->replica != author->replica)
                return "7: the sequence numbers of a writer do not rise";
            end = dot_sequence(run_dot(run)) + (run_end(r, author->runs[k]) - run->first) - 1;
        }
    }
    return listed == r->n ? NULL : "7: a run belongs to no writer";
}

static const char *broken_digest(const Sequence *s)
{
    Digest sum = {0};
    for (u32 i = s->tree.first_leaf; i != NOTHING; i = s->tree.leaves[i].next) {
        const Leaf *leaf = &s->tree.leaves[i];
        u32 unit = 0;
        for (u32 k = 0; k < leaf->n; k++) {
            Span span = leaf->spans[k];
            Units units = content_units(&leaf->content, unit);
            digest_stretch(s, span.first, span_n(span), span_is_deleted(span) ? NULL : &units, &sum);
            unit += span_visible(span);
        }
    }
    for (u32 i = 0; i < s->runs.n; i++) {
        const Run *run = &s->runs.all[i];
        digest_add(&sum, digest_of_origins(s, run_dot(run), run->left, run->right));
    }
    digest_add(&sum, digest_of_condemned(s));
    bool same = sum.low == s->digest.low && sum.high == s->digest.high;
    return same ? NULL : "8: the digest is not the sum over the state";
}

static const char *broken_log(const Sequence *s)
{
    const DeleteLog *log = &s->log;
    for (u32 i = 0; i < log->n; i++) {
        const Deletion *d = &log->all[i];
        if (d->n == 0 || d->first >= s->tree.count || d->n > s->tree.count - d->first)
            return "9: the log names elements that do not exist";
        for (u32 k = d->first; k < d->first + d->n; k++)
            if (!span_is_deleted(point_span(&s->tree, tree_locate(&s->tree, k))))
                return "9: the log names a visible element";
        if (d->previous == LOG_NOTHING)
            continue;
        const Deletion *before = &log->all[d->previous];
        if (before->replica != d->replica || deletion_end(before) > deletion_dot(d) || d->previous >= i)
            return "9: the events of a writer do not rise";
    }
    return NULL;
}

static const char *broken_condemned(const Sequence *s)
{
    u32 end = 0;
    for (u32 i = 0; i < s->condemned.n; i++) {
        const Condemned *c = &s->condemned.all[i];
        if (c->n == 0 || c->first < end || c->first >= s->tree.count || c->n > s->tree.count - c->first)
            return "10: what is condemned is out of order or not there";
        for (u32 k = c->first; k < c->first + c->n; k++)
            if (!span_is_deleted(point_span(&s->tree, tree_locate(&s->tree, k))))
                return "10: a visible element is condemned";
        end = c->first + c->n;
    }
    return NULL;
}

const char *sequence_broken_invariant(const Sequence *s)
{
    if (s->runs.count != s->tree.count)
        return "6: the runs and the tree hold different elements";
    const char *broken = broken_tree(s);
    if (broken == NULL)
        broken = broken_runs(&s->runs);
    if (broken == NULL)
        broken = broken_digest(s);
    if (broken == NULL)
        broken = broken_log(s);
    if (broken == NULL)
        broken = broken_condemned(s);
    return broken;
}
