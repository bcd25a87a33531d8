/* Sections of composites, and the way to each kind's own. */
#include "counter.h"
#include "field.h"
#include "told.h"

#include <stdlib.h>

/* ---- composites: flags (1 = whole), count of fields, then name, shape, section ---------------------- */

static int field_compare(const Field *a, const Field *b)
{
    u64 n = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
    int c = memcmp(a->name, b->name, n);
    if (c != 0)
        return c;
    if (a->name_bytes != b->name_bytes)
        return a->name_bytes < b->name_bytes ? -1 : 1;
    return a->shape == b->shape ? 0 : a->shape < b->shape ? -1 : 1;
}

/* Whether nothing in a field of this shape, below a key of an ORMap, can mean that all of it was removed. */
static bool may_be_emptied(Shape shape)
{
    Kind kind = shape_kind(shape);
    return kind != GCOUNTER && kind != PNCOUNTER && kind != OP_LIST && kind != TEXT;
}

/* The fields that exist, in canonical order, and, if asked for, the declared ones that do not and could have
 * been emptied; the caller frees. */
static Field *fields_of(const Composite *c, bool with_missing, u32 *n)
{
    u32 declared = declared_fields(c);
    Field *fields = malloc((declared + c->extras + 1) * sizeof(Field));
    *n = 0;
    for (u32 i = 0; fields != NULL && i < declared + c->extras; i++) {
        Field f;
        if (i < declared) {
            const SchemaField *s = &c->schema->field[i];
            f = (Field){s->name, s->name_bytes, s->shape, c->field[i]};
        } else {
            const ExtraField *x = &c->extra[i - declared];
            f = (Field){x->name, x->name_bytes, x->child->shape, x->child};
        }
        if (f.child == NULL && !(with_missing && may_be_emptied(f.shape)))
            continue;
        u32 at = (*n)++;
        for (; at > 0 && field_compare(&f, &fields[at - 1]) < 0; at--)
            fields[at] = fields[at - 1];
        fields[at] = f;
    }
    return fields;
}

static int composite_encode(const Document *doc, Encoder *e, const Composite *c, bool whole, bool *has_news)
{
    u32 n;
    bool is_whole = whole || e->complete;
    /* Of what was removed before this replica got a whole state, no trace is here but its absence. So all fields
     * are named, also those without news: of one that was emptied, and is not declared here, nobody knows the name. */
    bool names_all = e->lacks_whole && !is_whole && !c->base.removable;
    Field *fields = fields_of(c, e->lacks_whole && !is_whole && c->base.removable, &n);
    if (fields == NULL)
        return ERROR_MEMORY;
    Writer *w = &e->out;
    write_byte(w, is_whole || names_all);
    size_t count_at = w->n;
    u32 written = 0;
    int status = DONE;
    for (u32 i = 0; i < n && status == DONE; i++) {
        size_t at = w->n;
        bool news = false;
        write_string(w, fields[i].name, fields[i].name_bytes);
        write_number(w, fields[i].shape);
        if (fields[i].child == NULL) {
            write_byte(w, 1); /* complete, and nothing in it: of a table as of a composite */
            write_number(w, 0);
            news = true;
        } else {
            status = section_encode(doc, e, fields[i].child, whole, &news);
        }
        if (!news && !names_all && !w->failed)
            w->n = at;
        written += news || names_all;
    }
    write_number_at(w, count_at, written);
    free(fields);
    *has_news = written != 0 || names_all;
    return status;
}

int read_field(Decoder *d, Field *f)
{
    f->name_bytes = read_number(&d->in);
    if (f->name_bytes == 0 || f->name_bytes > FIELD_NAME_BYTES_MAX)
        return refuse(&d->in, "a field's name is empty or longer than 255 bytes");
    f->name = read_bytes(&d->in, f->name_bytes);
    u64 shape = read_number(&d->in);
    if (d->in.error != NULL)
        return ERROR_DECODE;
    if (!utf8_is_valid(f->name, f->name_bytes))
        return refuse(&d->in, "a field's name is not UTF-8");
    if (shape > UINT32_MAX || !shape_is_valid((Shape)shape))
        return refuse(&d->in, "a field of a type that this version does not know");
    f->shape = (Shape)shape;
    return DONE;
}

Container *field_find(const Composite *c, const Field *f, i32 *declared)
{
    *declared = -1;
    for (u16 i = 0; i < declared_fields(c); i++) {
        const SchemaField *s = &c->schema->field[i];
        if (s->shape == f->shape && s->name_bytes == f->name_bytes &&
            memcmp(s->name, f->name, f->name_bytes) == 0) {
            *declared = i;
            return c->field[i];
        }
    }
    for (u32 i = 0; i < c->extras; i++) {
        const ExtraField *x = &c->extra[i];
        if (x->child->shape == f->shape && x->name_bytes == f->name_bytes &&
            memcmp(x->name, f->name, f->name_bytes) == 0)
            return x->child;
    }
    return NULL;
}

static int composite_check(const Document *doc, Decoder *d, Expected x)
{
    if (read_byte(&d->in) > 1)
        return refuse(&d->in, "unknown flags of a composite");
    u64 n = read_count(&d->in, 4);
    if (n > FIELDS_MAX)
        return refuse(&d->in, "a composite of more than 4096 fields");
    Field previous = {0};
    for (u64 i = 0; i < n; i++) {
        Field f = {0};
        int status = read_field(d, &f);
        if (status == DONE && i > 0 && field_compare(&previous, &f) >= 0)
            status = refuse(&d->in, "the fields are not in order");
        if (status != DONE)
            return status;
        i32 declared;
        Expected below = {.shape = f.shape,
                          .here = x.here == NULL ? NULL : field_find((const Composite *)x.here, &f, &declared),
                          .path = f.shape ^ hash_bytes(f.name, f.name_bytes, x.path),
                          .removable = x.removable,
                          .depth = x.depth + 1};
        status = section_check(doc, d, below);
        if (status != DONE)
            return status;
        previous = f;
    }
    return d->in.error != NULL ? ERROR_DECODE : DONE;
}

static Container *field_add(Document *doc, Composite *c, const Field *f)
{
    if (array_reserve(&c->extra, &c->extra_capacity, c->extras + 1, sizeof(ExtraField)) != DONE)
        return NULL;
    u8 *name = malloc(f->name_bytes);
    Container *child = container_new(doc, f->shape, NULL, &c->base,
                                     field_path(&c->base, f->name, (u8)f->name_bytes, f->shape));
    if (name == NULL || child == NULL) {
        free(name);
        container_free(child);
        return NULL;
    }
    memcpy(name, f->name, f->name_bytes);
    c->extra[c->extras++] = (ExtraField){name, child, (u8)f->name_bytes};
    return child;
}

int field_open(Document *doc, Composite *c, const Field *f, Container **child)
{
    i32 declared;
    *child = field_find(c, f, &declared);
    if (*child != NULL)
        return DONE;
    if (declared >= 0) {
        int status = composite_make(doc, c, (u16)declared, child);
        return status < 0 ? status : DONE;
    }
    *child = field_add(doc, c, f);
    return *child == NULL ? ERROR_MEMORY : DONE;
}

/* In a whole section the fields that are not named are blank at the sender. */
static int apply_unnamed(Document *doc, Composite *c, const u64 *tops, const u8 *named, u32 declared)
{
    for (u32 i = 0; i < declared + c->extras; i++) {
        Container *child = i < declared ? c->field[i] : c->extra[i - declared].child;
        if (child == NULL || (named != NULL && named[i]))
            continue;
        int status = section_apply_blank(doc, child, tops);
        if (status != DONE)
            return status;
    }
    return DONE;
}

static int composite_apply(Document *doc, Decoder *d, Composite *c, const u64 *tops)
{
    bool whole = read_byte(&d->in);
    d->saw_whole |= whole;
    u64 n = read_number(&d->in);
    u32 declared_n = declared_fields(c);
    u8 *named = calloc(declared_n + c->extras + n + 1, 1);
    if (named == NULL)
        return ERROR_MEMORY;
    int status = DONE;
    for (u64 i = 0; i < n && status == DONE; i++) {
        Field f;
        Container *child;
        status = read_field(d, &f);
        if (status == DONE)
            status = field_open(doc, c, &f, &child);
        if (status != DONE)
            break;
        for (u32 k = 0; k < declared_n + c->extras; k++)
            if (child == (k < declared_n ? c->field[k] : c->extra[k - declared_n].child))
                named[k] = 1;
        status = section_apply(doc, d, child, tops);
    }
    if (status == DONE && whole)
        status = apply_unnamed(doc, c, tops, named, declared_n);
    free(named);
    return status;
}

/* ---- every kind -------------------------------------------------------------------------------------- */

int section_encode(const Document *doc, Encoder *e, const Container *c, bool whole, bool *has_news)
{
    int status;
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return counter_encode(doc, e, (const Counter *)c, whole, has_news);
    case OP_LIST:
    case TEXT: {
        const Sequence *s = ((const SequenceNode *)c)->sequence;
        *has_news = true;
        if (sequence_encode_keystroke(s, e))
            return DONE;
        *has_news = sequence_has_news(s, e);
        status = sequence_encode(s, e);
        return status < 0 ? status : DONE;
    }
    case COMPOSITE:
        return composite_encode(doc, e, (const Composite *)c, whole, has_news);
    default:
        return table_encode(doc, e, (const Table *)c, whole, has_news);
    }
}

static int sequence_section_check(Decoder *d, Expected x)
{
    const u8 *start = d->in.p;
    const Sequence *here = x.here == NULL ? NULL : ((const SequenceNode *)x.here)->sequence;
    int status = sequence_check(here, shape_kind(x.shape) == TEXT, d);
    return status == DONE && x.removable && !d->is_full ? told_note(d, x.path, start) : status;
}

int section_check(const Document *doc, Decoder *d, Expected x)
{
    if (x.depth > SECTION_DEPTH_MAX)
        return refuse(&d->in, "states are nested deeper than 16");
    switch (shape_kind(x.shape)) {
    case GCOUNTER:
    case PNCOUNTER:
        return counter_check(d, x);
    case OP_LIST:
    case TEXT:
        return sequence_section_check(d, x);
    case COMPOSITE:
        return composite_check(doc, d, x);
    default:
        return table_check(doc, d, x);
    }
}

int section_apply(Document *doc, Decoder *d, Container *c, const u64 *tops)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        return counter_apply(doc, d, (Counter *)c, tops);
    case OP_LIST:
    case TEXT: {
        Sequence *s = ((SequenceNode *)c)->sequence;
        digest_subtract(&doc->digest, sequence_digest(s));
        int status = sequence_apply(s, d);
        digest_add(&doc->digest, sequence_digest(s));
        return status < 0 ? status : DONE;
    }
    case COMPOSITE:
        return composite_apply(doc, d, (Composite *)c, tops);
    default:
        return table_apply(doc, d, (Table *)c, tops);
    }
}

int section_apply_blank(Document *doc, Container *c, const u64 *tops)
{
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        counter_drop(doc, (Counter *)c, tops);
        return DONE;
    case OP_LIST:
    case TEXT: {
        Sequence *s = ((SequenceNode *)c)->sequence;
        if (!doc->is_behind)
            return DONE; /* what is not there was taken out, and is here too */
        digest_subtract(&doc->digest, sequence_digest(s));
        sequence_empty(s);
        return DONE;
    }
    case COMPOSITE:
        return apply_unnamed(doc, (Composite *)c, tops, NULL, declared_fields((Composite *)c));
    default:
        return table_apply_blank(doc, (Table *)c, tops);
    }
}
