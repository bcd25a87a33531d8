/* Packed rows under a hash index: the storage of sets, registers and maps. Knows nothing of merging.
 *
 * A row is a key, a dot and, as the type needs, a value and a stamp, each in a column of its own.
 * Several rows may have one key ("siblings": entries written concurrently); all are in the index.
 * Small tables are one block without an index, searched in order; registers have no key and no index.
 *
 * The index is an array of 64-byte buckets, one cache line: 12 tags, 12 row numbers and the count of
 * rows that wanted this bucket but live in a later one, so that a search stops where it is zero.
 */
#ifndef CRDT_TABLE_H
#define CRDT_TABLE_H

#include "container.h"

enum { HAS_VALUE = 1, HAS_STAMP = 2, HAS_CHILD = 4, HAS_KEY = 8 };
enum { NO_ROW = UINT32_MAX, BUCKET_ROWS = 12, INDEXED_FROM = 16, SMALL = 16 };
/* Rows that are summed up together, and from how many on they are. */
enum { BLOCK_ROWS = 256, SUMMED_FROM = 4 * BLOCK_ROWS, WRITER_SLOTS = 4 };

typedef struct {
    u8 tag[BUCKET_ROWS]; /* 0: free */
    u32 passed;
    u32 row[BUCKET_ROWS];
} Bucket;

/* No event in a block of rows is later: of writers whose index is that modulo WRITER_SLOTS, since most blocks are
 * of few. So a delta looks only into blocks that may have news. What leaves a block does not lower it. */
typedef struct {
    u64 sequence[WRITER_SLOTS];
} Latest;

/* A removal that the rows no longer show: which event removed something under which key. */
typedef struct {
    Dot event;
    KeyCell key;
} Removal;

typedef struct {
    Removal *all;
    Arena keys;
    u64 *horizon; /* by local writer index: removals up to here may be missing from the log */
    u32 n, capacity, horizon_n, horizon_capacity;
} RemovalLog;

/* What only few tables have. */
typedef struct {
    Latest *latest; /* by block of rows, or NULL: of none is known that it has nothing new; maps of states have none */
    RemovalLog *log;
    const Schema *schema; /* of the composites in a map, see SchemaField.of */
} TableExtras;

typedef struct {
    CONTAINER_FIELDS;
    KeyCell *key;
    Dot *dot;
    u64 *word; /* value payload or its place; the child of an ORMap row */
    u64 *stamp;
    u8 *value; /* value head */
    Bucket *bucket;
    TableExtras *extras; /* NULL until one is needed */
    Arena arena;
    u32 n, capacity;
    u32 buckets : 28;
    u32 columns : 4;
    u32 siblings;   /* rows beyond the first of their key */
    u32 tombstones; /* rows whose value is ABSENT, or hidden rows of an ORMap */
    u32 mutations;  /* counts changes of the rows, for iterators; begins where no freed table of this place was */
} Table;

typedef struct {
    KeyCell key;
    Dot dot;
    u64 word, stamp;
    u8 value;
} Row;

/* A key ready to be looked up; refers to its item. */
typedef struct {
    const Item *item;
    u64 hash;
    u64 first; /* of its cell, eight bytes and four */
    u32 last;
} Probe;

/* Free all that a table holds; its own bytes are the caller's. */
void table_end(Table *t);
/* Make zeroed bytes a copy; children are not copied (their words are, for the caller to replace). To be ended also when
 * it fails. */
int table_copy(Table *t, const Table *from);
/* What it occupies beside its own bytes. */
size_t table_memory_within(const Table *t);

/* The extras, made if there are none; NULL: out of memory. */
TableExtras *table_extras(Table *t);

static inline RemovalLog *table_log(const Table *t)
{
    return t->extras == NULL ? NULL : t->extras->log;
}

static inline Latest *table_latest(const Table *t)
{
    return t->extras == NULL ? NULL : t->extras->latest;
}

int map_set_schema(Table *t, const Schema *schema);

static inline const Schema *map_schema(const Table *t)
{
    return t->extras == NULL ? NULL : t->extras->schema;
}

/* Make room for `rows` more rows and `bytes` more arena bytes: what table_reserve does when it is lacking. */
int table_grow(Table *t, u32 rows, u64 bytes, u64 seed);
/* The same, leaving the index as it is. */
int table_grow_rows(Table *t, u32 rows, u64 bytes);

/* Fill an empty table with keys that are known to be different: no index, so no search, until the end. Rows that
 * an error leaves there are still found, slowly. */
int table_load_begin(Table *t, u64 rows);
int table_load_end(Table *t, u64 seed);

/* The first row of a key, appending and replacing: table_index.h. */

/* All rows of a key: start with {0} in *place, ends with NO_ROW. */
typedef struct {
    u32 bucket, left, mask;
    bool started;
} Matches;
u32 table_next_match(const Table *t, const Probe *p, Matches *m);
/* Store a key that has to lie in the arena, where there is room. */
void table_store_key(Table *t, u32 row, const Item *key, u64 hash);
/* The first row of a key that is not in the bucket it wanted. */
u32 table_find_beyond(const Table *t, Probe p);

/* Take out all rows, and give back their room. */
void table_empty(Table *t);

/* Take out a row; the last one moves into its place. */
void table_remove(Table *t, u32 row, u64 seed);
/* Exactly undoes table_remove(row). The room is still there, since removing frees none. */
void table_put_back(Table *t, u32 row, const Row *taken, u64 seed);

/* What table_tidy does when there is something to do. */
void table_compact(Table *t, u64 seed);

static inline Row table_row(const Table *t, u32 i)
{
    Row row = {.key = t->key[i], .dot = t->dot[i]};
    if (t->word != NULL)
        row.word = t->word[i];
    if (t->value != NULL)
        row.value = t->value[i];
    if (t->stamp != NULL)
        row.stamp = t->stamp[i];
    return row;
}

/* Sum up that row, too. */
static inline void table_note_dot(const Table *t, Latest *blocks, u32 i)
{
    u64 *latest = &blocks[i / BLOCK_ROWS].sequence[dot_replica(t->dot[i]) % WRITER_SLOTS];
    u64 sequence = dot_sequence(t->dot[i]);
    *latest = sequence > *latest ? sequence : *latest;
}

static inline void table_set_row(Table *t, u32 i, const Row *row)
{
    t->key[i] = row->key;
    t->dot[i] = row->dot;
    if (t->word != NULL)
        t->word[i] = row->word;
    if (t->value != NULL)
        t->value[i] = row->value;
    if (t->stamp != NULL)
        t->stamp[i] = row->stamp;
    Latest *latest = table_latest(t);
    if (latest != NULL)
        table_note_dot(t, latest, i);
}

static inline Item table_key(const Table *t, u32 i)
{
    return key_item(&t->key[i], &t->arena);
}

static inline Item table_value(const Table *t, u32 i)
{
    return value_item(t->value[i], &t->word[i], &t->arena);
}

static inline u32 cell_arena_bytes(u8 head, u64 reference)
{
    return (head & 15) == IN_ARENA ? (u32)(reference & 0xffffff) : 0;
}

/* ---- the columns --------------------------------------------------------------------------- */

/* Room for so many rows, all that there are included. */
int rows_resize(Table *t, u32 capacity);
void rows_free(Table *t);
size_t rows_memory(const Table *t);

/* ---- the log of removals ------------------------------------------------------------------ */

/* Room for one more removal of a key of this many bytes; makes the log if there is none. */
int removals_reserve(Table *t, u32 key_bytes);
void removals_append(Table *t, Dot event, const Item *key);
void removals_free(RemovalLog *log);
RemovalLog *removals_copy(const RemovalLog *log);
size_t removals_memory(const RemovalLog *log);
/* Nothing at or below these sequences can be answered from the log any more. NULL: only make room
 * for n writers. */
int removals_raise_horizon(Table *t, const u64 *sequences, u32 n);
/* A table made after the document got a whole state knows nothing of what was removed before. */
int removals_begin(Table *t, const Replicas *replicas);
/* Drop what the log says of a writer. */
void removals_forget(RemovalLog *log, u16 writer);
/* Forget the older half when the log has outgrown its bound. */
int removals_trim(Table *t);
/* Whether a holder of `since` can be told every removal it lacks. */
bool removals_reaches(const Table *t, const u64 *since, u32 n);

#endif
