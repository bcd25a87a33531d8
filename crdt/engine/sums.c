/* The digest of a document: of which entries it is the sum, and what of that is put off (sums.h). */
#include "rows.h"

static const u64 SEEN_SALT = 0x7365656e00000001ull, PRESENT_SALT = 0x70726573656e7401ull,
                 FLOOR_SALT = 0x666c6f6f72656401ull;

/* ---- marks --------------------------------------------------------------------------------------- */

void marks_free(Marks *m)
{
    if (m != NULL)
        block_free(m, sizeof(Marks));
}

size_t marks_memory(const Marks *m)
{
    return m == NULL ? 0 : block_footprint(sizeof(Marks));
}

/* ---- what an entry adds --------------------------------------------------------------------------- */

static Digest seen_digest(const Replica *r)
{
    return digest_of(SEEN_SALT, r->folded, r->seen, 0);
}

static Digest slot_sum(const Document *doc, const Counter *c, u32 i)
{
    const Slot *s = &c->slot[i];
    u64 what = mum(s->up ^ 0x9e3779b97f4a7c15ull, s->down ^ 0xd1b54a32d192ed03ull) +
               mum(s->up_floor ^ 0x94d049bb133111ebull, s->down_floor ^ 0xbf58476d1ce4e5b9ull);
    if (s->floored != 0)
        what += mum(doc->replicas.all[dot_replica(s->floored)].folded, dot_sequence(s->floored) ^ FLOOR_SALT);
    u64 writer = doc->replicas.all[s->replica].folded;
    return digest_of(c->base.path, writer, s->sequence, what);
}

static void dot_digest(Document *doc, u64 where, Dot dot, bool add)
{
    u64 writer = doc->replicas.all[dot_replica(dot)].folded;
    count_digest(doc, digest_of(where, writer, dot_sequence(dot), PRESENT_SALT), add);
}

void presence_digest(Document *doc, const Table *map, u32 row, bool add)
{
    Item key = table_key(map, row);
    u64 where = map->base.path ^ item_fold(&key);
    if (map->dot[row] != 0)
        dot_digest(doc, where, map->dot[row], add);
    const u64 *more = map_child(map, row)->more_dots;
    for (u64 i = 0; more != NULL && i < more[0]; i++)
        dot_digest(doc, where, more[1 + i], add);
}

/* ---- adding up ------------------------------------------------------------------------------------ */

static bool is_counter(const Container *c)
{
    return container_kind(c) == GCOUNTER || container_kind(c) == PNCOUNTER;
}

static void add_marked(Document *doc, const Container *c, u32 word, u64 bits)
{
    for (; bits != 0; bits &= bits - 1) {
        u32 row = word * 64 + (u32)__builtin_ctzll(bits);
        if (is_counter(c))
            digest_add(&doc->digest, slot_sum(doc, (const Counter *)c, row));
        else
            row_digest(doc, (const Table *)c, row, true);
    }
}

void sums_settle(Document *doc)
{
    Unsummed *u = &doc->unsummed;
    if (u->of == NULL)
        return;
    add_marked(doc, u->of, 0, u->first);
    for (u32 i = 0; u->more != NULL && i < MARKED_WORDS; i++) {
        add_marked(doc, u->of, u->more->word[i], u->more->bits[i]);
        u->more->bits[i] = 0;
    }
    u->first = 0;
    u->of = NULL;
}

bool sums_mark(Document *doc, u32 row)
{
    Unsummed *u = &doc->unsummed;
    u32 word = row / 64, place = word % MARKED_WORDS;
    if (u->more == NULL) {
        u->more = block_resize(NULL, 0, sizeof(Marks));
        if (u->more == NULL)
            return false;
        memset(u->more, 0, sizeof(Marks));
    }
    add_marked(doc, u->of, u->more->word[place], u->more->bits[place]);
    u->more->word[place] = word;
    u->more->bits[place] = (u64)1 << row % 64;
    return true;
}

bool sums_turn_to(Document *doc, Container *c)
{
    if (c->removable)
        return false;
    sums_settle(doc);
    doc->unsummed.of = c;
    return true;
}

void slot_digest(Document *doc, const Counter *c, u32 i, bool add)
{
    if (doc->unsummed.of == &c->base)
        sums_settle(doc);
    count_digest(doc, slot_sum(doc, c, i), add);
}

Digest document_digest(Document *doc)
{
    sums_settle(doc);
    Digest sum = doc->digest;
    if (doc->self >= 0 && doc->replicas.all[doc->self].seen != 0)
        digest_add(&sum, seen_digest(&doc->replicas.all[doc->self]));
    return sum;
}

/* ---- who was seen ----------------------------------------------------------------------------------- */

void seen_raise(Document *doc, u16 replica, u64 sequence)
{
    Replica *r = &doc->replicas.all[replica];
    if (sequence <= r->seen)
        return;
    if (replica != doc->self) {
        Digest before = r->seen != 0 ? seen_digest(r) : (Digest){0};
        r->seen = sequence;
        digest_add(&doc->digest, seen_digest(r));
        digest_subtract(&doc->digest, before);
    }
    r->seen = sequence;
}

void seen_forget(Document *doc, u16 replica)
{
    Replica *r = &doc->replicas.all[replica];
    if (r->seen != 0 && replica != doc->self)
        count_digest(doc, seen_digest(r), false);
    r->seen = r->whole = 0;
}

int document_own(Document *doc, const u8 *id, u8 n)
{
    i32 index = replicas_add(&doc->replicas, id, n);
    if (index < 0)
        return index;
    if (index == doc->self)
        return DONE;
    /* `digest` leaves out the own writer, so that an event costs no hashing of what is seen. */
    if (doc->self >= 0 && doc->replicas.all[doc->self].seen != 0)
        count_digest(doc, seen_digest(&doc->replicas.all[doc->self]), true);
    if (doc->replicas.all[index].seen != 0)
        count_digest(doc, seen_digest(&doc->replicas.all[index]), false);
    doc->self = index;
    doc->is_retired = growth_of(&doc->replicas, (u16)index).retirement != 0;
    return DONE;
}
