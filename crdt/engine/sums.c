/* The digest of a document: of which entries it is the sum, and what of that is put off (sums.h). */
#include "rows.h"

static const u64 SEEN_SALT = 0x7365656e00000001ull, PRESENT_SALT = 0x70726573656e7401ull,
                 FLOOR_SALT = 0x666c6f6f72656401ull;

/* ---- marks --------------------------------------------------------------------------------------- */

static size_t marks_bytes(u32 words)
{
    return sizeof(Marks) + words * (sizeof(u64) + sizeof(u32));
}

static u32 *marked_words(Marks *m)
{
    return (u32 *)(void *)(m->word + m->words);
}

void marks_free(Marks *m)
{
    if (m != NULL)
        block_free(m, marks_bytes(m->words));
}

size_t marks_memory(const Marks *m)
{
    return m == NULL ? 0 : block_footprint(marks_bytes(m->words));
}

static bool grow_marks(Unsummed *u, u32 word)
{
    u32 had = u->more == NULL ? 0 : u->more->words, words = (u32)grown_capacity(had * 2, word + 1u);
    Marks *m = block_resize(NULL, 0, marks_bytes(words));
    if (m == NULL)
        return false;
    *m = (Marks){.words = words};
    memset(m->word, 0, words * sizeof(u64));
    if (had != 0) {
        m->n = u->more->n;
        memcpy(m->word, u->more->word, had * sizeof(u64));
        memcpy(marked_words(m), marked_words(u->more), m->n * sizeof(u32));
        marks_free(u->more);
    }
    u->more = m;
    return true;
}

bool mark_far(Unsummed *u, u32 row)
{
    u32 word = row / 64;
    if ((u->more == NULL || word >= u->more->words) && !grow_marks(u, word))
        return false;
    if (u->more->word[word] == 0)
        marked_words(u->more)[u->more->n++] = word;
    u->more->word[word] |= (u64)1 << row % 64;
    return true;
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
    const Container *c = u->of;
    if (c == NULL)
        return;
    add_marked(doc, c, 0, u->first);
    for (u32 i = 0; u->more != NULL && i < u->more->n; i++) {
        u32 word = marked_words(u->more)[i];
        add_marked(doc, c, word, u->more->word[word]);
        u->more->word[word] = 0;
    }
    if (u->more != NULL)
        u->more->n = 0;
    u->first = 0;
    u->of = NULL;
}

u64 sums_weight(const Document *doc)
{
    const Marks *more = doc->unsummed.more;
    return more == NULL ? 0 : (u64)more->n * 64;
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
        if (r->seen != 0)
            count_digest(doc, seen_digest(r), false);
        r->seen = sequence;
        count_digest(doc, seen_digest(r), true);
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
