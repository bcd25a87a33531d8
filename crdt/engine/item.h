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
    const u8 *p = item_bytes(a), *q = item_bytes(b);
    size_t i = equal_bytes(p, q, n);
    if (i < n)
        return p[i] < q[i] ? -1 : 1;
    return a->n == b->n ? 0 : a->n < b->n ? -1 : 1;
}

/* 64 bits that are the same on every machine, for digests. */
static inline u64 item_fold(const Item *item)
{
    return hash_bytes(item_bytes(item), item->n, 0x51ed270b0badc0deull + item->type);
}

/* On the wire an item begins with type << 4 | n. INTEGER: n = 1..8 bytes of big-endian two's
 * complement, shortest. STRING, BYTES, BIG_INTEGER: n < 15 is the length, 15 says that
 * (length - 15) follows as a varint. FLOAT: n = 8. TUPLE, LIST, DICT and the rest: n = 0. */
enum { LENGTH_FOLLOWS = 15 };

void write_item(Writer *w, const Item *item);

/* The same where there is room, with some to spare: returns where to go on. */
static inline size_t item_room(const Item *item)
{
    return (size_t)item->n + 16;
}

/* The eight bytes of an INTEGER's payload, as they lie in memory. */
static inline u8 *put_integer(u8 *p, u64 word)
{
    word ^= 0x80; /* two's complement again */
    i64 v = (i64)__builtin_bswap64(word);
    u64 magnitude = (u64)(v ^ v >> 63); /* the bits that differ from the sign */
    u32 more = (63 ^ (u32)__builtin_clzll(magnitude << 1 | 1)) & 56; /* bits of the bytes beyond the first */
    *p = (u8)((INTEGER << 4 | 1) + more / 8);
    word >>= 56 ^ more; /* the last bytes in memory come first */
    memcpy(p + 1, &word, 8);
    return p + 2 + more / 8;
}

static inline u8 *put_item(u8 *p, const Item *item)
{
    switch (item->type) {
    case INTEGER:
        return put_integer(p, load64(item_bytes(item)));
    case BIG_INTEGER:
    case STRING:
    case BYTES:
        *p++ = (u8)(item->type << 4 | (item->n < LENGTH_FOLLOWS ? item->n : LENGTH_FOLLOWS));
        if (item->n >= LENGTH_FOLLOWS)
            p = put_number(p, item->n - LENGTH_FOLLOWS);
        break;
    case FLOAT:
        *p++ = FLOAT << 4 | 8;
        break;
    default:
        *p++ = (u8)(item->type << 4);
    }
    copy_short(p, item_bytes(item), item->n);
    return p + item->n;
}

/* Read one item and check all of it (limits, UTF-8, canonical form, depth <= VALUE_DEPTH_MAX).
 * STRING, BYTES and nested payloads point into the message. Returns DONE or ERROR_DECODE. */
int read_any_key(Reader *r, Item *item);
int read_any_value(Reader *r, Item *item); /* ABSENT is refused; table.c reads it where it may stand */

static inline bool is_ascii(const u8 *p, size_t n)
{
    u64 bits = 0;
    if (n >= 8) { /* the last word may overlap the one before */
        bits = load64(p + n - 8);
        for (size_t i = 0; i + 8 < n; i += 8)
            bits |= load64(p + i);
    } else if (n >= 4) {
        bits = load32(p) | load32(p + n - 4);
    } else if (n > 0) {
        bits = p[0] | p[n / 2] | p[n - 1];
    }
    return (bits & 0x8080808080808080ull) == 0;
}

/* Read what is commonest, a short ASCII text or an int; leaves anything else, and what is wrong, unread. */
static inline bool read_plain(Reader *r, Item *item)
{
    if (reader_left(r) < 9)
        return false;
    u8 type = r->p[0] >> 4, n = r->p[0] & 15;
    if (type == STRING) {
        u32 head = n == LENGTH_FOLLOWS ? 2 : 1, length = n == LENGTH_FOLLOWS ? n + r->p[1] : n;
        if (length >= LENGTH_FOLLOWS + 0x80u || reader_left(r) - head < length || !is_ascii(r->p + head, length))
            return false;
        *item = (Item){.type = STRING, .n = length, .p = r->p + head};
        r->p += head + length;
        return true;
    }
    if (type != INTEGER || n == 0 || n > 8)
        return false;
    i64 v = (i64)load64_be(r->p + 1) >> (64 - 8 * n);
    if (n > 1 && v >> (8 * n - 9) == v >> 63)
        return false; /* not in its shortest form */
    *item = item_integer(v);
    r->p += 1 + n;
    return true;
}

static inline int read_key(Reader *r, Item *item)
{
    return likely(read_plain(r, item)) ? DONE : read_any_key(r, item);
}

static inline int read_value(Reader *r, Item *item)
{
    return likely(read_plain(r, item)) ? DONE : read_any_value(r, item);
}

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

static inline KeyCell cell_of_words(u64 first, u32 last)
{
    KeyCell cell;
    memcpy(&cell, &first, 8);
    memcpy((u8 *)&cell + 8, &last, 4);
    return cell;
}

static inline u64 cell_first(const KeyCell *cell)
{
    return load64(cell);
}

static inline u32 cell_last(const KeyCell *cell)
{
    return load32((const u8 *)cell + 8);
}

/* Less than eight bytes as a word, zeros above them: put together in a register, since a word stored in parts would be
 * slow to read. */
static inline u64 load_few(const u8 *p, u32 n)
{
    if (n >= 4)
        return load32(p) | (u64)load32(p + n - 4) << 8 * (n - 4);
    if (n > 0)
        return p[0] | (u64)p[n / 2] << 8 * (n / 2) | (u64)p[n - 1] << 8 * (n - 1);
    return 0;
}

/* The cell of a key of at most KEY_INLINE bytes, as its first eight bytes and its last four. */
static inline u64 key_words(const Item *item, u32 *last)
{
    const u8 *p = item_bytes(item);
    u32 n = item->n;
    u64 low, high = 0;
    if (likely(n >= 8)) {
        low = load64(p);
        high = load64(p + n - 8) >> 8 >> 8 * (15 - n);
    } else {
        low = load_few(p, n);
    }
    *last = (u32)(low >> 56 | high << 8);
    return (u64)(item->type << 4 | n) | low << 8;
}

static inline KeyCell key_store(const Item *item, Arena *arena)
{
    if (item->n <= KEY_INLINE) {
        u32 last;
        u64 first = key_words(item, &last);
        return cell_of_words(first, last);
    }
    u64 reference = cell_reference(arena_put(arena, item->p, item->n), item->n);
    return cell_of_words((u64)(item->type << 4 | IN_ARENA) | reference << 8, (u32)(reference >> 56));
}

static inline u8 value_store(const Item *item, u64 *word, Arena *arena)
{
    if (likely(item->n <= VALUE_INLINE)) {
        const u8 *p = item_bytes(item);
        *word = likely(item->n == 8) ? load64(p) : load_few(p, item->n);
        return (u8)(item->type << 4 | item->n);
    }
    *word = cell_reference(arena_put(arena, item->p, item->n), item->n);
    return (u8)(item->type << 4 | IN_ARENA);
}

#endif
