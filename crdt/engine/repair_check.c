/* Reading a message of entries, and checking all of it before anything is joined. */
#include "field.h"
#include "growth.h"
#include "message.h"
#include "repair.h"

/* ---- reading --------------------------------------------------------------------------------------- */

/* One step down from `at`; while applying, containers are made. */
static int read_step(Repair *r, Place *at, bool make)
{
    Container *child = NULL;
    int status = DONE;
    if (shape_kind(at->shape) == COMPOSITE) {
        Field f = {0};
        i32 declared;
        status = read_field(&r->d, &f);
        if (status == DONE && make)
            status = field_open(r->doc, (Composite *)at->here, &f, &child);
        else if (status == DONE && at->here != NULL)
            child = field_find((const Composite *)at->here, &f, &declared);
        if (status == DONE && child == NULL && ++r->fields > FIELDS_MAX)
            return refuse(&r->d.in, "more than 4096 new fields");
        if (status == DONE)
            at->path = mum(at->path ^ f.shape, hash_bytes(f.name, f.name_bytes, 0x6669656c64000001ull));
        at->shape = f.shape;
    } else if (shape_kind(at->shape) == OR_MAP) {
        Item key;
        status = read_key(&r->d.in, &key);
        if (status == DONE && make) {
            status = map_make(r->doc, (Table *)at->here, &key, &child);
            status = status < 0 ? status : DONE;
        } else if (status == DONE && at->here != NULL) {
            child = map_find(r->doc, (const Table *)at->here, &key);
        }
        if (status == DONE)
            at->path = child_path(at->path, &key);
        at->shape = shape_of_children(at->shape);
        at->removable = true;
    } else {
        return refuse(&r->d.in, "a step into what holds nothing");
    }
    at->here = child;
    return status;
}

int read_place(Repair *r, Place *at, bool make)
{
    const Container *root = r->doc->root;
    *at = (Place){root->shape, root, root->path, false};
    u64 depth = read_number(&r->d.in);
    if (depth > SECTION_DEPTH_MAX)
        return refuse(&r->d.in, "states are nested deeper than 16");
    for (; depth != 0; depth--) {
        int status = read_step(r, at, make);
        if (status != DONE)
            return status;
    }
    if (r->d.in.error == NULL && shape_kind(at->shape) == COMPOSITE)
        return refuse(&r->d.in, "a composite has no entries of its own");
    return r->d.in.error != NULL ? ERROR_DECODE : DONE;
}

int read_row(Decoder *d, u8 columns, Incoming *row)
{
    *row = (Incoming){.key = item_none()};
    if ((columns & HAS_KEY) && read_key(&d->in, &row->key) != DONE)
        return ERROR_DECODE;
    u64 place = read_number(&d->in);
    row->dot = check_remote_dot(d, place, read_number(&d->in));
    if (columns & HAS_STAMP) {
        row->stamp = read_number(&d->in);
        if (row->stamp > d->latest_stamp)
            d->latest_stamp = row->stamp;
    }
    if (d->in.error != NULL)
        return ERROR_DECODE;
    if (!(columns & HAS_VALUE))
        return DONE;
    if ((columns & HAS_STAMP) && d->in.p < d->in.end && *d->in.p == ABSENT) {
        d->in.p++;
        row->value = (Item){.type = ABSENT};
        return DONE;
    }
    return read_value(&d->in, &row->value);
}

int read_slot(Decoder *d, Shape shape, bool removable, Slot *s, u64 *place)
{
    bool down = shape_kind(shape) == PNCOUNTER;
    u64 head = read_number(&d->in);
    *s = (Slot){0};
    RemoteDot dot = check_remote_dot(d, head >> 1, read_number(&d->in));
    *place = dot.place;
    s->sequence = dot.sequence;
    s->up = read_number(&d->in);
    s->down = down ? read_number(&d->in) : 0;
    if (head & 1) {
        s->up_floor = read_number(&d->in);
        s->down_floor = down ? read_number(&d->in) : 0;
        u64 by = read_number(&d->in);
        RemoteDot floored = check_remote_dot(d, by, read_number(&d->in));
        s->floored = dot_of((u16)floored.place, floored.sequence); /* the place stands for the writer yet */
        if (!removable || (s->up_floor == 0 && s->down_floor == 0))
            refuse(&d->in, "floors that cannot be there");
    }
    if (s->up_floor > s->up || s->down_floor > s->down || (s->up == 0 && s->down == 0))
        refuse(&d->in, "a count below its floor, or of nothing");
    return d->in.error != NULL ? ERROR_DECODE : DONE;
}

/* ---- check ----------------------------------------------------------------------------------------- */

static int check_slots(Repair *r, const Place *at, u64 n)
{
    if (n > r->d.n)
        return refuse(&r->d.in, "more counts than writers");
    int status = DONE;
    for (u64 i = 0; i < n && status == DONE; i++) {
        Slot s;
        u64 place;
        status = read_slot(&r->d, at->shape, at->removable, &s, &place);
    }
    return status;
}

static int check_entries(Repair *r, const Place *at, u64 n)
{
    switch (shape_kind(at->shape)) {
    case GCOUNTER:
    case PNCOUNTER:
        return check_slots(r, at, n);
    case OP_LIST:
    case TEXT:
        if (n != 1)
            return refuse(&r->d.in, "a sequence is one entry");
        return sequence_check(NULL, shape_kind(at->shape) == TEXT, &r->d);
    default: {
        int status = DONE;
        Incoming row;
        for (u64 i = 0; i < n && status == DONE; i++)
            status = read_row(&r->d, table_columns(at->shape), &row);
        return status;
    }
    }
}

static int check_groups(Repair *r)
{
    u64 groups = read_count(&r->d.in, 4);
    Words paths; /* once each: else a few bytes could have a large container joined over and over */
    int status = words_open(&paths, groups, r->doc->seed);
    for (u64 i = 0; i < groups && status == DONE; i++) {
        Place at;
        status = read_place(r, &at, false);
        if (status == DONE && !words_add(&paths, at.path))
            status = refuse(&r->d.in, "a container is named twice");
        u64 n = status == DONE ? read_count(&r->d.in, 2) : 0;
        if (status == DONE)
            status = check_entries(r, &at, n);
    }
    if (paths.slot != NULL)
        words_close(&paths);
    if (status == DONE && r->d.in.error == NULL && reader_left(&r->d.in) != 0)
        return refuse(&r->d.in, "bytes are left over");
    return r->d.in.error != NULL ? ERROR_DECODE : status;
}

int repair_check(Repair *r, size_t *groups_at)
{
    Reader *in = &r->d.in;
    int status = check_header(in);
    if (status != DONE)
        return status;
    u8 flags = read_byte(in);
    if ((flags & ~(FLAGS_GROWTH | FLAG_VERSION | FLAG_CONDEMNED)) != FLAG_ENTRIES)
        return refuse(in, "not a message of entries");
    r->takes_version = flags & FLAG_VERSION;
    r->d.flags = flags;
    r->d.tells_condemned = flags & FLAG_CONDEMNED;
    r->d.is_full = true; /* so that the writers' bases are 0 */
    u64 shape = read_number(in);
    if (in->error == NULL && shape != r->doc->root->shape)
        return refuse(in, "of another type");
    status = read_writers(&r->d);
    if (status == DONE)
        status = growth_read(&r->d, flags);
    *groups_at = (size_t)(in->p - in->start);
    return status == DONE ? check_groups(r) : status;
}
