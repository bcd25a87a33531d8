/* Lists and texts: what one state alone has of them, done again on another. */
#include "rebase.h"

#include <stdlib.h>

int delete_observed(Rebase *r, SequenceNode *to, const SequenceNode *from)
{
    u32 end = 0, n = 0; /* of the stretch that goes, found from the back */
    for (u32 at = sequence_length(to->sequence); at-- > 0;) {
        Dot dot;
        u32 position;
        bool visible = false;
        int status = sequence_dot_at(to->sequence, at, &dot);
        if (status < 0)
            return status;
        bool goes = is_observed(r, dot) &&
                    (from == NULL || sequence_position_of(from->sequence, dot_here(r, dot), &position, &visible) < 0 ||
                     !visible);
        if (goes)
            end = n++ == 0 ? at + 1 : end;
        if (n != 0 && (!goes || at == 0)) {
            status = node_delete(r->onto, to, end - n, n, ONE_EVENT);
            if (status < 0)
                return status;
            n = 0;
        }
    }
    return DONE;
}

/* Insert n visible elements of `from`, from `first` on, at a position. */
static int insert_again(Rebase *r, SequenceNode *to, const SequenceNode *from, u32 first, u32 n, u32 position)
{
    if (n == 0)
        return DONE;
    bool is_text = container_kind(&from->base) == TEXT;
    void *units = malloc((size_t)n * (is_text ? sizeof(u32) : sizeof(Item)));
    if (units == NULL)
        return ERROR_MEMORY;
    int status;
    if (is_text) {
        text_copy(from->sequence, first, n, units, 4);
        status = node_insert_text(r->onto, to, position, units, 4, n);
    } else {
        SequenceWalk walk = walk_start(from->sequence, first);
        Item *items = units;
        for (u32 i = 0; i < n; i++)
            (void)walk_next(&walk, &items[i]);
        for (u32 i = 0; i < n; i++) /* short payloads lie in the item that is walked over */
            if (items[i].p == (const u8 *)&items[i].word)
                items[i].p = NULL;
        status = node_insert_items(r->onto, to, position, items, n);
    }
    free(units);
    return status < 0 ? status : DONE;
}

/* New elements go behind the nearest one before them that is still known. */
int rebase_sequence(Rebase *r, SequenceNode *to, const SequenceNode *from)
{
    int status = delete_observed(r, to, from);
    u32 length = from == NULL ? 0 : sequence_length(from->sequence), cursor = 0, first = 0, n = 0;
    for (u32 at = 0; at < length && status == DONE; at++) {
        Dot dot;
        status = sequence_dot_at(from->sequence, at, &dot);
        if (status < 0)
            return status;
        if (is_alone(r, dot)) {
            first = n++ == 0 ? at : first;
            continue;
        }
        status = insert_again(r, to, from, first, n, cursor);
        cursor += n;
        n = 0;
        u32 position;
        bool visible;
        if (r->there[dot_replica(dot)] < 0)
            continue; /* not to be made again */
        Dot there = dot_of((u16)r->there[dot_replica(dot)], dot_sequence(dot));
        if (sequence_position_of(to->sequence, there, &position, &visible) >= 0)
            cursor = position + visible;
    }
    return status == DONE ? insert_again(r, to, from, first, n, cursor) : status;
}
