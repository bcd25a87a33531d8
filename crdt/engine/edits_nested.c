/* Local edits of what holds others: ORMaps, composites, and the sequences' way into a document. */
#include "rows.h"

/* ---- ORMap -------------------------------------------------------------------------------------- */

Container *map_find(const Document *doc, const Table *t, const Item *key)
{
    if (t->n == 0)
        return NULL;
    Probe p = probe_of(key, doc->seed);
    u32 row = table_find(t, &p);
    return row == NO_ROW ? NULL : map_child(t, row);
}

bool map_is_present(const Table *t, u32 row)
{
    return t->dot[row] != 0;
}

/* A row without presence: the event of the write that needs it gives it that. */
int map_make(Document *doc, Table *t, const Item *key, Container **child)
{
    *child = map_find(doc, t, key);
    if (*child != NULL)
        return UNCHANGED;
    int status = edit_prepare(doc, &t->base, 0, 2);
    if (status == DONE)
        status = table_reserve(t, 1, key_arena_bytes(key), doc->seed);
    if (status != DONE)
        return status;
    u64 path = child_path(t->base.path, key);
    Container *made = container_new(doc, shape_of_children(t->base.shape), map_schema(t), &t->base, path);
    if (made == NULL)
        return ERROR_MEMORY;
    Probe p = probe_of(key, doc->seed);
    undo_push(doc, {.kind = UNDO_NEW_CHILD, .at = made});
    Row row = {.key = key_store(key, &t->arena), .word = (u64)(uintptr_t)made};
    made->row = row_append(doc, t, &p, &row, 0);
    *child = made;
    return CHANGED;
}

/* Undo records that resetting everything below will take, at most. */
u32 container_reset_records(const Container *c)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return ((const Counter *)c)->n;
    case OP_LIST:
    case TEXT:
        return 1;
    case COMPOSITE: {
        const Composite *composite = (const Composite *)c;
        u32 n = 0;
        for (u16 i = 0; i < declared_fields(composite); i++)
            n += composite->field[i] == NULL ? 0 : container_reset_records(composite->field[i]);
        for (u32 i = 0; i < composite->extras; i++)
            n += container_reset_records(composite->extra[i].child);
        return n;
    }
    case OR_MAP: {
        const Table *t = (const Table *)c;
        u32 n = 0;
        for (u32 i = 0; i < t->n; i++)
            n += 3 + container_reset_records(map_child(t, i));
        return n;
    }
    default:
        return ((const Table *)c)->n;
    }
}

static void reset_counter(Document *doc, Counter *c, Dot event)
{
    for (u32 i = 0; i < c->n; i++) {
        if (c->slot[i].up_floor == c->slot[i].up && c->slot[i].down_floor == c->slot[i].down)
            continue;
        undo_push(doc, {.kind = UNDO_SLOT, .at = c, .row = i, .slot = c->slot[i]});
        slot_digest(doc, c, i, false);
        c->slot[i].up_floor = c->slot[i].up;
        c->slot[i].down_floor = c->slot[i].down;
        c->slot[i].floored = event;
        slot_digest(doc, c, i, true);
    }
}

/* Take a row out of an ORMap if it has no presence and its child holds nothing. */
void map_drop_if_blank(Document *doc, Table *t, u32 row)
{
    Container *child = map_child(t, row);
    if (map_is_present(t, row) || !container_is_blank(child))
        return;
    undo_push(doc, {.kind = UNDO_REMOVED_CHILD, .at = child});
    row_remove(doc, t, row, 0);
    doc->epoch++;
    if (doc->open == NULL)
        container_free(child);
}

void edit_abandon(Document *doc, Container *c)
{
    for (Container *parent; (parent = c->parent) != NULL; c = parent)
        if (container_kind(parent) == OR_MAP) {
            if (edit_prepare(doc, parent, 0, 2) != DONE)
                return;
            map_drop_if_blank(doc, (Table *)parent, c->row);
        }
}

static int reset_map(Document *doc, Table *t, Dot event)
{
    for (u32 i = t->n; i-- > 0;) {
        int status = container_reset(doc, map_child(t, i), event);
        if (status != DONE)
            return status;
        if (map_is_present(t, i))
            presence_set(doc, t, i, 0, NULL);
        map_drop_if_blank(doc, t, i);
    }
    return DONE;
}

int container_reset(Document *doc, Container *c, Dot event)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        reset_counter(doc, (Counter *)c, event);
        return DONE;
    case OP_LIST:
    case TEXT: {
        SequenceNode *s = (SequenceNode *)c;
        if (sequence_length(s->sequence) == 0)
            return DONE;
        digest_subtract(&doc->digest, sequence_digest(s->sequence));
        int status = sequence_clear(s->sequence, event);
        digest_add(&doc->digest, sequence_digest(s->sequence));
        if (status >= 0)
            undo_push(doc, {.kind = UNDO_DELETED, .at = s, .event = event, .n = 1});
        if (doc->open == NULL)
            sequence_settle(s->sequence);
        return status < 0 ? status : DONE;
    }
    case COMPOSITE: {
        Composite *composite = (Composite *)c;
        int status = DONE;
        for (u16 i = 0; status == DONE && i < declared_fields(composite); i++)
            if (composite->field[i] != NULL)
                status = container_reset(doc, composite->field[i], event);
        for (u32 i = 0; status == DONE && i < composite->extras; i++)
            status = container_reset(doc, composite->extra[i].child, event);
        return status;
    }
    case OR_MAP:
        return reset_map(doc, (Table *)c, event);
    default:
        rows_remove_all(doc, (Table *)c);
        return DONE;
    }
}

int map_remove(Document *doc, Table *t, const Item *key)
{
    Probe p = probe_of(key, doc->seed);
    u32 row = t->n == 0 ? NO_ROW : table_find(t, &p);
    if (row == NO_ROW || !map_is_present(t, row))
        return UNCHANGED;
    Container *child = map_child(t, row);
    int status = edit_prepare(doc, &t->base, 1, 5 + container_reset_records(child));
    if (status == DONE)
        status = removals_reserve(t, key->n);
    if (status != DONE)
        return status;
    Dot event = edit_event(doc, &t->base, 1);
    status = container_reset(doc, child, event);
    if (status != DONE)
        return status;
    presence_set(doc, t, row, 0, NULL);
    removal_note(doc, t, event, key);
    map_drop_if_blank(doc, t, row);
    table_settle(doc, t);
    return CHANGED;
}

/* ---- fields and sequences ----------------------------------------------------------------------- */

int composite_make(Document *doc, Composite *c, u16 field, Container **child)
{
    *child = c->field[field];
    if (*child != NULL)
        return UNCHANGED;
    int status = edit_prepare(doc, &c->base, 0, 1);
    if (status != DONE)
        return status;
    const SchemaField *f = &c->schema->field[field];
    *child = container_new(doc, f->shape, f->of, &c->base, field_path(&c->base, f->name, f->name_bytes, f->shape));
    if (*child == NULL)
        return ERROR_MEMORY;
    c->field[field] = *child;
    undo_push(doc, {.kind = UNDO_NEW_FIELD, .at = c, .row = field});
    return CHANGED;
}

u64 field_path(const Container *composite, const u8 *name, u8 name_bytes, Shape shape)
{
    return mum(composite->path ^ shape, hash_bytes(name, name_bytes, 0x6669656c64000001ull));
}

static inline int finish_insert(Document *doc, SequenceNode *s, Digest before, Dot first, u32 n, int status)
{
    if (status < 0)
        return status;
    (void)edit_event(doc, &s->base, n);
    digest_subtract(&doc->digest, before);
    digest_add(&doc->digest, sequence_digest(s->sequence));
    undo_push(doc, {.kind = UNDO_INSERTED, .at = s, .event = first, .n = n});
    return CHANGED;
}

static Dot upcoming_event(const Document *doc)
{
    return dot_of((u16)doc->self, doc->replicas.all[doc->self].seen + 1);
}

int node_insert_text(Document *doc, SequenceNode *s, u32 position, const void *units, int width, u32 n)
{
    if (n == 0)
        return position <= sequence_length(s->sequence) ? UNCHANGED : ERROR_RANGE;
    int status = edit_prepare(doc, &s->base, n, 1);
    if (status != DONE)
        return status;
    Digest before = sequence_digest(s->sequence);
    Dot first = upcoming_event(doc);
    status = text_insert(s->sequence, position, first, units, width, n);
    return finish_insert(doc, s, before, first, n, status);
}

int node_insert_items(Document *doc, SequenceNode *s, u32 position, const Item *items, u32 n)
{
    if (n == 0)
        return position <= sequence_length(s->sequence) ? UNCHANGED : ERROR_RANGE;
    int status = edit_prepare(doc, &s->base, n, 1);
    if (status != DONE)
        return status;
    Digest before = sequence_digest(s->sequence);
    Dot first = upcoming_event(doc);
    status = list_insert(s->sequence, position, first, items, n);
    return finish_insert(doc, s, before, first, n, status);
}

int node_delete(Document *doc, SequenceNode *s, u32 position, u32 n, DeletionKind kind)
{
    u32 length = sequence_length(s->sequence);
    if (position > length || n > length - position)
        return ERROR_RANGE;
    if (n == 0)
        return UNCHANGED;
    u32 events = kind == ONE_EVENT ? 1 : n;
    int status = edit_prepare(doc, &s->base, events, 1);
    if (status != DONE)
        return status;
    Digest before = sequence_digest(s->sequence);
    Dot first = upcoming_event(doc);
    status = sequence_delete(s->sequence, position, n, first, kind, doc->open != NULL);
    if (status < 0)
        return status;
    (void)edit_event(doc, &s->base, events);
    digest_subtract(&doc->digest, before);
    digest_add(&doc->digest, sequence_digest(s->sequence));
    undo_push(doc, {.kind = UNDO_DELETED, .at = s, .event = first, .n = events});
    if (doc->open == NULL)
        sequence_settle(s->sequence);
    return CHANGED;
}
