/* The whole of a sequence, for the functions that change it; callers see only sequence.h. */
#ifndef CRDT_SEQUENCE_STATE_H
#define CRDT_SEQUENCE_STATE_H

#include "hash.h"
#include "sequence.h"
#include "sequence_condemned.h"
#include "sequence_log.h"
#include "sequence_runs.h"
#include "sequence_tree.h"

/* The span of the last local edit: the next one is mostly there, so it needs no descent. Any change
 * that came from elsewhere drops it (leaf = NOTHING). */
typedef struct {
    u32 leaf, leaf_start; /* visible elements before the leaf */
    u32 index, unit;      /* the span, and visible elements of the leaf before it */
} Cursor;

/* The last change, when it was an insert of visible elements, local or not: more of the same run
 * lengthens that span, run and content in place. Any other change ends it (next = 0). */
typedef struct {
    Dot next;        /* the id that would go on */
    u32 leaf, index; /* the span */
    u32 unit;        /* of its end */
    u32 position;    /* of its end, when the insert was local; else NOTHING */
} Typing;

struct Sequence {
    Replicas *replicas;
    u64 path;
    Tree tree;
    Runs runs;
    DeleteLog log;
    Cursor cursor;
    Typing typing;
    Digest digest;
    Arena arena;  /* payloads of list items that do not fit a cell */
    Content pile; /* content of the elements deleted since the last settle, in that order */
    u32 run;      /* where to look first for a run: that of the last deleted element or left origin */
    u32 sibling;  /* the last element that had concurrent siblings when it was placed */
    CondemnedList condemned; /* deleted elements that a purge has announced */
    CondemnedList idle;      /* those of them that no other element needs; when knows_idle */
    bool knows_idle;
    bool is_text;
};

/* ---- the digest: sums over elements, each part a function of the state alone -------------- */

/* n visible elements with ids from `first` on. */
Digest digest_of_units(const Sequence *s, Dot first, u32 n, Units units);

/* n deleted elements with ids from `first` on. The sum telescopes, so that it is O(1) and does
 * not depend on how the deleted ids are cut into stretches. */
Digest digest_of_deleted(const Sequence *s, Dot first, u32 n);

/* The origins of an element that does not continue the one before it by id; else nothing. Elements
 * that do continue add nothing, so the sum does not depend on how runs arrived. */
Digest digest_of_origins(const Sequence *s, Dot first, u32 left, u32 right);

/* The same of one that is known not to continue, by the ids of its origins, 0 for the start and the end. */
Digest digest_of_origin_ids(const Sequence *s, Dot first, Dot left, Dot right);

/* The first two for elements that stand in the sequence, by local number: of one kind, added. */
void digest_stretch(const Sequence *s, u32 number, u32 n, const Units *units, Digest *sum);

/* ---- changes by place -------------------------------------------------------------------- */

/* The new elements from tree.count on go to `*at`; deleted ones when `units` is NULL. Their run must
 * be appended next. On ERROR_MEMORY call tree_pop. */
int insert_elements(Sequence *s, Point *at, Dot first, u32 n, const Units *units);

/* Go on with the last insert, when `first` is the id that would: its left origin is the last element,
 * its right origin that of the run. False when it is not, or there is no room in place. */
bool type_on(Sequence *s, Dot first, const Units *units, u32 n);

/* n elements more, which are in the content, at the end of what was inserted last. */
static inline void lengthen(Sequence *s, Leaf *leaf, u32 n)
{
    Typing *typing = &s->typing;
    leaf->spans[typing->index].bits += n;
    tree_count_visible(&s->tree, typing->leaf, n);
    s->tree.count += n;
    s->runs.count += n;
    typing->next += n;
    typing->unit += n;
    if (typing->position != NOTHING)
        typing->position += n;
}

/* The same for one code point: inline, since most edits of a text are that. */
static inline bool type_one(Sequence *s, Dot first, u32 unit)
{
    const Typing *typing = &s->typing;
    if (first != typing->next)
        return false;
    Leaf *leaf = &s->tree.leaves[typing->leaf];
    Content *content = &leaf->content;
    if (content->n >= content->capacity || content->n >= s->tree.leaf_units || s->tree.count >= ELEMENTS_MAX ||
        unit_width(unit) > content->width)
        return false;
    content_put(content, typing->unit, unit);
    u64 writer = s->replicas->all[dot_replica(first)].folded;
    digest_add(&s->digest, digest_of(s->path, writer, dot_sequence(first), unit));
    lengthen(s, leaf, 1);
    return true;
}

/* Remember an insert that has ended at a point. */
void begin_typing(Sequence *s, Dot next, const Point *at, u32 position);

static inline void end_typing(Sequence *s)
{
    s->typing.next = 0;
    s->cursor.leaf = NOTHING;
}

/* Delete the n visible elements from `*at` on, all of one span. With `keep`, their content goes on
 * the pile. */
int delete_elements(Sequence *s, Point *at, u32 n, bool keep);

/* Cut the log to its bound, and free dead payloads when they are a third. Only with an empty pile. */
void sequence_tidy(Sequence *s);

/* The place where the FugueMax order puts a new element, the next to be inserted. */
Point fugue_place(Sequence *s, Dot dot, u32 left, u32 right);

/* Store n items as cells in words[] and heads[]; the arena has the room. */
void store_items(Arena *arena, const Item *items, u32 n, u64 *words, u8 *heads);

static inline Item cell_item(const Sequence *s, const Content *c, u32 i)
{
    return value_item(content_heads(c)[i], &content_words(c)[i], &s->arena);
}

#endif
