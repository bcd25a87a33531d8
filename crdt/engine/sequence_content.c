#include "sequence_content.h"

u32 units_or(const void *p, u8 width, u32 n)
{
    u32 all = 0;
    if (width == 1) {
        for (u32 i = 0; i < n; i++)
            all |= ((const u8 *)p)[i];
    } else if (width == 2) {
        for (u32 i = 0; i < n; i++)
            all |= ((const u16 *)p)[i];
    } else {
        for (u32 i = 0; i < n; i++)
            all |= ((const u32 *)p)[i];
    }
    return all;
}

u8 units_width(Units units, u32 n)
{
    if (units.width == 1 || units.width == CELL_WIDTH)
        return units.width;
    return unit_width(units_or(units.p, units.width, n));
}

void units_convert(void *to, u8 to_width, const void *from, u8 from_width, u32 n)
{
    if (to_width == from_width) {
        memmove(to, from, (size_t)n * to_width);
        return;
    }
    for (u32 i = 0; i < n; i++) {
        u32 unit = unit_at(from, from_width, i);
        if (to_width == 1)
            ((u8 *)to)[i] = (u8)unit;
        else if (to_width == 2)
            ((u16 *)to)[i] = (u16)unit;
        else
            ((u32 *)to)[i] = unit;
    }
}

static int resize(Content *c, u32 capacity)
{
    size_t old_bytes = content_bytes(c), new_bytes = (size_t)capacity * c->width;
    bool cells = c->width == CELL_WIDTH && c->p != NULL;
    if (cells && capacity < c->capacity)
        memmove(c->p + (size_t)capacity * 8, content_heads(c), c->n);
    u8 *p = block_resize(c->p, old_bytes, new_bytes);
    if (p == NULL && new_bytes != 0) {
        if (cells && capacity < c->capacity)
            memmove(c->p + (size_t)c->capacity * 8, c->p + (size_t)capacity * 8, c->n);
        return ERROR_MEMORY;
    }
    if (cells && capacity > c->capacity)
        memmove(p + (size_t)capacity * 8, p + (size_t)c->capacity * 8, c->n);
    c->p = p;
    c->capacity = capacity;
    return DONE;
}

/* A quarter more than needed, of few little more; but a full leaf has no slack. */
static u32 generous(u32 need, u8 width)
{
    u32 full = width == CELL_WIDTH ? LIST_LEAF_UNITS : TEXT_LEAF_UNITS, capacity = need + need / 4 + (need < 8 ? 1 : 8);
    return need <= full && capacity > full ? full : capacity;
}

int content_reserve(Content *c, u32 more, u8 width)
{
    u32 need = c->n + more;
    bool fits = need <= c->capacity;
    if (likely(fits && width <= c->width))
        return DONE;
    u32 capacity = fits ? c->capacity : generous(need, c->width);
    if (width <= c->width || c->p == NULL) {
        if (width > c->width)
            c->width = width;
        return resize(c, capacity);
    }
    u8 *p = block_resize(NULL, 0, (size_t)capacity * width);
    if (p == NULL)
        return ERROR_MEMORY;
    units_convert(p, width, c->p, c->width, c->n);
    block_free(c->p, content_bytes(c));
    c->p = p;
    c->capacity = capacity;
    c->width = width;
    return DONE;
}

/* Move the units [from, n) to begin at `to`. */
static void shift(Content *c, u32 from, u32 to)
{
    size_t n = c->n - from;
    if (c->width != CELL_WIDTH) {
        memmove(c->p + (size_t)to * c->width, c->p + (size_t)from * c->width, n * c->width);
        return;
    }
    u8 *heads = c->p + (size_t)c->capacity * 8;
    memmove(c->p + (size_t)to * 8, c->p + (size_t)from * 8, n * 8);
    memmove(heads + to, heads + from, n);
}

void content_insert(Content *c, u32 at, Units units, u32 n)
{
    if (at != c->n)
        shift(c, at, at + n);
    if (c->width == CELL_WIDTH) {
        memcpy(c->p + (size_t)at * 8, units.p, (size_t)n * 8);
        memcpy(c->p + (size_t)c->capacity * 8 + at, units.heads, n);
    } else {
        units_convert(c->p + (size_t)at * c->width, c->width, units.p, units.width, n);
    }
    c->n += n;
}

void content_remove(Content *c, u32 at, u32 n)
{
    if (at + n != c->n)
        shift(c, at + n, at);
    c->n -= n;
    if (c->capacity > 16 && c->n < c->capacity / 4)
        (void)resize(c, c->n + c->n / 8); /* when refused, the old block is merely large */
}

void content_reverse(Content *c, u32 from)
{
    size_t width = c->width == CELL_WIDTH ? 8 : c->width;
    u8 kept[8], *heads = c->width == CELL_WIDTH ? c->p + (size_t)c->capacity * 8 : NULL;
    for (u32 i = from, j = c->n; i + 1 < j; i++) {
        u8 *a = c->p + i * width, *b = c->p + --j * width;
        memcpy(kept, a, width);
        memcpy(a, b, width);
        memcpy(b, kept, width);
        if (heads != NULL) {
            u8 head = heads[i];
            heads[i] = heads[j];
            heads[j] = head;
        }
    }
}

int content_make(Content *c, Units units, u32 n)
{
    c->width = units_width(units, n);
    int status = resize(c, n);
    if (status == DONE)
        content_insert(c, 0, units, n);
    return status;
}

void content_move_tail(Content *c, u32 at, Content *to)
{
    u32 n = c->n - at;
    if (n == 0)
        return;
    content_insert(to, to->n, content_units(c, at), n);
    content_remove(c, at, n);
    u32 enough = generous(c->n, c->width);
    if (c->capacity > enough)
        (void)resize(c, enough); /* when refused, the old block is merely large */
}

void content_free(Content *c)
{
    block_free(c->p, content_bytes(c));
    *c = (Content){.width = c->width};
}
