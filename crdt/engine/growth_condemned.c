/* Whether there is anything to tell of what purges have condemned in sequences. */
#include "growth.h"

bool growth_condemned(const Container *c, const Encoder *e)
{
    switch (container_kind(c)) {
    case OP_LIST:
    case TEXT:
        return sequence_has_condemned(((const SequenceNode *)c)->sequence, e);
    case COMPOSITE: {
        const Composite *composite = (const Composite *)c;
        for (u16 i = 0; i < declared_fields(composite); i++)
            if (composite->field[i] != NULL && growth_condemned(composite->field[i], e))
                return true;
        for (u32 i = 0; i < composite->extras; i++)
            if (growth_condemned(composite->extra[i].child, e))
                return true;
        return false;
    }
    case OR_MAP: {
        const Table *t = (const Table *)c;
        for (u32 row = 0; row < t->n; row++)
            if (growth_condemned(map_child(t, row), e))
                return true;
        return false;
    }
    default:
        return false;
    }
}
