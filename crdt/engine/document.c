/* Documents: their life, transactions and the undo record. */
#include "rows.h"

#include <stdlib.h>

static const u64 ROOT_PATH = 0x6e657875732d7374ull, ROOT_SALT = 0x7365656e00000001ull;

static size_t block_bytes(Shape shape, const Schema *schema)
{
    return offsetof(Document, root) + container_bytes(shape, schema);
}

static Document *allocate(Shape shape, const Schema *schema)
{
    return calloc(1, block_bytes(shape, schema));
}

Document *document_new(Shape shape, const Schema *schema, u64 seed)
{
    Document *doc = allocate(shape, schema);
    if (doc == NULL)
        return NULL;
    doc->seed = seed;
    doc->self = -1;
    if (container_start(doc, doc->root, shape, schema, NULL, mum(ROOT_PATH ^ shape, ROOT_SALT)) != DONE) {
        free(doc);
        return NULL;
    }
    return doc;
}

void document_free(Document *doc)
{
    if (doc == NULL)
        return;
    container_end(doc->root);
    replicas_free(&doc->replicas);
    marks_free(doc->unsummed.more);
    free(doc);
}

Document *document_clone(Document *from)
{
    sums_settle(from);
    Document *doc = allocate(from->root->shape, container_schema(from->root));
    if (doc == NULL)
        return NULL;
    doc->seed = from->seed;
    doc->stamp = from->stamp;
    doc->is_retired = from->is_retired;
    doc->self = from->self;
    doc->digest = from->digest;
    if (replicas_copy(&doc->replicas, &from->replicas) != DONE ||
        container_copy(doc->root, from->root, doc, NULL) != DONE) {
        replicas_free(&doc->replicas);
        free(doc);
        return NULL;
    }
    return doc;
}

size_t document_memory(const Document *doc)
{
    const Container *root = doc->root;
    return block_footprint(block_bytes(root->shape, container_schema(root))) + replicas_memory(&doc->replicas) +
           marks_memory(doc->unsummed.more) + container_memory_within(root);
}

/* ---- rows with digest and undo ------------------------------------------------------------------ */

static void follow_moved_child(Table *t, u32 row)
{
    if ((t->columns & HAS_CHILD) && row < t->n)
        map_child(t, row)->row = row;
}

int undo_reserve(Transaction *t, const Container *c, u32 records)
{
    for (; c->parent != NULL; c = c->parent)
        records++;
    return array_reserve(&t->undo, &t->undo_capacity, (size_t)t->undo_n + records, sizeof(UndoRecord));
}

void undo_replaced(Document *doc, Table *t, u32 row)
{
    undo_push(doc, {.kind = UNDO_REPLACED_ROW, .at = t, .row = row, .was = table_row(t, row)});
}

void undo_appended(Document *doc, Table *t, u32 row)
{
    undo_push(doc, {.kind = UNDO_APPENDED_ROW, .at = t, .row = row});
}

bool row_uncount(Document *doc, Table *t, u32 row)
{
    row_digest(doc, t, row, false);
    return sum_later(doc, &t->base, row);
}

void row_remove(Document *doc, Table *t, u32 row, u32 others)
{
    undo_push(doc, {.kind = UNDO_REMOVED_ROW, .at = t, .row = row, .n = others != 0,
                                .was = table_row(t, row)});
    if (!(t->columns & HAS_CHILD)) {
        sums_settle(doc); /* rows are about to get other numbers */
        row_digest(doc, t, row, false);
    }
    t->siblings -= others != 0;
    table_remove(t, row, doc->seed);
    follow_moved_child(t, row);
}

/* `more` is taken over; what it replaces is freed, or kept by the undo record. */
void presence_set(Document *doc, Table *map, u32 row, Dot dot, u64 *more)
{
    Container *child = map_child(map, row);
    presence_digest(doc, map, row, false);
    undo_push(doc, {.kind = UNDO_PRESENCE, .at = child,
                                .presence = {map->dot[row], child->more_dots}});
    if (doc->open == NULL)
        free(child->more_dots);
    map->tombstones += (dot == 0) - (map->dot[row] == 0);
    map->dot[row] = dot;
    child->more_dots = more;
    presence_digest(doc, map, row, true);
}

/* ---- transactions ------------------------------------------------------------------------------- */

void document_begin(Document *doc, Transaction *t)
{
    t->undo_n = 0;
    t->seen_before = doc->self < 0 ? 0 : doc->replicas.all[doc->self].seen;
    doc->open = t;
}

void document_commit(Document *doc)
{
    Transaction *t = doc->open;
    doc->open = NULL;
    /* Containers are freed last: other records still point to them. */
    for (u32 i = 0; i < t->undo_n; i++) {
        UndoRecord *r = &t->undo[i];
        if (r->kind == UNDO_PRESENCE)
            free(r->presence.more);
        else if (r->kind == UNDO_REPLACED_ROW || r->kind == UNDO_REMOVED_ROW || r->kind == UNDO_LOGGED)
            table_settle(doc, r->at);
        else if (r->kind == UNDO_INSERTED || r->kind == UNDO_DELETED)
            sequence_settle(((SequenceNode *)r->at)->sequence);
    }
    for (u32 i = 0; i < t->undo_n; i++)
        if (t->undo[i].kind == UNDO_REMOVED_CHILD)
            container_free(t->undo[i].at);
    t->undo_n = 0;
    if (t->undo_capacity > 1024)
        transaction_free(t);
}

void transaction_free(Transaction *t)
{
    block_free(t->undo, t->undo_capacity * sizeof(UndoRecord));
    *t = (Transaction){0};
}

static void undo_row(Document *doc, const UndoRecord *r)
{
    Table *t = r->at;
    bool has_child = t->columns & HAS_CHILD;
    switch (r->kind) {
    case UNDO_APPENDED_ROW:
        if (!has_child)
            row_digest(doc, t, r->row, false);
        table_remove(t, r->row, doc->seed);
        t->siblings -= r->n;
        break;
    case UNDO_REPLACED_ROW:
        row_digest(doc, t, r->row, false);
        table_replace(t, r->row, &r->was, true);
        row_digest(doc, t, r->row, true);
        break;
    default:
        table_put_back(t, r->row, &r->was, doc->seed);
        t->siblings += r->n;
        follow_moved_child(t, t->n - 1);
        follow_moved_child(t, r->row);
        if (!has_child)
            row_digest(doc, t, r->row, true);
    }
}

static void undo_sequence(Document *doc, const UndoRecord *r)
{
    SequenceNode *s = r->at;
    digest_subtract(&doc->digest, sequence_digest(s->sequence));
    if (r->kind == UNDO_INSERTED)
        (void)sequence_undo_insert(s->sequence, r->event, r->n);
    else
        (void)sequence_undo_delete(s->sequence, r->event, r->n);
    digest_add(&doc->digest, sequence_digest(s->sequence));
}

static void undo_slot(Document *doc, const UndoRecord *r)
{
    Counter *c = r->at;
    slot_digest(doc, c, r->row, false);
    if (r->kind == UNDO_NEW_SLOT) {
        c->n--;
        return;
    }
    c->slot[r->row] = r->slot;
    slot_digest(doc, c, r->row, true);
}

static void undo_presence(Document *doc, const UndoRecord *r)
{
    Container *child = r->at;
    Table *map = map_of(child);
    presence_digest(doc, map, child->row, false);
    free(child->more_dots);
    map->tombstones += (r->presence.dot == 0) - (map->dot[child->row] == 0);
    map->dot[child->row] = r->presence.dot;
    child->more_dots = r->presence.more;
    presence_digest(doc, map, child->row, true);
}

static void undo_one(Document *doc, UndoRecord *r)
{
    switch (r->kind) {
    case UNDO_APPENDED_ROW:
    case UNDO_REPLACED_ROW:
    case UNDO_REMOVED_ROW:
        undo_row(doc, r);
        break;
    case UNDO_LOGGED:
        table_log(r->at)->n--;
        break;
    case UNDO_RELOGGED: {
        RemovalLog *log = table_log(r->at);
        log->all[log->n - 1].event = r->event;
        break;
    }
    case UNDO_HORIZON: {
        RemovalLog *log = table_log(r->at);
        log->horizon[doc->self] = r->sequence;
        break;
    }
    case UNDO_SLOT:
    case UNDO_NEW_SLOT:
        undo_slot(doc, r);
        break;
    case UNDO_PRESENCE:
        undo_presence(doc, r);
        break;
    case UNDO_REMOVED_CHILD:
        break; /* the row that held it has been put back */
    case UNDO_NEW_CHILD:
        break; /* freed last */
    case UNDO_NEW_FIELD: {
        Composite *c = r->at;
        r->at = c->field[r->row];
        c->field[r->row] = NULL;
        break;
    }
    case UNDO_INSERTED:
    case UNDO_DELETED:
        undo_sequence(doc, r);
        break;
    }
}

/* Once all is undone: give back the room that a change took and no longer needs. */
static void give_back(Document *doc, const UndoRecord *r)
{
    switch (r->kind) {
    case UNDO_APPENDED_ROW:
    case UNDO_REPLACED_ROW:
    case UNDO_REMOVED_ROW:
    case UNDO_LOGGED:
        table_settle(doc, r->at);
        break;
    case UNDO_INSERTED:
    case UNDO_DELETED:
        sequence_give_back(((SequenceNode *)r->at)->sequence);
        break;
    default:
        break;
    }
}

void document_rollback(Document *doc)
{
    Transaction *t = doc->open;
    sums_settle(doc);
    doc->open = NULL;
    doc->epoch++; /* containers may come and go below */
    u32 n = t->undo_n;
    while (t->undo_n > 0)
        undo_one(doc, &t->undo[--t->undo_n]);
    for (u32 i = 0; i < n; i++)
        give_back(doc, &t->undo[i]);
    /* Containers are freed last: other records still point to them. */
    while (n-- > 0)
        if (t->undo[n].kind == UNDO_NEW_CHILD || t->undo[n].kind == UNDO_NEW_FIELD)
            container_free(t->undo[n].at);
    if (doc->self >= 0)
        doc->replicas.all[doc->self].seen = t->seen_before;
}
