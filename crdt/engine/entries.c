/* Walking over entries and hashing them. */
#include "entries.h"

#include "growth.h"
#include "sequence_union.h"

/* ---- hashes ---------------------------------------------------------------------------------------- */

static void hash_item(Sip *s, const Item *item)
{
    sip_word(s, (u64)item->type << 32 | item->n);
    sip_bytes(s, item_bytes(item), item->n);
}

static void hash_dot(Sip *s, const Document *doc, Dot dot)
{
    sip_word(s, doc->replicas.all[dot_replica(dot)].folded);
    sip_word(s, dot_sequence(dot));
}

static void hash_slot(Sip *s, const Document *doc, const Slot *slot)
{
    hash_dot(s, doc, dot_of(slot->replica, slot->sequence));
    sip_word(s, slot->up);
    sip_word(s, slot->down);
    sip_word(s, slot->up_floor);
    sip_word(s, slot->down_floor);
    if (slot->floored != 0)
        hash_dot(s, doc, slot->floored);
}

/* Writers in the order of their names: the same everywhere. */
static void hash_growth(Sip *s, const Document *doc)
{
    const Replicas *r = &doc->replicas;
    sip_word(s, cut_stamp(&doc->replicas));
    for (u32 rank = 0; rank < r->n; rank++) {
        u16 i = replicas_by_rank(r)[rank];
        Bounds g = growth_of(r, i);
        if (g.cut == 0 && g.purged == 0 && g.retirement == 0)
            continue;
        sip_word(s, r->all[i].folded);
        sip_word(s, g.cut);
        sip_word(s, g.purged);
        sip_word(s, g.retirement == 0 ? 0 : r->all[dot_replica(g.retirement)].folded);
        sip_word(s, dot_sequence(g.retirement));
    }
}

static void hash_row(Sip *s, const Document *doc, const Table *t, u32 row)
{
    hash_dot(s, doc, t->dot[row]);
    if (t->columns & HAS_STAMP)
        sip_word(s, t->stamp[row]);
    if (t->columns & HAS_KEY) {
        Item key = table_key(t, row);
        hash_item(s, &key);
    }
    if (t->columns & HAS_VALUE) {
        Item value = table_value(t, row);
        hash_item(s, &value);
    }
}

u64 entry_hash(const Document *doc, SipKey key, EntryAt at)
{
    Sip s = sip_begin(key);
    sip_word(&s, at.in->path);
    sip_word(&s, at.kind);
    switch (at.kind) {
    case ENTRY_SLOT:
        hash_slot(&s, doc, &((const Counter *)at.in)->slot[at.row]);
        break;
    case ENTRY_ROW:
        hash_row(&s, doc, (const Table *)at.in, at.row);
        break;
    case ENTRY_PRESENCE: {
        Item map_key = table_key((const Table *)at.in, at.row);
        hash_dot(&s, doc, at.dot);
        hash_item(&s, &map_key);
        break;
    }
    case ENTRY_SEQUENCE: {
        const Sequence *sequence = ((const SequenceNode *)at.in)->sequence;
        Digest digest = sequence_digest(sequence);
        sip_word(&s, digest.low);
        sip_word(&s, digest.high);
        sequence_hash_order(sequence, &s);
        break;
    }
    case ENTRY_GROWTH:
        hash_growth(&s, doc);
    }
    return sip_end(&s) >> 16;
}

/* ---- the walk -------------------------------------------------------------------------------------- */

typedef struct {
    int (*see)(void *context, EntryAt at);
    void *context;
} Visitor;

static int walk(const Visitor *v, const Container *c);

static int walk_presence(const Visitor *v, const Table *map, u32 row)
{
    EntryAt at = {ENTRY_PRESENCE, &map->base, row, map->dot[row]};
    if (at.dot == 0)
        return DONE;
    int status = v->see(v->context, at);
    const u64 *more = map_child(map, row)->more_dots;
    for (u64 i = 0; status == DONE && more != NULL && i < more[0]; i++) {
        at.dot = more[1 + i];
        status = v->see(v->context, at);
    }
    return status;
}

static int walk_map(const Visitor *v, const Table *map)
{
    int status = DONE;
    for (u32 row = 0; status == DONE && row < map->n; row++)
        status = walk_presence(v, map, row);
    for (u32 row = 0; status == DONE && row < map->n; row++)
        status = walk(v, map_child(map, row));
    return status;
}

static int walk_composite(const Visitor *v, const Composite *c)
{
    int status = DONE;
    for (u16 i = 0; status == DONE && i < declared_fields(c); i++)
        if (c->field[i] != NULL)
            status = walk(v, c->field[i]);
    for (u32 i = 0; status == DONE && i < c->extras; i++)
        status = walk(v, c->extra[i].child);
    return status;
}

static int walk(const Visitor *v, const Container *c)
{
    int status = DONE;
    switch (container_kind(c)) {
    case GCOUNTER:
    case PNCOUNTER:
        for (u32 i = 0; status == DONE && i < ((const Counter *)c)->n; i++)
            status = v->see(v->context, (EntryAt){ENTRY_SLOT, c, i, 0});
        return status;
    case OP_LIST:
    case TEXT:
        return container_is_blank(c) ? DONE : v->see(v->context, (EntryAt){ENTRY_SEQUENCE, c, 0, 0});
    case COMPOSITE:
        return walk_composite(v, (const Composite *)c);
    case OR_MAP:
        return walk_map(v, (const Table *)c);
    default:
        for (u32 i = 0; status == DONE && i < ((const Table *)c)->n; i++)
            status = v->see(v->context, (EntryAt){ENTRY_ROW, c, i, 0});
        return status;
    }
}

int entries_walk(const Document *doc, int (*see)(void *context, EntryAt at), void *context)
{
    Visitor v = {see, context};
    int status = growth_is_there(doc) ? see(context, (EntryAt){ENTRY_GROWTH, doc->root, 0, 0}) : DONE;
    return status == DONE ? walk(&v, doc->root) : status;
}

typedef struct {
    const Document *doc;
    SipKey key;
    Hashes *hashes;
} HashWalk;

static int add_hash(void *context, EntryAt at)
{
    HashWalk *w = context;
    Hashes *h = w->hashes;
    if (h->n == h->capacity) {
        size_t capacity = grown_capacity(h->capacity, 256);
        u64 *all = block_resize(h->all, h->capacity * sizeof(u64), capacity * sizeof(u64));
        if (all == NULL)
            return ERROR_MEMORY;
        h->all = all;
        h->capacity = capacity;
    }
    h->all[h->n++] = entry_hash(w->doc, w->key, at);
    return DONE;
}

int entries_hashes(const Document *doc, SipKey key, Hashes *hashes)
{
    HashWalk w = {doc, key, hashes};
    *hashes = (Hashes){0};
    int status = entries_walk(doc, add_hash, &w);
    if (status != DONE)
        block_free(hashes->all, hashes->capacity * sizeof(u64));
    return status;
}

/* ---- a few words ----------------------------------------------------------------------------------- */

int words_open(Words *words, size_t n, u64 seed)
{
    size_t slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    *words = (Words){.slot = block_resize(NULL, 0, slots * sizeof(u64)), .mask = slots - 1, .seed = seed};
    if (words->slot == NULL)
        return ERROR_MEMORY;
    memset(words->slot, 0, slots * sizeof(u64));
    return DONE;
}

void words_close(Words *words)
{
    block_free(words->slot, (words->mask + 1) * sizeof(u64));
}

static size_t words_place(const Words *words, u64 word)
{
    size_t at = mum(word ^ words->seed, 0x9e3779b97f4a7c15ull) & words->mask;
    while (words->slot[at] != 0 && words->slot[at] != word)
        at = (at + 1) & words->mask;
    return at;
}

bool words_add(Words *words, u64 word)
{
    if (word == 0) {
        bool was_there = words->has_zero;
        words->has_zero = true;
        return !was_there;
    }
    size_t at = words_place(words, word);
    if (words->slot[at] == word)
        return false;
    words->slot[at] = word;
    words->n++;
    return true;
}

bool words_have(const Words *words, u64 word)
{
    return word == 0 ? words->has_zero : words->slot[words_place(words, word)] == word;
}
