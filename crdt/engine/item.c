#include "item.h"

void write_item(Writer *w, const Item *item)
{
    if (writer_reserve(w, item_room(item)))
        w->n = (size_t)(put_item(w->p + w->n, item) - w->p);
}

static int read_integer(Reader *r, u8 n, Item *item)
{
    const u8 *p = n >= 1 && n <= 8 ? read_bytes(r, n) : NULL;
    if (p == NULL)
        return refuse(r, "an integer is not 1 to 8 bytes");
    if (n > 1 && p[0] == (p[1] & 0x80 ? 0xff : 0x00))
        return refuse(r, "an integer is not in its shortest form");
    u64 v = p[0] & 0x80 ? ~(u64)0 : 0;
    for (u8 i = 0; i < n; i++)
        v = v << 8 | p[i];
    *item = item_integer((i64)v);
    return DONE;
}

static int check_big_integer(Reader *r, const Item *item)
{
    const u8 *p = item->p;
    u32 n = item->n;
    if (n < 9 || n > 1 + INTEGER_BYTES_MAX || p[0] > 1 || p[1] == 0)
        return refuse(r, "a big integer is malformed or larger than 4 KiB");
    if (n == 9) { /* 8 bytes of magnitude: must lie outside of 64 signed bits */
        u64 magnitude = load64_be(p + 1);
        if (magnitude < (u64)1 << 63 || (p[0] == 0 && magnitude == (u64)1 << 63))
            return refuse(r, "a big integer fits the small form");
    }
    return DONE;
}

static int read_float(Reader *r, u8 n, bool as_key, Item *item)
{
    const u8 *p = n == 8 ? read_bytes(r, 8) : NULL;
    if (p == NULL)
        return refuse(r, "a float is not 8 bytes");
    *item = (Item){.type = FLOAT, .n = 8};
    item->word = load64(p);
    double v = item_float_value(item);
    u64 bits = load64_be(p);
    if (v != v && bits != 0x7ff8000000000000ull)
        return refuse(r, "a NaN is not the canonical one");
    if (as_key && bits == (u64)1 << 63)
        return refuse(r, "a key is -0.0, not 0.0");
    return DONE;
}

static int read_blob(Reader *r, u8 type, u8 n, u32 limit, Item *item)
{
    u64 length = n;
    if (n == LENGTH_FOLLOWS)
        length += read_number(r);
    if (length > limit)
        return refuse(r, "a key or value is longer than its limit");
    const u8 *p = read_bytes(r, length);
    if (p == NULL)
        return ERROR_DECODE;
    *item = (Item){.type = type, .n = (u32)length, .p = p};
    if (type == STRING && !utf8_is_valid(p, length))
        return refuse(r, "a string is not UTF-8");
    if (type == BIG_INTEGER)
        return check_big_integer(r, item);
    return DONE;
}

typedef struct {
    bool as_key;
    u32 limit;
} ItemRules;

static int read_item(Reader *r, ItemRules rules, int depth, Item *item);

/* Items of a TUPLE or LIST, or keys and values of a DICT. The recursion ends at VALUE_DEPTH_MAX. */
static int read_nested(Reader *r, u8 type, ItemRules rules, int depth, Item *item)
{
    if (depth >= VALUE_DEPTH_MAX)
        return refuse(r, "values are nested deeper than 64");
    const u8 *start = r->p;
    u64 count = read_count(r, type == DICT ? 2 : 1);
    const u8 *previous = NULL;
    size_t previous_n = 0;
    Item inner;
    for (u64 i = 0; i < count; i++) {
        if (type == DICT) {
            const u8 *key = r->p;
            int status = read_item(r, (ItemRules){true, KEY_BYTES_MAX}, depth + 1, &inner);
            if (status != DONE)
                return status;
            size_t n = (size_t)(r->p - key);
            if (previous != NULL) {
                int c = memcmp(previous, key, previous_n < n ? previous_n : n);
                if (c > 0 || (c == 0 && previous_n >= n))
                    return refuse(r, "the keys of a dict are not in order");
            }
            previous = key;
            previous_n = n;
        }
        int status = read_item(r, rules, depth + 1, &inner);
        if (status != DONE)
            return status;
    }
    if (r->error != NULL)
        return ERROR_DECODE;
    size_t n = (size_t)(r->p - start);
    if (n > rules.limit)
        return refuse(r, "a key or value is longer than its limit");
    *item = (Item){.type = type, .n = (u32)n, .p = start};
    return DONE;
}

static int read_item(Reader *r, ItemRules rules, int depth, Item *item)
{
    u8 head = read_byte(r);
    u8 type = head >> 4, n = head & 15;
    if (r->error != NULL)
        return ERROR_DECODE;
    switch (type) {
    case INTEGER:
        return read_integer(r, n, item);
    case FLOAT:
        return read_float(r, n, rules.as_key, item);
    case BIG_INTEGER:
    case STRING:
    case BYTES:
        return read_blob(r, type, n, rules.limit, item);
    case NONE:
    case FALSE_:
    case TRUE_:
        if (n != 0)
            break;
        *item = (Item){.type = type};
        return DONE;
    case TUPLE:
        if (n != 0 || !rules.as_key)
            break;
        return read_nested(r, type, rules, depth, item);
    case LIST:
    case DICT:
        if (n != 0 || rules.as_key)
            break;
        return read_nested(r, type, rules, depth, item);
    }
    return refuse(r, "an unknown type of key or value");
}

int read_any_key(Reader *r, Item *item)
{
    return read_item(r, (ItemRules){true, KEY_BYTES_MAX}, 0, item);
}

int read_any_value(Reader *r, Item *item)
{
    return read_item(r, (ItemRules){false, VALUE_BYTES_MAX}, 0, item);
}
