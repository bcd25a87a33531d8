#include "sequence_purge.h"

static const u64 OF_CONDEMNED = 0x636f6e64656d6e31ull;

/* ---- which of them no other element needs ----------------------------------------------------- */

/* Deleted elements, by local number. */
static int all_deleted(const Sequence *s, CondemnedList *out)
{
    const Tree *t = &s->tree;
    CondemnedList pieces = {0};
    int status = DONE;
    for (u32 leaf = t->first_leaf; leaf != NOTHING && status == DONE; leaf = t->leaves[leaf].next)
        for (u32 i = 0; i < t->leaves[leaf].n && status == DONE; i++) {
            Span span = t->leaves[leaf].spans[i];
            if (span_is_deleted(span))
                status = condemned_append(&pieces, (Condemned){span.first, span_n(span), 0});
        }
    condemned_sort(&pieces);
    for (u32 i = 0; i < pieces.n && status == DONE; i++)
        status = condemned_append(out, pieces.all[i]);
    condemned_free(&pieces);
    return status;
}

static void need(const Sequence *s, u32 *needed, u32 origin)
{
    if (origin == NOTHING)
        return;
    u32 run = runs_find(&s->runs, origin);
    if (needed[run] <= origin)
        needed[run] = origin + 1;
}

/* Of the candidates the most that are no origin of any element but each other. An element has the one
 * before it in its run as origin, so what goes of a run is its end; and origins are older than their
 * elements, so one pass from the youngest run on finds all. `needed[run]` ends as where the rest of
 * the run begins. Candidates are rising, and so is what is found. O((runs + candidates) log runs). */
static int closed_part(const Sequence *s, const CondemnedList *candidates, u32 *needed, CondemnedList *found)
{
    const Runs *r = &s->runs;
    u32 at = candidates->n;
    memset(needed, 0, r->n * sizeof(u32));
    for (u32 i = r->n; i-- > 0;) {
        u32 first = r->all[i].first, end = run_end(r, i), kept = end;
        while (at > 0 && candidates->all[at - 1].first >= end)
            at--;
        for (u32 k = at; k > 0 && kept > first; k--) { /* neighbours of other purges */
            const Condemned *c = &candidates->all[k - 1];
            if (c->first + c->n < kept)
                break;
            kept = c->first > first ? c->first : first;
        }
        if (needed[i] > kept)
            kept = needed[i];
        needed[i] = kept;
        if (kept > first) {
            need(s, needed, r->all[i].left);
            need(s, needed, r->all[i].right);
        }
    }
    int status = DONE;
    for (u32 i = 0; i < r->n && status == DONE; i++)
        if (needed[i] < run_end(r, i))
            status = condemned_append(found, (Condemned){needed[i], run_end(r, i) - needed[i], 0});
    return status;
}

static u64 count(const CondemnedList *list)
{
    u64 sum = 0;
    for (u32 i = 0; i < list->n; i++)
        sum += list->all[i].n;
    return sum;
}

/* The same with room for `needed`, which the caller gets and frees if it asks for it. */
static int find_closed(const Sequence *s, const CondemnedList *candidates, CondemnedList *found, u32 **out)
{
    size_t bytes = s->runs.n * sizeof(u32);
    if (candidates->n == 0)
        return DONE;
    u32 *needed = block_resize(NULL, 0, bytes);
    if (needed == NULL)
        return ERROR_MEMORY;
    int status = closed_part(s, candidates, needed, found);
    if (out != NULL && status == DONE && found->n != 0)
        *out = needed;
    else
        block_free(needed, bytes);
    return status;
}

/* ---- what is idle ----------------------------------------------------------------------------- */

int idle_refresh(Sequence *s)
{
    if (s->knows_idle)
        return DONE;
    s->idle.n = 0;
    int status = find_closed(s, &s->condemned, &s->idle, NULL);
    s->knows_idle = status == DONE;
    return status;
}

u32 idle_pass(const Sequence *s, Point at)
{
    while (tree_settle_point(&s->tree, &at)) {
        Span span = point_span(&s->tree, at);
        u32 number = span.first + at.offset, left = span_n(span) - at.offset;
        u32 i = span_is_deleted(span) ? condemned_at(&s->idle, number) : s->idle.n;
        if (i == s->idle.n || s->idle.all[i].first > number)
            return number;
        u32 idle = s->idle.all[i].first + s->idle.all[i].n - number;
        if (idle < left) {
            at.offset += idle;
        } else {
            at.index++;
            at.offset = 0;
        }
    }
    return NOTHING;
}

static bool is_idle(const Sequence *s, u32 number)
{
    if (number == NOTHING)
        return false;
    u32 i = condemned_at(&s->idle, number);
    return i < s->idle.n && s->idle.all[i].first <= number;
}

void idle_meet(Sequence *s, u32 left, u32 right)
{
    if (s->condemned.n != 0 && s->knows_idle && (is_idle(s, left) || is_idle(s, right)))
        s->knows_idle = false;
}

/* ---- condemning ------------------------------------------------------------------------------- */

/* Sums that telescope: they do not depend on how the ids are cut into stretches. */
Digest digest_of_condemned(const Sequence *s)
{
    Digest sum = {0};
    for (u32 i = 0; i < s->condemned.n; i++) {
        Condemned c = s->condemned.all[i];
        u64 by = mum(s->replicas->all[dot_replica(c.by)].folded ^ OF_CONDEMNED, dot_sequence(c.by) | (u64)1 << 63);
        while (c.n != 0) {
            u32 index = runs_find(&s->runs, c.first);
            u32 left = run_end(&s->runs, index) - c.first, piece = c.n < left ? c.n : left;
            Dot dot = run_dot(&s->runs.all[index]) + (c.first - s->runs.all[index].first);
            u64 writer = s->replicas->all[dot_replica(dot)].folded, sequence = dot_sequence(dot);
            digest_add(&sum, digest_of(s->path ^ OF_CONDEMNED, writer, sequence + piece, by));
            digest_subtract(&sum, digest_of(s->path ^ OF_CONDEMNED, writer, sequence, by));
            c.first += piece;
            c.n -= piece;
        }
    }
    return sum;
}

static void set_condemned(Sequence *s, CondemnedList *list)
{
    digest_subtract(&s->digest, digest_of_condemned(s));
    condemned_free(&s->condemned);
    s->condemned = *list;
    s->knows_idle = false;
    digest_add(&s->digest, digest_of_condemned(s));
}

int sequence_join_condemned(Sequence *s, CondemnedList *more)
{
    CondemnedList both = {0};
    condemned_sort(more);
    int status = condemned_union(s->replicas, &s->condemned, more, &both);
    if (status == DONE)
        set_condemned(s, &both);
    else
        condemned_free(&both);
    return status;
}

int condemned_adopt(Sequence *s, const Sequence *side)
{
    CondemnedList more = {0};
    int status = DONE;
    for (u32 i = 0; i < side->condemned.n && status == DONE; i++) {
        Condemned c = side->condemned.all[i];
        for (u32 n; c.n != 0 && status == DONE; c.first += n, c.n -= n) {
            u32 number, run = runs_find(&side->runs, c.first), left = run_end(&side->runs, run) - c.first;
            n = runs_stretch(&s->runs, runs_dot(&side->runs, c.first), c.n < left ? c.n : left, &number);
            Point at = tree_locate(&s->tree, number);
            Span span = point_span(&s->tree, at);
            n = n < span_n(span) - at.offset ? n : span_n(span) - at.offset;
            if (span_is_deleted(span))
                status = condemned_append(&more, (Condemned){number, n, c.by});
        }
    }
    if (status == DONE && more.n != 0)
        status = sequence_join_condemned(s, &more);
    condemned_free(&more);
    return status;
}

/* Deleted elements that no other needs and no purge has announced yet. */
static int find_unannounced(const Sequence *s, CondemnedList *out)
{
    CondemnedList deleted = {0}, closed = {0};
    if (s->tree.count == s->tree.visible)
        return DONE;
    int status = all_deleted(s, &deleted);
    if (status == DONE)
        status = find_closed(s, &deleted, &closed, NULL);
    if (status == DONE)
        status = condemned_difference(&closed, &s->condemned, out);
    condemned_free(&deleted);
    condemned_free(&closed);
    return status;
}

int sequence_condemn(Sequence *s, Dot by)
{
    CondemnedList more = {0};
    int status = find_unannounced(s, &more);
    for (u32 i = 0; i < more.n; i++)
        more.all[i].by = by;
    if (status == DONE && more.n != 0)
        status = sequence_join_condemned(s, &more);
    condemned_free(&more);
    return status;
}

/* ---- taking out ------------------------------------------------------------------------------- */

/* What may go: condemned by a purge at or below the cut, or `higher` (by local index; may be NULL). */
static int find_stable(const Sequence *s, const u64 *higher, CondemnedList *out)
{
    int status = DONE;
    for (u32 i = 0; i < s->condemned.n && status == DONE; i++) {
        Condemned c = s->condemned.all[i];
        if (is_stable(s->replicas, c.by) || (higher != NULL && dot_sequence(c.by) <= higher[dot_replica(c.by)]))
            status = condemned_append(out, (Condemned){c.first, c.n, 0});
    }
    return status;
}

u64 sequence_purgeable(const Sequence *s, const u64 *cut)
{
    CondemnedList fresh = {0}, stable = {0}, closed = {0};
    u64 n = 0;
    if (cut != NULL && find_unannounced(s, &fresh) == DONE)
        n = count(&fresh);
    if (find_stable(s, cut, &stable) == DONE && find_closed(s, &stable, &closed, NULL) == DONE)
        n += count(&closed);
    condemned_free(&fresh);
    condemned_free(&stable);
    condemned_free(&closed);
    return n;
}

/* What these elements add to the digest, and the origins of the runs that go as a whole. */
static Digest digest_of_gone(const Sequence *s, const CondemnedList *gone, const u32 *kept)
{
    Digest sum = {0};
    for (u32 i = 0; i < gone->n; i++)
        digest_stretch(s, gone->all[i].first, gone->all[i].n, NULL, &sum);
    for (u32 i = 0; i < s->runs.n; i++) {
        const Run *run = &s->runs.all[i];
        if (kept[i] == run->first)
            digest_add(&sum, digest_of_origins(s, run_dot(run), run->left, run->right));
    }
    return sum;
}

static void take_out(Sequence *s, const Gaps *gaps, u32 *kept)
{
    Condemned *to = s->condemned.all;
    for (u32 i = 0; i < s->condemned.n; i++) {
        Condemned c = s->condemned.all[i];
        c.n = gaps_below(gaps, c.first + c.n) - gaps_below(gaps, c.first);
        c.first = gaps_below(gaps, c.first);
        if (c.n == 0)
            continue;
        if (to > s->condemned.all && to[-1].by == c.by && to[-1].first + to[-1].n == c.first)
            to[-1].n += c.n;
        else
            *to++ = c;
    }
    s->condemned.n = (u32)(to - s->condemned.all);
    log_take_out(&s->log, gaps);
    runs_take_out(&s->runs, gaps, kept);
    s->run = 0;
    s->sibling = NOTHING;
    s->knows_idle = false;
    end_typing(s);
}

int sequence_sweep(Sequence *s)
{
    CondemnedList stable = {0}, gone = {0};
    u32 *kept = NULL;
    size_t kept_bytes = s->runs.n * sizeof(u32);
    Gaps gaps = {0};
    int status = find_stable(s, NULL, &stable);
    if (status == DONE)
        status = find_closed(s, &stable, &gone, &kept);
    if (status == DONE && gone.n != 0)
        status = gaps_open(&gaps, &gone);
    if (status == DONE && gone.n != 0) {
        Digest fewer = digest_of_gone(s, &gone, kept);
        digest_add(&fewer, digest_of_condemned(s));
        status = tree_take_out(&s->tree, &gaps);
        if (status == DONE) {
            take_out(s, &gaps, kept);
            digest_subtract(&s->digest, fewer);
            digest_add(&s->digest, digest_of_condemned(s));
            array_shrink(&s->condemned.all, &s->condemned.capacity, s->condemned.n, sizeof(Condemned));
            condemned_free(&s->idle);
        }
    }
    gaps_close(&gaps);
    if (kept != NULL)
        block_free(kept, kept_bytes);
    condemned_free(&stable);
    condemned_free(&gone);
    return status;
}
