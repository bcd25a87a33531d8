# What the compiled modules use of the engine. The headers in crdt/engine say what each does.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef uint8_t u8
ctypedef uint16_t u16
ctypedef uint32_t u32
ctypedef uint64_t u64
ctypedef int64_t i64

cdef extern from "base.h" nogil:
    enum: DONE, ERROR_MEMORY, ERROR_DECODE, ERROR_LIMIT, ERROR_RANGE, ERROR_RETIRED
    enum: REPLICA_ID_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX, INTEGER_BYTES_MAX, VALUE_DEPTH_MAX

cdef extern from "hash.h" nogil:
    ctypedef struct Digest:
        u64 low
        u64 high

cdef extern from "wire.h" nogil:
    ctypedef struct Writer:
        u8 *p
        size_t n
        bint failed

    ctypedef struct Reader:
        const u8 *p
        const u8 *end
        const u8 *start
        const char *error

    Writer empty_writer()
    Writer lent_writer(u8 *room, size_t n)
    void write_byte(Writer *w, u8 byte)
    void write_number(Writer *w, u64 v)
    void write_bytes(Writer *w, const void *p, size_t n)
    void write_string(Writer *w, const u8 *p, size_t n)
    void writer_free(Writer *w)
    u64 read_number(Reader *r)
    u64 read_count(Reader *r, size_t bytes_each)
    const u8 *read_bytes(Reader *r, u64 n)
    size_t reader_left(const Reader *r)
    bint utf8_is_valid(const u8 *p, size_t n)

cdef extern from "message.h" nogil:
    enum: HEADER_BYTES

cdef extern from "item.h" nogil:
    enum: ABSENT, NONE, FALSE_, TRUE_, INTEGER, BIG_INTEGER, FLOAT, STRING, BYTES, TUPLE, LIST, DICT

    ctypedef struct Item:
        u8 type
        u32 n
        const u8 *p
        u64 word

    Item item_none()
    Item item_integer(i64 v)
    Item item_float(double v)
    i64 item_integer_value(const Item *item)
    double item_float_value(const Item *item)
    const u8 *item_bytes(const Item *item)
    int item_compare(const Item *a, const Item *b)
    void write_item(Writer *w, const Item *item)
    int read_key(Reader *r, Item *item)
    int read_value(Reader *r, Item *item)

cdef extern from "clock.h" nogil:
    ctypedef u64 Dot
    u64 SEQUENCE_MAX

    ctypedef struct Replica:
        u64 seen
        u8 id_bytes

    ctypedef struct Bounds:
        u64 cut, purged
        Dot retirement

    ctypedef struct Replicas:
        Replica *all
        u32 n

    u32 growth_n(const Replicas *r)
    Bounds growth_of(const Replicas *r, u16 index)

    int replicas_find(const Replicas *r, const u8 *id, u8 n)
    const u8 *replica_id(const Replicas *r, u16 index)
    Dot dot_of(u16 replica, u64 sequence)
    u16 dot_replica(Dot d)
    u64 dot_sequence(Dot d)

cdef extern from "container.h" nogil:
    enum: GCOUNTER, PNCOUNTER, GSET, ORSET, LWW_REGISTER, MV_REGISTER, LWW_MAP, OR_MAP, OP_LIST, TEXT, COMPOSITE

    ctypedef u32 Shape

    ctypedef struct Schema

    ctypedef struct SchemaField:
        const u8 *name
        u8 name_bytes
        Shape shape
        const Schema *of

    ctypedef struct Schema:
        u16 n
        SchemaField *field

    ctypedef struct Container:
        Container *parent
        Shape shape
        u32 row

    int container_kind(const Container *c)
    int shape_kind(Shape s)
    Shape shape_of_children(Shape s)

cdef extern from "stdbool.h":
    ctypedef bint cbool "bool"

cdef extern from "sequence.h" nogil:
    ctypedef struct Sequence

    ctypedef struct SequenceWalk:
        pass

    u32 sequence_length(const Sequence *s)
    Digest sequence_digest(const Sequence *s)
    u32 text_widest(const Sequence *s, u32 position, u32 n)
    void text_copy(const Sequence *s, u32 position, u32 n, void *out, int width)
    Item list_item(const Sequence *s, u32 position)
    SequenceWalk walk_start(const Sequence *s, u32 position)
    bint walk_next(SequenceWalk *walk, Item *item)
    int sequence_dot_at(const Sequence *s, u32 position, Dot *dot)
    int sequence_position_of(const Sequence *s, Dot dot, u32 *position, cbool *visible)

cdef extern from "table.h" nogil:
    u32 NO_ROW

    ctypedef struct Table:
        u32 n
        u32 siblings
        u32 tombstones
        u32 mutations
        Dot *dot

    Item table_key(const Table *t, u32 i)
    Item table_value(const Table *t, u32 i)

cdef extern from "document.h" nogil:
    ctypedef struct Counter:
        pass

    ctypedef struct SequenceNode:
        Sequence *sequence

    ctypedef struct ExtraField:
        u8 *name
        Container *child
        u8 name_bytes

    ctypedef struct CompositeNode "Composite":
        Container **field
        ExtraField *extra
        u32 extras

    ctypedef struct UndoRecord

    ctypedef struct Transaction:
        UndoRecord *undo
        u32 undo_n, undo_capacity
        u64 seen_before

    ctypedef struct Document:
        Replicas replicas
        Container *root
        Transaction *open
        u64 stamp
        int self
        u32 epoch
        bint is_retired

    enum: UNCHANGED, CHANGED

    ctypedef enum Landing:
        MESSAGE_LANDED, MESSAGE_NO_NEWS, MESSAGE_BASE_MISSING, MESSAGE_TOO_EARLY, MESSAGE_RETIRED, MESSAGE_REBASE

    Document *document_new(Shape shape, const Schema *schema, u64 seed)
    void document_free(Document *doc)
    Document *document_clone(Document *doc)
    const Schema *container_schema(const Container *c)
    size_t document_memory(const Document *doc)
    size_t container_memory(const Container *c)
    u64 document_weight(const Document *doc, const u64 *since)
    u64 document_room(const Document *doc)
    Digest document_digest(Document *doc)
    const char *document_broken_invariant(Document *doc)
    int document_own(Document *doc, const u8 *id, u8 n)
    void document_begin(Document *doc, Transaction *transaction)
    void transaction_free(Transaction *transaction)
    void document_commit(Document *doc)
    void document_rollback(Document *doc)
    int document_encode(const Document *doc, const u64 *since, bint everything, Writer *out)
    int document_merge(Document *doc, const u8 *bytes, size_t n, u64 latest_stamp, Landing *landing,
                       const char **error, size_t *offset, u64 *base)

    int counter_add(Document *doc, Counter *c, u64 by, bint down)
    void counter_total_words(const Counter *c, u64 up[2], u64 down[2])
    int set_add(Document *doc, Table *t, const Item *key)
    int set_discard(Document *doc, Table *t, const Item *key)
    int set_clear(Document *doc, Table *t)
    int table_put(Document *doc, Table *t, const Item *key, const Item *value, u64 now_ms)
    u32 table_winner(const Document *doc, const Table *t, const Item *key)
    bint table_is_winner(const Document *doc, const Table *t, u32 row)
    int table_expect(Document *doc, Table *t, u64 keys)
    enum: BATCH
    void table_winners(const Document *doc, const Table *t, const Item *keys, u32 n, u32 *rows)
    int table_put_many(Document *doc, Table *t, const Item *keys, const Item *values, u32 n, u64 now_ms)
    int set_add_many(Document *doc, Table *t, const Item *keys, u32 n)
    Container *map_find(const Document *doc, const Table *t, const Item *key)
    int map_make(Document *doc, Table *t, const Item *key, Container **child)
    bint map_is_present(const Table *t, u32 row)
    int map_remove(Document *doc, Table *t, const Item *key)
    void edit_abandon(Document *doc, Container *c)
    int composite_make(Document *doc, CompositeNode *c, u16 field, Container **child)
    int node_insert_text(Document *doc, SequenceNode *s, u32 position, const void *units, int width, u32 n)
    int node_insert_items(Document *doc, SequenceNode *s, u32 position, const Item *items, u32 n)
    ctypedef enum DeletionKind:
        ONE_EVENT
    int node_delete(Document *doc, SequenceNode *s, u32 position, u32 n, DeletionKind kind)

cdef extern from "table_edit.h" nogil:
    int set_add_inline(Document *doc, Table *t, const Item *key)
    int table_put_inline(Document *doc, Table *t, const Item *key, const Item *value, u64 now_ms)

cdef extern from "patches.h" nogil:
    ctypedef struct Patches:
        u32 n

    int patches_add(Patches *p, u32 at, u32 deleted, const void *units, u8 width, size_t n)
    bint patches_type_on(Patches *p, u32 at, u8 unit)
    void patches_free(Patches *p)
    int node_apply(Document *doc, SequenceNode *s, const Patches *p)

cdef extern from "siphash.h" nogil:
    ctypedef struct SipKey:
        u64 k0
        u64 k1

cdef extern from "riblt.h" nogil:
    enum: CELLS_MAX, CELL_BYTES

    ctypedef u64 Cell

    ctypedef struct Difference:
        u64 *theirs
        u64 *mine
        u32 n_theirs
        u32 n_mine

    void cells_add(Cell *cells, u32 first, u32 n, const u64 *items, size_t n_items, u64 key, int sign)
    void cells_write(Writer *w, const Cell *cells, u32 n)
    int cells_read(Reader *r, Cell *cells, u32 n)
    bint cells_peel(Cell *cells, u32 n, u64 key, u32 *queue, Difference *found)

cdef extern from "entries.h" nogil:
    ctypedef struct Hashes:
        u64 *all
        size_t n
        size_t capacity

    int entries_hashes(const Document *doc, SipKey key, Hashes *hashes)
    int entries_encode(const Document *doc, SipKey key, const u64 *hashes, size_t n, const u64 *tops, Writer *out)
    int document_repair(Document *doc, const u8 *bytes, size_t n, u64 latest_stamp, Landing *landing,
                        const char **error, size_t *offset)

cdef extern from "base.h" nogil:
    void block_free(void *block, size_t bytes)

cdef extern from "growth.h" nogil:
    u64 document_purgeable(Document *doc, const u64 *cut)
    int document_purge(Document *doc, const u64 *cut, const cbool *retired)

cdef extern from "rebase.h" nogil:
    int document_rebase(Document *onto, const Document *source, const cbool *whose)
