/* The section of a set, register or map: reading and checking it. */
#include "table_read.h"
#include "entry.h"

/* ---- reading one row, with all its checks --------------------------------------------------------- */

static int read_value_or_absent(Reader *r, Item *value)
{
    if (r->p < r->end && *r->p == ABSENT) {
        r->p++;
        *value = (Item){.type = ABSENT};
        return DONE;
    }
    return read_value(r, value);
}

static RemoteDot read_entry_dot(Decoder *d, TableReading *run, u64 place)
{
    run->sequence = read_difference(&d->in, run->sequence);
    return check_remote_dot(d, place, run->sequence);
}

static int read_entry(Decoder *d, TableReading *run, u64 place, Group *g)
{
    if (g->n == g->capacity && array_reserve(&g->all, &g->capacity, g->n + 1, sizeof(Entry)) != DONE)
        return ERROR_MEMORY;
    Entry *entry = &g->all[g->n];
    *entry = (Entry){.dot = read_entry_dot(d, run, place)};
    if (g->n > 0 && entry->dot.place <= entry[-1].dot.place)
        return refuse(&d->in, "the entries of a key are not in order");
    if (run->columns & HAS_STAMP) {
        run->stamp = entry->stamp = read_difference(&d->in, run->stamp);
        if (entry->stamp > d->latest_stamp)
            d->latest_stamp = entry->stamp;
    }
    if (d->in.error != NULL)
        return ERROR_DECODE;
    g->n++;
    if (!(run->columns & HAS_VALUE))
        return DONE;
    return run->columns & HAS_STAMP ? read_value_or_absent(&d->in, &entry->value)
                                    : read_value(&d->in, &entry->value);
}

/* Read what is commonest: a short key, one entry a little after the one before, a short value. Leaves all else, and
 * what is wrong, unread. */
static bool read_plain_row(TableReading *r)
{
    Decoder *d = r->d;
    Group *g = &r->group;
    Reader in = d->in;
    Entry entry = {.value = {0}};
    Item key;
    bool is_stamped = r->columns & HAS_STAMP;
    if (g->capacity == 0 || !(r->columns & HAS_KEY) || !read_plain(&in, &key) || reader_left(&in) < 3)
        return false;
    const u8 *p = in.p;
    u32 place = p[0] >> 2;
    if ((p[0] | p[1] | (is_stamped ? p[2] : 0)) >= 0x80 || (p[0] & 3) != ENTRY_LAST || place >= d->n)
        return false;
    entry.dot = (RemoteDot){place, r->sequence + unzigzag(p[1])};
    entry.stamp = is_stamped ? r->stamp + unzigzag(p[2]) : 0;
    in.p += 2 + is_stamped;
    if (entry.dot.sequence == 0 || entry.dot.sequence > d->writers[place].top ||
        ((r->columns & HAS_VALUE) && !read_plain(&in, &entry.value)))
        return false;
    d->in.p = in.p;
    d->latest_stamp = entry.stamp > d->latest_stamp ? entry.stamp : d->latest_stamp;
    r->sequence = entry.dot.sequence;
    r->stamp = entry.stamp;
    g->key = key;
    g->all[0] = entry;
    g->n = 1;
    g->removal = (RemoteDot){0, 0};
    return true;
}

int table_read_next(TableReading *run)
{
    if (likely(read_plain_row(run)))
        return DONE;
    Decoder *d = run->d;
    Group *g = &run->group;
    g->n = 0;
    g->removal = (RemoteDot){0, 0};
    g->key = item_none();
    if ((run->columns & HAS_KEY) && read_key(&d->in, &g->key) != DONE)
        return ERROR_DECODE;
    for (;;) {
        u64 head = read_number(&d->in);
        if (d->in.error != NULL)
            return ERROR_DECODE;
        switch (head & 3) {
        case ENTRY_NONE:
            if (head != ENTRY_NONE || g->n != 0 || !(run->columns & HAS_CHILD))
                return refuse(&d->in, "a key without entries");
            return DONE;
        case ENTRY_REMOVAL:
            g->removal = read_entry_dot(d, run, head >> 2);
            return d->in.error != NULL ? ERROR_DECODE : DONE;
        default: {
            int status = read_entry(d, run, head >> 2, g);
            if (status != DONE)
                return status;
            if ((head & 3) == ENTRY_LAST)
                return DONE;
        }
        }
    }
}

/* ---- check ---------------------------------------------------------------------------------------- */

static int check_child(const TableReading *r, const Item *key)
{
    Decoder *d = r->d;
    u8 marker = read_byte(&d->in);
    if (d->in.error != NULL)
        return ERROR_DECODE;
    if (marker == CHILD_UNTOLD || marker == CHILD_BLANK)
        return DONE;
    if (marker != CHILD_SECTION)
        return refuse(&d->in, "an unknown mark of a nested state");
    const Table *here = (const Table *)r->x.here;
    Expected below = {.shape = shape_of_children(r->x.shape),
                      .here = here == NULL ? NULL : map_find(r->doc, here, key),
                      .path = child_path(r->x.path, key),
                      .removable = true,
                      .depth = r->x.depth + 1};
    return section_check(r->doc, d, below);
}

static int check_group(const TableReading *r)
{
    const Group *g = &r->group;
    Decoder *d = r->d;
    if (!r->keeps_siblings && (g->n != 1 || g->removal.sequence != 0))
        return refuse(&d->in, "a key must have one entry");
    if (r->complete && g->removal.sequence != 0)
        return refuse(&d->in, "a removal in a complete section");
    if (!(r->columns & HAS_KEY) && (g->n == 0 || g->removal.sequence != 0))
        return refuse(&d->in, "a register must have an entry");
    if (!r->keeps_siblings && (r->columns & HAS_STAMP) && g->all[0].value.type == ABSENT &&
        g->all[0].dot.sequence <= d->writers[g->all[0].dot.place].cut)
        return refuse(&d->in, "a deletion that its sender has purged");
    return r->columns & HAS_CHILD ? check_child(r, &g->key) : DONE;
}

int table_check_next(TableReading *r)
{
    int status = table_read_next(r);
    if (status == DONE)
        status = check_group(r);
    if (status == DONE && !r->is_first && (r->complete || r->d->is_full) &&
        item_compare(&r->previous, &r->group.key) >= 0)
        status = refuse(&r->d->in, "the keys are not in order");
    r->is_first = false;
    r->previous = r->group.key;
    return status;
}

int table_read_begin(const Document *doc, Decoder *d, Expected x, TableReading *r)
{
    Container like = {.shape = x.shape, .removable = x.removable};
    *r = (TableReading){.doc = doc, .d = d, .x = x, .keeps_siblings = is_dot_store(&like), .is_first = true};
    r->columns = table_columns(x.shape);
    u8 flags = read_byte(&d->in);
    bool may_be = r->keeps_siblings || ((r->columns & HAS_STAMP) && d->complete);
    if (flags > 1 || (flags == 1 && !may_be))
        return refuse(&d->in, "unknown flags of a section");
    if (flags == 0 && may_be && d->complete)
        return refuse(&d->in, "a part of what must be complete");
    r->complete = flags == 1;
    r->rows = read_count(&d->in, 2);
    if (r->rows > 1 && !(r->columns & HAS_KEY))
        return refuse(&d->in, "a register with several rows");
    return d->in.error != NULL ? ERROR_DECODE : DONE;
}

void table_read_end(TableReading *r)
{
    block_free(r->group.all, r->group.capacity * sizeof(Entry));
}

int table_check(const Document *doc, Decoder *d, Expected x)
{
    TableReading r;
    int status = table_read_begin(doc, d, x, &r);
    for (u64 i = 0; i < r.rows && status == DONE; i++)
        status = table_check_next(&r);
    table_read_end(&r);
    return status;
}
