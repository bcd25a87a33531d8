/* The tree: making, copying, measuring and freeing containers of every kind. */
#include "document.h"

#include <stdlib.h>

bool shape_is_valid(Shape s)
{
    for (;; s = shape_of_children(s)) {
        Kind kind = shape_kind(s);
        if (kind < GCOUNTER || kind > KIND_MAX)
            return false;
        if (kind != OR_MAP)
            return shape_of_children(s) == 0;
    }
}

u8 table_columns(Shape shape)
{
    switch (shape_kind(shape)) {
    case GSET:
    case ORSET:
        return HAS_KEY;
    case LWW_REGISTER:
        return HAS_VALUE | HAS_STAMP;
    case MV_REGISTER:
        return HAS_VALUE;
    case LWW_MAP:
        return HAS_KEY | HAS_VALUE | HAS_STAMP;
    case OR_MAP:
        return HAS_KEY | HAS_CHILD;
    default:
        return 0;
    }
}

/* A composite and the places of its fields are one block. */
static size_t composite_bytes(const Schema *schema)
{
    return sizeof(Composite) + (schema == NULL ? 0 : schema->n * sizeof(Container *));
}

static Container *allocate(Document *doc, Shape shape, const Schema *schema, u64 path)
{
    switch (shape_kind(shape)) {
    case GCOUNTER:
    case PNCOUNTER:
        return calloc(1, sizeof(Counter));
    case OP_LIST:
    case TEXT: {
        SequenceNode *s = calloc(1, sizeof(SequenceNode));
        if (s == NULL)
            return NULL;
        s->sequence = sequence_new(&doc->replicas, shape_kind(shape) == TEXT, path);
        if (s->sequence == NULL) {
            free(s);
            return NULL;
        }
        return &s->base;
    }
    case COMPOSITE: {
        Composite *c = calloc(1, composite_bytes(schema));
        if (c == NULL)
            return NULL;
        c->field = (Container **)(c + 1);
        return &c->base;
    }
    default:
        return (Container *)table_new(table_columns(shape));
    }
}

Container *container_new(Document *doc, Shape shape, const Schema *schema, Container *parent, u64 path)
{
    Container *c = allocate(doc, shape, schema, path);
    if (c == NULL)
        return NULL;
    c->parent = parent;
    c->schema = schema;
    c->path = path;
    c->shape = shape;
    c->removable = parent != NULL && (parent->removable || container_kind(parent) == OR_MAP);
    if (is_dot_store(c) && table_columns(shape) != 0 && removals_begin((Table *)c, &doc->replicas) != DONE) {
        container_free(c);
        return NULL;
    }
    return c;
}

static void free_dots(u64 *more)
{
    free(more);
}

void container_free(Container *c)
{
    if (c == NULL)
        return;
    free_dots(c->more_dots);
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER: {
        Counter *counter = (Counter *)c;
        block_free(counter->slot, counter->capacity * sizeof(Slot));
        free(c);
        return;
    }
    case OP_LIST:
    case TEXT:
        sequence_free(((SequenceNode *)c)->sequence);
        free(c);
        return;
    case COMPOSITE: {
        Composite *composite = (Composite *)c;
        for (u16 i = 0; c->schema != NULL && i < c->schema->n; i++)
            container_free(composite->field[i]);
        for (u32 i = 0; i < composite->extras; i++) {
            container_free(composite->extra[i].child);
            free(composite->extra[i].name);
        }
        block_free(composite->extra, composite->extra_capacity * sizeof(ExtraField));
        free(c);
        return;
    }
    case OR_MAP: {
        Table *t = (Table *)c;
        for (u32 i = 0; i < t->n; i++)
            container_free(map_child(t, i));
        table_free(t);
        return;
    }
    default:
        table_free((Table *)c);
    }
}

static Container *clone_composite(const Composite *from, Document *into, Container *to)
{
    Composite *copy = (Composite *)to;
    for (u16 i = 0; from->base.schema != NULL && i < from->base.schema->n; i++)
        if (from->field[i] != NULL &&
            (copy->field[i] = container_clone(from->field[i], into, to)) == NULL)
            goto failed;
    if (array_reserve(&copy->extra, &copy->extra_capacity, from->extras, sizeof(ExtraField)) != DONE)
        goto failed;
    for (u32 i = 0; i < from->extras; i++) {
        const ExtraField *field = &from->extra[i];
        u8 *name = malloc(field->name_bytes + 1u);
        Container *child = container_clone(field->child, into, to);
        if (name == NULL || child == NULL) {
            free(name);
            container_free(child);
            goto failed;
        }
        memcpy(name, field->name, field->name_bytes);
        copy->extra[copy->extras++] = (ExtraField){name, child, field->name_bytes};
    }
    return to;
failed:
    container_free(to);
    return NULL;
}

static Container *clone_table(const Table *from, Document *into)
{
    Table *t = table_clone(from);
    if (t == NULL || container_kind(&from->base) != OR_MAP)
        return (Container *)t;
    for (u32 i = 0; i < t->n; i++) {
        Container *child = container_clone(map_child(from, i), into, &t->base);
        if (child == NULL) {
            while (i-- > 0)
                container_free(map_child(t, i));
            table_free(t);
            return NULL;
        }
        t->word[i] = (u64)(uintptr_t)child;
    }
    return &t->base;
}

static Container *clone_body(const Container *from, Document *into, Container *parent)
{
    switch (container_kind(from)) {
    case GCOUNTER:
    case PNCOUNTER: {
        const Counter *counter = (const Counter *)from;
        Counter *copy = (Counter *)container_new(into, from->shape, NULL, parent, from->path);
        if (copy == NULL)
            return NULL;
        if (array_reserve(&copy->slot, &copy->capacity, counter->n, sizeof(Slot)) != DONE) {
            container_free(&copy->base);
            return NULL;
        }
        copy->n = counter->n;
        if (counter->n != 0)
            memcpy(copy->slot, counter->slot, counter->n * sizeof(Slot));
        return &copy->base;
    }
    case OP_LIST:
    case TEXT: {
        SequenceNode *copy = calloc(1, sizeof(SequenceNode));
        if (copy == NULL)
            return NULL;
        copy->sequence = sequence_clone(((const SequenceNode *)from)->sequence, &into->replicas);
        if (copy->sequence == NULL) {
            free(copy);
            return NULL;
        }
        return &copy->base;
    }
    case COMPOSITE: {
        Container *copy = container_new(into, from->shape, from->schema, parent, from->path);
        return copy == NULL ? NULL : clone_composite((const Composite *)from, into, copy);
    }
    default:
        return clone_table((const Table *)from, into);
    }
}

static u64 *clone_dots(const u64 *more)
{
    u64 *copy = malloc((more[0] + 1) * sizeof(u64));
    if (copy != NULL)
        memcpy(copy, more, (more[0] + 1) * sizeof(u64));
    return copy;
}

Container *container_clone(const Container *from, Document *into, Container *parent)
{
    Container *copy = clone_body(from, into, parent);
    if (copy == NULL)
        return NULL;
    *copy = *from;
    copy->parent = parent;
    if (from->more_dots != NULL && (copy->more_dots = clone_dots(from->more_dots)) == NULL) {
        container_free(copy);
        return NULL;
    }
    return copy;
}

static size_t composite_memory(const Composite *c)
{
    size_t bytes = block_footprint(composite_bytes(c->base.schema)) +
                   block_footprint(c->extra_capacity * sizeof(ExtraField));
    for (u16 i = 0; c->base.schema != NULL && i < c->base.schema->n; i++)
        bytes += c->field[i] == NULL ? 0 : container_memory(c->field[i]);
    for (u32 i = 0; i < c->extras; i++)
        bytes += block_footprint(c->extra[i].name_bytes) + container_memory(c->extra[i].child);
    return bytes;
}

size_t container_memory(const Container *c)
{
    size_t bytes = c->more_dots == NULL ? 0 : block_footprint((c->more_dots[0] + 1) * sizeof(u64));
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return bytes + block_footprint(sizeof(Counter)) +
               block_footprint(((const Counter *)c)->capacity * sizeof(Slot));
    case OP_LIST:
    case TEXT:
        return bytes + block_footprint(sizeof(SequenceNode)) +
               sequence_memory(((const SequenceNode *)c)->sequence);
    case COMPOSITE:
        return bytes + composite_memory((const Composite *)c);
    case OR_MAP: {
        const Table *t = (const Table *)c;
        for (u32 i = 0; i < t->n; i++)
            bytes += container_memory(map_child(t, i));
        return bytes + table_memory(t);
    }
    default:
        return bytes + table_memory((const Table *)c);
    }
}

bool container_is_blank(const Container *c)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return ((const Counter *)c)->n == 0;
    case OP_LIST:
    case TEXT:
        return sequence_is_blank(((const SequenceNode *)c)->sequence);
    case COMPOSITE: {
        const Composite *composite = (const Composite *)c;
        for (u16 i = 0; c->schema != NULL && i < c->schema->n; i++)
            if (composite->field[i] != NULL && !container_is_blank(composite->field[i]))
                return false;
        for (u32 i = 0; i < composite->extras; i++)
            if (!container_is_blank(composite->extra[i].child))
                return false;
        return true;
    }
    default:
        return ((const Table *)c)->n == 0;
    }
}
