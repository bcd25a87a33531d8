/* How much there is to walk over: what decides whether a walk is worth letting others run meanwhile. */
#include "document.h"
#include "sequence_state.h"

static u64 container_weight(const Container *c)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return ((const Counter *)c)->n;
    case OP_LIST:
    case TEXT:
        return ((const SequenceNode *)c)->sequence->tree.count / 16u; /* they are written by stretches */
    case COMPOSITE: {
        const Composite *composite = (const Composite *)c;
        u64 sum = 0;
        for (u16 i = 0; c->schema != NULL && i < c->schema->n; i++)
            sum += composite->field[i] == NULL ? 0 : container_weight(composite->field[i]);
        return sum + composite->extras;
    }
    default:
        return ((const Table *)c)->n;
    }
}

u64 document_weight(const Document *doc)
{
    return container_weight(doc->root) + doc->replicas.n;
}
