/* The invariants numbered in document.h, looked at one by one. For tests: slow and thorough. */
#include "growth.h"
#include "rows.h"

#include <stdlib.h>

static const char *check_container(Document *doc, const Container *c);

static const char *check_dot(const Document *doc, Dot dot)
{
    if (dot_replica(dot) >= doc->replicas.n || dot_sequence(dot) == 0)
        return "an entry without a known writer";
    return is_seen(&doc->replicas, dot) ? NULL : "an entry that is not seen (1)";
}

static const char *check_map_row(Document *doc, const Table *t, u32 row)
{
    const Container *child = map_child(t, row);
    if (child->parent != &t->base || child->row != row)
        return "a child that does not know its row";
    if (t->dot[row] == 0 && (child->more_dots != NULL || container_is_blank(child)))
        return "an ORMap row without presence that holds nothing (5)";
    for (u64 i = 0; child->more_dots != NULL && i < child->more_dots[0]; i++) {
        const char *broken = check_dot(doc, child->more_dots[1 + i]);
        if (broken != NULL)
            return broken;
        for (u64 k = 0; k <= i; k++)
            if (dot_replica(k == 0 ? t->dot[row] : child->more_dots[k]) == dot_replica(child->more_dots[1 + i]))
                return "two presence dots of one writer (5)";
    }
    presence_digest(doc, t, row, true);
    return check_container(doc, child);
}

static const char *check_row(Document *doc, const Table *t, u32 row, u32 *first_of_key)
{
    Item key = t->columns & HAS_KEY ? table_key(t, row) : item_none();
    Probe p = probe_of(&key, doc->seed);
    Matches m = {0};
    u32 at, before = 0;
    bool found = false;
    while ((at = table_next_match(t, &p, &m)) != NO_ROW) {
        found |= at == row;
        before += at < row;
        if (at != row && dot_replica(t->dot[at]) == dot_replica(t->dot[row]))
            return "two entries of one writer under one key (4)";
    }
    if (!found)
        return "a row that the index does not find (3)";
    *first_of_key += before == 0;
    if (before != 0 && !is_dot_store(&t->base))
        return "a key with several entries (4)";
    if (t->columns & HAS_CHILD)
        return t->dot[row] != 0 && check_dot(doc, t->dot[row]) != NULL ? "a presence that is not seen (1)"
                                                                     : check_map_row(doc, t, row);
    row_digest(doc, t, row, true);
    Dot dot = t->dot[row];
    const Latest *latest = table_latest(t);
    if (latest != NULL &&
        latest[row / BLOCK_ROWS].sequence[dot_replica(dot) % WRITER_SLOTS] < dot_sequence(dot))
        return "a row that is later than what its block is said to have";
    return check_dot(doc, dot);
}

static const char *check_table(Document *doc, const Table *t)
{
    u32 keys = 0, tombstones = 0;
    u64 live = 0;
    for (u32 row = 0; row < t->n; row++) {
        const char *broken = check_row(doc, t, row, &keys);
        if (broken != NULL)
            return broken;
        if (t->columns & HAS_CHILD)
            tombstones += t->dot[row] == 0;
        else if (t->columns & HAS_VALUE)
            tombstones += t->value[row] >> 4 == ABSENT;
        live += cell_arena_bytes(t->key[row].head, load64(t->key[row].p));
        if (t->columns & HAS_VALUE)
            live += cell_arena_bytes(t->value[row], t->word[row]);
    }
    if (t->siblings != t->n - keys)
        return "siblings are counted wrong (3)";
    if (t->tombstones != tombstones)
        return "tombstones are counted wrong (3)";
    if (live + arena_dead(&t->arena) != arena_used(&t->arena))
        return "the arena's dead bytes are counted wrong (3)";
    return NULL;
}

static const char *check_counter(Document *doc, const Counter *c)
{
    for (u32 i = 0; i < c->n; i++) {
        const Slot *s = &c->slot[i];
        if (s->up_floor > s->up || s->down_floor > s->down)
            return "a count below its floor (6)";
        for (u32 k = 0; k < i; k++)
            if (c->slot[k].replica == s->replica)
                return "two slots of one writer (6)";
        slot_digest(doc, c, i, true);
        const char *broken = check_dot(doc, dot_of(s->replica, s->sequence));
        if (broken != NULL)
            return broken;
    }
    return NULL;
}

static const char *check_composite(Document *doc, const Composite *c)
{
    const char *broken = NULL;
    for (u16 i = 0; broken == NULL && i < declared_fields(c); i++)
        if (c->field[i] != NULL)
            broken = check_container(doc, c->field[i]);
    for (u32 i = 0; broken == NULL && i < c->extras; i++)
        broken = check_container(doc, c->extra[i].child);
    return broken;
}

static const char *check_container(Document *doc, const Container *c)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return check_counter(doc, (const Counter *)c);
    case OP_LIST:
    case TEXT: {
        const Sequence *s = ((const SequenceNode *)c)->sequence;
        digest_add(&doc->digest, sequence_digest(s));
        return sequence_broken_invariant(s);
    }
    case COMPOSITE:
        return check_composite(doc, (const Composite *)c);
    default:
        return check_table(doc, (const Table *)c);
    }
}

const char *document_broken_invariant(Document *doc)
{
    sums_settle(doc);
    Digest held = doc->digest;
    doc->digest = (Digest){0, 0};
    i32 self = doc->self;
    doc->self = -1; /* so that seen_raise counts every writer but the own one, whose turn is below */
    for (u32 i = 0; i < doc->replicas.n; i++) {
        u64 seen = doc->replicas.all[i].seen;
        if ((i32)i == self)
            continue;
        doc->replicas.all[i].seen = 0;
        seen_raise(doc, (u16)i, seen);
    }
    doc->self = self;
    for (u32 i = 0; i < growth_n(&doc->replicas); i++)
        growth_digest(doc, (u16)i, true);
    u64 stamp = cut_stamp(&doc->replicas);
    if (stamp != 0)
        doc->replicas.growth->stamp = 0;
    cut_stamp_raise(doc, stamp);
    const char *broken = check_container(doc, doc->root);
    Digest recomputed = doc->digest;
    doc->digest = held;
    if (broken != NULL)
        return broken;
    for (u32 i = 0; i < growth_n(&doc->replicas); i++) {
        const Bounds *g = &doc->replicas.growth->of[i];
        if (g->cut > doc->replicas.all[i].seen || g->purged > doc->replicas.all[i].seen)
            return "a cut that is not seen (7)";
        if (g->retirement != 0 && check_dot(doc, g->retirement) != NULL)
            return "a retirement that is not seen (7)";
    }
    u64 *nothing = has_cut(&doc->replicas) ? calloc(doc->replicas.n + 1, sizeof(u64)) : NULL;
    u64 left = nothing == NULL ? 0 : document_overdue(doc, nothing);
    free(nothing);
    if (left != 0)
        return "something below the cut that should be purged (7)";
    if (recomputed.low != held.low || recomputed.high != held.high)
        return "the digest is not the sum over the state (2)";
    return NULL;
}
