/* The content of one leaf: an array of units in document order, one per visible element.
 *
 * A unit of a text is a code point in 1, 2 or 4 bytes, the narrowest that all of the leaf have
 * needed; so one wide character widens one leaf, not the text. A unit of a list is a value cell
 * (item.h): the words of all cells come first, then their heads.
 */
#ifndef CRDT_SEQUENCE_CONTENT_H
#define CRDT_SEQUENCE_CONTENT_H

#include "item.h"

enum { CELL_WIDTH = 9, TEXT_LEAF_UNITS = 1024, LIST_LEAF_UNITS = 256 };

typedef struct {
    u8 *p;
    u32 capacity, n; /* units */
    u8 width;        /* bytes a unit: 1, 2, 4, or CELL_WIDTH */
} Content;

/* Units somewhere else: `width` bytes each, or words (at `p`) and heads for CELL_WIDTH. */
typedef struct {
    const u8 *p, *heads;
    u8 width;
} Units;

static inline Units units_after(Units units, u32 n)
{
    units.p += (size_t)n * (units.width == CELL_WIDTH ? 8 : units.width);
    if (units.width == CELL_WIDTH)
        units.heads += n;
    return units;
}

static inline u32 unit_at(const void *p, u8 width, u32 i)
{
    switch (width) {
    case 1:
        return ((const u8 *)p)[i];
    case 2:
        return ((const u16 *)p)[i];
    default:
        return ((const u32 *)p)[i];
    }
}

/* Bytes that a code point, or the or of several, needs. */
static inline u8 unit_width(u32 unit)
{
    return unit < 0x100 ? 1 : unit < 0x10000 ? 2 : 4;
}

static inline u32 content_unit(const Content *c, u32 i)
{
    return unit_at(c->p, c->width, i);
}

static inline const u64 *content_words(const Content *c)
{
    return (const u64 *)(const void *)c->p;
}

static inline const u8 *content_heads(const Content *c)
{
    return c->p + (size_t)c->capacity * 8;
}

static inline Units content_units(const Content *c, u32 from)
{
    Units all = {c->p, c->width == CELL_WIDTH ? content_heads(c) : NULL, c->width};
    return units_after(all, from);
}

static inline size_t content_bytes(const Content *c)
{
    return (size_t)c->capacity * c->width;
}

/* The or of n code points: needs as many bytes as the widest of them. */
u32 units_or(const void *p, u8 width, u32 n);

/* Bytes a unit these units need in a leaf. */
u8 units_width(Units units, u32 n);

void units_convert(void *to, u8 to_width, const void *from, u8 from_width, u32 n);

/* Room for `more` units of up to `width` bytes. */
int content_reserve(Content *c, u32 more, u8 width);

/* Into reserved room. */
void content_insert(Content *c, u32 at, Units units, u32 n);
void content_remove(Content *c, u32 at, u32 n);

/* Turn the units from `from` on round. */
void content_reverse(Content *c, u32 from);

/* One code point into reserved room of its width: a keystroke. */
static inline void content_put(Content *c, u32 at, u32 unit)
{
    u8 *p = c->p + (size_t)at * c->width;
    if (at != c->n)
        memmove(p + c->width, p, (size_t)(c->n - at) * c->width);
    if (c->width == 1)
        *p = (u8)unit;
    else if (c->width == 2)
        *(u16 *)(void *)p = (u16)unit;
    else
        *(u32 *)(void *)p = unit;
    c->n++;
}

/* Make an empty one of these, as narrow as can be and with no room to spare. */
int content_make(Content *c, Units units, u32 n);

/* Append the units from `at` on to `to`, which has the room, and cut them off. */
void content_move_tail(Content *c, u32 at, Content *to);

void content_free(Content *c);

#endif
