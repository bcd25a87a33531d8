#include "sequence_fill.h"

#include "sequence_apply.h"

void fill_open(Filling *f, Sequence *s, const Decoder *d)
{
    f->s = s;
    f->d = d;
    f->n = 0;
    f->width = s->tree.unit_width;
}

static Units units_from(const Filling *f, u32 from)
{
    if (f->width == CELL_WIDTH)
        return (Units){(const u8 *)(f->words + from), f->heads + from, CELL_WIDTH};
    return f->width == 1 ? (Units){f->narrow + from, NULL, 1} : (Units){(const u8 *)(f->wide + from), NULL, 4};
}

static int end_leaf(Filling *f)
{
    Tree *t = &f->s->tree;
    int status = DONE;
    if (f->n != 0)
        status = content_make(&t->leaves[t->n_leaves - 1].content, units_from(f, 0), f->n);
    t->visible += f->n;
    f->n = 0;
    f->width = t->unit_width;
    return status;
}

static u32 room_for(const Filling *f, Span span)
{
    u32 room = packed_units(&f->s->tree) - f->n;
    return span_is_deleted(span) || span_n(span) < room ? span_n(span) : room;
}

/* How much of a span the last leaf takes, after beginning one if need be; 0 when out of memory. */
static u32 make_room(Filling *f, Span span)
{
    Tree *t = &f->s->tree;
    if (t->n_leaves != 0) {
        const Leaf *leaf = &t->leaves[t->n_leaves - 1];
        u32 room = room_for(f, span);
        if (room != 0 && (leaf->n < PACKED_SPANS || span_continues(leaf->spans[leaf->n - 1], span)))
            return room;
        if (end_leaf(f) != DONE)
            return 0;
    }
    if (tree_reserve(&t->leaves, &t->leaf_capacity, t->n_leaves + 1, sizeof(Leaf)) != DONE)
        return 0;
    t->leaves[t->n_leaves++] = (Leaf){.content.width = t->unit_width};
    return room_for(f, span);
}

static void put_span(Leaf *leaf, Span span)
{
    if (leaf->n != 0 && span_continues(leaf->spans[leaf->n - 1], span))
        leaf->spans[leaf->n - 1].bits += span_n(span);
    else
        leaf->spans[leaf->n++] = span;
}

static void put_text(Filling *f, u32 n, const u8 **content)
{
    u32 ascii = f->width == 1 ? count_ascii(*content, n) : 0;
    memcpy(f->narrow + f->n, *content, ascii);
    *content += ascii;
    f->n += ascii;
    if (ascii != n && f->width == 1) {
        units_convert(f->wide, 4, f->narrow, 1, f->n);
        f->width = 4;
    }
    for (u32 i = ascii; i < n; i++)
        f->wide[f->n++] = next_code_point(content);
}

static int put_items(Filling *f, u32 n, const u8 **content)
{
    Arena *arena = &f->s->arena;
    Reader in = f->d->in;
    in.p = *content;
    for (u32 i = 0; i < n; i++, f->n++) {
        Item item;
        (void)read_value(&in, &item);
        if (arena_reserve(arena, value_arena_bytes(&item)) != DONE)
            return ERROR_MEMORY;
        store_items(arena, &item, 1, f->words + f->n, f->heads + f->n);
    }
    *content = in.p;
    return DONE;
}

static int put_units(Filling *f, Dot first, u32 n, const u8 **content)
{
    u32 from = f->n;
    int status = DONE;
    if (f->s->is_text)
        put_text(f, n, content);
    else
        status = put_items(f, n, content);
    if (status == DONE)
        digest_add(&f->s->digest, digest_of_units(f->s, first, n, units_from(f, from)));
    return status;
}

int fill_on(Filling *f, Span span, Dot first, const u8 **content)
{
    Sequence *s = f->s;
    u32 kind = span.bits & SPAN_DELETED;
    if (kind != 0)
        digest_add(&s->digest, digest_of_deleted(s, first, span_n(span)));
    while (span_n(span) != 0) {
        u32 n = make_room(f, span);
        if (n == 0 || (kind == 0 && put_units(f, first, n, content) != DONE))
            return ERROR_MEMORY;
        put_span(&s->tree.leaves[s->tree.n_leaves - 1], (Span){span.first, n | kind});
        span = (Span){span.first + n, (span_n(span) - n) | kind};
        first += n;
    }
    return DONE;
}

int fill_close(Filling *f)
{
    Tree *t = &f->s->tree;
    t->count = f->s->runs.count;
    int status = end_leaf(f);
    return status == DONE ? tree_raise(t) : status;
}
