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

size_t container_bytes(Shape shape, const Schema *schema)
{
    switch (shape_kind(shape)) {
    case GCOUNTER:
    case PNCOUNTER:
        return sizeof(Counter);
    case OP_LIST:
    case TEXT:
        return sizeof(SequenceNode);
    case COMPOSITE: /* and the places of its fields */
        return sizeof(Composite) + (schema == NULL ? 0 : schema->n * sizeof(Container *));
    default:
        return sizeof(Table);
    }
}

const Schema *container_schema(const Container *c)
{
    switch (container_kind(c)) {
    case COMPOSITE:
        return ((const Composite *)c)->schema;
    case OR_MAP:
        return map_schema((const Table *)c);
    default:
        return NULL;
    }
}

int container_start(Document *doc, Container *c, Shape shape, const Schema *schema, Container *parent, u64 path)
{
    c->parent = parent;
    c->path = path;
    c->shape = shape;
    c->removable = parent != NULL && (parent->removable || container_kind(parent) == OR_MAP);
    int status = DONE;
    switch (shape_kind(shape)) {
    case GCOUNTER:
    case PNCOUNTER:
        return DONE;
    case OP_LIST:
    case TEXT: {
        Sequence *s = sequence_new(&doc->replicas, shape_kind(shape) == TEXT, path);
        ((SequenceNode *)c)->sequence = s;
        return s == NULL ? ERROR_MEMORY : DONE;
    }
    case COMPOSITE:
        ((Composite *)c)->schema = schema;
        return DONE;
    default:
        ((Table *)c)->columns = table_columns(shape);
        /* Far from the counts of those that were in its place before: none is taken for another. */
        ((Table *)c)->mutations = doc->epoch * 0x9E3779B1u;
        if (schema != NULL)
            status = map_set_schema((Table *)c, schema);
        if (status == DONE && is_dot_store(c))
            status = removals_begin((Table *)c, &doc->replicas);
        if (status != DONE)
            container_end(c);
        return status;
    }
}

Container *container_new(Document *doc, Shape shape, const Schema *schema, Container *parent, u64 path)
{
    Container *c = calloc(1, container_bytes(shape, schema));
    if (c != NULL && container_start(doc, c, shape, schema, parent, path) != DONE) {
        free(c);
        return NULL;
    }
    return c;
}

void container_end(Container *c)
{
    free(c->more_dots);
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        block_free(((Counter *)c)->slot, ((Counter *)c)->capacity * sizeof(Slot));
        return;
    case OP_LIST:
    case TEXT:
        sequence_free(((SequenceNode *)c)->sequence);
        return;
    case COMPOSITE: {
        Composite *composite = (Composite *)c;
        for (u16 i = 0; i < declared_fields(composite); i++)
            container_free(composite->field[i]);
        for (u32 i = 0; i < composite->extras; i++) {
            container_free(composite->extra[i].child);
            free(composite->extra[i].name);
        }
        block_free(composite->extra, composite->extra_capacity * sizeof(ExtraField));
        return;
    }
    case OR_MAP: {
        Table *t = (Table *)c;
        for (u32 i = 0; i < t->n; i++)
            container_free(map_child(t, i));
        table_end(t);
        return;
    }
    default:
        table_end((Table *)c);
    }
}

void container_free(Container *c)
{
    if (c != NULL)
        container_end(c);
    free(c);
}

/* ---- copies -------------------------------------------------------------------------------------- */

static Container *clone(const Container *from, Document *into, Container *parent)
{
    Container *c = calloc(1, container_bytes(from->shape, container_schema(from)));
    if (c != NULL && container_copy(c, from, into, parent) != DONE) {
        free(c);
        return NULL;
    }
    return c;
}

static int copy_composite(Composite *to, const Composite *from, Document *into)
{
    to->schema = from->schema;
    for (u16 i = 0; i < declared_fields(from); i++)
        if (from->field[i] != NULL && (to->field[i] = clone(from->field[i], into, &to->base)) == NULL)
            return ERROR_MEMORY;
    if (array_reserve(&to->extra, &to->extra_capacity, from->extras, sizeof(ExtraField)) != DONE)
        return ERROR_MEMORY;
    for (u32 i = 0; i < from->extras; i++) {
        const ExtraField *field = &from->extra[i];
        u8 *name = malloc(field->name_bytes + 1u);
        Container *child = clone(field->child, into, &to->base);
        if (name == NULL || child == NULL) {
            free(name);
            container_free(child);
            return ERROR_MEMORY;
        }
        memcpy(name, field->name, field->name_bytes);
        to->extra[to->extras++] = (ExtraField){name, child, field->name_bytes};
    }
    return DONE;
}

static int copy_table(Table *to, const Table *from, Document *into)
{
    int status = table_copy(to, from);
    u32 copied = 0, children = from->columns & HAS_CHILD ? from->n : 0;
    while (status == DONE && copied < children) {
        Container *child = clone(map_child(from, copied), into, &to->base);
        if (child == NULL)
            status = ERROR_MEMORY;
        else
            to->word[copied++] = (u64)(uintptr_t)child;
    }
    if (status != DONE)
        to->n = copied; /* the other rows still have the children of the other map */
    return status;
}

static int copy_body(Container *c, const Container *from, Document *into)
{
    switch (container_kind(from)) {
    case GCOUNTER:
    case PNCOUNTER: {
        const Counter *counter = (const Counter *)from;
        Counter *to = (Counter *)c;
        if (array_reserve(&to->slot, &to->capacity, counter->n, sizeof(Slot)) != DONE)
            return ERROR_MEMORY;
        to->n = counter->n;
        if (counter->n != 0)
            memcpy(to->slot, counter->slot, counter->n * sizeof(Slot));
        return DONE;
    }
    case OP_LIST:
    case TEXT: {
        Sequence *s = sequence_clone(((const SequenceNode *)from)->sequence, &into->replicas);
        ((SequenceNode *)c)->sequence = s;
        return s == NULL ? ERROR_MEMORY : DONE;
    }
    case COMPOSITE:
        return copy_composite((Composite *)c, (const Composite *)from, into);
    default:
        return copy_table((Table *)c, (const Table *)from, into);
    }
}

static u64 *clone_dots(const u64 *more)
{
    u64 *copy = malloc((more[0] + 1) * sizeof(u64));
    if (copy != NULL)
        memcpy(copy, more, (more[0] + 1) * sizeof(u64));
    return copy;
}

int container_copy(Container *c, const Container *from, Document *into, Container *parent)
{
    *c = *from;
    c->parent = parent;
    c->more_dots = NULL;
    int status = copy_body(c, from, into);
    if (status == DONE && from->more_dots != NULL && (c->more_dots = clone_dots(from->more_dots)) == NULL)
        status = ERROR_MEMORY;
    if (status != DONE)
        container_end(c);
    return status;
}

/* ---- what they occupy ---------------------------------------------------------------------------- */

static size_t composite_memory(const Composite *c)
{
    size_t bytes = block_footprint(c->extra_capacity * sizeof(ExtraField));
    for (u16 i = 0; i < declared_fields(c); i++)
        bytes += c->field[i] == NULL ? 0 : container_memory(c->field[i]);
    for (u32 i = 0; i < c->extras; i++)
        bytes += block_footprint(c->extra[i].name_bytes) + container_memory(c->extra[i].child);
    return bytes;
}

size_t container_memory_within(const Container *c)
{
    size_t bytes = c->more_dots == NULL ? 0 : block_footprint((c->more_dots[0] + 1) * sizeof(u64));
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return bytes + block_footprint(((const Counter *)c)->capacity * sizeof(Slot));
    case OP_LIST:
    case TEXT:
        return bytes + sequence_memory(((const SequenceNode *)c)->sequence);
    case COMPOSITE:
        return bytes + composite_memory((const Composite *)c);
    case OR_MAP: {
        const Table *t = (const Table *)c;
        for (u32 i = 0; i < t->n; i++)
            bytes += container_memory(map_child(t, i));
        return bytes + table_memory_within(t);
    }
    default:
        return bytes + table_memory_within((const Table *)c);
    }
}

size_t container_memory(const Container *c)
{
    return block_footprint(container_bytes(c->shape, container_schema(c))) + container_memory_within(c);
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
        for (u16 i = 0; i < declared_fields(composite); i++)
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
