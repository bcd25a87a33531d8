/* The names of writers that have left: who refers to them, and how they are dropped. */
#include "growth.h"

#include <stdlib.h>

static void mark_dot(bool *named, Dot d)
{
    if (d != 0)
        named[dot_replica(d)] = true;
}

static void mark_table(const Table *t, bool *named);

/* Note each writer that an entry below refers to. */
static void mark_container(const Container *c, bool *named)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER: {
        const Counter *counter = (const Counter *)c;
        for (u32 i = 0; i < counter->n; i++) {
            named[counter->slot[i].replica] = true;
            mark_dot(named, counter->slot[i].floored);
        }
        return;
    }
    case OP_LIST:
    case TEXT:
        sequence_mark_authors(((const SequenceNode *)c)->sequence, named);
        return;
    case COMPOSITE: {
        const Composite *composite = (const Composite *)c;
        for (u16 i = 0; i < declared_fields(composite); i++)
            if (composite->field[i] != NULL)
                mark_container(composite->field[i], named);
        for (u32 i = 0; i < composite->extras; i++)
            mark_container(composite->extra[i].child, named);
        return;
    }
    default:
        mark_table((const Table *)c, named);
    }
}

static void mark_table(const Table *t, bool *named)
{
    for (u32 i = 0; i < t->n; i++) {
        mark_dot(named, t->dot[i]);
        if (!(t->columns & HAS_CHILD))
            continue;
        const Container *child = map_child(t, i);
        for (u64 k = 0; child->more_dots != NULL && k < child->more_dots[0]; k++)
            mark_dot(named, child->more_dots[1 + k]);
        mark_container(child, named);
    }
}

/* The logs that only help to answer peers must not name it either: nobody lacks its events. */
static void forget_in_logs(Container *c, u16 writer)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return;
    case OP_LIST:
    case TEXT:
        sequence_forget_deleter(((SequenceNode *)c)->sequence, writer);
        return;
    case COMPOSITE: {
        Composite *composite = (Composite *)c;
        for (u16 i = 0; i < declared_fields(composite); i++)
            if (composite->field[i] != NULL)
                forget_in_logs(composite->field[i], writer);
        for (u32 i = 0; i < composite->extras; i++)
            forget_in_logs(composite->extra[i].child, writer);
        return;
    }
    default: {
        Table *t = (Table *)c;
        removals_forget(table_log(t), writer);
        for (u32 i = 0; (t->columns & HAS_CHILD) && i < t->n; i++)
            forget_in_logs(map_child(t, i), writer);
    }
    }
}

void writer_forget(Document *doc, u16 writer)
{
    forget_in_logs(doc->root, writer);
    growth_digest(doc, writer, false);
    doc->replicas.growth->of[writer] = (Bounds){0};
    seen_forget(doc, writer);
}

bool *writers_named(const Document *doc)
{
    bool *named = calloc(doc->replicas.n + 1, sizeof(bool));
    if (named != NULL)
        mark_container(doc->root, named);
    return named;
}

void keep_who_retired(const Replicas *r, bool *goes)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (u32 i = 0; i < growth_n(r); i++) {
            Dot retirement = r->growth->of[i].retirement;
            if (retirement == 0 || goes[i] || !goes[dot_replica(retirement)])
                continue;
            goes[dot_replica(retirement)] = false;
            changed = true;
        }
    }
}
