/* The nodes of a document's tree: what every state type has in common.
 *
 * A document is a tree of containers: one type alone is a root without children, a composite holds
 * a container a field, an ORMap one a key. They share the document's writers, clock and digest.
 */
#ifndef CRDT_CONTAINER_H
#define CRDT_CONTAINER_H

#include "codec.h"
#include "item.h"

/* Tags on the wire: never renumber. */
typedef enum {
    GCOUNTER = 1,
    PNCOUNTER = 2,
    GSET = 3,
    ORSET = 4,
    LWW_REGISTER = 5,
    MV_REGISTER = 6,
    LWW_MAP = 7,
    OR_MAP = 8,
    OP_LIST = 9,
    TEXT = 10,
    COMPOSITE = 11,
    KIND_MAX = 11,
} Kind;

/* A kind in the low byte and, for an ORMap, the shape of its children above it. */
typedef u32 Shape;

static inline Kind shape_kind(Shape s)
{
    return (Kind)(s & 0xff);
}

static inline Shape shape_of_children(Shape s)
{
    return s >> 8;
}

/* Whether every byte is a kind, and only an ORMap has something above it. */
bool shape_is_valid(Shape s);

/* The fields of a composite class, made once and outliving all its documents. */
typedef struct Schema Schema;
typedef struct {
    const u8 *name; /* UTF-8 */
    u8 name_bytes;
    Shape shape;
    const Schema *of; /* of a composite, or of the composites in an ORMap; else NULL */
} SchemaField;
struct Schema {
    u16 n;
    SchemaField field[];
};

typedef struct Container Container;
struct Container {
    Container *parent; /* NULL at the root */
    u64 path;          /* salt of its entries' digests: the same for the same place everywhere */
    u64 *more_dots;    /* in an ORMap: its presence dots beyond the one in its row; [0] is their count */
    Shape shape;
    u32 row : 31;       /* its row in that ORMap */
    bool removable : 1; /* below an ORMap: concurrent entries stay apart, since a removal may take some */
};

#define CONTAINER_FIELDS Container base

static inline Kind container_kind(const Container *c)
{
    return shape_kind(c->shape);
}

#endif
