/* How much there is to walk over, which decides whether a walk is worth letting others run meanwhile, and how much room
 * what is written takes. */
#include "document.h"
#include "sequence_state.h"

/* Stretches that a holder of `since` is written; all of them without it. At most one an event, unless which
 * events deleted something is not known any more. */
static u64 sequence_weight(const Sequence *s, const u64 *since, u64 events)
{
    u64 all = s->tree.count / 16u;
    return since != NULL && events < all && log_reaches(&s->log, since) ? events : all;
}

static u64 container_weight(const Container *c, const u64 *since, u64 events)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return ((const Counter *)c)->n;
    case OP_LIST:
    case TEXT:
        return sequence_weight(((const SequenceNode *)c)->sequence, since, events);
    case COMPOSITE: {
        const Composite *composite = (const Composite *)c;
        u64 sum = 0;
        for (u16 i = 0; i < declared_fields(composite); i++)
            sum += composite->field[i] == NULL ? 0 : container_weight(composite->field[i], since, events);
        return sum + composite->extras;
    }
    default:
        return ((const Table *)c)->n;
    }
}

u64 document_weight(const Document *doc, const u64 *since)
{
    u64 events = 0;
    for (u32 i = 0; since != NULL && i < doc->replicas.n; i++)
        events += doc->replicas.all[i].seen - since[i];
    return container_weight(doc->root, since, events) + doc->replicas.n;
}

u64 document_room(const Document *doc)
{
    enum { MAP_ROW = 32, SET_ROW = 18 }; /* as written, without a payload in the arena; few are longer */
    Kind kind = container_kind(doc->root);
    if (kind != GSET && kind != ORSET && kind != LWW_MAP)
        return 0;
    const Table *t = (const Table *)doc->root;
    return (u64)t->n * (t->columns & HAS_VALUE ? MAP_ROW : SET_ROW) + arena_used(&t->arena);
}
