/* A document: a tree of containers with one causal context, one clock and one digest.
 *
 * Every local edit takes an event (a dot) of the document's own writer; every merge is a message
 * that was checked as a whole and is then applied. Within a transaction each change leaves an undo
 * record, so that rolling back costs what was changed and copies nothing.
 *
 * Numbered invariants, asserted by document_broken_invariant:
 *   1. Every dot in the tree is seen: its sequence is at most `seen` of its writer.
 *   2. `digest` and what is put off are the sum over all entries; recomputing it gives the same.
 *   3. A table's index finds each of its rows; siblings and tombstones are counted right.
 *   4. A key has at most one entry a writer; outside of an ORMap one at all, unless the type keeps
 *      concurrent ones (ORSet, MVRegister).
 *   5. A row of an ORMap has at most one presence dot a writer, or none and a child that still holds
 *      something.
 *   6. A counter's floors are at most its counts, and it has one slot a writer.
 *   7. A cut is seen, and nothing that it purges is left (growth.h).
 */
#ifndef CRDT_DOCUMENT_H
#define CRDT_DOCUMENT_H

#include "sequence.h"
#include "sums.h"
#include "table_index.h"

typedef struct {
    u64 up, down;             /* what this writer added and took, ever */
    u64 up_floor, down_floor; /* of that, what a removal from an ORMap has observed */
    Dot floored;              /* that removal; of several that observed the same the smallest dot; 0: none */
    u64 sequence : 48;        /* of the writer's last event here */
    u64 replica : 16;
} Slot;

typedef struct {
    CONTAINER_FIELDS;
    Slot *slot;
    u32 n, capacity;
} Counter;

typedef struct {
    CONTAINER_FIELDS;
    Sequence *sequence;
} SequenceNode;

/* A field that the class does not declare, kept for those that do. */
typedef struct {
    u8 *name;
    Container *child;
    u8 name_bytes;
} ExtraField;

typedef struct {
    CONTAINER_FIELDS;
    const Schema *schema; /* see SchemaField.of */
    ExtraField *extra;
    u32 extras, extra_capacity;
    Container *field[]; /* by place in the schema; NULL until first written */
} Composite;

/* How many fields its class declares. */
static inline u16 declared_fields(const Composite *c)
{
    return c->schema == NULL ? 0 : c->schema->n;
}

typedef struct UndoRecord UndoRecord;

/* Lent to a document while it is in one, so that those at rest have none. */
typedef struct {
    UndoRecord *undo;
    u32 undo_n, undo_capacity;
    u64 seen_before; /* of the own writer, when it began */
} Transaction;

typedef struct {
    Replicas replicas;
    Digest digest; /* all entries but the unsummed, and what is seen of every writer but the own one */
    Unsummed unsummed;
    u64 seed;  /* of the hash indexes: random per process */
    u64 stamp; /* the hybrid logical clock */
    Transaction *open;   /* the one it is in, or NULL */
    i32 self;            /* local index of the own writer; -1 until it first writes */
    u32 epoch : 30;      /* counts frees of containers, so that views know when to look again */
    bool is_retired : 1; /* the own writer is */
    bool is_behind : 1;  /* while a message lands: it has purged what is still here */
    Container root[]; /* one, of the document's kind: the two are one block, since most documents are small */
} Document;

Document *document_new(Shape shape, const Schema *schema, u64 seed);
void document_free(Document *doc);
Document *document_clone(Document *doc);
size_t document_memory(const Document *doc);
/* About how many entries a walk meets that writes what a holder of `since` lacks (NULL: everything), children in
 * maps not looked into. O(fields and writers). */
u64 document_weight(const Document *doc, const u64 *since);
/* About how many bytes all of it takes when it is written, rather too many; 0: who can say. */
u64 document_room(const Document *doc);
Digest document_digest(Document *doc);
const char *document_broken_invariant(Document *doc);

/* Name the own writer. Must be done before any edit. */
int document_own(Document *doc, const u8 *id, u8 n);

/* Begin one, whose room for records may be left from another. Both its ends keep that, for the caller to free. */
void document_begin(Document *doc, Transaction *transaction);
void document_commit(Document *doc);
void document_rollback(Document *doc);
void transaction_free(Transaction *transaction);

/* ---- messages (message.c) --------------------------------------------------------------- */

/* Write what a holder of `since` (by local index, each at most what is seen here) lacks; `out` stays
 * empty when that is nothing. */
int document_encode(const Document *doc, const u64 *since, bool everything, Writer *out);

typedef enum {
    MESSAGE_LANDED,
    MESSAGE_NO_NEWS,
    MESSAGE_BASE_MISSING,
    MESSAGE_TOO_EARLY,
    MESSAGE_RETIRED, /* refused: from before what was purged here, or events of a retired writer */
    MESSAGE_REBASE,  /* refused: it has purged, and what is here and not there is from before that */
} Landing;

/* Check a whole message and, if its base is held and its stamps are at most `latest_stamp`, land it.
 * ERROR_DECODE: `error` and `offset` are set and nothing was changed. `base` becomes the number of
 * events that the message builds on. */
int document_merge(Document *doc, const u8 *bytes, size_t n, u64 latest_stamp, Landing *landing,
                   const char **error, size_t *offset, u64 *base);

/* The writers a message names, each with what it builds on (`base`) and what it brings up to (`top`);
 * their names lie in `bytes`. To be freed by the caller. The section is not looked at. */
int message_span(const u8 *bytes, size_t n, Sender **writers, u32 *count, const char **error, size_t *offset);

/* ---- local edits: 0 nothing to do, 1 changed, below 0 an error and nothing changed ------------- */

enum { UNCHANGED = 0, CHANGED = 1 };

int counter_add(Document *doc, Counter *c, u64 by, bool down);
/* Sums of all writers, 128 bits as low and high words. */
void counter_total_words(const Counter *c, u64 up[2], u64 down[2]);

int set_add(Document *doc, Table *t, const Item *key);
int set_discard(Document *doc, Table *t, const Item *key);
int set_clear(Document *doc, Table *t);
/* Registers and maps of values; a value of type ABSENT deletes. `now_ms` drives the stamp. */
int table_put(Document *doc, Table *t, const Item *key, const Item *value, u64 now_ms);
/* The same at a given stamp: to write again what was written before. */
int table_put_stamped(Document *doc, Table *t, const Item *key, const Item *value, u64 stamp);
/* The row that counts under a key: NO_ROW if none or deleted. */
u32 table_winner(const Document *doc, const Table *t, const Item *key);

/* The same for up to BATCH keys at once: much faster where the table is large and they are in no order. On an
 * error those before it are kept. */
enum { BATCH = 32 };
/* So many keys are to come: a table that holds fewer makes room for them at once. */
int table_expect(Document *doc, Table *t, u64 keys);
void table_winners(const Document *doc, const Table *t, const Item *keys, u32 n, u32 *rows);
int table_put_many(Document *doc, Table *t, const Item *keys, const Item *values, u32 n, u64 now_ms);
int set_add_many(Document *doc, Table *t, const Item *keys, u32 n);
/* Which of two rows of one key counts: above 0, the first. */
int entry_compare(const Document *doc, const Table *t, u32 a, u32 b);
/* Whether this row is the one that counts under its key: to walk over keys once each. */
bool table_is_winner(const Document *doc, const Table *t, u32 row);

Container *map_find(const Document *doc, const Table *t, const Item *key);
int map_make(Document *doc, Table *t, const Item *key, Container **child);
bool map_is_present(const Table *t, u32 row);
int map_remove(Document *doc, Table *t, const Item *key);

/* An edit of `c` changed nothing: places in ORMaps that were made for it go again. */
void edit_abandon(Document *doc, Container *c);

int composite_make(Document *doc, Composite *c, u16 field, Container **child);

int node_insert_text(Document *doc, SequenceNode *s, u32 position, const void *units, int width, u32 n);
int node_insert_items(Document *doc, SequenceNode *s, u32 position, const Item *items, u32 n);
int node_delete(Document *doc, SequenceNode *s, u32 position, u32 n, DeletionKind kind);

/* ---- between the files of the engine ----------------------------------------------------------- */

typedef enum {
    UNDO_APPENDED_ROW,
    UNDO_REPLACED_ROW,
    UNDO_REMOVED_ROW,
    UNDO_LOGGED,
    UNDO_RELOGGED,
    UNDO_HORIZON,
    UNDO_SLOT,
    UNDO_NEW_SLOT,
    UNDO_PRESENCE,
    UNDO_REMOVED_CHILD,
    UNDO_NEW_CHILD,
    UNDO_NEW_FIELD,
    UNDO_INSERTED,
    UNDO_DELETED,
} UndoKind;

struct UndoRecord {
    UndoKind kind;
    u32 row, n;
    void *at;
    union {
        Row was;
        Slot slot;
        struct {
            Dot dot;
            u64 *more;
        } presence;
        Dot event;
        u64 sequence;
    };
};

Container *container_new(Document *doc, Shape shape, const Schema *schema, Container *parent, u64 path);
void container_free(Container *c);
size_t container_memory(const Container *c);
/* The same for one that lies in a block of something else, which is zeroed first and has so many bytes for it. */
size_t container_bytes(Shape shape, const Schema *schema);
int container_start(Document *doc, Container *c, Shape shape, const Schema *schema, Container *parent, u64 path);
int container_copy(Container *c, const Container *from, Document *into, Container *parent);
void container_end(Container *c);
size_t container_memory_within(const Container *c);
/* See SchemaField.of. */
const Schema *container_schema(const Container *c);
/* Whether nothing at all is held: no entry, floor, tombstone or field. */
bool container_is_blank(const Container *c);
u8 table_columns(Shape shape);
/* The path of an ORMap's child. */
static inline u64 child_path(u64 map_path, const Item *key)
{
    return mum(map_path ^ 0x6b65790000000001ull, item_fold(key));
}
u64 field_path(const Container *composite, const u8 *name, u8 name_bytes, Shape shape);
/* Whether concurrent entries of one key stay apart and absence means removal. */
static inline bool is_dot_store(const Container *c)
{
    Kind kind = container_kind(c);
    return c->removable || kind == ORSET || kind == MV_REGISTER || kind == OR_MAP;
}

void presence_set(Document *doc, Table *map, u32 row, Dot dot, u64 *more);
void presence_digest(Document *doc, const Table *map, u32 row, bool add);
static inline Table *map_of(const Container *child)
{
    return (Table *)child->parent;
}
static inline Container *map_child(const Table *t, u32 row)
{
    return (Container *)(uintptr_t)t->word[row];
}

void slot_digest(Document *doc, const Counter *c, u32 slot, bool add);
/* Add up what was put off. */
void sums_settle(Document *doc);
/* Put off what happens to this container from now on; false: it is not to be put off. */
bool sums_turn_to(Document *doc, Container *c);
/* Put off what happens to a row of it from FIRST_ROWS on; false: there is no memory to note it. */
bool sums_mark(Document *doc, u32 row);
void seen_raise(Document *doc, u16 replica, u64 sequence);
/* A writer that nothing refers to is as one never heard of. */
void seen_forget(Document *doc, u16 replica);

/* Note in the log that `event` removed under `key`; room for it and an undo record is there. */
void removal_note(Document *doc, Table *t, Dot event, const Item *key);
void rows_remove_all(Document *doc, Table *t);
/* Take a row out of an ORMap if it has no presence and its child holds nothing. */
void map_drop_if_blank(Document *doc, Table *map, u32 row);
/* Local removal of everything below (observed by `event`), as `del map[key]` does. */
int container_reset(Document *doc, Container *c, Dot event);
u32 container_reset_records(const Container *c);

/* Sections: encode writes one and says whether it holds news, check reads one and changes nothing,
 * apply lands one that was checked. `whole`: all there is, so that absence means removal. */
int section_encode(const Document *doc, Encoder *e, const Container *c, bool whole, bool *has_news);
typedef struct {
    Shape shape;
    const Container *here; /* what is held already, or NULL */
    u64 path;
    bool removable;
    int depth;
} Expected;
int section_check(const Document *doc, Decoder *d, Expected x);
int section_apply(Document *doc, Decoder *d, Container *c, const u64 *tops);
/* As if an empty section had come as a whole: drop what the sender held and no longer has. */
int section_apply_blank(Document *doc, Container *c, const u64 *tops);
int table_encode(const Document *doc, Encoder *e, const Table *t, bool whole, bool *has_news);
int table_check(const Document *doc, Decoder *d, Expected x);
int table_apply(Document *doc, Decoder *d, Table *t, const u64 *tops);
int table_apply_blank(Document *doc, Table *t, const u64 *tops);
/* Put a varint at `at`, moving what was written since: for counts known only afterwards. */
void write_number_at(Writer *w, size_t at, u64 v);

#endif
