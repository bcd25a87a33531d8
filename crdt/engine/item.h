/* Items: the plain data that keys and values are made of, packed and canonical.
 *
 * An item is a type and a payload; equal items have equal bytes, so comparing, hashing and
 * ordering never look at a Python object. Payloads:
 *
 *   NONE FALSE TRUE   nothing
 *   INTEGER           8 bytes, big-endian, sign bit flipped: bytes order as the numbers do
 *   BIG_INTEGER       sign (0 negative, 1 positive), then the magnitude, big-endian, shortest;
 *                     never a number that fits INTEGER
 *   FLOAT             8 bytes, IEEE 754 big-endian; one NaN, 0x7ff8000000000000
 *   STRING            UTF-8 without surrogates        BYTES   as they are
 *   TUPLE LIST        count (varint), then the items as `write_item` writes them
 *   DICT              count (varint), then key and value items, keys in strictly rising byte order
 *
 * Keys are NONE..TUPLE with only such items inside tuples; -0.0 as a key is 0.0.
 */
#ifndef CRDT_ITEM_H
#define CRDT_ITEM_H

#include "arena.h"
#include "hash.h"
#include "wire.h"

typedef enum {
    ABSENT = 0, /* a deleted entry that still competes by its stamp */
    NONE = 1,
    FALSE_ = 2,
    TRUE_ = 3,
    INTEGER = 4,
    BIG_INTEGER = 5,
    FLOAT = 6,
    STRING = 7,
    BYTES = 8,
    TUPLE = 9,
    LIST = 10,
    DICT = 11,
} ItemType;

/* An item outside of any table. `p` is NULL when the payload is the 8 bytes of `word`. */
typedef struct {
    u8 type;
    u32 n;
    const u8 *p;
    u64 word; /* as stored in memory: big-endian bytes */
} Item;

static inline const u8 *item_bytes(const Item *item)
{
    return item->p != NULL ? item->p : (const u8 *)&item->word;
}

static inline Item item_none(void)
{
    return (Item){.type = NONE};
}

static inline Item item_integer(i64 v)
{
    Item item = {.type = INTEGER, .n = 8};
    store64_be(&item.word, (u64)v ^ ((u64)1 << 63));
    return item;
}

static inline i64 item_integer_value(const Item *item)
{
    return (i64)(load64_be(item_bytes(item)) ^ ((u64)1 << 63));
}

static inline Item item_float(double v)
{
    Item item = {.type = FLOAT, .n = 8};
    u64 bits;
    memcpy(&bits, &v, 8);
    if (v != v)
        bits = 0x7ff8000000000000ull;
    store64_be(&item.word, bits);
    return item;
}

static inline double item_float_value(const Item *item)
{
    u64 bits = load64_be(item_bytes(item));
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

/* Canonical order: by type, then by payload bytes, then the shorter first. */
static inline int item_compare(const Item *a, const Item *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    u32 n = a->n < b->n ? a->n : b->n;
    int c = memcmp(item_bytes(a), item_bytes(b), n);
    if (c != 0)
        return c;
    return a->n == b->n ? 0 : a->n < b->n ? -1 : 1;
}

/* 64 bits that are the same on every machine, for digests. */
static inline u64 item_fold(const Item *item)
{
    return hash_bytes(item_bytes(item), item->n, 0x51ed270b0badc0deull + item->type);
}

void write_item(Writer *w, const Item *item);

/* Read one item and check all of it (limits, UTF-8, canonical form, depth <= VALUE_DEPTH_MAX).
 * STRING, BYTES and nested payloads point into the message. Returns DONE or ERROR_DECODE. */
int read_key(Reader *r, Item *item);
int read_value(Reader *r, Item *item); /* ABSENT is refused; table.c reads it where it may stand */

/* ---- cells: items at rest ---------------------------------------------------------------- */

/* head = type << 4 | n for a payload of n <= INLINE bytes held in place, or type << 4 | 15 for one
 * in the arena, found by (offset 40 bits, length 24 bits). */
enum { IN_ARENA = 15, KEY_INLINE = 11, VALUE_INLINE = 8 };

typedef struct {
    u8 head;
    u8 p[KEY_INLINE];
} KeyCell;

static inline u64 cell_reference(u64 offset, u32 n)
{
    return offset << 24 | n;
}

static inline Item key_item(const KeyCell *cell, const Arena *arena)
{
    u8 n = cell->head & 15;
    if (n != IN_ARENA)
        return (Item){.type = cell->head >> 4, .n = n, .p = cell->p};
    u64 reference = load64(cell->p);
    return (Item){.type = cell->head >> 4,
                  .n = (u32)(reference & 0xffffff),
                  .p = arena->base + (reference >> 24)};
}

/* The item of a value cell; `word` must outlive it when the payload is inline. */
static inline Item value_item(u8 head, const u64 *word, const Arena *arena)
{
    u8 n = head & 15;
    if (n != IN_ARENA)
        return (Item){.type = head >> 4, .n = n, .p = (const u8 *)word};
    return (Item){.type = head >> 4,
                  .n = (u32)(*word & 0xffffff),
                  .p = arena->base + (*word >> 24)};
}

/* Bytes an item will need in the arena: reserve them, then store. */
static inline u32 key_arena_bytes(const Item *item)
{
    return item->n <= KEY_INLINE ? 0 : item->n;
}

static inline u32 value_arena_bytes(const Item *item)
{
    return item->n <= VALUE_INLINE ? 0 : item->n;
}

static inline KeyCell key_store(const Item *item, Arena *arena)
{
    KeyCell cell = {0};
    if (item->n <= KEY_INLINE) {
        cell.head = (u8)(item->type << 4 | item->n);
        memcpy(cell.p, item_bytes(item), item->n);
    } else {
        u64 reference = cell_reference(arena_put(arena, item->p, item->n), item->n);
        cell.head = (u8)(item->type << 4 | IN_ARENA);
        memcpy(cell.p, &reference, 8);
    }
    return cell;
}

static inline u8 value_store(const Item *item, u64 *word, Arena *arena)
{
    *word = 0;
    if (item->n <= VALUE_INLINE) {
        memcpy(word, item_bytes(item), item->n);
        return (u8)(item->type << 4 | item->n);
    }
    *word = cell_reference(arena_put(arena, item->p, item->n), item->n);
    return (u8)(item->type << 4 | IN_ARENA);
}

#endif
