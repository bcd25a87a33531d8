/* How a message names a field of a composite. */
#ifndef CRDT_FIELD_H
#define CRDT_FIELD_H

#include "document.h"

enum { SECTION_DEPTH_MAX = 16, FIELDS_MAX = 4096, FIELD_NAME_BYTES_MAX = 255 };

typedef struct {
    const u8 *name;
    u64 name_bytes;
    Shape shape;
    Container *child;
} Field;

/* Name and shape, checked. */
int read_field(Decoder *d, Field *f);
/* What is held of a field, or NULL; `declared` becomes its place in the class, or -1. */
Container *field_find(const Composite *c, const Field *f, i32 *declared);
/* The same, made if it is not there. */
int field_open(Document *doc, Composite *c, const Field *f, Container **child);

#endif
