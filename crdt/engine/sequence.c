#include "sequence_state.h"

/* ---- life -------------------------------------------------------------------------------- */

static void start(Sequence *s, Replicas *replicas, bool is_text, u64 path)
{
    u8 width = is_text ? 1 : CELL_WIDTH;
    *s = (Sequence){
        .replicas = replicas,
        .path = path,
        .tree = {.root = NOTHING,
                 .first_leaf = NOTHING,
                 .leaf_units = is_text ? TEXT_LEAF_UNITS : LIST_LEAF_UNITS,
                 .unit_width = width},
        .cursor.leaf = NOTHING,
        .pile.width = width,
        .is_text = is_text,
    };
}

Sequence *sequence_new(Replicas *replicas, bool is_text, u64 path)
{
    Sequence *s = block_resize(NULL, 0, sizeof(Sequence));
    if (s != NULL)
        start(s, replicas, is_text, path);
    return s;
}

static void free_parts(Sequence *s)
{
    tree_free(&s->tree);
    runs_free(&s->runs);
    log_free(&s->log);
    arena_free(&s->arena);
    content_free(&s->pile);
    condemned_free(&s->condemned);
    condemned_free(&s->idle);
}

void sequence_free(Sequence *s)
{
    if (s == NULL)
        return;
    free_parts(s);
    block_free(s, sizeof(Sequence));
}

void sequence_empty(Sequence *s)
{
    free_parts(s);
    start(s, s->replicas, s->is_text, s->path);
}

Sequence *sequence_clone(const Sequence *s, Replicas *replicas)
{
    Sequence *copy = sequence_new(replicas, s->is_text, s->path);
    if (copy == NULL)
        return NULL;
    copy->digest = s->digest;
    if (tree_copy(&copy->tree, &s->tree) != DONE || runs_copy(&copy->runs, &s->runs) != DONE ||
        log_copy(&copy->log, &s->log) != DONE || condemned_copy(&copy->condemned, &s->condemned) != DONE ||
        arena_copy(&copy->arena, &s->arena) != DONE) {
        sequence_free(copy);
        return NULL;
    }
    return copy;
}

size_t sequence_memory(const Sequence *s)
{
    return block_footprint(sizeof(Sequence)) + tree_memory(&s->tree) + runs_memory(&s->runs) +
           log_memory(&s->log) + arena_memory(&s->arena) +
           block_footprint(content_bytes(&s->pile)) +
           block_footprint((s->condemned.capacity + s->idle.capacity) * sizeof(Condemned));
}

/* Rewrite the live payloads of a list into a new arena. Out of memory, the old one goes on. */
static void compact(Sequence *s)
{
    Arena fresh = {0};
    if (arena_reserve(&fresh, arena_used(&s->arena) - arena_dead(&s->arena)) != DONE)
        return;
    for (u32 place = 0; place < s->tree.n_leaves; place++) {
        Content *content = &s->tree.leaves[place].content;
        for (u32 i = 0; i < content->n; i++) {
            Item item = cell_item(s, content, i);
            if (item.p != (const u8 *)&content_words(content)[i]) {
                u64 reference = cell_reference(arena_put(&fresh, item.p, item.n), item.n);
                memcpy(content->p + (size_t)i * 8, &reference, 8);
            }
        }
    }
    arena_free(&s->arena);
    s->arena = fresh;
}

void sequence_settle(Sequence *s)
{
    if (s->pile.n > 256)
        content_free(&s->pile);
    s->pile.n = 0;
    sequence_tidy(s);
}

void sequence_give_back(Sequence *s)
{
    const Gaps none = {0};
    sequence_settle(s);
    if (tree_is_loose(&s->tree) && tree_take_out(&s->tree, &none) == DONE)
        end_typing(s); /* it names leaves */
}

void sequence_tidy(Sequence *s)
{
    if (s->log.n > log_bound(s->runs.n))
        log_trim(&s->log, s->runs.n);
    if (arena_is_wasteful(&s->arena))
        compact(s);
}

/* ---- reads ------------------------------------------------------------------------------- */

u32 sequence_length(const Sequence *s)
{
    return s->tree.visible;
}

bool sequence_is_blank(const Sequence *s)
{
    return s->tree.count == 0;
}

Digest sequence_digest(const Sequence *s)
{
    return s->digest;
}

u32 text_widest(const Sequence *s, u32 position, u32 n)
{
    u32 all = 0;
    SequenceWalk walk = walk_start(s, position);
    while (n != 0) {
        const Leaf *leaf = &s->tree.leaves[walk.leaf];
        u32 here = leaf->content.n - walk.unit;
        here = here < n ? here : n;
        if (here != 0)
            all |= units_or(content_units(&leaf->content, walk.unit).p, leaf->content.width, here);
        n -= here;
        walk.leaf = leaf->next;
        walk.unit = 0;
    }
    return all < 0x10ffff ? all : 0x10ffff;
}

void text_copy(const Sequence *s, u32 position, u32 n, void *out, int width)
{
    u8 *to = out;
    SequenceWalk walk = walk_start(s, position);
    while (n != 0) {
        const Leaf *leaf = &s->tree.leaves[walk.leaf];
        u32 here = leaf->content.n - walk.unit;
        here = here < n ? here : n;
        if (here != 0)
            units_convert(to, (u8)width, content_units(&leaf->content, walk.unit).p,
                          leaf->content.width, here);
        to += (size_t)here * (size_t)width;
        n -= here;
        walk.leaf = leaf->next;
        walk.unit = 0;
    }
}

Item list_item(const Sequence *s, u32 position)
{
    u32 leaf_start;
    Point at = tree_find(&s->tree, position, &leaf_start);
    return cell_item(s, &s->tree.leaves[at.leaf].content, at.unit);
}

SequenceWalk walk_start(const Sequence *s, u32 position)
{
    if (position >= s->tree.visible)
        return (SequenceWalk){s, NOTHING, 0};
    u32 leaf_start;
    Point at = tree_find(&s->tree, position, &leaf_start);
    return (SequenceWalk){s, at.leaf, at.unit};
}

bool walk_next(SequenceWalk *walk, Item *item)
{
    const Sequence *s = walk->sequence;
    while (walk->leaf != NOTHING) {
        const Leaf *leaf = &s->tree.leaves[walk->leaf];
        if (walk->unit < leaf->content.n) {
            *item = s->is_text ? item_integer(content_unit(&leaf->content, walk->unit))
                               : cell_item(s, &leaf->content, walk->unit);
            walk->unit++;
            return true;
        }
        walk->leaf = leaf->next;
        walk->unit = 0;
    }
    return false;
}

int sequence_dot_at(const Sequence *s, u32 position, Dot *dot)
{
    if (position >= s->tree.visible)
        return ERROR_RANGE;
    u32 leaf_start;
    Point at = tree_find(&s->tree, position, &leaf_start);
    *dot = runs_dot(&s->runs, point_span(&s->tree, at).first + at.offset);
    return DONE;
}

int sequence_position_of(const Sequence *s, Dot dot, u32 *position, bool *visible)
{
    u32 number = runs_number(&s->runs, dot);
    if (number == NOTHING)
        return ERROR_RANGE;
    Point at = tree_locate(&s->tree, number);
    *position = tree_rank(&s->tree, at);
    *visible = !span_is_deleted(point_span(&s->tree, at));
    return DONE;
}

void sequence_forget_deleter(Sequence *s, u16 replica)
{
    log_forget(&s->log, replica);
}
