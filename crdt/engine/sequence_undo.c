/* Taking back local edits, newest first: the numbers of the last insert are the highest, the last
 * delete is the end of the log, and what it deleted is the top of the pile. */
#include "sequence_state.h"

static void subtract_units(Sequence *s, u32 number, u32 n)
{
    while (n != 0) {
        Point at = tree_locate(&s->tree, number);
        u32 left = span_n(point_span(&s->tree, at)) - at.offset;
        u32 piece = n < left ? n : left;
        Units units = content_units(&s->tree.leaves[at.leaf].content, at.unit);
        Digest sum = {0};
        digest_stretch(s, number, piece, &units, &sum);
        digest_subtract(&s->digest, sum);
        if (!s->is_text)
            for (u32 i = 0; i < piece; i++) {
                Item item = cell_item(s, &s->tree.leaves[at.leaf].content, at.unit + i);
                arena_bury(&s->arena, value_arena_bytes(&item));
            }
        number += piece;
        n -= piece;
    }
}

int sequence_undo_insert(Sequence *s, Dot first, u32 n)
{
    if (n == 0)
        return DONE;
    u32 number = s->tree.count - n;
    u32 left = runs_left(&s->runs, number), right = runs_right(&s->runs, number);
    subtract_units(s, number, n);
    tree_pop(&s->tree, n);
    runs_pop(&s->runs, n);
    digest_subtract(&s->digest, digest_of_origins(s, first, left, right));
    end_typing(s);
    return DONE;
}

static int revive(Sequence *s, u32 number, u32 n, Units units)
{
    while (n != 0) {
        Point at = tree_locate(&s->tree, number);
        u32 left = span_n(point_span(&s->tree, at)) - at.offset;
        u32 piece = n < left ? n : left;
        int status = tree_revive(&s->tree, &at, piece, units);
        if (status != DONE)
            return status;
        Digest before = {0}, after = {0};
        digest_stretch(s, number, piece, NULL, &before);
        digest_stretch(s, number, piece, &units, &after);
        digest_subtract(&s->digest, before);
        digest_add(&s->digest, after);
        units = units_after(units, piece);
        number += piece;
        n -= piece;
    }
    return DONE;
}

int sequence_undo_delete(Sequence *s, Dot first, u32 events)
{
    end_typing(s);
    while (events != 0) {
        DeletionKind kind;
        u32 number, n = log_pop(&s->log, first + events - 1, events, &number, &kind);
        if (n == 0) { /* no more of this event */
            events--;
            continue;
        }
        if (kind == EACH_BACKWARD)
            content_reverse(&s->pile, s->pile.n - n);
        Units units = content_units(&s->pile, s->pile.n - n);
        int status = revive(s, number, n, units);
        if (status != DONE)
            return status;
        if (!s->is_text)
            for (u32 i = s->pile.n - n; i < s->pile.n; i++) {
                Item item = cell_item(s, &s->pile, i);
                arena_revive(&s->arena, value_arena_bytes(&item));
            }
        content_remove(&s->pile, s->pile.n - n, n);
        events -= kind == ONE_EVENT ? 0 : n - 1;
    }
    return DONE;
}
