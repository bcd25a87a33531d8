#include "sequence_condemned.h"

#include <stdlib.h>

u32 condemned_at(const CondemnedList *list, u32 number)
{
    u32 low = 0, high = list->n;
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (list->all[middle].first + list->all[middle].n <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int condemned_append(CondemnedList *list, Condemned stretch)
{
    Condemned *last = list->n == 0 ? NULL : &list->all[list->n - 1];
    if (last != NULL && last->by == stretch.by && last->first + last->n == stretch.first) {
        last->n += stretch.n;
        return DONE;
    }
    int status = array_reserve(&list->all, &list->capacity, list->n + 1, sizeof(Condemned));
    if (status == DONE)
        list->all[list->n++] = stretch;
    return status;
}

/* A list from which stretches are taken from the front, in parts. */
typedef struct {
    const CondemnedList *list;
    u32 at;
    Condemned rest;
} Walk;

static void load(Walk *w)
{
    if (w->at < w->list->n)
        w->rest = w->list->all[w->at];
}

static bool is_over(const Walk *w)
{
    return w->at >= w->list->n;
}

/* The first n elements of what is left. */
static Condemned take(Walk *w, u32 n)
{
    Condemned part = {w->rest.first, n, w->rest.by};
    w->rest.first += n;
    w->rest.n -= n;
    if (w->rest.n == 0) {
        w->at++;
        load(w);
    }
    return part;
}

/* The elements at the front of `a` that lie before all of `b`. */
static u32 before(const Walk *a, const Walk *b)
{
    if (is_over(b) || a->rest.first + a->rest.n <= b->rest.first)
        return a->rest.n;
    return b->rest.first > a->rest.first ? b->rest.first - a->rest.first : 0;
}

int condemned_union(const Replicas *r, const CondemnedList *a, const CondemnedList *b, CondemnedList *out)
{
    Walk x = {.list = a}, y = {.list = b};
    int status = DONE;
    load(&x);
    load(&y);
    while (status == DONE && !(is_over(&x) && is_over(&y))) {
        u32 n;
        if (!is_over(&x) && (n = before(&x, &y)) != 0) {
            status = condemned_append(out, take(&x, n));
        } else if (!is_over(&y) && (n = before(&y, &x)) != 0) {
            status = condemned_append(out, take(&y, n));
        } else {
            n = x.rest.n < y.rest.n ? x.rest.n : y.rest.n;
            Condemned one = take(&x, n), other = take(&y, n);
            status = condemned_append(out, dot_compare(r, one.by, other.by) <= 0 ? one : other);
        }
    }
    return status;
}

int condemned_difference(const CondemnedList *list, const CondemnedList *without, CondemnedList *out)
{
    Walk x = {.list = list}, y = {.list = without};
    int status = DONE;
    load(&x);
    load(&y);
    while (status == DONE && !is_over(&x)) {
        u32 n = before(&x, &y);
        if (n != 0) {
            status = condemned_append(out, take(&x, n));
        } else if ((n = before(&y, &x)) != 0) {
            (void)take(&y, n);
        } else {
            n = x.rest.n < y.rest.n ? x.rest.n : y.rest.n;
            (void)take(&x, n);
            (void)take(&y, n);
        }
    }
    return status;
}

static int compare(const void *a, const void *b)
{
    u32 x = ((const Condemned *)a)->first, y = ((const Condemned *)b)->first;
    return x < y ? -1 : x > y;
}

void condemned_sort(CondemnedList *list)
{
    if (list->n > 1)
        qsort(list->all, list->n, sizeof(Condemned), compare);
}

void condemned_free(CondemnedList *list)
{
    block_free(list->all, list->capacity * sizeof(Condemned));
    *list = (CondemnedList){0};
}

int condemned_copy(CondemnedList *to, const CondemnedList *from)
{
    *to = (CondemnedList){0};
    int status = array_reserve(&to->all, &to->capacity, from->n, sizeof(Condemned));
    if (status == DONE && from->n != 0)
        memcpy(to->all, from->all, from->n * sizeof(Condemned));
    to->n = status == DONE ? from->n : 0;
    return status;
}
