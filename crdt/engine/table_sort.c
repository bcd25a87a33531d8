/* Sorting by eight bytes of the keys at a time, eleven bits a pass (a radix sort, least digit first), and again
 * where many rows agree in those: names like "user:000123" mostly differ in a few bytes only. */
#include "table_sort.h"

#include <stdlib.h>

enum {
    DIGIT_BITS = 11,
    DIGITS = 6, /* of 64 bits */
    COMPARED_TO = 512, /* as many rows are sorted by comparing them */
    DEPTH_MAX = 16,   /* so are any rows that agree in as many parts */
};

typedef struct {
    const Document *doc;
    const Table *t;
    u32 (*count)[1 << DIGIT_BITS];
} Order;

static int compare_rows(const Order *o, u32 a, u32 b)
{
    u128 p = key_order(o->t, a), q = key_order(o->t, b);
    if (p != q)
        return p < q ? -1 : 1;
    Item x = table_key(o->t, a), y = table_key(o->t, b);
    int c = item_compare(&x, &y);
    return c != 0 ? c : dot_compare(&o->doc->replicas, o->t->dot[a], o->t->dot[b]);
}

static bool is_before(const Order *o, const SortItem *a, const SortItem *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    return compare_rows(o, a->row, b->row) < 0;
}

/* Bottom-up merge sort of `items` by way of `spare`; the result is in `items`. */
static void sort_by_comparing(const Order *o, SortItem *items, SortItem *spare, u32 n)
{
    SortItem *from = items, *to = spare;
    for (u64 width = 1; width < n; width *= 2) {
        for (u64 start = 0; start < n; start += 2 * width) {
            u64 middle = start + width < n ? start + width : n;
            u64 end = start + 2 * width < n ? start + 2 * width : n;
            u64 i = start, j = middle, out = start;
            while (i < middle && j < end)
                to[out++] = is_before(o, &from[j], &from[i]) ? from[j++] : from[i++];
            while (i < middle)
                to[out++] = from[i++];
            while (j < end)
                to[out++] = from[j++];
        }
        SortItem *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof(SortItem));
}

/* Sort by `prefix` alone; the result is in `items`. */
static void sort_by_prefix(const Order *o, SortItem *items, SortItem *spare, u32 n)
{
    u32 (*count)[1 << DIGIT_BITS] = o->count;
    const u64 mask = (1 << DIGIT_BITS) - 1;
    memset(count, 0, DIGITS * sizeof *count);
    for (u32 i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++)
            count[d][items[i].prefix >> d * DIGIT_BITS & mask]++;
    SortItem *from = items, *to = spare;
    for (int d = 0; d < DIGITS; d++) {
        if (count[d][from[0].prefix >> d * DIGIT_BITS & mask] == n)
            continue; /* all have this digit */
        u32 sum = 0;
        for (u32 v = 0; v <= mask; v++) {
            u32 these = count[d][v];
            count[d][v] = sum;
            sum += these;
        }
        for (u32 i = 0; i < n; i++)
            to[count[d][from[i].prefix >> d * DIGIT_BITS & mask]++] = from[i];
        SortItem *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof(SortItem));
}

/* Eight bytes of a key's canonical bytes, its type and then its payload, from `at`; zeros beyond its end. */
static u64 part_of(const Item *key, u32 at)
{
    u8 bytes[8] = {0};
    u32 from = at == 0 ? 0 : at - 1, to = at == 0;
    if (from + 8 <= key->n && to == 0)
        return load64_be(key->p + from);
    if (from < key->n)
        memcpy(bytes + to, key->p + from, key->n - from < 8 - to ? key->n - from : 8 - to);
    if (at == 0)
        bytes[0] = key->type;
    return load64_be(bytes);
}

/* How many of their canonical bytes all these keys share, which is at least `at`. */
static u32 shared_by(const Order *o, const SortItem *items, u32 n, u32 at)
{
    Item first = table_key(o->t, items[0].row);
    u32 least = at == 0 ? 0 : at - 1, shared = first.n; /* of the payload */
    for (u32 i = 1; i < n; i++) {
        Item key = table_key(o->t, items[i].row);
        if (key.type != first.type)
            return 0;
        u32 most = key.n < shared ? key.n : shared;
        shared = most <= least ? most : least + (u32)equal_bytes(key.p + least, first.p + least, most - least);
        if (shared <= least && at != 0)
            break; /* from the beginning, a key of another type may follow */
    }
    return shared + 1;
}

/* Rows whose keys share their first `at` canonical bytes. */
static void sort_from(const Order *o, SortItem *items, SortItem *spare, u32 n, u32 at, int depth)
{
    at = shared_by(o, items, n, at);
    for (u32 i = 0; i < n; i++) {
        Item key = table_key(o->t, items[i].row);
        items[i].prefix = part_of(&key, at);
    }
    if (n <= COMPARED_TO || depth == DEPTH_MAX) {
        sort_by_comparing(o, items, spare, n);
        return;
    }
    sort_by_prefix(o, items, spare, n);
    for (u32 start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && items[end].prefix == items[start].prefix; end++)
            ;
        if (end - start > 1)
            sort_from(o, items + start, spare + start, end - start, at, depth + 1);
    }
}

bool rows_are_in_order(const Document *doc, const Table *t)
{
    Order o = {doc, t, NULL};
    for (u32 i = 1; i < t->n; i++)
        if (compare_rows(&o, i - 1, i) > 0)
            return false;
    return true;
}

int rows_sort(const Document *doc, const Table *t, SortItem **sorted)
{
    Order o = {doc, t, NULL};
    SortItem *items = block_resize(NULL, 0, rows_sorted_bytes(t));
    if (items == NULL)
        return ERROR_MEMORY;
    if (t->n > COMPARED_TO && (o.count = malloc(DIGITS * sizeof *o.count)) == NULL) {
        block_free(items, rows_sorted_bytes(t));
        return ERROR_MEMORY;
    }
    for (u32 i = 0; i < t->n; i++)
        items[i] = (SortItem){0, i};
    sort_from(&o, items, items + t->n, t->n, 0, 0);
    free(o.count);
    *sorted = items;
    return DONE;
}
