/* Writing chosen entries as a message:
 *
 *   header, flags, shape, writers, growth, count of groups, groups
 *   group = depth, steps from the root to a container, count of entries, entries
 */
#include "entries.h"
#include "growth.h"
#include "message.h"
#include "sequence_union.h"

#include <stdlib.h>

typedef struct {
    Encoder e;
    const Document *doc;
    SipKey key;
    const u64 *tops; /* by local index: what the message says is held */
    Words wanted;
    bool everything;
    const Container *in; /* of the group at hand */
    size_t count_at;
    u32 groups, entries;
} EntryWriter;

/* ---- the way to a container ------------------------------------------------------------------------ */

static void write_field_step(Writer *w, const Composite *c, const Container *child)
{
    for (u16 i = 0; i < declared_fields(c); i++)
        if (c->field[i] == child)
            write_string(w, c->schema->field[i].name, c->schema->field[i].name_bytes);
    for (u32 i = 0; i < c->extras; i++)
        if (c->extra[i].child == child)
            write_string(w, c->extra[i].name, c->extra[i].name_bytes);
    write_number(w, child->shape);
}

static void write_steps(Writer *w, const Container *c)
{
    const Container *parent = c->parent;
    if (parent == NULL)
        return;
    write_steps(w, parent);
    if (container_kind(parent) == COMPOSITE) {
        write_field_step(w, (const Composite *)parent, c);
    } else {
        Item key = table_key((const Table *)parent, c->row);
        write_item(w, &key);
    }
}

static void end_group(EntryWriter *ew)
{
    if (ew->in != NULL)
        write_number_at(&ew->e.out, ew->count_at, ew->entries);
    ew->entries = 0;
}

static void begin_group(EntryWriter *ew, const Container *c)
{
    u64 depth = 0;
    end_group(ew);
    for (const Container *at = c; at->parent != NULL; at = at->parent)
        depth++;
    write_number(&ew->e.out, depth);
    write_steps(&ew->e.out, c);
    ew->in = c;
    ew->count_at = ew->e.out.n;
    ew->groups++;
}

/* ---- entries --------------------------------------------------------------------------------------- */

static void write_slot(EntryWriter *ew, const Counter *c, const Slot *s)
{
    Writer *w = &ew->e.out;
    bool floors = s->up_floor != 0 || s->down_floor != 0, down = container_kind(&c->base) == PNCOUNTER;
    write_number(w, (u64)ew->e.place[s->replica] << 1 | floors);
    write_number(w, s->sequence);
    write_number(w, s->up);
    if (down)
        write_number(w, s->down);
    if (floors)
        write_number(w, s->up_floor);
    if (floors && down)
        write_number(w, s->down_floor);
    if (floors) {
        write_number(w, ew->e.place[dot_replica(s->floored)]);
        write_number(w, dot_sequence(s->floored));
    }
}

static void write_key_and_dot(EntryWriter *ew, const Table *t, u32 row, Dot dot)
{
    Writer *w = &ew->e.out;
    if (t->columns & HAS_KEY) {
        Item key = table_key(t, row);
        write_item(w, &key);
    }
    write_number(w, ew->e.place[dot_replica(dot)]);
    write_number(w, dot_sequence(dot));
}

static void write_row(EntryWriter *ew, const Table *t, u32 row)
{
    write_key_and_dot(ew, t, row, t->dot[row]);
    if (t->columns & HAS_STAMP)
        write_number(&ew->e.out, t->stamp[row]);
    if (t->columns & HAS_VALUE) {
        Item value = table_value(t, row);
        write_item(&ew->e.out, &value);
    }
}

/* Whether the message's list of writers reaches as far as the entry. */
static bool is_told(const EntryWriter *ew, EntryAt at)
{
    switch (at.kind) {
    case ENTRY_SLOT: {
        const Slot *s = &((const Counter *)at.in)->slot[at.row];
        return s->sequence <= ew->tops[s->replica] && is_covered(ew->tops, s->floored);
    }
    case ENTRY_ROW:
        return is_covered(ew->tops, ((const Table *)at.in)->dot[at.row]);
    case ENTRY_PRESENCE:
        return is_covered(ew->tops, at.dot);
    case ENTRY_SEQUENCE:
        return sequence_is_within(((const SequenceNode *)at.in)->sequence, ew->tops);
    case ENTRY_GROWTH:
        break; /* it stands before the groups */
    }
    return false;
}

static int write_one(void *context, EntryAt at)
{
    EntryWriter *ew = context;
    if (!ew->everything && !words_have(&ew->wanted, entry_hash(ew->doc, ew->key, at)))
        return DONE;
    if (!is_told(ew, at))
        return DONE;
    if (at.in != ew->in)
        begin_group(ew, at.in);
    ew->entries++;
    switch (at.kind) {
    case ENTRY_SLOT:
        write_slot(ew, (const Counter *)at.in, &((const Counter *)at.in)->slot[at.row]);
        break;
    case ENTRY_ROW:
        write_row(ew, (const Table *)at.in, at.row);
        break;
    case ENTRY_PRESENCE:
        write_key_and_dot(ew, (const Table *)at.in, at.row, at.dot);
        break;
    case ENTRY_SEQUENCE: {
        int status = sequence_encode(((const SequenceNode *)at.in)->sequence, &ew->e);
        return status < 0 ? status : DONE;
    }
    case ENTRY_GROWTH:
        break;
    }
    return ew->e.out.failed ? ERROR_MEMORY : DONE;
}

/* ---- the message ----------------------------------------------------------------------------------- */

static void write_holders(EntryWriter *ew)
{
    const Replicas *r = &ew->doc->replicas;
    Writer *w = &ew->e.out;
    u32 n = 0;
    for (u32 i = 0; i < r->n; i++)
        n += ew->tops[i] != 0;
    write_number(w, n);
    u16 place = 0;
    for (u32 rank = 0; rank < r->n; rank++) {
        u16 index = replicas_by_rank(r)[rank];
        if (ew->tops[index] == 0)
            continue;
        ew->e.place[index] = place++;
        write_string(w, replica_id(r, index), r->all[index].id_bytes);
        write_number(w, 0);
        write_number(w, ew->tops[index]);
    }
}

/* The flags of what purges have decided, if that is asked for and the list of writers reaches as far. */
static u8 flags_of_growth(const EntryWriter *ew, bool with_version)
{
    const Document *doc = ew->doc;
    if (!growth_is_there(doc))
        return 0;
    u64 hash = entry_hash(doc, ew->key, (EntryAt){ENTRY_GROWTH, doc->root, 0, 0});
    if (!ew->everything && !with_version && !words_have(&ew->wanted, hash))
        return 0;
    for (u32 i = 0; i < growth_n(&doc->replicas); i++) {
        Bounds g = doc->replicas.growth->of[i];
        if (g.cut > ew->tops[i] || g.purged > ew->tops[i] || !is_covered(ew->tops, g.retirement) ||
            (g.retirement != 0 && ew->tops[i] < doc->replicas.all[i].seen))
            return 0;
    }
    bool complete;
    return growth_flags(doc, ew->e.since, true, &complete);
}

static int write_message(EntryWriter *ew, bool with_version)
{
    Writer *w = &ew->e.out;
    u8 header[HEADER_BYTES] = {MAGIC, VERSION};
    write_bytes(w, header, HEADER_BYTES);
    u8 flags = flags_of_growth(ew, with_version);
    ew->e.tells_condemned = growth_condemned(ew->doc->root, NULL);
    flags |= ew->e.tells_condemned ? FLAG_CONDEMNED : 0;
    write_byte(w, flags | FLAG_ENTRIES | (with_version ? FLAG_VERSION : 0));
    write_number(w, ew->doc->root->shape);
    write_holders(ew);
    growth_write(ew->doc, &ew->e, flags, ew->tops);
    size_t groups_at = w->n;
    int status = entries_walk(ew->doc, write_one, ew);
    end_group(ew);
    write_number_at(w, groups_at, ew->groups);
    if (w->failed)
        status = ERROR_MEMORY;
    if (status == DONE)
        sign_message(w);
    return status;
}

int entries_encode(const Document *doc, SipKey key, const u64 *hashes, size_t n, const u64 *tops, Writer *out)
{
    const Replicas *r = &doc->replicas;
    u64 *held = calloc(2 * (r->n + 1u), sizeof(u64)); /* and zeros, for a section that builds on nothing */
    u16 *place = calloc(r->n + 1u, sizeof(u16));
    EntryWriter ew = {.doc = doc, .key = key, .tops = held, .everything = hashes == NULL};
    int status = words_open(&ew.wanted, n, key.k0);
    if (held == NULL || place == NULL)
        status = ERROR_MEMORY;
    if (status == DONE) {
        for (u32 i = 0; i < r->n; i++)
            held[i] = tops == NULL || tops[i] > r->all[i].seen ? r->all[i].seen : tops[i];
        for (size_t i = 0; i < n && hashes != NULL; i++)
            (void)words_add(&ew.wanted, hashes[i]);
        ew.e = (Encoder){.replicas = r, .since = held + r->n + 1, .place = place, .canonical = true};
        status = write_message(&ew, tops != NULL);
    }
    if (ew.wanted.slot != NULL)
        words_close(&ew.wanted);
    free(place);
    free(held);
    if (status == DONE)
        *out = ew.e.out;
    else
        writer_free(&ew.e.out);
    return status;
}
