#include "sequence_state.h"

/* ---- digest ------------------------------------------------------------------------------ */

static const u64 OF_DELETED = 0x8bb84b93962eacc9ull, OF_ORIGINS = 0x2d358dccaa6c78a5ull;

Digest digest_of_units(const Sequence *s, Dot first, u32 n, Units units)
{
    u64 writer = s->replicas->all[dot_replica(first)].folded, sequence = dot_sequence(first);
    Digest sum = {0};
    if (units.width == 1) {
        for (u32 i = 0; i < n; i++)
            digest_add(&sum, digest_of(s->path, writer, sequence + i, units.p[i]));
    } else if (s->is_text) {
        for (u32 i = 0; i < n; i++)
            digest_add(&sum, digest_of(s->path, writer, sequence + i, unit_at(units.p, units.width, i)));
    } else {
        const u64 *words = (const u64 *)(const void *)units.p;
        for (u32 i = 0; i < n; i++) {
            Item item = value_item(units.heads[i], &words[i], &s->arena);
            digest_add(&sum, digest_of(s->path, writer, sequence + i, item_fold(&item)));
        }
    }
    return sum;
}

Digest digest_of_deleted(const Sequence *s, Dot first, u32 n)
{
    u64 writer = s->replicas->all[dot_replica(first)].folded, sequence = dot_sequence(first);
    Digest d = digest_of(s->path ^ OF_DELETED, writer, sequence + n, 0);
    digest_subtract(&d, digest_of(s->path ^ OF_DELETED, writer, sequence, 0));
    return d;
}

static u64 fold_id(const Sequence *s, Dot dot)
{
    u64 writer = s->replicas->all[dot_replica(dot)].folded;
    return mum(writer ^ 0x4b33a62ed433d4a3ull, dot_sequence(dot) ^ 0x4d5a2da51de1aa47ull) | 1;
}

Digest digest_of_origins(const Sequence *s, Dot first, u32 left, u32 right)
{
    Dot left_dot = 0, right_dot = 0;
    if (left != NOTHING) {
        const Run *run = &s->runs.all[runs_find_near(&s->runs, left, s->run)];
        left_dot = run_dot(run) + (left - run->first);
        if (left_dot + 1 == first && run->right == right)
            return (Digest){0};
    }
    if (right != NOTHING) {
        const Run *run = &s->runs.all[runs_find_near(&s->runs, right, s->run)];
        right_dot = run_dot(run) + (right - run->first);
    }
    return digest_of_origin_ids(s, first, left_dot, right_dot);
}

Digest digest_of_origin_ids(const Sequence *s, Dot first, Dot left, Dot right)
{
    u64 left_id = left == 0 ? 0 : fold_id(s, left), right_id = right == 0 ? 0 : fold_id(s, right);
    u64 writer = s->replicas->all[dot_replica(first)].folded;
    u64 origins = mum(left_id ^ 0xa0761d6478bd642full, right_id ^ 0xe7037ed1a0b428dbull);
    return digest_of(s->path ^ OF_ORIGINS, writer, dot_sequence(first), origins);
}

void digest_stretch(const Sequence *s, u32 number, u32 n, const Units *units, Digest *sum)
{
    Units rest = units != NULL ? *units : (Units){0};
    while (n != 0) {
        u32 index = runs_find(&s->runs, number);
        const Run *run = &s->runs.all[index];
        u32 left = run_end(&s->runs, index) - number;
        u32 piece = n < left ? n : left;
        Dot first = run_dot(run) + (number - run->first);
        digest_add(sum, units != NULL ? digest_of_units(s, first, piece, rest)
                                      : digest_of_deleted(s, first, piece));
        if (units != NULL)
            rest = units_after(rest, piece);
        number += piece;
        n -= piece;
    }
}

/* ---- changes ----------------------------------------------------------------------------- */

int insert_elements(Sequence *s, Point *at, Dot first, u32 n, const Units *units)
{
    int status = tree_insert(&s->tree, at, n, units);
    if (status == DONE)
        digest_add(&s->digest, units != NULL ? digest_of_units(s, first, n, *units)
                                             : digest_of_deleted(s, first, n));
    return status;
}

bool type_on(Sequence *s, Dot first, const Units *units, u32 n)
{
    const Typing *typing = &s->typing;
    if (n == 1 && s->is_text)
        return type_one(s, first, unit_at(units->p, units->width, 0));
    if (first != typing->next)
        return false;
    Leaf *leaf = &s->tree.leaves[typing->leaf];
    Content *content = &leaf->content;
    u32 capacity = content->capacity < s->tree.leaf_units ? content->capacity : s->tree.leaf_units;
    if (n > capacity || content->n > capacity - n || n > ELEMENTS_MAX - s->tree.count ||
        units_width(*units, n) > content->width)
        return false;
    content_insert(content, typing->unit, *units, n);
    digest_add(&s->digest, digest_of_units(s, first, n, *units));
    lengthen(s, leaf, n);
    return true;
}

void begin_typing(Sequence *s, Dot next, const Point *at, u32 position)
{
    s->typing.next = 0;
    if (at->index == 0 || at->offset != 0 ||
        span_is_deleted(s->tree.leaves[at->leaf].spans[at->index - 1]))
        return;
    s->typing = (Typing){next, at->leaf, at->index - 1, at->unit, position};
}

/* What these cells hold in the arena. */
static u64 arena_bytes(Units units, u32 n)
{
    u64 bytes = 0;
    for (u32 i = 0; i < n; i++)
        if ((units.heads[i] & 15) == IN_ARENA)
            bytes += load64(units.p + (size_t)i * 8) & 0xffffff;
    return bytes;
}

/* Turn n elements from visible to deleted in the digest. */
static Digest digest_of_deletion(Sequence *s, u32 number, u32 n, Units units)
{
    Digest sum = {0};
    while (n != 0) {
        s->run = runs_find_near(&s->runs, number, s->run);
        const Run *run = &s->runs.all[s->run];
        u32 left = run_end(&s->runs, s->run) - number;
        u32 piece = n < left ? n : left;
        Dot first = run_dot(run) + (number - run->first);
        digest_add(&sum, digest_of_deleted(s, first, piece));
        if (piece == 1 && units.width == 1) {
            u64 writer = s->replicas->all[dot_replica(first)].folded;
            digest_subtract(&sum, digest_of(s->path, writer, dot_sequence(first), units.p[0]));
        } else {
            digest_subtract(&sum, digest_of_units(s, first, piece, units));
        }
        units = units_after(units, piece);
        number += piece;
        n -= piece;
    }
    return sum;
}

int delete_elements(Sequence *s, Point *at, u32 n, bool keep)
{
    const Content *content = &s->tree.leaves[at->leaf].content;
    Units units = content_units(content, at->unit);
    if (keep && content_reserve(&s->pile, n, content->width) != DONE)
        return ERROR_MEMORY;
    u32 number = point_span(&s->tree, *at).first + at->offset;
    Digest change = digest_of_deletion(s, number, n, units);
    u64 dead = s->is_text ? 0 : arena_bytes(units, n);
    if (keep)
        content_insert(&s->pile, s->pile.n, units, n);
    int status = tree_delete(&s->tree, at, n);
    if (status != DONE) {
        if (keep)
            s->pile.n -= n;
        return status;
    }
    digest_add(&s->digest, change);
    arena_bury(&s->arena, dead);
    return DONE;
}

void store_items(Arena *arena, const Item *items, u32 n, u64 *words, u8 *heads)
{
    for (u32 i = 0; i < n; i++)
        heads[i] = value_store(&items[i], &words[i], arena);
}
