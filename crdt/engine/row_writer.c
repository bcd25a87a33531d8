/* A large state is mostly rows, so what is done for each decides how long it takes to write.
 *
 * Bytes are written through a pointer that might point anywhere, for all a compiler knows: after each it would load
 * again what it knew of the table and of the writer. So all that is inlined here, and works on local copies.
 */
#include "row_writer.h"

/* An entry and a row, whatever they are, without their payloads in the arena. */
enum { ENTRY_ROOM = 3 * NUMBER_BYTES_MAX, ROW_ROOM = 16 + ENTRY_ROOM + 24 };

static inline bool is_short_text(u8 head)
{
    return (u8)(head - (STRING << 4)) <= KEY_INLINE;
}

static inline bool is_integer(u8 head)
{
    return head == (INTEGER << 4 | 8);
}

/* Whether a payload lies in its cell just as it is written: not in the arena, nor of a type that has another form. */
static inline bool lies_as_written(u8 head)
{
    const u32 other = 1 << INTEGER | 1 << TUPLE | 1 << LIST | 1 << DICT;
    return (head & 15) != IN_ARENA && !(other >> (head >> 4) & 1);
}

static inline u8 *put_entry(u8 *p, const Table *t, const u16 *place, Run *run, Dot dot, u32 row, u8 kind)
{
    bool is_live = kind != ENTRY_REMOVAL && row != NO_ROW, is_stamped = is_live && (t->columns & HAS_STAMP);
    u64 head = (u64)place[dot_replica(dot)] << 2 | kind;
    u64 sequence = zigzag(dot_sequence(dot) - dot_sequence(run->dot)), stamp = 0;
    run->dot = dot;
    if (is_stamped) {
        stamp = zigzag(t->stamp[row] - run->stamp);
        run->stamp = t->stamp[row];
    }
    if (likely((head | sequence | stamp) < 0x80)) { /* of one byte each, as mostly */
        u32 bytes = (u32)(head | sequence << 8 | stamp << 16);
        memcpy(p, &bytes, 4);
        p += 2 + is_stamped;
    } else {
        p = put_number(p, head);
        p = put_number(p, sequence);
        p = is_stamped ? put_number(p, stamp) : p;
    }
    if (!is_live || !(t->columns & HAS_VALUE))
        return p;
    Item value = table_value(t, row);
    return put_item(p, &value);
}

/* The room that a row may need. */
static inline size_t row_room(const Table *t, u32 row)
{
    size_t room = ROW_ROOM;
    if ((t->columns & HAS_KEY) && (t->key[row].head & 15) == IN_ARENA)
        room += table_key(t, row).n;
    if ((t->columns & HAS_VALUE) && (t->value[row] & 15) == IN_ARENA)
        room += table_value(t, row).n;
    return room;
}

void entry_write(Encoder *e, const Table *t, Run *run, Dot dot, u32 row, u8 kind)
{
    Writer *w = &e->out;
    if (writer_reserve(w, row == NO_ROW ? ROW_ROOM : row_room(t, row)))
        w->n = (size_t)(put_entry(w->p + w->n, t, e->place, run, dot, row, kind) - w->p);
}

__attribute__((noinline)) void row_write(Encoder *e, const Table *t, Run *run, u32 row)
{
    Writer *w = &e->out;
    if (!writer_reserve(w, row_room(t, row)))
        return;
    Item key = t->columns & HAS_KEY ? table_key(t, row) : item_none();
    u8 *p = w->p + w->n;
    if (t->columns & HAS_KEY)
        p = put_item(p, &key);
    w->n = (size_t)(put_entry(p, t, e->place, run, t->dot[row], row, ENTRY_LAST) - w->p);
}

/* ---- all rows ------------------------------------------------------------------------------------ */

enum { CHUNK = 64, FEW = 8, PLAIN_ROOM = 32 }; /* rows at a time, and at least; bytes that a plain one may touch */

/* Whether a row's key comes after that of the row before. */
static bool comes_after(const Table *t, u32 row)
{
    if (row == 0 || !(t->columns & HAS_KEY))
        return true;
    u128 before = key_order(t, row - 1), here = key_order(t, row);
    if (before != here)
        return before < here;
    Item x = table_key(t, row - 1), y = table_key(t, row);
    return item_compare(&x, &y) < 0;
}

/* How many of n rows from `first` on, which is not 0, have keys that each come after the one before. */
static u32 in_order_from(const Table *t, u32 first, u32 n)
{
    const u64 type_and_key = 0xf0ffffffffffffffull; /* of what comes first */
    u64 before = 0, before_end = 0;
    bool is_known = false;
    for (u32 i = 0; i < n; i++) {
        const KeyCell *key = &t->key[first + i];
        u64 begin = load64(key), here = __builtin_bswap64(begin) & type_and_key, end = load64_be(key->p + 3);
        bool is_inline = (begin & 15) != IN_ARENA;
        /* With zeros beyond their ends, cells order as keys do, unless they are equal. */
        bool is_after = before < here || (before == here && before_end < end);
        if (unlikely(!is_inline || !is_known || !is_after) && !comes_after(t, first + i))
            return i;
        before = here;
        before_end = end;
        is_known = is_inline;
    }
    return n;
}

/* What stands between key and value of n rows from `first` on, which is not 0, if each follows one of the same writer
 * and is not much later: then its differences are less than 64, and written as single bytes, their doubles. */
static inline bool entries_of(const Table *t, const u16 *place, u32 first, u32 n, bool is_stamped, u32 *entry)
{
    const Dot *dot = &t->dot[first - 1];
    const u64 *stamp = is_stamped ? &t->stamp[first - 1] : NULL;
    u64 head = (u64)place[dot_replica(dot[0])] << 2 | ENTRY_LAST, all = head / 2;
    for (u32 i = 0; i < n; i++) {
        u64 later = dot[i + 1] - dot[i], newer = is_stamped ? stamp[i + 1] - stamp[i] : 0;
        u64 writers = (dot[i + 1] ^ dot[i]) >> 48 << 6; /* another's first event may seem to follow the last one */
        all |= later | newer | writers;
        entry[i] = (u32)(head | later << 9 | newer << 17);
    }
    return all < 64;
}

static inline Run run_before(const Table *t, u32 row)
{
    return row == 0 ? (Run){0, 0} : (Run){t->dot[row - 1], t->columns & HAS_STAMP ? t->stamp[row - 1] : 0};
}

/* Write the n rows from `first` on, that have these between key and value. */
static inline void write_plain(Encoder *e, const Table *t, u32 first, u32 n, const u32 *entry, bool has_value)
{
    Writer *w = &e->out;
    const KeyCell *key = &t->key[first];
    const u64 *word = has_value ? &t->word[first] : NULL;
    const u8 *value = has_value ? &t->value[first] : NULL;
    u32 i = 0;
again:
    if (!writer_reserve(w, (size_t)(n - i) * PLAIN_ROOM))
        return;
    u8 *p = w->p + w->n;
    for (; i < n; i++) {
        u64 begin = load64(&key[i]), end = load64(key[i].p + 3);
        u8 key_head = (u8)begin, head = has_value ? value[i] : INTEGER << 4 | 8;
        if (unlikely(!is_short_text(key_head) && !is_integer(key_head)) ||
            unlikely(!is_integer(head) && !lies_as_written(head))) {
            w->n = (size_t)(p - w->p);
            Run run = run_before(t, first + i);
            row_write(e, t, &run, first + i++);
            goto again;
        }
        if (likely(is_short_text(key_head))) {
            memcpy(p, &begin, 8);
            memcpy(p + 4, &end, 8);
            p += 1 + (key_head & 15);
        } else {
            p = put_integer(p, begin >> 8 | end << 24);
        }
        memcpy(p, &entry[i], 4);
        if (!has_value) {
            p += 2;
        } else if (likely(is_integer(head))) {
            p = put_integer(p + 3, word[i]);
        } else {
            p[3] = head;
            memcpy(p + 4, &word[i], 8);
            p += 4 + (head & 15);
        }
    }
    w->n = (size_t)(p - w->p);
}

/* Rows one at a time, as many as are in order. */
static u32 write_each(Encoder *e, const Table *t, u32 first, u32 n)
{
    Run run = run_before(t, first);
    for (u32 row = first; row < first + n; row++) {
        if (!comes_after(t, row))
            return row;
        row_write(e, t, &run, row);
    }
    return first + n;
}

u32 rows_write_in_order(Encoder *e, const Table *t)
{
    bool is_map = t->columns == (HAS_KEY | HAS_STAMP | HAS_VALUE), is_set = t->columns == HAS_KEY;
    u32 entry[CHUNK], row = t->n == 0 ? 0 : write_each(e, t, 0, 1);
    while (row < t->n && !e->out.failed) {
        u32 n = t->n - row < CHUNK ? t->n - row : CHUNK, in_order;
        if (n < FEW || !(is_map ? entries_of(t, e->place, row, n, true, entry)
                                : is_set && entries_of(t, e->place, row, n, false, entry))) {
            in_order = write_each(e, t, row, n) - row;
        } else {
            in_order = in_order_from(t, row, n);
            if (is_map)
                write_plain(e, t, row, in_order, entry, true);
            else
                write_plain(e, t, row, in_order, entry, false);
        }
        row += in_order;
        if (in_order < n)
            break;
    }
    return row;
}

void rows_write_sorted(Encoder *e, const Table *t, const SortItem *sorted)
{
    enum { FAR = 24, NEAR = 12 }; /* rows ahead: for the columns, for what they point at */
    Run run = {0, 0};
    for (u32 i = 0; i < t->n && !e->out.failed; i++) {
        if (i + FAR < t->n)
            row_prefetch(t, sorted[i + FAR].row, true);
        if (i + NEAR < t->n)
            row_prefetch_payload(t, sorted[i + NEAR].row);
        row_write(e, t, &run, sorted[i].row);
    }
}
